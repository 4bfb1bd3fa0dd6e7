"""SHD: how many edges of the learned graph are wrong, after the learned latents were matched to the true ones.

Missing and extra edges are counted apart, and those from the past apart from those from actions: which of the two it
is says what to change (a budget too small misses edges, one too large adds some).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics.inputs import checked_matching
from identify.graph import CausalGraph

__all__ = ["EdgeErrors", "GraphDistance", "structural_hamming"]

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EdgeErrors:
    """The wrong edges of one kind.

    Attributes:
        missing_edges: (child, parent) names of the edges of the true graph that the learned one lacks.
        extra_edges: (child, parent) names of the edges that only the learned graph has. Latents bear the names of
            the true ones; ``"learned z7"`` is a learned latent without a match.
        common: number of edges that both have.
    """

    missing_edges: Pairs
    extra_edges: Pairs
    common: int

    @property
    def missing(self) -> int:
        """Number of missing edges."""
        return len(self.missing_edges)

    @property
    def extra(self) -> int:
        """Number of extra edges."""
        return len(self.extra_edges)

    @property
    def distance(self) -> int:
        """Missing and extra edges together: the SHD."""
        return self.missing + self.extra

    @property
    def precision(self) -> float:
        """Share of the learned edges that are true; 1 when there is no learned edge, so none is wrong."""
        return _share(self.common, self.extra)

    @property
    def recall(self) -> float:
        """Share of the true edges that were learned; 1 when there is no true edge to learn."""
        return _share(self.common, self.missing)


@dataclass(frozen=True)
class GraphDistance(EdgeErrors):
    """The wrong edges of a learned graph: all of them, and each kind alone.

    Attributes:
        past: those of G^z.
        actions: those of G^a.
    """

    past: EdgeErrors
    actions: EdgeErrors


@default_errors
def structural_hamming(
    graph: CausalGraph, learned_graph: CausalGraph, permutation: ArrayLike | None = None
) -> GraphDistance:
    """Compare a learned graph with the true one, edge by edge.

    A latent without a match keeps its edges: those of a true latent are all missing, those of a learned one all
    extra. A reversed edge between two latents counts as one missing and one extra.

    Args:
        graph: the true graph.
        learned_graph: the learned one; its latents may be in any order, and more or fewer. Actions are the same
            ones in the same order.
        permutation: shape (n_latents of ``graph``,); the learned latent of each true one, -1 for none, as
            `mean_correlation` finds it. By default learned latent i is matched to true latent i.

    Returns:
        Edges are ordered by child, then parent, those from the past first.

    Raises:
        DataError: one of the two is no graph, the actions differ in number, or the permutation is not one-to-one.

    Example:
        >>> truth = CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"])
        >>> found = structural_hamming(truth, CausalGraph(Ga=[[0, 1], [1, 1]]), permutation=[1, 0])
        >>> found.distance, found.missing_edges, found.extra_edges
        (2, (('mass', 'a0'),), (('speed', 'a1'),))
    """
    for name, given in (("graph", graph), ("learned_graph", learned_graph)):
        if not isinstance(given, CausalGraph):
            raise DataError(f"{name} is a {type(given).__name__}; it must be a CausalGraph")
    if graph.n_actions != learned_graph.n_actions:
        raise DataError(
            f"graph has {graph.n_actions} actions and learned_graph {learned_graph.n_actions}; both must be about "
            "the same actions"
        )
    place, names = _common_order(graph, learned_graph, permutation)
    here = np.arange(graph.n_latents)
    past = _errors(_edges(graph.Gz, here, here), _edges(learned_graph.Gz, place, place), names, names)
    actions = np.arange(graph.n_actions)
    acted = _errors(
        _edges(graph.Ga, here, actions), _edges(learned_graph.Ga, place, actions), names, graph.actions
    )
    return GraphDistance(
        missing_edges=past.missing_edges + acted.missing_edges,
        extra_edges=past.extra_edges + acted.extra_edges,
        common=past.common + acted.common,
        past=past,
        actions=acted,
    )


def _common_order(
    graph: CausalGraph, learned: CausalGraph, permutation: ArrayLike | None
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Where each learned latent goes among the true ones, unmatched ones behind them; and the names of all."""
    n, n_hat = graph.n_latents, learned.n_latents
    if permutation is None:
        permutation = [i if i < n_hat else -1 for i in range(n)]
    matching = checked_matching(permutation, n, n_hat, "permutation")
    place = np.full(n_hat, -1, dtype=np.intp)
    place[matching[matching >= 0]] = np.flatnonzero(matching >= 0)
    alone = np.flatnonzero(place < 0)
    place[alone] = n + np.arange(len(alone))
    return place, graph.latents + tuple(f"learned {learned.latents[k]}" for k in alone)


def _edges(
    matrix: sparse.csr_array, child: NDArray[np.intp], parent: NDArray[np.intp]
) -> set[tuple[int, int]]:
    rows, columns = matrix.nonzero()
    return set(zip(child[rows].tolist(), parent[columns].tolist(), strict=True))


def _errors(
    true: set[tuple[int, int]],
    learned: set[tuple[int, int]],
    children: tuple[str, ...],
    parents: tuple[str, ...],
) -> EdgeErrors:
    def named(edges: set[tuple[int, int]]) -> Pairs:
        return tuple((children[i], parents[j]) for i, j in sorted(edges))

    return EdgeErrors(named(true - learned), named(learned - true), len(true & learned))


def _share(right: int, wrong: int) -> float:
    return right / (right + wrong) if right + wrong else 1.0
