"""How many edges are true, if each is true with a known probability: the Poisson binomial distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["count_distribution", "count_interval"]

_COVERAGE = 0.9


def count_distribution(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the distribution of the number of events that happen, if they are independent.

    Args:
        probabilities: Probability of each of k events, any shape; nan for those that don't count.

    Returns:
        Probabilities of 0 to k events, shape (k + 1,).

    Example:
        >>> count_distribution([0.5, 0.5]).tolist()
        [0.25, 0.5, 0.25]
    """
    values = np.asarray(probabilities, dtype=float).ravel()
    distribution = np.ones(1)
    for probability in values[~np.isnan(values)].tolist():
        distribution = np.convolve(distribution, [1 - probability, probability])
    return distribution


def count_interval(probabilities: ArrayLike, coverage: float = _COVERAGE) -> tuple[int, int]:
    """Return the central interval of the number of events that happen, if they are independent.

    Args:
        probabilities: Probability of each event, any shape; nan for those that don't count.
        coverage: Probability of the interval, or a little more; numbers below it have at most half of the rest, and so
            have those above it.

    Example:
        >>> count_interval([1, 1, 1, 0.5, 0.01])
        (3, 4)
    """
    cumulative = np.cumsum(count_distribution(probabilities))
    tail = (1 - coverage) / 2
    low = int(np.argmax(cumulative > tail))
    high = int(np.argmax(cumulative >= 1 - tail))
    return low, high
