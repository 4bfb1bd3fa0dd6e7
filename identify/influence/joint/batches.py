"""Many small subspaces at once: which of them can't hold a light direction with the latent.

The search is the one of ``light``, with its levels computed for all subspaces together. It only says whether a
subspace may hold a light direction, which few of them do; those are then searched one by one.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from identify.influence.joint.fields import Field, Matrix

__all__ = ["possibly_light"]

Flags = NDArray[np.bool_]
Counts = NDArray[np.int_]

# numbers that are held at once
_CHUNK = 2_000_000


def possibly_light(field: Field, subspaces: Matrix, budgets: Counts) -> Flags:
    """Return which subspaces may hold a direction with a nonzero first coordinate and few nonzero columns.

    Args:
        field: Integers modulo a prime, or floating-point numbers.
        subspaces: Values of the basis directions of each subspace, shape (number of subspaces, d, number of columns).
        budgets: For each subspace, the largest number of nonzero columns, from 0.

    Returns:
        False only where every direction with a nonzero first coordinate has more nonzero columns.

    Example:
        >>> from identify.influence.joint.fields import PrimeField
        >>> possibly_light(PrimeField(7), np.array([[[1, 0, 1, 1], [0, 1, 1, 2]]]), np.array([1]))
        array([False])
    """
    count, size, n_columns = subspaces.shape
    step = max(1, _CHUNK // (size * n_columns * (int(budgets.max(initial=0)) + 2) + 1))
    if count > step:
        parts = [slice(start, start + step) for start in range(0, count, step)]
        return np.concatenate([possibly_light(field, subspaces[part], budgets[part]) for part in parts])
    result: Flags = field.support(subspaces).sum(axis=1) <= budgets
    pending = np.flatnonzero(~result)
    if size == 1 or not pending.size:
        return result
    if size == 2:
        result[pending] = _light_pencils(field, subspaces[pending], budgets[pending])
        return result
    sets, counts = _information_sets(field, subspaces[pending], budgets[pending])
    # the most columns of an information set that a light direction may move, for the set where it moves fewest
    limits = -(-(budgets[pending] + 1) // np.maximum(counts, 1)) - 1
    by_columns = (counts == 0) | (limits >= size - 1)
    result[pending[by_columns]] = _light_by_columns(
        field, subspaces[pending[by_columns]], budgets[pending[by_columns]]
    )
    result[pending] |= _light_by_sets(field, sets, counts, budgets[pending], by_columns)
    return result


def _light_by_sets(
    field: Field,
    sets: list[tuple[NDArray[np.intp], Matrix, Counts]],
    counts: Counts,
    budgets: Counts,
    is_settled: Flags,
) -> Flags:
    """Branch on the columns of disjoint information sets that are nonzero; False for what is settled already."""
    result = np.zeros(len(counts), dtype=bool)
    quotients, remainders = np.divmod(budgets + 1, np.maximum(counts, 1))
    for position, (members, systematic, columns) in enumerate(sets):
        limits = quotients[members] - (position >= remainders[members])
        for moved in range(systematic.shape[1] - 1):
            items = np.flatnonzero((limits >= moved) & ~result[members] & ~is_settled[members])
            if items.size:
                is_light = _light_choices(
                    field, systematic[items], columns[items], budgets[members[items]] - moved, moved
                )
                result[members[items[is_light]]] = True
    return result


def _light_by_columns(field: Field, subspaces: Matrix, budgets: Counts) -> Flags:
    """Branch on a column that vanishes: one of any budget + 1 on which another row than the first is nonzero."""
    count = len(subspaces)
    result = np.zeros(count, dtype=bool)
    is_used = field.support(subspaces[:, 1:])
    order = np.argsort(~is_used, axis=1, kind="stable")
    for position in range(min(int(budgets.max(initial=-1)) + 1, order.shape[1])):
        columns = order[:, position]
        items = np.flatnonzero(is_used[np.arange(count), columns] & (position <= budgets) & ~result)
        if not items.size:
            break
        only = np.zeros((items.size, is_used.shape[1]), dtype=bool)
        only[np.arange(items.size), columns[items]] = True
        eliminated = _eliminated(field, subspaces[items].copy(), 1, only)[0]
        vanishing = np.delete(eliminated, 1, axis=1)
        result[items] = possibly_light(field, vanishing, budgets[items])
    return result


def _light_choices(field: Field, systematic: Matrix, columns: Counts, budgets: Counts, moved: int) -> Flags:
    """Return where some choice of ``moved`` pivot columns that are nonzero, the rest zero, may be light."""
    count, size, n_columns = systematic.shape
    listed = list(combinations(range(size - 1), moved))
    choices = np.array(listed, dtype=int).reshape(len(listed), moved)
    rows = np.hstack([np.zeros((len(choices), 1), dtype=int), choices + 1])
    # every pivot column is paid for or zero, so none of them counts in the subspaces
    values = systematic.copy()
    values[np.arange(count)[:, None, None], np.arange(size)[:, None], columns[:, None, :]] = 0
    chosen = values[:, rows].reshape(-1, moved + 1, n_columns)
    is_light = possibly_light(field, chosen, np.repeat(budgets, len(choices)))
    result: Flags = np.any(is_light.reshape(count, len(choices)), axis=1)
    return result


def _information_sets(
    field: Field, subspaces: Matrix, budgets: Counts
) -> tuple[list[tuple[NDArray[np.intp], Matrix, Counts]], Counts]:
    """Return disjoint information sets with the subspaces that have them, and the number of sets of each subspace."""
    available = field.support(subspaces)
    counts = np.zeros(len(subspaces), dtype=int)
    sets = []
    members = np.arange(len(subspaces))
    while members.size:
        systematic, columns = _systematic(field, subspaces[members], available[members])
        complete = (columns >= 0).all(axis=1)
        members, systematic, columns = members[complete], systematic[complete], columns[complete]
        if not members.size:
            break
        sets.append((members, systematic, columns))
        available[members[:, None], columns] = False
        counts[members] += 1
        # with more sets than the budget, a light direction vanishes on one of them
        members = members[counts[members] <= budgets[members]]
    return sets, counts


def _systematic(field: Field, subspaces: Matrix, available: Flags) -> tuple[Matrix, Counts]:
    """Return the systematic forms for information sets of available columns, and these columns, -1 if missing."""
    matrices = subspaces.copy()
    count, size, _ = matrices.shape
    columns = np.full((count, size - 1), -1)
    for row in range(1, size):
        matrices, columns[:, row - 1] = _eliminated(field, matrices, row, available)
    return matrices, columns


def _eliminated(field: Field, matrices: Matrix, row: int, available: Flags) -> tuple[Matrix, Counts]:
    """Make a row the pivot row of the first available column on which it or a later row is nonzero."""
    everything = np.arange(len(matrices))
    is_pivot = field.support(matrices[:, row:]) & available
    column = is_pivot.argmax(axis=1)
    pivots = row + field.best_rows(matrices[everything, row:, column])
    swapped = matrices[everything, pivots]
    matrices[everything, pivots] = matrices[:, row]
    swapped = field.reduce(swapped * field.inverses(swapped[everything, column])[:, None])
    factors = matrices[everything, :, column]
    factors[:, row] = 0
    matrices[:, row] = swapped
    matrices = field.reduce(matrices - factors[:, :, None] * swapped[:, None])
    return matrices, np.where(is_pivot[everything, column], column, -1)


def _light_pencils(field: Field, pencils: Matrix, budgets: Counts) -> Flags:
    """Return where the first row plus some multiple of the second is light; generic multiples are known not to be."""
    first, second = pencils[:, 0], pencils[:, 1]
    is_used = field.nonzero(second)
    # a light direction vanishes on one of any budget + 1 columns on which the second row is nonzero
    columns = np.argsort(~is_used, axis=1, kind="stable")[:, : int(budgets.max()) + 1]
    on_first = np.take_along_axis(first, columns, axis=1)[..., None]
    on_second = np.take_along_axis(second, columns, axis=1)[..., None]
    weights = field.nonzero(field.reduce(on_second * first[:, None] - on_first * second[:, None])).sum(axis=2)
    result: Flags = ((weights <= budgets[:, None]) & field.nonzero(on_second[..., 0])).any(axis=1)
    return result
