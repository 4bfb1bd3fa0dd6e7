"""Arguments and options that several commands share, and the output of results."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from identify.commands.sources import complete_graph
from identify.commands.streams import is_absent, is_discarded
from identify.files import STANDARD
from identify.terminal import json_encodable, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "AsJson",
    "Form",
    "Graph",
    "Graphs",
    "Using",
    "UsingOption",
    "print_json",
    "progress",
    "say",
    "show",
    "writes_to_stdout",
]


class Using(StrEnum):
    """Parts of the graph to use, as in `identify.neighbourhoods.resolve_using`."""

    actions = "actions"
    past = "past"
    both = "both"


_GRAPH = "File, graph of the catalogue, or - for standard input."
_GRAPHS = "Files, folders of files, graphs of the catalogue, catalog:real (a whole group), or -."

Graph = Annotated[str, typer.Argument(metavar="GRAPH", help=_GRAPH, autocompletion=complete_graph)]
Graphs = Annotated[
    list[str] | None,
    typer.Argument(metavar="GRAPH", help=_GRAPHS, autocompletion=complete_graph, show_default=False),
]
UsingOption = Annotated[
    Using | None,
    typer.Option("--using", help="Parts of the graph to use; all by default.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Form = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FORMAT",
        help="Format of the input, if its suffix doesn't imply it; 'mechsparse convert --help' lists all.",
        show_default=False,
    ),
]

# pieces of JSON that are written at once
_CHUNK = 10_000


def print_json(value: Any) -> None:
    """Print a value as indented JSON on standard output, with lists of integers on one line.

    The verdict on a large graph can list millions of block numbers, and one line for each would double the size.
    Characters that the encoding of standard output lacks are escaped.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    pieces = _json_pieces(value, "\n")
    while not is_discarded() and (chunk := "".join(islice(pieces, _CHUNK))):
        sys.stdout.write(json_encodable(chunk, encoding))
    sys.stdout.write("\n")


def _json_pieces(value: Any, newline: str) -> Iterator[str]:
    """Yield the text in pieces; ``newline`` is a line break with the indentation around the value."""
    if isinstance(value, list | tuple) and value and all(type(item) is int for item in value):
        yield f"[{', '.join(map(str, value))}]"
    elif isinstance(value, dict | list | tuple) and value:
        inner = f"{newline}  "
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        yield opening
        for number, item in enumerate(value):
            yield f",{inner}" if number else inner
            if isinstance(value, dict):
                key = item if isinstance(item, str) else json.dumps(item)
                yield f"{json.dumps(key, ensure_ascii=False)}: "
                yield from _json_pieces(value[item], inner)
            else:
                yield from _json_pieces(item, inner)
        yield newline + closing
    else:
        yield json.dumps(value, ensure_ascii=False)


def writes_to_stdout(*paths: Path | None) -> bool:
    """Return whether one of the files to write is ``-``; standard output then holds only that file."""
    return any(path is not None and str(path) == STANDARD for path in paths)


def say(*lines: str, optional: bool = False) -> None:
    """Print lines on standard output, with control characters escaped.

    Args:
        lines: Lines without line breaks.
        optional: Whether a missing standard output is acceptable, because the lines only report on written files.
    """
    if not (optional and is_absent()):
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def show(renderable: RenderableType, optional: bool = False) -> None:
    """Print with rich: coloured on a terminal, plain and 120 columns wide in a pipe.

    Args:
        renderable: Text, table or group to print.
        optional: Whether a missing standard output is acceptable, because the text only reports on written files.
    """
    if optional and is_absent():
        return
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120, soft_wrap=False, highlight=False).print(renderable)


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar with the remaining time on standard error if that is a terminal; yield the step function."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal or total < 2) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)
