"""On/off interventions with generic effects: whether the true latents are the one sparsest basis, by minimum cuts.

Action l of a screen adds one vector b_l, with generic entries at its targets, to the mean of the latents. A direction w
is moved by weight(w) actions, those with w . b_l != 0, and latent i by |Pa(i)| of them. The true latents are the one
sparsest basis iff every direction with two latents or more in its support weighs more than each of those latents
(joint influence). With t(I) for the number of actions that touch a set I of latents, this is the case for n
>= 2 latents iff

(1) t(I) >= |I| for every set I, so that no direction stays unmoved, and
(2) t(I) >= |I| + |Pa(i)| for every set I, and every i in I that has an action in common with another latent of I.

The conditions suffice. A direction without zeros on I cancels fewer than |I| actions, because their entries on I are
generic. It therefore weighs at least t(I) - |I| + 1. Supports that share no action add their weights, so only supports
in which every latent shares an action with another one matter. The conditions are necessary. If (1) fails, some
direction stays unmoved. If (1) holds, each latent of I except i can be matched to an action of its own; let the latent
that shares an action with i have this action. The direction on I that these |I| - 1 actions don't move is not an axis,
has i in its support, and weighs at most t(I) - |I| + 1, which (2) compares with |Pa(i)|.

For two latents with a common action, the smallest t(I) - |I| over the sets I with both is a minimum cut. (Ours,
docs/screens.md; the tests compare it with all supports and all sets of actions, modulo a large prime.)

If the true latents are a sparsest basis, t(I) >= |I| + |Pa(j)| - 1 for every set I with latent j, with equality for the
set {j}. Sets with equality are tight; their unions are tight. V[i, j] = 1 iff some tight set has i and j and connects
them by common actions, so column j of V is the part of the largest tight set that is connected to j. (Ours, with the
proof in docs/theory.md.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["Shortfall", "generic_rank", "loosest_sets", "shortfalls"]

Matrix = NDArray[np.bool_]


@dataclass(frozen=True)
class Shortfall:
    """A set of latents that too few actions touch, so that a sparse model can find other latents.

    Attributes:
        support: Positions of the latents.
        latent: Position of the latent of the support that a combination of the support can replace; None if some
            combination is moved by no action at all.
        missing: Number of actions that are missing: they must touch the support, but not ``latent``.
    """

    support: tuple[int, ...]
    latent: int | None
    missing: int


def shortfalls(matrix: Matrix) -> list[Shortfall]:
    """Return sets of latents that too few on/off actions touch.

    Args:
        matrix: Which action targets which latent, shape (n, m).

    Returns:
        Nothing iff the true latents are the one sparsest basis for generic effects. Otherwise one set of latents with
        fewer actions than latents, or for each two latents with a common action the worst set, where it fails.

    Source:
        Ours, see the module.

    Example:
        >>> shortfalls(np.eye(3, dtype=bool))
        []
        >>> shortfalls(np.array([[1, 1, 0], [1, 0, 1]], dtype=bool))
        [Shortfall(support=(0, 1), latent=0, missing=1), Shortfall(support=(0, 1), latent=1, missing=1)]
    """
    n, m = matrix.shape
    if n < 2:
        return []
    capacities = _capacities(matrix)
    flow, side = _minimum_cut(capacities, n)
    if flow < n:
        return [Shortfall(side, None, n - flow)]
    weights = matrix.sum(axis=1).tolist()
    entries = matrix.astype(np.int64)
    pairs = np.argwhere(np.triu(entries @ entries.T, k=1) > 0)
    worst = []
    for i, j in pairs.tolist():
        forced = capacities.copy()
        # the edges from the source come first
        forced.data[[i, j]] = m
        flow, side = _minimum_cut(forced, n)
        worst += [
            Shortfall(side, latent, missing)
            for latent in (i, j)
            if (missing := weights[latent] + n - flow) > 0
        ]
    return worst


def loosest_sets(matrix: Matrix) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    """Return for each latent j the least t(I) - |I| over the sets I with j, and the largest set that has it.

    Args:
        matrix: Which action targets which latent, shape (n, m).

    Example:
        >>> least, sets = loosest_sets(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=bool))
        >>> least.tolist(), sets
        ([0, 0, 0], [(0, 1, 2), (0, 1, 2), (0, 1, 2)])
    """
    n, m = matrix.shape
    capacities = _capacities(matrix)
    least, sets = np.zeros(n, dtype=np.int64), []
    for j in range(n):
        forced = capacities.copy()
        forced.data[j] = n + m
        flow, side = _minimum_cut(forced, n, largest=True)
        least[j] = flow - n
        sets.append(side)
    return least, sets


def generic_rank(matrix: Matrix) -> int:
    """Return the rank of a matrix with this support and generic entries.

    Example:
        >>> generic_rank(np.array([[1, 1], [0, 0]], dtype=bool))
        1
    """
    return int(_minimum_cut(_capacities(matrix), len(matrix))[0])


def _capacities(matrix: Matrix) -> scipy.sparse.csr_array:
    """Return the network source - latents - actions - sink; one unit passes into each latent and out of each action."""
    n, m = matrix.shape
    rows, columns = np.nonzero(matrix)
    latents, actions = 1 + np.arange(n), 1 + n + np.arange(m)
    start = np.concatenate([np.zeros(n, dtype=np.int64), 1 + rows, actions])
    end = np.concatenate([latents, 1 + n + columns, np.full(m, n + m + 1)])
    capacity = np.concatenate([np.ones(n), np.full(len(rows), m), np.ones(m)]).astype(np.int32)
    return scipy.sparse.csr_array((capacity, (start, end)), shape=(n + m + 2, n + m + 2))


def _minimum_cut(
    capacities: scipy.sparse.csr_array, n: int, largest: bool = False
) -> tuple[int, tuple[int, ...]]:
    """Return the largest flow, and the latents on the source's side of the smallest or the largest minimum cut."""
    # scipy loads its submodules on access
    graphs = scipy.sparse.csgraph
    sink = capacities.shape[0] - 1
    result = graphs.maximum_flow(capacities, 0, sink)
    residual = capacities - result.flow
    residual.eliminate_zeros()
    if largest:
        behind = graphs.breadth_first_order(residual.T.tocsr(), sink, return_predecessors=False)
        side = set(range(1, n + 1)) - {int(k) for k in behind}
    else:
        reached = graphs.breadth_first_order(residual, 0, return_predecessors=False)
        side = {int(k) for k in reached if 1 <= k <= n}
    return int(result.flow_value), tuple(sorted(k - 1 for k in side))
