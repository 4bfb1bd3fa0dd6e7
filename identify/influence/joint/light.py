"""Search, exhaustively, for all directions with a nonzero coefficient of one latent that few actions move.

The vectors w^T [columns of all actions] form a linear code, and a direction that few actions move is a codeword of low
weight. The search is that of Brouwer and Zimmermann for the minimum weight of a code (Betten et al., Error-Correcting
Linear Codes, 2006, section 1.8), with two changes. One coordinate, the coefficient of the chosen latent, must not be
zero, and the field may be infinite, so subspaces take the place of single codewords.

Let the directions of a subspace have d coordinates. An information set is d - 1 columns that, with the coefficient of
the latent, determine a direction of the subspace. Of g disjoint information sets, a direction that at most b actions
move is nonzero on at most (b + 1) / g - 1 actions of one of them. So for each information set, every small set of
actions is tried: the directions that vanish on the rest of the information set form a subspace of few dimensions, in
which the search is repeated with what is left of b.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from identify.influence.joint.batches import possibly_light
from identify.influence.joint.fields import Field, Matrix

__all__ = ["LightSearch"]

Flags = NDArray[np.bool_]

# combinations of actions whose subspaces are examined at once
_BATCH = 4096
_MIN_BATCH = 4
# number of basis directions up to which one order of the columns is tried, and number of other orders for more
_SMALL = 5
_ORDERS = 20


@dataclass(frozen=True)
class _Node:
    """A subspace that is to be searched.

    Attributes:
        rows: A basis, with its products with all columns, shape (d, n + number of columns). The first row has the
            coefficient 1 of the latent, the others 0.
        free: Further directions, which move only actions that are not active; shape (f, n).
        budget: Number of active actions that may move a direction.
        active: Actions that are counted, shape (number of actions,).
    """

    rows: Matrix
    free: Matrix
    budget: int
    active: Flags


@dataclass(frozen=True)
class _InformationSet:
    """A basis of a subspace in which every row but the first has its own pivot column.

    Attributes:
        rows: The basis, as in `_Node`.
        actions: For each row but the first, the action of its pivot column; -1 if the row is zero on all columns in
            use.
    """

    rows: Matrix
    actions: tuple[int, ...]

    @property
    def complete(self) -> bool:
        """Whether every row but the first has a pivot."""
        return -1 not in self.actions


class LightSearch:
    """The directions that few actions move, as subspaces.

    Args:
        field: The field of the effects.
        columns: What the actions do, shape (n, number of columns), no column zero.
        owner: For each column, its action, shape (number of columns,).
        n_actions: Number of actions.

    Example:
        >>> from identify.influence.joint.fields import PrimeField
        >>> field = PrimeField(7)
        >>> columns = field.array([[1, 1, 0], [1, 1, 1]])
        >>> search = LightSearch(field, columns, np.arange(3), 3)
        >>> next(search.flats(1, 2)).tolist()
        [[6, 1]]
    """

    def __init__(self, field: Field, columns: Matrix, owner: NDArray[np.integer], n_actions: int) -> None:
        self._field, self._columns, self._owner = field, columns, owner
        self._n, self._n_actions = len(columns), n_actions
        # whether every action has one column at most, so that nonzero columns can be counted
        self._is_single = len(set(owner.tolist())) == len(owner)

    def flats(self, latent: int, budget: int, others: Flags | None = None) -> Iterator[Matrix]:
        """Yield subspaces that together hold every direction with a latent that at most ``budget`` actions move.

        Args:
            latent: The latent whose coefficient must not be zero.
            budget: Largest number of actions that move the direction.
            others: Which latents may have nonzero coefficients, shape (n,); all by default.

        Yields:
            Bases of subspaces as rows, shape (d, n), over the field. The first row has the coefficient 1 of the
            latent, the others 0. At most ``budget`` actions move any direction of the subspace.
        """
        yield from self._search(self._start(latent, budget, others))

    def moved(self, vectors: Matrix) -> Flags:
        """Return which actions move some direction in the span of the vectors, shape (number of actions,)."""
        return self._moves(self._field.support(self._field.product(vectors, self._columns)))

    def _start(self, latent: int, budget: int, others: Flags | None) -> _Node:
        allowed = np.ones(self._n, dtype=bool) if others is None else others.copy()
        allowed[latent] = False
        order = [latent, *np.flatnonzero(allowed)]
        rows = np.hstack([self._field.eye(self._n), self._columns])[order]
        return _Node(rows, rows[:0, : self._n], budget, np.ones(self._n_actions, dtype=bool))

    def _search(self, node: _Node) -> Iterator[Matrix]:
        """Yield the light subspaces of a node, with its free directions added to each."""
        stack = [iter([node])]
        while stack:
            following = next(stack[-1], None)
            if following is None:
                stack.pop()
                continue
            node = following
            live = node.active & self._moves(self._field.support(node.rows[:, self._n :]))
            if live.sum() <= node.budget:
                yield np.vstack([node.rows[:, : self._n], node.free])
            elif len(node.rows) > 1 and node.budget >= 0:
                node = replace(node, active=live)
                sets = self._information_sets(node)
                if sets[0].complete:
                    stack.append(self._branches(node, sets))
                else:
                    stack.append(iter([self._without_idle_rows(node, sets[0])]))

    def _without_idle_rows(self, node: _Node, information_set: _InformationSet) -> _Node:
        kept = np.array([True, *(action >= 0 for action in information_set.actions)])
        idle = information_set.rows[~kept][:, : self._n]
        return replace(node, rows=information_set.rows[kept], free=np.vstack([node.free, idle]))

    def _branches(self, node: _Node, sets: list[_InformationSet]) -> Iterator[_Node]:
        """Yield the nodes into which the light directions of a node fall."""
        quotient, remainder = divmod(node.budget + 1, len(sets))
        for position, information_set in enumerate(sets):
            limit = quotient - (position >= remainder)
            if limit >= len(set(information_set.actions)):
                yield from self._branches_on_one(node, information_set)
                return
        for position, information_set in enumerate(sets):
            limit = quotient - (position >= remainder)
            for size in range(limit + 1):
                yield from self._branches_of_size(node, information_set, size)

    def _branches_of_size(self, node: _Node, information_set: _InformationSet, size: int) -> Iterator[_Node]:
        """Yield the nodes of the directions that exactly ``size`` actions of an information set move."""
        actions = sorted(set(information_set.actions))
        choices = combinations(actions, size)
        while batch := [choice for choice, _ in zip(choices, range(_BATCH), strict=False)]:
            for moved in self._worth_searching(node, information_set, batch):
                kept = [0, *(k + 1 for k, action in enumerate(information_set.actions) if action in moved)]
                active = node.active.copy()
                active[list(moved)] = False
                yield _Node(information_set.rows[kept], node.free, node.budget - size, active)

    def _worth_searching(
        self, node: _Node, information_set: _InformationSet, choices: list[tuple[int, ...]]
    ) -> list[tuple[int, ...]]:
        """Return the choices of actions whose subspaces may hold a light direction."""
        size = len(choices[0])
        if not self._is_single or self._field.dtype is object or size * len(choices) < _MIN_BATCH:
            return choices
        row_of = np.full(self._n_actions, -1)
        row_of[list(information_set.actions)] = 1 + np.arange(len(information_set.actions))
        chosen = row_of[np.array(choices, dtype=int).reshape(len(choices), size)]
        rows = np.hstack([np.zeros((len(choices), 1), dtype=int), chosen])
        counted = node.active.copy()
        counted[list(information_set.actions)] = False
        values = information_set.rows[:, self._n :][:, counted[self._owner]]
        budgets = np.full(len(choices), node.budget - size)
        is_light = possibly_light(self._field, values[rows], budgets)
        return [choice for choice, light in zip(choices, is_light, strict=True) if light]

    def _branches_on_one(self, node: _Node, information_set: _InformationSet) -> Iterator[_Node]:
        """Branch on whether one action moves the direction, where the budget is too large for information sets."""
        action = information_set.actions[0]
        kept = [0, *(k + 1 for k, other in enumerate(information_set.actions) if other != action)]
        # columns of the action that are no pivots may still be nonzero, so it stays active where it should not move
        yield replace(node, rows=information_set.rows[kept])
        active = node.active.copy()
        active[action] = False
        yield replace(node, rows=information_set.rows, active=active, budget=node.budget - 1)

    def _moves(self, nonzero: Flags) -> Flags:
        """Return which actions own one of the nonzero columns."""
        result = np.zeros(self._n_actions, dtype=bool)
        result[self._owner[nonzero]] = True
        return result

    def _information_sets(self, node: _Node) -> list[_InformationSet]:
        """Return disjoint information sets; the first one may lack pivots, the others are complete.

        More sets make the search shorter, so for large subspaces several orders of the columns are tried.
        """
        order = np.flatnonzero(node.active[self._owner])
        best = self._disjoint_sets(node, order)
        if len(node.rows) > _SMALL and best[0].complete:
            rng = np.random.default_rng(0)
            for _ in range(_ORDERS):
                sets = self._disjoint_sets(node, rng.permutation(order))
                if len(sets) > len(best):
                    best = sets
        return best

    def _disjoint_sets(self, node: _Node, columns: NDArray[np.intp]) -> list[_InformationSet]:
        result = [self._information_set(node.rows, columns)]
        # with more sets than the budget, a light direction vanishes on one of them
        while result[-1].complete and len(result) <= node.budget:
            columns = columns[~np.isin(self._owner[columns], result[-1].actions)]
            result.append(self._information_set(node.rows, columns))
        return result if len(result) == 1 or result[-1].complete else result[:-1]

    def _information_set(self, rows: Matrix, columns: NDArray[np.intp]) -> _InformationSet:
        """Return an information set that prefers the first columns."""
        matrix = rows.copy()
        pivots = [-1] * (len(rows) - 1)
        for _ in pivots:
            unused = [k + 1 for k, column in enumerate(pivots) if column < 0]
            values = matrix[unused][:, self._n + columns]
            found = np.flatnonzero(self._field.support(values))
            if not found.size:
                break
            # over floating-point numbers a large pivot keeps the rounding errors small
            best = found[self._field.best(values[:, found])]
            pivot = self._field.pivot(values[:, best])
            if pivot is None:
                break
            self._field.eliminate(matrix, unused[pivot], self._n + int(columns[best]))
            pivots[unused[pivot] - 1] = int(columns[best])
            columns = np.delete(columns, best)
        return _InformationSet(
            matrix, tuple(-1 if column < 0 else int(self._owner[column]) for column in pivots)
        )
