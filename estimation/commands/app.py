"""The application: all commands, and what happens where a part of the package is not installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from estimation.commands.compare import compare
from estimation.commands.evaluate import evaluate
from estimation.commands.reproduce import reproduce
from estimation.commands.simulate import simulate
from estimation.commands.sweep import sweep
from estimation.commands.train import train
from estimation.commands.verify import verify
from identify.commands import app as graph_side
from identify.commands import run
from identify.exceptions import IdentifyError, RequestError

__all__ = ["app", "main"]

_TRAINING = "Training"
_NO_MEMORY = "not enough memory for this; ask for fewer samples, a smaller batch or a smaller model"

# the extra that brings a module
_EXTRAS = {
    **dict.fromkeys(("torch", "cooper", "safetensors", "sklearn", "joblib", "sympy"), "estimation"),
    "tensorboard": "tensorboard",
}

app = typer.Typer(
    name="mechsparse",
    epilog="A GRAPH is a file, a folder of files, a graph of the catalogue (see 'mechsparse catalog'), or - "
    "for standard input. DATA is a file or a published process; a MODEL is a folder that 'mechsparse train' wrote. "
    "Exit codes: 0 done, 1 not complete or contradicted with --strict, 2 bad input or lost output.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# the graph side's commands and its --version; an unnamed sub-application would lose the latter
app.registered_commands += graph_side.registered_commands
app.registered_callback = graph_side.registered_callback
for command in (simulate, train, evaluate, compare, verify, sweep, reproduce):
    app.command(rich_help_panel=_TRAINING)(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``mechsparse``.

    Args:
        arguments: the words after the program's name; those of this process when left out.

    Returns:
        The exit code: 0 done, 1 not complete or contradicted with ``--strict``, 2 bad input or lost output.

    Example:
        >>> main(["--version"])  # doctest: +ELLIPSIS
        mechsparse ...
        0
        >>> main(["train", "ActionDiag", "--out", "model"])
        2
    """
    return run(_explained, arguments)


def _explained(words: Sequence[str], **options: Any) -> Any:
    """The application, with what the machine can't do told as an error of ours."""
    try:
        return app(words, **options)
    except (IdentifyError, BrokenPipeError):
        raise
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRAS:
            raise
        raise RequestError(
            f"this needs {module}, which is missing: pip install 'mechsparse[{_EXTRAS[module]}]'"
        ) from error
    except MemoryError as error:
        raise RequestError(_NO_MEMORY) from error
    except OSError as error:
        raise RequestError(f"{error.filename or 'a file'}: {error.strerror or error}") from error
    except RuntimeError as error:
        # torch has no class of its own for this on a CPU
        if not any(words in str(error) for words in ("out of memory", "can't allocate memory")):
            raise
        raise RequestError(_NO_MEMORY) from error
