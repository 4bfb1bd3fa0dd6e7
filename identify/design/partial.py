"""The choice within a budget that disentangles most latents; a latent counts if all its pairs are separated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.design.cover import ConstraintPool
from identify.design.demand import Demand
from identify.design.greedy import extend, prune
from identify.design.prices import exact, in_whole_numbers
from identify.design.subsets import Choices, without_duplicates

__all__ = ["PartialCover", "best_within"]


@dataclass(frozen=True, eq=False)
class PartialCover:
    """A choice of candidates within a budget.

    Attributes:
        chosen: Mask of the chosen candidates, shape (n_candidates,).
        separated: Mask of the latents that are separated from all latents that they are entangled with, shape (n,).
        upper_bound: Proved upper bound on the number of such latents within the budget.
    """

    chosen: NDArray[np.bool_]
    separated: NDArray[np.bool_]
    upper_bound: int

    @property
    def n_separated(self) -> int:
        """Number of latents with all pairs separated."""
        return int(self.separated.sum())


def best_within(
    demand: Demand, budget: float | None, max_actions: int | None, time_limit: float
) -> PartialCover:
    """Find the candidates within a budget that separate most latents from all others.

    Args:
        demand: Pairs to separate and candidates.
        budget: Largest total cost; None for any cost.
        max_actions: Largest number of candidates; None for any number.
        time_limit: Time limit in seconds.
    """
    positions = without_duplicates(demand)
    if budget is not None:
        positions = positions[demand.costs[positions] <= budget]
    reduced = demand.only(positions)
    choices = Choices.of(reduced)
    if not len(positions):
        selection, upper_bound = np.zeros(0, dtype=bool), 0
    elif choices is not None:
        selection = choices.most_separated(demand.recoverable, budget, max_actions)
        upper_bound = int(_separated(reduced, selection).sum())
    else:
        search = _Search(reduced, budget, max_actions, time.monotonic() + time_limit)
        while search.time_left() > 0 and search.step():
            pass
        selection, upper_bound = search.pruned(), search.upper_bound
    chosen = np.zeros(len(demand.costs), dtype=bool)
    chosen[positions[selection]] = True
    separated = _separated(demand, chosen)
    return PartialCover(chosen, separated, max(upper_bound, int(separated.sum())))


def _separated(demand: Demand, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which latents are separated from all latents that they are entangled with."""
    separated: NDArray[np.bool_] = demand.recoverable & ~demand.missing(chosen).any(axis=1)
    return separated


