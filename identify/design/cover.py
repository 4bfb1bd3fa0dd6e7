"""The cheapest candidates that separate every pair: a set cover, solved by integer programming with cutting planes.

The programme has one constraint per ordered pair, up to 90,000 for 300 latents, but a few hundred of them imply nearly
all others. Constraint generation therefore starts with the hardest and adds those that the current solution violates.
Every programme along the way is a relaxation, so its bound is a bound for the full programme.

A second family of cuts strengthens the bound. Suppose that ``margin`` candidates suffice for latent i. Then none of
them targets a latent that i must be separated from: otherwise a further candidate would have to separate the two. So i
needs either ``margin`` candidates that target i but no latent entangled with it, or margin + 1 candidates in all.

When the proof takes too long, a large neighbourhood search improves the incumbent: it frees a few related candidates,
fixes all others and solves the small programme that remains.

Prices: solvers work with tolerances, so prices are converted to whole multiples of the largest common unit, and a
better choice is better by at least one. Where this makes the numbers too large, savings below a millionth are ignored,
and the remaining gap is reported. With few candidates, ``subsets.py`` enumerates all choices without any tolerance.
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
from identify.design.greedy import complete, prune, sample_related
from identify.design.prices import exact, in_whole_numbers, total
from identify.design.subsets import Choices, without_duplicates

__all__ = ["ConstraintPool", "Cover", "cheapest_cover", "relative_gap"]

# relative gap at which a cover counts as optimal
_MAX_GAP = 1e-6
# where prices are not whole: the smallest relative saving to search for, and the solver's own tolerance
_MIN_SAVING, _SOLVER_TOLERANCE = 5e-7, 1e-7
# beyond this total, a solver can't resolve a difference of one unit
_MAX_TOTAL_UNITS = 10**9
# other prices are scaled so that a good choice costs this much, far more than the solver's absolute tolerances
_SCALED_COST = 1e4
# cuts added per latent and round
_CUTS_PER_LATENT = 3
# rounds of fixing forced candidates: fixing some can force others
_MAX_FIXING_ROUNDS = 10
# shares of the time: a first attempt at a proof, then neighbourhood search, then a second attempt at a proof
_PROOF_SHARE, _NEIGHBOURHOOD_SHARE = 0.4, 0.3
# neighbourhood search: candidates freed at first, time limit per neighbourhood, and the time below which it grows
_NEIGHBOURHOOD_SIZE, _MIN_NEIGHBOURHOOD_SIZE = 12, 3
_NEIGHBOURHOOD_SECONDS = 2.0
_QUICK_SECONDS = 0.3


@dataclass(frozen=True, eq=False)
class Cover:
    """A choice of candidates that separates every pair that some candidate separates.

    Attributes:
        chosen: Mask of the chosen candidates, shape (n_candidates,).
        cost: Total cost of the chosen candidates.
        lower_bound: Proved lower bound on the cost of any such choice.
    """

    chosen: NDArray[np.bool_]
    cost: float
    lower_bound: float

    @property
    def optimal(self) -> bool:
        """Whether the cost is proved minimal."""
        return relative_gap(self.cost, self.lower_bound) <= _MAX_GAP


def relative_gap(cost: float, bound: float) -> float:
    """Return the largest possible saving as a share of the cost."""
    return max(cost - bound, 0.0) / cost if cost > 0 else 0.0


def cheapest_cover(
    demand: Demand, time_limit: float, seed: int = 0, known_bound: float = 0.0, cutoff: float = np.inf
) -> Cover:
    """Find the cheapest cover with a proof, or a good one with a bound when time runs out.

    Args:
        demand: Pairs to separate and candidates.
        time_limit: Time limit in seconds.
        seed: Seed of the neighbourhood search.
        known_bound: Lower bound on the cost known from elsewhere, rounded down.
        cutoff: Cost limit. The search may stop once every choice is proved to cost more.
    """
    return _cheapest(demand, time_limit, seed, known_bound, cutoff, _MAX_FIXING_ROUNDS)


def _cheapest(
    demand: Demand, time_limit: float, seed: int, known_bound: float, cutoff: float, rounds: int
) -> Cover:
    start = time.monotonic()
    positions = _undominated(demand)
    reduced = demand.only(positions)
    forced = _forced(reduced)
    if rounds and forced.any():
        forced_cost = sum(map(exact, reduced.costs[forced].tolist()), Fraction(0))
        bound_left = math.nextafter(_subtract(known_bound, forced_cost), -np.inf)
        time_left = max(time_limit - (time.monotonic() - start), 1e-9)
        rest = reduced.rest(forced)
        cover = _cheapest(rest, time_left, seed, bound_left, _subtract(cutoff, forced_cost), rounds - 1)
        is_exact = cover.lower_bound >= cover.cost
        bound = np.inf if is_exact else float(forced_cost + exact(cover.lower_bound))
        return _cover(demand, np.concatenate([positions[forced], positions[~forced][cover.chosen]]), bound)
    choices = Choices.of(reduced)
    if choices is not None:
        return _cover(demand, positions[choices.cheapest()], np.inf)
    prices, unit, whole = _solver_prices(reduced)
    scaled = reduced.only(np.arange(len(positions)), prices)
    bound, cutoff = _in_units(known_bound, unit), _in_units(cutoff, unit)
    cover = _Search(scaled, time_limit, seed, bound, cutoff, whole).run()
    return _cover(demand, positions[cover.chosen], float(Fraction(cover.lower_bound) * unit))


def _subtract(limit: float, cost: Fraction) -> float:
    return float(exact(limit) - cost) if np.isfinite(limit) else limit


def _in_units(limit: float, unit: Fraction) -> float:
    """Convert a limit to units: zero for a negative limit, infinity for one too large to matter."""
    if limit <= 0:
        return 0.0
    if not np.isfinite(limit) or exact(limit) > unit * 10**18:
        return np.inf
    return float(exact(limit) / unit)


def _cover(demand: Demand, positions: NDArray[np.intp], bound: float) -> Cover:
    chosen = np.zeros(len(demand.costs), dtype=bool)
    chosen[positions] = True
    cost = total(demand.costs[chosen].tolist())
    return Cover(chosen, cost, min(bound, cost))


def _undominated(demand: Demand) -> NDArray[np.intp]:
    """Return positions of candidates that can be part of a cheapest cover.

    Superfluous duplicates are left out, and so are candidates that cost more than a whole greedy cover.
    """
    positions = without_duplicates(demand)
    costs = demand.costs[positions]
    if not len(positions) or costs.min() == costs.max():
        return positions
    reduced = demand.only(positions)
    greedy = prune(reduced, complete(reduced, np.zeros(len(positions), dtype=bool)))
    return positions[costs <= total(costs[greedy].tolist())]


def _forced(demand: Demand) -> NDArray[np.bool_]:
    """Return a mask of the candidates that some pair can't do without."""
    scarce = np.where((demand.needs > 0) & (demand.available <= demand.needs), 1, 0)
    return np.asarray(demand.inside(demand.outside(scarce)) > 0.5)


