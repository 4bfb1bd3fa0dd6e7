"""How far latents move from one step to the next: the prior of SlowVAE."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32

__all__ = ["Changes", "expected_absolute"]

# the power of a change that is next to none has no slope otherwise, below a shape of 1
_LEAST = 1e-6


class Changes(nn.Module):
    """Changes d of each latent follow a generalised Laplace distribution around none (generalised normal, too).

    Its density, Klindt et al., arXiv 2007.10930, equation 2::

        shape * rate / (2 Gamma(1 / shape)) exp(-(rate |d|)^shape)

    Args:
        n: latents.
        rate: one over the scale of all latents' changes; None learns one for each latent.
        shape: 1 is Laplace, 2 normal; below 2, most changes are small and some large; above, hardly any is large.

    Example:
        >>> Changes(2, rate=1.0, shape=1.0).cost(torch.tensor([[0.0, 3.0]])).exp()
        tensor([[ 2.0000, 40.1711]])
    """

    def __init__(self, n: int, rate: float | None, shape: float) -> None:
        super().__init__()
        self.shape = shape
        start = torch.full((n,), 0.0 if rate is None else math.log(rate), **CPU_FLOAT32)
        if rate is None:
            self.log_rate = nn.Parameter(start)
        else:
            self.register_buffer("log_rate", start, persistent=False)
        self._log_scale = math.log(2 / shape) + math.lgamma(1 / shape)

    def cost(self, changes: Tensor) -> Tensor:
        """Minus the log-density of changes, shape (..., n), of the same shape."""
        powers: Tensor = ((changes.abs() + _LEAST) * self.log_rate.exp()).pow(self.shape)
        return powers + self._log_scale - self.log_rate

    def expected_cost(self, sample: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """The same of Gaussian changes.

        In closed form for Laplace, as Klindt et al. have it; of a sample for other shapes.

        Args:
            sample: of the changes, shape (..., n).
            mean: shape (..., n).
            variance: shape (..., n).
        """
        if self.shape != 1:
            return self.cost(sample)
        return expected_absolute(mean, variance) * self.log_rate.exp() + self._log_scale - self.log_rate


def expected_absolute(mean: Tensor, variance: Tensor) -> Tensor:
    """E|z| of N(mean, variance), elementwise (the mean of a folded normal distribution).

    Example:
        >>> expected_absolute(torch.tensor([3.0]), torch.tensor([1e-6])).round(decimals=3)
        tensor([3.])
    """
    scale = variance.sqrt()
    ratio = mean / scale
    return scale * math.sqrt(2 / math.pi) * (-0.5 * ratio.square()).exp() + mean * torch.erf(
        ratio / math.sqrt(2)
    )
