"""Workers of a Dask cluster: a scheduler that runs already, or one of SLURM.

Start workers with one thread each (``dask worker ADDRESS --nthreads 1 --nworkers N``), where they see the same folder.
When the scheduler goes away, its return is waited for; what is done is on disk, and the rest is given out anew.
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
_PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 2.0


def cluster_workers(address: str, patience: float = _PATIENCE_SECONDS) -> Workers:
    """The workers of a scheduler.

    Args:
        address: of the scheduler, for instance ``"tcp://host:8786"``.
        patience: seconds without any sign of the scheduler, after which it is given up.
    """
    return _patient(lambda stack: _client(stack, address), address, patience)


def slurm_workers(jobs: int, patience: float = _PATIENCE_SECONDS) -> Workers:
    """Jobs of SLURM, as dask-jobqueue's configuration describes them (``jobqueue.slurm`` in Dask's).

    Args:
        jobs: how many.
        patience: as for `cluster_workers`.
    """

    def connect(stack: ExitStack) -> Any:
        cluster = stack.enter_context(_slurm_cluster())
        cluster.scale(jobs=jobs)
        return _client(stack, cluster)

    return _patient(connect, "of SLURM", patience)


def _slurm_cluster() -> AbstractContextManager[Any]:
    try:
        from dask_jobqueue import SLURMCluster  # type: ignore[attr-defined]
    except ModuleNotFoundError as error:
        raise _missing("dask-jobqueue") from error
    try:
        cluster: AbstractContextManager[Any] = SLURMCluster()
    except ValueError as error:
        # it names what the configuration lacks
        raise TrainingError(
            f"dask-jobqueue's configuration does not describe a SLURM cluster: {error}"
        ) from error
    return cluster


def _client(stack: ExitStack, where: Any) -> Any:
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise _missing("distributed") from error
    client = Client(where, timeout=_CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    return stack.enter_context(client)


def _missing(module: str) -> TrainingError:
    return TrainingError(f"a cluster needs {module}, which is missing: pip install 'mechsparse[sweep]'")


def _patient(connect: Callable[[ExitStack], Any], name: str, patience: float) -> Workers:
    last_seen = time.monotonic()

    def run(tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        nonlocal last_seen
        try:
            with ExitStack() as stack:
                client = connect(stack)
                last_seen = time.monotonic()
                for each in _results(client, tasks):
                    last_seen = time.monotonic()
                    yield each
        except (OSError, TimeoutError) as error:
            if time.monotonic() - last_seen > patience:
                raise TrainingError(
                    f"the scheduler {name} can't be reached ({one_line(error, 200)}); start it, and then the same "
                    "sweep again"
                ) from error
            time.sleep(_PAUSE_SECONDS)
            raise WorkerDiedError(f"the scheduler {name} went away", ()) from error

    return run


def _results(client: Any, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
    from concurrent.futures import CancelledError

    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    places = {}
    for place, (function, arguments) in enumerate(tasks):
        # a name of its own: a scheduler must not take this for an earlier attempt
        key = f"{Path(str(arguments[-1])).name}-{uuid.uuid4().hex[:8]}"
        places[client.submit(function, *arguments, key=key, pure=False)] = place
    for future in as_completed(places, loop=client.loop):  # type: ignore[no-untyped-call]
        try:
            result = future.result()
        except KilledWorker as error:
            raise WorkerDiedError(one_line(error, 200), [places[future]]) from error
        except CancelledError as error:
            raise ConnectionError("tasks were cancelled") from error
        yield places[future], result
