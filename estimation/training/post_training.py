"""Post-training refinement: Gauss-Newton steps on the encodings, and a flow that corrects the latents nonlinearly.

Encoder and decoder stay as they are. The transition is fitted once more, to the corrected latents.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from estimation.config.training import TrainingConfig
from estimation.models.elbo import profiled_gaussian
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings
from estimation.training.flow_fitting import fit_flow_
from identify.exceptions import IdentifyError

__all__ = ["NoActiveLatentsError", "Refinement", "apply_flow_", "refine_encodings_", "refinements"]

Refinement = Callable[[SparseVAE, Batches, TrainingConfig, int], None]

_CHUNK = 4_096
# rows from which variances are estimated
_VARIANCE_ROWS = 16_384
_MIN_VARIANCE = 1e-12


class NoActiveLatentsError(IdentifyError):
    """All latents have collapsed, so that there are none that a flow could correct."""


def refine_encodings_(model: SparseVAE, batches: Batches, config: TrainingConfig, step: int) -> None:
    """Enable the refinement of encodings, and fit the variances to refined encodings, in place.

    Args:
        model: Model with frozen edges.
        batches: Batches of the training data.
        config: Number of refinements, and the seed.
        step: Number of steps of training.

    Raises:
        NotDifferentiableError: If torch can't differentiate the decoder.
        torch.linalg.LinAlgError: If a Gauss-Newton step has no solution.
    """
    unrefined = Encodings.of(model, batches, step)
    model.refinement.enable_(unrefined.latents.flatten(0, 1), config.refinements)
    encodings = Encodings.of(model, batches, step, _VARIANCE_ROWS)
    if config.profiled:
        # with a smaller variance of the observations, the Gauss-Newton steps are longer
        model.log_variance_x.copy_(_variance_x(model, encodings, config.seed).log())
        encodings = Encodings.of(model, batches, step, _VARIANCE_ROWS)
        model.log_variance_z.copy_(_variance_z(model, encodings).log())


def apply_flow_(model: SparseVAE, batches: Batches, config: TrainingConfig, step: int) -> None:
    """Fit the flow together with the transition, in place.

    Collapsed latents are left out: the flow is fitted to encodings, which do not show how such latents vary.

    Args:
        model: Model with frozen edges and a flow that is not active.
        batches: Batches of the training data.
        config: Optimiser and seed.
        step: Number of steps of training.

    Raises:
        NoActiveLatentsError: If all latents have collapsed.
        torch.linalg.LinAlgError: If the weights of the flow are not finite.
    """
    encodings = Encodings.of(model, batches, step)
    active = encodings.active_latents()
    if not active.any():
        raise NoActiveLatentsError("all latents have collapsed: none varies by more than its posterior")
    model.flow.activate_(active)
    fit_flow_(model, encodings, config, step)
    if config.profiled:
        model.log_variance_z.copy_(_variance_z(model, encodings).log())


def refinements(config: TrainingConfig) -> dict[tuple[str, str], Refinement]:
    """Return the refinements of a configuration in their order, by noun and participle for the notes."""
    steps: dict[tuple[str, str], Refinement] = {}
    if config.refinements:
        steps["encodings", "refined"] = refine_encodings_
    # with all edges present, a nonlinear correction has no objective
    if config.flow_blocks and config.sparsity != "none":
        steps["flow", "fitted"] = apply_flow_
    return steps


@torch.no_grad()
def _variance_x(model: SparseVAE, encodings: Encodings, seed: int) -> Tensor:
    """Return the mean square error of reconstructions from posterior samples, a scalar."""
    generator = torch.Generator(encodings.latents.device).manual_seed(seed)
    latents, factors = encodings.latents.flatten(0, 1), encodings.factors.flatten(0, 1)
    observations = encodings.standardised.flatten(0, 1)
    noise = torch.randn(latents.shape, generator=generator, device=latents.device, dtype=latents.dtype)
    samples = latents + (factors @ noise[..., None])[..., 0]
    errors = [
        (model.decoder(z) - x).square().sum()
        for z, x in zip(torch.split(samples, _CHUNK), torch.split(observations, _CHUNK), strict=True)
    ]
    return (torch.stack(errors).sum() / observations.numel()).clamp_min(_MIN_VARIANCE)


@torch.no_grad()
def _variance_z(model: SparseVAE, encodings: Encodings) -> Tensor:
    """Return the profiled variances of the transition, including the posterior's variance, shape (n,)."""
    total = torch.zeros_like(model.log_variance_z)
    n_rows = min(len(encodings.latents), _VARIANCE_ROWS)
    for start in range(0, n_rows, _CHUNK):
        rows = slice(start, min(start + _CHUNK, n_rows))
        latents = encodings.latents[rows]
        corrected, jacobian, _ = model.flow.with_jacobian(latents.flatten(0, 1))
        corrected = corrected.view_as(latents)
        actions = None if encodings.actions is None else encodings.actions[rows]
        residual = model.transition_residual(corrected[:, -1], model.past_latents(corrected), actions)
        factor = jacobian.view(*latents.shape, -1)[:, -1] @ encodings.factors[rows, -1]
        squared = residual.value.square() + factor.square().sum(-1)
        total = total + profiled_gaussian(squared, residual.log_factor)[1] * len(latents)
    return (total / n_rows).clamp_min(_MIN_VARIANCE)
