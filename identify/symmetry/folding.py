"""Folding of interchangeable vertices: twins become one vertex, again and again.

Two vertices of one colour are twins when they have the same neighbours (each other left out). A class of twins
is exchanged freely, so it contributes the factorial of its size to the number of automorphisms, and one vertex of
a new colour is enough to stand for it. Folding repeats, since folded vertices may be twins again (500 disjoint
pairs fold into 500 twins). Real graphs, and the textbook ones, mostly fold into graphs without any symmetry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import factorial, prod

from identify.symmetry.coloured import Colour, Coloured

__all__ = ["Folded", "Tree", "fold"]

# a graph that still folds after so many rounds is left to the engine as it is
_MOST_ROUNDS = 64


@dataclass(frozen=True)
class Tree:
    """What a folded vertex stands for: a single latent, or twins that are trees of one colour.

    Attributes:
        latents: All latents below, in an order that matches any other tree of the same colour.
        twins: The trees that were folded; empty for a single latent.
    """

    latents: tuple[int, ...]
    twins: tuple[Tree, ...] = ()


@dataclass(frozen=True)
class Folded:
    """A folded graph.

    Attributes:
        graph: The graph that is left; trees that match have the same colour.
        trees: What each of its vertices stands for.
        classes: All classes of twins that were folded.
    """

    graph: Coloured
    trees: tuple[Tree, ...]
    classes: tuple[tuple[Tree, ...], ...]

    @property
    def n_exchanges(self) -> int:
        """Number of automorphisms that only exchange twins."""
        return prod(factorial(len(twins)) for twins in self.classes)

    def exchanges(self) -> Iterator[dict[int, int]]:
        """Generators of those: for each class, neighbours exchanged; latents that stay are left out."""
        for twins in self.classes:
            for one, other in pairwise(twins):
                there = dict(zip(one.latents, other.latents, strict=True))
                yield there | {b: a for a, b in there.items()}

    def lift(self, image: list[int]) -> dict[int, int]:
        """An automorphism of the folded graph as one of the latents."""
        return {
            a: b
            for vertex, target in enumerate(image)
            if vertex != target
            for a, b in zip(self.trees[vertex].latents, self.trees[target].latents, strict=True)
        }


def fold(graph: Coloured) -> Folded:
    """Fold twins until there are none."""
    trees = tuple(Tree((latent,)) for latent in range(graph.n))
    classes: list[tuple[Tree, ...]] = []
    for _ in range(_MOST_ROUNDS):
        groups = _twins(graph)
        if len(groups) == graph.n:
            break
        graph, trees = _merge(graph, trees, groups)
        classes += [tree.twins for tree, (_, members) in zip(trees, groups, strict=True) if len(members) > 1]
    return Folded(graph, trees, tuple(classes))


Group = tuple[int, list[int]]


def _twins(graph: Coloured) -> list[Group]:
    """Classes of twins and single vertices by their first vertex; 1 stands for twins that are linked."""
    apart: dict[object, list[int]] = defaultdict(list)
    linked: dict[object, list[int]] = defaultdict(list)
    for v in range(graph.n):
        itself = {v}
        apart[graph.colours[v], graph.out[v], graph.into[v]].append(v)
        linked[graph.colours[v], graph.out[v] | itself, graph.into[v] | itself].append(v)
    groups = [(kind, members) for kind, found in ((0, apart), (1, linked)) for members in found.values()]
    # a vertex has twins of one kind only: a twin that is linked to it is linked to its other twins
    folded = {v for _, members in groups if len(members) > 1 for v in members}
    groups = [(kind, members) for kind, members in groups if len(members) > 1]
    groups += [(0, [v]) for v in range(graph.n) if v not in folded]
    return sorted(groups, key=lambda group: group[1][0])


def _merge(
    graph: Coloured, trees: tuple[Tree, ...], groups: list[Group]
) -> tuple[Coloured, tuple[Tree, ...]]:
    target = {v: number for number, (_, members) in enumerate(groups) for v in members}
    firsts = [members[0] for _, members in groups]

    def moved(neighbours: tuple[frozenset[int], ...]) -> tuple[frozenset[int], ...]:
        return tuple(
            frozenset(target[w] for w in neighbours[v]) - {number} for number, v in enumerate(firsts)
        )

    colours: list[Colour] = []
    merged: list[Tree] = []
    for kind, members in groups:
        single = len(members) == 1
        colour = graph.colours[members[0]]
        colours.append(colour if single else (1, kind, len(members), colour))
        below = tuple(trees[v] for v in members)
        merged.append(below[0] if single else Tree(tuple(i for tree in below for i in tree.latents), below))
    return Coloured(tuple(colours), moved(graph.out), moved(graph.into)), tuple(merged)
