"""The evidence lower bound of SparseVAE, term by term.

    reconstruction   sum over time steps of the mean over observed dimensions of -log p(x^t | z^t)
    divergence       sum over time steps and latents of KL(q(z^t | x^t) || p(z^t | .)), divided by d_x

Their sum is the negative ELBO per observed dimension (Lachapelle et al., arXiv 2401.04890, the section on estimation).

With *profiled* variances, those of p(x | z) and p(z_i | .) are replaced by their closed-form optimum on the batch. For
a Gaussian that optimum is the mean square, and the negative log-likelihood becomes half its logarithm: the loss keeps
a useful slope over many orders of magnitude, where a learned variance first has to find its size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from estimation.model import Masks, SparseVAE

__all__ = ["Batch", "LossTerms", "negative_elbo", "training_loss"]

_LEAST = 1e-12
_LOG_2PI_E = math.log(2 * math.pi) + 1


@dataclass(frozen=True)
class Batch:
    """Observations (B, T, d_x) in the user's units, and actions (B, m) or None."""

    observations: Tensor
    actions: Tensor | None


@dataclass(frozen=True)
class LossTerms:
    """The terms of the loss, scalars, and the variances that belong to them.

    Attributes:
        reconstruction: as in the module's docstring.
        divergence: as in the module's docstring.
        variance_x: of p(x | z), scalar.
        variance_z: of p(z_i | .), shape (n,).
    """

    reconstruction: Tensor
    divergence: Tensor
    variance_x: Tensor
    variance_z: Tensor

    @property
    def total(self) -> Tensor:
        """The negative ELBO per observed dimension."""
        return self.reconstruction + self.divergence


def negative_elbo(
    model: SparseVAE, batch: Batch, masks: Masks | None, generator: torch.Generator
) -> LossTerms:
    """The negative ELBO with the model's own variances.

    Args:
        model: the model.
        batch: rows of data.
        masks: as drawn; None for the edges that are more likely than not.
        generator: draws one sample of every posterior.
    """
    parts = _Parts.of(model, batch, masks, generator)
    shape = parts.mean.shape
    x = parts.standardised.reshape(shape[0], shape[1], -1)
    fitted = model.likelihood(parts.sample)
    reconstruction = -fitted.log_prob(x).mean((0, 2)).sum()  # type: ignore[no-untyped-call]
    divergence = kl_divergence(
        Normal(parts.mean[:, -1], parts.scale[:, -1], validate_args=False), parts.prior
    )
    divergence = divergence.sum(1).mean() + _initial_divergence(parts)
    return LossTerms(
        reconstruction,
        divergence / x.shape[-1],
        fitted.scale.square().mean(),
        parts.prior.scale.square().mean(0),
    )


def training_loss(
    model: SparseVAE, batch: Batch, masks: Masks | None, generator: torch.Generator, profiled: bool
) -> LossTerms:
    """What training minimises: the negative ELBO, with profiled variances if asked.

    Args:
        model: the model.
        batch: rows of data.
        masks: as drawn by the model.
        generator: draws one sample of every posterior.
        profiled: replace the variances by the optimum of this batch.
    """
    if not profiled:
        return negative_elbo(model, batch, masks, generator)
    parts = _Parts.of(model, batch, masks, generator)
    steps, d_x = parts.mean.shape[1], parts.standardised.shape[-1]
    fitted = model.decoder(parts.sample.flatten(0, 1))
    variance_x = (fitted - parts.standardised).square().mean().clamp_min(_LEAST)
    reconstruction = 0.5 * steps * (_LOG_2PI_E + variance_x.log())
    spread = (parts.mean[:, -1] - parts.prior.loc).square() + parts.scale[:, -1].square()
    variance_z = spread.mean(0).clamp_min(_LEAST)
    divergence = (0.5 * variance_z.log() - parts.scale[:, -1].log().mean(0)).sum() + _initial_divergence(
        parts
    )
    return LossTerms(reconstruction, divergence / d_x, variance_x.detach(), variance_z.detach())


@dataclass(frozen=True)
class _Parts:
    standardised: Tensor
    mean: Tensor
    scale: Tensor
    sample: Tensor
    prior: Normal

    @classmethod
    def of(cls, model: SparseVAE, batch: Batch, masks: Masks | None, generator: torch.Generator) -> _Parts:
        rows, steps, d_x = batch.observations.shape
        x = model.standardised(batch.observations).reshape(rows * steps, d_x)
        posterior = model.posterior(x)
        noise = torch.randn(posterior.loc.shape, generator=generator, device=x.device, dtype=x.dtype)
        sample = (posterior.loc + posterior.scale * noise).reshape(rows, steps, -1)
        prior = model.transition(sample[:, 0] if model.shape.past else None, batch.actions, masks)
        return cls(x, posterior.loc.view_as(sample), posterior.scale.view_as(sample), sample, prior)


def _initial_divergence(parts: _Parts) -> Tensor:
    """KL of the first step's posterior from a standard normal; nothing without a past."""
    if parts.mean.shape[1] == 1:
        return parts.mean.new_zeros(())
    mean, scale = parts.mean[:, 0], parts.scale[:, 0]
    return (0.5 * (mean.square() + scale.square() - 1) - scale.log()).sum(1).mean()
