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

from estimation.config import TrainingConfig
from estimation.model import SparseVAE
from estimation.training.batches import Batches
from estimation.training.optimisers import build
from estimation.unmixing import Unmixing, unmix

__all__ = ["rebase_"]

Array = NDArray[np.float64]

_ROWS = 65_536
# effects of actions take fewer rows, and Jacobians, which are larger, fewer still
_EFFECTS = 16_384
_JACOBIANS = 4_096
# what is measured badly is unmixed badly: weak edges drown in what the networks don't fit
_MEASURING_WIDTH = 64
_MEASURING_STEPS = 900
_FITTING_STEPS = 300
# a third of the steps of the run, if that is less
_FEWEST_STEPS = 20
_BATCH = 1_024
_CHUNK = 4_096
_TINY = 1e-12


def rebase_(
    model: SparseVAE,
    batches: Batches,
    config: TrainingConfig,
    n_rows: int,
    step: int,
    limits: Mapping[str, int],
) -> str:
    """Unmix the latents, in place, and keep the strongest edges.

    Args:
        model: with dense masks, or with those of an earlier round.
        batches: of the training data.
        config: seed, optimiser and sizes.
        n_rows: of the training data.
        step: where training stands; picks the rows and the noise.
        limits: how many edges to keep, by mask; a mask without a limit stays dense.

    Returns:
        one line for the history.
    """
    rows = np.random.default_rng([config.seed, step]).permutation(n_rows)[:_ROWS]
    latents, noise = _latents(model, batches, rows)
    actions = batches.rows(rows).actions
    fitting = _Fitting(model, actions, step)
    # the strengths of edges that are gone have to be seen again
    for edges in model.edges.values():
        edges.open_()
    wider = max(config.transition_width or 0, _MEASURING_WIDTH)
    fitting.fit_(latents, config.replace(transition_width=wider), _MEASURING_STEPS)
    effects = _Effects.of(model, latents, actions)
    found = unmix(
        effects.actions,
        effects.past,
        effects.covariance,
        config.seed,
        noise=noise,
        residual=effects.residual,
    )
    _keep_(model, found, limits)
    change = torch.from_numpy(found.matrix).to(latents)
    offset = -change @ latents.flatten(0, 1).mean(0)
    fitting.fit_(latents @ change.T + offset, config, _FITTING_STEPS)
    model.change_basis_(change, offset)
    edges_kept = ", ".join(f"{limit} edges of {name}" for name, limit in limits.items())
    return f"unmixed after {step} steps: objective {found.objective:.4g}, {edges_kept} kept"


def _keep_(model: SparseVAE, found: Unmixing, limits: Mapping[str, int]) -> None:
    """Keep the strongest edges among the latents found."""
    for name, edges in model.edges.items():
        strengths = found.past_strengths if name == "past" else found.action_strengths
        if name in limits and strengths is not None:
            edges.start_(torch.from_numpy(strengths).log().to(edges.logits))
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
    return _array(torch.cov(values.double().T))


def _action_effects(model: SparseVAE, past: Tensor | None, actions: Tensor) -> Tensor:
    return model.action_effects(None if past is None else past[:_EFFECTS], actions[:_EFFECTS])


def _array(values: Tensor) -> Array:
    return np.asarray(values.double().cpu().numpy())


@torch.no_grad()
def _latents(model: SparseVAE, batches: Batches, rows: NDArray[np.int64]) -> tuple[Tensor, Array]:
    """Posterior means, shape (rows, T, n), and the mean covariance of the posteriors, shape (n, n)."""
    means, covariances = [], []
    for start in range(0, len(rows), _CHUNK):
        x = model.standardised(batches.rows(rows[start : start + _CHUNK]).observations)
        posterior = model.posterior(x.flatten(0, 1))
        means.append(posterior.loc.reshape(*x.shape[:2], -1))
        covariances.append((posterior.factor @ posterior.factor.mT).sum(0))
    latents = torch.cat(means)
    return latents, _array(torch.stack(covariances).sum(0) / latents[..., 0].numel())


@dataclass(frozen=True)
class _Fitting:
    """Fits fresh transition networks to latents that stay as they are.

    They are encoded once: the networks are small, and many passes over fewer rows are cheap.
    """

    model: SparseVAE
    actions: Tensor | None
    step: int

    def fit_(self, latents: Tensor, config: TrainingConfig, most_steps: int) -> None:
        """Fit networks of this configuration to these latents, shape (rows, T, n)."""
        device = latents.device
        self.model.fresh_transition_(config, torch.Generator().manual_seed(config.seed + self.step))
        optimiser = build(self.model.networks.parameters(), config)
        steps = min(max((config.steps or 0) // 3, _FEWEST_STEPS), most_steps)
        draw = np.random.default_rng([config.seed, self.step, 1])
        size = min(_BATCH, len(latents))
        for k in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = (config.learning_rate or 0) * min(1.0, (k + 1) / 30) * (1 - k / steps)
            chosen = torch.from_numpy(draw.integers(len(latents), size=size)).to(device)
            loss = self._misfit(latents, chosen)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    def _misfit(self, latents: Tensor, chosen: Tensor) -> Tensor:
        some, acted = latents[chosen], None if self.actions is None else self.actions[chosen]
        mean = self.model.transition(some[:, 0] if self.model.shape.past else None, acted).loc
        return 0.5 * (some[:, -1] - mean).square().mean(0).clamp_min(_TINY).log().sum()
