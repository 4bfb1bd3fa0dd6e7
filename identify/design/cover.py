"""The cheapest candidates that separate every pair: a set cover, by integer programming with rows made as needed.

There is a condition per ordered pair, so up to 90,000 of them for 300 latents; nearly all follow from a few
hundred. The programme starts with the hardest and takes up those that its solution breaks. Each programme along
the way asks for less than the whole, so what it needs at least is needed at least by the whole.

One more kind of condition makes the bound strong. Suppose that ``margin`` candidates are enough for latent i: then
none of them targets a latent that i must be separated from (another would have to separate the two, and
be one more). So i needs ``margin`` candidates that target it alone in this sense, or margin + 1 in all.

Prices. A solver works with tolerances, so it is given whole numbers of the largest unit of which all prices are
multiples: a choice that is better is then better by one. Where that makes the numbers too large, what is better by less
than a millionth is taken for equal, and the gap that is left is told. Choices of few candidates are all looked at
(``subsets.py``), with no tolerance.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.design.demand import Demand
from identify.design.greedy import complete, prune, some_related
from identify.design.prices import exact, in_whole_numbers, total
from identify.design.subsets import Choices, without_duplicates

__all__ = ["Cover", "Rows", "cheapest_cover", "relative_gap"]

_TIGHT = 1e-6
# a choice that saves less than this share is not looked for, and the solver's own tolerance, where prices are not whole
_BARELY, _TOLERANCE = 5e-7, 1e-7
# whole prices that add up to more are not told apart by a solver
_MOST_UNITS = 10**9
# other prices are scaled so that a good choice costs this much: large beside the solver's absolute tolerances
_SCALE = 1e4
# of each latent's broken conditions, so many join at once
_AT_ONCE = 3
# times that forced candidates are settled: what is left then may force others
_ROUNDS = 10
# shares of the time: a first attempt at a proof, then a search for better choices, then another attempt
_FIRST, _RENEWING = 0.4, 0.3
# candidates that are chosen anew together, at first; seconds for that at most, and so few that more may be tried
_RENEWED = 12
_RENEWING_SECONDS = 2.0
_QUICK_SECONDS = 0.3


@dataclass(frozen=True, eq=False)
class Cover:
    """A choice of candidates that separates every pair that some candidate separates.

    Attributes:
        chosen: shape (n_candidates,).
        lower_bound: no such choice costs less.
    """

    chosen: NDArray[np.bool_]
    cost: float
    lower_bound: float

    @property
    def optimal(self) -> bool:
        return relative_gap(self.cost, self.lower_bound) <= _TIGHT


def relative_gap(cost: float, bound: float) -> float:
    """How much of the cost might be saved at most, as a share of it."""
    return max(cost - bound, 0.0) / cost if cost > 0 else 0.0


def cheapest_cover(
    demand: Demand, time_limit: float, seed: int = 0, at_least: float = 0.0, at_most: float = np.inf
) -> Cover:
    """The cheapest candidates, with a proof, or good ones with a bound when time runs out.

    Args:
        demand: what is needed.
        time_limit: seconds.
        seed: of the search that improves a choice whose proof takes too long.
        at_least: a bound on the cost known from elsewhere, rounded down.
        at_most: when every choice is proved to cost more than this, the search may stop.
    """
    return _cheapest(demand, time_limit, seed, at_least, at_most, _ROUNDS)


def _cheapest(
    demand: Demand, time_limit: float, seed: int, at_least: float, at_most: float, rounds: int
) -> Cover:
    start = time.monotonic()
    kept = _worth_a_look(demand)
    small = demand.only(kept)
    forced = _forced(small)
    if rounds and forced.any():
        paid = sum(map(exact, small.costs[forced].tolist()), Fraction(0))
        least, most = _less(at_least, paid), _less(at_most, paid)
        least, left = math.nextafter(least, -np.inf), max(time_limit - (time.monotonic() - start), 1e-9)
        found = _cheapest(small.rest(forced), left, seed, least, most, rounds - 1)
        exactly = found.lower_bound >= found.cost
        bound = np.inf if exactly else float(paid + exact(found.lower_bound))
        return _answer(demand, np.concatenate([kept[forced], kept[~forced][found.chosen]]), bound)
    choices = Choices.of(small)
    if choices is not None:
        return _answer(demand, kept[choices.cheapest()], np.inf)
    prices, unit, whole = _for_solver(small)
    least, most = (_in_units(limit, unit) for limit in (at_least, at_most))
    found = _Search(small.only(np.arange(len(kept)), prices), time_limit, seed, least, most, whole).run()
    return _answer(demand, kept[found.chosen], float(Fraction(found.lower_bound) * unit))


def _less(limit: float, paid: Fraction) -> float:
    return float(exact(limit) - paid) if np.isfinite(limit) else limit


def _in_units(limit: float, unit: Fraction) -> float:
    """How many units a limit is: none of a negative one, and no end of them where it can't matter."""
    if limit <= 0:
        return 0.0
    if not np.isfinite(limit) or exact(limit) > unit * 10**18:
        return np.inf
    return float(exact(limit) / unit)


