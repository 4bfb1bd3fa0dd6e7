"""The application: all commands, and one-line errors for missing packages and exhausted memory or disks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from estimation.commands.annotate import annotate
from estimation.commands.compare import compare
from estimation.commands.evaluate import evaluate
from estimation.commands.impute import impute
from estimation.commands.influence import influence
from estimation.commands.predict import predict
from estimation.commands.report import report
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
_OUT_OF_MEMORY = "not enough memory for this; use fewer samples, a smaller batch or a smaller model"

# the extra that installs a module
_EXTRAS = {
    **dict.fromkeys(("torch", "cooper", "safetensors", "sklearn", "joblib", "sympy"), "estimation"),
    "tensorboard": "tensorboard",
    **dict.fromkeys(("anndata", "h5py"), "anndata"),
}

app = typer.Typer(
    name="mechsparse",
    epilog="A GRAPH is a file, a folder of files, a graph of the catalogue (see 'mechsparse catalog'), or - "
    "for standard input. DATA is a file or a published process; a MODEL is a folder that 'mechsparse train' wrote. "
    "Exit codes: 0 done, 1 not complete or contradicted with --strict, 2 bad input or lost output.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# the commands on graphs and --version; an unnamed sub-application would lose the latter
app.registered_commands += graph_side.registered_commands
app.registered_callback = graph_side.registered_callback
for command in (
    simulate,
    train,
    evaluate,
    compare,
    verify,
    influence,
    predict,
    impute,
    report,
    annotate,
    sweep,
    reproduce,
):
    app.command(rich_help_panel=_TRAINING)(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``mechsparse``.

    Args:
        arguments: Arguments after the name of the program; by default those of this process.

    Returns:
        Exit code: 0 done, 1 not complete or contradicted with ``--strict``, 2 bad input or lost output.

    Example:
        >>> main(["--version"])  # doctest: +ELLIPSIS
        mechsparse ...
        0
        >>> main(["train", "ActionDiag", "--out", "model"])
        2
    """
    return run(_run_app, arguments)


def _run_app(arguments: Sequence[str], **options: Any) -> Any:
    """Run the application, and turn missing packages, exhausted memory and failed writes into one-line errors."""
    try:
        return app(arguments, **options)
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
        raise RequestError(_OUT_OF_MEMORY) from error
    except OSError as error:
        raise RequestError(f"{error.filename or 'a file'}: {error.strerror or error}") from error
    except RuntimeError as error:
        # torch has no exception class for exhausted memory of a CPU
        if not any(phrase in str(error) for phrase in ("out of memory", "can't allocate memory")):
            raise
        raise RequestError(_OUT_OF_MEMORY) from error
