"""CSV in two forms: a list of edges, and an adjacency table with a row per child."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, decode
from identify.graph import CausalGraph

__all__ = ["ADJACENCY", "EDGES", "read_table"]

_CELL = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_MOST_CELLS = 200_000_000

Line = tuple[int, list[str]]


def read_table(content: bytes) -> CausalGraph:
    """Read either form; the first cell of the header tells which.

    Raises:
        FormatError: the header is of neither form, or the rest does not follow it.
    """
    first = next(_lines(decode(content)))[1][0]
    if first == "parent":
        return _read_edges(content)
    if first in ("child", ""):
        return _read_adjacency(content)
    raise FormatError(
        f"line 1: starts with {first[:40]!r}; it must be 'parent,child,kind' (an edge list) or "
        "'child,' and the parents' names (an adjacency table)"
    )


def _lines(text: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found = False
    try:
        for cells in reader:
            if cells:
                found = True
                yield reader.line_num, cells
    except csv.Error as error:
        raise FormatError(f"line {reader.line_num}: is no CSV: {error}") from error
    if not found:
        raise FormatError("the file is empty")


def _check_length(line: int, cells: Sequence[str], header: Sequence[str]) -> None:
    if len(cells) != len(header):
        raise FormatError(f"line {line}: has {len(cells)} cells; the header has {len(header)}")


# Edge list ------------------------------------------------------------------------------------------


def _read_edges(content: bytes) -> CausalGraph:
    lines = _lines(decode(content))
    _, header = next(lines)
    if header not in (["parent", "child"], ["parent", "child", "kind"]):
        raise FormatError(
            f"line 1: is {','.join(header)[:60]!r}; it must be 'parent,child' or 'parent,child,kind'"
        )
    kinds: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for line, cells in lines:
        _check_length(line, cells, header)
        parent, child, kind = (*cells, "latent")[:3]
        if not parent:
            raise FormatError(
                f"line {line}: has no parent; give one, or leave the child empty to declare a node"
            )
        _declare(kinds, parent, kind, line)
        if child:
            _declare(kinds, child, "latent", line)
            edges.append((parent, child))
    return CausalGraph.from_edges(
        edges,
        latents=[name for name, kind in kinds.items() if kind == "latent"],
        actions=[name for name, kind in kinds.items() if kind == "action"],
    )


def _declare(kinds: dict[str, str], name: str, kind: str, line: int) -> None:
    if kind not in ("latent", "action"):
        raise FormatError(f"line {line}: has kind {kind[:40]!r}; the parent's kind is 'latent' or 'action'")
    if kinds.setdefault(name, kind) != kind:
        raise FormatError(
            f"line {line}: takes {name!r} for a {kind}; an earlier line takes it for a {kinds[name]}, and "
            "an action is nobody's child"
        )


def _write_edges(graph: CausalGraph) -> bytes:
    actions = set(graph.actions)
    rows: list[tuple[str, str, str]] = [(name, "", "latent") for name in graph.latents]
    rows += [(name, "", "action") for name in graph.actions]
    rows += [(parent, child, "action" if parent in actions else "latent") for parent, child in graph.edges()]
    return _table(("parent", "child", "kind"), rows)


# Adjacency ------------------------------------------------------------------------------------------


def _read_adjacency(content: bytes) -> CausalGraph:
    lines = _lines(decode(content))
    _, header = next(lines)
    columns = header[1:]
    if header[0] not in ("child", ""):
        raise FormatError(f"line 1: starts with {header[0][:40]!r}; it must start with 'child'")
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise FormatError(f"line 1: names the column {twice!r} twice; names must be unique")
    latents: list[str] = []
    entries: list[tuple[int, int]] = []
    for line, cells in lines:
        _check_length(line, cells, header)
        entries += [(len(latents), j) for j, cell in enumerate(cells[1:]) if _entry(cell, line, columns[j])]
        latents.append(cells[0])
    if not latents:
        raise FormatError("line 1: is the only one; a row per latent must follow")
    return _split(latents, columns, entries)


def _entry(cell: str, line: int, column: str) -> bool:
    try:
        return _CELL[cell.strip().lower()]
    except KeyError:
        raise FormatError(
            f"line {line}, column {column!r}: is {cell[:40]!r}; entries must be 0 or 1"
        ) from None


def _split(latents: list[str], columns: list[str], entries: list[tuple[int, int]]) -> CausalGraph:
    """Columns named as a row are past latents, the others are actions."""
    row = {name: i for i, name in enumerate(latents)}
    past = [j for j, name in enumerate(columns) if name in row]
    if past and len(past) < len(row):
        missing = next(name for name in latents if name not in columns)
        raise FormatError(f"line 1: has no column {missing!r}; give a past column for every row, or for none")
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


def _write_adjacency(graph: CausalGraph) -> bytes:
    parts = [graph.Gz, graph.Ga] if graph.Gz.nnz else [graph.Ga]
    names = (*graph.latents, *graph.actions) if graph.Gz.nnz else graph.actions
    cells = graph.n_latents * len(names)
    if cells > _MOST_CELLS:
        raise FormatError(f"an adjacency table of this graph has {cells:,} cells; write an edge list or NPZ")
    rows = (
        (name, *np.concatenate([part[[i]].toarray()[0] for part in parts]).astype(int).tolist())
        for i, name in enumerate(graph.latents)
    )
    return _table(("child", *names), rows)


def _table(header: Sequence[str], rows: object) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)  # type: ignore[arg-type]
    return out.getvalue().encode()


EDGES = Format("edges", (".csv",), "CSV edge list: parent,child,kind", 1024 * MIB, _read_edges, _write_edges)
ADJACENCY = Format(
    "adjacency",
    (".adjacency.csv",),
    "CSV table: a row per child, a column per parent",
    1024 * MIB,
    _read_adjacency,
    _write_adjacency,
)
