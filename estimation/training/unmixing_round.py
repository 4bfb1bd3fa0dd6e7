"""A round of unmixing: change to the latent basis in which the mechanisms are sparsest, and keep the strongest edges.

After the dense stage the latents are known up to a nearly linear mixing. Transition networks with all edges, larger and
trained for longer than those of the model, are fitted to them and measure the mechanisms; `unmix` finds the linear map
that makes these sparsest. The map is folded into encoder and decoder, the strongest edges are kept, and new transition
networks are fitted to the unmixed latents before training continues. Later rounds repeat this on latents that training
with sparse mechanisms has improved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings
from estimation.training.transition_fitting import TransitionFitter
from estimation.unmixing import Samples, Unmixing, edges_at_elbow, edges_at_penalty, likelihood_curve, unmix
from estimation.unmixing.information import MIN_VARIANCE_SHARE
from estimation.unmixing.moments import effect_sizes, standard_deviations

__all__ = ["unmixing_round_"]

Array = NDArray[np.float64]

# rows that the effects of actions are computed on; Jacobians are larger and are computed on fewer
_EFFECT_ROWS = 16_384
_JACOBIAN_ROWS = 4_096
# the networks that measure the mechanisms: where they fit badly, weak edges are lost among their errors
_MEASURING_WIDTH = 64
_MEASURING_STEPS = 600
_FITTING_STEPS = 300
_CHUNK = 4_096


def unmixing_round_(
    model: SparseVAE,
    batches: Batches,
    config: TrainingConfig,
    step: int,
    limits: Mapping[str, int],
    budget_factor: float | None = None,
) -> str:
    """Unmix the latents, in place, and keep the strongest edges.

    Args:
        model: Model with dense masks, or with those of an earlier round.
        batches: Batches of the training data.
        config: Seed, optimiser and sizes.
        step: Number of steps of training, which determines the rows and the noise.
        limits: Number of edges to keep, by mask; a mask without a limit stays dense.
        budget_factor: If given, the number of edges is estimated and multiplied by this factor, and ``limits`` are
            upper limits. With ``sparsity="penalty"`` those edges are counted that reduce the loss by more than the
            penalty, otherwise those before the elbow of the likelihood.

    Returns:
        A note for the history.
    """
    first_round = all(edges.dense for edges in model.edges.values())
    encodings = Encodings.of(model, batches, step)
    latents, actions = encodings.latents, encodings.actions
    fitter = TransitionFitter(model, encodings, step)
    # the strengths of removed edges are measured again
    for edges in model.edges.values():
        edges.make_dense_()
    wider = config.replace(transition_width=max(config.transition_width, _MEASURING_WIDTH))
    fitter.fit_(latents, wider, _MEASURING_STEPS)
    effects, samples = _Effects.of(model, latents, actions), _samples(model, latents, actions)
    unmixing = unmix(
        effects.actions,
        effects.past,
        effects.covariance,
        config.seed,
        noise=encodings.noise(),
        residual=effects.residual,
        edges=None if first_round or budget_factor is not None else limits,
        samples=samples,
    )
    information = {"actions": unmixing.information, "past": unmixing.past_information}
    informed = [name for name, values in information.items() if values is not None]
    if unmixing.variance_share > MIN_VARIANCE_SHARE and config.variance == "profiled":
        model.vary_variances_()
    matrix = torch.from_numpy(unmixing.matrix).to(latents)
    offset = -matrix @ latents.flatten(0, 1).mean(0)
    latents = latents @ matrix.T + offset
    strengths = {"actions": unmixing.action_strengths, "past": unmixing.past_strengths}
    basis = unmixing.matrix
    if first_round and (not informed or model.shape.past):
        # networks of mixed latents miss part of the mechanism of a single latent
        fitter.fit_(latents, wider, _MEASURING_STEPS)
        effects, basis = _Effects.of(model, latents, actions), np.eye(len(basis))
        strengths = effects.strengths() | {name: strengths[name] for name in informed}
    if budget_factor is not None:
        price = config.penalty * model.shape.n_observed if config.sparsity == "penalty" else None
        counts = effects.edge_counts(basis, budget_factor, limits, price)
        limits = counts | _informative_edges(information, budget_factor, limits, price)
    _keep_strongest_(model, strengths, limits)
    fitter.fit_(latents, config, _FITTING_STEPS)
    model.change_basis_(matrix, offset)
    kept = ", ".join(f"{limit} edges of {name}" for name, limit in limits.items())
    note = f"unmixed after {step} steps: objective {unmixing.objective:.4g}, {kept} kept"
    return f"{note}{_note_on_information(unmixing)}"


def _note_on_information(unmixing: Unmixing) -> str:
    """Return what the note says if actions change more than means."""
    measured = {"actions": unmixing.information, "past latents": unmixing.past_information}
    causes = " and ".join(name for name, values in measured.items() if values is not None)
    if not causes:
        return ""
    what = "variances" if unmixing.variance_share > MIN_VARIANCE_SHARE else "shapes of distributions"
    return f"; by effects on {what} too, since {causes} don't move the mean of every direction"


def _informative_edges(
    information: Mapping[str, Array | None],
    budget_factor: float,
    limits: Mapping[str, int],
    price: float | None,
) -> dict[str, int]:
    """Estimate the number of edges from the information of every cause about every latent, as `edge_counts` does."""
    counts = {}
    for name, values in information.items():
        if values is not None:
            gains = np.sort(values.ravel())[::-1]
            curve = -np.concatenate([[0.0], np.cumsum(gains)])
            estimate = edges_at_elbow(curve) if price is None else edges_at_penalty(curve, price)
            counts[name] = min(round(budget_factor * estimate), len(gains), limits.get(name, len(gains)))
    return counts


def _samples(model: SparseVAE, latents: Tensor, actions: Tensor | None) -> Samples:
    """Return residuals and their sparse causes, from which distributional effects are measured."""
    columns, past = model.action_masks.sparse_columns, model.past_latents(latents)
    return Samples(
        _array(_residual(model, latents, actions)),
        _array(actions[:, columns]) if actions is not None and len(columns) else None,
        _array(past) if past is not None and model.past_masks.n_sparse else None,
    )


def _keep_strongest_(
    model: SparseVAE, strengths: Mapping[str, Array | None], limits: Mapping[str, int]
) -> None:
    for name, edges in model.edges.items():
        sizes = strengths[name]
        if name in limits and sizes is not None:
            logits = torch.zeros_like(edges.logits)
            logits[:, edges.sparse_columns] = torch.from_numpy(sizes).log().to(logits)
            edges.start_sampling_(logits)
            edges.freeze_(limits[name])


@dataclass(frozen=True)
class _Effects:
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
    def of(cls, model: SparseVAE, latents: Tensor, actions: Tensor | None) -> _Effects:
        past = model.past_latents(latents)
        jacobians = None
        if past is not None and model.past_masks.n_sparse:
            their_actions = None if actions is None else actions[:_JACOBIAN_ROWS]
            jacobians = _array(model.transition_jacobian(past[:_JACOBIAN_ROWS], their_actions))
        return cls(
            _action_effects(model, past, actions) if actions is not None else None,
            jacobians,
            # with a past, the past latents are the ones that are whitened
            _covariance(latents[:, 0]),
            _covariance(_residual(model, latents, actions)),
        )

    def strengths(self) -> dict[str, Array | None]:
        """Return the root mean square effects in the present basis, as `unmix` does for the basis that it finds."""
        actions, past = effect_sizes(np.eye(len(self.covariance)), self.covariance, self.actions, self.past)
        return {"actions": actions, "past": past}

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
def _residual(model: SparseVAE, latents: Tensor, actions: Tensor | None) -> Tensor:
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
    return _array(torch.cov(values.double().T).reshape(values.shape[1], values.shape[1]))


def _action_effects(model: SparseVAE, past: Tensor | None, actions: Tensor) -> Array | None:
    """Return the effects of the actions with sparse columns, shape (S, n, columns); None without such actions."""
    columns = model.action_masks.sparse_columns
    if not len(columns):
        return None
    effects = model.action_effects(None if past is None else past[:_EFFECT_ROWS], actions[:_EFFECT_ROWS])
    return _array(effects[..., columns])


def _array(values: Tensor) -> Array:
    return np.asarray(values.double().cpu().numpy())
