"""Causal graphs in files: JSON, GraphML, GML, DOT, CSV (two forms) and NPZ, chosen by suffix, without loss.

The page "File formats" of the documentation describes the formats with examples.

===============  ====================================================
module           contents
===============  ====================================================
``base``         `Format` and `Reading`
``described``    what a file was read as, in one sentence
``structured``   JSON
``arrays``       NPZ
``cells``        cells of text tables
``adjacency``    CSV: an adjacency table
``tables``       CSV: an edge list, or the form that the header shows
``drawing``      what the formats of drawing programs share
``dot_grammar``  the grammar of DOT
``dot``          DOT
``gml``          GML
``graphml``      GraphML
===============  ====================================================
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

#: Formats by suffix. The longest matching suffix decides, so ``.adjacency.csv`` takes precedence over ``.csv``.
SUFFIXES = {suffix: form for form in FORMATS.values() for suffix in form.suffixes}

_Path = str | os.PathLike[str]


def read_graph(path: _Path, format: str | None = None) -> CausalGraph:
    """Read a causal graph from a file.

    Args:
        path: Path of the file; ``-`` for standard input.
        format: Name of a format in `FORMATS`. By default, the suffix decides; ``-`` is JSON. The header of a ``.csv``
            file decides between an edge list and an adjacency table.

    Raises:
        FormatError: If the content is invalid. The message gives the file, the position and what is valid.
        FileAccessError: If the file can't be read or exceeds the size limit of the format.
        RequestError: If the format or the suffix is unknown.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp(), "graph.csv")
        >>> _ = file.write_text("parent,child,kind\\nx,y,latent\\npush,x,action\\n")
        >>> read_graph(file).edges()
        [('x', 'y'), ('push', 'x')]
    """
    return read_described(path, format).graph


def read_described(path: _Path, format: str | None = None) -> Reading:
    """Read a causal graph like `read_graph`, and report how the file was interpreted.

    Args:
        path: Path of the file; ``-`` for standard input.
        format: Name of a format, as for `read_graph`.

    Returns:
        The graph, the form of the file, and notes on every choice that reading it required.

    Raises:
        FormatError: If the content is invalid.
        FileAccessError: If the file can't be read or exceeds the size limit of the format.
        RequestError: If the format or the suffix is unknown.

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
        reading = parse(content)
    except (FormatError, GraphError) as error:
        raise FormatError(f"{name}: {error}") from error
    notes = (*reading.notes, *_note_on_lookalikes(reading.graph))
    return Reading(reading.graph, notes, reading.form or form.title)


def _note_on_lookalikes(graph: CausalGraph) -> tuple[str, ...]:
    """Return a note on the first two names that differ only in capitals or look-alike letters."""
    first: dict[str, str] = {}
    for name in (*graph.latents, *graph.actions):
        other = first.setdefault(lookalike(name), name)
        if other != name:
            return (f"{quoted(other)} and {quoted(name)} look alike but are different nodes",)
    return ()


def write_graph(graph: CausalGraph, path: _Path, format: str | None = None) -> None:
    """Write a causal graph to a file atomically.

    Args:
        graph: Graph to write. Names, their order and all edges are preserved.
        path: Path of the file; ``-`` for standard output.
        format: Name of a format in `FORMATS`. By default, the suffix decides; ``-`` is JSON.

    Raises:
        FileAccessError: If the file can't be written.
        FormatError: If the graph is too large for the format.
        RequestError: If the format or the suffix is unknown.

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
    """Return the format of a file: the named one, or the one of its suffix.

    Raises:
        RequestError: If the format or the suffix is unknown.

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
        f"{shown(os.fspath(path), 200)}: the suffix is unknown; use one of {', '.join(SUFFIXES)}, or name a format"
    )
