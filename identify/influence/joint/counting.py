"""Which latents can share a light direction with latent i, for generic effects, by counting actions with flows.

Let w be a direction with w_i not 0 whose support is I = {i} + J, J not empty, that moves no more actions than latent i
does. Let Pa(i) be the actions on i. Of the actions that act on J and not on i, w moves u and cancels the set C_o; of
Pa(i) it cancels C_i. Then u <= |C_i|, and cancelling action l on I takes r_l of the |I| - 1 = |J| free coefficients of
w. With the smallest r_l that an action of Pa(i) can be cancelled for,

    |J|  >=  sum over C_o of r_l + rho |C_i|  >=  sum over the actions on J outside Pa(i) of min(r_l, rho).

So if the actions outside Pa(i), with these capacities, outnumber every such J, no such direction exists. Whether some J
with a given latent j in it is not outnumbered is a question of a maximum flow, polynomial in the size of the graph.
(Ours, docs/theory.md.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GenericEffects", "members"]


def members(mask: int) -> list[int]:
    """Return the positions of the ones of a bit mask, ascending.

    Example:
        >>> members(0b1101)
        [0, 2, 3]
    """
    result = []
    while mask:
        lowest = mask & -mask
        result.append(lowest.bit_length() - 1)
        mask ^= lowest
    return result


@dataclass(frozen=True)
class GenericEffects:
    """Actions with generic effects of given dimensions.

    Attributes:
        n_latents: Number of latents.
        children: For each action, the bit mask of the latents that it acts on.
        ranks: For each action, the dimension of its effects, at most its number of children and at least 1 if it has
            children.
    """

    n_latents: int
    children: tuple[int, ...]
    ranks: tuple[int, ...]

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return len(self.children)

    def matrix(self) -> NDArray[np.bool_]:
        """Return which action acts on which latent, shape (n_latents, n_actions)."""
        rows = [[bool(mask >> i & 1) for mask in self.children] for i in range(self.n_latents)]
        return np.array(rows, dtype=bool).reshape(self.n_latents, self.n_actions)

    def parents(self) -> tuple[int, ...]:
        """Return for each latent the bit mask of the actions that act on it."""
        result = [0] * self.n_latents
        for action, mask in enumerate(self.children):
            for i in members(mask):
                result[i] |= 1 << action
        return tuple(result)

    def weights(self) -> tuple[int, ...]:
        """Return for each latent the number of actions that act on it."""
        return tuple(mask.bit_count() for mask in self.parents())

    def cancellable(self, action: int) -> bool:
        """Return whether some direction that contains all children of an action can cancel it."""
        return self.ranks[action] < self.children[action].bit_count()

    def capacities(self, i: int) -> tuple[int, ...]:
        """Return for each action the number of latents that it counts for against latent i; 0 for those on i."""
        plenty = self.n_latents + 1
        on_i = [a for a, mask in enumerate(self.children) if mask >> i & 1]
        least = min((self.ranks[a] for a in on_i if self.cancellable(a)), default=plenty)
        return tuple(
            0 if mask >> i & 1 or not mask else min(self.ranks[a] if self.cancellable(a) else plenty, least)
            for a, mask in enumerate(self.children)
        )

    def no_heavier(self, i: int, weights: Sequence[int]) -> list[int]:
        """Return the other latents whose weight is at most that of latent i, ascending."""
        return [j for j in range(self.n_latents) if j != i and weights[j] <= weights[i]]

    def rivals(self, i: int, weights: Sequence[int]) -> list[int]:
        """Return the latents that counting does not exclude from the light directions of latent i, ascending.

        Args:
            i: A latent.
            weights: The result of `weights`.

        Returns:
            The latents j of weight at most ``weights[i]`` for which some set J with j in it is not outnumbered.

        Example:
            >>> effects = GenericEffects(2, (0b11, 0b10, 0b10), (1, 1, 1))
            >>> effects.rivals(0, effects.weights()), effects.rivals(1, effects.weights())
            ([], [0])
        """
        others = self.no_heavier(i, weights)
        assignment = _Assignment(self.children, self.capacities(i))
        missing = sum(not assignment.place(j) for j in others)
        # a set J with j in it is outnumbered iff more than `missing` further units fit in at j
        return [j for j in others if not assignment.copy().place_all(j, missing + 1)]


class _Assignment:
    """Latents assigned to actions within capacities, extended along alternating paths."""

    def __init__(self, children: Sequence[int], capacities: Sequence[int]) -> None:
        self._children = children
        self._left = list(capacities)
        # latents, with repetitions, that each action holds
        self._held: list[list[int]] = [[] for _ in children]
        self._open = [a for a, capacity in enumerate(capacities) if capacity]

    def copy(self) -> _Assignment:
        """Return an independent copy."""
        result = _Assignment.__new__(_Assignment)
        result._children, result._open = self._children, self._open
        result._left, result._held = self._left.copy(), [held.copy() for held in self._held]
        return result

    def place_all(self, latent: int, count: int) -> bool:
        """Place several units of a latent and return whether all of them fit."""
        return all(self.place(latent) for _ in range(count))

    def place(self, latent: int) -> bool:
        """Place one unit of a latent, moving others where needed, and return whether it fits."""
        came_from: dict[int, tuple[int, int] | None] = {}
        queue: list[tuple[int, tuple[int, int] | None]] = [(latent, None)]
        seen = {latent}
        for moving, origin in queue:
            for action in self._open:
                if action in came_from or not self._children[action] >> moving & 1:
                    continue
                came_from[action] = None if origin is None else origin
                if self._left[action]:
                    self._follow(action, moving, came_from)
                    return True
                for held in set(self._held[action]) - seen:
                    seen.add(held)
                    queue.append((held, (action, moving)))
        return False

    def _follow(self, action: int, moving: int, came_from: dict[int, tuple[int, int] | None]) -> None:
        """Shift every latent of an alternating path by one action."""
        self._left[action] -= 1
        while True:
            self._held[action].append(moving)
            origin = came_from[action]
            if origin is None:
                return
            previous, mover = origin
            self._held[previous].remove(moving)
            action, moving = previous, mover
