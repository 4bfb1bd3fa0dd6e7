"""`decide_file`: sufficient influence of mechanisms in a file, within a time that holds whatever the file says.

The work is done by a process of its own (``worker.py``), which is killed when the time is over. What it had found by
then counts, and the rest is undecided.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import IO

from identify.exceptions import UndecidedError
from identify.graph import CausalGraph
from identify.influence.deciding import OUT_OF_TIME, collected
from identify.influence.messages import Message, answer_in, error_in, graph_in
from identify.influence.past import NATURAL_PARAMETERS, PAST
from identify.influence.report import Family, Influence, InfluenceReport
from identify.influence.worker import Request, decide
from identify.proof.deadline import checked_seconds

__all__ = ["decide_file"]

# until sympy is imported, which takes a second or, on a busy machine, many
_STARTING = 120.0
# the process stops by itself at the limit, with better answers; after that it is killed
_GRACE = 0.5
_LOST = "the process that decides it has ended, perhaps for want of memory"
_START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from identify.influence.worker import main; main()"


def decide_file(
    path: str | os.PathLike[str],
    family: Family = "nonparametric",
    time_limit: float = 120.0,
    after_graph: Callable[[CausalGraph], None] = lambda graph: None,
    after_each: Callable[[], None] = lambda: None,
) -> tuple[CausalGraph, InfluenceReport]:
    """Read mechanisms from a file, and decide sufficient influence of every cause.

    Args:
        path: As for `identify.mechanisms.read_mechanisms`.
        family: As for `identify.influence.check_influence`.
        time_limit: Seconds for all of it, from when sympy is imported.
        after_graph: Called with the graph, as soon as it is known; what it raises ends the work.
        after_each: Called after each action, for a progress bar.

    Returns:
        The graph that the mechanisms imply, and the answers with their certificates as text.

    Raises:
        UndecidedError: If the time was over before the graph was known.
        IdentifyError: If as `identify.mechanisms.read_mechanisms` and `identify.influence.check_influence`.
    """
    request = Request(os.fspath(path), family, checked_seconds(time_limit))
    known: tuple[CausalGraph, bool] | None = None
    found: list[Influence] = []
    why = OUT_OF_TIME
    with _messages(request) as messages:
        for message in messages:
            if message["kind"] == "error":
                raise error_in(message)
            if message["kind"] == "graph":
                known = graph_in(message)
                after_graph(known[0])
            elif message["kind"] == "lost":
                why = _LOST
            elif message["kind"] == "answer":
                found.append(answer_in(message))
                if known is not None and len(found) <= known[0].n_actions:
                    after_each()
    if known is None:
        within = "" if why == _LOST else f" within {time_limit:g} s; allow more time, or write simpler ones"
        raise UndecidedError(f"{request.path}: what its formulas say is undecided{within or f' ({_LOST})'}")
    graph, past = known
    late = _causes(graph, past, family)[len(found) :]
    found += [Influence(cause, "undecided", None, why) for cause in late]
    return graph, collected(family, found, graph.n_actions)


def _causes(graph: CausalGraph, past: bool, family: Family) -> list[str]:
    """In the order in which they are decided."""
    others = [PAST] * past + [NATURAL_PARAMETERS] * (family == "exponential")
    return [*graph.actions, *others]


@contextmanager
def _messages(request: Request) -> Iterator[Iterator[Message]]:
    """What the process says, until it ends or the time is over; it is gone afterwards."""
    process = _started(request)
    if process is None:
        # no processes here: all is decided before the first message is read
        told: list[Message] = []
        decide(request, told.append)
        yield iter(told)
        return
    try:
        yield _until_the_end(process, request.time_limit)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _started(request: Request) -> subprocess.Popen[bytes] | None:
    if sys.platform == "emscripten" or not sys.executable or getattr(sys, "frozen", False):
        return None
    # of a formula, what the process says besides the answers is of no use
    quiet = not request.path.endswith(".py")
    try:
        # Python itself, and not a copy of this process: that would need a guard in the user's own script
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, json.dumps([os.fspath(folder) for folder in sys.path])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError:
        return None
    if process.stdin is not None:
        # where it has ended already, its silence is seen later
        with suppress(OSError):
            process.stdin.write(json.dumps(asdict(request)).encode("ascii"))
            process.stdin.close()
    return process


def _until_the_end(process: subprocess.Popen[bytes], seconds: float) -> Iterator[Message]:
    said: queue.Queue[Message | None] = queue.Queue()
    threading.Thread(target=_listen, args=(process.stdout, said), daemon=True).start()
    end = time.monotonic() + _STARTING
    while True:
        try:
            message = said.get(timeout=min(max(end - time.monotonic(), 0.0), threading.TIMEOUT_MAX))
        except queue.Empty:
            return
        if message is None:
            yield {"kind": "lost"}
            return
        if message["kind"] == "ready":
            end = time.monotonic() + seconds + _GRACE
        yield message
        if message["kind"] in ("end", "error"):
            return


def _listen(stream: IO[bytes] | None, said: queue.Queue[Message | None]) -> None:
    # a line is broken off where the process is killed in the middle of it
    with suppress(OSError, ValueError):
        while stream is not None and (line := stream.readline()):
            said.put(json.loads(line))
    said.put(None)
