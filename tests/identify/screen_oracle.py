"""Joint influence of on/off interventions by brute force: all supports and sets of actions, modulo a large prime."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from identify.influence.joint.fields import MACHINE_PRIME, PrimeField

__all__ = ["fewest_edges", "is_sparsest_basis", "light_directions"]

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


def light_directions(matrix: NDArray[np.bool_], seed: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return weight and support of the directions of all sparsest bases, for random effects modulo a prime.

    A direction is in some sparsest basis iff the lighter ones don't span it. The generic directions that cancel each
    set of actions are examined.
    """
    field, spaces = PrimeField(MACHINE_PRIME), _cancelling_spaces(matrix, seed)
    return [
        (weight, support)
        for weight, support, space in spaces
        if field.rank(np.vstack([*_lighter(spaces, weight), space])) > _rank_of(_lighter(spaces, weight))
    ]


def fewest_edges(matrix: NDArray[np.bool_], seed: int) -> int:
    """Return the number of edges of a sparsest basis, for random effects modulo a prime."""
    spaces = _cancelling_spaces(matrix, seed)
    ranks = [_rank_of(_lighter(spaces, weight)) for weight in range(matrix.shape[1] + 2)]
    return sum(weight * int(step) for weight, step in enumerate(np.diff(ranks)))


def _lighter(spaces: Sequence[tuple[int, tuple[int, ...], Any]], weight: int) -> list[Any]:
    return [space for other, _, space in spaces if other < weight]


def _rank_of(spaces: Sequence[Any]) -> int:
    return PrimeField(MACHINE_PRIME).rank(np.vstack(spaces)) if spaces else 0


def _cancelling_spaces(matrix: NDArray[np.bool_], seed: int) -> list[tuple[int, tuple[int, ...], Any]]:
    """Return for each set of actions that a direction can cancel its weight, its support and the space of these."""
    n, m = matrix.shape
    field, rng = PrimeField(MACHINE_PRIME), np.random.default_rng(seed)
    effects = matrix * rng.integers(1, MACHINE_PRIME, size=matrix.shape)
    spaces: dict[tuple[bool, ...], tuple[int, tuple[int, ...], Any]] = {}
    for chosen in product((False, True), repeat=m):
        space = field.left_null(effects[:, list(chosen)]) if any(chosen) else np.eye(n, dtype=np.int64)
        if len(space):
            w = field.product(rng.integers(1, MACHINE_PRIME, size=(1, len(space))), space)
            moved = field.product(w, effects)[0] != 0
            # an axis of the space, or one that cancels more actions, is found with a larger set
            spaces[tuple(moved)] = (int(moved.sum()), tuple(np.flatnonzero(w[0]).tolist()), space)
    return list(spaces.values())
