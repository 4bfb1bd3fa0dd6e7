"""Screens of on/off interventions: what is missing for joint influence, and lower bounds on the actions to add.

New actions add columns to the graph. By `identify.influence.joint.expansion`, joint influence is a list of conditions
"at least so many actions touch this set of latents, but not this latent of it". Sets of too few actions are found by
minimum cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from identify.influence.joint.expansion import Shortfall, generic_rank, shortfalls

__all__ = ["Screen", "TargetLimits", "fewest_additions"]

Matrix = NDArray[np.bool_]


@dataclass(frozen=True)
class TargetLimits:
    """Target sets that a new action may have.

    Attributes:
        allowed: Positions of the latents that it may target.
        smallest, largest: Least and largest number of targets.
    """

    allowed: tuple[int, ...]
    smallest: int
    largest: int


@dataclass(frozen=True, eq=False)
class Screen:
    """A graph to which on/off actions are added.

    Attributes:
        existing: Which action of the graph targets which latent, shape (n, m).
        robust: Whether joint influence must survive the loss of any one new action.
    """

    existing: Matrix
    robust: bool

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.existing)

    def only(self, latents: Sequence[int] | NDArray[np.intp]) -> Screen:
        """Return the screen of some latents."""
        return Screen(self.existing[list(latents)], self.robust)

    def shortfalls(self, new: Matrix) -> list[Shortfall]:
        """Return sets of latents that too few actions touch; none iff the screen has joint influence.

        Args:
            new: Which new action targets which latent, shape (n, m_new).
        """
        found = shortfalls(np.hstack([self.existing, new]))
        if found or not self.robust:
            return found
        for lost in range(new.shape[1]):
            found += shortfalls(np.hstack([self.existing, np.delete(new, lost, axis=1)]))
        return list(dict.fromkeys(found))

    def without_redundant(self, new: Matrix, order: Sequence[int]) -> list[int]:
        """Return the positions of new actions that are left when redundant ones are removed in the given order.

        Args:
            new: Actions that give joint influence, shape (n, m_new).
            order: Positions of the actions to try, in order.
        """
        kept = list(range(new.shape[1]))
        for action in order:
            others = [k for k in kept if k != action]
            if not self.shortfalls(new[:, others]):
                kept = others
        return kept


def fewest_additions(screen: Screen, limits: TargetLimits) -> int | None:
    """Return a lower bound on the number of freely chosen on/off actions that give joint influence.

    Args:
        screen: The graph.
        limits: Target sets that new actions may have.

    Returns:
        The smallest number that meets the necessary conditions below, or None if no number does.

    Source:
        Ours, from the conditions of `identify.influence.joint.expansion`: n latents need n actions with independent
        effects; a latent that shares s actions with another one needs s + 2; and with a latent of p parents that shares
        an action there are n + p actions.

    Example:
        >>> def fewest(n, k):
        ...     return fewest_additions(Screen(np.zeros((n, 0), bool), False), TargetLimits(tuple(range(n)), k, k))
        >>> [[fewest(n, k) for k in (1, 2, 3)] for n in (5, 10, 20)]
        [[5, 9, 13], [10, 15, 15], [20, 30, 24]]
    """
    n, m = screen.existing.shape
    if n < 2 or not shortfalls(screen.existing):
        return 0
    entries = screen.existing.astype(np.int64)
    common = entries @ entries.T
    weights = np.diag(common).copy()
    np.fill_diagonal(common, 0)
    # a latent without actions shares its first one if every new action has several targets
    shares = (common.max(axis=1) > 0) | ((weights == 0) & (limits.smallest > 1))
    needed = np.where(shares, np.maximum(common.max(axis=1), 1) + 2, 1)
    n_missing = int(np.maximum(needed - weights, 0).sum())
    rank = generic_rank(screen.existing)
    largest = min(limits.largest, len(limits.allowed))
    # beyond this number, nothing changes but the mean number of actions per latent
    for count in range(1, 2 * n * (n + m) + 2):
        mean = -(-(int(weights.sum()) + count * limits.smallest) // n) if shares.all() else 0
        heaviest = max(mean, int(np.maximum(weights, needed)[shares].max(initial=-n)))
        if rank + count >= n and n_missing <= count * largest and m + count >= n + heaviest:
            return count + screen.robust
    return None
