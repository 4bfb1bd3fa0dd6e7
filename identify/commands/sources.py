"""What a person types for a graph -> named graphs: files, folders, the catalogue, standard input."""

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

__all__ = ["CATALOGUE", "Source", "complete_graph", "read_all", "read_one", "reading_of", "tell"]

CATALOGUE = "catalog:"


@dataclass(frozen=True)
class Source:
    """A graph with the name to call it by.

    Attributes:
        name: The file, or the name in the catalogue.
        graph: The graph.
        note: From the catalogue, what to say about its origin.
        read_as: From a file, what it was taken for, in a sentence.
        plain: Whether the file is of our own format, which can be taken for one thing only.
    """

    name: str
    graph: CausalGraph
    note: str = ""
    read_as: str = ""
    plain: bool = False


def read_one(argument: str, form: str | None = None) -> Source:
    """The graph behind one argument.

    Raises:
        IdentifyError: If it can't be read; a folder or a group of the catalogue is no single graph.
    """
    if argument.startswith(CATALOGUE):
        return _from_catalogue(argument.removeprefix(CATALOGUE))
    if argument != "-" and not Path(argument).exists() and _is_catalogued(argument):
        return _from_catalogue(argument)
    from identify.formats import format_of, read_described
    from identify.formats.described import describe

    found = read_described(argument, form)
    return Source(
        "standard input" if argument == "-" else argument,
        found.graph,
        read_as=describe(found),
        plain=format_of(argument, form).name == "json" and not found.notes,
    )


def tell(sources: Iterable[Source], *, instead: bool = False, aside: bool = False) -> None:
    """Print what each file was read as: on standard output, or on standard error where that holds something else.

    Nothing is said of the catalogue, nor on standard error of what can be taken for one thing only.

    Args:
        sources: Graphs with what their files were read as.
        instead: Standard output holds a file.
        aside: The lines only accompany files that are written: no standard output is no loss.
    """
    for source in sources:
        if not source.read_as or (instead and source.plain) or (aside and not instead and is_absent()):
            continue
        line = printable(f"{shown(source.name, 200)}: {source.read_as}")
        if instead and sys.stderr is not None:
            sys.stderr.write(f"{line}\n")
        elif not instead:
            sys.stdout.write(f"{line}\n")


def reading_of(source: Source, key: str = "read_as") -> dict[str, str]:
    """For a record in JSON: what the file was read as, where there is something to say."""
    return {key: source.read_as} if source.read_as and not source.plain else {}


def read_all(arguments: Sequence[str], form: str | None = None) -> tuple[list[Source], list[IdentifyError]]:
    """The graphs behind all arguments, folders and groups opened up; what can't be read is kept apart."""
    found: list[Source] = []
    errors: list[IdentifyError] = []
    for argument in arguments:
        try:
            for single in _open_up(argument):
                try:
                    found.append(read_one(single, form))
                except IdentifyError as error:
                    errors.append(error)
        except IdentifyError as error:
            errors.append(error)
    return found, errors


def complete_graph(incomplete: str) -> list[str]:
    """Shell completion: graphs of the catalogue (files are completed by the shell)."""
    from identify.catalog import names

    return [name for name in names() if name.casefold().startswith(incomplete.casefold())]


def _open_up(argument: str) -> Iterator[str]:
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
            f"{folder}: holds no graph file; known suffixes are {', '.join(sorted(SUFFIXES))}"
        )
    return [str(path) for path in files]


def _from_catalogue(name: str) -> Source:
    from identify.catalog import entry

    found = entry(name)
    note = f"{found.source}. Licence: {found.licence}. {found.note}".strip()
    return Source(found.name, found.graph, note)


def _is_catalogued(name: str) -> bool:
    from identify.catalog import entry

    try:
        entry(name)
    except IdentifyError:
        return False
    return True
