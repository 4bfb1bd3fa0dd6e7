"""Fold interchangeable vertices: merge twins into one vertex, and pendants into their neighbours, repeatedly.

Two vertices of the same colour are twins if they have the same neighbours apart from each other. The members of a twin
class can be permuted freely, so a class contributes the factorial of its size to the number of automorphisms, and a
single vertex of a new colour can represent it. Folding repeats, because folded vertices may be twins again (500
disjoint pairs fold into 500 twins).

A pendant is a vertex with one neighbour. Every automorphism takes it along with that neighbour, so both become one
vertex, whose colour says what was merged; the legs of a star become twins by it. Real graphs and
textbook graphs mostly fold into graphs without any symmetry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import factorial, prod

from identify.symmetry.coloured import Colour, ColouredGraph

__all__ = ["FoldedGraph", "Tree", "fold"]

# a graph that still folds after this many rounds is passed to the engine as it is
_MAX_ROUNDS = 64
# fewer pendants than one in so many vertices are not worth a round: a long path has two in each
_MIN_PENDANTS = 64


@dataclass(frozen=True)
class Tree:
    """The latents behind a folded vertex: a single latent, twins that are trees of the same colour, or different trees.

    Attributes:
        latents: All latents of the tree, in an order that matches any other tree of the same colour.
        twins: The trees that were folded and can be permuted; empty without twins.
        parts: A tree and those of its pendants, each matched by that in the same place; empty without pendants.
    """

    latents: tuple[int, ...]
    twins: tuple[Tree, ...] = ()
    parts: tuple[Tree, ...] = ()

    @property
    def is_latent(self) -> bool:
        """Whether it is a single latent."""
        return not (self.twins or self.parts)


@dataclass(frozen=True)
class FoldedGraph:
    """A folded graph.

    Attributes:
        graph: The graph after folding; vertices with isomorphic trees have the same colour.
        trees: The tree of each vertex.
        classes: All classes of twins that were folded.
    """

    graph: ColouredGraph
    trees: tuple[Tree, ...]
    classes: tuple[tuple[Tree, ...], ...]

    @property
    def n_twin_permutations(self) -> int:
        """Number of automorphisms that only permute twins."""
        return prod(factorial(len(twins)) for twins in self.classes)

    def twin_swaps(self) -> Iterator[dict[int, int]]:
        """Yield generators of these automorphisms: swaps of adjacent twins, as maps of the latents that move."""
        for twins in self.classes:
            for first, second in pairwise(twins):
                forward = dict(zip(first.latents, second.latents, strict=True))
                yield forward | {image: latent for latent, image in forward.items()}

    def lift(self, image: list[int]) -> dict[int, int]:
        """Return an automorphism of the folded graph as a map of the latents that it moves."""
        return {
            latent: latent_image
            for vertex, vertex_image in enumerate(image)
            if vertex != vertex_image
            for latent, latent_image in zip(
                self.trees[vertex].latents, self.trees[vertex_image].latents, strict=True
            )
        }


def fold(graph: ColouredGraph) -> FoldedGraph:
    """Fold twins and pendants until none are left."""
    trees = tuple(Tree((latent,)) for latent in range(graph.n))
    classes: list[tuple[Tree, ...]] = []
    for _ in range(_MAX_ROUNDS):
        groups = _twin_classes(graph)
        if len(groups) == graph.n:
            pendants = _pendants(graph)
            if len(pendants) * _MIN_PENDANTS < graph.n or not pendants:
                break
            graph, trees = _absorb(graph, trees, pendants)
            continue
        graph, trees = _merge(graph, trees, groups)
        classes += [tree.twins for tree, (_, members) in zip(trees, groups, strict=True) if len(members) > 1]
    return FoldedGraph(graph, trees, tuple(classes))


Group = tuple[int, list[int]]


def _twin_classes(graph: ColouredGraph) -> list[Group]:
    """Return twin classes and single vertices, ordered by their first vertex; kind 1 means that twins are adjacent."""
    separate: dict[object, list[int]] = defaultdict(list)
    adjacent: dict[object, list[int]] = defaultdict(list)
    for v in range(graph.n):
        separate[graph.colours[v], graph.successors[v], graph.predecessors[v]].append(v)
        adjacent[graph.colours[v], graph.successors[v] | {v}, graph.predecessors[v] | {v}].append(v)
    groups = [
        (kind, members) for kind, classes in ((0, separate), (1, adjacent)) for members in classes.values()
    ]
    # a vertex has twins of one kind only: a twin that is adjacent to it is adjacent to its other twins
    folded = {v for _, members in groups if len(members) > 1 for v in members}
    groups = [(kind, members) for kind, members in groups if len(members) > 1]
    groups += [(0, [v]) for v in range(graph.n) if v not in folded]
    return sorted(groups, key=lambda group: group[1][0])


def _merge(
    graph: ColouredGraph, trees: tuple[Tree, ...], groups: list[Group]
) -> tuple[ColouredGraph, tuple[Tree, ...]]:
    """Merge the members of each group into one vertex."""
    group_of = {v: k for k, (_, members) in enumerate(groups) for v in members}
    representatives = [members[0] for _, members in groups]

    def relabel(neighbours: tuple[frozenset[int], ...]) -> tuple[frozenset[int], ...]:
        return tuple(
            frozenset(group_of[w] for w in neighbours[v]) - {k} for k, v in enumerate(representatives)
        )

    colours: list[Colour] = []
    merged: list[Tree] = []
    for kind, members in groups:
        is_single = len(members) == 1
        colour = graph.colours[members[0]]
        colours.append(colour if is_single else (1, kind, len(members), colour))
        twins = tuple(trees[v] for v in members)
        merged.append(
            twins[0] if is_single else Tree(tuple(i for tree in twins for i in tree.latents), twins)
        )
    folded = ColouredGraph(tuple(colours), relabel(graph.successors), relabel(graph.predecessors))
    return folded, tuple(merged)


def _pendants(graph: ColouredGraph) -> dict[int, int]:
    """Return the vertices with one neighbour, and that neighbour, unless it has no other one."""
    neighbours = [graph.successors[v] | graph.predecessors[v] for v in range(graph.n)]
    return {
        v: next(iter(found))
        for v, found in enumerate(neighbours)
        if len(found) == 1 and len(neighbours[next(iter(found))]) > 1
    }


def _absorb(
    graph: ColouredGraph, trees: tuple[Tree, ...], pendants: dict[int, int]
) -> tuple[ColouredGraph, tuple[Tree, ...]]:
    """Merge pendants into their neighbours. Without twins, those of a vertex differ in direction or colour."""
    absorbed: dict[int, list[tuple[int, Colour, int]]] = defaultdict(list)
    for v, neighbour in pendants.items():
        direction = (v in graph.successors[neighbour]) + 2 * (v in graph.predecessors[neighbour])
        absorbed[neighbour].append((direction, graph.colours[v], v))
    kept = [v for v in range(graph.n) if v not in pendants]
    position = {v: k for k, v in enumerate(kept)}
    colours: list[Colour] = []
    merged: list[Tree] = []
    for v in kept:
        own = sorted(absorbed.get(v, []))
        colour = graph.colours[v]
        colours.append((2, colour, *((direction, other) for direction, other, _ in own)) if own else colour)
        parts = (trees[v], *(trees[pendant] for _, _, pendant in own))
        latents = tuple(latent for tree in parts for latent in tree.latents)
        merged.append(Tree(latents, parts=parts) if own else trees[v])

    def relabel(neighbours: tuple[frozenset[int], ...]) -> tuple[frozenset[int], ...]:
        return tuple(frozenset(position[w] for w in neighbours[v] if w in position) for v in kept)

    reduced = ColouredGraph(tuple(colours), relabel(graph.successors), relabel(graph.predecessors))
    return reduced, tuple(merged)
