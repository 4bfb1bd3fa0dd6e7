"""Exact prices: decimals that are added and compared without rounding.

A price of 0.1 means one tenth, not the nearest binary fraction, so three candidates at 0.1 cost 0.3 and fit a budget of
0.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd, lcm

__all__ = ["exact", "in_whole_numbers", "total"]


def exact(price: float) -> Fraction:
    """Return the shortest decimal that represents a price, as a fraction.

    Example:
        >>> exact(0.56)
        Fraction(14, 25)
    """
    return Fraction(repr(float(price)))


def total(prices: Iterable[float]) -> float:
    """Return the sum of prices, rounded once at the end.

    Example:
        >>> sum([0.1, 0.1, 0.1]), total([0.1, 0.1, 0.1])
        (0.30000000000000004, 0.3)
    """
    return float(sum(map(exact, prices), Fraction(0)))


def in_whole_numbers(prices: Sequence[float]) -> tuple[list[int], Fraction]:
    """Express prices as multiples of their largest common unit.

    Returns:
        The multiples, and the unit (1 if all prices are zero).

    Example:
        >>> in_whole_numbers([0.56, 1.4, 0])
        ([2, 5, 0], Fraction(7, 25))
    """
    fractions = [exact(price) for price in prices]
    denominator = lcm(*(price.denominator for price in fractions))
    numerators = [price.numerator * (denominator // price.denominator) for price in fractions]
    unit = gcd(*numerators) or denominator
    return [numerator // unit for numerator in numerators], Fraction(unit, denominator)
