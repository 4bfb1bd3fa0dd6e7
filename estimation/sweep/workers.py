"""Workers: processes of this machine that run trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["WorkerDiedError", "Workers", "local_workers"]

#: A function and its arguments.
Task = tuple[Callable[..., Any], tuple[Any, ...]]
#: Runs tasks, and yields index and result of each task in any order.
Workers = Callable[[Sequence[Task]], Iterator[tuple[int, Any]]]

# tasks per worker and batch: few, so that few tasks are suspects when a worker dies
_TASKS_PER_WORKER = 64


class WorkerDiedError(RuntimeError):
    """A worker died before all tasks were done.

    Attributes:
        running: Indices of the tasks that may have caused it.
    """

    def __init__(self, message: str, running: Sequence[int]) -> None:
        super().__init__(message)
        self.running = tuple(running)


def local_workers(jobs: int) -> Workers:
    """Return workers that are processes of this machine.

    Args:
        jobs: Number of processes. With 1, the tasks run in the calling process.
    """

    def run(tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        if jobs == 1:
            for index, (function, arguments) in enumerate(tasks):
                yield index, function(*arguments)
            return
        yield from _run_in_processes(tasks, jobs)

    return run


def _run_in_processes(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[int, Any]]:
    from joblib import Parallel, delayed  # type: ignore[import-untyped]
    from joblib.externals.loky.process_executor import BrokenProcessPool  # type: ignore[import-untyped]

    remaining = set(range(len(tasks)))
    for start in range(0, len(tasks), jobs * _TASKS_PER_WORKER):
        batch = range(start, min(start + jobs * _TASKS_PER_WORKER, len(tasks)))
        calls = (delayed(_call_with_index)(index, *tasks[index]) for index in batch)
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=jobs, batch_size=1)
        try:
            for index, result in parallel(calls):
                remaining.discard(index)
                yield index, result
        except BrokenProcessPool as error:
            running = [index for index in batch if index in remaining][: 2 * jobs]
            raise WorkerDiedError(f"a worker process died ({error.__class__.__name__})", running) from error


def _call_with_index(index: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[int, Any]:
    return index, function(*arguments)
