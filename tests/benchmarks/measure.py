"""Timing for the benchmarks. ``make bench`` runs them; each prints its measurements and checks a claim."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any


def seconds(action: Callable[[], Any], repeats: int = 5) -> float:
    """Return the median wall time of an action, after one warm-up call."""
    action()
    return median(once(action)[0] for _ in range(repeats))


def once(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return the wall time of one call, and its result."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result
