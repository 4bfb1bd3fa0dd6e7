"""The worker process that decides a file of mechanisms and can be killed; it sends every result as soon as it has it.

`identify.influence.isolated` starts it. The worker reports as soon as sympy is imported, then sends the graph, the
answers, and the end or an error, each as a line on standard output (``messages.py``).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from identify.exceptions import IdentifyError, UndecidedError
from identify.graph import CausalGraph
from identify.influence.check import iter_influences
from identify.influence.messages import Message, encode_error, encode_graph, encode_influence
from identify.influence.report import Family
from identify.mechanisms import Mechanisms, read_mechanisms
from identify.proof.deadline import TimeLimitError, run_within

__all__ = ["Request", "decide", "main"]

_EXTRA_MEMORY_BYTES = 4 << 30


@dataclass(frozen=True)
class Request:
    """The task of the worker.

    Attributes:
        path: The file of mechanisms.
        family: See `identify.influence.check_influence`.
        time_limit: Seconds for all of the work, counted from when sympy is imported.
        joint: Whether to decide joint influence of all actions as well.
    """

    path: str
    family: Family
    time_limit: float
    joint: bool = False


def decide(request: Request, send: Callable[[Message], None]) -> None:
    """Read the mechanisms and decide sufficient influence cause by cause.

    Args:
        request: The task.
        send: Called with every message.
    """
    end = time.monotonic() + request.time_limit

    def remaining() -> float:
        return max(end - time.monotonic(), 1e-3)

    try:
        mechanisms = read_mechanisms(request.path, remaining())
        send(encode_graph(_graph(mechanisms, remaining()), bool(mechanisms.past)))
        limits = request.time_limit, remaining()
        for influence in iter_influences(mechanisms, request.family, *limits, request.joint):
            send(encode_influence(influence))
        send({"kind": "end"})
    except IdentifyError as error:
        send(encode_error(error))
    except Exception as error:  # sympy has exception types of its own, and the traceback would be lost
        text = f"{request.path}: it is undecided; sympy fails on it ({type(error).__name__}: {error})"
        send(encode_error(UndecidedError(text)))


def main() -> None:
    """Read one request from standard input and decide it."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    # output that a Python file prints must not mix with the messages
    diversion = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else sys.stderr.fileno()
    os.dup2(diversion, sys.stdout.fileno())
    # an interrupt is meant for the process that started this one, which then kills it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = Request(**json.load(sys.stdin))
    import flint  # noqa: F401
    import sympy  # noqa: F401

    _set_alarm(request.time_limit)
    _limit_memory()

    def send(message: Message) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    send({"kind": "ready"})
    decide(request, send)


def _graph(mechanisms: Mechanisms, seconds: float) -> CausalGraph:
    try:
        return run_within(seconds, lambda: mechanisms.graph)
    except TimeLimitError as error:
        raise UndecidedError(
            "the time limit passed before the graph of the mechanisms was decided"
        ) from error


def _set_alarm(seconds: float) -> None:
    """Set an alarm, in case the parent process is gone and can't kill this one; it also interrupts compiled code."""
    if hasattr(signal, "setitimer") and seconds < 1e6:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + 10)


def _limit_memory() -> None:
    """Limit the growth of this process to some gigabytes, where the system supports it."""
    try:
        import resource
    except ImportError:
        return
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        hard_limit = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = used + _EXTRA_MEMORY_BYTES
        resource.setrlimit(
            resource.RLIMIT_AS,
            (limit if hard_limit == resource.RLIM_INFINITY else min(limit, hard_limit), hard_limit),
        )
    except (OSError, ValueError):
        # no /proc, or a limit that can't be set: the time limit still holds
        return
