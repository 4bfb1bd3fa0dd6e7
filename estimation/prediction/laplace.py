"""The posterior of w given some entries of an observation: modes, and weighted samples.

::

    p(w | x_observed)  proportional to  N(w; 0, P^-1) prod over observed entries p(x_k | g_k(w))

with the map g of `estimation.prediction.generation`, and the likelihoods of `estimation.prediction.entries`.
Gauss-Newton steps (of counts: Fisher's scoring) from several starts find the modes, in double precision, since nearly
noiseless observations make the posterior very narrow in some directions. The curvature at each gives a Gaussian
(Laplace's approximation; MacKay 2003, "Information Theory, Inference, and Learning Algorithms", chapter 27), and the
mixture of these Gaussians is the proposal of importance sampling, so that neither several modes nor curvature biases
the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from estimation.prediction.entries import Entries
from estimation.prediction.generation import Generation
from estimation.prediction.row_sizes import WithSizes

__all__ = ["Posterior", "posteriors"]

_MAX_STEPS = 30
# damping of the first step, and its factors after a step that improves, and after one that doesn't
_DAMPING, _EASE, _TIGHTEN = 1e-3, 0.3, 10.0
_MIN_DAMPING, _MAX_DAMPING = 1e-9, 1e8
# a step that gains less than this, in nats, or that moves less than this, is the last one
_MIN_GAIN, _MIN_CHANGE = 1e-4, 1e-4
# a start whose energy is above the best one of its row by more than this, in nats, is given up after a few steps
_MAX_BEHIND, _FIRST_STEPS = 50.0, 4
# the proposal is wider than the curvature says, so that its tails cover those of the posterior
_INFLATION = 1.15
# numbers per chunk
_CHUNK_NUMBERS = 2_000_000


@dataclass(frozen=True)
class Posterior:
    """Weighted samples of the posterior, in double precision.

    Attributes:
        latents: Latents of the samples, shape (S, B, T, n).
        entries: The observed entries of the rows.
        decoded: Outputs of the decoder for the samples, shape (S, B, T d_x).
        log_weights: Logarithms of normalised weights, shape (S, B).
        log_evidence: Log-density of the observed entries, shape (B,), in standardised units.
    """

    latents: Tensor
    entries: Entries
    decoded: Tensor
    log_weights: Tensor
    log_evidence: Tensor

    @property
    def effective_size(self) -> Tensor:
        """Kish's effective number of samples, shape (B,)."""
        return (-torch.logsumexp(2 * self.log_weights, dim=0)).exp()


