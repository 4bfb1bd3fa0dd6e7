"""A line of progress with the time left; silent when nobody looks."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

__all__ = ["progress_line"]

Advance = Callable[[int, str], None]


@contextlib.contextmanager
def progress_line(total: int, done: int, shown: bool | None) -> Iterator[Advance]:
    """Show a bar on standard error while the block runs.

    Args:
        total: steps in all.
        done: steps done before.
        shown: None shows it on a terminal only.

    Yields:
        a function of (steps done, what to say).
    """
    # a service, or pythonw, has no standard error
    if not (sys.stderr is not None and sys.stderr.isatty() if shown is None else shown):
        yield lambda step, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, force_terminal=True if shown else None)
    # redirection replaces the streams of the whole process; of several threads one may do so
    alone = threading.current_thread() is threading.main_thread()
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=alone, redirect_stderr=alone
    ) as bar:
        task = bar.add_task("training", total=total, completed=done)
        yield lambda step, text: bar.update(task, completed=step, description=text)
