"""Covers without a proof: greedy completion and pruning, and the neighbourhoods of the large neighbourhood search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from identify.design.demand import Demand

__all__ = ["complete", "extend", "prune", "sample_related"]

Choice = NDArray[np.bool_]


def complete(demand: Demand, chosen: Choice, preferred: NDArray[np.float64] | None = None) -> Choice:
    """Add candidates until every pair is separated as required, those with most new pairs per cost first.

    Args:
        demand: Pairs to separate and candidates.
        chosen: Mask of the candidates chosen so far, shape (n_candidates,).
        preferred: Weight of each candidate. Larger weights are chosen earlier.
    """
    price = np.maximum(demand.costs, 1e-9 * max(demand.costs.max(initial=0.0), 1.0))
    weights = (1.0 if preferred is None else 0.05 + preferred) / price
    return extend(demand, chosen, weights, lambda result: ~result)


def extend(
    demand: Demand,
    chosen: Choice,
    weights: NDArray[np.float64],
    allowed: Callable[[Choice], Choice],
) -> Choice:
    """Add allowed candidates greedily, while one of them separates a pair whose requirement is not met.

    Args:
        demand: Pairs to separate and candidates.
        chosen: Mask of the candidates chosen so far, shape (n_candidates,).
        weights: Value of one newly separated pair, for each candidate.
        allowed: Returns which candidates may be added, given the chosen ones.
    """
    result = chosen.copy()
    missing = demand.missing(result)
    unmet = demand.outside(missing)
    while missing.any():
        gains = np.where(allowed(result), demand.inside(unmet) * weights, 0.0)
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        result[best] = True
        is_target = demand.targets[:, best]
        missing[np.ix_(is_target, ~is_target)] -= 1
        np.maximum(missing, 0, out=missing)
        unmet[is_target] = demand.outside(missing[is_target])
    return result


def prune(demand: Demand, chosen: Choice) -> Choice:
    """Remove redundant candidates, the most expensive first."""
    result = chosen.copy()
    surplus = np.rint(demand.coverage(result.astype(np.float64))).astype(np.int64) - demand.needs
    surplus[demand.needs == 0] = len(result)
    candidates = np.flatnonzero(result)
    for candidate in candidates[np.argsort(-demand.costs[candidates], kind="stable")].tolist():
        is_target = demand.targets[:, candidate]
        separated = np.ix_(is_target, ~is_target)
        if (surplus[separated] > 0).all():
            result[candidate] = False
            surplus[separated] -= 1
    return result


def sample_related(demand: Demand, chosen: Choice, count: int, rng: np.random.Generator) -> Choice:
    """Sample chosen candidates with common targets, by a random walk from one to the next."""
    candidates = np.flatnonzero(chosen)
    sample = [int(rng.choice(candidates))]
    while len(sample) < min(count, len(candidates)):
        others = np.setdiff1d(candidates, sample)
        common = demand.targets[:, others].T.astype(np.float64) @ demand.targets[:, sample].any(axis=1)
        weights = common + 0.1
        sample.append(int(rng.choice(others, p=weights / weights.sum())))
    mask = np.zeros_like(chosen)
    mask[sample] = True
    return mask
