"""Automorphisms and canonical order by individualisation and refinement, in Python.

The textbook search (McKay 1981): refine the colours; where a colour is left with several vertices, give each of
them in turn a colour of its own, and go on. Among the leaves the least relabelled graph is the canonical one. Two
leaves with the same graph give an automorphism, and known automorphisms spare the search all but one vertex of
each orbit. Slower than BLISS, and given up beyond a number of steps rather than left to run for ever.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from identify.exceptions import RequestError
from identify.symmetry.coloured import Coloured, number_colours, refine

__all__ = ["Search"]

# vertices and edges looked at, in all refinements together: some seconds
_MOST_WORK = 5_000_000
_DEEPEST = 400

Colours = NDArray[np.int64]
Leaf = tuple[bytes, list[int]]


class Search:
    """The answer for one graph; the search runs when it is first asked for."""

    def __init__(self, graph: Coloured) -> None:
        self._graph = graph
        edges = np.array(graph.edges(), dtype=np.int64).reshape(-1, 2)
        self._tails, self._heads = edges[:, 0], edges[:, 1]
        self._work = 0
        self._first: Leaf | None = None
        self._best: Leaf | None = None
        self._generators: list[list[int]] = []
        self._order_of_group = 1

    @property
    def order(self) -> list[int]:
        return self._done[0]

    @property
    def generators(self) -> list[list[int]]:
        return self._done[1]

    @property
    def n_automorphisms(self) -> int | None:
        return self._done[2]

    @cached_property
    def _done(self) -> tuple[list[int], list[list[int]], int]:
        (colours,) = number_colours(self._graph)
        self._visit(refine(colours, self._tails, self._heads), [], on_first=True)
        if self._best is None:
            raise AssertionError("the search ended without a leaf")
        return self._best[1], self._generators, self._order_of_group

    def _visit(self, colours: Colours, fixed: list[int], on_first: bool) -> bool:
        """Search below a node. True when it was left because an automorphism maps it to the first path."""
        cell = _first_cell(colours)
        if cell is None:
            return self._leaf(colours) and not on_first
        self._count_work(len(cell), len(fixed))
        children = self._children(colours, cell)
        orbit = [children[0][0]]
        for number, (vertex, below) in enumerate(children):
            leads = on_first and number == 0
            if number and vertex in self._orbit(orbit, fixed):
                continue
            left = self._visit(below, [*fixed, vertex], leads)
            if left and not on_first:
                # the whole node is an image of one on the first path: nothing new below it
                return True
            if number and not left:
                orbit.append(vertex)
        if on_first:
            self._order_of_group *= len(self._orbit([children[0][0]], fixed))
        return False

    def _children(self, colours: Colours, cell: NDArray[np.intp]) -> list[tuple[int, Colours]]:
        """Refinements for each vertex of the cell, those with the least invariant only."""
        found = []
        for vertex in cell.tolist():
            split = colours * 2 + 1
            split[vertex] -= 1
            below = refine(split, self._tails, self._heads)
            found.append((self._invariant(below), vertex, below))
        least = min(invariant for invariant, _, _ in found)
        return [(vertex, below) for invariant, vertex, below in found if invariant == least]

    def _invariant(self, colours: Colours) -> bytes:
        """The same for nodes that an isomorphism maps to each other: sizes of cells, edges between them."""
        n = int(colours.max()) + 1
        between = np.bincount(colours[self._tails] * n + colours[self._heads], minlength=1)
        used = np.flatnonzero(between)
        return b"".join(part.astype(">i8").tobytes() for part in (np.bincount(colours), used, between[used]))

    def _leaf(self, colours: Colours) -> bool:
        """Take note of a leaf; true when it is the image of the first one."""
        relabelled = np.sort(colours[self._tails] * len(colours) + colours[self._heads])
        leaf = (relabelled.astype(">i8").tobytes(), np.argsort(colours).tolist())
        if self._first is None or self._best is None:
            self._first = self._best = leaf
            return False
        for known in (self._first, self._best):
            if leaf[0] == known[0] and leaf[1] != known[1]:
                self._add_generator(known[1], leaf[1])
        if leaf[0] < self._best[0]:
            self._best = leaf
        return leaf[0] == self._first[0]

    def _add_generator(self, one: list[int], other: list[int]) -> None:
        image = [0] * len(one)
        for a, b in zip(one, other, strict=True):
            image[a] = b
        if image not in self._generators:
            self._generators.append(image)

    def _orbit(self, start: list[int], fixed: list[int]) -> set[int]:
        """What the known automorphisms that leave the fixed vertices alone make of some vertices."""
        moving = [image for image in self._generators if all(image[v] == v for v in fixed)]
        orbit, todo = set(start), list(start)
        while todo:
            v = todo.pop()
            for image in moving:
                if image[v] not in orbit:
                    orbit.add(image[v])
                    todo.append(image[v])
        return orbit

    def _count_work(self, refinements: int, depth: int) -> None:
        self._work += refinements * (self._graph.n + len(self._tails))
        if self._work > _MOST_WORK or depth > _DEEPEST:
            raise RequestError(
                f"this graph of {self._graph.n:,} latents has too many symmetries for the search in Python; "
                "install igraph, whose engine is faster"
            )


def _first_cell(colours: Colours) -> NDArray[np.intp] | None:
    """The vertices of the first colour that has several."""
    sizes = np.bincount(colours)
    several = np.flatnonzero(sizes > 1)
    return np.flatnonzero(colours == several[0]) if len(several) else None
