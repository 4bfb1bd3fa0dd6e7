"""A causal graph as a coloured directed graph without loops, and the refinement of its colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from identify.graph import CausalGraph
from identify.hashing import GOLDEN_GAMMA, mix64

__all__ = ["Colour", "Coloured", "from_graph", "number_colours", "refine"]

#: What tells vertices apart from outside: nested tuples of integers, so that they can be sorted, and compared
#: between graphs.
Colour = tuple[Any, ...]


@dataclass(frozen=True)
class Coloured:
    """A directed graph without loops whose vertices have colours.

    Attributes:
        colours: One per vertex.
        out: For each vertex the vertices that it points at.
        into: For each vertex those that point at it.
    """

    colours: tuple[Colour, ...]
    out: tuple[frozenset[int], ...]
    into: tuple[frozenset[int], ...]

    @property
    def n(self) -> int:
        return len(self.colours)

    def edges(self) -> list[tuple[int, int]]:
        return [(tail, head) for tail, heads in enumerate(self.out) for head in sorted(heads)]


def from_graph(graph: CausalGraph, fixed: Sequence[int] = ()) -> Coloured:
    """The latents of a causal graph, coloured by their actions and their self-loop.

    Args:
        graph: The causal graph.
        fixed: Latents that get a colour of their own each.
    """
    acted, past = _rows(graph.Ga), _rows(graph.Gz)
    rank = {latent: k + 1 for k, latent in enumerate(fixed)}
    into: list[set[int]] = [set(parents) for parents in past]
    out: list[set[int]] = [set() for _ in range(graph.n_latents)]
    colours = []
    for i, parents in enumerate(into):
        colours.append((0, rank.get(i, 0), int(i in parents), tuple(acted[i])))
        parents.discard(i)
        for parent in parents:
            out[parent].add(i)
    return Coloured(tuple(colours), tuple(map(frozenset, out)), tuple(map(frozenset, into)))


def _rows(matrix: Any) -> list[list[int]]:
    indices, indptr = matrix.indices.tolist(), matrix.indptr.tolist()
    return [indices[a:b] for a, b in pairwise(indptr)]


def number_colours(*graphs: Coloured) -> list[NDArray[np.int64]]:
    """Colours as integers in sorted order, the same for the same colour in all the graphs."""
    number = {colour: k for k, colour in enumerate(sorted({c for graph in graphs for c in graph.colours}))}
    return [np.array([number[c] for c in graph.colours], dtype=np.int64) for graph in graphs]


def refine(colours: NDArray[np.int64], tails: NDArray[Any], heads: NDArray[Any]) -> NDArray[np.int64]:
    """Split colours until vertices of one colour have equally many neighbours of every colour.

    Neighbours are summed up by hashes of their colours. A collision would leave a colour unsplit, and is as
    likely in any relabelling of the graph, so what is built on the result stays right.

    Args:
        colours: One integer per vertex.
        tails: Where the edges start.
        heads: Where they end.

    Returns:
        Colours 0, 1, ... that refine the given ones, and keep their order; the same for isomorphic graphs.
    """
    _, current = np.unique(colours, return_inverse=True)
    while True:
        hashes = mix64((current.astype(np.uint64) + np.uint64(1)) * GOLDEN_GAMMA)
        above, below = (np.zeros(len(current), dtype=np.uint64) for _ in range(2))
        np.add.at(above, heads, hashes[tails])
        np.add.at(below, tails, hashes[heads])
        keys = np.stack([current.astype(np.uint64), above, below], axis=1)
        _, finer = np.unique(keys, axis=0, return_inverse=True)
        finer = finer.reshape(-1)
        if finer.max(initial=0) == current.max(initial=0):
            return finer.astype(np.int64)
        current = finer
