"""Edges beyond the budget: kept while their effects are clear, and removed after the last step.

A budget below the number of true edges leaves effects without an edge. Encoder and flow then change the latents until
these effects disappear, so that a wrong budget costs the right latents. The last round of unmixing therefore keeps an
edge beyond the budget if its effect is clear. After the last step, when encoder and decoder stay as they are, edges
beyond the budget are removed, those with the weakest effects on the final latents, and the transition is fitted once
more. The latents remain as they were. If training counts the edges, those whose effects are clear count. (Ours.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.config.training import TrainingConfig
from estimation.exceptions import DataError
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.final_edges import edge_strengths
from estimation.training.post_training import SINGULAR, fit_transition_
from estimation.unmixing.moments import CLEAR_EFFECT, relative_sizes
from identify.exceptions import one_line
from identify.wording import plural

__all__ = ["clear_counts", "remove_edges_beyond_budget_"]

Array = NDArray[np.float64]

# a latent whose largest effect is a smaller share of the others' has no parents, and its effects are noise
_MIN_UNIT = 0.2
_MIN_STRENGTH = 1e-5
_MAX_REASON_LENGTH = 200


def clear_counts(
    strengths: Mapping[str, Array], limits: Mapping[str, int], latents: NDArray[np.bool_] | None = None
) -> dict[str, int]:
    """Return for each kind of cause how many edges to keep: the budget, or more if more effects are clear.

    Args:
        strengths: Root mean square effects by kind, shapes (n, m) or (n, n).
        limits: Budgets by kind; kinds without one keep all their edges.
        latents: Latents that causes move, shape (n,), by default all. Effects on the others are never clear.

    Example:
        >>> strengths = {"actions": np.array([[1.0, 0.9, 0.1], [0.0, 0.8, 0.1]])}
        >>> both = np.ones(2, dtype=bool)
        >>> clear_counts(strengths, {"actions": 2}, both), clear_counts(strengths, {"actions": 4}, both)
        ({'actions': 3}, {'actions': 4})
    """
    kinds = list(strengths)
    if latents is None:
        latents = np.ones(len(strengths[kinds[0]]), dtype=bool)
    within = [_strongest(strengths[kind], limits.get(kind, strengths[kind].size)) for kind in kinds]
    relative = relative_sizes([strengths[kind] for kind in kinds], within, latents, _MIN_UNIT)
    if relative is None:
        return dict(limits)
    n_clear = {
        kind: int((sizes[latents] >= CLEAR_EFFECT).sum()) for kind, sizes in zip(kinds, relative, strict=True)
    }
    return {kind: max(limit, n_clear.get(kind, 0)) for kind, limit in limits.items()}


def remove_edges_beyond_budget_(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int, limits: Mapping[str, int]
) -> str | None:
    """Keep the strongest edges within each budget, and fit the transition to them, in place.

    Args:
        model: Model with frozen edges. If effects on the final latents don't tell all edges or can't be measured, its
            logits rank them.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.
        limits: Budgets by mask.

    Returns:
        A note for the history; None if no mask has more edges than its budget.
    """
    surplus = _surplus(model, limits)
    if not surplus:
        return None
    remarks = []
    try:
        strengths = edge_strengths(model, batches, config, step)
    except (DataError, np.linalg.LinAlgError, SINGULAR) as error:
        strengths = None
        remarks.append(f"their effects were not measured again: {one_line(error, _MAX_REASON_LENGTH)}")
    for name in surplus:
        masks = model.edges[name]
        if strengths is None:
            masks.freeze_(limits[name])
        else:
            present = masks.support()[:, masks.sparse_columns]
            ranked = torch.from_numpy(strengths[name]).to(present.device)
            # an effect of 0 still comes before one without an edge
            masks.keep_strongest_(torch.where(present, ranked.clamp_min(_MIN_STRENGTH), 0), limits[name])
    try:
        fit_transition_(model, batches, config, step)
    except SINGULAR as error:
        remarks.append(f"the transition was not fitted to the others: {one_line(error, _MAX_REASON_LENGTH)}")
    removed = ", ".join(
        f"{plural(count, 'edge')} of {name} beyond the budget of {limits[name]}"
        for name, count in surplus.items()
    )
    return "; ".join([f"removed after {step} steps: {removed}", *remarks])


def _surplus(model: SparseVAE, limits: Mapping[str, int]) -> dict[str, int]:
    """Return by mask how many edges are beyond its budget; only masks with such edges."""
    surplus = {}
    for name, limit in limits.items():
        masks = model.edges.get(name)
        # without a round of unmixing, nothing has ranked the edges
        if masks is None or masks.dense:
            continue
        n_kept = int(masks.support()[:, masks.sparse_columns].sum())
        if n_kept > limit:
            surplus[name] = n_kept - limit
    return surplus


def _strongest(sizes: Array, n_edges: int) -> NDArray[np.bool_]:
    """Return the edges with the largest effects, of the shape of the sizes."""
    kept = np.zeros(sizes.size, dtype=bool)
    kept[np.argsort(-sizes, axis=None, kind="stable")[:n_edges]] = True
    return kept.reshape(sizes.shape)
