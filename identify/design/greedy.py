"""Good choices of candidates without a proof: greedy, from fractions, and by renewing parts of a choice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from identify.design.demand import Demand

__all__ = ["complete", "extend", "prune", "some_related"]

Choice = NDArray[np.bool_]


def complete(demand: Demand, chosen: Choice, preferred: NDArray[np.float64] | None = None) -> Choice:
    """Add candidates until every pair has what it needs, those with most new pairs for their cost first.

    Args:
        demand: what is needed.
        chosen: what is taken already, shape (n_candidates,).
        preferred: a weight per candidate; those with a larger one are taken more readily.
    """
    price = np.maximum(demand.costs, 1e-9 * max(demand.costs.max(initial=0.0), 1.0))
    worth = (1.0 if preferred is None else 0.05 + preferred) / price
    return extend(demand, chosen, worth, lambda result: ~result)


def extend(
    demand: Demand,
    chosen: Choice,
    worth: NDArray[np.float64],
    allowed: Callable[[Choice], Choice],
) -> Choice:
    """Add candidates while one that is allowed separates a pair that still misses something.

    Args:
        demand: what is needed.
        chosen: what is taken already, shape (n_candidates,).
        worth: what one newly separated pair counts, for each candidate.
        allowed: from what is taken, which candidates may be added.
    """
    result = chosen.copy()
    missing = demand.missing(result)
    gained = demand.outside(missing)
    while missing.any():
        gains = np.where(allowed(result), demand.inside(gained) * worth, 0.0)
        pick = int(gains.argmax())
        if gains[pick] <= 0:
            break
        result[pick] = True
        member = demand.targets[:, pick]
        missing[np.ix_(member, ~member)] -= 1
        np.maximum(missing, 0, out=missing)
        gained[member] = demand.outside(missing[member])
    return result


def prune(demand: Demand, chosen: Choice) -> Choice:
    """Take away, dearest first, what is not needed."""
    result = chosen.copy()
    spare = np.rint(demand.coverage(result.astype(np.float64))).astype(np.int64) - demand.needs
    spare[demand.needs == 0] = len(result)
    order = np.flatnonzero(result)
    for pick in order[np.argsort(-demand.costs[order], kind="stable")].tolist():
        member = demand.targets[:, pick]
        separated = np.ix_(member, ~member)
        if (spare[separated] > 0).all():
            result[pick] = False
            spare[separated] -= 1
    return result


def some_related(demand: Demand, chosen: Choice, count: int, rng: np.random.Generator) -> Choice:
    """A few of the chosen candidates that have targets in common, by a random walk from one to the next."""
    left = np.flatnonzero(chosen)
    picked = [int(rng.choice(left))]
    while len(picked) < min(count, len(left)):
        others = np.setdiff1d(left, picked)
        common = demand.targets[:, others].T.astype(np.float64) @ demand.targets[:, picked].any(axis=1)
        weights = common + 0.1
        picked.append(int(rng.choice(others, p=weights / weights.sum())))
    result = np.zeros_like(chosen)
    result[picked] = True
    return result
