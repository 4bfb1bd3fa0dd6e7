"""CSV edge lists, and the choice between the two forms of CSV."""

from __future__ import annotations

from identify.exceptions import FormatError
from identify.formats.adjacency import read_adjacency_table
from identify.formats.base import MIB, Format, Reading, decode
from identify.formats.cells import Table, align_names, is_entry, is_integer, name_in, read_cells, write_cells
from identify.graph import CausalGraph
from identify.names import quoted

__all__ = ["EDGES", "read_table"]

_TITLES = ({"parent", "child"}, {"parent", "child", "kind"})


def read_table(content: bytes) -> Reading:
    """Read either form of CSV, as the header indicates.

    Raises:
        FormatError: If the header has neither form or a line doesn't match the header.
    """
    table = read_cells(decode(content))
    titles = table.titles
    if _is_edge_list(table) or titles[0] == "parent":
        return _read_edges(table)
    if titles[0] in ("child", ""):
        return read_adjacency_table(table)
    raise FormatError(
        f"line {table.header.number}: starts with {quoted(table.header.cells[0], 40)}; it must be 'parent,child,kind' "
        "(an edge list) or 'child,' and the parents' names (an adjacency table)"
    )


def _is_edge_list(table: Table) -> bool:
    titles = table.titles
    if set(titles) in _TITLES and len(set(titles)) == len(titles):
        # an adjacency table may have an action named parent
        return titles[0] != "child" or not all(
            is_entry(cell) for line in table.lines for cell in line.cells[1:]
        )
    return _has_index(table)


def _has_index(table: Table) -> bool:
    """Return whether the first column is an unnamed index, as pandas and R write it."""
    first, *rest = table.titles
    return (
        first == ""
        and set(rest) in _TITLES
        and len(set(rest)) == len(rest)
        and all(is_integer(cell) for cell in table.column(0))
    )


def _read_edges(table: Table) -> Reading:
    if _has_index(table):
        table = table.without_index()
    titles = table.titles
    if set(titles) not in _TITLES or len(set(titles)) < len(titles):
        raise FormatError(
            f"line {table.header.number}: is {quoted(','.join(table.header.cells[:20]))}; it must be 'parent,child' or "
            "'parent,child,kind'"
        )
    kind = titles.index("kind") if "kind" in titles else None
    parents, children, notes = align_names(
        table.column(titles.index("parent")), table.column(titles.index("child"))
    )
    kinds: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for line, parent_cell, child_cell in zip(table.lines, parents, children, strict=True):
        if not parent_cell:
            raise FormatError(
                f"line {line.number}: has no parent; to declare a node, write it as the parent and leave child empty"
            )
        parent = name_in(parent_cell)
        _declare(kinds, parent, "latent" if kind is None else line.cells[kind], line.number)
        if child_cell:
            child = name_in(child_cell)
            _declare(kinds, child, "latent", line.number)
            edges.append((parent, child))
    if kind is None:
        notes.append("no column 'kind', so all nodes are latents")
    return Reading(
        CausalGraph.from_edges(
            edges,
            latents=[name for name, kind in kinds.items() if kind == "latent"],
            actions=[name for name, kind in kinds.items() if kind == "action"],
        ),
        (*table.notes, *notes),
        EDGES.title,
    )


def _declare(kinds: dict[str, str], name: str, cell: str, line: int) -> None:
    kind = cell.lower()
    if kind not in ("latent", "action"):
        raise FormatError(
            f"line {line}: has kind {quoted(cell, 40)}; the kind of the parent must be 'latent' or 'action'"
        )
    if kinds.setdefault(name, kind) != kind:
        article = {"latent": "a latent", "action": "an action"}
        raise FormatError(
            f"line {line}: {quoted(name)} is {article[kind]} here and {article[kinds[name]]} on an earlier line; a "
            "node has one kind, and actions have no parents"
        )


def _write(graph: CausalGraph) -> bytes:
    actions = set(graph.actions)
    rows: list[tuple[str, str, str]] = [(name, "", "latent") for name in graph.latents]
    rows += [(name, "", "action") for name in graph.actions]
    rows += [(parent, child, "action" if parent in actions else "latent") for parent, child in graph.edges()]
    return write_cells(("parent", "child", "kind"), rows, n_names=2)


EDGES = Format(
    "edges",
    "edge list",
    (".csv",),
    "CSV edge list: parent,child,kind",
    1024 * MIB,
    lambda content: _read_edges(read_cells(decode(content))),
    _write,
)
