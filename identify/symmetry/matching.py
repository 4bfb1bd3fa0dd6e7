"""Isomorphisms between two causal graphs that map each latent to one of its allowed images.

Twins and pendants are folded first, and two trees are compatible only if their latents can be matched as allowed. Both
folded graphs are then searched together by individualisation and refinement. At each step the allowed images must still
contain a matching, so neither symmetry nor a single missing image makes the search long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import maximum_bipartite_matching

from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.symmetry.coloured import from_graph, number_colours, refine
from identify.symmetry.folding import FoldedGraph, Tree, fold

__all__ = ["find_isomorphism"]

_MAX_STEPS = 5_000

Allowed = NDArray[np.bool_]


def find_isomorphism(graph: CausalGraph, other: CausalGraph, allowed: Allowed) -> NDArray[np.intp] | None:
    """Find p with ``other.permute(p) == graph`` and ``allowed[i, p[i]]`` for every latent i.

    Args:
        graph: The graph whose latents are mapped.
        other: The graph to which they are mapped, of the same shape.
        allowed: Bool, shape (n, n); row i marks the latents of ``other`` to which latent i may be mapped.

    Returns:
        The permutation p, or None if there is none.

    Raises:
        RequestError: If the search exceeds its limit of steps.
    """
    first, second = fold(from_graph(graph)), fold(from_graph(other))
    if sorted(first.graph.colours) != sorted(second.graph.colours):
        return None
    images = _Search(first, second, allowed).run()
    if images is None:
        return None
    permutation = np.empty(graph.n_latents, dtype=np.intp)
    for vertex, vertex_image in enumerate(images):
        for latent, image in _match_trees(first.trees[vertex], second.trees[vertex_image], allowed):
            permutation[latent] = image
    return permutation


@dataclass
class _Search:
    """Individualisation and refinement of the disjoint union of two folded graphs."""

    first: FoldedGraph
    second: FoldedGraph
    allowed: Allowed

    def run(self) -> list[int] | None:
        n = self.first.graph.n
        self._n = n
        edges = np.array(
            [*self.first.graph.edges(), *((a + n, b + n) for a, b in self.second.graph.edges())],
            dtype=np.int64,
        ).reshape(-1, 2)
        self._tails, self._heads = edges[:, 0], edges[:, 1]
        colours = refine(np.concatenate(number_colours(self.first.graph, self.second.graph)), *edges.T)
        self._candidates = self._tree_candidates(colours)
        n_steps = 0
        stack = [colours]
        while stack:
            n_steps += 1
            if n_steps > _MAX_STEPS:
                raise RequestError(
                    f"the search for a matching permutation was given up after {n_steps - 1:,} steps"
                )
            colours = stack.pop()
            domains = self._domains(colours)
            if domains is None:
                continue
            vertex = int(np.argmin(np.where(domains.counts > 1, domains.counts, n + 1)))
            if domains.counts[vertex] == 1:
                images = domains.candidates.indices.tolist()
                if self._preserves_edges(images):
                    return images
                continue
            start, stop = domains.candidates.indptr[vertex : vertex + 2]
            # the top of the stack is visited first
            stack += [
                self._individualise(colours, vertex, int(image))
                for image in domains.candidates.indices[start:stop][::-1]
            ]
        return None

    def _tree_candidates(self, colours: NDArray[np.int64]) -> sparse.csr_array:
        """Return the allowed images of folded vertices: same colour, and their latents can be matched."""
        by_colour: dict[int, list[int]] = {}
        for w, colour in enumerate(colours[self._n :].tolist()):
            by_colour.setdefault(colour, []).append(w)
        pairs = [
            (v, w)
            for v, colour in enumerate(colours[: self._n].tolist())
            for w in by_colour.get(colour, ())
            if _can_match(self.first.trees[v], self.second.trees[w], self.allowed)
        ]
        rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        ones = np.ones(len(rows), dtype=bool)
        return sparse.csr_array((ones, (rows, columns)), shape=(self._n, self._n))

    def _domains(self, colours: NDArray[np.int64]) -> _Domains | None:
        """Return the candidates with matching colours, or None if they contain no matching of all vertices."""
        first, second = colours[: self._n], colours[self._n :]
        if not np.array_equal(np.sort(first), np.sort(second)):
            return None
        rows = np.repeat(np.arange(self._n), np.diff(self._candidates.indptr))
        same_colour = first[rows] == second[self._candidates.indices]
        pairs = (rows[same_colour], self._candidates.indices[same_colour])
        ones = np.ones(len(pairs[0]), dtype=bool)
        candidates = sparse.csr_array((ones, pairs), shape=self._candidates.shape)
        candidates.sort_indices()
        if (maximum_bipartite_matching(candidates, perm_type="column") < 0).any():
            return None
        return _Domains(candidates, np.diff(candidates.indptr))

    def _individualise(self, colours: NDArray[np.int64], vertex: int, image: int) -> NDArray[np.int64]:
        split = colours * 2 + 1
        split[[vertex, self._n + image]] -= 1
        return refine(split, self._tails, self._heads)

    def _preserves_edges(self, images: list[int]) -> bool:
        successors = self.second.graph.successors
        return len(set(images)) == len(images) and all(
            {images[w] for w in heads} == successors[images[v]]
            for v, heads in enumerate(self.first.graph.successors)
        )


@dataclass(frozen=True)
class _Domains:
    """The candidate images of every vertex, and their number."""

    candidates: sparse.csr_array
    counts: NDArray[np.integer]


def _can_match(tree: Tree, other: Tree, allowed: Allowed) -> bool:
    if tree.is_latent:
        return bool(allowed[tree.latents[0], other.latents[0]])
    if tree.parts:
        return all(_can_match(a, b, allowed) for a, b in zip(tree.parts, other.parts, strict=True))
    return _match_twins(tree, other, allowed) is not None


def _match_twins(tree: Tree, other: Tree, allowed: Allowed) -> list[int] | None:
    """Return the image of every twin, or None if not all twins can be matched."""
    if all(twin.is_latent for twin in tree.twins):
        compatible = allowed[np.ix_(tree.latents, other.latents)]
    else:
        compatible = np.array([[_can_match(a, b, allowed) for b in other.twins] for a in tree.twins])
    matching = maximum_bipartite_matching(sparse.csr_array(compatible), perm_type="column")
    return None if (matching < 0).any() else matching.tolist()


def _match_trees(tree: Tree, other: Tree, allowed: Allowed) -> list[tuple[int, int]]:
    if tree.is_latent:
        return [(tree.latents[0], other.latents[0])]
    if tree.parts:
        parts = zip(tree.parts, other.parts, strict=True)
        return [pair for a, b in parts for pair in _match_trees(a, b, allowed)]
    matching = _match_twins(tree, other, allowed)
    if matching is None:
        raise AssertionError("compatible trees must have a matching")
    return [
        pair
        for twin, position in zip(tree.twins, matching, strict=True)
        for pair in _match_trees(twin, other.twins[position], allowed)
    ]
