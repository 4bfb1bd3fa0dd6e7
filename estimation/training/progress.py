"""A progress bar with the time left, shown on a terminal only unless requested."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

__all__ = ["Advance", "progress_line"]

Advance = Callable[[int, str], None]


@contextlib.contextmanager
def progress_line(total: int, done: int, shown: bool | None, title: str = "") -> Iterator[Advance]:
    """Show a progress bar on standard error while the block runs.

    Args:
        total: Number of all steps.
        done: Number of steps taken before.
        shown: Whether to show the bar; None shows it on a terminal only.
        title: Begins every text.

    Yields:
        A function that takes the number of steps taken and a text.
    """
    # a service, or pythonw, has no standard error
    if not (sys.stderr is not None and sys.stderr.isatty() if shown is None else shown):
        yield lambda step, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, force_terminal=True if shown else None)
    # redirection replaces the streams of the whole process, so only the main thread may do it
    in_main_thread = threading.current_thread() is threading.main_thread()
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=in_main_thread,
        redirect_stderr=in_main_thread,
    ) as bar:
        task = bar.add_task("training", total=total, completed=done)
        yield lambda step, text: bar.update(task, completed=step, description=f"{title}{text}")
