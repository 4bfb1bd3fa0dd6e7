"""Effects of the mechanisms on latents, and residuals, measured by transition networks that have all edges."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.models.sparse_vae import SparseVAE
from estimation.training.transition_fitting import TransitionFitter
from estimation.unmixing import Samples, edges_at_elbow, edges_at_penalty, likelihood_curve
from estimation.unmixing.moments import effect_sizes, standard_deviations

__all__ = [
    "MeasuredEffects",
    "as_array",
    "borrowed",
    "fit_measuring_networks_",
    "residuals_of",
    "samples_of",
    "support_weights",
]

Array = NDArray[np.float64]

# rows that the effects of actions are computed on; Jacobians are larger and are computed on fewer
_EFFECT_ROWS = 16_384
_JACOBIAN_ROWS = 4_096
# where these networks fit badly, weak edges are lost among their errors
_MEASURING_WIDTH = 64
_MEASURING_STEPS = 600
_CHUNK = 4_096
# combinations of actions with fewer rows than this, on average, are not settings that occur again
_MIN_ROWS_PER_SETTING = 8
_MIN_SHARE_OF_CHANGES = 0.1


@contextlib.contextmanager
def borrowed(model: SparseVAE) -> Iterator[None]:
    """Let masks, transition networks, noise and flow of a model be replaced, and restore them at the end."""
    parts = model.networks, model.noise, model.flow
    masks = {name: copy.deepcopy(edges.state_dict()) for name, edges in model.edges.items()}
    try:
        yield
    finally:
        model.networks, model.noise, model.flow = parts
        for name, edges in model.edges.items():
            edges.load_state_dict(masks[name])


def fit_measuring_networks_(fitter: TransitionFitter, latents: Tensor, config: TrainingConfig) -> None:
    """Fit networks that are larger and trained for longer than those of the model, which must have all edges.

    Args:
        fitter: Fits the networks of its model, in place.
        latents: The latents, shape (rows, T, n).
        config: Settings of the run.
    """
    wider = config.replace(transition_width=max(config.transition_width, _MEASURING_WIDTH))
    fitter.fit_(latents, wider, _MEASURING_STEPS)


def samples_of(model: SparseVAE, latents: Tensor, actions: Tensor | None) -> Samples:
    """Return residuals and their sparse causes, from which distributional effects are measured."""
    columns, past = model.action_masks.sparse_columns, model.past_latents(latents)
    return Samples(
        as_array(residuals_of(model, latents, actions)),
        as_array(actions[:, columns]) if actions is not None and len(columns) else None,
        as_array(past) if past is not None and model.past_masks.n_sparse else None,
    )


@dataclass(frozen=True)
class MeasuredEffects:
    """Effects on the latents that the transition predicts, and the covariance of its residuals.

    Dense columns are left out: what is not sparse must not choose the basis.

    Attributes:
        actions: Effects of the actions with sparse columns, shape (S, n, columns), or None.
        past: Jacobians with respect to the past latents, shape (S, n, n), or None; None also if G^z is dense.
        covariance: Covariance of the latents, shape (n, n).
        residual: Covariance of the transition's residuals, shape (n, n).
    """

    actions: Array | None
    past: Array | None
    covariance: Array
    residual: Array

    @classmethod
    def of(cls, model: SparseVAE, latents: Tensor, actions: Tensor | None) -> MeasuredEffects:
        past = model.past_latents(latents)
        jacobians = None
        if past is not None and model.past_masks.n_sparse:
            their_actions = None if actions is None else actions[:_JACOBIAN_ROWS]
            jacobians = as_array(model.transition_jacobian(past[:_JACOBIAN_ROWS], their_actions))
        return cls(
            _action_effects(model, past, actions) if actions is not None else None,
            jacobians,
            # with a past, the past latents are the ones that are whitened
            _covariance(latents[:, 0]),
            _covariance(residuals_of(model, latents, actions)),
        )

    def strengths(self) -> dict[str, Array | None]:
        """Return the root mean square effects in the present basis, as `unmix` does for the basis that it finds."""
        actions, past = effect_sizes(np.eye(len(self.covariance)), self.covariance, self.actions, self.past)
        return {"actions": actions, "past": past}

    def in_basis(self, basis: Array) -> dict[str, Array]:
        """Return the root mean square effects in another basis, shape (n, n), in units of its latents."""
        actions, past = effect_sizes(basis, self.covariance, self.actions, self.past)
        return {name: sizes for name, sizes in (("actions", actions), ("past", past)) if sizes is not None}

    def edge_counts(
        self, basis: Array, budget_factor: float, limits: Mapping[str, int], price: float | None
    ) -> dict[str, int]:
        """Estimate the number of edges in a basis, by mask.

        Args:
            basis: Linear map of the latents, shape (n, n).
            budget_factor: Factor of the estimates.
            limits: Upper limits, by mask.
            price: Price of an edge in nats; None counts the edges before the elbow of the likelihood.
        """
        sizes = effect_sizes(basis, self.covariance, self.actions, self.past)
        deviations = standard_deviations(basis, self.residual)
        counts = {}
        for name, effects in zip(("actions", "past"), sizes, strict=True):
            if effects is not None:
                ranking = effects if self.past is not None else effects / deviations[:, None]
                curve = likelihood_curve(effects, deviations, ranking)
                estimate = edges_at_elbow(curve) if price is None else edges_at_penalty(curve, price)
                limit = limits.get(name, effects.size)
                counts[name] = min(round(budget_factor * estimate), effects.size, limit)
        return counts


@torch.no_grad()
def residuals_of(model: SparseVAE, latents: Tensor, actions: Tensor | None) -> Tensor:
    """Return the residual of the transition, shape (rows, n)."""
    chunks = []
    for start in range(0, len(latents), _CHUNK):
        chunk, chunk_actions = latents[start : start + _CHUNK], None
        if actions is not None:
            chunk_actions = actions[start : start + _CHUNK]
        chunks.append(model.transition_residual(chunk[:, -1], model.past_latents(chunk), chunk_actions).value)
    return torch.cat(chunks)


def _covariance(values: Tensor) -> Array:
    # of one latent torch gives a number instead of a matrix
    return as_array(torch.cov(values.double().T).reshape(values.shape[1], values.shape[1]))


def _action_effects(model: SparseVAE, past: Tensor | None, actions: Tensor) -> Array | None:
    """Return the effects of the actions with sparse columns, shape (S, n, columns); None without such actions."""
    columns = model.action_masks.sparse_columns
    if not len(columns):
        return None
    rows = actions[:_EFFECT_ROWS]
    positions = columns.cpu().numpy()
    their_past = None if past is None else past[:_EFFECT_ROWS]
    effects = as_array(model.action_effects(their_past, rows, positions.tolist()))
    weights = support_weights(rows.cpu().numpy())
    if weights is not None:
        effects *= weights[:, None, positions]
    return effects


def support_weights(actions: NDArray[Any]) -> Array | None:
    """Return weights of effects that leave out combinations of discrete actions without data.

    An effect is measured by giving an action the value that it has in the row before. If interventions are made one at
    a time, this can combine two of them, which no row shows, and what the networks say there is extrapolation.

    Args:
        actions: Actions, shape (S, m).

    Returns:
        Weights, shape (S, m): 0 where the combination occurs in no row, and otherwise such that their mean square is 1
        for each action. None if the combinations are too many to have rows of their own. An action that hardly changes
        without another one keeps all of its effects.
    """
    codes = np.column_stack([np.unique(column, return_inverse=True)[1].reshape(-1) for column in actions.T])
    factors = np.random.default_rng(0).integers(1, 2**63, actions.shape[1], dtype=np.uint64)
    hashes = (codes.astype(np.uint64) * factors).sum(1, dtype=np.uint64)
    settings = np.unique(hashes)
    if len(settings) > len(actions) // _MIN_ROWS_PER_SETTING:
        return None
    changes = np.roll(codes, 1, axis=0) - codes
    occurs = np.isin(hashes[:, None] + changes.astype(np.uint64) * factors, settings)
    n_changes = (changes != 0).sum(0)
    occurs[:, (occurs & (changes != 0)).sum(0) < _MIN_SHARE_OF_CHANGES * n_changes] = True
    return np.asarray(occurs * np.sqrt(len(occurs) / occurs.sum(0)))


def as_array(values: Tensor) -> Array:
    return np.asarray(values.double().cpu().numpy())
