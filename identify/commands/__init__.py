"""The command line of the graph side: ``check``, ``design``, ``plot``, ``classes``, ``catalog``, ``convert``.

`app` is what a larger command line takes in; `run` turns errors into one line and an exit code. Heavy imports
happen inside the commands, so that ``--help`` and completion answer at once.
"""

from __future__ import annotations

from identify.commands.app import app, run

__all__ = ["app", "run"]
