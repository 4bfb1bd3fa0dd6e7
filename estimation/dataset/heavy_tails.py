"""Heavy tails of observed columns: how to notice them, and the transform that compresses them.

Where mechanisms or decoders are polynomials, a column can have an excess kurtosis of thousands: its standard deviation
is that of a few rows, and the rest varies too little for networks to fit it. An invertible function of every column
changes neither the latents nor the graph that the theory promises, since its composition with the decoder is another
decoder (Lachapelle et al., the assumption that f is a diffeomorphism onto its image). arcsinh((x - m) / s), with the
median m and a robust standard deviation s, is linear in the middle and logarithmic in the tails.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.config.settings import ObservationTransform
from estimation.dataset.centring import Centring
from estimation.dataset.dataset import Dataset
from estimation.exceptions import ConfigError

__all__ = ["arcsinh_centring", "heavy_kurtosis", "require_transformable", "typical_kurtosis"]

Array = NDArray[np.float64]

# excess kurtosis of the median column from which on tails are heavy: development problems with 5 and more gained by the
# transform (docs/kept_promises.md)
_HEAVY = 4.0
# the median absolute deviation of a normal distribution, times this, is its standard deviation
_NORMAL = 1.4826
_MIN_ROWS, _MAX_ROWS, _MOST_NUMBERS = 2_000, 20_000, 20_000_000
_CHUNK_NUMBERS = 4_000_000


def typical_kurtosis(values: NDArray[Any]) -> float:
    """Return the median over columns of their excess kurtosis.

    Columns in which half of the entries or more are equal, such as genes that are rarely expressed, have no tails in
    this sense. If most of the columns that vary are of that kind, the result is 0.

    Args:
        values: Shape (..., d); NaN entries are missing.

    Example:
        >>> normal = np.random.default_rng(0).normal(size=(20_000, 3))
        >>> bool(abs(typical_kurtosis(normal)) < 0.2), bool(typical_kurtosis(normal**9) > 500)
        (True, True)
    """
    rows = values.reshape(-1, values.shape[-1])
    centre, spread = _centre_and_spread(_some_rows(values))
    n_rows = max(1, _CHUNK_NUMBERS // max(rows.shape[1], 1))
    powers, count = np.zeros((4, rows.shape[1])), np.zeros(rows.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(rows), n_rows):
            # in robust units, so that fourth powers of small numbers are no zeros
            part = (rows[start : start + n_rows] - centre) / np.where(spread > 0, spread, 1)
            count += (~np.isnan(part)).sum(0)
            part = np.nan_to_num(part, nan=0.0, posinf=np.inf, neginf=-np.inf)
            powers += [part.sum(0), (part**2).sum(0), (part**3).sum(0), (part**4).sum(0)]
        first, second, third, fourth = powers / np.maximum(count, 1)
        variance = second - first**2
        is_continuous = (spread > 0) & (variance > 0)
        if 2 * np.count_nonzero(is_continuous) <= np.count_nonzero(variance > 0):
            return 0.0
        kurtosis = (fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4) / variance**2 - 3
    # beyond the largest number, tails are heavy
    return float(np.median(np.where(np.isnan(kurtosis), np.inf, kurtosis)[is_continuous]))


def heavy_kurtosis(dataset: Dataset) -> float | None:
    """Return the excess kurtosis of the median column if it is above 4; None if it isn't, and for images."""
    if dataset.observation_shape is not None:
        return None
    kurtosis = typical_kurtosis(dataset.observations)
    return kurtosis if kurtosis > _HEAVY else None


def require_transformable(dataset: Dataset, observation_transform: ObservationTransform) -> None:
    """Refuse images, where arcsinh is asked for.

    Raises:
        ConfigError: If the observations are images.
    """
    if observation_transform == "arcsinh" and dataset.observation_shape is not None:
        raise ConfigError(
            "observation_transform='arcsinh' is for columns with heavy tails, and the observations are images; give "
            "'none' or 'auto'"
        )


def arcsinh_centring(values: NDArray[Any]) -> Centring:
    """Return the centring of arcsinh((x - m) / s), with median m and s = 1.4826 median |x - m| of every column.

    A column in which half of the entries or more are equal gets its mean absolute deviation from the median as s, and
    1 if that is zero too.

    Args:
        values: Shape (..., d); NaN entries are missing. At most 20,000 rows are used, always the same ones.

    Example:
        >>> arcsinh_centring(np.array([[0.0], [1.0], [2.0], [1000.0]])).apply(np.array([[1.5]]))
        array([[0.]])
    """
    rows = _some_rows(values)
    centre, spread = _centre_and_spread(rows)
    mean_distance = np.zeros_like(spread)
    for column in np.flatnonzero(spread == 0):
        known = rows[~np.isnan(rows[:, column]), column].astype(np.float64)
        mean_distance[column] = np.abs(known - centre[column]).mean() if known.size else 0.0
    unit = np.where(spread > 0, spread, np.where(mean_distance > 0, mean_distance, 1.0))
    return Centring(centre, unit, is_arcsinh=True)


def _some_rows(values: NDArray[Any]) -> NDArray[Any]:
    """Return rows at random, always the same ones, shape (N, d): at most 20,000, and fewer of many columns."""
    rows = values.reshape(-1, values.shape[-1])
    count = min(len(rows), max(_MIN_ROWS, min(_MAX_ROWS, _MOST_NUMBERS // max(rows.shape[1], 1))))
    if count == len(rows):
        return rows
    # evenly spaced rows may be alike, as those of episodes are
    return np.asarray(rows[np.sort(np.random.default_rng(0).choice(len(rows), count, replace=False))])


def _centre_and_spread(rows: NDArray[Any]) -> tuple[Array, Array]:
    """Return medians and scaled median absolute deviations of the entries that aren't missing; 0 for none."""
    centre, spread = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    n_columns = max(1, _CHUNK_NUMBERS // max(len(rows), 1))
    for start in range(0, rows.shape[1], n_columns):
        part = np.asarray(rows[:, start : start + n_columns], dtype=np.float64)
        missing = np.isnan(part)
        known = start + np.flatnonzero(~missing.all(axis=0))
        part = part[:, known - start]
        median = np.nanmedian if missing.any() else np.median
        centre[known] = median(part, axis=0)
        spread[known] = _NORMAL * median(np.abs(part - centre[known]), axis=0)
    return centre, spread
