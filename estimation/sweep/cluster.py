"""Workers of a Dask cluster: those of a running scheduler, or SLURM jobs.

Start workers with one thread each (``dask worker ADDRESS --nthreads 1 --nworkers N``) on machines that share the folder
of the sweep. If the scheduler disconnects, the sweep waits for it to return. Finished runs are on disk; the sweep
submits the remaining ones again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from estimation.exceptions import TrainingError
from estimation.sweep.workers import Task, WorkerDiedError, Workers
from identify.exceptions import one_line

__all__ = ["cluster_workers", "slurm_workers"]

_CONNECT_SECONDS = 20
_TIMEOUT_SECONDS = 600.0
_RETRY_SECONDS = 2.0


def cluster_workers(address: str, timeout: float = _TIMEOUT_SECONDS) -> Workers:
    """Return the workers of a Dask scheduler.

    Args:
        address: Address of the scheduler, for instance ``"tcp://host:8786"``.
        timeout: Number of seconds without contact to the scheduler after which the sweep stops.
    """
    return _reconnecting_workers(lambda stack: _connect(stack, address), address, timeout)


def slurm_workers(jobs: int, timeout: float = _TIMEOUT_SECONDS) -> Workers:
    """Return workers in SLURM jobs, as configured for dask-jobqueue (``jobqueue.slurm`` in Dask's configuration).

    Args:
        jobs: Number of SLURM jobs.
        timeout: Number of seconds without contact to the scheduler after which the sweep stops.
    """

    def connect(stack: ExitStack) -> Any:
        cluster = stack.enter_context(_slurm_cluster())
        cluster.scale(jobs=jobs)
        return _connect(stack, cluster)

    return _reconnecting_workers(connect, "of SLURM", timeout)


def _slurm_cluster() -> AbstractContextManager[Any]:
    try:
        from dask_jobqueue import SLURMCluster  # type: ignore[attr-defined]
    except ModuleNotFoundError as error:
        raise _missing_dependency("dask-jobqueue") from error
    try:
        cluster: AbstractContextManager[Any] = SLURMCluster()
    except ValueError as error:
        # the message names the missing entry of the configuration
        raise TrainingError(
            f"dask-jobqueue's configuration does not describe a SLURM cluster: {error}"
        ) from error
    return cluster


def _connect(stack: ExitStack, cluster: Any) -> Any:
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise _missing_dependency("distributed") from error
    client = Client(cluster, timeout=_CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    return stack.enter_context(client)


def _missing_dependency(module: str) -> TrainingError:
    return TrainingError(f"a cluster needs {module}, which is not installed: pip install 'mechsparse[sweep]'")


def _reconnecting_workers(connect: Callable[[ExitStack], Any], name: str, timeout: float) -> Workers:
    last_contact = time.monotonic()

    def run(tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        nonlocal last_contact
        try:
            with ExitStack() as stack:
                client = connect(stack)
                last_contact = time.monotonic()
                for indexed_result in _completed_results(client, tasks):
                    last_contact = time.monotonic()
                    yield indexed_result
        except (OSError, TimeoutError) as error:
            if time.monotonic() - last_contact > timeout:
                raise TrainingError(
                    f"the scheduler {name} can't be reached ({one_line(error, 200)}); start it, then run the same "
                    "sweep again"
                ) from error
            time.sleep(_RETRY_SECONDS)
            raise WorkerDiedError(f"the scheduler {name} disconnected", ()) from error

    return run


def _completed_results(client: Any, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
    """Submit all tasks and yield index and result of each, as they complete."""
    from concurrent.futures import CancelledError

    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    indices = {}
    for index, (function, arguments) in enumerate(tasks):
        # a unique key, so that the scheduler does not return the result of an earlier attempt
        key = f"{Path(str(arguments[-1])).name}-{uuid.uuid4().hex[:8]}"
        indices[client.submit(function, *arguments, key=key, pure=False)] = index
    for future in as_completed(indices, loop=client.loop):  # type: ignore[no-untyped-call]
        try:
            result = future.result()
        except KilledWorker as error:
            raise WorkerDiedError(one_line(error, 200), [indices[future]]) from error
        except CancelledError as error:
            raise ConnectionError("tasks were cancelled") from error
        yield indices[future], result
