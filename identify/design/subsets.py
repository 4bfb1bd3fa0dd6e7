"""Few candidates: every choice of them is looked at, and prices are compared as whole numbers, without tolerance."""

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

_MOST_CANDIDATES = 16
_MOST_LATENTS = 1_000
# conditions times choices: a few tenths of a second
_MOST_WORK = 100_000_000

# the candidates that separate a pair, as bits; so many of them must be chosen
Condition = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Choices:
    """All choices of a few candidates. Bit c of a choice says that candidate c is taken.

    Attributes:
        n_candidates: how many there are.
        conditions: of each latent, those which no other of its conditions implies.
        prices: of each choice, 2 ** n_candidates whole numbers of units.
        unit: what one of them is worth.
    """

    n_candidates: int
    conditions: tuple[tuple[Condition, ...], ...]
    prices: tuple[int, ...]
    unit: Fraction

    @classmethod
    def of(cls, demand: Demand) -> Choices | None:
        """The choices, or None where there are too many to look at each."""
        n, count = demand.targets.shape
        if count > _MOST_CANDIDATES or n > _MOST_LATENTS:
            return None
        conditions = tuple(_conditions(demand))
        if sum(map(len, set(conditions))) << count > _MOST_WORK:
            return None
        whole, unit = in_whole_numbers(demand.costs.tolist())
        return cls(count, conditions, tuple(_sums(whole)), unit)

    def cheapest(self) -> NDArray[np.bool_]:
        """The cheapest choice that meets all conditions; of several the one with fewest candidates."""
        every = {condition for those in self.conditions for condition in those}
        return self._picked(np.flatnonzero(self._meet(every)).tolist())

    def most_served(
        self, recoverable: NDArray[np.bool_], budget: float | None, max_actions: int | None
    ) -> NDArray[np.bool_]:
        """Within limits, the choice that meets all conditions of most latents; of several the cheapest.

        Args:
            recoverable: shape (n,); the other latents don't count.
            budget: the price may not exceed it.
            max_actions: how many candidates may be taken.
        """
        served = np.zeros(len(self.prices), dtype=np.int64)
        counted = [
            those for those, counts in zip(self.conditions, recoverable.tolist(), strict=True) if counts
        ]
        for those, times in Counter(counted).items():
            served += times * self._meet(those)
        if budget is not None:
            most = floor(exact(budget) / self.unit)
            served[np.array([price > most for price in self.prices])] = -1
        if max_actions is not None:
            served[np.bitwise_count(self._all()) > max_actions] = -1
        return self._picked(np.flatnonzero(served == served.max()).tolist())

    def _all(self) -> NDArray[np.int64]:
        return np.arange(len(self.prices))

    def _meet(self, conditions: Iterable[Condition]) -> NDArray[np.bool_]:
        fits = np.ones(len(self.prices), dtype=bool)
        for candidates, need in conditions:
            fits &= np.bitwise_count(self._all() & candidates) >= need
        return fits

    def _picked(self, choices: Sequence[int]) -> NDArray[np.bool_]:
        best = min(choices, key=lambda choice: (self.prices[choice], choice.bit_count(), choice))
        return np.array([bool(best >> c & 1) for c in range(self.n_candidates)], dtype=bool)


def without_duplicates(demand: Demand) -> NDArray[np.intp]:
    """Positions of the candidates that are worth a look.

    Of candidates with the same targets among the entangled latents, only the ``margin`` cheapest are ever needed.
    """
    if not demand.targets.size:
        return np.zeros(0, dtype=np.intp)
    _, group = np.unique(demand.targets.T, axis=0, return_inverse=True)
    group = group.ravel()
    kept: dict[int, int] = {}
    positions = []
    for c in np.argsort(demand.costs, kind="stable").tolist():
        kept[group[c]] = kept.get(group[c], 0) + 1
        if kept[group[c]] <= demand.margin and demand.targets[:, c].any():
            positions.append(c)
    return np.array(sorted(positions), dtype=np.intp)


def _sums(prices: Sequence[int]) -> list[int]:
    sums = [0]
    for price in prices:
        sums += [price + each for each in sums]
    return sums


def _conditions(demand: Demand) -> list[tuple[Condition, ...]]:
    bits = demand.targets.astype(np.int64) @ (1 << np.arange(demand.targets.shape[1]))
    found = []
    for own, needs in zip(bits.tolist(), demand.needs, strict=True):
        busy = needs > 0
        masks = own & ~bits[busy]
        pairs = np.unique(np.stack([masks, needs[busy]], axis=1), axis=0).tolist()
        found.append(tuple(_strictest([(mask, need) for mask, need in pairs])))
    return found


def _strictest(conditions: Sequence[Condition]) -> list[Condition]:
    kept: list[Condition] = []
    for mask, need in sorted(conditions, key=lambda each: (each[0].bit_count(), -each[1])):
        if not any(other & mask == other and least >= need for other, least in kept):
            kept.append((mask, need))
    return kept
