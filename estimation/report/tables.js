"use strict";
// Without this script all tables and figures are complete; with it, tables can be searched and sorted, and one cause or
// latent of the graph can be picked out.
(function () {
  const ROWS_WITH_SEARCH = 6;

  function control(text, field, before) {
    const label = document.createElement("label");
    label.append(text + " ", field);
    const controls = document.createElement("div");
    controls.className = "controls";
    controls.append(label);
    before.before(controls);
    return controls;
  }

  function value(row, column) {
    const cell = row.cells[column];
    const key = cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
    const number = Number(key);
    return key !== "" && !Number.isNaN(number) ? number : key;
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, "en", { numeric: true });
  }

  function addSorting(table) {
    const headers = Array.from(table.tHead.rows[0].cells);
    headers.forEach(function (header, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", function () {
        const down = header.getAttribute("aria-sort") === "ascending";
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = Array.from(table.tBodies[0].rows);
        rows.sort((a, b) => (down ? -1 : 1) * compare(value(a, column), value(b, column)));
        table.tBodies[0].append(...rows);
      });
    });
  }

  function addSearch(table) {
    const rows = Array.from(table.tBodies[0].rows);
    if (rows.length < ROWS_WITH_SEARCH) return;
    const field = document.createElement("input");
    field.type = "search";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    control(table.dataset.search || "Search", field, table.closest(".scroll")).append(count);
    field.addEventListener("input", function () {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach(function (row) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      });
      count.textContent = words.length ? shown + " of " + rows.length + " rows" : "";
    });
  }

  function addHighlight(svg) {
    const select = document.createElement("select");
    select.append(new Option("everything", ""));
    svg.querySelectorAll("[data-node]").forEach(function (node) {
      select.append(new Option(node.dataset.name, node.dataset.node));
    });
    control("Show", select, svg.closest(".scroll"));
    select.addEventListener("change", function () {
      svg.querySelectorAll("[data-touches]").forEach(function (part) {
        const touched = part.dataset.touches.split(" ");
        part.classList.toggle("faded", select.value !== "" && !touched.includes(select.value));
      });
    });
  }

  document.querySelectorAll("table.interactive").forEach(function (table) {
    addSorting(table);
    addSearch(table);
  });
  document.querySelectorAll("svg.programme").forEach(addHighlight);
})();
