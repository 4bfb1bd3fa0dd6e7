"""Work that may take forever, stopped after a time: the answer is then "don't know", never a hang."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from identify.exceptions import RequestError

__all__ = ["OutOfTimeError", "checked_seconds", "within"]

T = TypeVar("T")


class OutOfTimeError(BaseException):
    """Raised inside work that took too long.

    Not an `Exception`, so that libraries which catch everything on the way don't catch this.
    """


def within(seconds: float, work: Callable[[], T]) -> T:
    """What some work returns, unless it takes longer.

    The work is interrupted between two steps of the Python interpreter, in whatever thread it runs. One single
    operation of a compiled library is not interrupted.

    Args:
        seconds: that it may take, more than 0; infinite for no limit.
        work: called without arguments.

    Raises:
        OutOfTimeError: it took longer.

    Example:
        >>> within(5, lambda: 1 + 1)
        2
    """
    if seconds == float("inf"):
        return work()
    here = _Timer(seconds)
    try:
        return work()
    finally:
        here.stop()


class _Timer:
    """Raises `OutOfTimeError` in the thread that made it, once, unless it is stopped before."""

    def __init__(self, seconds: float) -> None:
        self._lock, self._over, self._fired = threading.Lock(), False, False
        self._thread = ctypes.c_ulong(threading.get_ident())
        self._timer = threading.Timer(seconds, self._interrupt)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """From now on nothing is raised, neither what is on its way."""
        with self._lock:
            self._over = True
            # of an outer limit, an interruption on its way stays on its way
            if self._fired:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, None)
        self._timer.cancel()

    def _interrupt(self) -> None:
        with self._lock:
            if not self._over:
                self._fired = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, ctypes.py_object(OutOfTimeError))


def checked_seconds(seconds: float) -> float:
    """A limit of time, checked.

    Raises:
        RequestError: it is not a number above 0.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise RequestError(f"seconds is {seconds!r}; it is a time limit, a number above 0")
    return float(seconds)
