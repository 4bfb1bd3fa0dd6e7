"""Graphs named by command-line arguments: files, folders, the catalogue, standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from identify.commands.streams import is_absent
from identify.exceptions import FileAccessError, IdentifyError
from identify.names import shown
from identify.terminal import printable

if TYPE_CHECKING:
    from identify.graph import CausalGraph

__all__ = ["CATALOGUE", "Source", "complete_graph", "print_readings", "read_all", "read_one", "reading_of"]

CATALOGUE = "catalog:"


@dataclass(frozen=True)
class Source:
    """A graph with its name and origin.

    Attributes:
        name: Name of the file, or name in the catalogue.
        graph: The graph.
        note: Source and licence of a graph of the catalogue.
        read_as: How a file was interpreted, in a sentence.
        plain: Whether the file has the package's own JSON format, which is unambiguous.
    """

    name: str
    graph: CausalGraph
    note: str = ""
    read_as: str = ""
    plain: bool = False


def read_one(argument: str, form: str | None = None) -> Source:
    """Read the graph that an argument names.

    Raises:
        IdentifyError: If the graph can't be read, or the argument is a folder or a group of the catalogue.
    """
    if argument.startswith(CATALOGUE):
        return _from_catalogue(argument.removeprefix(CATALOGUE))
    if argument != "-" and not Path(argument).exists() and _is_catalogued(argument):
        return _from_catalogue(argument)
    from identify.formats import format_of, read_described
    from identify.formats.described import describe

    reading = read_described(argument, form)
    return Source(
        "standard input" if argument == "-" else argument,
        reading.graph,
        read_as=describe(reading),
        plain=format_of(argument, form).name == "json" and not reading.notes,
    )


def print_readings(sources: Iterable[Source], *, stdout_taken: bool = False, optional: bool = False) -> None:
    """Print how each file was interpreted.

    The lines go to standard output, or to standard error if standard output is taken. Graphs of the catalogue have no
    such line, and files in the unambiguous JSON format have none on standard error.

    Args:
        sources: Graphs with the interpretation of their files.
        stdout_taken: Whether standard output holds a file.
        optional: Whether a missing standard output is acceptable, because the lines only report on written files.
    """
    for source in sources:
        if not source.read_as or (stdout_taken and source.plain):
            continue
        if optional and not stdout_taken and is_absent():
            continue
        line = printable(f"{shown(source.name, 200)}: {source.read_as}")
        if stdout_taken and sys.stderr is not None:
            sys.stderr.write(f"{line}\n")
        elif not stdout_taken:
            sys.stdout.write(f"{line}\n")


def reading_of(source: Source, key: str = "read_as") -> dict[str, str]:
    """Return the interpretation of the file for a JSON record; empty for graphs that need none."""
    return {key: source.read_as} if source.read_as and not source.plain else {}


def read_all(arguments: Sequence[str], form: str | None = None) -> tuple[list[Source], list[IdentifyError]]:
    """Read all graphs that the arguments name, with folders and groups expanded; return graphs and errors."""
    sources: list[Source] = []
    errors: list[IdentifyError] = []
    for argument in arguments:
        try:
            for name in _expand(argument):
                try:
                    sources.append(read_one(name, form))
                except IdentifyError as error:
                    errors.append(error)
        except IdentifyError as error:
            errors.append(error)
    return sources, errors


def complete_graph(incomplete: str) -> list[str]:
    """Complete a name of the catalogue in the shell, which completes files itself."""
    from identify.catalog import names

    return [name for name in names() if name.casefold().startswith(incomplete.casefold())]


def _expand(argument: str) -> Iterator[str]:
    from identify.catalog import GROUPS, names

    group = argument.removeprefix(CATALOGUE)
    if argument.startswith(CATALOGUE) and group in (*GROUPS, "all"):
        yield from (CATALOGUE + name for name in names(None if group == "all" else group))
    elif argument != "-" and Path(argument).is_dir():
        yield from _graph_files(Path(argument))
    else:
        yield argument


def _graph_files(folder: Path) -> list[str]:
    from identify.formats import SUFFIXES

    try:
        files = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()
        )
    except OSError as error:
        raise FileAccessError(f"{folder}: can't be listed ({error.strerror})") from error
    if not files:
        raise FileAccessError(
            f"{folder}: contains no graph file; known suffixes are {', '.join(sorted(SUFFIXES))}"
        )
    return [str(path) for path in files]


def _from_catalogue(name: str) -> Source:
    from identify.catalog import entry

    named_entry = entry(name)
    note = f"{named_entry.source}. Licence: {named_entry.licence}. {named_entry.note}".strip()
    return Source(named_entry.name, named_entry.graph, note)


def _is_catalogued(name: str) -> bool:
    from identify.catalog import entry

    try:
        entry(name)
    except IdentifyError:
        return False
    return True
