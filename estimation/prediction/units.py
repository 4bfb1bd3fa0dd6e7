"""From standardised observations, which networks predict, to the user's units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.models.representation import Representation

__all__ = ["conditional_mean", "log_slope", "moments", "sample_quantiles", "to_users_units"]

Array = NDArray[np.float64]


def to_users_units(model: Representation, standardised: Array) -> Array:
    """Return standardised observations (..., d_x) in the user's units."""
    centred = _unscaled(model, standardised)
    return centred if model.x_centring is None else model.x_centring.undo(centred)


def conditional_mean(model: Representation, decoded: Array, noise_variance: Array) -> Array:
    """Return the mean observation in the user's units, given what the decoder predicts.

    For y = arcsinh((x - m) / s) with normal noise of variance v about mu, E[x] = m + s exp(v / 2) sinh(mu).

    Args:
        model: The networks.
        decoded: Standardised observations without noise, shape (..., d_x).
        noise_variance: Variance of the noise, standardised; it broadcasts with them.
    """
    centring = model.x_centring
    if centring is None or not centring.is_arcsinh:
        return to_users_units(model, decoded)
    growth = np.exp(noise_variance * _scale(model) ** 2 / 2)
    return np.asarray(centring.shift + centring.unit * growth * np.sinh(_unscaled(model, decoded)))


def moments(model: Representation, decoded: Array, noise_variance: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of observations in the user's units, shape (..., d_x).

    For y = arcsinh((x - m) / s), Var[x] = s^2 ((E[exp(2 v) cosh(2 mu)] - 1) / 2 - E[exp(v / 2) sinh(mu)]^2), with
    expectations over samples of mu, and the variance v of normal noise.

    Args:
        model: The networks.
        decoded: Samples of standardised observations without noise, shape (S, ..., d_x).
        noise_variance: Variance of the noise, standardised; it broadcasts with the samples.
    """
    centring = model.x_centring
    if centring is None or not centring.is_arcsinh:
        mean = to_users_units(model, decoded.mean(0))
        variance = decoded.var(0) + np.broadcast_to(noise_variance, decoded.shape).mean(0)
        unit = 1.0 if centring is None else centring.unit
        return mean, np.sqrt(variance) * _scale(model) * unit
    mean = conditional_mean(model, decoded, noise_variance).mean(0)
    growth = np.exp(2 * noise_variance * _scale(model) ** 2)
    squares = (growth * np.cosh(2 * _unscaled(model, decoded)) - 1).mean(0) / 2
    offset = (mean - centring.shift) / centring.unit
    return mean, centring.unit * np.sqrt(np.maximum(squares - offset**2, 0))


def log_slope(model: Representation, centred: Array) -> Array:
    """Return the logarithm of the derivative of observations with respect to standardised ones.

    Args:
        model: The networks.
        centred: Observations after the centring of the model, shape (N, d_x).

    Returns:
        Shape (N, d_x) or (d_x,).
    """
    slope = np.ones(centred.shape[-1]) if model.x_centring is None else model.x_centring.slope(centred)
    return np.asarray(np.log(slope) + np.log(_scale(model)))


def sample_quantiles(samples: Array, probabilities: tuple[float, float], are_counts: bool) -> Array:
    """Return quantiles of samples (S, ...), shape (2, ...); those of counts are counts.

    Args:
        samples: The samples.
        probabilities: The probabilities of both quantiles.
        are_counts: Whether the samples are counts.
    """
    # the smallest sample that is large enough, so that an interval of counts holds no less than its level
    method: Any = "inverted_cdf" if are_counts else "linear"
    return np.asarray(np.quantile(samples, probabilities, axis=0, method=method))


def _unscaled(model: Representation, standardised: Array) -> Array:
    return np.asarray(standardised * _scale(model) + model.x_mean.double().cpu().numpy())


def _scale(model: Representation) -> Array:
    scale: Array = model.x_scale.double().cpu().numpy()
    return scale
