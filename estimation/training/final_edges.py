"""Edges of actions with few values, measured once more on the final latents.

The graph is frozen after the last round of unmixing, on latents that later steps and the flow improve. Where actions
are on or off, the improvement matters: an effect is a single number, so that a remaining share of another latent has
the same pattern as a weak edge. Effects of such actions are measured by a linear regression, which costs little.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.models.elbo import profiled_gaussian
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.distributional_change import regress_on_actions
from estimation.training.encodings import Encodings
from estimation.training.transition_fitting import TransitionFitter
from estimation.unmixing.action_basis import has_few_values

__all__ = ["actions_have_few_values", "measure_edges_again_"]

_ROWS = 32_768
_FITTING_STEPS = 600
_MIN_SIZE = 1e-6


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
        model: Model with frozen edges, without a past.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training, which determines the rows.
        held_out_loss: Returns the negative ELBO of held-out data.

    Returns:
        A note for the history; None if the edges are the same.
    """
    masks, encodings = model.action_masks, Encodings.of(model, batches, step, _ROWS)
    before, columns = masks.support(), masks.sparse_columns
    n_edges = int(before[:, columns].sum())
    logits = torch.zeros_like(masks.logits)
    logits[:, columns] = _effects(encodings)[:, columns.cpu()].clamp_min(_MIN_SIZE).log().to(logits)
    state, loss = copy.deepcopy(model.state_dict()), held_out_loss()
    masks.start_sampling_(logits)
    masks.freeze_(n_edges)
    n_changed = int((masks.support() & ~before).sum())
    if not n_changed:
        model.load_state_dict(state)
        return None
    TransitionFitter(model, encodings, step).fit_to_posteriors_(config, _FITTING_STEPS)
    if config.profiled:
        model.log_variance_z.copy_(_variances(model, encodings).log())
    if not (kept := (new_loss := held_out_loss()) < loss):
        model.load_state_dict(state)
    return (
        f"edges measured again after {step} steps: {n_changed} of {n_edges} {'' if kept else 'not '}replaced, the "
        f"held-out negative ELBO went from {loss:.4g} to {new_loss:.4g}"
    )


def _effects(encodings: Encodings) -> Tensor:
    """Return root mean square effects of actions in units of the residual, shape (n, m)."""
    assert encodings.actions is not None
    latents, actions = (
        values.double().cpu().numpy() for values in (encodings.latents[:, -1], encodings.actions)
    )
    residuals, coefficients, basis = regress_on_actions(latents, actions)
    sizes = np.sqrt((coefficients**2).T @ basis.owners) / np.maximum(residuals.std(0), _MIN_SIZE)[:, None]
    return torch.from_numpy(sizes)


@torch.no_grad()
def _variances(model: SparseVAE, encodings: Encodings) -> Tensor:
    """Return the profiled variances of the transition, including those of the posteriors, shape (n,)."""
    residual = model.transition_residual(encodings.latents[:, -1], None, encodings.actions)
    squared = residual.value.square() + encodings.factors[:, -1].square().sum(-1)
    return profiled_gaussian(squared, residual.log_factor)[1]
