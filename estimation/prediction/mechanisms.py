"""The distribution of the latents that the transition predicts, as predictions use it."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Normal

from estimation.models.noise import SplineFlow

__all__ = ["Latents", "from_noise", "noise_slopes", "of_rows", "to_noise"]

#: The distribution that the transition predicts.
Latents = Normal | SplineFlow


def from_noise(latents: Latents, noise: Tensor) -> Tensor:
    """Return the samples of latents (B, n) for standard normal noise (S, B, n)."""
    if isinstance(latents, SplineFlow):
        return latents.from_noise(noise)
    return latents.loc + latents.scale * noise


def to_noise(latents: Latents, values: Tensor) -> Tensor:
    """Return the standard normal noise of values of latents, both of shape (B, n); the inverse of `from_noise`."""
    if isinstance(latents, SplineFlow):
        return latents.to_noise(values)
    return (values - latents.loc) / latents.scale


def noise_slopes(latents: Latents, values: Tensor) -> Tensor:
    """Return the derivatives of values of latents by their noise, both of shape (B, n)."""
    return latents.noise_slopes(values) if isinstance(latents, SplineFlow) else latents.scale


def of_rows(latents: Latents, rows: slice | Tensor) -> Latents:
    """Return the distributions of some rows."""
    if isinstance(latents, SplineFlow):
        return latents.of_rows(rows)
    return Normal(latents.loc[rows], latents.scale[rows], validate_args=False)
