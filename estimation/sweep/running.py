"""`run_sweep`: all trials that are not done, over processes of this machine or of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from estimation.exceptions import ConfigError
from estimation.sweep.data import require_same_data
from estimation.sweep.folders import FAILED, Status, require_same_settings, status_of, write_record
from estimation.sweep.plan import SweepPlan, Trial
from estimation.sweep.trial import run_trial
from estimation.sweep.workers import WorkerDiedError, Workers, local_workers
from identify.files import make_folder

__all__ = ["Outcome", "run_sweep"]

# a trial whose worker died so often is given up
_MOST_DEATHS = 3
# seconds between two looks at what another process has
_WAIT = 2.0

OnChange = Callable[[Trial, Status], None]


@dataclass(frozen=True)
class Outcome:
    """What became of the trials of a sweep.

    Attributes:
        done: names of those with a result.
        failed: names of those that ended with an error.
        seconds: that it took.
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
    """Run what is not done yet; may be killed at any moment and called again.

    Args:
        plan: the trials.
        folder: holds one folder per trial.
        jobs: processes on this machine, each with one thread of torch unless the settings say otherwise.
        workers: who runs the trials instead: `estimation.sweep.cluster.cluster_workers` of a Dask scheduler, or
            ``slurm_workers``. They must see the same folder.
        retry_failed: run trials anew that failed before.
        on_change: called with every trial whose status is known: at the start with those done before, then as they end.

    Raises:
        ConfigError: ``jobs`` is less than 1, two trials are the same, or the folder has one of them with settings
            that were the defaults of another version, or on other data than their file holds now.
        CheckpointError: what a folder says of its settings is damaged.
        TrainingError: a cluster can't be reached.

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
        raise ConfigError(f"jobs is {jobs}; it is a number of processes, 1 or more")
    _require_different(plan.trials)
    start = time.monotonic()
    root = make_folder(folder)
    for trial in plan.trials:
        require_same_settings(root / trial.name, trial)
    require_same_data(plan.trials, root)
    if retry_failed:
        for trial in plan.trials:
            (root / trial.name / FAILED).unlink(missing_ok=True)
    told = on_change or (lambda trial, status: None)
    pending = []
    for trial in plan.trials:
        status = status_of(root / trial.name)
        if status == "pending":
            pending.append(trial)
        else:
            told(trial, status)
    for trial, status in _all(pending, root, workers or local_workers(jobs)):
        told(trial, status)
    statuses = {trial.name: status_of(root / trial.name) for trial in plan.trials}
    return Outcome(
        tuple(name for name, status in statuses.items() if status == "done"),
        tuple(name for name, status in statuses.items() if status == "failed"),
        time.monotonic() - start,
    )


def _all(pending: Sequence[Trial], root: Path, workers: Workers) -> Iterator[tuple[Trial, Status]]:
    """Every trial with its end, whatever happens to workers. What is done on disk is done, whoever says so."""
    left = {trial.name: trial for trial in pending}
    deaths: dict[str, int] = {}
    while left:
        tasks = [(run_trial, (trial, str(root / name))) for name, trial in left.items()]
        names = list(left)
        try:
            for place, status in workers(tasks):
                if status != "pending":
                    yield left.pop(names[place]), status
        except WorkerDiedError as death:
            for name in [name for name in left if status_of(root / name) != "pending"]:
                yield left[name], status_of(root / name)
                del left[name]
            # which of those under way killed it can't be known
            for name in [names[place] for place in death.running if names[place] in left]:
                deaths[name] = deaths.get(name, 0) + 1
                if deaths[name] >= _MOST_DEATHS:
                    error = f"its worker died {deaths[name]} times; for instance for want of memory"
                    write_record(root / name, FAILED, {"error": error, "kind": "WorkerDied"})
                    yield left.pop(name), "failed"
        else:
            # the rest is under way in other processes
            if left:
                time.sleep(_WAIT)
                for name in [name for name in left if status_of(root / name) != "pending"]:
                    yield left[name], status_of(root / name)
                    del left[name]


def _require_different(trials: Sequence[Trial]) -> None:
    seen: set[str] = set()
    for trial in trials:
        if trial.name in seen:
            raise ConfigError(f"two trials are the same: {trial.name}; list every value of a grid once")
        seen.add(trial.name)
