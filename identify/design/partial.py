"""As many latents disentangled as a budget allows: a latent counts when all its pairs are separated."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.design.cover import Rows
from identify.design.demand import Demand
from identify.design.greedy import extend, prune

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
    search = _Search(demand, budget, max_actions, time.monotonic() + time_limit)
    while search.left() > 0 and search.step():
        pass
    return search.answer()


class _Search:
    """Variables: x[c], candidate c is taken; d[i], latent i is served. Rows are made as in ``cover.py``."""

    def __init__(
        self, demand: Demand, budget: float | None, max_actions: int | None, deadline: float
    ) -> None:
        self.demand, self.deadline = demand, deadline
        self.rows = Rows(demand)
        self.n, self.n_candidates = demand.targets.shape
        self.limits = [
            (weights, limit)
            for weights, limit in ((demand.costs, budget), (np.ones(self.n_candidates), max_actions))
            if limit is not None
        ]
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
        self._offer(self._fill(chosen))
        return bool(broken) and result.status == 0 and self._served(self.chosen).sum() < self.most

    def answer(self) -> Partial:
        served = self._served(self.chosen)
        # what serves nobody is left out again
        kept = prune(
            Demand(
                self.demand.latents,
                self.demand.entangled & served[:, None],
                self.demand.targets,
                self.demand.costs,
                self.demand.margin,
            ),
            self.chosen,
        )
        return Partial(kept, self._served(kept), max(self.most, int(served.sum())))

    def _may(self) -> NDArray[np.float64]:
        return self.demand.recoverable.astype(np.float64)

    def _constraints(self) -> list[scipy.optimize.LinearConstraint]:
        latents = scipy.sparse.csr_array(
            (-self.rows.needs(), (np.arange(len(self.rows.pairs)), self.rows.pairs[:, 0])),
            shape=(len(self.rows.pairs), self.n),
        )
        covered = scipy.sparse.hstack([self.rows.matrix(), latents], format="csr")
        limited = [
            scipy.optimize.LinearConstraint(
                np.concatenate([weights, np.zeros(self.n)])[None, :], -np.inf, limit
            )
            for weights, limit in self.limits
        ]
        return [scipy.optimize.LinearConstraint(covered, 0, np.inf), *limited]

    def _served(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = self.demand.recoverable & ~self.demand.missing(chosen).any(axis=1)
        return result

    def _offer(self, chosen: NDArray[np.bool_]) -> None:
        if self._served(chosen).sum() > self._served(self.chosen).sum():
            self.chosen = chosen

    def _fill(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Spend what is left on the candidates that separate most pairs."""
        return extend(self.demand, chosen, 1 / np.maximum(self.demand.costs, 1e-9), self._affordable)

    def _affordable(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        result = ~chosen
        for weights, limit in self.limits:
            result &= weights[chosen].sum() + weights <= limit * (1 + 1e-12)
        return result
