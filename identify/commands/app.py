"""The application with all commands of the graph side, and the conversion of errors to exit codes."""

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
from identify.commands.streams import exit_code_after_output, print_error, standard_streams
from identify.exceptions import IdentifyError

__all__ = ["app", "run"]

_INTERRUPTED = 130


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        say(f"mechsparse {version('mechsparse')}")
        raise typer.Exit


app = typer.Typer(
    name="mechsparse",
    epilog="A GRAPH is a file, a folder of files, a graph of the catalogue (see 'mechsparse catalog'), or - "
    "for standard input. Exit codes: 0 success, 1 not complete with --strict, 2 invalid input or lost output.",
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
    """Run an application and return its exit code; errors become one line on standard error.

    Args:
        application: The commands: a `typer.Typer`, or a function that calls one.
        arguments: Command-line arguments after the name of the program; those of this process by default.

    Returns:
        0 for success, 1 for a graph that is not complete with ``--strict``, 2 for invalid input, invalid arguments or
        lost output, 130 for an interrupt.
    """
    if arguments is None:
        # figures go to files; the backend that a notebook or a desktop has set may be unavailable here
        os.environ["MPLBACKEND"] = "agg"
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    with standard_streams() as (out, _):
        return exit_code_after_output(out, _exit_code(application, words))


def _exit_code(application: Callable[..., Any], words: list[str]) -> int:
    try:
        result = application(words, prog_name="mechsparse", standalone_mode=False)
    except typer.TyperException as error:
        return print_error(f"{error.format_message()} Try 'mechsparse --help'.")
    except IdentifyError as error:
        return print_error(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # the reader of a named pipe has closed it, which is not an error
        return 0
    return result if isinstance(result, int) else 0
