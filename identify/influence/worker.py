"""The process that decides what a file of mechanisms says, and that can be killed: what it finds, as it finds it.

Started by `identify.influence.isolated`. It says so as soon as sympy is imported; then come the graph, the answers, and
the end or an error, each a line on standard output (``messages.py``).
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
from identify.influence.deciding import answers
from identify.influence.messages import Message, answer_told, error_told, graph_told
from identify.influence.report import Family
from identify.mechanisms import Mechanisms, read_mechanisms
from identify.proof.deadline import OutOfTimeError, within

__all__ = ["Request", "decide", "main"]

_SPARE_MEMORY = 4 << 30


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        path: Of the file of mechanisms.
        family: As for `check_influence`.
        time_limit: Seconds for all of it, from when sympy is there.
    """

    path: str
    family: Family
    time_limit: float


def decide(request: Request, tell: Callable[[Message], None]) -> None:
    """Read the mechanisms, and decide sufficient influence cause by cause.

    Args:
        request: What is asked for.
        tell: Called with every message.
    """
    end = time.monotonic() + request.time_limit

    def left() -> float:
        return max(end - time.monotonic(), 1e-3)

    try:
        mechanisms = read_mechanisms(request.path, left())
        tell(graph_told(_graph(mechanisms, left()), bool(mechanisms.past)))
        for found in answers(mechanisms, request.family, request.time_limit, left()):
            tell(answer_told(found))
        tell({"kind": "end"})
    except IdentifyError as error:
        tell(error_told(error))
    except Exception as error:  # sympy raises types of its own, and nobody would see the traceback
        text = f"{request.path}: it is undecided; sympy fails on it ({type(error).__name__}: {error})"
        tell(error_told(UndecidedError(text)))


def main() -> None:
    """Answer one request from standard input."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    # what a file of Python prints is none of the answers
    elsewhere = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else sys.stderr.fileno()
    os.dup2(elsewhere, sys.stdout.fileno())
    # whoever interrupts the command means the process that started this one, and that kills it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = Request(**json.load(sys.stdin))
    import flint  # noqa: F401
    import sympy  # noqa: F401

    _end_itself(request.time_limit)
    _limit_memory()

    def tell(message: Message) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    tell({"kind": "ready"})
    decide(request, tell)


def _graph(mechanisms: Mechanisms, seconds: float) -> CausalGraph:
    try:
        return within(seconds, lambda: mechanisms.graph)
    except OutOfTimeError as error:
        raise UndecidedError("the time limit passed before the graph of the mechanisms was known") from error


def _end_itself(seconds: float) -> None:
    """For when nobody is left to kill this process: the system's alarm interrupts compiled code too."""
    if hasattr(signal, "setitimer") and seconds < 1e6:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + 10)


def _limit_memory() -> None:
    """Let the process grow by some gigabytes, where the system can be asked for that."""
    try:
        import resource
    except ImportError:
        return
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = used + _SPARE_MEMORY
        resource.setrlimit(
            resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
        )
    except (OSError, ValueError):
        # no /proc, or a limit that can't be set: time is limited all the same
        return
