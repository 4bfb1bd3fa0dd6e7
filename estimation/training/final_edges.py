"""Edges, measured once more on the final latents if their number is given.

The graph is frozen after the last round of unmixing, on latents that later steps and the flow improve. Weak edges are
the first to be mistaken there: a remaining share of another latent has effects of the same size. After the last step
the edges are therefore ranked again, by the effects on the final latents. If all actions take few values, an effect is
a single number, which a linear regression measures. (Ours.)
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
from estimation.training.distributional_change import regress_on_actions
from estimation.training.encodings import Encodings
from estimation.training.final_effects import measure_final_effects
from estimation.training.post_training import SINGULAR, fit_transition_
from estimation.unmixing.action_basis import has_few_values
from estimation.unmixing.moments import NEGLIGIBLE_EFFECT
from identify.exceptions import one_line

__all__ = ["actions_have_few_values", "edge_strengths", "measure_edges_again_", "strongest_edges"]

Array = NDArray[np.float64]

_ROWS, _FITTING_STEPS = 32_768, 600
_MIN_SIZE = 1e-6
# an effect must be larger by this factor to take the place of one that has an edge
_ADVANTAGE = 1.2
_MAX_REASON_LENGTH = 200


def actions_have_few_values(model: SparseVAE, batches: Batches, step: int) -> bool:
    """Return whether all actions with sparse columns take few values, and there is no past.

    Args:
        model: The model.
        batches: Batches of the training data.
        step: Number of steps of training, which determines the rows that are looked at.
    """
    columns = model.action_masks.sparse_columns
    if model.shape.past or not len(columns):
        return False
    actions = batches.rows(batches.draw(_ROWS, step)).actions
    assert actions is not None
    return all(has_few_values(column) for column in actions[:, columns].cpu().numpy().T)


def measure_edges_again_(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int, held_out_loss: Callable[[], float]
) -> str | None:
    """Keep as many edges as before, those with the largest effects, in place, if held-out data become more likely.

    Args:
        model: Model with frozen edges.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.
        held_out_loss: Returns the negative ELBO of held-out data.

    Returns:
        A note for the history; None if the edges are the same, which they are if causes change more than means.
    """
    frozen = [name for name, masks in model.edges.items() if not masks.dense]
    try:
        strengths = edge_strengths(model, batches, config, step) if frozen else None
    except (DataError, np.linalg.LinAlgError, SINGULAR) as error:
        return f"edges not measured again after {step} steps: {one_line(error, _MAX_REASON_LENGTH)}"
    if strengths is None:
        return None
    state, loss, n_edges, n_changed = copy.deepcopy(model.state_dict()), held_out_loss(), 0, 0
    for name in frozen:
        masks = model.edges[name]
        before = masks.support()
        count = int(before[:, masks.sparse_columns].sum())
        masks.keep_strongest_(torch.from_numpy(strengths[name]), count)
        n_edges, n_changed = n_edges + count, n_changed + int((masks.support() & ~before).sum())
    if not n_changed:
        model.load_state_dict(state)
        return None
    outcome = f"edges measured again after {step} steps: {n_changed} of {n_edges}"
    try:
        fit_transition_(model, batches, config, step, _ROWS, _FITTING_STEPS)
    except SINGULAR as error:
        model.load_state_dict(state)
        return f"{outcome} not replaced: {one_line(error, _MAX_REASON_LENGTH)}"
    if not (kept := (new_loss := held_out_loss()) < loss):
        model.load_state_dict(state)
    change = f"the held-out negative ELBO went from {loss:.4g} to {new_loss:.4g}"
    return f"{outcome} {'' if kept else 'not '}replaced, {change}"


def edge_strengths(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int
) -> Mapping[str, Array] | None:
    """Return what ranks the edges, by mask, of sparse columns, shapes (n, columns) and (n, n).

    These are the effects on the final latents. An edge that the model has counts a little more, and those with
    negligible effects come last, unless all actions take few values.

    Args:
        model: Model with frozen edges, which stays as it is.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.

    Returns:
        The strengths; None if effects on means don't tell all edges.

    Raises:
        DataError: If effects are not finite.
        numpy.linalg.LinAlgError: If latents or residuals don't vary at all.
    """
    if actions_have_few_values(model, batches, step):
        return {"actions": _regressed_effects(model, batches, step)}
    effects = measure_final_effects(model, batches, config, step, _ROWS)
    if effects is None:
        return None
    strengths = {}
    for name, relative in effects.relative.items():
        masks, sizes = model.edges[name], effects.strengths(name, model.shape.past)
        present = masks.support()[:, masks.sparse_columns].cpu().numpy()
        # what may be an error takes no edge's place
        usable = np.where(effects.clear[name] | present, sizes, 0) * np.where(present, _ADVANTAGE, 1)
        # negligible effects come last, in their order: the number of edges may ask for some of them
        is_negligible = (relative < NEGLIGIBLE_EFFECT) | (usable == 0)
        strengths[name] = usable + np.where(is_negligible, 0, usable.max(initial=0.0))
    return strengths


def strongest_edges(
    model: SparseVAE, batches: Batches, config: TrainingConfig, step: int
) -> dict[str, Array] | None:
    """Return as many edges as the model has, those with the largest effects on the final latents.

    Args:
        model: Model with frozen edges, which stays as it is.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.

    Returns:
        What ranks these edges, by mask, shapes (n, columns) and (n, n), and 0 elsewhere. None if they are those of the
        model, or if effects on means don't tell all edges.

    Raises:
        DataError: If effects are not finite.
        numpy.linalg.LinAlgError: If latents or residuals don't vary at all.
    """
    frozen = {name: masks for name, masks in model.edges.items() if not masks.dense}
    strengths = edge_strengths(model, batches, config, step) if frozen else None
    if strengths is None:
        return None
    kept, is_changed = {}, False
    for name, masks in frozen.items():
        present = masks.support()[:, masks.sparse_columns].cpu().numpy()
        order = np.argsort(-strengths[name], axis=None, kind="stable")[: int(present.sum())]
        values = np.zeros(present.size)
        values[order] = np.maximum(strengths[name].ravel()[order], _MIN_SIZE)
        kept[name] = values.reshape(present.shape)
        is_changed |= bool(((kept[name] > 0) != present).any())
    return kept if is_changed else None


def _regressed_effects(model: SparseVAE, batches: Batches, step: int) -> Array:
    """Return root mean square effects of actions in units of the residual, shape (n, columns)."""
    encodings = Encodings.of(model, batches, step, _ROWS)
    assert encodings.actions is not None
    latents, actions = (
        values.double().cpu().numpy() for values in (encodings.latents[:, -1], encodings.actions)
    )
    residuals, coefficients, basis = regress_on_actions(latents, actions)
    sizes = np.sqrt((coefficients**2).T @ basis.owners) / np.maximum(residuals.std(0), _MIN_SIZE)[:, None]
    return np.asarray(sizes[:, model.action_masks.sparse_columns.cpu().numpy()])
