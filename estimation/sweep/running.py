"""`run_sweep`: run all trials that are not done, in processes of this machine or of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from estimation.exceptions import ConfigError
from estimation.sweep.data import require_same_data
from estimation.sweep.folders import FAILED, Status, require_same_settings, status_of, write_record
from estimation.sweep.plan import SweepPlan
from estimation.sweep.specification import Trial
from estimation.sweep.trial import run_trial
from estimation.sweep.workers import WorkerDiedError, Workers, local_workers
from identify.files import make_folder

__all__ = ["Outcome", "run_sweep"]

# a trial has failed once its worker has died this often
_MAX_WORKER_DEATHS = 3
# time between two checks of the runs that other processes have locked
_POLL_SECONDS = 2.0

OnChange = Callable[[Trial, Status], None]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a sweep.

    Attributes:
        done: Names of the trials with a result.
        failed: Names of the trials that ended with an error.
        seconds: Wall-clock time in seconds.
    """

    done: tuple[str, ...]
    failed: tuple[str, ...]
    seconds: float


def run_sweep(
    plan: SweepPlan,
    folder: str | Path,
    jobs: int = 1,
    workers: Workers | None = None,
    retry_failed: bool = False,
    on_change: OnChange | None = None,
) -> Outcome:
    """Run the trials that are not done yet. A sweep can be killed at any time and started again.

    Args:
        plan: The trials.
        folder: Where to create one folder per trial.
        jobs: Number of processes on this machine. Each uses one torch thread unless the settings say otherwise.
        workers: Workers to use instead: `estimation.sweep.cluster.cluster_workers` for a Dask scheduler, or
            ``slurm_workers``. They must share the folder.
        retry_failed: If true, run the trials again that failed before.
        on_change: Function that is called once for every trial and its status: at the start for the trials that
            are done or have failed already, and for every other trial when it ends.

    Returns:
        The names of the finished and the failed trials.

    Raises:
        ConfigError: If ``jobs`` is less than 1, two trials are the same, or the folder contains a run of a trial that
            used other defaults or other data.
        CheckpointError: If the configuration file of a run is damaged.
        TrainingError: If a cluster can't be reached.

    Example:
        >>> import tempfile
        >>> spec = {"source": "ActionBlockDiag", "samples": 200, "test_samples": 100}
        >>> settings = {"steps": 4, "width": 8, "transition_width": 4, "unmixing": False, "max_edges_actions": 10}
        >>> plan = SweepPlan.from_dict({"data": {"pairs": spec}, "method": {"sparse": {"settings": settings}}})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first, second = run_sweep(plan, folder), run_sweep(plan, folder)
        >>> len(first.done), second.done == first.done, second.seconds < first.seconds
        (1, True, True)
    """
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; it must be 1 or more")
    _require_different(plan.trials)
    start = time.monotonic()
    root = make_folder(folder)
    for trial in plan.trials:
        require_same_settings(root / trial.name, trial)
    require_same_data(plan.trials, root)
    if retry_failed:
        for trial in plan.trials:
            (root / trial.name / FAILED).unlink(missing_ok=True)
    notify = on_change or (lambda trial, status: None)
    pending = []
    for trial in plan.trials:
        status = status_of(root / trial.name)
        if status == "pending":
            pending.append(trial)
        else:
            notify(trial, status)
    for trial, status in _run_pending(pending, root, workers or local_workers(jobs)):
        notify(trial, status)
    statuses = {trial.name: status_of(root / trial.name) for trial in plan.trials}
    return Outcome(
        tuple(name for name, status in statuses.items() if status == "done"),
        tuple(name for name, status in statuses.items() if status == "failed"),
        time.monotonic() - start,
    )


def _run_pending(pending: Sequence[Trial], root: Path, workers: Workers) -> Iterator[tuple[Trial, Status]]:
    """Yield every trial and its final status, even if workers die. The files in the folders decide the status."""
    remaining = {trial.name: trial for trial in pending}
    deaths: dict[str, int] = {}
    while remaining:
        tasks = [(run_trial, (trial, str(root / name))) for name, trial in remaining.items()]
        names = list(remaining)
        try:
            for index, status in workers(tasks):
                if status != "pending":
                    yield remaining.pop(names[index]), status
        except WorkerDiedError as death:
            yield from _pop_ended(remaining, root)
            # any of the running trials may have killed the worker
            for name in [names[index] for index in death.running if names[index] in remaining]:
                deaths[name] = deaths.get(name, 0) + 1
                if deaths[name] >= _MAX_WORKER_DEATHS:
                    error = f"its worker died {deaths[name]} times; it may have run out of memory"
                    write_record(root / name, FAILED, {"error": error, "kind": "WorkerDied"})
                    yield remaining.pop(name), "failed"
        else:
            # other processes run the remaining trials
            if remaining:
                time.sleep(_POLL_SECONDS)
                yield from _pop_ended(remaining, root)


def _pop_ended(remaining: dict[str, Trial], root: Path) -> Iterator[tuple[Trial, Status]]:
    """Remove the trials that have ended, and yield each with its status."""
    for name in list(remaining):
        if (status := status_of(root / name)) != "pending":
            yield remaining.pop(name), status


def _require_different(trials: Sequence[Trial]) -> None:
    seen: set[str] = set()
    for trial in trials:
        if trial.name in seen:
            raise ConfigError(f"two trials are the same: {trial.name}; list each value of a grid only once")
        seen.add(trial.name)
