"""CSV as an adjacency table: a row per child, a column per parent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, Reading, decode
from identify.formats.cells import (
    Table,
    aligned,
    entry,
    is_entry,
    is_integer,
    kept,
    name_in,
    read_cells,
    write_cells,
)
from identify.graph import CausalGraph
from identify.names import lookalike, quoted

__all__ = ["ADJACENCY", "read_adjacency_table"]

_MAX_CELLS = 200_000_000


def read_adjacency_table(table: Table) -> Reading:
    """The graph in a table whose rows are children.

    Raises:
        FormatError: If the header does not start with 'child' or an empty cell, a column repeats or differs from a row in
            capitals only, some rows have a past column and others none, or an entry is not 0 or 1.
    """
    table = _without_index(table)
    header = table.header
    if table.titles[0] not in ("child", ""):
        raise FormatError(
            f"line {header.number}: starts with {quoted(header.cells[0], 40)}; it must start with 'child'"
        )
    if not table.lines:
        raise FormatError(f"line {header.number}: is the only one; a row per latent must follow")
    rows, titles, notes = aligned(table.column(0), header.cells[1:])
    latents, columns = ([name_in(cell) for cell in cells] for cells in (rows, titles))
    _require_unique(columns, header.number)
    _require_no_lookalike(latents, columns, table)
    entries = _entries(table, columns)
    graph = _split(latents, columns, entries, header.number)
    return Reading(graph, ("rows are children, columns their parents", *table.notes, *notes), ADJACENCY.title)


def _without_index(table: Table) -> Table:
    """Without the unnamed column that pandas and R write before the column 'child'."""
    if len(table.titles) < 2 or table.titles[:2] != ["", "child"] or not table.lines:
        return table
    numbered = all(is_integer(cell) for cell in table.column(0))
    binary = all(is_entry(cell) for cell in table.column(1))
    if numbered and binary:
        raise FormatError(
            f"line {table.header.number}: the first column has no name and the second is called 'child'; remove the "
            "first if it numbers the lines, or rename the second if it is an action"
        )
    return table.without_index() if numbered else table


def _require_unique(columns: Sequence[str], line: int) -> None:
    seen: set[str] = set()
    for name in columns:
        if not name:
            raise FormatError(f"line {line}: a column has no name; name each parent")
        if name in seen:
            raise FormatError(f"line {line}: names the column {quoted(name)} twice; names must be unique")
        seen.add(name)


def _require_no_lookalike(latents: Sequence[str], columns: Sequence[str], table: Table) -> None:
    """A row without a column of its name, and a column that differs from it in capitals only: one of them is wrong."""
    named = set(columns)
    alone = {
        lookalike(name): (name, line.number)
        for name, line in zip(latents, table.lines, strict=True)
        if name not in named
    }
    rows = set(latents)
    for column in columns:
        if column not in rows and lookalike(column) in alone:
            row, line = alone[lookalike(column)]
            raise FormatError(
                f"line {line}: the row {quoted(row)} and the column {quoted(column)} differ in capitals or in "
                "look-alike letters only; write them alike, or rename one"
            )


def _entries(table: Table, columns: Sequence[str]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for i, line in enumerate(table.lines):
        for j, cell in enumerate(line.cells[1:]):
            value = entry(cell)
            if value is None:
                raise FormatError(
                    f"line {line.number}, column {quoted(columns[j])}: is {quoted(cell, 40)}; entries must be 0 or 1"
                )
            if value:
                found.append((i, j))
    return found


def _split(latents: list[str], columns: list[str], entries: list[tuple[int, int]], line: int) -> CausalGraph:
    """Columns named as a row are past latents, the others are actions."""
    row = {name: i for i, name in enumerate(latents)}
    past = [j for j, name in enumerate(columns) if name in row]
    if past and len(past) < len(row):
        named = set(columns)
        missing = next(name for name in latents if name not in named)
        raise FormatError(
            f"line {line}: has no column {quoted(missing)}; give a past column for every row, or for none (rows are "
            "children: an action is a column only)"
        )
    acted = [j for j, name in enumerate(columns) if name not in row]
    places = np.array(entries, dtype=np.int64).reshape(-1, 2).T
    whole = sparse.csr_array(
        (np.ones(len(entries), dtype=bool), (places[0], places[1])), shape=(len(latents), len(columns))
    )
    in_order = sorted(past, key=lambda j: row[columns[j]])
    return CausalGraph(
        Gz=whole[:, in_order] if past else None,
        Ga=whole[:, acted],
        latents=latents,
        actions=[columns[j] for j in acted],
    )


def _write(graph: CausalGraph) -> bytes:
    # without a past its columns are left out, unless an action could be mistaken for one
    looks = set(map(lookalike, graph.latents))
    with_past = bool(graph.Gz.nnz) or any(lookalike(name) in looks for name in graph.actions)
    parts = [graph.Gz, graph.Ga] if with_past else [graph.Ga]
    names = (*graph.latents, *graph.actions) if with_past else graph.actions
    cells = graph.n_latents * len(names)
    if cells > _MAX_CELLS:
        raise FormatError(f"an adjacency table of this graph has {cells:,} cells; write an edge list or NPZ")
    rows = (
        (name, *np.concatenate([part[[i]].toarray()[0] for part in parts]).astype(int).tolist())
        for i, name in enumerate(graph.latents)
    )
    return write_cells(("child", *map(kept, names)), rows, names=1)


ADJACENCY = Format(
    "adjacency",
    "adjacency table",
    (".adjacency.csv",),
    "CSV table: a row per child, a column per parent",
    1024 * MIB,
    lambda content: read_adjacency_table(read_cells(decode(content))),
    _write,
)