def _answer(demand: Demand, positions: NDArray[np.intp], bound: float) -> Cover:
    chosen = np.zeros(len(demand.costs), dtype=bool)
    chosen[positions] = True
    cost = total(demand.costs[chosen].tolist())
    return Cover(chosen, cost, min(bound, cost))


def _worth_a_look(demand: Demand) -> NDArray[np.intp]:
    """Candidates that can be part of a cheapest choice: not a third of a kind, none dearer than a good choice."""
    kept = without_duplicates(demand)
    costs = demand.costs[kept]
    if not len(kept) or costs.min() == costs.max():
        return kept
    small = demand.only(kept)
    good = prune(small, complete(small, np.zeros(len(kept), dtype=bool)))
    return kept[costs <= total(costs[good].tolist())]


def _forced(demand: Demand) -> NDArray[np.bool_]:
    """Candidates without which some pair can't have what it needs."""
    scarce = np.where((demand.needs > 0) & (demand.available <= demand.needs), 1, 0)
    return np.asarray(demand.inside(demand.outside(scarce)) > 0.5)


def _for_solver(demand: Demand) -> tuple[NDArray[np.float64], Fraction, bool]:
    """Prices that a solver can work with, what one of them is worth, and whether they are whole numbers."""
    whole, unit = in_whole_numbers(demand.costs.tolist())
    if sum(whole) <= _MOST_UNITS:
        return np.array(whole, dtype=np.float64), unit, True
    good = prune(demand, complete(demand, np.zeros(len(whole), dtype=bool)))
    scale = exact(total(demand.costs[good].tolist()) or demand.costs.max()) / int(_SCALE)
    return np.array([float(exact(cost) / scale) for cost in demand.costs]), scale, False


class Rows:
    """Conditions of the programme that have been taken up so far."""

    def __init__(self, demand: Demand) -> None:
        self.demand = demand
        needs, available = demand.needs, demand.available
        scarce = np.where(needs > 0, available, np.iinfo(np.int64).max)
        taken = np.zeros(needs.shape, dtype=bool)
        for column in _smallest(scarce).T:
            taken[np.arange(len(needs)), column] = True
        self._taken = taken & (needs > 0)
        self._pairs = [np.argwhere(self._taken)]

    @property
    def pairs(self) -> NDArray[np.intp]:
        """Shape (n_pairs, 2)."""
        return np.concatenate(self._pairs)

    def matrix(self) -> scipy.sparse.csr_array:
        """Row p marks the candidates that separate pair p."""
        i, j = self.pairs.T
        rows = [
            scipy.sparse.csr_array(self.demand.targets[a] & ~self.demand.targets[b], dtype=np.float64)
            for a, b in zip(np.array_split(i, _parts(i)), np.array_split(j, _parts(j)), strict=True)
        ]
        return scipy.sparse.vstack(rows, format="csr")

    def needs(self) -> NDArray[np.float64]:
        i, j = self.pairs.T
        return np.asarray(self.demand.needs[i, j], dtype=np.float64)

    def add_broken(self, coverage: NDArray[np.float64], needs: NDArray[np.int64] | None = None) -> int:
        """Take up the most broken conditions of each latent; returns how many."""
        wanted = self.demand.needs if needs is None else needs
        lack = np.where(self._taken, 0.0, wanted - coverage)
        worst = _smallest(-lack)
        i = np.repeat(np.arange(len(lack)), worst.shape[1])
        found = np.stack([i, worst.ravel()], axis=1)[lack[i, worst.ravel()] > _TIGHT]
        self._taken[found[:, 0], found[:, 1]] = True
        self._pairs.append(found)
        return len(found)


