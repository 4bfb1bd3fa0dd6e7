"""The evidence lower bound of SparseVAE, term by term.

::

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

from estimation.models.representation import Batch
from estimation.models.sparse_vae import Masks, SparseVAE, TransitionResidual

__all__ = ["LossTerms", "negative_elbo", "training_loss"]

_LEAST = 1e-12
_LOG_2PI_E = math.log(2 * math.pi) + 1


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
    # networks of the user's take rows, not rows of steps
    fitted = model.likelihood(parts.sample.flatten(0, 1))
    likely = fitted.log_prob(parts.standardised)  # type: ignore[no-untyped-call]
    reconstruction = -likely.reshape(shape[0], shape[1], -1).mean((0, 2)).sum()
    scale = parts.residual.scale
    relative = parts.second_moment() / scale.square()
    last = (0.5 * (relative - 1) + scale.log()).sum(1) - parts.log_det[:, -1]
    divergence = last.mean() + _initial_divergence(parts)
    return LossTerms(
        reconstruction,
        divergence / parts.standardised.shape[-1],
        fitted.scale.square().mean(),
        scale.square().mean(0),
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
    fitted = model.mean_observations(parts.sample.flatten(0, 1))
    variance_x = (fitted - parts.standardised).square().mean().clamp_min(_LEAST)
    reconstruction = 0.5 * steps * (_LOG_2PI_E + variance_x.log())
    variance_z = parts.second_moment().mean(0).clamp_min(_LEAST)
    divergence = 0.5 * variance_z.log().sum() - parts.log_det[:, -1].mean() + _initial_divergence(parts)
    return LossTerms(reconstruction, divergence / d_x, variance_x.detach(), variance_z.detach())


@dataclass(frozen=True)
class _Parts:
    standardised: Tensor
    mean: Tensor
    variance: Tensor
    log_det: Tensor
    sample: Tensor
    residual: TransitionResidual

    @classmethod
    def of(cls, model: SparseVAE, batch: Batch, masks: Masks | None, generator: torch.Generator) -> _Parts:
        rows, steps, d_x = batch.observations.shape
        x = model.standardise(batch.observations).reshape(rows * steps, d_x)
        posterior = model.posterior(x)
        noise = torch.randn(posterior.loc.shape, generator=generator, device=x.device, dtype=x.dtype)
        sample = posterior.sample(noise).reshape(rows, steps, -1)
        mean, variance = posterior.loc.view_as(sample), posterior.variance.view_as(sample)
        residual = model.transition_residual(mean[:, -1], model.past_latents(sample), batch.actions, masks)
        return cls(x, mean, variance, posterior.log_det.view(rows, steps), sample, residual)

    def second_moment(self) -> Tensor:
        """Return the mean square of z^t - E[z^t | z^(t-1), a] under the posterior of z^t, shape (B, n)."""
        return self.residual.value.square() + self.variance[:, -1]


def _initial_divergence(parts: _Parts) -> Tensor:
    """KL of the first step's posterior from a standard normal; nothing without a past."""
    if parts.mean.shape[1] == 1:
        return parts.mean.new_zeros(())
    second_moment = parts.mean[:, 0].square() + parts.variance[:, 0]
    return 0.5 * (second_moment - 1).sum(1).mean() - parts.log_det[:, 0].mean()