class _Search:
    """Integer programme with variables x[c]: candidate c is chosen; d[i]: latent i is separated.

    Constraints are generated as in ``cover.py``.
    """

    def __init__(
        self, demand: Demand, budget: float | None, max_actions: int | None, deadline: float
    ) -> None:
        self.demand, self.deadline = demand, deadline
        self.pool = ConstraintPool(demand)
        self.n, self.n_candidates = demand.targets.shape
        # whole numbers of units, of any size
        self.prices, unit = in_whole_numbers(demand.costs.tolist())
        self.budget = None if budget is None else floor(exact(budget) / unit)
        self.max_actions = max_actions
        # choices that exceed the budget by less than the solver's tolerance
        self.excluded: list[NDArray[np.bool_]] = []
        # latents at the top of the order are separated even without candidates
        self.incumbent = self._fill(np.zeros(self.n_candidates, dtype=bool))
        self.upper_bound = int(demand.recoverable.sum())

    def time_left(self) -> float:
        """Return the seconds left."""
        return self.deadline - time.monotonic()

    def step(self) -> bool:
        """Solve one integer programme; return whether another one can improve the result."""
        result = scipy.optimize.milp(
            np.concatenate([np.zeros(self.n_candidates), -np.ones(self.n)]),
            integrality=np.ones(self.n_candidates + self.n, dtype=np.int64),
            bounds=scipy.optimize.Bounds(0, self._upper_limits()),
            constraints=self._constraints(),
            options={"time_limit": max(self.time_left(), 0.1), "mip_rel_gap": 0.0},
        )
        if result.mip_dual_bound is not None:
            self.upper_bound = min(self.upper_bound, int(np.floor(-result.mip_dual_bound + 1e-6)))
        if result.x is None:
            return False
        chosen, separated = result.x[: self.n_candidates] > 0.5, result.x[self.n_candidates :] > 0.5
        coverage = self.demand.coverage(chosen.astype(np.float64))
        n_violated = self.pool.add_violated(coverage, self.demand.needs * separated[:, None])
        is_affordable = self._is_affordable(chosen)
        if is_affordable:
            self._update_incumbent(self._fill(chosen))
        else:
            self.excluded.append(chosen)
        has_new_constraints = bool(n_violated) or not is_affordable
        return (
            has_new_constraints
            and result.status == 0
            and self._n_separated(self.incumbent) < self.upper_bound
        )

    def pruned(self) -> NDArray[np.bool_]:
        """Return the incumbent without the candidates that no separated latent needs."""
        separated = _separated(self.demand, self.incumbent)
        reduced = replace(self.demand, required=self.demand.needs * separated[:, None])
        return prune(reduced, self.incumbent)

    def _upper_limits(self) -> NDArray[np.float64]:
        return np.concatenate([np.ones(self.n_candidates), self.demand.recoverable.astype(np.float64)])

    def _constraints(self) -> list[scipy.optimize.LinearConstraint]:
        latents = scipy.sparse.csr_array(
            (-self.pool.needs(), (np.arange(len(self.pool.pairs)), self.pool.pairs[:, 0])),
            shape=(len(self.pool.pairs), self.n),
        )
        covered = scipy.sparse.hstack([self.pool.matrix(), latents], format="csr")
        constraints = [scipy.optimize.LinearConstraint(covered, 0, np.inf)]
        for weights, limit in self._limits():
            row = np.concatenate([weights, np.zeros(self.n)])[None, :]
            constraints.append(scipy.optimize.LinearConstraint(row, -np.inf, limit))
        return constraints

    def _limits(self) -> Iterator[tuple[NDArray[np.float64], float]]:
        if self.budget is not None:
            # as shares of the budget, because a solver's tolerance is absolute
            scale = max(self.budget, 1)
            yield np.array([price / scale for price in self.prices]), self.budget / scale
        if self.max_actions is not None:
            yield np.ones(self.n_candidates), self.max_actions
        for chosen in self.excluded:
            yield chosen.astype(np.float64), chosen.sum() - 1

    def _is_affordable(self, chosen: NDArray[np.bool_]) -> bool:
        candidates = np.flatnonzero(chosen).tolist()
        price = sum(self.prices[c] for c in candidates)
        return (self.budget is None or price <= self.budget) and (
            self.max_actions is None or len(candidates) <= self.max_actions
        )

    def _n_separated(self, chosen: NDArray[np.bool_]) -> int:
        return int(_separated(self.demand, chosen).sum())

    def _update_incumbent(self, chosen: NDArray[np.bool_]) -> None:
        if self._n_separated(chosen) > self._n_separated(self.incumbent):
            self.incumbent = chosen

    def _fill(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Spend the rest of the budget on the candidates that separate most pairs per cost."""
        return extend(self.demand, chosen, 1 / np.maximum(self.demand.costs, 1e-9), self._affordable)

    def _affordable(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which candidates can be added within the limits."""
        affordable = ~chosen
        candidates = np.flatnonzero(chosen).tolist()
        if self.budget is not None:
            budget_left = self.budget - sum(self.prices[c] for c in candidates)
            affordable &= np.array([price <= budget_left for price in self.prices], dtype=bool)
        if self.max_actions is not None:
            affordable &= len(candidates) < self.max_actions
        return affordable
