"""Prices as exact numbers: what was written in decimals, added up and compared without rounding.

0.1 is a tenth here, and not the binary fraction beside it, so three candidates at 0.1 cost 0.3 and fit a budget of 0.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd, lcm

__all__ = ["exact", "in_whole_numbers", "total"]


def exact(price: float) -> Fraction:
    """The shortest decimal that stands for a price.

    Example:
        >>> exact(0.56)
        Fraction(14, 25)
    """
    return Fraction(repr(float(price)))


def total(prices: Iterable[float]) -> float:
    """The sum of prices, rounded once at its end.

    Example:
        >>> sum([0.1, 0.1, 0.1]), total([0.1, 0.1, 0.1])
        (0.30000000000000004, 0.3)
    """
    return float(sum(map(exact, prices), Fraction(0)))


def in_whole_numbers(prices: Sequence[float]) -> tuple[list[int], Fraction]:
    """Prices as multiples of the largest unit of which all of them are multiples.

    Returns:
        The multiples, and the unit; 1 where all prices are zero.

    Example:
        >>> in_whole_numbers([0.56, 1.4, 0])
        ([2, 5, 0], Fraction(7, 25))
    """
    fractions = [exact(price) for price in prices]
    denominator = lcm(*(price.denominator for price in fractions))
    whole = [price.numerator * (denominator // price.denominator) for price in fractions]
    unit = gcd(*whole) or denominator
    return [number // unit for number in whole], Fraction(unit, denominator)
