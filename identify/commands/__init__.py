"""Command line of the graph side: ``check``, ``design``, ``plot``, ``classes``, ``catalog``, ``convert``.

A larger command line can include `app`; `run` turns errors into one line and an exit code. Heavy imports happen inside
the commands, so that ``--help`` and completion respond at once.

Modules:
    ``app``: the application. ``check``, ``design``, ``plot``, ``classes``, ``catalog``, ``convert``: one command each.
    ``options``, ``sources``, ``streams``: shared options and output; graphs named by arguments; standard streams.
"""

from __future__ import annotations

from identify.commands.app import app, run

__all__ = ["app", "run"]