def posteriors(
    generation: Generation | WithSizes,
    entries: Entries,
    starts: Tensor,
    n_samples: int,
    generator: torch.Generator,
) -> Iterator[Posterior]:
    """Yield weighted samples of the posterior of w given the observed entries, some rows at a time, in their order.

    Args:
        generation: The map from w to observations.
        entries: The observed entries of B rows.
        starts: Starts of the search for modes, shape (K, B, coordinates of w).
        n_samples: Number of samples of each row.
        generator: Random generator.
    """
    n_starts, n_rows, n = starts.shape
    per_row = entries.observed.shape[1] * max(n * n_starts, n_samples)
    chunk = max(1, _CHUNK_NUMBERS // per_row)
    for first in range(0, n_rows, chunk):
        rows = slice(first, min(first + chunk, n_rows))
        target = _Target(generation.of_rows(rows), entries.of_rows(rows))
        yield _sampled(target, starts[:, rows].double(), n_samples, generator)


@dataclass(frozen=True)
class _Target:
    """The unnormalised posterior of some rows."""

    generation: Generation | WithSizes
    entries: Entries

    def log_density(self, points: Tensor, decoded: Tensor) -> Tensor:
        """Return log p(x_observed | w) + log p(w) of points (S, B, n T) with their decoded outputs, shape (S, B)."""
        precision = self.generation.precision
        log_det: Tensor = torch.linalg.slogdet(precision)[1]
        quadratic = ((points @ precision) * points).sum(-1)
        log_prior = 0.5 * (log_det - points.shape[-1] * math.log(2 * math.pi) - quadratic)
        return log_prior + self.entries.log_prob(decoded)

    def slope(self, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return energy (P,), gradient (P, n T) and Gauss-Newton curvature (P, n T, n T) at points of some rows."""
        decoded, jacobian = self.generation.with_jacobian(points, rows)
        score, information = self.entries.score_and_information(decoded, rows)
        jacobian = torch.where(self.entries.mask[rows][..., None], jacobian, 0)
        pulled = points @ self.generation.precision
        gradient = pulled - (jacobian.mT @ score[..., None])[..., 0]
        curvature = jacobian.mT @ (information[..., None] * jacobian) + self.generation.precision
        energy = 0.5 * (points * pulled).sum(-1) - self.entries.log_prob(decoded, rows)
        return energy, gradient, curvature


def _sampled(target: _Target, starts: Tensor, n_samples: int, generator: torch.Generator) -> Posterior:
    modes, energy, curvature = _modes(target, starts)
    factor = torch.linalg.cholesky(curvature)
    half_log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    # Laplace's estimate of the mass of each mode; starts that end in the same mode share its mass
    share = torch.softmax(-energy - half_log_det, dim=0)
    n_modes, n_rows, n = modes.shape
    choice = torch.multinomial(share.T, n_samples, replacement=True, generator=generator).T
    noise = torch.randn(n_samples, n_rows, n, generator=generator, device=modes.device, dtype=modes.dtype)
    rows = torch.arange(n_rows, device=modes.device)
    chosen, widened = factor[choice, rows].mT, _INFLATION * noise[..., None]
    samples = modes[choice, rows] + torch.linalg.solve_triangular(chosen, widened, upper=True)[..., 0]
    log_densities = [
        share[k].log() + _log_density(samples - modes[k], factor[k], half_log_det[k]) for k in range(n_modes)
    ]
    latents, decoded = target.generation.evaluate(samples)
    log_weights = target.log_density(samples, decoded) - torch.logsumexp(torch.stack(log_densities), dim=0)
    total = torch.logsumexp(log_weights, dim=0)
    return Posterior(latents, target.entries, decoded, log_weights - total, total - math.log(n_samples))


def _log_density(deviation: Tensor, factor: Tensor, half_log_det: Tensor) -> Tensor:
    """Return the log-density of the inflated Gaussian with precision L L', for deviations (S, B, n); shape (S, B)."""
    n = deviation.shape[-1]
    whitened = torch.einsum("bji,sbj->sbi", factor, deviation) / _INFLATION
    normaliser = n * math.log(_INFLATION * math.sqrt(2 * math.pi))
    return half_log_det - 0.5 * whitened.square().sum(-1) - normaliser


def _modes(target: _Target, starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return modes (K, B, n), their energies (K, B) and curvatures (K, B, n, n), by damped Gauss-Newton steps."""
    n_starts, n_rows, n = starts.shape
    rows = torch.arange(n_rows, device=starts.device).repeat(n_starts)
    points = starts.reshape(-1, n).clone()
    energy, gradient, curvature = target.slope(points, rows)
    damping = torch.full_like(energy, _DAMPING)
    active = torch.ones_like(rows, dtype=torch.bool)
    for step in range(_MAX_STEPS):
        moving = torch.nonzero(active).flatten()
        if not len(moving):
            break
        hessian = curvature[moving]
        damped = hessian + torch.diag_embed(hessian.diagonal(dim1=-2, dim2=-1) * damping[moving, None])
        change = torch.linalg.solve(damped, gradient[moving][..., None])[..., 0]
        proposal = points[moving] - change
        new_energy, new_gradient, new_curvature = target.slope(proposal, rows[moving])
        gain = energy[moving] - new_energy
        is_better = gain > 0
        better = moving[is_better]
        points[better], energy[better] = proposal[is_better], new_energy[is_better]
        gradient[better], curvature[better] = new_gradient[is_better], new_curvature[is_better]
        factor = torch.where(is_better, _EASE, _TIGHTEN)
        damping[moving] = (damping[moving] * factor).clamp(_MIN_DAMPING, _MAX_DAMPING)
        is_short = change.abs().amax(-1) < _MIN_CHANGE
        active[moving] = ~torch.where(is_better, gain < _MIN_GAIN, is_short)
        if step >= _FIRST_STEPS:
            best = energy.view(n_starts, n_rows).amin(0)
            active &= energy - best[rows] < _MAX_BEHIND
    shape = (n_starts, n_rows)
    return points.view(*shape, n), energy.view(shape), curvature.view(*shape, n, n)
