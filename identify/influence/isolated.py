"""`decide_file`: decide sufficient influence of mechanisms in a file, within a time limit that holds for any file.

A separate process (``worker.py``) does the work and is killed when the time limit passes. The answers that it has sent
by then count; the remaining causes are undecided.
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
from identify.influence.check import OUT_OF_TIME, build_report
from identify.influence.messages import Message, decode_error, decode_graph, decode_influence
from identify.influence.past import NATURAL_PARAMETERS, PAST
from identify.influence.report import ALL_ACTIONS, Family, Influence, InfluenceReport
from identify.influence.worker import Request, decide
from identify.proof.deadline import check_seconds

__all__ = ["decide_file"]

# limit for importing sympy, which takes a second, or many on a busy machine
_START_SECONDS = 120.0
# the worker stops by itself at the limit, with better answers; after this time it is killed
_GRACE_SECONDS = 0.5
_LOST_PROCESS = "the process that decides it ended early, perhaps because it ran out of memory"
_WORKER_CODE = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from identify.influence.worker import main; main()"
)


def decide_file(
    path: str | os.PathLike[str],
    family: Family = "nonparametric",
    time_limit: float = 120.0,
    after_graph: Callable[[CausalGraph], None] = lambda graph: None,
    after_each: Callable[[], None] = lambda: None,
    joint: bool = False,
) -> tuple[CausalGraph, InfluenceReport]:
    """Read mechanisms from a file and decide sufficient influence of every cause.

    Args:
        path: The file; see `identify.mechanisms.files.read_mechanisms`.
        family: See `identify.influence.check_influence`.
        time_limit: Seconds for all of the work, counted from when sympy is imported.
        after_graph: Called with the graph as soon as it is known; an exception that it raises ends the work.
        after_each: Called after each action, for a progress bar.
        joint: Whether to decide joint influence of all actions as well.

    Returns:
        The graph that the mechanisms imply, and the answers with their certificates as text.

    Raises:
        UndecidedError: If the time limit passes before the graph is known.
        IdentifyError: If the file or an argument is invalid, as in `identify.mechanisms.files.read_mechanisms` and
            `identify.influence.check_influence`.
    """
    request = Request(os.fspath(path), family, check_seconds(time_limit), joint)
    graph: CausalGraph | None = None
    has_past = False
    influences: list[Influence] = []
    reason = OUT_OF_TIME
    with _messages(request) as messages:
        for message in messages:
            if message["kind"] == "error":
                raise decode_error(message)
            if message["kind"] == "graph":
                graph, has_past = decode_graph(message)
                after_graph(graph)
            elif message["kind"] == "lost":
                reason = _LOST_PROCESS
            elif message["kind"] == "answer":
                influences.append(decode_influence(message))
                if graph is not None and len(influences) <= graph.n_actions:
                    after_each()
    if graph is None:
        detail = (
            f" ({_LOST_PROCESS})"
            if reason == _LOST_PROCESS
            else f" within {time_limit:g} s; allow more time, or write simpler formulas"
        )
        raise UndecidedError(f"{request.path}: the graph of its formulas is undecided{detail}")
    undecided = _causes(graph, has_past, request)[len(influences) :]
    influences += [Influence(cause, "undecided", None, reason) for cause in undecided]
    return graph, build_report(family, influences, graph.n_actions)


def _causes(graph: CausalGraph, has_past: bool, request: Request) -> list[str]:
    """Return the causes in the order in which they are decided."""
    others = [PAST] * has_past + [NATURAL_PARAMETERS] * (request.family == "exponential")
    return [*graph.actions, *others, *([ALL_ACTIONS] * request.joint)]


@contextmanager
def _messages(request: Request) -> Iterator[Iterator[Message]]:
    """Start the worker and provide its messages until it ends or the time limit passes; kill it on exit."""
    process = _start_worker(request)
    if process is None:
        # no processes are available: everything is decided here, before the first message is read
        messages: list[Message] = []
        decide(request, messages.append)
        yield iter(messages)
        return
    try:
        yield _receive(process, request.time_limit)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _start_worker(request: Request) -> subprocess.Popen[bytes] | None:
    if sys.platform == "emscripten" or not sys.executable or getattr(sys, "frozen", False):
        return None
    # only a Python file can print something of use; for formulas the worker's other output is discarded
    discard_output = not request.path.endswith(".py")
    try:
        # a new interpreter, because a copy of this process would need a guard in the user's script
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                _WORKER_CODE,
                json.dumps([os.fspath(folder) for folder in sys.path]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if discard_output else None,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError:
        return None
    if process.stdin is not None:
        # if the worker has ended already, the missing messages show it later
        with suppress(OSError):
            process.stdin.write(json.dumps(asdict(request)).encode("ascii"))
            process.stdin.close()
    return process


def _receive(process: subprocess.Popen[bytes], seconds: float) -> Iterator[Message]:
    messages: queue.Queue[Message | None] = queue.Queue()
    threading.Thread(target=_listen, args=(process.stdout, messages), daemon=True).start()
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            message = messages.get(timeout=min(max(end - time.monotonic(), 0.0), threading.TIMEOUT_MAX))
        except queue.Empty:
            return
        if message is None:
            yield {"kind": "lost"}
            return
        if message["kind"] == "ready":
            end = time.monotonic() + seconds + _GRACE_SECONDS
        yield message
        if message["kind"] in ("end", "error"):
            return


def _listen(stream: IO[bytes] | None, messages: queue.Queue[Message | None]) -> None:
    # the last line is incomplete if the worker is killed while it writes
    with suppress(OSError, ValueError):
        while stream is not None and (line := stream.readline()):
            messages.put(json.loads(line))
    messages.put(None)
