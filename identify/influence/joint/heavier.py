"""Minors that show that every direction of a latent and its rivals is heavier than the latent, for generic effects.

Counting leaves some latents with rivals (``counting``), and some sets I of the latent and rivals with a direction that
may be as light as the latent. Take a nonzero minor whose rows are all latents of I on which certain actions act, and
whose columns belong to these actions. A direction that cancels all of them is 0 on the rows, so its support isn't I:
it moves at least one of these actions. If no ``weight`` actions meet all sets of actions found in this way, every
direction with support I moves more than ``weight`` actions. By Hall's theorem such minors exist wherever no direction
is as light as the latent (``forests``). A minor for I serves the subsets of I as well. (Ours, docs/theory.md.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.influence.joint.counting import GenericEffects, members
from identify.influence.joint.forests import obstruct
from identify.influence.joint.minors import Minors, are_nonzero
from identify.influence.joint.supports import MAX_RIVALS, light_supports

__all__ = ["NoLighterRival", "hitting_set", "no_lighter_rival"]


@dataclass(frozen=True)
class NoLighterRival:
    """A proof that a latent with rivals is lighter than every direction of it and other latents.

    Attributes:
        latent: The latent i.
        rivals: The latents that counting doesn't exclude.
        excluded: For each other latent j that is no heavier than i, a minor in which the row of j is repeated so often
            that every set J of such latents with j in it is touched by at least |J| + 1 columns outside Pa(i).
        never_cancelled: Minors whose actions no direction of i and some rivals cancels together.
    """

    latent: int
    rivals: tuple[int, ...]
    excluded: tuple[Minors, ...]
    never_cancelled: tuple[Minors, ...]

    @property
    def count(self) -> int:
        """Number of minors."""
        return len(self.excluded) + len(self.never_cancelled)

    def verify(self, effects: GenericEffects, available: NDArray[np.int64]) -> bool:
        """Compute the minors at random entries modulo the prime, and repeat the arguments that use them.

        Args:
            effects: The actions.
            available: How many columns of each action count against the latent.
        """
        weight, matrix = effects.weights()[self.latent], effects.matrix()
        others = effects.no_heavier(self.latent, effects.weights())
        minors = (*self.excluded, *self.never_cancelled)
        if len(self.rivals) > MAX_RIVALS or not set(self.rivals) <= set(others):
            return False
        if not all(_is_within(minor, effects) and are_nonzero(matrix, minor) for minor in minors):
            return False
        left = [j for j in others if j not in self.rivals]
        are_outnumbered = len(left) == len(self.excluded) and all(
            _outnumbers(minor, j, others, available) for j, minor in zip(left, self.excluded, strict=True)
        )
        sets = [_Uncancelled.of(minor, effects) for minor in self.never_cancelled]
        return (
            are_outnumbered
            and all(_is_generic(minor, effects) for minor in self.never_cancelled)
            and all(
                hitting_set(_moved(sets, support, touching), weight) is None
                for support, touching in _supports(effects, self.latent, self.rivals)
            )
        )


def no_lighter_rival(
    effects: GenericEffects, i: int, rivals: Sequence[int], available: NDArray[np.int64]
) -> NoLighterRival:
    """Return the proof for a latent of which a search found no direction as light.

    Args:
        effects: The actions.
        i: The latent.
        rivals: The latents that counting doesn't exclude, at least one.
        available: How many columns of each action count against the latent.
    """
    weight = effects.weights()[i]
    others = effects.no_heavier(i, effects.weights())
    columns = np.repeat(np.arange(effects.n_actions), available)
    excluded = tuple(_exclude(effects.matrix(), j, others, columns) for j in others if j not in rivals)
    minors: list[Minors] = []
    sets: list[_Uncancelled] = []
    for support, touching in _supports(effects, i, rivals):
        while (moved := hitting_set(_moved(sets, support, touching), weight)) is not None:
            found = obstruct(support, effects.children, effects.ranks, members(touching & ~moved))
            if found is None:
                raise AssertionError("the search missed a direction as light as the latent")
            minors.append(Minors(tuple(found), tuple(found.values())))
            sets.append(_Uncancelled.of(minors[-1], effects))
    return NoLighterRival(i, tuple(rivals), excluded, tuple(minors))


def _exclude(matrix: NDArray[np.bool_], j: int, others: Sequence[int], columns: NDArray[np.int64]) -> Minors:
    """Return the minor with the row of j repeated as often as columns can be found for it."""
    n_unplaced = sum(c < 0 for c in _matched(matrix, others, columns))
    rows = [*others, *[j] * (n_unplaced + 1)]
    pairs = [
        (k, int(columns[c])) for k, c in zip(rows, _matched(matrix, rows, columns), strict=True) if c >= 0
    ]
    return Minors(tuple(k for k, _ in pairs), tuple(action for _, action in pairs))


def _matched(matrix: NDArray[np.bool_], rows: Sequence[int], columns: NDArray[np.int64]) -> list[int]:
    """Return the column that a maximum matching gives each row, -1 for rows without one."""
    on_rows = scipy.sparse.csr_array(matrix[list(rows)][:, columns])
    result: list[int] = scipy.sparse.csgraph.maximum_bipartite_matching(on_rows, "column").tolist()
    return result


def _outnumbers(minor: Minors, j: int, others: Sequence[int], available: NDArray[np.int64]) -> bool:
    """Return whether a minor, if it is nonzero, gives every set J of the others with j in it |J| + 1 columns."""
    rows = set(minor.rows)
    repeats = minor.rows.count(j)
    once = len(minor.rows) - repeats == len(rows - {j})
    used = np.bincount(np.array(minor.columns, dtype=int), minlength=len(available))
    # J has |J & rows| - 1 + repeats columns or more
    return (
        once
        and rows <= set(others)
        and bool((used <= available).all())
        and repeats >= len(set(others) - rows) + 2
    )


def _is_within(minor: Minors, effects: GenericEffects) -> bool:
    """Return whether a minor has rows and columns of the actions, and nothing is bordered."""
    return (
        not minor.borders
        and all(0 <= k < effects.n_latents for k in minor.rows)
        and all(0 <= a < effects.n_actions for a in minor.columns)
    )


def _is_generic(minor: Minors, effects: GenericEffects) -> bool:
    """Return whether a minor has each latent once, and no action more often than its rank."""
    return len(set(minor.rows)) == len(minor.rows) and all(
        minor.columns.count(a) <= effects.ranks[a] for a in set(minor.columns)
    )


@dataclass(frozen=True)
class _Uncancelled:
    """Bit masks of the rows of a minor, of its actions, and of all latents on which these act."""

    rows: int
    actions: int
    touched: int

    @classmethod
    def of(cls, minor: Minors, effects: GenericEffects) -> _Uncancelled:
        """Return the masks of a minor."""
        touched = 0
        for action in minor.columns:
            touched |= effects.children[action]
        return cls(sum(1 << k for k in set(minor.rows)), sum(1 << a for a in set(minor.columns)), touched)


def _moved(sets: Iterable[_Uncancelled], support: int, touching: int) -> list[int]:
    """Return the sets of actions of which each direction with this support moves at least one."""
    return [
        found.actions & touching
        for found in sets
        if found.touched & support and not found.touched & support & ~found.rows
    ]


def _supports(effects: GenericEffects, i: int, rivals: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the supports that counting leaves with the actions on them, large ones first: minors serve subsets too."""
    parents = effects.parents()
    for support, _ in reversed(list(light_supports(effects, i, rivals, effects.weights()[i]))):
        touching = 0
        for k in members(support):
            touching |= parents[k]
        yield support, touching


def hitting_set(sets: Sequence[int], size: int) -> int | None:
    """Return at most ``size`` actions that meet all sets, as a bit mask; None if there are none.

    Args:
        sets: Bit masks of actions, none of them empty.
        size: Number of actions that may be used.

    Example:
        >>> bin(hitting_set([0b011, 0b110], 1))
        '0b10'
        >>> hitting_set([0b011, 0b110, 0b101], 1) is None
        True
    """
    if not sets:
        return 0
    disjoint, used = 0, 0
    for actions in sorted(sets, key=int.bit_count):
        if not actions & used:
            used |= actions
            disjoint += 1
    if disjoint > size:
        return None
    left = list(sets)
    for action in members(min(sets, key=int.bit_count)):
        found = hitting_set([actions for actions in left if not actions >> action & 1], size - 1)
        if found is not None:
            return found | 1 << action
        # the branches that follow leave this action out
        left = [actions & ~(1 << action) for actions in left]
        if not all(left):
            return None
    return None