def _solver_prices(demand: Demand) -> tuple[NDArray[np.float64], Fraction, bool]:
    """Return prices scaled for a solver, the unit they are in, and whether they are whole numbers."""
    multiples, unit = in_whole_numbers(demand.costs.tolist())
    if sum(multiples) <= _MAX_TOTAL_UNITS:
        return np.array(multiples, dtype=np.float64), unit, True
    greedy = prune(demand, complete(demand, np.zeros(len(multiples), dtype=bool)))
    scale = exact(total(demand.costs[greedy].tolist()) or demand.costs.max()) / int(_SCALED_COST)
    return np.array([float(exact(cost) / scale) for cost in demand.costs]), scale, False


class ConstraintPool:
    """Separation constraints that have been generated so far, one per pair of latents."""

    def __init__(self, demand: Demand) -> None:
        self.demand = demand
        needs, available = demand.needs, demand.available
        scarce = np.where(needs > 0, available, np.iinfo(np.int64).max)
        included = np.zeros(needs.shape, dtype=bool)
        for column in _smallest(scarce).T:
            included[np.arange(len(needs)), column] = True
        self._included = included & (needs > 0)
        self._pairs = [np.argwhere(self._included)]

    @property
    def pairs(self) -> NDArray[np.intp]:
        """Pairs (i, j) of the constraints, shape (n_pairs, 2)."""
        return np.concatenate(self._pairs)

    def matrix(self) -> scipy.sparse.csr_array:
        """Return the left-hand sides: row p marks the candidates that separate pair p."""
        i, j = self.pairs.T
        rows = [
            scipy.sparse.csr_array(self.demand.targets[a] & ~self.demand.targets[b], dtype=np.float64)
            for a, b in zip(np.array_split(i, _n_chunks(i)), np.array_split(j, _n_chunks(j)), strict=True)
        ]
        return scipy.sparse.vstack(rows, format="csr")

    def needs(self) -> NDArray[np.float64]:
        """Return the right-hand sides: how many candidates must separate each pair."""
        i, j = self.pairs.T
        return np.asarray(self.demand.needs[i, j], dtype=np.float64)

    def add_violated(self, coverage: NDArray[np.float64], needs: NDArray[np.int64] | None = None) -> int:
        """Add the most violated constraints of each latent and return their number."""
        required = self.demand.needs if needs is None else needs
        violation = np.where(self._included, 0.0, required - coverage)
        worst = _smallest(-violation)
        i = np.repeat(np.arange(len(violation)), worst.shape[1])
        pairs = np.stack([i, worst.ravel()], axis=1)[violation[i, worst.ravel()] > _MAX_GAP]
        self._included[pairs[:, 0], pairs[:, 1]] = True
        self._pairs.append(pairs)
        return len(pairs)


