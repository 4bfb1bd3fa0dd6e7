"""Floating-point error handling as in numpy's default, whatever the caller has set."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

__all__ = ["default_errors"]

P = ParamSpec("P")
R = TypeVar("R")


def default_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that it runs with numpy's default error handling instead of the caller's ``np.seterr``.

    With ``np.seterr(all="raise")``, an exponential that underflows to zero would raise an error. The error state of
    numpy belongs to the thread; it is restored when the function returns.

    Example:
        >>> tiny = default_errors(lambda: float(np.exp(np.float64(-1e4))))
        >>> with np.errstate(all="raise"):
        ...     tiny()
        0.0
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            return function(*args, **kwargs)

    return wrapper
