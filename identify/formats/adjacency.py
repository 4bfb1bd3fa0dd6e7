"""CSV adjacency tables: one row per child, one column per parent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, Reading, decode
from identify.formats.cells import (
    Table,
    align_names,
    cell_of_name,
    is_entry,
    is_integer,
    name_in,
    parse_entry,
    read_cells,
    write_cells,
)
from identify.graph import CausalGraph
from identify.names import lookalike, quoted

__all__ = ["ADJACENCY", "read_adjacency_table"]

_MAX_CELLS = 200_000_000


def read_adjacency_table(table: Table) -> Reading:
    """Return the graph of a table whose rows are children.

    Raises:
        FormatError: If the header does not start with 'child' or an empty cell, a column is repeated or differs from a
            row in capitals only, only some rows have a past column, or an entry is not 0 or 1.
    """
    table = _without_index(table)
    header = table.header
    if table.titles[0] not in ("child", ""):
        raise FormatError(
            f"line {header.number}: starts with {quoted(header.cells[0], 40)}; it must start with 'child'"
        )
    if not table.lines:
        raise FormatError(f"line {header.number}: is the only line; one row per latent must follow")
    rows, titles, notes = align_names(table.column(0), header.cells[1:])
    latents, columns = ([name_in(cell) for cell in cells] for cells in (rows, titles))
    _require_unique(columns, header.number)
    _require_no_lookalike(latents, columns, table)
    entries = _entries(table, columns)
    graph = _graph(latents, columns, entries, header.number)
    return Reading(graph, ("rows are children, columns their parents", *table.notes, *notes), ADJACENCY.title)


def _without_index(table: Table) -> Table:
    """Remove the unnamed index column that pandas and R write before the column 'child'."""
    if len(table.titles) < 2 or table.titles[:2] != ["", "child"] or not table.lines:
        return table
    is_numbered = all(is_integer(cell) for cell in table.column(0))
    is_binary = all(is_entry(cell) for cell in table.column(1))
    if is_numbered and is_binary:
        raise FormatError(
            f"line {table.header.number}: the first column has no name and the second is named 'child'; remove the "
            "first if it numbers the lines, or rename the second if it is an action"
        )
    return table.without_index() if is_numbered else table


def _require_unique(columns: Sequence[str], line: int) -> None:
    previous: set[str] = set()
    for name in columns:
        if not name:
            raise FormatError(f"line {line}: a column has no name; name each parent")
        if name in previous:
            raise FormatError(f"line {line}: names the column {quoted(name)} twice; names must be unique")
        previous.add(name)


def _require_no_lookalike(latents: Sequence[str], columns: Sequence[str], table: Table) -> None:
    """Raise FormatError if a row without a column and a column without a row differ in capitals only."""
    column_names, row_names = set(columns), set(latents)
    unmatched_rows = {
        lookalike(name): (name, line.number)
        for name, line in zip(latents, table.lines, strict=True)
        if name not in column_names
    }
    for column in columns:
        if column not in row_names and lookalike(column) in unmatched_rows:
            row, line = unmatched_rows[lookalike(column)]
            raise FormatError(
                f"line {line}: the row {quoted(row)} and the column {quoted(column)} differ only in capitals or "
                "look-alike letters; spell them alike, or rename one"
            )


def _entries(table: Table, columns: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of the ones."""
    entries: list[tuple[int, int]] = []
    for i, line in enumerate(table.lines):
        for j, cell in enumerate(line.cells[1:]):
            value = parse_entry(cell)
            if value is None:
                raise FormatError(
                    f"line {line.number}, column {quoted(columns[j])}: is {quoted(cell, 40)}; entries must be 0 or 1"
                )
            if value:
                entries.append((i, j))
    return entries


def _graph(latents: list[str], columns: list[str], entries: list[tuple[int, int]], line: int) -> CausalGraph:
    """Return the graph. Columns with the name of a row are past latents; the others are actions."""
    row = {name: i for i, name in enumerate(latents)}
    past = [j for j, name in enumerate(columns) if name in row]
    if past and len(past) < len(row):
        column_names = set(columns)
        missing = next(name for name in latents if name not in column_names)
        raise FormatError(
            f"line {line}: has no column {quoted(missing)}; give a past column for every row, or for none (rows are "
            "children: an action is a column only)"
        )
    actions = [j for j, name in enumerate(columns) if name not in row]
    indices = np.array(entries, dtype=np.int64).reshape(-1, 2).T
    matrix = sparse.csr_array(
        (np.ones(len(entries), dtype=bool), (indices[0], indices[1])), shape=(len(latents), len(columns))
    )
    in_row_order = sorted(past, key=lambda j: row[columns[j]])
    return CausalGraph(
        Gz=matrix[:, in_row_order] if past else None,
        Ga=matrix[:, actions],
        latents=latents,
        actions=[columns[j] for j in actions],
    )


def _write(graph: CausalGraph) -> bytes:
    # an empty past needs no columns, unless an action could be mistaken for a past latent
    latent_looks = set(map(lookalike, graph.latents))
    with_past = bool(graph.Gz.nnz) or any(lookalike(name) in latent_looks for name in graph.actions)
    matrices = [graph.Gz, graph.Ga] if with_past else [graph.Ga]
    names = (*graph.latents, *graph.actions) if with_past else graph.actions
    n_cells = graph.n_latents * len(names)
    if n_cells > _MAX_CELLS:
        raise FormatError(
            f"an adjacency table of this graph has {n_cells:,} cells; write an edge list or NPZ"
        )
    rows = (
        (name, *np.concatenate([matrix[[i]].toarray()[0] for matrix in matrices]).astype(int).tolist())
        for i, name in enumerate(graph.latents)
    )
    return write_cells(("child", *map(cell_of_name, names)), rows, n_names=1)


ADJACENCY = Format(
    "adjacency",
    "adjacency table",
    (".adjacency.csv",),
    "CSV table: one row per child, one column per parent",
    1024 * MIB,
    lambda content: read_adjacency_table(read_cells(decode(content))),
    _write,
)
