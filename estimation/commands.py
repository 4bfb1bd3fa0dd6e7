"""The whole command line: takes the commands of the graph side in."""

from __future__ import annotations

from collections.abc import Sequence

from identify.commands import app, run

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``mechsparse``.

    Args:
        arguments: the words after the program's name; those of this process when left out.

    Returns:
        The exit code: 0 done, 1 not complete with ``--strict``, 2 bad input.
    """
    return run(app, arguments)
