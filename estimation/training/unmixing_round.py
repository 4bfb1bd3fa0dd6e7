"""A round of unmixing: change to the latent basis in which the mechanisms are sparsest, and keep the strongest edges.

After the dense part the latents are right up to a nearly linear mixing. Transition networks fitted to them with all
edges, larger and for longer than training could afford, tell what the mechanisms do; `unmix` finds the linear map that
makes that sparsest. Here it is folded into encoder and decoder, the strongest edges are kept, and fresh transition
networks are fitted to the new latents before training goes on. Later rounds do the same with latents that the sparse
mechanisms have meanwhile made better.
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
from estimation.training.fitting import Fitting
from estimation.unmixing import bend, kept_misfits, unmix, worth
from estimation.unmixing.moments import deviations, effect_sizes

__all__ = ["unmixing_round_"]

Array = NDArray[np.float64]

# effects of actions take fewer rows than are encoded, and Jacobians, which are larger, fewer still
_EFFECTS = 16_384
_JACOBIANS = 4_096
# what is measured badly is unmixed badly: weak edges drown in what the networks don't fit
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
    spare: float | None = None,
) -> str:
    """Unmix the latents, in place, and keep the strongest edges.

    Args:
        model: with dense masks, or with those of an earlier round.
        batches: of the training data.
        config: seed, optimiser and sizes.
        step: where training stands; picks the rows and the noise.
        limits: how many edges to keep, by mask; a mask without a limit stays dense.
        spare: given, the number is found instead, and so many times that is kept; limits are then the most. With
            ``sparsity="penalty"`` edges are kept that are worth it, else as many as where the likelihood bends.

    Returns:
        one line for the history.
    """
    mixed = all(edges.dense for edges in model.edges.values())
    encodings = Encodings.of(model, batches, step)
    latents, noise, actions = encodings.latents, encodings.noise(), encodings.actions
    fitting = Fitting(model, actions, step)
    # the strengths of edges that are gone have to be seen again
    for edges in model.edges.values():
        edges.open_()
    wider = config.replace(transition_width=max(config.transition_width, _MEASURING_WIDTH))
    fitting.fit_(latents, wider, _MEASURING_STEPS)
    effects = _Effects.of(model, latents, actions)
    found = unmix(
        effects.actions,
        effects.past,
        effects.covariance,
        config.seed,
        noise=noise,
        residual=effects.residual,
        edges=None if mixed or spare is not None else limits,
    )
    change = torch.from_numpy(found.matrix).to(latents)
    offset = -change @ latents.flatten(0, 1).mean(0)
    latents = latents @ change.T + offset
    strengths = {"actions": found.action_strengths, "past": found.past_strengths}
    matrix = found.matrix
    if mixed:
        # networks of mixed latents miss some of what a latent does alone
        fitting.fit_(latents, wider, _MEASURING_STEPS)
        effects, matrix = _Effects.of(model, latents, actions), np.eye(len(matrix))
        strengths = effects.strengths()
    if spare is not None:
        price = config.penalty * model.shape.n_observed if config.sparsity == "penalty" else None
        limits = effects.asked_for(matrix, spare, limits, price)
    _keep_(model, strengths, limits)
    fitting.fit_(latents, config, _FITTING_STEPS)
    model.change_basis_(change, offset)
    edges_kept = ", ".join(f"{limit} edges of {name}" for name, limit in limits.items())
    return f"unmixed after {step} steps: objective {found.objective:.4g}, {edges_kept} kept"


def _keep_(model: SparseVAE, strengths: Mapping[str, Array | None], limits: Mapping[str, int]) -> None:
    """Keep the strongest edges."""
    for name, edges in model.edges.items():
        sizes = strengths[name]
        if name in limits and sizes is not None:
            edges.start_(torch.from_numpy(sizes).log().to(edges.logits))
            edges.freeze_(limits[name])


@dataclass(frozen=True)
class _Effects:
    """What the transition does, and what it leaves over.

    Attributes:
        actions: effects of actions, shape (S, n, m), or None.
        past: Jacobians in the past latents, shape (S, n, n), or None.
        covariance: of the latents, shape (n, n).
        residual: covariance of the latents about the transition's mean, shape (n, n).
    """

    actions: Array | None
    past: Array | None
    covariance: Array
    residual: Array

    @classmethod
    def of(cls, model: SparseVAE, latents: Tensor, actions: Tensor | None) -> _Effects:
        past = latents[:, 0] if model.shape.past else None
        jacobians = None
        if past is not None:
            few = None if actions is None else actions[:_JACOBIANS]
            jacobians = _array(model.transition_jacobian(past[:_JACOBIANS], few))
        return cls(
            None if actions is None else _array(_action_effects(model, past, actions)),
            jacobians,
            # where the past matters, its own distribution is the one that is white
            _covariance(latents[:, 0]),
            _covariance(_left_over(model, latents, actions)),
        )

    def strengths(self) -> dict[str, Array | None]:
        """Root mean square effects on the latents as they are, as `unmix` gives them for those that it finds."""
        actions, past = effect_sizes(np.eye(len(self.covariance)), self.covariance, self.actions, self.past)
        return {"actions": actions, "past": past}

    def asked_for(
        self, matrix: Array, spare: float, most: Mapping[str, int], price: float | None
    ) -> dict[str, int]:
        """How many edges the latents matrix @ z ask for, by mask, times ``spare``, and at most so many.

        Args:
            matrix: shape (n, n).
            spare: a factor.
            most: by mask.
            price: of an edge in nats; None: as many as where the likelihood bends.
        """
        sizes = effect_sizes(matrix, self.covariance, self.actions, self.past)
        left = deviations(matrix, self.residual)
        found = {}
        for name, effects in zip(("actions", "past"), sizes, strict=True):
            if effects is not None:
                ranked = effects if self.past is not None else effects / left[:, None]
                misfits = kept_misfits(effects, left, ranked)
                asked = bend(misfits) if price is None else worth(misfits, price)
                found[name] = min(round(spare * asked), effects.size, most.get(name, effects.size))
        return found


@torch.no_grad()
def _left_over(model: SparseVAE, latents: Tensor, actions: Tensor | None) -> Tensor:
    """The latents less the transition's mean, shape (rows, n)."""
    parts = []
    for start in range(0, len(latents), _CHUNK):
        rows = slice(start, start + _CHUNK)
        past = latents[rows, 0] if model.shape.past else None
        mean = model.transition(past, None if actions is None else actions[rows]).loc
        parts.append(latents[rows, -1] - mean)
    return torch.cat(parts)


def _covariance(values: Tensor) -> Array:
    # of one latent torch gives a number instead of a matrix
    return _array(torch.cov(values.double().T).reshape(values.shape[1], values.shape[1]))


def _action_effects(model: SparseVAE, past: Tensor | None, actions: Tensor) -> Tensor:
    return model.action_effects(None if past is None else past[:_EFFECTS], actions[:_EFFECTS])


def _array(values: Tensor) -> Array:
    return np.asarray(values.double().cpu().numpy())
