"""Run functions that may never return under a time limit."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from identify.exceptions import RequestError

__all__ = ["TimeLimitError", "check_seconds", "run_within"]

T = TypeVar("T")

# when the innermost limit of each thread ends
_deadlines = threading.local()
# seconds until a function that still runs is interrupted again
_RETRY_SECONDS = 0.2


class TimeLimitError(BaseException):
    """Raised inside a function that exceeds its time limit.

    It is not an `Exception`, so libraries that catch every exception don't catch it.
    """


def run_within(seconds: float, function: Callable[[], T]) -> T:
    """Run a function under a time limit.

    The function is interrupted between two steps of the Python interpreter, in any thread. A single operation of a
    compiled library is not interrupted. Limits may be nested: the earliest one counts, and once it has passed, inner
    calls fail at once.

    Args:
        seconds: Time limit above 0; infinity for no limit.
        function: Called without arguments.

    Returns:
        The result of the function.

    Raises:
        TimeLimitError: If the limit passes first.

    Example:
        >>> run_within(5, lambda: 1 + 1)
        2
    """
    outer, now = _outer_deadline(), time.monotonic()
    deadline = now + seconds
    if min(outer, deadline) <= now:
        raise TimeLimitError
    if outer <= deadline:
        # the outer limit interrupts in time, or there is none
        return function()
    timer = _Timer(seconds, sys._getframe())
    _deadlines.current = deadline
    try:
        return function()
    finally:
        try:
            timer.stop()
        finally:
            _deadlines.current = outer


def _outer_deadline() -> float:
    """Return when the limit around this call ends, on the clock of `time.monotonic`."""
    return getattr(_deadlines, "current", float("inf"))


class _Timer:
    """A timer that raises `TimeLimitError` in the thread that created it, until it is stopped or its frame returns.

    It raises repeatedly, because Python only reports an exception that is raised inside a destructor or a callback of
    the garbage collector.
    """

    def __init__(self, seconds: float, frame: FrameType) -> None:
        self._lock, self._stopped, self._fired = threading.Lock(), threading.Event(), False
        self._thread, self._frame = threading.get_ident(), frame
        threading.Thread(target=self._watch, args=(seconds,), daemon=True).start()

    def stop(self) -> None:
        """Stop the timer and cancel a pending interruption."""
        with self._lock:
            self._stopped.set()
            # a pending interruption by an outer limit stays pending
            if self._fired:
                self._raise(None)

    def _watch(self, seconds: float) -> None:
        while not self._stopped.wait(min(seconds, threading.TIMEOUT_MAX)):
            with self._lock:
                if self._stopped.is_set() or not self._is_running():
                    return
                self._fired = True
                self._raise(TimeLimitError)
            seconds = _RETRY_SECONDS

    def _is_running(self) -> bool:
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._frame:
            frame = frame.f_back
        return frame is not None

    def _raise(self, error: type[BaseException] | None) -> None:
        exception = None if error is None else ctypes.py_object(error)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), exception)


def check_seconds(seconds: float) -> float:
    """Return a time limit as a float, if it is valid.

    Raises:
        RequestError: If it is not a number above 0.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise RequestError(f"seconds is {seconds!r}; it is a time limit, a number above 0")
    return float(seconds)
