"""Arguments and options that several commands share, and how results are printed."""

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
from identify.commands.streams import is_absent, is_unheard
from identify.files import STANDARD
from identify.terminal import json_encodable, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "AsJson",
    "Form",
    "Graph",
    "Graphs",
    "UseWhat",
    "Using",
    "print_json",
    "printed_instead",
    "progress",
    "say",
    "show",
]


class Using(StrEnum):
    """What of the graph to use; named as `identify.neighbourhoods.resolve_using` wants it."""

    actions = "actions"
    past = "past"
    both = "both"


_GRAPH = "A file, a graph of the catalogue, or - for standard input."
_GRAPHS = "Files, folders of files, graphs of the catalogue, catalog:real (a whole group), or -."

Graph = Annotated[str, typer.Argument(metavar="GRAPH", help=_GRAPH, autocompletion=complete_graph)]
Graphs = Annotated[
    list[str] | None,
    typer.Argument(metavar="GRAPH", help=_GRAPHS, autocompletion=complete_graph, show_default=False),
]
UseWhat = Annotated[
    Using | None,
    typer.Option("--using", help="What to use. By default what the graph has.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]
Form = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FORMAT",
        help="Format of the input when its suffix doesn't tell; 'mechsparse convert --help' lists them.",
        show_default=False,
    ),
]

# of JSON, written at once
_PIECES = 10_000


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output: indented, lists of whole numbers on one line.

    A verdict on a large graph may list millions of blocks by number; a line for each would be twice as long. What the
    encoding of standard output lacks is escaped, so that nothing is lost.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    pieces = _json_parts(value, "\n")
    while not is_unheard() and (some := "".join(islice(pieces, _PIECES))):
        sys.stdout.write(json_encodable(some, encoding))
    sys.stdout.write("\n")


def _json_parts(value: Any, line: str) -> Iterator[str]:
    """The text in parts; ``line`` is the end of a line and the indentation around the value."""
    if isinstance(value, list | tuple) and value and all(type(item) is int for item in value):
        yield f"[{', '.join(map(str, value))}]"
    elif isinstance(value, dict | list | tuple) and value:
        inner = f"{line}  "
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        yield opening
        for number, item in enumerate(value):
            yield f",{inner}" if number else inner
            if isinstance(value, dict):
                key = item if isinstance(item, str) else json.dumps(item)
                yield f"{json.dumps(key, ensure_ascii=False)}: "
                yield from _json_parts(value[item], inner)
            else:
                yield from _json_parts(item, inner)
        yield line + closing
    else:
        yield json.dumps(value, ensure_ascii=False)


def printed_instead(*paths: Path | None) -> bool:
    """Whether one of the files to write is ``-``: then standard output holds that and nothing else."""
    return any(path is not None and str(path) == STANDARD for path in paths)


def say(*lines: str, aside: bool = False) -> None:
    """Print lines on standard output, control characters escaped.

    Args:
        lines: Each without its end.
        aside: They only tell of files that were written: no standard output is no loss.
    """
    if not (aside and is_absent()):
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def show(what: RenderableType, aside: bool = False) -> None:
    """Print something with rich: coloured on a terminal, plain and wide enough when piped.

    Args:
        what: To print.
        aside: It only tells of files that were written: no standard output is no loss.
    """
    if aside and is_absent():
        return
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120, soft_wrap=False, highlight=False).print(what)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar with the time left on standard error; silent when that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal or total < 2) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
