"""Quantiles of densities that `estimation.simulate.panels.integrate` has resolved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from estimation.simulate.panels import Panels

__all__ = ["Quantiles"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

_MAX_STEPS = 60
_CHUNK = 65_536
# values at 0, 1/4, 1/2, 3/4 and 1 -> coefficients of the quartic through them, lowest power first
_COEFFICIENTS = np.linalg.inv(np.vander(np.linspace(0, 1, 5), increasing=True)).T
# coefficients of a quartic -> those of its integral from 0, without the constant 0
_INTEGRAL = 1 / np.arange(1.0, 6.0)


class Quantiles:
    """The inverse cumulative distribution functions of several densities.

    Within a panel the density of s is the quartic through its five nodes, whose integral is inverted by Newton's method
    with bisection where a step leaves the bracket.

    Args:
        panels: Panels of all densities.
        n_rows: Number of densities.

    Example:
        >>> from estimation.simulate.panels import integrate
        >>> quantiles = Quantiles(integrate(lambda z, rows: -z[None] ** 2 / 2, 1), 1)
        >>> quantiles(np.zeros(3, dtype=int), np.array([0.025, 0.5, 0.975])).round(3) + 0.0
        array([-1.96,  0.  ,  1.96])
    """

    def __init__(self, panels: Panels, n_rows: int) -> None:
        counts = np.bincount(panels.row, minlength=n_rows)
        order = np.lexsort([panels.left, panels.row])
        position = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = (n_rows, int(counts.max()))
        row, self._left, self._width = panels.row[order], np.zeros(shape), np.zeros(shape)
        self._logs, log_mass = np.full((*shape, 5), -np.inf), np.full(shape, -np.inf)
        self._left[row, position], self._width[row, position] = panels.left[order], panels.width[order]
        self._logs[row, position], log_mass[row, position] = panels.logs.T[order], panels.log_mass[order]
        mass = np.exp(log_mass - log_mass.max(1, keepdims=True))
        self._mass = mass / mass.sum(1, keepdims=True)
        self._cumulative = self._mass.cumsum(1)

    def __call__(self, rows: Rows, levels: Array) -> Array:
        """Return quantiles.

        Args:
            rows: The density of each quantile, shape (N,).
            levels: Probabilities between 0 and 1, shape (N,).
        """
        quantiles = np.empty(len(rows))
        for chosen in _chunks(len(rows)):
            quantiles[chosen] = self._chunk(rows[chosen], levels[chosen])
        return quantiles

    def _chunk(self, rows: Rows, levels: Array) -> Array:
        cumulative = self._cumulative[rows]
        # rounding may leave the sum of all masses below 1
        target = np.minimum(levels * cumulative[:, -1], cumulative[:, -1])
        panel = np.minimum((cumulative < target[:, None]).sum(1), cumulative.shape[1] - 1)
        at = rows, panel
        mass = self._mass[at]
        before = cumulative[np.arange(len(rows)), panel] - mass
        fraction = np.clip((target - before) / mass, 0, 1)
        logs = self._logs[at]
        values = np.exp(logs - logs.max(1, keepdims=True))
        return np.asarray(np.sinh(self._left[at] + self._width[at] * _solve(values, fraction)))


def _solve(values: Array, fraction: Array) -> Array:
    """Return x from 0 to 1 up to which the quartic through the values has the fraction of its integral."""
    density = values @ _COEFFICIENTS
    integral = density * _INTEGRAL
    target = fraction * integral.sum(1)
    low, high = np.zeros(len(target)), np.ones(len(target))
    x = fraction.copy()
    for _ in range(_MAX_STEPS):
        excess = x * _polynomial(integral, x) - target
        low, high = np.where(excess < 0, x, low), np.where(excess < 0, high, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = x - excess / _polynomial(density, x)
        following = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        if np.max(np.abs(following - x), initial=0) < 1e-12:
            return following
        x = following
    return x


def _polynomial(coefficients: Array, x: Array) -> Array:
    result = coefficients[:, -1]
    for k in range(coefficients.shape[1] - 2, -1, -1):
        result = result * x + coefficients[:, k]
    return np.asarray(result)


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, start + _CHUNK)
