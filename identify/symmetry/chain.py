"""A stabiliser chain: every element of a permutation group, once, without holding them all.

Schreier and Sims: choose a point, collect its orbit with one element per point of the orbit, go on with the
subgroup that fixes the point. Every element of the group is a product of one such representative per level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["Level", "elements", "greedy_chain", "orbit_level"]

#: A permutation by what it moves.
Moves = dict[int, int]
Permutation = NDArray[np.intp]


@dataclass(frozen=True)
class Level:
    """One step of the chain.

    Attributes:
        base: The point.
        steps: For each point of its orbit but the base: the point before it, and the generator between.
    """

    base: int
    steps: dict[int, tuple[int, Moves]]

    @property
    def size(self) -> int:
        return len(self.steps) + 1

    def representatives(self, n: int) -> Iterator[Permutation]:
        """For each point of the orbit, in the order found, an element that takes the base to it."""
        identity = np.arange(n)
        yield identity
        known = {self.base: identity}
        for point, (before, moves) in self.steps.items():
            known[point] = np.array([moves.get(i, i) for i in known[before].tolist()])
            yield known[point]


def orbit_level(base: int, generators: Sequence[Moves]) -> Level:
    """The orbit of a point under some generators."""
    moving: dict[int, list[Moves]] = {}
    for moves in generators:
        for point in moves:
            moving.setdefault(point, []).append(moves)
    steps: dict[int, tuple[int, Moves]] = {}
    todo = [base]
    for point in todo:
        for moves in moving.get(point, ()):
            image = moves[point]
            if image != base and image not in steps:
                steps[image] = (point, moves)
                todo.append(image)
    return Level(base, steps)


def greedy_chain(generators: Sequence[Moves], order: int) -> list[Level] | None:
    """A chain from generators alone, if they happen to be strong for a base that is found greedily.

    The point that the fewest generators move comes first. The levels' sizes multiply to the order of the group
    exactly when the chain is complete.

    Args:
        generators: Of the group.
        order: Of the group.

    Returns:
        The chain, or None when it is not complete.
    """
    left, chain = list(generators), []
    while left:
        count: dict[int, int] = {}
        for moves in left:
            for point in moves:
                count[point] = count.get(point, 0) + 1
        base = min(count, key=lambda point: (count[point], point))
        chain.append(orbit_level(base, left))
        left = [moves for moves in left if base not in moves]
    return chain if prod(level.size for level in chain) == order else None


def elements(chain: Sequence[Level], n: int) -> Iterator[Permutation]:
    """All elements of the group as images of 0..n-1, the identity first."""
    if not chain:
        yield np.arange(n)
        return
    for outer in chain[0].representatives(n):
        for inner in elements(chain[1:], n):
            yield outer[inner]
