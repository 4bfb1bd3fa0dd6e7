"""What commands that run many trainings share: who runs them, and the live table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from estimation.sweep import SweepPlan, Trial
    from estimation.sweep.workers import Workers

__all__ = ["Jobs", "RetryFailed", "Scheduler", "Slurm", "watching", "workers_of"]

Jobs = Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Processes, one thread each.")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Of a Dask scheduler whose workers run it.", show_default=False),
]
Slurm = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Run it in N jobs of SLURM, as dask-jobqueue's configuration describes them.",
        show_default=False,
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run anew what failed before.")]


def workers_of(scheduler: str | None, slurm: int | None) -> Workers | None:
    """Who runs the trials; None for processes of this machine.

    Raises:
        ConfigError: both are given.
        TrainingError: the cluster can't be reached.
    """
    from estimation.exceptions import ConfigError
    from estimation.sweep.cluster import cluster_workers, slurm_workers

    if scheduler is not None and slurm is not None:
        raise ConfigError("--scheduler and --slurm are both given; the runs go to one of them")
    if slurm is not None:
        return slurm_workers(slurm)
    return None if scheduler is None else cluster_workers(scheduler)


@contextmanager
def watching(plan: SweepPlan) -> Iterator[Callable[[Trial, str], None]]:
    """A live table on a terminal: trials done and failed by data and method, and the time left."""
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
        whole = bars.add_task("all runs", total=len(plan.trials), failed="")
        tasks = {
            key: bars.add_task(f"{key[0]}, {key[1]}", total=count, failed="") for key, count in counts.items()
        }
        failures: dict[Any, int] = {}

        def on_change(trial: Trial, status: str) -> None:
            for task in (whole, tasks[trial.data.name, trial.method]):
                failures[task] = failures.get(task, 0) + (status == "failed")
                failed = f"{failures[task]} failed" if failures[task] else ""
                bars.update(task, advance=1, failed=failed)

        yield on_change
