"""The prior of SlowVAE: how far latents move from one step to the next."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32

__all__ = ["GeneralizedLaplacePrior", "expected_absolute"]

# added to absolute differences: below an exponent of 1, the power of a difference near zero has an infinite slope
_MIN_DIFFERENCE = 1e-6


class GeneralizedLaplacePrior(nn.Module):
    """Temporal differences d of each latent follow a generalised Laplace (generalised normal) distribution around zero.

    Its density is equation 2 of Klindt et al., arXiv 2007.10930::

        tail_exponent * rate / (2 Gamma(1 / tail_exponent)) exp(-(rate |d|)^tail_exponent)

    Args:
        n_latents: Number of latents.
        rate: Rate, one over the scale, of all latents; None learns one rate for each latent.
        tail_exponent: Exponent of the density: 1 is Laplace, 2 is normal. Below 2 most differences are small and a few
            are large; above 2 the distribution is flat, with light tails.

    Example:
        >>> GeneralizedLaplacePrior(2, rate=1.0, tail_exponent=1.0).cost(torch.tensor([[0.0, 3.0]])).exp()
        tensor([[ 2.0000, 40.1711]])
    """

    def __init__(self, n_latents: int, rate: float | None, tail_exponent: float) -> None:
        super().__init__()
        self.tail_exponent = tail_exponent
        log_rate = torch.full((n_latents,), 0.0 if rate is None else math.log(rate), **CPU_FLOAT32)
        if rate is None:
            self.log_rate = nn.Parameter(log_rate)
        else:
            self.register_buffer("log_rate", log_rate, persistent=False)
        self._log_normaliser = math.log(2 / tail_exponent) + math.lgamma(1 / tail_exponent)

    def cost(self, differences: Tensor) -> Tensor:
        """Return the negative log-density of differences, elementwise, shape (..., n)."""
        powers: Tensor = ((differences.abs() + _MIN_DIFFERENCE) * self.log_rate.exp()).pow(self.tail_exponent)
        return powers + self._log_normaliser - self.log_rate

    def expected_cost(self, sample: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Return the expected negative log-density of Gaussian differences.

        It is exact for a Laplace distribution, as in Klindt et al., and the value at one sample otherwise.

        Args:
            sample: Sample of the differences, shape (..., n).
            mean: Their means, shape (..., n).
            variance: Their variances, shape (..., n).
        """
        if self.tail_exponent != 1:
            return self.cost(sample)
        return expected_absolute(mean, variance) * self.log_rate.exp() + self._log_normaliser - self.log_rate


def expected_absolute(mean: Tensor, variance: Tensor) -> Tensor:
    """Return E|z| of N(mean, variance), elementwise: the mean of a folded normal distribution.

    Example:
        >>> expected_absolute(torch.tensor([3.0]), torch.tensor([1e-6])).round(decimals=3)
        tensor([3.])
    """
    scale = variance.sqrt()
    ratio = mean / scale
    return scale * math.sqrt(2 / math.pi) * (-0.5 * ratio.square()).exp() + mean * torch.erf(
        ratio / math.sqrt(2)
    )
