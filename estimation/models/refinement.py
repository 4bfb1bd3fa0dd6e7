"""Gauss-Newton refinement: encodings made consistent with the decoder.

The decoder of a trained model is far more precise than its encoder, which has to learn the inverse of the decoder as a
network of its own (the amortisation gap: Cremer et al., arXiv 1801.03558; iterations that start at the encoder's
output: Kim et al., arXiv 1802.02550). The decoder alone determines the latents of an observation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.models.conditional import ConditionalDecoder
from estimation.models.counts import CountLikelihood
from estimation.models.jacobian import batch_jacobian
from estimation.models.missing import known_entries

__all__ = ["Refinement"]

# numbers per chunk of Jacobians, since many small chunks are faster than a few large ones; and minimum rows per chunk
_CHUNK_NUMBERS, _MIN_CHUNK_ROWS = 100_000, 64
# ridge on the covariance of the latents, relative to the largest variance: limits the precision in directions of hardly
# any variance to a thousandth of the largest standard deviation
_RIDGE = 1e-6
# lengths of a scoring step that are tried, until one makes the latents of a row more probable
_STEP_SIZES = (1.0, 0.5, 0.25, 0.125)


class Refinement(nn.Module):
    """Gauss-Newton steps towards the most probable latents given the observation, under a Gaussian prior.

    One step from z solves (J' J / v + P) d = J' (x - f(z)) / v - P (z - m) for the decoder f, its Jacobian J, the
    variance v of the observation, and mean m and precision P of the latents over the data. A row takes the step only
    if the step makes it more probable. The module returns its input until `enable_` is called.

    Args:
        n_latents: Number of latents n.

    Example:
        >>> refinement = Refinement(2)
        >>> latents = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
        >>> refinement.enable_(latents, 1)
        >>> decoder = lambda z: 3 * z
        >>> refined = refinement(decoder, decoder(latents), latents + 0.1, torch.tensor(1e-6))
        >>> bool((refined - latents).abs().max() < 1e-4)
        True
    """

    steps: Tensor
    centre: Tensor
    precision: Tensor

    def __init__(self, n_latents: int) -> None:
        super().__init__()
        self.register_buffer("steps", torch.tensor(0, device="cpu"))
        self.register_buffer("centre", torch.zeros(n_latents, **CPU_FLOAT32))
        self.register_buffer("precision", torch.eye(n_latents, **CPU_FLOAT32))

    @torch.no_grad()
    def enable_(self, latents: Tensor, n_steps: int) -> None:
        """Enable the refinement, in place, and fit the Gaussian prior.

        Args:
            latents: Encodings of the data, in the input space of the decoder, shape (rows, n).
            n_steps: Number of Gauss-Newton steps.
        """
        covariance = torch.cov(latents.double().T).reshape(self.precision.shape)
        ridge = _RIDGE * covariance.diagonal().max()
        self.centre.copy_(latents.mean(0))
        identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
        self.precision.copy_(torch.linalg.inv(covariance + ridge * identity))
        self.steps.fill_(n_steps)

    def forward(
        self,
        decoder: Callable[[Tensor], Tensor],
        observed: Tensor,
        latents: Tensor,
        variance: Tensor,
        covariates: Tensor | None = None,
        counts: CountLikelihood | None = None,
    ) -> Tensor:
        """Refine latents.

        Args:
            decoder: Decoder from (B, n) to (B, d_x), or from (B, n + d_c) with covariates.
            observed: Observations, shape (B, d_x); NaN entries are missing.
            latents: Initial latents, shape (B, n).
            variance: Variance of each observed coordinate, a scalar.
            covariates: Covariates, shape (B, d_c), or None.
            counts: The likelihood if observations are counts, for which steps are those of Fisher scoring.

        Returns:
            Refined latents, shape (B, n).
        """
        n_steps = int(self.steps)
        if not n_steps:
            return latents
        chunk_rows = max(_CHUNK_NUMBERS // (observed.shape[1] * latents.shape[1]), _MIN_CHUNK_ROWS)
        chunks = []
        for start in range(0, len(observed), chunk_rows):
            rows = slice(start, start + chunk_rows)
            x, z = observed[rows], latents[rows]
            decode = decoder if covariates is None else ConditionalDecoder(decoder, covariates[rows])
            for _ in range(n_steps):
                z = (
                    self._step(decode, x, z, variance)
                    if counts is None
                    else self._scoring_step(decode, x, z, counts)
                )
            chunks.append(z)
        return torch.cat(chunks)

    @torch.no_grad()
    def _step(self, decoder: Callable[[Tensor], Tensor], x: Tensor, z: Tensor, variance: Tensor) -> Tensor:
        known = known_entries(x)
        values, jacobian = batch_jacobian(decoder, z)
        if known is not None:
            jacobian = torch.where(known[..., None], jacobian, 0)
        error, deviation = _error(x, values, known), z - self.centre
        gradient = (jacobian.mT @ error[..., None])[..., 0] / variance - deviation @ self.precision
        hessian = jacobian.mT @ jacobian / variance + self.precision
        proposal = z + torch.linalg.solve(hessian, gradient)
        proposed = self._energy(_error(x, decoder(proposal), known), proposal, variance)
        improves = proposed < self._energy(error, z, variance)
        return torch.where(improves[:, None], proposal, z)

    @torch.no_grad()
    def _scoring_step(
        self, decoder: Callable[[Tensor], Tensor], x: Tensor, z: Tensor, counts: CountLikelihood
    ) -> Tensor:
        decoded, jacobian = batch_jacobian(decoder, z)
        score, information = counts.score_and_information(decoded, x)
        gradient = (jacobian.mT @ score[..., None])[..., 0] - (z - self.centre) @ self.precision
        hessian = jacobian.mT @ (information[..., None] * jacobian) + self.precision
        step, before = torch.linalg.solve(hessian, gradient), self._count_energy(decoded, x, z, counts)
        result, left = z.clone(), torch.arange(len(z), device=z.device)
        # the log-likelihood of zero-inflated counts is not concave, so that a whole step can lead too far
        for size in _STEP_SIZES:
            decode = decoder.of_rows(left) if isinstance(decoder, ConditionalDecoder) else decoder
            proposal = z[left] + size * step[left]
            improves = self._count_energy(decode(proposal), x[left], proposal, counts) < before[left]
            result[left[improves]] = proposal[improves]
            left = left[~improves]
            if not len(left):
                break
        return result

    def _count_energy(self, decoded: Tensor, x: Tensor, z: Tensor, counts: CountLikelihood) -> Tensor:
        deviation = z - self.centre
        prior = ((deviation @ self.precision) * deviation).sum(1)
        return prior - 2 * counts.log_prob(decoded, x).sum(1)

    def _energy(self, error: Tensor, z: Tensor, variance: Tensor) -> Tensor:
        """Return twice the negative log posterior of latents, up to a constant, shape (B,)."""
        deviation = z - self.centre
        return error.square().sum(1) / variance + ((deviation @ self.precision) * deviation).sum(1)


def _error(x: Tensor, values: Tensor, known: Tensor | None) -> Tensor:
    """Return the errors of reconstructed values, 0 for missing entries."""
    return x - values if known is None else torch.where(known, x - values, 0)
