"""Encodings made consistent with the decoder: Gauss-Newton steps from where the encoder begins.

The decoder of a trained model is far more precise than its encoder, which has to learn the inverse of a map as a
network of its own (the amortisation gap: Cremer et al., arXiv 1801.03558; steps from the encoder's answer: Kim et al.,
arXiv 1802.02550). What the decoder knows is enough to find the latents of an observation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.models.jacobian import batch_jacobian

__all__ = ["Refinement"]

# numbers in one chunk of Jacobians: many small ones are faster than few large ones; and fewest rows
_CHUNK, _FEWEST = 100_000, 64
# directions in which the latents hardly vary are not taken to be known to more than a thousandth of the others
_LEAST_VARIANCE = 1e-6


class Refinement(nn.Module):
    """Steps towards the most probable latents given the observation, when latents are Gaussian over the data.

    One step from z solves (J' J / v + P) d = J' (x - f(z)) / v - P (z - m) for the decoder f, its Jacobian J, the
    variance v of the observation, and mean m and precision P of the latents over the data. A row moves only where
    that makes it more probable. Nothing happens before `enable_`.

    Args:
        n: number of latents.

    Example:
        >>> refinement = Refinement(2)
        >>> latents = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
        >>> refinement.enable_(latents, 1)
        >>> decoder = lambda z: 3 * z
        >>> near = refinement(decoder, decoder(latents), latents + 0.1, torch.tensor(1e-6))
        >>> bool((near - latents).abs().max() < 1e-4)
        True
    """

    steps: Tensor
    centre: Tensor
    precision: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("steps", torch.tensor(0, device="cpu"))
        self.register_buffer("centre", torch.zeros(n, **CPU_FLOAT32))
        self.register_buffer("precision", torch.eye(n, **CPU_FLOAT32))

    @torch.no_grad()
    def enable_(self, latents: Tensor, steps: int) -> None:
        """From now on refine, by so many steps.

        Args:
            latents: of the data, as the decoder knows them, shape (rows, n).
            steps: how many.
        """
        covariance = torch.cov(latents.double().T).reshape(self.precision.shape)
        least = _LEAST_VARIANCE * covariance.diagonal().max()
        self.centre.copy_(latents.mean(0))
        identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
        self.precision.copy_(torch.linalg.inv(covariance + least * identity))
        self.steps.fill_(steps)

    def forward(
        self, decoder: Callable[[Tensor], Tensor], observed: Tensor, latents: Tensor, variance: Tensor
    ) -> Tensor:
        """Refine.

        Args:
            decoder: from (B, n) to (B, d_x).
            observed: shape (B, d_x).
            latents: where to begin, shape (B, n).
            variance: of each observed coordinate, a scalar.

        Returns:
            shape (B, n).
        """
        steps = int(self.steps)
        if not steps:
            return latents
        size = max(_CHUNK // (observed.shape[1] * latents.shape[1]), _FEWEST)
        parts = []
        for x, start in zip(torch.split(observed, size), torch.split(latents, size), strict=True):
            found = start
            for _ in range(steps):
                found = self._step(decoder, x, found, variance)
            parts.append(found)
        return torch.cat(parts)

    @torch.no_grad()
    def _step(self, decoder: Callable[[Tensor], Tensor], x: Tensor, z: Tensor, variance: Tensor) -> Tensor:
        values, slopes = batch_jacobian(decoder, z)
        away = z - self.centre
        pull = (slopes.mT @ (x - values)[..., None])[..., 0] / variance - away @ self.precision
        normal = slopes.mT @ slopes / variance + self.precision
        moved = z + torch.linalg.solve(normal, pull)
        better = self._misfit(x - decoder(moved), moved, variance) < self._misfit(x - values, z, variance)
        return torch.where(better[:, None], moved, z)

    def _misfit(self, error: Tensor, z: Tensor, variance: Tensor) -> Tensor:
        away = z - self.centre
        return error.square().sum(1) / variance + ((away @ self.precision) * away).sum(1)
