"""The number of edges, counted once more on the final latents if it isn't given.

The last round of unmixing counts edges on latents that later steps and the flow improve, and by a likelihood, whose
elbow comes too early if few edges explain most of the variance. On the final latents effects that are there stand out
from those that are not, with a gap between them. So after the last step the edges are those above this gap, and those
below it that make their child clearly more likely (`estimation.training.edge_gains`). (Ours.)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.config.training import TrainingConfig
from estimation.exceptions import DataError
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.edge_gains import edges_with_gains
from estimation.training.final_effects import MIN_RELATIVE, FinalEffects, measure_final_effects
from estimation.training.post_training import SINGULAR, fit_transition_
from estimation.unmixing.moments import CLEAR_EFFECT
from identify.exceptions import one_line
from identify.wording import plural

__all__ = ["count_edges_again_", "edges_above_gap"]

Array = NDArray[np.float64]
Edges = NDArray[np.bool_]

# nats a row by which an added edge must make held-out data more likely
_PRICE = 0.002
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
    model: SparseVAE,
    batches: Batches,
    config: TrainingConfig,
    step: int,
    limits: Mapping[str, int],
    held_out_loss: Callable[[], float],
) -> str | None:
    """Estimate the number of edges, keep as many, and fit the transition to them, in place.

    Edges below the gap are removed. Those above it that are missing are added if they are clear of the networks' errors
    and make held-out data more likely; so are those below it that make their child clearly more likely.

    Args:
        model: Model with frozen edges.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.
        limits: Upper limits of the numbers of edges, by mask.
        held_out_loss: Returns the negative ELBO of held-out data per observed dimension.

    Returns:
        A note for the history; None if the edges stay the same, which they do if causes change more than means.
    """
    # without a round of unmixing, nothing has chosen edges
    if all(masks.dense for masks in model.edges.values()):
        return None
    state = copy.deepcopy(model.state_dict())
    try:
        effects = measure_final_effects(model, batches, config, step)
        if effects is None:
            return None
        before = _present(model, effects)
        further = edges_with_gains(model, batches, config, step, effects, before)
        wanted = _wanted_edges(model, effects, limits, further)
        remaining = {name: edges & before[name] for name, edges in wanted.items()}
        n_added = sum(int((edges & ~before[name]).sum()) for name, edges in wanted.items())
        if n_added or any((remaining[name] != before[name]).any() for name in before):
            _keep_(model, effects, remaining)
            fit_transition_(model, batches, config, step)
        if n_added:
            smaller, loss = copy.deepcopy(model.state_dict()), held_out_loss()
            _keep_(model, effects, wanted)
            fit_transition_(model, batches, config, step)
            if not held_out_loss() < loss - n_added * _PRICE / model.shape.n_observed:
                model.load_state_dict(smaller)
    except (DataError, np.linalg.LinAlgError, SINGULAR) as error:
        model.load_state_dict(state)
        return f"edges not counted again after {step} steps: {one_line(error, _MAX_REASON_LENGTH)}"
    changes = _changes(before, _present(model, effects))
    if not changes:
        model.load_state_dict(state)
        return None
    return f"edges counted again after {step} steps: {', '.join(changes)}"


def _present(model: SparseVAE, effects: FinalEffects) -> dict[str, Edges]:
    """Return the edges in sparse columns, by mask."""
    return {
        name: model.edges[name].support()[:, model.edges[name].sparse_columns].cpu().numpy()
        for name in effects.sizes
    }


def _wanted_edges(
    model: SparseVAE, effects: FinalEffects, limits: Mapping[str, int], further: Mapping[str, Edges]
) -> dict[str, Edges]:
    """Return the edges above the gap and further ones, the strongest of them if there are more than a limit."""
    wanted, present = {}, _present(model, effects)
    # what may be an error must not fill the gap
    relative = {
        name: np.where(effects.clear[name] | present[name], sizes, 0)
        for name, sizes in effects.relative.items()
    }
    for name, edges in edges_above_gap(relative).items():
        strengths = np.where(edges | further[name], effects.strengths(name, model.shape.past), 0)
        order = np.argsort(-strengths, axis=None, kind="stable")[: limits.get(name, strengths.size)]
        within = np.zeros(strengths.size, dtype=bool)
        within[order] = True
        wanted[name] = within.reshape(strengths.shape) & (strengths > 0)
    return wanted


def _keep_(model: SparseVAE, effects: FinalEffects, edges: Mapping[str, Edges]) -> None:
    for name, kept in edges.items():
        strengths = np.where(kept, effects.strengths(name, model.shape.past), 0)
        model.edges[name].keep_strongest_(torch.from_numpy(strengths), int(kept.sum()))


def _changes(before: Mapping[str, Edges], after: Mapping[str, Edges]) -> list[str]:
    """Return what the note says: the number of edges of each mask that has changed, and what was added or removed."""
    changes = []
    for name, edges in after.items():
        counts = {"added": int((edges & ~before[name]).sum()), "removed": int((before[name] & ~edges).sum())}
        if any(counts.values()):
            parts = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            changes.append(f"{plural(int(edges.sum()), 'edge')} of {name} ({parts})")
    return changes
