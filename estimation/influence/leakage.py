"""Leakage: effects of actions on latents without an edge, a measure of how far a model distorts its latents.

In the right latents these effects are zero. In distorted or mixed latents they are not, and effects on two children
that are proportional in the truth are about as far from proportional. So influence is shown only by effects that exceed
the leakage. (Ours, docs/influence_test.md; missing edges serve as negative controls.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estimation.influence.features import Causes, covariates, other_causes, transform
from estimation.influence.rank import effect_size, partial_out
from identify.graph import CausalGraph

__all__ = ["leakage"]

Array = NDArray[np.float64]

_QUANTILE = 0.9
_MAX_ROWS = 10_000


def leakage(latents: Array, causes: Causes, graph: CausalGraph) -> float:
    """Return the size of effects without an edge, relative to the largest effect of the same action on a child.

    The effects of an action without children are relative to the median of the others' largest effects.

    Args:
        latents: Latents that the actions act on, shape (N, n). Of more than 10,000 rows, evenly spaced ones are used.
        causes: Actions and past latents of the same rows.
        graph: The graph over these latents.

    Returns:
        The 0.9 quantile over all actions and all latents that are not among their children: robust to an edge that the
        graph lacks. 0 if there are none.

    Example:
        >>> actions = np.random.default_rng(0).uniform(-2, 2, (2000, 2))
        >>> graph = CausalGraph(Ga=np.eye(2))
        >>> bool(leakage(np.sin(actions), Causes(actions), graph) < 0.01)
        True
        >>> mixed = np.sin(actions) @ [[1, 0.3], [0, 1]]
        >>> round(leakage(mixed, Causes(actions), graph), 1)
        0.3
    """
    rows = np.linspace(0, len(latents) - 1, min(len(latents), _MAX_ROWS)).astype(int)
    latents, causes = latents[rows], causes.take(rows)
    edges, scale = graph.Ga.toarray(), latents.std(0)
    sizes = np.zeros(edges.shape)
    for action in range(edges.shape[1]):
        features = transform(causes.actions[:, action])
        for latent in range(len(edges)):
            others = covariates(causes, action, other_causes(graph, np.array([latent]), action, causes))
            response, n_parameters = partial_out(latents[:, [latent]], others)
            size = effect_size(partial_out(features, others)[0], response, n_parameters)
            sizes[latent, action] = size / scale[latent] if scale[latent] > 0 else 0.0
    on_children = np.where(edges, sizes, 0).max(0, initial=0)
    if edges.all() or not on_children.any():
        return 0.0
    on_children[on_children == 0] = np.median(on_children[on_children > 0])
    return float(np.quantile((sizes / on_children)[~edges], _QUANTILE))
