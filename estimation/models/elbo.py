"""The evidence lower bound (ELBO) of SparseVAE and its terms.

::

    reconstruction   sum over time steps of the mean over observed dimensions of -log p(x^t | z^t)
    divergence       sum over time steps and latents of KL(q(z^t | x^t) || p(z^t | .)), divided by d_x

Their sum is the negative ELBO per observed dimension (Lachapelle et al., arXiv 2401.04890, the section on estimation).
The likelihood of missing entries is left out: they count as 0 in the sum over d_x.

With *profiled* variances, the variances of p(x | z) and p(z_i | .) are replaced by their closed-form optimum on the
batch. For a Gaussian the optimum is the mean square, and the negative log-likelihood becomes half its logarithm. The
loss then keeps a useful slope over many orders of magnitude, whereas a learned variance first has to reach its scale.
A variance that depends on past and actions, v_i exp(g_i(z^(t-1), a)), is profiled in v_i: `profiled_gaussian`.

With the noise of ``estimation.models.noise``, the divergence has no closed form. It is split into that of the Gaussian
with the same location and scale, in closed form as before, and the expectation of the difference of both densities
under the posterior, from an antithetic pair of samples: `transition_misfit`. The difference is zero before splines are
fitted. Profiled variances are those of the Gaussian, so that the scale of the latents is profiled as without splines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Normal

from estimation.models.masks import Masks
from estimation.models.missing import known_entries
from estimation.models.posterior import Gaussian
from estimation.models.representation import Batch
from estimation.models.splines import RationalQuadraticSpline
from estimation.models.transitions import TransitionResidual

__all__ = [
    "LatentModel",
    "LossTerms",
    "negative_elbo",
    "profiled_gaussian",
    "spline_misfit",
    "training_loss",
    "transition_misfit",
]

_MIN_VARIANCE = 1e-12
_LOG_2PI_E = math.log(2 * math.pi) + 1


class LatentModel(Protocol):
    """The distributions of a model, as the ELBO needs them; `SparseVAE` has them."""

    def inputs(self, observations: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Return standardised observations, with covariates behind them."""

    def observed(self, inputs: Tensor) -> Tensor:
        """Return the observations among the inputs."""

    def covariates(self, inputs: Tensor) -> Tensor | None:
        """Return the covariates among the inputs."""

    def posterior(self, inputs: Tensor) -> Gaussian:
        """Return q(z | x)."""

    def likelihood(self, latents: Tensor, covariates: Tensor | None = None) -> Normal:
        """Return p(x | z)."""

    def mean_observations(self, latents: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Return the means of p(x | z)."""

    def count_log_likelihood(self, latents: Tensor, inputs: Tensor) -> Tensor | None:
        """Return log p(x | z) of every entry of counts; None for other data."""

    def past_latents(self, latents: Tensor) -> Tensor | None:
        """Return the latents of the previous step."""

    def transition_residual(
        self, current: Tensor, past: Tensor | None, actions: Tensor | None, masks: Masks | None = None
    ) -> TransitionResidual:
        """Return the residual of p(z^t | z^(t-1), a)."""


@dataclass(frozen=True)
class LossTerms:
    """The terms of the loss, scalars, and the variances they were computed with.

    Attributes:
        reconstruction: Reconstruction term, as in the module's docstring.
        divergence: Divergence term, as in the module's docstring.
        variance_x: Variance of p(x | z), a scalar.
        variance_z: Variances of p(z_i | .), shape (n,). If they depend on past and actions: their mean over the batch,
            or with profiled variances the profiled factor v.
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
    model: LatentModel, batch: Batch, masks: Masks | None, generator: torch.Generator
) -> LossTerms:
    """Return the negative ELBO with the model's own variances.

    Args:
        model: The model.
        batch: Rows of the data.
        masks: Masks drawn by the model; None for the edges that are more likely than not.
        generator: Random generator of the posterior samples, one sample per posterior.
    """
    parts = _Parts.of(model, batch, masks, generator)
    reconstruction, variance_x = _reconstruction(model, parts)
    scale = parts.residual.scale
    relative = parts.squared_residual() / scale.square()
    last = (0.5 * (relative - 1) + scale.log()).sum(1) - parts.log_det[:, -1]
    divergence = last.mean() + _initial_divergence(parts)
    if parts.residual.spline is not None:
        samples = _antithetic(parts.residual, parts.deviation()) / scale
        divergence = divergence + spline_misfit(parts.residual.spline, samples).sum()
    return LossTerms(
        reconstruction,
        divergence / parts.standardised.shape[-1],
        variance_x,
        scale.square().mean(0),
    )


