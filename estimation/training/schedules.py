"""Schedules of learning rates, as factors of the highest rate."""

from __future__ import annotations

import math

__all__ = ["half_cosine", "warmup"]


def warmup(step: int, n_steps: int) -> float:
    """Rise linearly over the first steps.

    Args:
        step: Steps since the start of the warm-up, from 0.
        n_steps: Length of the warm-up; 0 for none.

    Example:
        >>> warmup(0, 4), warmup(3, 4), warmup(9, 4), warmup(0, 0)
        (0.25, 1.0, 1.0, 1.0)
    """
    return min(1.0, (step + 1) / max(n_steps, 1))


def half_cosine(angle: float, floor: float = 0.0) -> float:
    """Fall from 1 to ``floor`` as half a cosine.

    Args:
        angle: From 0 at the start to pi at the end.
        floor: Factor at the end.

    Example:
        >>> half_cosine(0), round(half_cosine(math.pi / 2), 3), half_cosine(math.pi, floor=0.25)
        (1.0, 0.5, 0.25)
    """
    return floor + (1 - floor) * (0.5 + 0.5 * math.cos(angle))
