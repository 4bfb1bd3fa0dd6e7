"""What is true of the latents of a learned model: their edges in the true graph, and which true latents they are of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estimation.dataset import Dataset
from estimation.metrics import mean_correlation, multiple_correlation
from estimation.trained import TrainedModel
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph

__all__ = ["MIN_SHARE", "Edges", "latent_shares", "matching", "true_edges"]

Edges = dict[str, NDArray[np.bool_]]

#: A latent is right if the true latents that it may depend on explain this share of what all of them explain.
MIN_SHARE = 0.97


def matching(model: TrainedModel, test: Dataset) -> NDArray[np.int64]:
    """Return the learned latent matched to each true one by correlation, -1 for none."""
    assert test.latents is not None
    return mean_correlation(test.latents, model.encode(test.observations)).permutation


def true_edges(graph: CausalGraph, permutation: NDArray[np.int64], n_learned: int) -> Edges:
    """Return which pairs of learned latents and causes have an edge in the true graph, by ``"actions"`` and ``"past"``.

    Args:
        graph: The true graph.
        permutation: Learned latent matched to each true one, -1 for none.
        n_learned: Number of learned latents; those without a match have no true edges.
    """
    match = np.full(n_learned, graph.n_latents)
    has_match = permutation >= 0
    match[permutation[has_match]] = np.flatnonzero(has_match)
    actions = np.pad(graph.Ga.toarray(), ((0, 1), (0, 0)))
    past = np.pad(graph.Gz.toarray(), (0, 1))
    return {"actions": actions[match], "past": past[np.ix_(match, match)]}


def latent_shares(model: TrainedModel, test: Dataset) -> NDArray[np.float64]:
    """Return how much of each learned latent the true latents explain that its graph lets it depend on, shape (n,).

    Multiple correlation of the learned latent with the true latents matched to those that it may mix with, divided by
    that with all true latents.

    Args:
        model: A model.
        test: Test rows with true latents.
    """
    assert test.latents is not None
    learned = model.encode(test.observations)
    allowed = predict_entanglement(model.sparse_graph)
    inverse = np.full(learned.shape[-1], -1)
    permutation = matching(model, test)
    has_match = permutation >= 0
    inverse[permutation[has_match]] = np.flatnonzero(has_match)
    of_allowed = multiple_correlation(learned, test.latents, allowed, inverse).per_latent
    of_all = multiple_correlation(learned, test.latents).per_latent
    return np.asarray(of_allowed / np.maximum(of_all, np.finfo(float).tiny))
