"""Causal graphs as coloured directed graphs without loops, and colour refinement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from identify.graph import CausalGraph
from identify.hashing import GOLDEN_GAMMA, mix64

__all__ = ["Colour", "ColouredGraph", "from_graph", "number_colours", "refine"]

#: A colour: nested tuples of integers, so that colours can be sorted and compared between graphs.
Colour = tuple[Any, ...]


@dataclass(frozen=True)
class ColouredGraph:
    """A directed graph without loops whose vertices have colours.

    Attributes:
        colours: The colour of each vertex.
        successors: For each vertex, the vertices to which it has an edge.
        predecessors: For each vertex, the vertices that have an edge to it.
    """

    colours: tuple[Colour, ...]
    successors: tuple[frozenset[int], ...]
    predecessors: tuple[frozenset[int], ...]

    @property
    def n(self) -> int:
        """Number of vertices."""
        return len(self.colours)

    def edges(self) -> list[tuple[int, int]]:
        """Return the edges as (tail, head), in sorted order."""
        return [(tail, head) for tail, heads in enumerate(self.successors) for head in sorted(heads)]


def from_graph(graph: CausalGraph, fixed: Sequence[int] = ()) -> ColouredGraph:
    """Return the latents of a causal graph as vertices, coloured by their actions and their self-loop.

    Args:
        graph: The causal graph.
        fixed: Latents that must not move; each gets a unique colour.
    """
    actions, past = _rows(graph.Ga), _rows(graph.Gz)
    rank = {latent: k + 1 for k, latent in enumerate(fixed)}
    predecessors: list[set[int]] = [set(parents) for parents in past]
    successors: list[set[int]] = [set() for _ in range(graph.n_latents)]
    colours = []
    for i, parents in enumerate(predecessors):
        colours.append((0, rank.get(i, 0), int(i in parents), tuple(actions[i])))
        parents.discard(i)
        for parent in parents:
            successors[parent].add(i)
    return ColouredGraph(
        tuple(colours), tuple(map(frozenset, successors)), tuple(map(frozenset, predecessors))
    )


def _rows(matrix: Any) -> list[list[int]]:
    indices, indptr = matrix.indices.tolist(), matrix.indptr.tolist()
    return [indices[a:b] for a, b in pairwise(indptr)]


def number_colours(*graphs: ColouredGraph) -> list[NDArray[np.int64]]:
    """Return the colours as integers in sorted order; equal colours get equal numbers in all graphs."""
    colours = sorted({colour for graph in graphs for colour in graph.colours})
    numbers = {colour: k for k, colour in enumerate(colours)}
    return [np.array([numbers[colour] for colour in graph.colours], dtype=np.int64) for graph in graphs]


def refine(colours: NDArray[np.int64], tails: NDArray[Any], heads: NDArray[Any]) -> NDArray[np.int64]:
    """Split colours until vertices of the same colour have the same number of neighbours of every colour.

    The colours of neighbours are summed as hashes. A collision would leave a colour unsplit. It is as likely in any
    relabelling of the graph, so results that build on the refinement remain correct.

    Args:
        colours: One integer per vertex.
        tails: Tails of the edges.
        heads: Heads of the edges.

    Returns:
        Colours 0, 1, ... that refine the input colours and keep their order; isomorphic graphs get the same colours.
    """
    _, current = np.unique(colours, return_inverse=True)
    while True:
        hashes = mix64((current.astype(np.uint64) + np.uint64(1)) * GOLDEN_GAMMA)
        from_predecessors, from_successors = (np.zeros(len(current), dtype=np.uint64) for _ in range(2))
        np.add.at(from_predecessors, heads, hashes[tails])
        np.add.at(from_successors, tails, hashes[heads])
        keys = np.stack([current.astype(np.uint64), from_predecessors, from_successors], axis=1)
        _, finer = np.unique(keys, axis=0, return_inverse=True)
        finer = finer.reshape(-1)
        if finer.max(initial=0) == current.max(initial=0):
            return finer.astype(np.int64)
        current = finer
