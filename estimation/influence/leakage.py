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
_MAX_ROWS = 5_000
# missing edges that are measured; with more, evenly spaced ones
_MAX_MISSING = 200
# effects that exceed their noise by fewer standard deviations count as zero
_MIN_DEVIATIONS = 2.5


def leakage(latents: Array, causes: Causes, graph: CausalGraph) -> float:
    """Return the size of effects without an edge, relative to the largest effect of the same action on a child.

    Effects are those on means, and effects that noise explains count as zero. The effects of an action that clearly
    moves no child are relative to the median of the others' largest effects.

    Args:
        latents: Latents that the actions act on, shape (N, n). Of more than 5,000 rows, evenly spaced ones are used.
        causes: Actions and past latents of the same rows.
        graph: The graph over these latents.

    Returns:
        The 0.9 quantile over all actions and all latents that are not among their children: robust to an edge that the
        graph lacks. 0 if there are none, or if no action clearly moves a child.

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
    edges = graph.Ga.toarray()
    missing = np.argwhere(~edges)
    missing = missing[np.linspace(0, len(missing) - 1, min(len(missing), _MAX_MISSING)).astype(int)]
    on_children = np.zeros(edges.shape[1])
    for latent, action in np.argwhere(edges):
        size = _size(latents, causes, graph, int(latent), int(action))
        on_children[action] = max(on_children[action], size)
    if not len(missing) or not on_children.any():
        return 0.0
    on_children[on_children == 0] = np.median(on_children[on_children > 0])
    sizes = [_size(latents, causes, graph, int(latent), int(action)) for latent, action in missing]
    return float(np.quantile(sizes / on_children[missing[:, 1]], _QUANTILE))


def _size(latents: Array, causes: Causes, graph: CausalGraph, latent: int, action: int) -> float:
    """Return the effect of an action on a latent, in the latent's standard deviations; 0 if noise explains it."""
    scale = latents[:, latent].std()
    if not scale > 0:
        return 0.0
    others = covariates(causes, action, other_causes(graph, np.array([latent]), action, causes))
    values = np.column_stack([latents[:, latent] / scale, transform(causes.actions[:, action])])
    values, n_parameters = partial_out(values, others)
    return effect_size(values[:, 1:], values[:, :1], n_parameters, _MIN_DEVIATIONS)