def _smallest(values: NDArray[Any]) -> NDArray[np.intp]:
    """Return the columns of the few smallest entries of each row."""
    if values.shape[1] <= _CUTS_PER_LATENT:
        return np.argsort(values, axis=1)
    return np.argpartition(values, _CUTS_PER_LATENT, axis=1)[:, :_CUTS_PER_LATENT]


def _n_chunks(rows: NDArray[np.intp]) -> int:
    return max(1, len(rows) // 2_000)


def _strengthening_cuts(demand: Demand) -> tuple[scipy.sparse.csr_array, NDArray[np.float64]]:
    """Return the second family of cuts, one per latent and level; see the top of this module."""
    rows, bounds = [], []
    for level in range(1, demand.margin + 1):
        pairs = (demand.needs >= level).astype(np.float32)
        alone = demand.targets & ~(pairs @ demand.targets.astype(np.float32) > 0.5)
        has_pairs = pairs.any(axis=1)
        rows.append((demand.targets + alone / level)[has_pairs])
        bounds.append(np.full(int(has_pairs.sum()), level + 1.0))
    return scipy.sparse.csr_array(np.concatenate(rows)), np.concatenate(bounds)


class _Search:
    """Search for the cheapest cover, with an incumbent and a lower bound."""

    def __init__(
        self,
        demand: Demand,
        time_limit: float,
        seed: int = 0,
        known_bound: float = 0.0,
        cutoff: float = np.inf,
        whole: bool = True,
    ) -> None:
        self.demand, self.time_limit, self.cutoff, self.whole = demand, time_limit, cutoff, whole
        self.start = time.monotonic()
        self.rng = np.random.default_rng(seed)
        self.pool = ConstraintPool(demand)
        self.incumbent = prune(demand, np.ones(len(demand.costs), dtype=bool))
        self.bound = 0.0
        self._raise_bound(known_bound)

    def run(self, neighbourhoods: bool = True) -> Cover:
        """Search until the cover is proved optimal or the time is over, and return the best cover."""
        if self.demand.needs.any():
            self.cuts, self.cut_bounds = _strengthening_cuts(self.demand)
            self._solve_relaxation()
            if not self._is_done() and self._time_left(_PROOF_SHARE) > 0:
                self._update_incumbent(complete(self.demand, np.zeros(len(self.incumbent), dtype=bool)))
            self._prove_optimality(_PROOF_SHARE if neighbourhoods else 1.0)
            if neighbourhoods:
                self._search_neighbourhoods(_PROOF_SHARE + _NEIGHBOURHOOD_SHARE)
                self._prove_optimality(1.0)
        cost = self._cost(self.incumbent)
        return Cover(self.incumbent, cost, min(self.bound, cost))

    def _prove_optimality(self, share: float) -> None:
        """Solve integer programmes until the incumbent is proved optimal or the share of the time is used up."""
        while not self._is_done() and self._time_left(share) > 0:
            if not self._solve_integer(share):
                break

    def _search_neighbourhoods(self, share: float) -> None:
        """Repeatedly free a few related candidates, fix all others, and solve for the free ones."""
        size = _NEIGHBOURHOOD_SIZE
        while not self._is_done() and (time_left := self._time_left(share)) > 0:
            fixed = self.incumbent & ~sample_related(self.demand, self.incumbent, size, self.rng)
            start = time.monotonic()
            rest = _Search(
                self.demand.rest(fixed), min(time_left, _NEIGHBOURHOOD_SECONDS), whole=self.whole
            ).run(neighbourhoods=False)
            chosen = fixed.copy()
            chosen[np.flatnonzero(~fixed)[rest.chosen]] = True
            if not rest.optimal:
                size = max(size - 2, _MIN_NEIGHBOURHOOD_SIZE)
            elif time.monotonic() - start < _QUICK_SECONDS:
                size += 1
            self._update_incumbent(chosen, or_equal=True)

    def _solve_relaxation(self) -> None:
        """Solve the linear relaxation for a bound, and round its solution to an incumbent."""
        amounts = np.zeros(len(self.demand.costs))
        while self._time_left(1.0) > 0 and not self._is_done():
            matrix, needs = self._constraints()
            result = scipy.optimize.milp(
                self.demand.costs,
                bounds=scipy.optimize.Bounds(0, 1),
                constraints=scipy.optimize.LinearConstraint(matrix, needs, np.inf),
                options={"time_limit": max(self._time_left(1.0), 0.1)},
            )
            # an interrupted solve gives no bound
            if result.status != 0 or result.x is None or result.fun is None:
                break
            self._raise_bound(result.fun)
            amounts = np.clip(result.x, 0, 1)
            if not self.pool.add_violated(self.demand.coverage(amounts)):
                break
        if amounts.any() and not self._is_done():
            self._update_incumbent(complete(self.demand, amounts > 0.9, amounts))

    def _solve_integer(self, share: float) -> bool:
        """Solve the integer programme on the constraints so far; return whether another solve can help."""
        matrix, needs = self._constraints()
        before = self._cost(self.incumbent)
        # the programme asks for an improvement; if it is infeasible, the incumbent is optimal
        better = before - (1.0 if self.whole else _MIN_SAVING * before)
        constraints = [
            scipy.optimize.LinearConstraint(matrix, needs, np.inf),
            scipy.optimize.LinearConstraint(self.demand.costs[None, :], -np.inf, better),
        ]
        result = scipy.optimize.milp(
            self.demand.costs,
            integrality=np.ones(len(self.demand.costs), dtype=np.int64),
            bounds=scipy.optimize.Bounds(0, 1),
            constraints=constraints,
            options={"time_limit": max(self._time_left(share), 0.1), "mip_rel_gap": 0.0},
        )
        if result.status == 2:
            self.bound = max(self.bound, before if self.whole else better)
            return False
        if result.mip_dual_bound is not None:
            self._raise_bound(result.mip_dual_bound)
        if result.x is None:
            return False
        chosen = result.x > 0.5
        n_violated = self.pool.add_violated(self.demand.coverage(chosen.astype(np.float64)))
        self._update_incumbent(complete(self.demand, chosen) if n_violated else chosen)
        return bool(result.status == 0 and (n_violated or self._cost(self.incumbent) < before))

    def _constraints(self) -> tuple[scipy.sparse.csr_array, NDArray[np.float64]]:
        matrix = scipy.sparse.vstack([self.pool.matrix(), self.cuts], format="csr")
        return matrix, np.concatenate([self.pool.needs(), self.cut_bounds])

    def _update_incumbent(self, chosen: NDArray[np.bool_], or_equal: bool = False) -> None:
        """Replace the incumbent by a cheaper choice, after pruning it."""
        chosen = prune(self.demand, chosen)
        cost, best_cost = self._cost(chosen), self._cost(self.incumbent)
        if cost < best_cost or (or_equal and cost == best_cost):
            self.incumbent = chosen

    def _raise_bound(self, bound: float) -> None:
        # subtract the solver's tolerance; sums of whole prices are whole
        safe = bound - (_MAX_GAP if self.whole else _SOLVER_TOLERANCE) * max(1.0, abs(bound))
        if self.whole:
            safe = float(np.ceil(safe))
        # the programme asks for less than the incumbent's cost, so a bound above that cost proves only that cost
        self.bound = max(self.bound, min(safe, self._cost(self.incumbent)))

    def _cost(self, chosen: NDArray[np.bool_]) -> float:
        return float(self.demand.costs[chosen].sum())

    def _is_done(self) -> bool:
        if self.bound > self.cutoff * (1 + _MAX_GAP):
            return True
        cost = self._cost(self.incumbent)
        return self.bound > cost - 0.5 if self.whole else relative_gap(cost, self.bound) <= _MAX_GAP

    def _time_left(self, share: float) -> float:
        return share * self.time_limit - (time.monotonic() - self.start)
