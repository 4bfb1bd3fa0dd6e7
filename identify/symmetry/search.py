"""Automorphisms and canonical order by individualisation and refinement, in Python.

This is the textbook search (McKay 1981): refine the colours; if several vertices share a colour, give each of them in
turn a colour of its own and continue. The leaf with the least relabelled graph gives the canonical order. Two leaves
with the same graph give an automorphism, and known automorphisms prune all but one vertex of each orbit. The search is
slower than BLISS and raises an error beyond a limit of work.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from identify.exceptions import RequestError
from identify.symmetry.coloured import ColouredGraph, number_colours, refine

__all__ = ["Search"]

# limit for the vertices and edges visited in all refinements together, which takes some seconds
_MAX_WORK = 5_000_000
_MAX_DEPTH = 400

Colours = NDArray[np.int64]
Leaf = tuple[bytes, list[int]]


class Search:
    """The result for one graph; the search runs when the result is first used."""

    def __init__(self, graph: ColouredGraph) -> None:
        self._graph = graph
        edges = np.array(graph.edges(), dtype=np.int64).reshape(-1, 2)
        self._tails, self._heads = edges[:, 0], edges[:, 1]
        self._work = 0
        self._first: Leaf | None = None
        self._best: Leaf | None = None
        self._generators: list[list[int]] = []
        self._group_order = 1

    @property
    def order(self) -> list[int]:
        return self._result[0]

    @property
    def generators(self) -> list[list[int]]:
        return self._result[1]

    @property
    def n_automorphisms(self) -> int | None:
        return self._result[2]

    @cached_property
    def _result(self) -> tuple[list[int], list[list[int]], int]:
        (colours,) = number_colours(self._graph)
        self._visit(refine(colours, self._tails, self._heads), [], on_first_path=True)
        if self._best is None:
            raise AssertionError("the search ended without a leaf")
        return self._best[1], self._generators, self._group_order

    def _visit(self, colours: Colours, fixed: list[int], on_first_path: bool) -> bool:
        """Search below a node; return whether the search stopped because an automorphism maps it to the first path."""
        cell = _first_cell(colours)
        if cell is None:
            return self._record_leaf(colours) and not on_first_path
        self._count_work(len(cell), len(fixed))
        children = self._children(colours, cell)
        orbit = [children[0][0]]
        for k, (vertex, refined) in enumerate(children):
            if k and vertex in self._orbit(orbit, fixed):
                continue
            stopped = self._visit(refined, [*fixed, vertex], on_first_path and k == 0)
            if stopped and not on_first_path:
                # the whole node is the image of one on the first path, so there is nothing new below it
                return True
            if k and not stopped:
                orbit.append(vertex)
        if on_first_path:
            self._group_order *= len(self._orbit([children[0][0]], fixed))
        return False

    def _children(self, colours: Colours, cell: NDArray[np.intp]) -> list[tuple[int, Colours]]:
        """Return the refinements after individualising each vertex of the cell, if their invariant is the least."""
        children = []
        for vertex in cell.tolist():
            split = colours * 2 + 1
            split[vertex] -= 1
            refined = refine(split, self._tails, self._heads)
            children.append((self._invariant(refined), vertex, refined))
        least = min(invariant for invariant, _, _ in children)
        return [(vertex, refined) for invariant, vertex, refined in children if invariant == least]

    def _invariant(self, colours: Colours) -> bytes:
        """Return an invariant of isomorphic nodes: the sizes of the cells and the numbers of edges between them."""
        n_colours = int(colours.max()) + 1
        n_edges = np.bincount(colours[self._tails] * n_colours + colours[self._heads], minlength=1)
        pairs = np.flatnonzero(n_edges)
        arrays = (np.bincount(colours), pairs, n_edges[pairs])
        return b"".join(array.astype(">i8").tobytes() for array in arrays)

    def _record_leaf(self, colours: Colours) -> bool:
        """Record a leaf; return whether it is an image of the first leaf."""
        relabelled = np.sort(colours[self._tails] * len(colours) + colours[self._heads])
        leaf = (relabelled.astype(">i8").tobytes(), np.argsort(colours).tolist())
        if self._first is None or self._best is None:
            self._first = self._best = leaf
            return False
        for previous in (self._first, self._best):
            if leaf[0] == previous[0] and leaf[1] != previous[1]:
                self._add_generator(previous[1], leaf[1])
        if leaf[0] < self._best[0]:
            self._best = leaf
        return leaf[0] == self._first[0]

    def _add_generator(self, order: list[int], other_order: list[int]) -> None:
        images = [0] * len(order)
        for vertex, image in zip(order, other_order, strict=True):
            images[vertex] = image
        if images not in self._generators:
            self._generators.append(images)

    def _orbit(self, start: list[int], fixed: list[int]) -> set[int]:
        """Return the orbit of some vertices under the known automorphisms that fix the given vertices."""
        stabiliser = [images for images in self._generators if all(images[v] == v for v in fixed)]
        orbit, stack = set(start), list(start)
        while stack:
            v = stack.pop()
            for images in stabiliser:
                if images[v] not in orbit:
                    orbit.add(images[v])
                    stack.append(images[v])
        return orbit

    def _count_work(self, n_refinements: int, depth: int) -> None:
        self._work += n_refinements * (self._graph.n + len(self._tails))
        if self._work > _MAX_WORK or depth > _MAX_DEPTH:
            raise RequestError(
                f"this graph of {self._graph.n:,} latents has too many symmetries for the search in Python; "
                "install igraph, which is faster"
            )


def _first_cell(colours: Colours) -> NDArray[np.intp] | None:
    """Return the vertices of the first colour that several vertices share, or None."""
    shared = np.flatnonzero(np.bincount(colours) > 1)
    return np.flatnonzero(colours == shared[0]) if len(shared) else None
