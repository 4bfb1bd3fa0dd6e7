"""The application: all commands of the graph side, and how errors leave it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from identify.commands.catalog import catalog
from identify.commands.check import check
from identify.commands.classes import classes
from identify.commands.convert import convert
from identify.commands.design import design
from identify.commands.options import say
from identify.commands.plot import plot
from identify.commands.streams import complain, standard_streams, verdict_on_output
from identify.exceptions import IdentifyError

__all__ = ["app", "run"]

_INTERRUPTED = 130


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"mechsparse {version('mechsparse')}")
        raise typer.Exit


app = typer.Typer(
    name="mechsparse",
    epilog="A GRAPH is a file, a folder of files, a graph of the catalogue (see 'mechsparse catalog'), or - "
    "for standard input. Exit codes: 0 done, 1 not complete with --strict, 2 bad input or lost output.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (check, design, plot, classes, catalog, convert):
    app.command()(command)


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Identifiability by mechanism sparsity: what can a model with sparse mechanisms disentangle?"""


def run(application: Callable[..., Any], arguments: Sequence[str] | None = None) -> int:
    """Run an application and return its exit code; what goes wrong is one line on standard error.

    Args:
        application: The commands, a `typer.Typer` or what calls one.
        arguments: The words after the program's name; those of this process when left out.

    Returns:
        0 done, 1 not complete with ``--strict``, 2 bad input, a wrong call or output that is lost, 130 interrupted.
    """
    if arguments is None:
        # figures go to files; what a notebook or a desktop left in the variable may not exist here
        os.environ["MPLBACKEND"] = "agg"
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    with standard_streams() as (out, _):
        return verdict_on_output(out, _answer(application, words))


def _answer(application: Callable[..., Any], words: list[str]) -> int:
    try:
        result = application(words, prog_name="mechsparse", standalone_mode=False)
    except typer.TyperException as error:
        return complain(f"{error.format_message()} Try 'mechsparse --help'.")
    except IdentifyError as error:
        return complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # a named pipe whose reader has gone: nothing is wrong
        return 0
    return result if isinstance(result, int) else 0
