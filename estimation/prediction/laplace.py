"""The posterior of the latents given some entries of an observation: modes, and weighted samples.

All of it is in the input space of the decoder, before the flow, where u has a Gaussian prior::

    p(u | x_observed)  proportional to  N(u; m, P^-1) prod over observed entries N(x_k; f_k(u), v)

Linear algebra is in double precision, since nearly noiseless observations make the posterior very narrow in some
directions. Gauss-Newton steps from several starts find the modes. The curvature at each gives a Gaussian (Laplace's
approximation; MacKay 2003, "Information Theory, Inference, and Learning Algorithms", chapter 27), and the mixture of
these Gaussians is the proposal of importance sampling, so that neither several modes nor curvature biases the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from estimation.models.jacobian import batch_jacobian

__all__ = ["GaussianPrior", "Posterior", "posterior_samples"]

Decoder = Callable[[Tensor], Tensor]
#: The log-density under the priors of some rows at points (S, B, n), shape (S, B).
LogPrior = Callable[[slice, Tensor], Tensor]

_MAX_STEPS = 30
# damping of the first step, and its factors after a step that improves, and after one that doesn't
_DAMPING, _EASE, _TIGHTEN = 1e-3, 0.3, 10.0
_MAX_DAMPING = 1e8
# a step that gains less than this, in nats, is the last one
_MIN_GAIN = 1e-5
# the proposal is wider than the curvature says, so that its tails cover those of the posterior
_INFLATION = 1.15
# numbers per chunk of Jacobians
_CHUNK_NUMBERS = 2_000_000


@dataclass(frozen=True)
class GaussianPrior:
    """A Gaussian prior for every row.

    Attributes:
        mean: Means, shape (B, n).
        precision: Precision matrices, shape (B, n, n).
    """

    mean: Tensor
    precision: Tensor

    def of_rows(self, rows: slice) -> GaussianPrior:
        """Return the priors of some rows, in double precision."""
        return GaussianPrior(self.mean[rows].double(), self.precision[rows].double())

    def negative_log(self, points: Tensor) -> Tensor:
        """Return the negative log-density, up to its normalisation, of points (..., B, n); shape (..., B)."""
        deviation = points - self.mean
        squared: Tensor = torch.einsum("...bi,bij,...bj->...b", deviation, self.precision, deviation)
        return 0.5 * squared

    def log_normaliser(self) -> Tensor:
        """Return the log-density at the mean, shape (B,)."""
        n = self.mean.shape[1]
        log_det: Tensor = torch.linalg.slogdet(self.precision)[1]
        return 0.5 * (log_det - n * math.log(2 * math.pi))


@dataclass(frozen=True)
class Posterior:
    """Weighted samples of the posterior.

    Attributes:
        samples: Samples in the input space of the decoder, shape (S, B, n).
        log_weights: Logarithms of normalised weights, shape (S, B).
        log_evidence: Log-density of the observed entries, shape (B,), in standardised units.
    """

    samples: Tensor
    log_weights: Tensor
    log_evidence: Tensor

    @property
    def effective_size(self) -> Tensor:
        """Kish's effective number of samples, shape (B,)."""
        return (-torch.logsumexp(2 * self.log_weights, dim=0)).exp()


