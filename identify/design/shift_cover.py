"""The cheapest on/off candidates that give joint influence: an integer programme with cutting planes.

Variables: x[c], candidate c is chosen; d[i], latent i is left out. For a set I of latents and a latent i of it that
shares an action with another one, joint influence needs (`identify.influence.joint.expansion`)

    number of actions that touch I and do not target i  >=  |I|,

and without i in the condition, |I| actions that touch I. Both are linear in x. If only candidate c makes i share an
action, the condition is multiplied by x[c]; a latent of I that is left out lifts it. There is one condition per set, so
those that the current choice violates are added, a few at a time. Every programme is a relaxation, and its bound is a
bound for the whole problem.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.design.prices import exact, in_whole_numbers
from identify.design.screens import Screen
from identify.influence.joint.expansion import Shortfall

__all__ = ["ScreenCover", "cover_screen"]

Matrix = NDArray[np.bool_]
# a solver's tolerance is absolute, so larger prices are scaled
_MAX_UNITS = 10**6


@dataclass(frozen=True, eq=False)
class ScreenCover:
    """Chosen candidates.

    Attributes:
        chosen: Mask of the chosen candidates, shape (n_candidates,).
        kept: Positions of the latents for which joint influence holds, among themselves.
        lower_bound: Proved lower bound on the cost of joint influence for the kept latents, if all latents are kept.
        most_kept: Proved upper bound on the number of latents that can be kept within the limits.
        possible: Whether all latents can be kept at any cost; None if that is not known.
    """

    chosen: Matrix
    kept: tuple[int, ...]
    lower_bound: float
    most_kept: int
    possible: bool | None


def cover_screen(
    screen: Screen,
    candidates: Matrix,
    costs: NDArray[np.float64],
    budget: float | None,
    max_actions: int | None,
    deadline: float,
) -> ScreenCover:
    """Find the cheapest candidates that give joint influence; if there are none within the limits, for most latents.

    Args:
        screen: The graph.
        candidates: Which candidate targets which latent, shape (n, n_candidates).
        costs: Cost of each candidate, shape (n_candidates,).
        budget: Largest total cost; None for any cost.
        max_actions: Largest number of candidates; None for any number.
        deadline: Time on the monotonic clock at which the best choice so far is returned.
    """
    n = screen.n_latents
    programme = _Programme(screen, candidates, costs, deadline)
    bound, possible, incumbent = programme.solve_all()
    if incumbent is not None and programme.within(incumbent, budget, max_actions):
        return ScreenCover(incumbent, tuple(range(n)), bound, n, True)
    if incumbent is not None:
        possible = True
    if incumbent is None and possible is None:
        # the time is over: what the greedy choice gives
        chosen, kept = programme.greedy(budget, max_actions)
        return ScreenCover(chosen, kept, bound, n, True if len(kept) == n else None)
    chosen, kept, most = programme.solve_most(budget, max_actions)
    return ScreenCover(chosen, kept, bound, most, possible)


class _Programme:
    def __init__(
        self, screen: Screen, candidates: Matrix, costs: NDArray[np.float64], deadline: float
    ) -> None:
        self.screen, self.candidates, self.deadline = screen, candidates, deadline
        self.n, self.n_candidates = candidates.shape
        self.units, self.unit = in_whole_numbers(costs.tolist())
        self.costs = costs
        self.rows: list[NDArray[np.float64]] = []
        self.limits: list[float] = []
        self.known: set[tuple[tuple[int, ...], int | None, int | None]] = set()

    # The two problems -----------------------------------------------------------------------------

    def solve_all(self) -> tuple[float, bool | None, Matrix | None]:
        """Return a bound on the cost, whether all latents can be kept (None: unknown), and the cheapest such choice."""
        total = max(sum(self.units), 1)
        objective = np.concatenate([self._scaled(total), np.zeros(self.n)])
        bound = 0.0
        incumbent, kept = self.greedy(None, None)
        best = incumbent if len(kept) == self.n else None
        while self._time_left() > 0:
            result = self._solve(objective, [], np.zeros(self.n))
            if result.status == 2:
                return math.inf, False, None
            if result.mip_dual_bound is not None:
                bound = max(bound, self._whole(result.mip_dual_bound, total))
            if best is not None and self._price(best) <= bound:
                break
            if result.x is None:
                break
            chosen = result.x[: self.n_candidates] > 0.5
            if not self._add_violated(chosen, np.arange(self.n)):
                if best is None or self._price(chosen) < self._price(best):
                    best = chosen
                if result.status == 0:
                    break
        price = math.inf if best is None else self._price(best)
        cost = float(Fraction(min(bound, price)) * self.unit)
        return cost, None if best is None else True, best

    def solve_most(
        self, budget: float | None, max_actions: int | None
    ) -> tuple[Matrix, tuple[int, ...], int]:
        """Return the choice within limits that keeps most latents, those, and a bound on their number."""
        total = max(sum(self.units), 1)
        # one latent outweighs all prices
        prices = self._scaled(total)
        weight = float(math.floor(prices.sum()) + 1)
        objective = np.concatenate([prices, np.full(self.n, weight)])
        most = self.n
        best, kept = self.greedy(budget, max_actions)
        while self._time_left() > 0 and len(kept) < most:
            result = self._solve(objective, list(self._budgets(budget, max_actions)), np.ones(self.n))
            if result.mip_dual_bound is not None:
                n_left_out = (result.mip_dual_bound - prices.sum()) / weight
                most = min(most, self.n - math.ceil(n_left_out - 1e-6))
            if result.x is None:
                break
            chosen = result.x[: self.n_candidates] > 0.5
            latents = np.flatnonzero(result.x[self.n_candidates :] < 0.5)
            if not self._add_violated(chosen, latents):
                if len(latents) > len(kept) and self.within(chosen, budget, max_actions):
                    best, kept = chosen, tuple(latents.tolist())
                break
        return best, kept, max(most, len(kept))

    def within(self, chosen: Matrix, budget: float | None, max_actions: int | None) -> bool:
        """Return whether a choice is within the limits."""
        affordable = budget is None or Fraction(self._price(chosen)) * self.unit <= exact(budget)
        return affordable and (max_actions is None or int(chosen.sum()) <= max_actions)

    # A first choice -------------------------------------------------------------------------------

    def greedy(self, budget: float | None, max_actions: int | None) -> tuple[Matrix, tuple[int, ...]]:
        """Add the candidates that help most sets of latents per cost; leave out latents that none helps."""
        chosen = np.zeros(self.n_candidates, dtype=bool)
        kept = np.arange(self.n)
        price = np.maximum(np.array(self.units, dtype=np.float64), 1e-9)
        while True:
            short = self._short(chosen, kept)
            if not short:
                break
            gains = sum(
                (self._helps(found) * float(found.missing) for found in short), np.zeros(self.n_candidates)
            )
            gains = np.where(chosen, 0.0, gains / price)
            best = int(gains.argmax()) if self.n_candidates else -1
            trial = chosen.copy()
            if best >= 0 and gains[best] > 0:
                trial[best] = True
            if trial.sum() == chosen.sum() or not self.within(trial, budget, max_actions):
                counts = np.zeros(self.n)
                for found in short:
                    counts[list(found.support)] += found.missing
                kept = np.setdiff1d(kept, [int(counts.argmax())])
                continue
            chosen = trial
        columns = np.flatnonzero(chosen)
        order = np.argsort([-self.units[c] for c in columns], kind="stable").tolist()
        part = self.screen.only(kept)
        left = part.without_redundant(self.candidates[np.ix_(kept, columns)], order)
        result = np.zeros_like(chosen)
        result[columns[left]] = True
        return result, tuple(kept.tolist())

    # Constraints ----------------------------------------------------------------------------------

    def _short(self, chosen: Matrix, kept: NDArray[np.intp]) -> list[Shortfall]:
        new = self.candidates[np.ix_(kept, np.flatnonzero(chosen))]
        return [
            Shortfall(
                tuple(int(kept[i]) for i in found.support),
                None if found.latent is None else int(kept[found.latent]),
                found.missing,
            )
            for found in self.screen.only(kept).shortfalls(new)
        ]

    def _helps(self, found: Shortfall) -> Matrix:
        helps = np.asarray(self.candidates[list(found.support)].any(axis=0))
        return helps if found.latent is None else helps & ~self.candidates[found.latent]

    def _add_violated(self, chosen: Matrix, kept: NDArray[np.intp]) -> int:
        """Add the conditions that a choice violates; return their number."""
        before = len(self.rows)
        for found in self._short(chosen, kept):
            for sharing in self._sharing(found, chosen):
                self._add(found, sharing)
        return len(self.rows) - before

    def _sharing(self, found: Shortfall, chosen: Matrix) -> list[int | None]:
        """Return the chosen candidates that make the latent share an action; [None] if it does so without them."""
        if found.latent is None:
            return [None]
        others = [i for i in found.support if i != found.latent]
        existing = self.screen.existing
        if (existing[found.latent] & existing[others].any(axis=0)).any():
            return [None]
        shared = self.candidates[found.latent] & self.candidates[others].any(axis=0) & chosen
        return list(np.flatnonzero(shared).tolist())

    def _add(self, found: Shortfall, sharing: int | None) -> None:
        key = (found.support, found.latent, sharing)
        if key in self.known:
            return
        self.known.add(key)
        rows = self.screen.existing[list(found.support)].any(axis=0)
        if found.latent is not None:
            rows = rows & ~self.screen.existing[found.latent]
        need = len(found.support) - int(rows.sum())
        if need <= 0:
            return
        need += self.screen.robust
        left_out = np.zeros(self.n)
        left_out[list(found.support)] = need
        row = np.concatenate([self._helps(found).astype(np.float64), left_out])
        if sharing is not None:
            row[sharing] -= need
        self.rows.append(row)
        self.limits.append(0.0 if sharing is not None else float(need))

    def _budgets(
        self, budget: float | None, max_actions: int | None
    ) -> Iterator[tuple[NDArray[np.float64], float]]:
        if budget is not None:
            scale = max(floor(exact(budget) / self.unit), 1)
            yield np.array([price / scale for price in self.units]), floor(exact(budget) / self.unit) / scale
        if max_actions is not None:
            yield np.ones(self.n_candidates), float(max_actions)

    # The solver -----------------------------------------------------------------------------------

    def _solve(
        self,
        objective: NDArray[np.float64],
        budgets: list[tuple[NDArray[np.float64], float]],
        most_left_out: NDArray[np.float64],
    ) -> scipy.optimize.OptimizeResult:
        rows = [*self.rows, *(np.concatenate([weights, np.zeros(self.n)]) for weights, _ in budgets)]
        constraints = []
        if rows:
            matrix = np.array(rows)
            # finite limits: with infinite ones HiGHS may print debugging output (scipy 1.17)
            lowest, highest = np.minimum(matrix, 0).sum(axis=1), np.maximum(matrix, 0).sum(axis=1)
            lowest[: len(self.limits)] = self.limits
            highest[len(self.limits) :] = [limit for _, limit in budgets]
            constraints.append(
                scipy.optimize.LinearConstraint(scipy.sparse.csr_array(matrix), lowest, highest)
            )
        return scipy.optimize.milp(
            objective,
            integrality=np.ones(len(objective), dtype=np.int64),
            bounds=scipy.optimize.Bounds(0, np.concatenate([np.ones(self.n_candidates), most_left_out])),
            constraints=constraints,
            options={"time_limit": max(self._time_left(), 0.1), "mip_rel_gap": 0.0},
        )

    def _time_left(self) -> float:
        return self.deadline - time.monotonic()

    def _price(self, chosen: Matrix) -> int:
        return sum(self.units[c] for c in np.flatnonzero(chosen).tolist())

    def _scaled(self, total: int) -> NDArray[np.float64]:
        scale = max(total / _MAX_UNITS, 1.0)
        return np.array([price / scale for price in self.units], dtype=np.float64)

    def _whole(self, bound: float, total: int) -> float:
        """Return a bound on the price, in whole units where the solver resolves them."""
        if total <= _MAX_UNITS:
            return float(math.ceil(bound - 1e-6))
        return max((bound - 1e-6 * _MAX_UNITS) * (total / _MAX_UNITS), 0.0)