def _smallest(values: NDArray[Any]) -> NDArray[np.intp]:
    """The columns of the few smallest entries of each row."""
    if values.shape[1] <= _AT_ONCE:
        return np.argsort(values, axis=1)
    return np.argpartition(values, _AT_ONCE, axis=1)[:, :_AT_ONCE]


def _parts(rows: NDArray[np.intp]) -> int:
    return max(1, len(rows) // 2_000)


def _private(demand: Demand) -> tuple[scipy.sparse.csr_array, NDArray[np.float64]]:
    """The conditions per latent that the head of this file explains."""
    rows, right = [], []
    for level in range(1, demand.margin + 1):
        pairs = (demand.needs >= level).astype(np.float32)
        alone = demand.targets & ~(pairs @ demand.targets.astype(np.float32) > 0.5)
        busy = pairs.any(axis=1)
        rows.append((demand.targets + alone / level)[busy])
        right.append(np.full(int(busy.sum()), level + 1.0))
    return scipy.sparse.csr_array(np.concatenate(rows)), np.concatenate(right)


class _Search:
    def __init__(
        self,
        demand: Demand,
        time_limit: float,
        seed: int = 0,
        at_least: float = 0.0,
        at_most: float = np.inf,
        whole: bool = True,
    ) -> None:
        self.demand, self.time_limit, self.at_most, self.whole = demand, time_limit, at_most, whole
        self.start = time.monotonic()
        self.rng = np.random.default_rng(seed)
        self.rows = Rows(demand)
        self.best = prune(demand, np.ones(len(demand.costs), dtype=bool))
        self.bound = 0.0
        self._raise_bound(at_least)

    def run(self, renew: bool = True) -> Cover:
        if self.demand.needs.any():
            self.extra, self.extra_needs = _private(self.demand)
            self._relax()
            if not self._done() and self._left(_FIRST) > 0:
                self._offer(complete(self.demand, np.zeros(len(self.best), dtype=bool)))
            self._prove(_FIRST if renew else 1.0)
            if renew:
                self._renew(_FIRST + _RENEWING)
                self._prove(1.0)
        return Cover(self.best, self._cost(self.best), min(self.bound, self._cost(self.best)))

    def _prove(self, share: float) -> None:
        """Solve programmes until the best choice is proved to be the best, or the share of time is used up."""
        while not self._done() and self._left(share) > 0:
            if not self._solve(share):
                break

    def _renew(self, share: float) -> None:
        """Choose a few related candidates anew while all others stay, again and again."""
        count = _RENEWED
        while not self._done() and (left := self._left(share)) > 0:
            freed = some_related(self.demand, self.best, count, self.rng)
            kept = self.best & ~freed
            began = time.monotonic()
            part = _Search(self.demand.rest(kept), min(left, _RENEWING_SECONDS), whole=self.whole).run(
                renew=False
            )
            found = kept.copy()
            found[np.flatnonzero(~kept)[part.chosen]] = True
            if not part.optimal:
                count = max(count - 2, 3)
            elif time.monotonic() - began < _QUICK_SECONDS:
                count += 1
            self._offer(found, or_equal=True)

    def _relax(self) -> None:
        """Fractions of candidates that meet all conditions: the bound without integers, and a choice near it."""
        amounts = np.zeros(len(self.demand.costs))
        while self._left(1.0) > 0 and not self._done():
            matrix, needs = self._conditions()
            result = scipy.optimize.milp(
                self.demand.costs,
                bounds=scipy.optimize.Bounds(0, 1),
                constraints=scipy.optimize.LinearConstraint(matrix, needs, np.inf),
                options={"time_limit": max(self._left(1.0), 0.1)},
            )
            # stopped half-way it has no bound to offer
            if result.status != 0 or result.x is None or result.fun is None:
                break
            self._raise_bound(result.fun)
            amounts = np.clip(result.x, 0, 1)
            if not self.rows.add_broken(self.demand.coverage(amounts)):
                break
        if amounts.any() and not self._done():
            self._offer(complete(self.demand, amounts > 0.9, amounts))

    def _solve(self, share: float) -> bool:
        """One integer programme on the conditions so far; false when its time ran out, or it has no more to say."""
        matrix, needs = self._conditions()
        before = self._cost(self.best)
        # only what is better is of interest; when there is none, the best is proved
        better = before - (1.0 if self.whole else _BARELY * before)
        constraints = [
            scipy.optimize.LinearConstraint(matrix, needs, np.inf),
            scipy.optimize.LinearConstraint(self.demand.costs[None, :], -np.inf, better),
        ]
        result = scipy.optimize.milp(
            self.demand.costs,
            integrality=np.ones(len(self.demand.costs), dtype=np.int64),
            bounds=scipy.optimize.Bounds(0, 1),
            constraints=constraints,
            options={"time_limit": max(self._left(share), 0.1), "mip_rel_gap": 0.0},
        )
        if result.status == 2:
            self.bound = max(self.bound, before if self.whole else better)
            return False
        if result.mip_dual_bound is not None:
            self._raise_bound(result.mip_dual_bound)
        if result.x is None:
            return False
        chosen = result.x > 0.5
        broken = self.rows.add_broken(self.demand.coverage(chosen.astype(np.float64)))
        self._offer(complete(self.demand, chosen) if broken else chosen)
        return bool(result.status == 0 and (broken or self._cost(self.best) < before))

    def _conditions(self) -> tuple[scipy.sparse.csr_array, NDArray[np.float64]]:
        matrix = scipy.sparse.vstack([self.rows.matrix(), self.extra], format="csr")
        return matrix, np.concatenate([self.rows.needs(), self.extra_needs])

    def _offer(self, chosen: NDArray[np.bool_], or_equal: bool = False) -> None:
        chosen = prune(self.demand, chosen)
        cost, best = self._cost(chosen), self._cost(self.best)
        if cost < best or (or_equal and cost == best):
            self.best = chosen

    def _raise_bound(self, bound: float) -> None:
        # the solver's own tolerance is no saving; whole-number costs have whole-number sums
        safe = bound - (_TIGHT if self.whole else _TOLERANCE) * max(1.0, abs(bound))
        if self.whole:
            safe = float(np.ceil(safe))
        # of a programme that asks for less than the best, a bound beyond the best says only that it is
        self.bound = max(self.bound, min(safe, self._cost(self.best)))

    def _cost(self, chosen: NDArray[np.bool_]) -> float:
        return float(self.demand.costs[chosen].sum())

    def _done(self) -> bool:
        if self.bound > self.at_most * (1 + _TIGHT):
            return True
        cost = self._cost(self.best)
        return self.bound > cost - 0.5 if self.whole else relative_gap(cost, self.bound) <= _TIGHT

    def _left(self, share: float) -> float:
        return share * self.time_limit - (time.monotonic() - self.start)
