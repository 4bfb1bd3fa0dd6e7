"""Joint influence of on/off interventions by brute force: all supports and sets of actions, modulo a large prime."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_sparsest_basis"]

_PRIME = (1 << 61) - 1


def is_sparsest_basis(matrix: NDArray[np.bool_], seed: int) -> bool:
    """Return whether the true latents are the one sparsest basis, for random effects modulo a prime.

    Args:
        matrix: Which action targets which latent, shape (n, m).
        seed: Seed of the effects.
    """
    rng = random.Random(seed)
    effects = [[rng.randrange(1, _PRIME) if entry else 0 for entry in row] for row in matrix.tolist()]
    weights = matrix.sum(axis=1)
    for size in range(2, len(matrix) + 1):
        for support in combinations(range(len(matrix)), size):
            rows = [effects[i] for i in support]
            inside = matrix[list(support)].sum(axis=0)
            # a direction that cancels so many actions weighs no more than the heaviest latent
            n_cancelled = int((inside > 0).sum() - weights[list(support)].max())
            shared = np.flatnonzero(inside > 1).tolist()
            if n_cancelled <= 0 or any(
                _has_direction([[row[action] for action in actions] for row in rows])
                for actions in combinations(shared, n_cancelled)
            ):
                return False
    return True


def _has_direction(rows: Sequence[Sequence[int]]) -> bool:
    """Return whether some combination of the rows without zero coefficients vanishes."""
    rank = _rank(rows)
    return all(_rank([*rows[:k], *rows[k + 1 :]]) == rank for k in range(len(rows)))


def _rank(rows: Sequence[Sequence[int]]) -> int:
    matrix = [list(row) for row in rows]
    rank = 0
    for column in range(len(matrix[0])):
        pivot = next((k for k in range(rank, len(matrix)) if matrix[k][column]), None)
        if pivot is None:
            continue
        matrix[rank], matrix[pivot] = matrix[pivot], matrix[rank]
        inverse = pow(matrix[rank][column], -1, _PRIME)
        for k in range(rank + 1, len(matrix)):
            factor = matrix[k][column] * inverse % _PRIME
            matrix[k] = [(a - factor * b) % _PRIME for a, b in zip(matrix[k], matrix[rank], strict=True)]
        rank += 1
    return rank
