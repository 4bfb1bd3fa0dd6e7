"""Causal graphs in files: JSON, GraphML, GML, DOT, CSV (two forms) and NPZ, by suffix, without loss.

The formats are described, with examples, on the documentation's page "File formats".
"""

from __future__ import annotations

import os
from pathlib import Path

from identify.exceptions import FormatError, GraphError, RequestError
from identify.files import STANDARD, read_bytes, write_whole
from identify.formats.adjacency import ADJACENCY
from identify.formats.arrays import NPZ
from identify.formats.base import Format, Reading
from identify.formats.dot import DOT
from identify.formats.gml import GML
from identify.formats.graphml import GRAPHML
from identify.formats.structured import JSON
from identify.formats.tables import EDGES, read_table
from identify.graph import CausalGraph
from identify.names import lookalike, quoted, shown

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "Format",
    "Reading",
    "format_of",
    "read_described",
    "read_graph",
    "write_graph",
]

#: All formats by name.
FORMATS = {form.name: form for form in (JSON, GRAPHML, GML, DOT, EDGES, ADJACENCY, NPZ)}

#: The format of each suffix; ``.adjacency.csv`` is longer than ``.csv``, and wins.
SUFFIXES = {suffix: form for form in FORMATS.values() for suffix in form.suffixes}

_Path = str | os.PathLike[str]


def read_graph(path: _Path, format: str | None = None) -> CausalGraph:
    """Read a causal graph from a file.

    Args:
        path: The file; ``-`` is standard input.
        format: A name of `FORMATS`; by default what the suffix says, and JSON for ``-``. A ``.csv`` file is an
            edge list or an adjacency table, as its header says.

    Raises:
        FormatError: If the content is broken; the text has the file, the place and what would be right.
        FileAccessError: If the file can't be read, or is larger than the format's limit.
        RequestError: If there is no such format, or the suffix is unknown.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp(), "graph.csv")
        >>> _ = file.write_text("parent,child,kind\\nx,y,latent\\npush,x,action\\n")
        >>> read_graph(file).edges()
        [('x', 'y'), ('push', 'x')]
    """
    return read_described(path, format).graph


def read_described(path: _Path, format: str | None = None) -> Reading:
    """Read a causal graph as `read_graph` does, and say what the file was taken for.

    Args:
        path: The file; ``-`` is standard input.
        format: As for `read_graph`.

    Returns:
        The graph, and notes: the form of the file and all that had to be decided to read it.

    Raises:
        FormatError, FileAccessError, RequestError: If as `read_graph`.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp(), "graph.csv")
        >>> _ = file.write_text("child,x,push\\nx,0,1\\n")
        >>> read_described(file).notes
        ('rows are children, columns their parents',)
    """
    form = format_of(path, format)
    content = read_bytes(path, form.limit)
    name = "standard input" if os.fspath(path) == STANDARD else os.fspath(path)
    parse = read_table if form is EDGES and format is None else form.parse
    try:
        found = parse(content)
    except (FormatError, GraphError) as error:
        raise FormatError(f"{name}: {error}") from error
    return Reading(found.graph, (*found.notes, *_lookalikes(found.graph)), found.form or form.title)


def _lookalikes(graph: CausalGraph) -> tuple[str, ...]:
    """A note on the first two names that differ in capitals or in letters that look the same."""
    seen: dict[str, str] = {}
    for name in (*graph.latents, *graph.actions):
        other = seen.setdefault(lookalike(name), name)
        if other != name:
            return (f"{quoted(other)} and {quoted(name)} look alike, and are two nodes",)
    return ()


def write_graph(graph: CausalGraph, path: _Path, format: str | None = None) -> None:
    """Write a causal graph to a file, whole or not at all.

    Args:
        graph: The graph; its names, their order and all edges are kept.
        path: The file; ``-`` is standard output.
        format: A name of `FORMATS`; by default what the suffix says, and JSON for ``-``.

    Raises:
        FileAccessError: If the file can't be written.
        FormatError: If the graph is too large for the format.
        RequestError: If there is no such format, or the suffix is unknown.

    Example:
        >>> write_graph(CausalGraph(Ga=[[1]]), "-", "edges")
        parent,child,kind
        z0,,latent
        a0,,action
        a0,z0,action
    """
    form = format_of(path, format)
    try:
        content = form.write(graph)
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error
    write_whole(path, content)


def format_of(path: _Path, format: str | None = None) -> Format:
    """The format of a file: the one that is named, or what its suffix says.

    Raises:
        RequestError: If there is no such format, or the suffix is unknown.

    Example:
        >>> format_of("network.GraphML").name, format_of("table.adjacency.csv").name
        ('graphml', 'adjacency')
    """
    if format is not None:
        if format not in FORMATS:
            raise RequestError(f"there is no format {quoted(format)}; formats are {', '.join(FORMATS)}")
        return FORMATS[format]
    if os.fspath(path) == STANDARD:
        return JSON
    name = Path(path).name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return SUFFIXES[suffix]
    raise RequestError(
        f"{shown(os.fspath(path), 200)}: the suffix names no format; known are {', '.join(SUFFIXES)}, or name a format"
    )
