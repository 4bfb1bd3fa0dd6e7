"""Who runs the trials: processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["WorkerDiedError", "Workers", "local_workers"]

Task = tuple[Callable[..., Any], tuple[Any, ...]]
# of the tasks, in any order: position and result
Workers = Callable[[Sequence[Task]], Iterator[tuple[int, Any]]]

# a few tasks at a time, so that few can have been the reason when a worker dies
_BATCHES = 64


class WorkerDiedError(RuntimeError):
    """Workers died before all tasks were done.

    Attributes:
        running: positions of tasks that may have been the reason.
    """

    def __init__(self, message: str, running: Sequence[int]) -> None:
        super().__init__(message)
        self.running = tuple(running)


def local_workers(jobs: int) -> Workers:
    """Processes of this machine."""

    def run(tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        if jobs == 1:
            for place, (function, arguments) in enumerate(tasks):
                yield place, function(*arguments)
            return
        yield from _in_processes(tasks, jobs)

    return run


def _in_processes(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[int, Any]]:
    from joblib import Parallel, delayed  # type: ignore[import-untyped]
    from joblib.externals.loky.process_executor import BrokenProcessPool  # type: ignore[import-untyped]

    left = set(range(len(tasks)))
    for start in range(0, len(tasks), jobs * _BATCHES):
        batch = range(start, min(start + jobs * _BATCHES, len(tasks)))
        calls = (delayed(_placed)(place, *tasks[place]) for place in batch)
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=jobs, batch_size=1)
        try:
            for place, result in parallel(calls):
                left.discard(place)
                yield place, result
        except BrokenProcessPool as error:
            running = [place for place in batch if place in left][: 2 * jobs]
            raise WorkerDiedError(f"a worker process died ({error.__class__.__name__})", running) from error


def _placed(place: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[int, Any]:
    return place, function(*arguments)
