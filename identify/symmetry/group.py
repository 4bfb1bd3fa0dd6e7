"""The symmetry group of a causal graph: order, generators, orbits, elements, and a canonical order of the latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from identify.graph import CausalGraph
from identify.symmetry.chain import Level, Moves, elements, greedy_chain, orbit_level
from identify.symmetry.coloured import from_graph
from identify.symmetry.engines import Answer, engine
from identify.symmetry.folding import Folded, fold

__all__ = ["Symmetry"]


class Symmetry:
    """The permutations of the latents that change neither G^z nor G^a.

    Args:
        graph: The causal graph.
        engine: ``"igraph"``, ``"python"``, or None for the first that is installed.
        fixed: Latents that must stay where they are.

    Raises:
        RequestError: If there is no such engine; or, when something is asked of the Python engine, the search is
            given up.
    """

    def __init__(self, graph: CausalGraph, engine: str | None = None, fixed: Sequence[int] = ()) -> None:
        self._graph = graph
        self._engine = engine
        self._fixed = tuple(fixed)

    @cached_property
    def _folded(self) -> Folded:
        return fold(from_graph(self._graph, self._fixed))

    @cached_property
    def _answer(self) -> Answer:
        return engine(self._engine)(self._folded.graph)

    @cached_property
    def order(self) -> int:
        """Number of elements, exact."""
        core = self._answer.n_automorphisms
        if core is None:
            return prod(level.size for level in self._chain_by_fixing())
        return core * self._folded.n_exchanges

    @cached_property
    def generators(self) -> tuple[Moves, ...]:
        """Generators, each by the latents that it moves."""
        core = (self._folded.lift(image) for image in self._answer.generators)
        return (*self._folded.exchanges(), *core)

    @cached_property
    def canonical_order(self) -> NDArray[np.intp]:
        """An order of the latents that gives the same graph for every relabelling: position -> latent."""
        trees = (self._folded.trees[vertex] for vertex in self._answer.order)
        return np.array([latent for tree in trees for latent in tree.latents], dtype=np.intp)

    @cached_property
    def orbits(self) -> tuple[tuple[int, ...], ...]:
        """Latents that the group exchanges with each other, ascending, by their first."""
        seen: set[int] = set()
        found = []
        by_latent: dict[int, list[Moves]] = {}
        for moves in self.generators:
            for latent in moves:
                by_latent.setdefault(latent, []).append(moves)
        for latent in range(self._graph.n_latents):
            if latent not in seen:
                orbit = _orbit(latent, by_latent)
                seen |= orbit
                found.append(tuple(sorted(orbit)))
        return tuple(found)

    def elements(self) -> Iterator[NDArray[np.intp]]:
        """All elements, one by one, as orders; the identity first."""
        chain = greedy_chain(self.generators, self.order) or self._chain_by_fixing()
        return elements(chain, self._graph.n_latents)

    def _chain_by_fixing(self) -> list[Level]:
        """A complete chain: the engine is asked again each time that a latent has been fixed."""
        chain: list[Level] = []
        group = self
        while group.generators:
            base = min(min(moves) for moves in group.generators)
            chain.append(orbit_level(base, group.generators))
            group = Symmetry(self._graph, self._engine, (*group._fixed, base))
        return chain


def _orbit(start: int, by_latent: dict[int, list[Moves]]) -> set[int]:
    orbit, todo = {start}, [start]
    while todo:
        latent = todo.pop()
        for moves in by_latent.get(latent, ()):
            if moves[latent] not in orbit:
                orbit.add(moves[latent])
                todo.append(moves[latent])
    return orbit
