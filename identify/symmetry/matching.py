"""An isomorphism between two causal graphs where each latent may only go to some of the others.

Twins are folded first, and of their trees only those pairs are kept whose latents can be matched as the lists
allow. What is left is searched by individualisation and refinement of both graphs at once; at each step the lists
must still admit a matching, so neither symmetry nor a latent too few makes the search long.
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
from identify.symmetry.folding import Folded, Tree, fold

__all__ = ["find_isomorphism"]

_MOST_STEPS = 5_000

Allowed = NDArray[np.bool_]


def find_isomorphism(graph: CausalGraph, other: CausalGraph, allowed: Allowed) -> NDArray[np.intp] | None:
    """Find p with ``other.permute(p) == graph`` and ``allowed[i, p[i]]`` for every latent i.

    Args:
        graph: The graph whose latents are mapped.
        other: The graph that they are mapped to; of the same shape.
        allowed: Boolean, shape (n, n); row i says which latents of ``other`` latent i may go to.

    Returns:
        The mapping, or None when there is none.

    Raises:
        RequestError: If the search is given up.
    """
    one, two = fold(from_graph(graph)), fold(from_graph(other))
    if sorted(one.graph.colours) != sorted(two.graph.colours):
        return None
    found = _Search(one, two, allowed).run()
    if found is None:
        return None
    result = np.empty(graph.n_latents, dtype=np.intp)
    for vertex, target in enumerate(found):
        for latent, image in _match_trees(one.trees[vertex], two.trees[target], allowed):
            result[latent] = image
    return result


@dataclass
class _Search:
    """Individualisation and refinement of two folded graphs, side by side as one graph."""

    one: Folded
    two: Folded
    allowed: Allowed

    def run(self) -> list[int] | None:
        n = self.one.graph.n
        self._n = n
        edges = np.array(
            [*self.one.graph.edges(), *((a + n, b + n) for a, b in self.two.graph.edges())], dtype=np.int64
        ).reshape(-1, 2)
        self._tails, self._heads = edges[:, 0], edges[:, 1]
        colours = refine(np.concatenate(number_colours(self.one.graph, self.two.graph)), *edges.T)
        self._lists = self._tree_lists(colours)
        steps = 0
        todo = [colours]
        while todo:
            steps += 1
            if steps > _MOST_STEPS:
                raise RequestError(
                    f"the search for a matching permutation was given up after {steps - 1:,} steps"
                )
            colours = todo.pop()
            domains = self._domains(colours)
            if domains is None:
                continue
            vertex = int(np.argmin(np.where(domains.counts > 1, domains.counts, n + 1)))
            if domains.counts[vertex] == 1:
                image = domains.lists.indices.tolist()
                if self._preserves(image):
                    return image
                continue
            choices = domains.lists.indices[domains.lists.indptr[vertex] : domains.lists.indptr[vertex + 1]]
            # the last one is taken first
            todo += [self._together(colours, vertex, int(w)) for w in choices[::-1]]
        return None

    def _tree_lists(self, colours: NDArray[np.int64]) -> sparse.csr_array:
        """Which folded vertices may go to which: same colour, and their latents can be matched."""
        by_colour: dict[int, list[int]] = {}
        for w, colour in enumerate(colours[self._n :].tolist()):
            by_colour.setdefault(colour, []).append(w)
        pairs = [
            (v, w)
            for v, colour in enumerate(colours[: self._n].tolist())
            for w in by_colour.get(colour, ())
            if _fits(self.one.trees[v], self.two.trees[w], self.allowed)
        ]
        places = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        ones = np.ones(places.shape[1], dtype=bool)
        return sparse.csr_array((ones, (places[0], places[1])), shape=(self._n, self._n))

    def _domains(self, colours: NDArray[np.int64]) -> _Domains | None:
        """The lists that the colours leave; None when the latents can't all be placed any more."""
        mine, theirs = colours[: self._n], colours[self._n :]
        if not np.array_equal(np.sort(mine), np.sort(theirs)):
            return None
        rows = np.repeat(np.arange(self._n), np.diff(self._lists.indptr))
        kept = mine[rows] == theirs[self._lists.indices]
        places = (rows[kept], self._lists.indices[kept])
        lists = sparse.csr_array((np.ones(kept.sum(), dtype=bool), places), shape=self._lists.shape)
        lists.sort_indices()
        if (maximum_bipartite_matching(lists, perm_type="column") < 0).any():
            return None
        return _Domains(lists, np.diff(lists.indptr))

    def _together(self, colours: NDArray[np.int64], vertex: int, image: int) -> NDArray[np.int64]:
        split = colours * 2 + 1
        split[[vertex, self._n + image]] -= 1
        return refine(split, self._tails, self._heads)

    def _preserves(self, image: list[int]) -> bool:
        out = self.two.graph.out
        return len(set(image)) == len(image) and all(
            {image[w] for w in heads} == out[image[v]] for v, heads in enumerate(self.one.graph.out)
        )


@dataclass(frozen=True)
class _Domains:
    lists: sparse.csr_array
    counts: NDArray[np.integer]


def _fits(tree: Tree, other: Tree, allowed: Allowed) -> bool:
    if not tree.twins:
        return bool(allowed[tree.latents[0], other.latents[0]])
    return _assign(tree, other, allowed) is not None


def _assign(tree: Tree, other: Tree, allowed: Allowed) -> list[int] | None:
    """Which twin goes to which; None when they can't all be placed."""
    if all(not twin.twins for twin in tree.twins):
        fits = allowed[np.ix_(tree.latents, other.latents)]
    else:
        fits = np.array([[_fits(a, b, allowed) for b in other.twins] for a in tree.twins])
    match = maximum_bipartite_matching(sparse.csr_array(fits), perm_type="column")
    return None if (match < 0).any() else match.tolist()


def _match_trees(tree: Tree, other: Tree, allowed: Allowed) -> list[tuple[int, int]]:
    if not tree.twins:
        return [(tree.latents[0], other.latents[0])]
    places = _assign(tree, other, allowed)
    if places is None:
        raise AssertionError("trees that fit must match")
    return [
        pair
        for twin, place in zip(tree.twins, places, strict=True)
        for pair in _match_trees(twin, other.twins[place], allowed)
    ]
