"""Options of commands that run many trainings: the workers that run them, and a live table of progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from estimation.sweep import SweepPlan, Trial
    from estimation.sweep.workers import Workers

__all__ = ["Jobs", "RetryFailed", "Scheduler", "Slurm", "live_progress", "select_workers"]

Jobs = Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Processes, one thread each.")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Address of a Dask scheduler, whose workers do the runs.", show_default=False
    ),
]
Slurm = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Do the runs in N jobs of SLURM, as configured for dask-jobqueue.",
        show_default=False,
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Repeat runs that failed before.")]


def select_workers(scheduler: str | None, slurm: int | None) -> Workers | None:
    """Return the workers that run the trials; None for processes on this machine.

    Args:
        scheduler: Address of a Dask scheduler, or None.
        slurm: Number of SLURM jobs, or None.

    Raises:
        ConfigError: If both are given.
        TrainingError: If the cluster can't be reached.
    """
    from estimation.exceptions import ConfigError
    from estimation.sweep.cluster import cluster_workers, slurm_workers

    if scheduler is not None and slurm is not None:
        raise ConfigError("--scheduler and --slurm are both given; give one of them")
    if slurm is not None:
        return slurm_workers(slurm)
    return None if scheduler is None else cluster_workers(scheduler)


@contextmanager
def live_progress(plan: SweepPlan) -> Iterator[Callable[[Trial, str], None]]:
    """Show a live table on a terminal: finished and failed trials by data set and method, and the remaining time.

    Yields:
        A function to call with every trial whose status changes, and its status.
    """
    if not sys.stderr.isatty():
        yield lambda trial, status: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeRemainingColumn(),
    )
    counts: dict[tuple[str, str], int] = {}
    for trial in plan.trials:
        counts[trial.data.name, trial.method] = counts.get((trial.data.name, trial.method), 0) + 1
    with Progress(*columns, console=Console(stderr=True)) as bars:
        total = bars.add_task("all runs", total=len(plan.trials), failed="")
        groups = {
            key: bars.add_task(f"{key[0]}, {key[1]}", total=count, failed="") for key, count in counts.items()
        }
        n_failed: dict[Any, int] = {}

        def on_change(trial: Trial, status: str) -> None:
            for task in (total, groups[trial.data.name, trial.method]):
                n_failed[task] = n_failed.get(task, 0) + (status == "failed")
                bars.update(task, advance=1, failed=f"{n_failed[task]} failed" if n_failed[task] else "")

        yield on_change
