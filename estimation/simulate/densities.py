"""Latents sampled from any conditional densities, by inversion of their cumulative distribution functions.

A latent is the quantile of its density at a uniform random number. Normal densities, recognised by a score that is
linear in the latent, have it in closed form; all others are integrated numerically (``panels``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import ConfigError
from estimation.simulate.log_densities import LogDensity, compile_log_density
from estimation.simulate.panels import MAX_Z, NotIntegrableError, UndefinedError, integrate
from estimation.simulate.quantiles import Quantiles
from identify.names import quoted

if TYPE_CHECKING:
    from identify.mechanisms.model import Mechanisms

__all__ = ["DensityMechanism"]

Array = NDArray[np.float64]

# conditions integrated at once: some 5 MB of panels
_CHUNK = 512
_NOT_INTEGRABLE = f"its integral from {-MAX_Z:g} to {MAX_Z:g} diverges, or can't be computed"
_INVALID_WEIGHT = "a weight of its mixture is negative or not defined"
_UNDEFINED = "it is zero or not defined at all points of a grid"
_UNIFORM_STEPS = 2.0**53
# rows among which repeated conditions are looked for
_N_PROBED = 2_000


class DensityMechanism:
    """The conditional densities of all latents, to be sampled.

    Args:
        mechanisms: The densities, at most one lag.
        chunk_size: Number of conditions whose densities are integrated at once; it bounds the memory and does not
            change the samples.

    Raises:
        ConfigError: If the mechanisms have several lags, or a density contains a function that can't be evaluated.
        UndecidedError: If an edge of the causal graph is undecided.

    Example:
        >>> import sympy
        >>> from identify.mechanisms import Mechanisms, laplace
        >>> z, a = sympy.symbols("z a")
        >>> mechanism = DensityMechanism(Mechanisms([z], [laplace(z, 3 * a, sympy.exp(a))], [a]))
        >>> samples = mechanism.sample(None, np.full((100_000, 1), 1.0), np.random.default_rng(0))
        >>> round(float(np.median(samples)), 1)
        3.0
    """

    def __init__(self, mechanisms: Mechanisms, chunk_size: int = _CHUNK) -> None:
        if len(mechanisms.past) > 1:
            raise ConfigError(
                f"these mechanisms have {len(mechanisms.past)} lags; simulations, like the models, have one"
            )
        self.graph = mechanisms.graph
        self._has_past = bool(mechanisms.past)
        self._latents = [latent.name for latent in mechanisms.latents]
        self._conditions = [symbol.name for symbol in mechanisms.conditions]
        self._densities = [
            compile_log_density(log_density, latent, mechanisms.conditions)
            for log_density, latent in zip(mechanisms.log_densities, mechanisms.latents, strict=True)
        ]
        self._chunk_size = chunk_size

    @default_errors
    def sample(self, past: Array | None, actions: Array | None, generator: np.random.Generator) -> Array:
        """Sample the latents of one step.

        Args:
            past: Latents of the step before, shape (N, n), or None without a past.
            actions: Shape (N, m), or None without actions.
            generator: Random generator.

        Returns:
            Latents, shape (N, n).

        Raises:
            ConfigError: If a density has no finite integral, or is not defined, for the conditions of some row; the
                text names the latent and the conditions.
        """
        parts = [part for part in (actions, past) if part is not None]
        if not parts:
            raise ConfigError(
                "neither past nor actions are given; give actions of shape (N, 0) if there are none"
            )
        conditions = np.concatenate(parts, axis=1).astype(float)
        if conditions.shape[1] != len(self._conditions):
            raise ConfigError(
                f"{conditions.shape[1]} actions and past latents given; these mechanisms have {len(self._conditions)}"
            )
        shape = len(conditions), len(self._latents)
        # strictly between 0 and 1
        levels = (np.floor(generator.random(shape) * _UNIFORM_STEPS) + 0.5) / _UNIFORM_STEPS
        levels = np.clip(levels, 0.5 / _UNIFORM_STEPS, 1 - 1 / _UNIFORM_STEPS)
        latents = np.empty(shape)
        for i, density in enumerate(self._densities):
            used = conditions[:, list(density.used)]
            latents[:, i] = self._quantiles(i, density, used, levels[:, i])
        return latents

    def sample_step(self, n_samples: int, actions: Array | None, generator: np.random.Generator) -> Array:
        """Sample the latents of a single step, where no latent depends on the past.

        Args:
            n_samples: N, the number of samples.
            actions: Shape (N, m), or None without actions.
            generator: Random generator.

        Returns:
            Latents, shape (N, n).

        Raises:
            ConfigError: As in `sample`.
        """
        # past latents may occur in normalisers, which don't matter
        past = generator.normal(size=(n_samples, len(self._latents) * self._has_past))
        return self.sample(past, actions, generator)

    def _quantiles(self, i: int, density: LogDensity, conditions: Array, levels: Array) -> Array:
        if density.gaussian is not None:
            return self._normal_quantiles(i, density, conditions, levels)
        distinct, rows = _distinct(conditions)
        order = np.argsort(rows, kind="stable")
        bounds = np.searchsorted(
            rows[order], np.arange(0, len(distinct) + self._chunk_size, self._chunk_size)
        )
        values = np.empty(len(levels))
        for k, start in enumerate(range(0, len(distinct), self._chunk_size)):
            members = order[bounds[k] : bounds[k + 1]]
            chunk = distinct[start : start + self._chunk_size]
            quantiles = self._integrated(i, density, chunk)
            values[members] = quantiles(rows[members] - start, levels[members])
        return values

    def _normal_quantiles(self, i: int, density: LogDensity, conditions: Array, levels: Array) -> Array:
        from scipy.special import ndtri

        mean, variance = density.mean_and_variance(conditions)
        wrong = np.flatnonzero(~(np.isfinite(mean) & np.isfinite(variance) & (variance > 0)))
        if len(wrong):
            raise self._error(i, density, conditions[wrong[0]], _NOT_INTEGRABLE)
        return np.asarray(mean + np.sqrt(variance) * ndtri(levels))

    def _integrated(self, i: int, density: LogDensity, conditions: Array) -> Quantiles:
        invalid = np.flatnonzero(~density.has_weights(conditions))
        if len(invalid):
            raise self._error(i, density, conditions[invalid[0]], _INVALID_WEIGHT)
        try:
            panels = integrate(lambda z, rows: density(z, conditions[rows]), len(conditions))
        except UndefinedError as error:
            raise self._error(i, density, conditions[error.rows[0]], _UNDEFINED) from error
        except NotIntegrableError as error:
            raise self._error(i, density, conditions[error.rows[0]], _NOT_INTEGRABLE) from error
        return Quantiles(panels, len(conditions))

    def _error(self, i: int, density: LogDensity, values: Array, reason: str) -> ConfigError:
        names = [self._conditions[k] for k in density.used]
        where = ", ".join(f"{name} is {value:.6g}" for name, value in zip(names, values, strict=True))
        return ConfigError(
            f"the density of {quoted(self._latents[i])} can't be sampled{f' where {where}' if where else ''}: {reason}"
        )


def _distinct(conditions: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return distinct rows, and for each row its position among them; all rows if few of them repeat."""
    probed = conditions[:_N_PROBED]
    if conditions.shape[1] == 0:
        return conditions[:1], np.zeros(len(conditions), dtype=np.int64)
    if len(np.unique(probed, axis=0)) > len(probed) / 2:
        return conditions, np.arange(len(conditions))
    distinct, rows = np.unique(conditions, axis=0, return_inverse=True)
    return distinct, rows.reshape(-1)
