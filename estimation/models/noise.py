"""Transitions with flexible noise: a one-dimensional normalising flow per latent, conditional on its masked parents.

::

    z_i = m_i + s_i T_i^(-1)(e),    e a standard normal variable

The location m_i comes from the transition networks. The networks of this module give the logarithm of s_i, and the
parameters of the spline T_i (`estimation.models.splines`), so that scale and shape of p(z_i | .) depend on the parents
too. T_i starts as the identity, and p(z_i | .) as the Gaussian with mean m_i. Its density is that of a flow ::

    log p(z_i | .) = log N(T_i(u); 0, 1) + log T_i'(u) - log s_i,    u = (z_i - m_i) / s_i

Source: Rezende, Mohamed, arXiv 1505.05770; as a conditional density, Trippe, Turner, arXiv 1802.04908.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from estimation.device import CPU_FLOAT32
from estimation.models.splines import N_PARAMETERS, RationalQuadraticSpline
from estimation.models.transitions import TransitionNetworks

__all__ = ["MAX_LOG_FACTOR", "NoiseNetworks", "SplineFlow", "bounded_log_factor"]

#: Bound of the logarithm of a factor of a variance: residuals near zero would otherwise let it fall without end.
MAX_LOG_FACTOR = 10.0
# functions of the parents that the spline depends on, per latent: with 50 latents, 100 inputs and 512 rows they take
# 57 ms a step, and networks with one output for every parameter of the spline take 207 ms
_N_FEATURES = 4
_WIDTH = 32


class SplineFlow(Distribution):
    """Independent distributions of latents, each a standard normal transformed by the inverse of a spline.

    Like `torch.distributions.Normal` it has ``loc``, the means, and ``scale``, the standard deviations.

    Args:
        location: Location m, shape (B, n).
        unit: Scale s, shape (B, n).
        spline: Splines of a batch of shape (n, B).

    Example:
        >>> spline = RationalQuadraticSpline.of(torch.zeros(2, N_PARAMETERS, 3))
        >>> flow = SplineFlow(torch.ones(3, 2), torch.full((3, 2), 0.5), spline)
        >>> gaussian = torch.distributions.Normal(1.0, 0.5)
        >>> flow.log_prob(torch.zeros(3, 2)).allclose(gaussian.log_prob(torch.zeros(3, 2)))
        True
        >>> flow.scale[0].tolist()
        [0.5, 0.5]
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.real
    has_rsample = True

    def __init__(self, location: Tensor, unit: Tensor, spline: RationalQuadraticSpline) -> None:
        super().__init__(location.shape, validate_args=False)
        self.location, self.unit, self.spline = location, unit, spline

    @property
    def loc(self) -> Tensor:
        """The means, shape (B, n), by quadrature in the noise e."""
        return self.location + self.unit * self._moments[0].mT

    @property
    def scale(self) -> Tensor:
        """The standard deviations, shape (B, n), by quadrature in the noise e."""
        return self.unit * self._moments[1].mT.clamp_min(0).sqrt()

    @property
    def mean(self) -> Tensor:
        """The means, shape (B, n)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variances, shape (B, n)."""
        return self.scale.square()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-densities of values, shape (..., B, n)."""
        noise, log_slope = self._noise(value)
        return -0.5 * (noise.square() + math.log(2 * math.pi)) + log_slope - self.unit.log()

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probabilities of smaller values, shape (..., B, n)."""
        probability: Tensor = torch.special.ndtr(self._noise(value)[0])
        return probability

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantiles of probabilities, shape (..., B, n)."""
        return self.from_noise(torch.special.ndtri(value))

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        """Draw samples from torch's random state, as all distributions of torch do; shape (..., B, n)."""
        shape = (*sample_shape, *self.location.shape)
        return self.from_noise(torch.randn(shape, device=self.location.device, dtype=self.location.dtype))

    def from_noise(self, noise: Tensor) -> Tensor:
        """Return the sample for standard normal noise e, both of shape (..., B, n)."""
        return self.location + self.unit * _rows_first(self.spline.inverse(_rows_last(noise)), noise.shape)

    def to_noise(self, value: Tensor) -> Tensor:
        """Return the standard normal noise of values, both of shape (..., B, n); the inverse of `from_noise`."""
        return self._noise(value)[0]

    def noise_slopes(self, value: Tensor) -> Tensor:
        """Return the derivatives of values by their noise, both of shape (..., B, n)."""
        return self.unit * (-self._noise(value)[1]).exp()

    def of_rows(self, rows: slice | Tensor) -> SplineFlow:
        """Return the distributions of some rows."""
        return SplineFlow(self.location[rows], self.unit[rows], self.spline.of_rows(rows))

    def _noise(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noise that leads to values, and the log-slope of the spline there."""
        relative = (value - self.location) / self.unit
        noise, log_slope = self.spline(_rows_last(relative))
        return _rows_first(noise, relative.shape), _rows_first(log_slope, relative.shape)

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        return self.spline.normal_moments()


class NoiseNetworks(nn.Module):
    """Scale and shape of the noise of every latent, as functions of the parents in its mask.

    Transition networks summarise the parents of a latent in a few features; a network with one hidden layer maps these
    to the parameters. All parameters are zero at first, which makes the noise Gaussian with a constant variance. The
    noise is ignored until it is *active*.

    Args:
        n_latents: Number of latents n.
        n_inputs: Number of inputs, common to all latents.
        width: Number of units of each hidden layer of the transition networks.
        depth: Number of these layers.
        generator: Random generator of the weights.
        sines: As for `estimation.models.transitions.TransitionNetworks`.

    Example:
        >>> networks = NoiseNetworks(3, 2, width=8, depth=2, generator=torch.Generator().manual_seed(0))
        >>> log_factor, spline = networks(torch.zeros(5, 2))
        >>> log_factor.shape, spline.x.shape
        (torch.Size([5, 3]), torch.Size([3, 9, 5]))
        >>> bool((log_factor == 0).all()), networks.active
        (True, False)
    """

    activated: Tensor

    def __init__(
        self,
        n_latents: int,
        n_inputs: int,
        width: int,
        depth: int,
        generator: torch.Generator,
        sines: bool = True,
    ) -> None:
        super().__init__()
        self.features = TransitionNetworks(n_latents, n_inputs, width, depth, _N_FEATURES, generator, sines)
        weight = torch.randn(n_latents, _WIDTH, _N_FEATURES, generator=generator, **CPU_FLOAT32)
        self.weight = nn.Parameter(weight / math.sqrt(_N_FEATURES))
        self.bias = nn.Parameter(torch.randn(n_latents, _WIDTH, 1, generator=generator, **CPU_FLOAT32))
        # hidden units and features to the logarithm of the factor and the parameters of the spline
        self.outward = nn.Parameter(
            torch.zeros(n_latents, 1 + N_PARAMETERS, _WIDTH + _N_FEATURES, **CPU_FLOAT32)
        )
        self.shift = nn.Parameter(torch.zeros(n_latents, 1 + N_PARAMETERS, 1, **CPU_FLOAT32))
        self.register_buffer("activated", torch.zeros((), dtype=torch.bool, device="cpu"))

    @property
    def active(self) -> bool:
        """Whether the transition has this noise; otherwise it is Gaussian."""
        return bool(self.activated)

    def activate_(self) -> None:
        """Give the transition this noise, in place."""
        self.activated.fill_(True)

    def forward(self, inputs: Tensor, masks: Tensor | None = None) -> tuple[Tensor, RationalQuadraticSpline]:
        """Evaluate all networks.

        Args:
            inputs: Inputs, shape (B, n_inputs).
            masks: The inputs of each latent, shape (n, n_inputs), or (B, n, n_inputs) to differ between rows; None for
                all.

        Returns:
            Logarithms of the factors of the variances, shape (B, n), and splines of a batch of shape (n, B).
        """
        features = self.features(inputs, masks).permute(1, 2, 0)
        hidden = torch.tanh(torch.baddbmm(self.bias, self.weight, features))
        outputs = torch.baddbmm(self.shift, self.outward, torch.cat([hidden, features], dim=1))
        return bounded_log_factor(outputs[:, 0].mT), RationalQuadraticSpline.of(outputs[:, 1:])


def bounded_log_factor(values: Tensor) -> Tensor:
    """Return values bounded smoothly by ``MAX_LOG_FACTOR``."""
    return MAX_LOG_FACTOR * torch.tanh(values * (1 / MAX_LOG_FACTOR))


def _rows_last(values: Tensor) -> Tensor:
    """Return values (..., B, n) as (n, S, B), the layout of the splines."""
    return values.reshape(-1, *values.shape[-2:]).permute(2, 0, 1)


def _rows_first(values: Tensor, shape: torch.Size) -> Tensor:
    """Invert `_rows_last`; ``shape`` is (..., B, n)."""
    return values.permute(1, 2, 0).reshape(shape)
