"""A 64-bit mixing function, which maps consecutive integers to words that look random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["GOLDEN_GAMMA", "mix64"]

#: The odd integer closest to 2^64 divided by the golden ratio: the increment of splitmix64.
GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def mix64(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of every word: the finaliser of splitmix64 (Steele, Lea and Flood 2014), a bijection.

    Example:
        >>> [hex(word) for word in mix64(np.array([0, 1], dtype=np.uint64))]
        ['0x0', '0x5692161d100b05e5']
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