def training_loss(
    model: LatentModel, batch: Batch, masks: Masks | None, generator: torch.Generator, profiled: bool
) -> LossTerms:
    """Return the loss that training minimises: the negative ELBO, optionally with profiled variances.

    Args:
        model: The model.
        batch: Rows of the data.
        masks: Masks drawn by the model; None for the edges that are more likely than not.
        generator: Random generator of the posterior samples, one sample per posterior.
        profiled: Whether to replace the variances by their optimum on this batch.
    """
    if not profiled:
        return negative_elbo(model, batch, masks, generator)
    parts = _Parts.of(model, batch, masks, generator)
    reconstruction, variance_x = _profiled_reconstruction(model, parts)
    misfit, variance_z = transition_misfit(
        parts.residual, parts.squared_residual(), parts.deviation(), profiled=True
    )
    divergence = misfit.sum() - parts.log_det[:, -1].mean() + _initial_divergence(parts)
    return LossTerms(
        reconstruction,
        divergence / parts.standardised.shape[-1],
        variance_x.detach(),
        variance_z.detach(),
    )


def _reconstruction(model: LatentModel, parts: _Parts) -> tuple[Tensor, Tensor]:
    """Return the reconstruction term with the model's own variance, and that variance."""
    n_rows, n_steps = parts.mean.shape[:2]
    # user-supplied networks take rows (B, n), not sequences (B, T, n)
    sample = parts.sample.flatten(0, 1)
    of_counts = model.count_log_likelihood(sample, parts.inputs)
    if of_counts is not None:
        return -of_counts.reshape(n_rows, n_steps, -1).mean((0, 2)).sum(), of_counts.new_ones(())
    likelihood = model.likelihood(sample, model.covariates(parts.inputs))
    log_likelihood = likelihood.log_prob(parts.standardised)  # type: ignore[no-untyped-call]
    if parts.known is not None:
        log_likelihood = log_likelihood * parts.known
    reconstruction = -log_likelihood.reshape(n_rows, n_steps, -1).mean((0, 2)).sum()
    return reconstruction, likelihood.scale.square().mean()


def _profiled_reconstruction(model: LatentModel, parts: _Parts) -> tuple[Tensor, Tensor]:
    """Return the reconstruction term with the best variance on the batch, and that variance; counts have none."""
    sample = parts.sample.flatten(0, 1)
    of_counts = model.count_log_likelihood(sample, parts.inputs)
    if of_counts is not None:
        return -of_counts.mean() * parts.mean.shape[1], of_counts.new_ones(())
    reconstructed = model.mean_observations(sample, model.covariates(parts.inputs))
    squared, share = (reconstructed - parts.standardised).square(), 1.0
    if parts.known is not None:
        share = float(parts.known.float().mean())
        squared = (squared * parts.known) / max(share, 1 / squared.numel())
    variance_x = squared.mean().clamp_min(_MIN_VARIANCE)
    return 0.5 * parts.mean.shape[1] * share * (_LOG_2PI_E + variance_x.log()), variance_x


