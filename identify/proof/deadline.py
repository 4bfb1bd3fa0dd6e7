"""Work that may take forever, stopped after a time: the answer is then "don't know", never a hang."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from identify.exceptions import RequestError

__all__ = ["OutOfTimeError", "checked_seconds", "within"]

T = TypeVar("T")

# of each thread, when the innermost limit ends
_ends = threading.local()
# seconds until work that goes on is interrupted once more
_AGAIN = 0.2


class OutOfTimeError(BaseException):
    """Raised inside work that took too long.

    Not an `Exception`, so that libraries which catch everything on the way don't catch this.
    """


def within(seconds: float, work: Callable[[], T]) -> T:
    """What some work returns, unless it takes longer.

    The work is interrupted between two steps of the Python interpreter, in whatever thread it runs. One single
    operation of a compiled library is not interrupted. Limits may be nested: the earlier one counts, and what asks for
    time after it has passed gets none.

    Args:
        seconds: That it may take, more than 0; infinite for no limit.
        work: Called without arguments.

    Raises:
        OutOfTimeError: If it took longer.

    Example:
        >>> within(5, lambda: 1 + 1)
        2
    """
    outer, now = _outer_end(), time.monotonic()
    end = now + seconds
    if min(outer, end) <= now:
        raise OutOfTimeError
    if outer <= end:
        # the outer limit interrupts in time, or there is none
        return work()
    here = _Timer(seconds, sys._getframe())
    _ends.end = end
    try:
        return work()
    finally:
        try:
            here.stop()
        finally:
            _ends.end = outer


def _outer_end() -> float:
    """When the limit around this call ends, on the clock of `time.monotonic`."""
    return getattr(_ends, "end", float("inf"))


class _Timer:
    """Raises `OutOfTimeError` in the thread that made it, until it is stopped or its frame has been left.

    Once is not enough: what is raised inside a destructor or a callback of the garbage collector is reported and lost.
    """

    def __init__(self, seconds: float, frame: FrameType) -> None:
        self._lock, self._over, self._fired = threading.Lock(), threading.Event(), False
        self._thread, self._frame = threading.get_ident(), frame
        threading.Thread(target=self._watch, args=(seconds,), daemon=True).start()

    def stop(self) -> None:
        """From now on nothing is raised, neither what is on its way."""
        with self._lock:
            self._over.set()
            # of an outer limit, an interruption on its way stays on its way
            if self._fired:
                self._raise(None)

    def _watch(self, seconds: float) -> None:
        while not self._over.wait(min(seconds, threading.TIMEOUT_MAX)):
            with self._lock:
                if self._over.is_set() or not self._is_at_work():
                    return
                self._fired = True
                self._raise(OutOfTimeError)
            seconds = _AGAIN

    def _is_at_work(self) -> bool:
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._frame:
            frame = frame.f_back
        return frame is not None

    def _raise(self, error: type[BaseException] | None) -> None:
        what = None if error is None else ctypes.py_object(error)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), what)


def checked_seconds(seconds: float) -> float:
    """A limit of time, checked.

    Raises:
        RequestError: If it is not a number above 0.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise RequestError(f"seconds is {seconds!r}; it is a time limit, a number above 0")
    return float(seconds)