def posterior_samples(
    decoder: Decoder,
    observed: Tensor,
    mask: Tensor,
    variance: Tensor,
    prior: GaussianPrior,
    starts: Tensor,
    n_samples: int,
    generator: torch.Generator,
    log_prior: LogPrior | None = None,
) -> Posterior:
    """Sample the posterior of the latents given the observed entries. Results are in double precision.

    Args:
        decoder: Decoder from (B, n) to (B, d_x).
        observed: Standardised observations, shape (B, d_x); missing entries are ignored.
        mask: Which entries are observed, boolean, shape (B, d_x).
        variance: Variance of the noise of each entry, a scalar.
        prior: Prior of each row.
        starts: Starts of the search for modes, shape (K, B, n).
        n_samples: Number of samples of each row.
        generator: Random generator.
        log_prior: Log-density under the prior of some rows (a slice) at points (S, B, n), shape (S, B); ``prior``
            is then an approximation that only guides the search. None if the prior is ``prior`` itself.
    """
    n_starts, n_rows, n = starts.shape
    per_row = observed.shape[1] * n * n_starts
    chunk = max(1, _CHUNK_NUMBERS // max(per_row, observed.shape[1] * n_samples))
    parts = []
    for first in range(0, n_rows, chunk):
        part = slice(first, min(first + chunk, n_rows))
        exact = None if log_prior is None else partial(log_prior, part)
        target = _Target(decoder, observed[part], mask[part], variance.double(), prior.of_rows(part), exact)
        parts.append(_sampled(target, starts[:, part].double(), n_samples, generator))
    return Posterior(
        torch.cat([part.samples for part in parts], dim=1),
        torch.cat([part.log_weights for part in parts], dim=1),
        torch.cat([part.log_evidence for part in parts]),
    )


@dataclass(frozen=True)
class _Target:
    """The unnormalised posterior of some rows; points, priors and results are in double precision."""

    decoder: Decoder
    observed: Tensor
    mask: Tensor
    variance: Tensor
    prior: GaussianPrior
    exact: Callable[[Tensor], Tensor] | None

    def log_density(self, points: Tensor) -> Tensor:
        """Return log p(x_observed | u) + log p(u) of points (S, B, n), shape (S, B)."""
        values = self.decoder(points.flatten(0, 1).to(self.observed.dtype))
        misfit = self._misfit(values.double().view(*points.shape[:2], -1))
        if self.exact is not None:
            log_prior = self.exact(points)
        else:
            log_prior = self.prior.log_normaliser() - self.prior.negative_log(points)
        return log_prior - misfit - 0.5 * self.mask.sum(1) * (2 * math.pi * self.variance).log()

    def slope(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return energy (K, B), gradient (K, B, n) and Gauss-Newton curvature (K, B, n, n) at points (K, B, n)."""
        steps, rows, n = points.shape
        values, jacobian = batch_jacobian(self.decoder, points.flatten(0, 1).to(self.observed.dtype))
        values = values.double().view(steps, rows, -1)
        jacobian = torch.where(self.mask[..., None], jacobian.double().view(steps, rows, -1, n), 0)
        residual = torch.where(self.mask, values - self.observed, 0)
        pulled = torch.einsum("bij,kbj->kbi", self.prior.precision, points - self.prior.mean)
        gradient = torch.einsum("kbdi,kbd->kbi", jacobian, residual) / self.variance + pulled
        curvature = jacobian.mT @ jacobian / self.variance + self.prior.precision
        return self._misfit(values) + self.prior.negative_log(points), gradient, curvature

    def _misfit(self, values: Tensor) -> Tensor:
        squared = torch.where(self.mask, (values - self.observed).square(), 0)
        return 0.5 * squared.sum(-1) / self.variance


def _sampled(target: _Target, starts: Tensor, n_samples: int, generator: torch.Generator) -> Posterior:
    modes, energy, curvature = _modes(target, starts)
    factor = torch.linalg.cholesky(curvature)
    half_log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    # Laplace's estimate of the mass of each mode; equal modes share theirs
    share = torch.softmax(-energy - half_log_det, dim=0)
    n_modes, n_rows, n = modes.shape
    choice = torch.multinomial(share.T, n_samples, replacement=True, generator=generator).T
    noise = torch.randn(n_samples, n_rows, n, generator=generator, device=modes.device, dtype=modes.dtype)
    rows = torch.arange(n_rows, device=modes.device)
    chosen = factor[choice, rows]
    step = torch.linalg.solve_triangular(chosen.mT, _INFLATION * noise[..., None], upper=True)[..., 0]
    samples = modes[choice, rows] + step
    log_proposal = torch.logsumexp(
        torch.stack(
            [
                share[k].log() + _log_density(samples - modes[k], factor[k], half_log_det[k])
                for k in range(n_modes)
            ]
        ),
        dim=0,
    )
    log_weights = target.log_density(samples) - log_proposal
    total = torch.logsumexp(log_weights, dim=0)
    return Posterior(samples, log_weights - total, total - math.log(n_samples))


def _log_density(deviation: Tensor, factor: Tensor, half_log_det: Tensor) -> Tensor:
    """Return the log-density of the inflated Gaussian with precision L L', for deviations (S, B, n); shape (S, B)."""
    n = deviation.shape[-1]
    whitened = torch.einsum("bji,sbj->sbi", factor, deviation) / _INFLATION
    return half_log_det - 0.5 * whitened.square().sum(-1) - n * math.log(_INFLATION * math.sqrt(2 * math.pi))


def _modes(target: _Target, starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return modes (K, B, n), their energies (K, B) and curvatures (K, B, n, n), by damped Gauss-Newton steps."""
    points = starts
    energy, gradient, curvature = target.slope(points)
    damping = torch.full_like(energy, _DAMPING)
    for _ in range(_MAX_STEPS):
        diagonal = torch.diag_embed(curvature.diagonal(dim1=-2, dim2=-1) * damping[..., None])
        step = torch.linalg.solve(curvature + diagonal, gradient[..., None])[..., 0]
        proposal = points - step
        new_energy, new_gradient, new_curvature = target.slope(proposal)
        improves = new_energy < energy
        gain = torch.where(improves, energy - new_energy, 0)
        points = torch.where(improves[..., None], proposal, points)
        gradient = torch.where(improves[..., None], new_gradient, gradient)
        curvature = torch.where(improves[..., None, None], new_curvature, curvature)
        energy = torch.where(improves, new_energy, energy)
        damping = torch.where(improves, damping * _EASE, damping * _TIGHTEN).clamp(1e-9, _MAX_DAMPING)
        settled = (improves & (gain < _MIN_GAIN)) | (~improves & (step.abs().amax(-1) < 1e-5))
        if bool(settled.all()):
            break
    return points, energy, curvature