def profiled_gaussian(squared: Tensor, log_factor: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the misfit of a Gaussian whose variance is replaced by its optimum on the batch.

    With variances v_i exp(g_i), the average negative log-likelihood of residuals r_i has its minimum in v_i at
    v_i = mean(r_i^2 exp(-g_i)), where it is, up to a constant, ::

        log(v_i) / 2 + mean(g_i) / 2

    A constant added to g_i does not change it, so that g_i only says where the variance is larger and where smaller.
    (Ours; concentrated likelihood of a heteroscedastic regression.)

    Args:
        squared: Squared residuals r^2, or their expectations, shape (B, n).
        log_factor: Logarithms g of the factors of the variances, shape (B, n); None for factors of 1.

    Returns:
        The misfits, shape (n,), and the variances v, shape (n,).

    Example:
        >>> misfit, variance = profiled_gaussian(torch.tensor([[1.0], [9.0]]))
        >>> variance.tolist()
        [5.0]
        >>> better, variance = profiled_gaussian(torch.tensor([[1.0], [9.0]]), torch.tensor([[1.0], [9.0]]).log())
        >>> variance.tolist(), bool(better < misfit)
        ([1.0], True)
    """
    if log_factor is None:
        variance = squared.mean(0).clamp_min(_MIN_VARIANCE)
        return 0.5 * variance.log(), variance
    variance = (squared * (-log_factor).exp()).mean(0).clamp_min(_MIN_VARIANCE)
    return 0.5 * (variance.log() + log_factor.mean(0)), variance


def transition_misfit(
    residual: TransitionResidual, squared: Tensor, deviation: Tensor, profiled: bool
) -> tuple[Tensor, Tensor]:
    """Return the average negative log-likelihood of the transition under posteriors, and its variances.

    Args:
        residual: Residuals at the means of the posteriors.
        squared: Expected squared residuals under the posteriors, shape (B, n).
        deviation: Samples of the posteriors minus their means, shape (B, n).
        profiled: Whether to replace the variances by their optimum on this batch.

    Returns:
        The average negative log-likelihoods, up to a constant, shape (n,), and the variances, shape (n,).
    """
    if profiled:
        misfit, variance = profiled_gaussian(squared, residual.log_factor)
        factor = 1.0 if residual.log_factor is None else (0.5 * residual.log_factor).exp()
        scale = variance.sqrt() * factor
    else:
        scale = residual.scale
        misfit = (0.5 * squared / scale.square() + scale.log()).mean(0)
        variance = scale.square().mean(0)
    if residual.spline is not None:
        misfit = misfit + spline_misfit(residual.spline, _antithetic(residual, deviation) / scale)
    return misfit, variance


def spline_misfit(spline: RationalQuadraticSpline, samples: Tensor) -> Tensor:
    """Return how much larger the average negative log-likelihood is with splines T than with Gaussians.

    Args:
        spline: Splines of a batch of shape (n, B).
        samples: Samples u of residuals in units of their scale, shape (S, B, n).

    Returns:
        Averages over rows and samples of (T(u)^2 - u^2) / 2 - log T'(u), shape (n,).
    """
    values = samples.permute(2, 0, 1)
    mapped, log_slope = spline(values)
    return (0.5 * (mapped - values) * (mapped + values) - log_slope).mean((1, 2))


def _antithetic(residual: TransitionResidual, deviation: Tensor) -> Tensor:
    """Return two samples of the residuals, shape (2, B, n), whose average error has no part that is odd."""
    return torch.stack([residual.value + deviation, residual.value - deviation])


@dataclass(frozen=True)
class _Parts:
    """Posterior, samples and transition residual of a batch.

    Attributes:
        inputs: Inputs of the encoder, shape (B * T, d_x + d_c), with NaN for missing entries.
        standardised: Standardised observations, shape (B * T, d_x), with 0 for missing entries.
        known: Which entries are not missing, in the same shape; None if all are there.
        mean: Posterior means, shape (B, T, n).
        variance: Posterior variances, shape (B, T, n).
        log_det: Log-determinants of the posterior's factors, shape (B, T).
        sample: One sample of every posterior, shape (B, T, n).
        residual: Residual of the transition at the posterior mean of the last step.
    """

    inputs: Tensor
    standardised: Tensor
    known: Tensor | None
    mean: Tensor
    variance: Tensor
    log_det: Tensor
    sample: Tensor
    residual: TransitionResidual

    @classmethod
    def of(cls, model: LatentModel, batch: Batch, masks: Masks | None, generator: torch.Generator) -> _Parts:
        n_rows, n_steps = batch.observations.shape[:2]
        inputs = model.inputs(batch.observations, batch.covariates).reshape(n_rows * n_steps, -1)
        posterior, x = model.posterior(inputs), model.observed(inputs)
        noise = torch.randn(posterior.loc.shape, generator=generator, device=x.device, dtype=x.dtype)
        sample = posterior.sample(noise).reshape(n_rows, n_steps, -1)
        mean, variance = posterior.loc.view_as(sample), posterior.variance.view_as(sample)
        residual = model.transition_residual(mean[:, -1], model.past_latents(sample), batch.actions, masks)
        known = known_entries(x)
        observed = x if known is None else torch.where(known, x, 0)
        return cls(
            inputs, observed, known, mean, variance, posterior.log_det.view(n_rows, n_steps), sample, residual
        )

    def squared_residual(self) -> Tensor:
        """Return the mean square residual of the transition under the posterior of z^t, shape (B, n)."""
        return self.residual.value.square() + self.variance[:, -1]

    def deviation(self) -> Tensor:
        """Return the sample of z^t minus its posterior mean, shape (B, n)."""
        return self.sample[:, -1] - self.mean[:, -1]


def _initial_divergence(parts: _Parts) -> Tensor:
    """Return the KL divergence of the first step's posterior from a standard normal; 0 without a past."""
    if parts.mean.shape[1] == 1:
        return parts.mean.new_zeros(())
    second_moment = parts.mean[:, 0].square() + parts.variance[:, 0]
    return 0.5 * (second_moment - 1).sum(1).mean() - parts.log_det[:, 0].mean()
