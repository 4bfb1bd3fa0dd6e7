"""A round of unmixing: change to the latent basis in which the mechanisms are sparsest, and keep the strongest edges.

After the dense part the latents are right up to a nearly linear mixing. `unmix` finds the linear map that undoes it
from what the learned transition does; here it is folded into encoder and decoder, the strongest edges are kept, and
fresh transition networks are fitted to the new latents before training goes on. Later rounds do the same with latents
that the sparse mechanisms have meanwhile made better.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config import TrainingConfig
from estimation.model import SparseVAE
from estimation.training.batches import Batches, generator_for
from estimation.training.optimisers import build
from estimation.unmixing import Unmixing, unmix

__all__ = ["rebase_"]

# the covariance needs more rows than the Jacobians, which are larger
_ROWS = 16_384
_JACOBIANS = 4_096
# a third of the steps of the run, within these
_REFIT_STEPS = (20, 300)
_REFIT_ROWS = 65_536
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
    if not all(edges.dense for edges in model.edges.values()):
        # the strengths of edges that are gone have to be seen again
        for edges in model.edges.values():
            edges.open_()
        _refit_(model, batches, config, n_rows, step)
    rows = np.random.default_rng([config.seed, step]).permutation(n_rows)[:_ROWS]
    result = _unmix(model, batches, rows, config)
    matrix = torch.from_numpy(result.matrix).to(model.x_mean)
    mean = _latents(model, batches, rows).flatten(0, 1).mean(0)
    model.change_basis_(matrix, -matrix @ mean)
    for name, edges in model.edges.items():
        strengths = result.past_strengths if name == "past" else result.action_strengths
        if name in limits and strengths is not None:
            edges.start_(torch.from_numpy(strengths).log().to(edges.logits))
            edges.freeze_(limits[name])
    _refit_(model, batches, config, n_rows, step)
    kept = ", ".join(f"{limit} edges of {name}" for name, limit in limits.items())
    return f"unmixing after {step} steps: objective {result.objective:.4g}, {kept} kept"


def _unmix(model: SparseVAE, batches: Batches, rows: NDArray[np.int64], config: TrainingConfig) -> Unmixing:
    latents = _latents(model, batches, rows)
    batch = batches.rows(rows)
    past = latents[:, 0] if model.shape.past else None
    jacobians = None
    if past is not None:
        few = None if batch.actions is None else batch.actions[:_JACOBIANS]
        jacobians = model.transition_jacobian(past[:_JACOBIANS], few)
    # where the past matters, its own distribution is the one that is white
    reference = latents[:, 0].double()
    return unmix(
        action_effects=None if batch.actions is None else _array(model.action_effects(past, batch.actions)),
        past_jacobians=None if jacobians is None else _array(jacobians),
        covariance=np.asarray(torch.cov(reference.T).cpu().numpy()),
        seed=config.seed,
    )


def _array(values: Tensor) -> NDArray[np.float64]:
    return np.asarray(values.double().cpu().numpy())


@torch.no_grad()
def _latents(model: SparseVAE, batches: Batches, rows: NDArray[np.int64]) -> Tensor:
    """Posterior means, shape (rows, T, n)."""
    parts = []
    for start in range(0, len(rows), _CHUNK):
        x = model.standardised(batches.rows(rows[start : start + _CHUNK]).observations)
        parts.append(model.encoder(x.flatten(0, 1)).reshape(*x.shape[:2], -1))
    return torch.cat(parts)


def _refit_(model: SparseVAE, batches: Batches, config: TrainingConfig, n_rows: int, step: int) -> None:
    """Fit fresh transition networks to latents that stay as they are."""
    device = model.x_mean.device
    model.fresh_transition_(config, torch.Generator().manual_seed(config.seed + step))
    optimiser = build(model.networks.parameters(), config)
    fewest, most = _REFIT_STEPS
    steps = min(max((config.steps or 0) // 3, fewest), most)
    draw = np.random.default_rng([config.seed, step, 1])
    # encoded once: the networks are small, and many passes over fewer rows are cheap
    rows = draw.permutation(n_rows)[:_REFIT_ROWS]
    latents, actions = _latents(model, batches, rows), batches.rows(rows).actions
    size = min(batches.size, len(rows))
    for k in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = (config.learning_rate or 0) * min(1.0, (k + 1) / 30) * (1 - k / steps)
        chosen = torch.from_numpy(draw.integers(len(rows), size=size)).to(device)
        some, acted = latents[chosen], None if actions is None else actions[chosen]
        with torch.no_grad():
            masks = model.sample_masks(size, generator_for(config.seed + 1, step + k, device))
        mean = model.transition(some[:, 0] if model.shape.past else None, acted, masks).loc
        loss = (some[:, -1] - mean).square().mean(0).clamp_min(_TINY).log().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
