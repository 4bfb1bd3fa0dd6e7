"""The symmetry group of a causal graph: order, generators, orbits, elements, and a canonical order of the latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from identify.graph import CausalGraph
from identify.symmetry.chain import Level, SparsePermutation, elements, greedy_chain, orbit_level
from identify.symmetry.coloured import from_graph
from identify.symmetry.engines import EngineResult, get_engine
from identify.symmetry.folding import FoldedGraph, fold

__all__ = ["SymmetryGroup"]


class SymmetryGroup:
    """The group of permutations of the latents that preserve G^z and G^a.

    Args:
        graph: The causal graph.
        engine: ``"igraph"``, ``"python"``, or None for the first that is installed.
        fixed: Latents that every permutation must fix.

    Raises:
        RequestError: If there is no such engine, or, on first use, if the Python engine gives up the search.
    """

    def __init__(self, graph: CausalGraph, engine: str | None = None, fixed: Sequence[int] = ()) -> None:
        self._graph = graph
        self._engine = engine
        self._fixed = tuple(fixed)

    @cached_property
    def _folded(self) -> FoldedGraph:
        return fold(from_graph(self._graph, self._fixed))

    @cached_property
    def _result(self) -> EngineResult:
        return get_engine(self._engine)(self._folded.graph)

    @cached_property
    def order(self) -> int:
        """The exact number of elements."""
        n_automorphisms = self._result.n_automorphisms
        if n_automorphisms is None:
            return prod(level.size for level in self._complete_chain())
        return n_automorphisms * self._folded.n_twin_permutations

    @cached_property
    def generators(self) -> tuple[SparsePermutation, ...]:
        """Generators, each as a map of the latents that it moves."""
        lifted = (self._folded.lift(image) for image in self._result.generators)
        return (*self._folded.twin_swaps(), *lifted)

    @cached_property
    def canonical_order(self) -> NDArray[np.intp]:
        """The order of the latents (position -> latent) that gives the same graph for every relabelling."""
        trees = (self._folded.trees[vertex] for vertex in self._result.order)
        return np.array([latent for tree in trees for latent in tree.latents], dtype=np.intp)

    @cached_property
    def orbits(self) -> tuple[tuple[int, ...], ...]:
        """The orbits of the latents, each ascending, ordered by their first latent."""
        visited: set[int] = set()
        orbits = []
        by_latent: dict[int, list[SparsePermutation]] = {}
        for generator in self.generators:
            for latent in generator:
                by_latent.setdefault(latent, []).append(generator)
        for latent in range(self._graph.n_latents):
            if latent not in visited:
                orbit = _orbit(latent, by_latent)
                visited |= orbit
                orbits.append(tuple(sorted(orbit)))
        return tuple(orbits)

    def elements(self) -> Iterator[NDArray[np.intp]]:
        """Yield all elements as orders of the latents, the identity first."""
        chain = greedy_chain(self.generators, self.order) or self._complete_chain()
        return elements(chain, self._graph.n_latents)

    def _complete_chain(self) -> list[Level]:
        """Return a complete chain; the engine computes the stabiliser of every further base point."""
        chain: list[Level] = []
        group = self
        while group.generators:
            base = min(min(generator) for generator in group.generators)
            chain.append(orbit_level(base, group.generators))
            group = SymmetryGroup(self._graph, self._engine, (*group._fixed, base))
        return chain


def _orbit(start: int, by_latent: dict[int, list[SparsePermutation]]) -> set[int]:
    orbit, stack = {start}, [start]
    while stack:
        latent = stack.pop()
        for generator in by_latent.get(latent, ()):
            if generator[latent] not in orbit:
                orbit.add(generator[latent])
                stack.append(generator[latent])
    return orbit
