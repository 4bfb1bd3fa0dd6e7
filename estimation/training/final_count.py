"""The number of edges, counted once more on the final latents if it isn't given.

The last round of unmixing counts edges on latents that later steps and the flow improve, and by a likelihood, whose
elbow comes too early if few edges explain most of the variance. On the final latents effects that are there stand out
from those that are not, with a gap between them. So after the last step the edges are those above this gap. (Ours.)
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
from estimation.training.final_effects import MIN_RELATIVE, measure_final_effects
from estimation.training.post_training import SINGULAR, fit_transition_
from estimation.unmixing.moments import CLEAR_EFFECT
from identify.exceptions import one_line
from identify.wording import plural

__all__ = ["count_edges_again_", "edges_above_gap"]

Array = NDArray[np.float64]

_MAX_REASON_LENGTH = 200


def edges_above_gap(relative: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
    """Return which effects are edges: those above the widest gap, on a logarithmic scale.

    The gap is sought between 0.06 and 0.35; of equally wide ones the upper one counts.

    Args:
        relative: Effects by kind of cause, relative to the largest one on the same latent.

    Example:
        >>> edges_above_gap({"actions": np.array([[1.0, 0.02, 0.3], [0.08, 1.0, 0.04]])})["actions"].tolist()
        [[True, False, True], [False, True, False]]
    """
    sizes = np.concatenate([values.ravel() for values in relative.values()])
    between = np.sort(sizes[(sizes > MIN_RELATIVE) & (sizes < CLEAR_EFFECT)])
    ends = np.log(np.concatenate([[MIN_RELATIVE], between, [CLEAR_EFFECT]]))
    widths = np.diff(ends)
    upper = len(widths) - 1 - int(widths[::-1].argmax())
    limit = np.exp((ends[upper] + ends[upper + 1]) / 2)
    return {kind: values >= limit for kind, values in relative.items()}


def count_edges_again_(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int, limits: Mapping[str, int]
) -> str | None:
    """Estimate the number of edges, keep as many, and fit the transition to them, in place.

    Args:
        model: Model with frozen edges.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.
        limits: Upper limits of the numbers of edges, by mask.

    Returns:
        A note for the history; None if the edges stay the same, which they do if causes change more than means.
    """
    # without a round of unmixing, nothing has chosen edges
    if all(masks.dense for masks in model.edges.values()):
        return None
    try:
        effects = measure_final_effects(model, batches, config, step)
    except (DataError, np.linalg.LinAlgError, SINGULAR) as error:
        return f"edges not counted again after {step} steps: {one_line(error, _MAX_REASON_LENGTH)}"
    if effects is None:
        return None
    changes = _keep_edges_(model, effects.relative, limits)
    if not changes:
        return None
    note = f"edges counted again after {step} steps: {', '.join(changes)}"
    try:
        fit_transition_(model, batches, config, step)
    except SINGULAR as error:
        note += f"; the transition was not fitted to them: {one_line(error, _MAX_REASON_LENGTH)}"
    return note


def _keep_edges_(model: SparseVAE, relative: Mapping[str, Array], limits: Mapping[str, int]) -> list[str]:
    """Keep the edges above the gap, as many as the limits allow, and return what has changed."""
    changes, edges = [], edges_above_gap(relative)
    for name, sizes in relative.items():
        masks = model.edges[name]
        columns, before = masks.sparse_columns, masks.support()
        masks.keep_strongest_(
            torch.from_numpy(sizes), min(int(edges[name].sum()), limits.get(name, masks.n_sparse))
        )
        if not torch.equal(masks.support(), before):
            counts = [int(support[:, columns].sum()) for support in (before, masks.support())]
            changes.append(f"{plural(counts[1], 'edge')} of {name} instead of {counts[0]}")
    return changes
