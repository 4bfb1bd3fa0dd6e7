"""numpy's floating-point errors, handled as numpy does by default."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

__all__ = ["default_errors"]

P = ParamSpec("P")
R = TypeVar("R")


def default_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that ``np.seterr`` of the caller doesn't reach into it.

    With ``np.seterr(all="raise")`` an exponential that becomes zero would be an error. The state of numpy is that of
    the thread, and is as before when the function returns.

    Example:
        >>> tiny = default_errors(lambda: float(np.exp(np.float64(-1e4))))
        >>> with np.errstate(all="raise"):
        ...     tiny()
        0.0
    """

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            return function(*args, **kwargs)

    return inner
