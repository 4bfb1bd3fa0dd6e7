"""A round of unmixing: change to the latent basis in which the mechanisms are sparsest, and keep the strongest edges.

After the dense part the latents are right up to a nearly linear mixing. `unmix` finds the linear map that undoes it
from what the learned transition does; here it is folded into encoder and decoder, the strongest edges are kept, and
fresh transition networks are fitted to the new latents before training goes on. Later rounds do the same with latents
that the sparse mechanisms have meanwhile made better. They may also keep the basis that they find: of the two, with
equally many edges, the one is taken in which the latents are more likely.
"""

from __future__ import annotations

import copy
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
from estimation.unmixing import effect_sizes, unmix

__all__ = ["rebase_"]

Array = NDArray[np.float64]

_ROWS = 65_536
# of these, the part on which a fit is judged
_UNSEEN = 0.125
# effects of actions take fewer rows, and Jacobians, which are larger, fewer still
_EFFECTS = 16_384
_JACOBIANS = 4_096
# a third of the steps of the run, within these
_REFIT_STEPS = (20, 300)
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
        config: seed and optimiser.
        n_rows: of the training data.
        step: where training stands; picks the rows and the noise.
        limits: how many edges to keep, by mask; a mask without a limit stays dense.

    Returns:
        one line for the history.
    """
    again = not all(edges.dense for edges in model.edges.values())
    rows = np.random.default_rng([config.seed, step]).permutation(n_rows)[:_ROWS]
    fitting = _Fitting(
        model, _latents(model, batches, rows), batches.rows(rows).actions, config, step, batches.size
    )
    if again:
        # the strengths of edges that are gone have to be seen again
        for edges in model.edges.values():
            edges.open_()
        fitting.fit_(fitting.latents)
    effects = _Effects.of(model, fitting)
    found = unmix(effects.actions, effects.past, effects.covariance, config.seed)
    matrix, kept = found.matrix, "unmixed"
    misfit = _keep_and_fit_(fitting, effects, matrix, limits)
    if again:
        state = copy.deepcopy(model.state_dict())
        before = np.eye(len(matrix))
        if _keep_and_fit_(fitting, effects, before, limits) < misfit:
            matrix, kept = before, "kept the basis"
        else:
            model.load_state_dict(state)
    change = torch.from_numpy(matrix).to(model.x_mean)
    model.change_basis_(change, fitting.offset(change))
    edges_kept = ", ".join(f"{limit} edges of {name}" for name, limit in limits.items())
    return f"{kept} after {step} steps: objective {found.objective:.4g}, {edges_kept} kept"


def _keep_and_fit_(fitting: _Fitting, effects: _Effects, matrix: Array, limits: Mapping[str, int]) -> float:
    """Keep the strongest edges among the latents matrix @ z, fit the transition, and say how badly it fits."""
    actions, past = effect_sizes(matrix, effects.covariance, effects.actions, effects.past)
    for name, edges in fitting.model.edges.items():
        strengths = past if name == "past" else actions
        if name in limits and strengths is not None:
            edges.start_(torch.from_numpy(strengths).log().to(edges.logits))
            edges.freeze_(limits[name])
    change = torch.from_numpy(matrix).to(fitting.latents)
    misfit = fitting.fit_(fitting.latents @ change.T + fitting.offset(change))
    # a basis must not look better by being smaller
    return misfit - float(np.linalg.slogdet(matrix)[1])


@dataclass(frozen=True)
class _Effects:
    """What the transition does: effects (S, n, m), Jacobians (S, n, n) and the latents' covariance (n, n)."""

    actions: Array | None
    past: Array | None
    covariance: Array

    @classmethod
    def of(cls, model: SparseVAE, fitting: _Fitting) -> _Effects:
        latents, actions = fitting.latents, fitting.actions
        past = latents[:, 0] if model.shape.past else None
        jacobians = None
        if past is not None:
            few = None if actions is None else actions[:_JACOBIANS]
            jacobians = _array(model.transition_jacobian(past[:_JACOBIANS], few))
        return cls(
            None if actions is None else _array(_action_effects(model, past, actions)),
            jacobians,
            # where the past matters, its own distribution is the one that is white
            np.asarray(torch.cov(latents[:, 0].double().T).cpu().numpy()),
        )


def _action_effects(model: SparseVAE, past: Tensor | None, actions: Tensor) -> Tensor:
    return model.action_effects(None if past is None else past[:_EFFECTS], actions[:_EFFECTS])


def _array(values: Tensor) -> Array:
    return np.asarray(values.double().cpu().numpy())


@torch.no_grad()
def _latents(model: SparseVAE, batches: Batches, rows: NDArray[np.int64]) -> Tensor:
    """Posterior means, shape (rows, T, n)."""
    parts = []
    for start in range(0, len(rows), _CHUNK):
        x = model.standardised(batches.rows(rows[start : start + _CHUNK]).observations)
        parts.append(model.encoder(x.flatten(0, 1)).reshape(*x.shape[:2], -1))
    return torch.cat(parts)


@dataclass(frozen=True)
class _Fitting:
    """Fits fresh transition networks to latents that stay as they are.

    They are encoded once: the networks are small, and many passes over fewer rows are cheap.
    """

    model: SparseVAE
    latents: Tensor
    actions: Tensor | None
    config: TrainingConfig
    step: int
    batch_size: int

    def offset(self, change: Tensor) -> Tensor:
        """What brings the mean of the changed latents to zero."""
        return -change @ self.latents.flatten(0, 1).mean(0)

    def fit_(self, latents: Tensor) -> float:
        """Fit to these latents, shape (rows, T, n); the sum of the logarithms of the residuals on the last rows."""
        config, device = self.config, latents.device
        self.model.fresh_transition_(config, torch.Generator().manual_seed(config.seed + self.step))
        optimiser = build(self.model.networks.parameters(), config)
        fewest, most = _REFIT_STEPS
        steps = min(max((config.steps or 0) // 3, fewest), most)
        draw = np.random.default_rng([config.seed, self.step, 1])
        seen = len(latents) - round(_UNSEEN * len(latents))
        size = min(self.batch_size, seen)
        for k in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = (config.learning_rate or 0) * min(1.0, (k + 1) / 30) * (1 - k / steps)
            chosen = torch.from_numpy(draw.integers(seen, size=size)).to(device)
            loss = self._misfit(latents, chosen)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            return float(self._misfit(latents, torch.arange(seen, len(latents), device=device)))

    def _misfit(self, latents: Tensor, chosen: Tensor) -> Tensor:
        some, acted = latents[chosen], None if self.actions is None else self.actions[chosen]
        mean = self.model.transition(some[:, 0] if self.model.shape.past else None, acted).loc
        return 0.5 * (some[:, -1] - mean).square().mean(0).clamp_min(_TINY).log().sum()
