"""The application: all commands of the graph side, and how errors leave it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from identify.commands.catalog import catalog
from identify.commands.check import check
from identify.commands.classes import classes
from identify.commands.convert import convert
from identify.commands.design import design
from identify.commands.plot import plot
from identify.exceptions import IdentifyError, one_line

__all__ = ["app", "run"]

_INTERRUPTED = 130
_BAD_INPUT = 2


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mechsparse {version('mechsparse')}")
        raise typer.Exit


app = typer.Typer(
    name="mechsparse",
    epilog="A GRAPH is a file, a folder of files, a graph of the catalogue (see 'mechsparse catalog'), or - "
    "for standard input. Exit codes: 0 done, 1 not complete with --strict, 2 bad input.",
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


def run(application: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run an application and return its exit code; what goes wrong is one line on standard error.

    Args:
        application: the commands.
        arguments: the words after the program's name; those of this process when left out.

    Returns:
        0 done, 1 not complete with ``--strict``, 2 bad input or a wrong call, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        result = application(words, prog_name="mechsparse", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _complain(f"{error.format_message()} Try 'mechsparse --help'.")
    except IdentifyError as error:
        return _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # the reader (head, less) has gone: nothing is wrong, and Python must not flush again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _complain(message: str) -> int:
    print(f"mechsparse: {one_line(message)}", file=sys.stderr)
    return _BAD_INPUT
