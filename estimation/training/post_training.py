"""After the last step: encodings in line with the decoder, and latents straightened by a flow.

Both leave encoder and decoder as they are. The transition is fitted once more, to latents that have become more
precise and less bent.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from estimation.config.training import TrainingConfig
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings
from estimation.training.flow_fitting import fit_flow_
from identify.exceptions import IdentifyError

__all__ = ["NoActiveLatentsError", "Refinement", "refine_", "refinements", "straighten_"]

Refinement = Callable[[SparseVAE, Batches, TrainingConfig, int], None]

_CHUNK = 4_096
# rows that variances are measured on
_FEW = 16_384
_LEAST = 1e-12


class NoActiveLatentsError(IdentifyError):
    """There is no latent that a flow could go through."""


def refine_(model: SparseVAE, batches: Batches, config: TrainingConfig, step: int) -> None:
    """Begin to refine encodings, and fit the variances to them, in place.

    Args:
        model: with frozen edges.
        batches: of the training data.
        config: how many refinements, and the seed.
        step: where training stands.

    Raises:
        NotDifferentiableError: torch can't differentiate the decoder.
        torch.linalg.LinAlgError: a step has no solution.
    """
    first = Encodings.of(model, batches, step)
    model.refinement.begin_(first.latents.flatten(0, 1), config.refinements)
    few = Encodings.of(model, batches, step, _FEW)
    if config.variance == "profiled":
        # with a smaller variance of the observations the steps go further
        model.log_variance_x.copy_(_variance_x(model, few, config.seed).log())
        few = Encodings.of(model, batches, step, _FEW)
        model.log_variance_z.copy_(_variance_z(model, few).log())


def straighten_(model: SparseVAE, batches: Batches, config: TrainingConfig, step: int) -> None:
    """Fit the flow together with the transition, in place.

    A latent that the observations hardly tell of is left out: its samples are everywhere, and encodings, which are all
    that the flow would learn from, are not.

    Args:
        model: with frozen edges and a flow that is not active.
        batches: of the training data.
        config: optimiser and seed.
        step: where training stands.

    Raises:
        NoActiveLatentsError: the observations tell of no latent.
        torch.linalg.LinAlgError: the flow's weights stopped being finite.
    """
    encodings = Encodings.of(model, batches, step)
    told = encodings.told()
    if not told.any():
        raise NoActiveLatentsError("the observations tell of no latent")
    model.flow.activate_(told)
    fit_flow_(model, encodings, config, step)
    if config.variance == "profiled":
        model.log_variance_z.copy_(_variance_z(model, encodings).log())


def refinements(config: TrainingConfig) -> dict[str, Refinement]:
    """What these settings ask for after the last step, in its order, by the word for it."""
    every: dict[str, Refinement] = {}
    if config.refinements:
        every["refined"] = refine_
    # with all edges there is nothing to be straight for
    if config.flow_blocks and config.sparsity != "none":
        every["straightened"] = straighten_
    return every


@torch.no_grad()
def _variance_x(model: SparseVAE, encodings: Encodings, seed: int) -> torch.Tensor:
    """The mean square of what samples of the posterior miss of the observations."""
    generator = torch.Generator(encodings.latents.device).manual_seed(seed)
    latents, factors = encodings.latents.flatten(0, 1), encodings.factors.flatten(0, 1)
    observed = encodings.standardised.flatten(0, 1)
    noise = torch.randn(latents.shape, generator=generator, device=latents.device, dtype=latents.dtype)
    samples = latents + (factors @ noise[..., None])[..., 0]
    missed = [
        (model.decoder(z) - x).square().sum()
        for z, x in zip(torch.split(samples, _CHUNK), torch.split(observed, _CHUNK), strict=True)
    ]
    return (torch.stack(missed).sum() / observed.numel()).clamp_min(_LEAST)


@torch.no_grad()
def _variance_z(model: SparseVAE, encodings: Encodings) -> torch.Tensor:
    """The mean square of what the transition leaves over, with the posterior's variance, shape (n,)."""
    past, total = model.shape.past, torch.zeros_like(model.log_variance_z)
    count = min(len(encodings.latents), _FEW)
    for start in range(0, count, _CHUNK):
        rows = slice(start, min(start + _CHUNK, count))
        bent = encodings.latents[rows]
        straight, jacobian, _ = model.flow.with_jacobian(bent.flatten(0, 1))
        straight = straight.view_as(bent)
        actions = None if encodings.actions is None else encodings.actions[rows]
        mean = model.transition(straight[:, 0] if past else None, actions).loc
        factor = jacobian.view(*bent.shape, -1)[:, -1] @ encodings.factors[rows, -1]
        total = total + ((straight[:, -1] - mean).square() + factor.square().sum(-1)).sum(0)
    return (total / count).clamp_min(_LEAST)
