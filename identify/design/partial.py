"""As many latents disentangled as a budget allows: a latent counts when all its pairs are separated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.design.cover import Rows
from identify.design.demand import Demand
from identify.design.greedy import extend, prune
from identify.design.prices import exact, in_whole_numbers
from identify.design.subsets import Choices, without_duplicates

__all__ = ["Partial", "best_within"]


@dataclass(frozen=True, eq=False)
class Partial:
    """A choice of candidates within a budget.

    Attributes:
        chosen: shape (n_candidates,).
        served: shape (n,), the latents that it separates from all that they are entangled with.
        most: no choice within the budget serves more.
    """

    chosen: NDArray[np.bool_]
    served: NDArray[np.bool_]
    most: int

    @property
    def n_served(self) -> int:
        return int(self.served.sum())


def best_within(demand: Demand, budget: float | None, max_actions: int | None, time_limit: float) -> Partial:
    """The candidates within a budget that serve most latents.

    Args:
        demand: what there is to separate.
        budget: the costs may not exceed it.
        max_actions: how many candidates may be taken.
        time_limit: seconds.
    """
    kept = without_duplicates(demand)
    if budget is not None:
        kept = kept[demand.costs[kept] <= budget]
    small = demand.only(kept)
    choices = Choices.of(small)
    if not len(kept):
        chosen, most = np.zeros(0, dtype=bool), 0
    elif choices is not None:
        chosen = choices.most_served(demand.recoverable, budget, max_actions)
        most = int(_served(small, chosen).sum())
    else:
        search = _Search(small, budget, max_actions, time.monotonic() + time_limit)
        while search.left() > 0 and search.step():
            pass
        chosen, most = search.answer(), search.most
    every = np.zeros(len(demand.costs), dtype=bool)
    every[kept[chosen]] = True
    served = _served(demand, every)
    return Partial(every, served, max(most, int(served.sum())))


def _served(demand: Demand, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = demand.recoverable & ~demand.missing(chosen).any(axis=1)
    return result


class _Search:
    """Variables: x[c], candidate c is taken; d[i], latent i is served. Rows are made as in ``cover.py``."""

    def __init__(
        self, demand: Demand, budget: float | None, max_actions: int | None, deadline: float
    ) -> None:
        self.demand, self.deadline = demand, deadline
        self.rows = Rows(demand)
        self.n, self.n_candidates = demand.targets.shape
        # whole numbers, of any size
        self.prices, unit = in_whole_numbers(demand.costs.tolist())
        self.units = None if budget is None else floor(exact(budget) / unit)
        self.max_actions = max_actions
        # choices that a solver's tolerance let in, though they cost too much
        self.refused: list[NDArray[np.bool_]] = []
        # without any candidate, latents at the top of the order are served all the same
        self.chosen = self._fill(np.zeros(self.n_candidates, dtype=bool))
        self.most = int(demand.recoverable.sum())

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def step(self) -> bool:
        """One programme; false when nothing is left to do."""
        result = scipy.optimize.milp(
            np.concatenate([np.zeros(self.n_candidates), -np.ones(self.n)]),
            integrality=np.ones(self.n_candidates + self.n, dtype=np.int64),
            bounds=scipy.optimize.Bounds(0, np.concatenate([np.ones(self.n_candidates), self._may()])),
            constraints=self._constraints(),
            options={"time_limit": max(self.left(), 0.1), "mip_rel_gap": 0.0},
        )
        if result.mip_dual_bound is not None:
            self.most = min(self.most, int(np.floor(-result.mip_dual_bound + 1e-6)))
        if result.x is None:
            return False
        chosen, served = result.x[: self.n_candidates] > 0.5, result.x[self.n_candidates :] > 0.5
        coverage = self.demand.coverage(chosen.astype(np.float64))
        broken = self.rows.add_broken(coverage, self.demand.needs * served[:, None])
        affordable = self._fits(chosen)
        if affordable:
            self._offer(self._fill(chosen))
        else:
            self.refused.append(chosen)
        more = bool(broken) or not affordable
        return more and result.status == 0 and self._served(self.chosen).sum() < self.most

    def answer(self) -> NDArray[np.bool_]:
        served = self._served(self.chosen)
        # what serves nobody is left out again
        wanted = replace(self.demand, required=self.demand.needs * served[:, None])
        return prune(wanted, self.chosen)

    def _may(self) -> NDArray[np.float64]:
        return self.demand.recoverable.astype(np.float64)

    def _constraints(self) -> list[scipy.optimize.LinearConstraint]:
        latents = scipy.sparse.csr_array(
            (-self.rows.needs(), (np.arange(len(self.rows.pairs)), self.rows.pairs[:, 0])),
            shape=(len(self.rows.pairs), self.n),
        )
        covered = scipy.sparse.hstack([self.rows.matrix(), latents], format="csr")
        limits = [scipy.optimize.LinearConstraint(covered, 0, np.inf)]
        for weights, limit in self._limits():
            row = np.concatenate([weights, np.zeros(self.n)])[None, :]
            limits.append(scipy.optimize.LinearConstraint(row, -np.inf, limit))
        return limits

    def _limits(self) -> Iterator[tuple[NDArray[np.float64], float]]:
        if self.units is not None:
            # as shares of the budget: a solver's tolerance is absolute
            most = max(self.units, 1)
            yield np.array([price / most for price in self.prices]), self.units / most
        if self.max_actions is not None:
            yield np.ones(self.n_candidates), self.max_actions
        for chosen in self.refused:
            yield chosen.astype(np.float64), chosen.sum() - 1

    def _fits(self, chosen: NDArray[np.bool_]) -> bool:
        picked = np.flatnonzero(chosen).tolist()
        price = sum(self.prices[c] for c in picked)
        return (self.units is None or price <= self.units) and (
            self.max_actions is None or len(picked) <= self.max_actions
        )

    def _served(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return _served(self.demand, chosen)

    def _offer(self, chosen: NDArray[np.bool_]) -> None:
        if self._served(chosen).sum() > self._served(self.chosen).sum():
            self.chosen = chosen

    def _fill(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Spend what is left on the candidates that separate most pairs."""
        return extend(self.demand, chosen, 1 / np.maximum(self.demand.costs, 1e-9), self._affordable)

    def _affordable(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        result = ~chosen
        picked = np.flatnonzero(chosen).tolist()
        if self.units is not None:
            left = self.units - sum(self.prices[c] for c in picked)
            result &= np.array([price <= left for price in self.prices], dtype=bool)
        if self.max_actions is not None:
            result &= len(picked) < self.max_actions
        return result
