"""A stabiliser chain, which enumerates every element of a permutation group once without storing them all.

The chain follows Schreier and Sims: choose a point, collect its orbit with one group element for each point of the
orbit, and continue with the subgroup that fixes the point. Every element of the group is a product of one such
representative per level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["Level", "elements", "greedy_chain", "orbit_level"]

#: A permutation as a mapping from the points that it moves to their images.
SparsePermutation = dict[int, int]
Permutation = NDArray[np.intp]


@dataclass(frozen=True)
class Level:
    """One level of the chain.

    Attributes:
        base: The point that the next level fixes.
        schreier_tree: For each point of the orbit except the base, its predecessor in the orbit and the generator that
            maps the predecessor to it.
    """

    base: int
    schreier_tree: dict[int, tuple[int, SparsePermutation]]

    @property
    def size(self) -> int:
        """Length of the orbit."""
        return len(self.schreier_tree) + 1

    def representatives(self, n: int) -> Iterator[Permutation]:
        """Yield, for each point of the orbit in order of discovery, an element that maps the base to it."""
        identity = np.arange(n)
        yield identity
        by_point = {self.base: identity}
        for point, (predecessor, generator) in self.schreier_tree.items():
            by_point[point] = np.array([generator.get(i, i) for i in by_point[predecessor].tolist()])
            yield by_point[point]


def orbit_level(base: int, generators: Sequence[SparsePermutation]) -> Level:
    """Return the level with the orbit of a point under some generators."""
    by_point: dict[int, list[SparsePermutation]] = {}
    for generator in generators:
        for point in generator:
            by_point.setdefault(point, []).append(generator)
    schreier_tree: dict[int, tuple[int, SparsePermutation]] = {}
    queue = [base]
    for point in queue:
        for generator in by_point.get(point, ()):
            image = generator[point]
            if image != base and image not in schreier_tree:
                schreier_tree[image] = (point, generator)
                queue.append(image)
    return Level(base, schreier_tree)


def greedy_chain(generators: Sequence[SparsePermutation], order: int) -> list[Level] | None:
    """Return a chain built from the generators alone, if they happen to be strong for a greedily chosen base.

    The point that the fewest generators move comes first. The chain is complete if and only if the product of the
    levels' sizes is the order of the group.

    Args:
        generators: Generators of the group.
        order: Order of the group.

    Returns:
        The chain, or None if it is not complete.
    """
    remaining, chain = list(generators), []
    while remaining:
        n_moving: dict[int, int] = {}
        for generator in remaining:
            for point in generator:
                n_moving[point] = n_moving.get(point, 0) + 1
        base = min(n_moving, key=lambda point: (n_moving[point], point))
        chain.append(orbit_level(base, remaining))
        remaining = [generator for generator in remaining if base not in generator]
    return chain if prod(level.size for level in chain) == order else None


def elements(chain: Sequence[Level], n: int) -> Iterator[Permutation]:
    """Yield all elements of the group as images of 0..n-1, the identity first."""
    if not chain:
        yield np.arange(n)
        return
    for outer in chain[0].representatives(n):
        for inner in elements(chain[1:], n):
            yield outer[inner]
