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
    lock, over = threading.Lock(), False
    here = ctypes.c_ulong(threading.get_ident())

    def interrupt() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(here, ctypes.py_object(OutOfTimeError))

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        return work()
    finally:
        # an interruption may be on its way: it must not arrive in somebody else's code
        with lock:
            over = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(here, None)
        timer.cancel()


def checked_seconds(seconds: float) -> float:
    """A limit of time, checked.

    Raises:
        RequestError: it is not a number above 0.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise RequestError(f"seconds is {seconds!r}; it is a time limit, a number above 0")
    return float(seconds)
