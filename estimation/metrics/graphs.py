"""SHD, the structural Hamming distance: the number of wrong edges of the learned graph, after matching the latents.

Missing and extra edges are counted separately, and so are edges from the past and from actions. The two counts indicate
what to change: a budget that is too small leaves edges missing, one that is too large adds extra edges.
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
        missing_edges: Edges of the true graph that the learned graph lacks, as names (child, parent).
        extra_edges: Edges that only the learned graph has, as names (child, parent). Learned latents have the names of
            the true latents they are matched to; ``"learned z7"`` is a learned latent without a match.
        common: Number of edges in both graphs.
    """

    missing_edges: Pairs
    extra_edges: Pairs
    common: int

    @property
    def missing(self) -> int:
        """The number of missing edges."""
        return len(self.missing_edges)

    @property
    def extra(self) -> int:
        """The number of extra edges."""
        return len(self.extra_edges)

    @property
    def distance(self) -> int:
        """The SHD: the number of missing and extra edges."""
        return self.missing + self.extra

    @property
    def precision(self) -> float:
        """The share of the learned edges that are true; 1 if there is no learned edge."""
        return _share(self.common, self.extra)

    @property
    def recall(self) -> float:
        """The share of the true edges that were learned; 1 if there is no true edge."""
        return _share(self.common, self.missing)


@dataclass(frozen=True)
class GraphDistance(EdgeErrors):
    """The wrong edges of a learned graph, in total and by kind.

    Attributes:
        past: Wrong edges of G^z.
        actions: Wrong edges of G^a.
    """

    past: EdgeErrors
    actions: EdgeErrors


@default_errors
def structural_hamming(
    graph: CausalGraph, learned_graph: CausalGraph, permutation: ArrayLike | None = None
) -> GraphDistance:
    """Compare a learned graph with the true one, edge by edge.

    The edges of a latent without a match count: those of a true latent are missing, those of a learned one are extra. A
    reversed edge between two latents counts as one missing and one extra edge.

    Args:
        graph: True graph.
        learned_graph: Learned graph. Its latents may be in any order, and more or fewer; its actions are the same ones
            in the same order.
        permutation: Learned latent matched to each true one, shape (n_latents of ``graph``,), -1 for none, as
            `mean_correlation` returns it. None matches learned latent i to true latent i.

    Returns:
        Wrong edges, ordered by child, then parent, edges from the past first.

    Raises:
        DataError: If one of the two is not a graph, if the numbers of actions differ, or if the permutation is not
            one-to-one.

    Example:
        >>> truth = CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"])
        >>> distance = structural_hamming(truth, CausalGraph(Ga=[[0, 1], [1, 1]]), permutation=[1, 0])
        >>> distance.distance, distance.missing_edges, distance.extra_edges
        (2, (('mass', 'a0'),), (('speed', 'a1'),))
    """
    for name, argument in (("graph", graph), ("learned_graph", learned_graph)):
        if not isinstance(argument, CausalGraph):
            raise DataError(f"{name} is a {type(argument).__name__}; it must be a CausalGraph")
    if graph.n_actions != learned_graph.n_actions:
        raise DataError(
            f"graph has {graph.n_actions} actions and learned_graph {learned_graph.n_actions}; both must have the "
            "same actions"
        )
    learned, names = _common_indices(graph, learned_graph, permutation)
    true, actions = np.arange(graph.n_latents), np.arange(graph.n_actions)
    past_errors = _edge_errors(
        _edges(graph.Gz, true, true), _edges(learned_graph.Gz, learned, learned), names, names
    )
    action_errors = _edge_errors(
        _edges(graph.Ga, true, actions), _edges(learned_graph.Ga, learned, actions), names, graph.actions
    )
    return GraphDistance(
        missing_edges=past_errors.missing_edges + action_errors.missing_edges,
        extra_edges=past_errors.extra_edges + action_errors.extra_edges,
        common=past_errors.common + action_errors.common,
        past=past_errors,
        actions=action_errors,
    )


def _common_indices(
    graph: CausalGraph, learned: CausalGraph, permutation: ArrayLike | None
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return the index of each learned latent among the true ones, unmatched ones last; and the names of all."""
    n, n_hat = graph.n_latents, learned.n_latents
    if permutation is None:
        permutation = [i if i < n_hat else -1 for i in range(n)]
    matching = checked_matching(permutation, n, n_hat, "permutation")
    indices = np.full(n_hat, -1, dtype=np.intp)
    indices[matching[matching >= 0]] = np.flatnonzero(matching >= 0)
    unmatched = np.flatnonzero(indices < 0)
    indices[unmatched] = n + np.arange(len(unmatched))
    return indices, graph.latents + tuple(f"learned {learned.latents[k]}" for k in unmatched)


def _edges(
    matrix: sparse.csr_array, child_indices: NDArray[np.intp], parent_indices: NDArray[np.intp]
) -> set[tuple[int, int]]:
    rows, columns = matrix.nonzero()
    return set(zip(child_indices[rows].tolist(), parent_indices[columns].tolist(), strict=True))


def _edge_errors(
    true: set[tuple[int, int]],
    learned: set[tuple[int, int]],
    children: tuple[str, ...],
    parents: tuple[str, ...],
) -> EdgeErrors:
    def names(edges: set[tuple[int, int]]) -> Pairs:
        return tuple((children[i], parents[j]) for i, j in sorted(edges))

    return EdgeErrors(names(true - learned), names(learned - true), len(true & learned))


def _share(n_correct: int, n_wrong: int) -> float:
    return n_correct / (n_correct + n_wrong) if n_correct + n_wrong else 1.0
