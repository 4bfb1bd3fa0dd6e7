"""Pairs of a cause and a latent with the confidence that there is an edge, and those that are least certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from identify.graph import CausalGraph

__all__ = ["Pair", "edge_attributes", "least_certain", "pairs_of"]


@dataclass(frozen=True)
class Pair:
    """A possible edge.

    Attributes:
        cause: Name of the action or of the past latent.
        latent: Name of the latent.
        confidence: Probability that the true graph has the edge.
        has_edge: Whether the learned graph has it.
    """

    cause: str
    latent: str
    confidence: float
    has_edge: bool

    @property
    def doubt(self) -> float:
        """Probability that the learned graph is wrong about the pair."""
        return 1 - self.confidence if self.has_edge else self.confidence


def pairs_of(graph: CausalGraph, confidence: Mapping[str, Sequence[Sequence[float | None]]]) -> list[Pair]:
    """Return all pairs with a confidence, ordered by latent, those of actions first.

    Args:
        graph: The learned graph.
        confidence: Confidence by ``"actions"``, shape (n, m), and ``"past"``, shape (n, n), as in `Diagnostics`; None
            for pairs that were not measured.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 0]], latents=["v0"], actions=["push", "pull"])
        >>> [(pair.cause, pair.doubt) for pair in pairs_of(graph, {"actions": [[0.75, 0.125]]})]
        [('push', 0.25), ('pull', 0.125)]
    """
    result = []
    for kind, causes, matrix in (("actions", graph.actions, graph.Ga), ("past", graph.latents, graph.Gz)):
        edges = matrix.toarray()
        for i, row in enumerate(confidence.get(kind, ())):
            result += [
                Pair(causes[j], graph.latents[i], value, bool(edges[i, j]))
                for j, value in enumerate(row)
                if value is not None
            ]
    return result


def edge_attributes(
    graph: CausalGraph, confidence: Mapping[str, Sequence[Sequence[float | None]]]
) -> list[list[str | float]]:
    """Return the edges of a graph as lists of parent, child and confidence, for the metadata of a graph file.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 0]], latents=["v0"], actions=["push", "pull"])
        >>> edge_attributes(graph, {"actions": [[0.75, 0.125]]})
        [['push', 'v0', 0.75]]
    """
    return [
        [pair.cause, pair.latent, pair.confidence] for pair in pairs_of(graph, confidence) if pair.has_edge
    ]


def least_certain(pairs: Sequence[Pair], min_doubt: float = 0.05) -> list[Pair]:
    """Return the pairs about which the learned graph is wrong with at least this probability, the most doubtful first.

    Args:
        pairs: Pairs with their confidence.
        min_doubt: Smallest doubt.

    Example:
        >>> pairs = [Pair("a", "v0", 0.99, True), Pair("a", "v1", 0.3, False), Pair("b", "v0", 0.6, True)]
        >>> [(pair.cause, pair.latent) for pair in least_certain(pairs)]
        [('b', 'v0'), ('a', 'v1')]
    """
    doubtful = [pair for pair in pairs if pair.doubt >= min_doubt]
    return sorted(doubtful, key=lambda pair: -pair.doubt)
