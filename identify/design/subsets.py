"""Exhaustive enumeration of the choices of few candidates, with prices compared exactly as whole numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray

from identify.design.demand import Demand
from identify.design.prices import exact, in_whole_numbers

__all__ = ["Choices", "without_duplicates"]

_MAX_CANDIDATES = 16
_MAX_LATENTS = 1_000
# conditions times choices; takes a few tenths of a second
_MAX_WORK = 100_000_000

# candidates that separate a pair, as bits, and how many of them must be chosen
Condition = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Choices:
    """All choices of a few candidates. Bit c of a choice is set if candidate c is chosen.

    Attributes:
        n_candidates: Number of candidates.
        conditions: Conditions of each latent, without those that another one implies.
        prices: Price of each of the 2 ** n_candidates choices, in whole numbers of units.
        unit: Unit of the prices.
    """

    n_candidates: int
    conditions: tuple[tuple[Condition, ...], ...]
    prices: tuple[int, ...]
    unit: Fraction

    @classmethod
    def of(cls, demand: Demand) -> Choices | None:
        """Return all choices, or None if there are too many to enumerate."""
        n, count = demand.targets.shape
        if count > _MAX_CANDIDATES or n > _MAX_LATENTS:
            return None
        conditions = tuple(_conditions(demand))
        if sum(map(len, set(conditions))) << count > _MAX_WORK:
            return None
        multiples, unit = in_whole_numbers(demand.costs.tolist())
        return cls(count, conditions, tuple(_subset_sums(multiples)), unit)

    def cheapest(self) -> NDArray[np.bool_]:
        """Return the cheapest choice that meets all conditions; among equals the one with fewest candidates."""
        distinct = {condition for conditions in self.conditions for condition in conditions}
        return self._best(np.flatnonzero(self._meet(distinct)).tolist())

    def most_separated(
        self, recoverable: NDArray[np.bool_], budget: float | None, max_actions: int | None
    ) -> NDArray[np.bool_]:
        """Return the choice within limits that meets all conditions of most latents; among equals the cheapest.

        Args:
            recoverable: Mask of the latents that count, shape (n,).
            budget: Largest price.
            max_actions: Largest number of candidates.
        """
        n_separated = np.zeros(len(self.prices), dtype=np.int64)
        relevant = [
            conditions
            for conditions, counts in zip(self.conditions, recoverable.tolist(), strict=True)
            if counts
        ]
        for conditions, n_latents in Counter(relevant).items():
            n_separated += n_latents * self._meet(conditions)
        if budget is not None:
            n_units = floor(exact(budget) / self.unit)
            n_separated[np.array([price > n_units for price in self.prices])] = -1
        if max_actions is not None:
            n_separated[np.bitwise_count(self._all()) > max_actions] = -1
        return self._best(np.flatnonzero(n_separated == n_separated.max()).tolist())

    def _all(self) -> NDArray[np.int64]:
        return np.arange(len(self.prices))

    def _meet(self, conditions: Iterable[Condition]) -> NDArray[np.bool_]:
        """Return which choices meet all conditions."""
        is_met = np.ones(len(self.prices), dtype=bool)
        for candidates, need in conditions:
            is_met &= np.bitwise_count(self._all() & candidates) >= need
        return is_met

    def _best(self, choices: Sequence[int]) -> NDArray[np.bool_]:
        best = min(choices, key=lambda choice: (self.prices[choice], choice.bit_count(), choice))
        return np.array([bool(best >> c & 1) for c in range(self.n_candidates)], dtype=bool)


def without_duplicates(demand: Demand) -> NDArray[np.intp]:
    """Return the positions of the candidates without those that can't help.

    Among candidates with the same targets within the entangled latents, only the ``margin`` cheapest are ever needed.
    """
    if not demand.targets.size:
        return np.zeros(0, dtype=np.intp)
    _, group = np.unique(demand.targets.T, axis=0, return_inverse=True)
    group = group.ravel()
    counts: dict[int, int] = {}
    positions = []
    for c in np.argsort(demand.costs, kind="stable").tolist():
        counts[group[c]] = counts.get(group[c], 0) + 1
        if counts[group[c]] <= demand.margin and demand.targets[:, c].any():
            positions.append(c)
    return np.array(sorted(positions), dtype=np.intp)


def _subset_sums(prices: Sequence[int]) -> list[int]:
    sums = [0]
    for price in prices:
        sums += [price + partial_sum for partial_sum in sums]
    return sums


def _conditions(demand: Demand) -> list[tuple[Condition, ...]]:
    bits = demand.targets.astype(np.int64) @ (1 << np.arange(demand.targets.shape[1]))
    conditions = []
    for own_bits, needs in zip(bits.tolist(), demand.needs, strict=True):
        required = needs > 0
        masks = own_bits & ~bits[required]
        pairs = np.unique(np.stack([masks, needs[required]], axis=1), axis=0).tolist()
        conditions.append(tuple(_without_implied([(mask, need) for mask, need in pairs])))
    return conditions


def _without_implied(conditions: Sequence[Condition]) -> list[Condition]:
    strictest: list[Condition] = []
    for mask, need in sorted(conditions, key=lambda condition: (condition[0].bit_count(), -condition[1])):
        if not any(other & mask == other and other_need >= need for other, other_need in strictest):
            strictest.append((mask, need))
    return strictest
