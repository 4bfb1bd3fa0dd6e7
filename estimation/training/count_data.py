"""Counts as observations: what is measured of them before training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.device import CPU_FLOAT32
from estimation.models.counts import PSEUDO_SIZE, CountProfile

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset

__all__ = ["count_profile", "log_moments"]

Array = NDArray[np.float64]

_CHUNK = 8_192
_MIN_EXCESS = 1e-3
_MAX_LOG_DISPERSION = 6.0
_DEVIATIONS = (0.02, 3.0)


def count_profile(dataset: Dataset) -> CountProfile:
    """Return the average row of counts, the median size, and dispersions from the columns' variances.

    The variance of x_j, m s + m^2 s^2 (e + 1 / r) for rates m s that vary by e, gives the dispersion r only if rates
    did not vary; it starts as an upper limit of the variance, and training finds it.

    Args:
        dataset: Training data of counts; missing entries are left out.
    """
    total, shares, present = np.zeros(dataset.n_observed), [], np.zeros(dataset.n_observed)
    for _, rows in _chunks(dataset):
        total += np.nansum(rows, axis=0)
        present += (~np.isnan(rows)).sum(0)
    share = total / np.maximum(present, 1)
    share = np.maximum(share, share[share > 0].min(initial=1.0) * 1e-3)
    share /= share.sum()
    for _, rows in _chunks(dataset):
        shares.append(_sizes(rows, share))
    sizes = np.concatenate(shares)
    median = float(np.median(sizes))
    squares, expected, rates = (np.zeros(dataset.n_observed) for _ in range(3))
    for start, rows in _chunks(dataset):
        mean = sizes[start : start + len(rows), None] * share
        known = ~np.isnan(rows)
        squares += np.where(known, (np.nan_to_num(rows) - mean) ** 2, 0).sum(0)
        expected += np.where(known, mean, 0).sum(0)
        rates += np.where(known, mean**2, 0).sum(0)
    excess = np.maximum((squares - expected) / np.maximum(rates, 1e-12), _MIN_EXCESS)
    log_dispersion = np.minimum(-np.log(excess), _MAX_LOG_DISPERSION)
    deviation = float(np.clip(np.log(np.maximum(sizes, 1e-3 * median) / median).std(), *_DEVIATIONS))
    return CountProfile(
        torch.as_tensor(share, **CPU_FLOAT32),
        median,
        torch.as_tensor(log_dispersion, **CPU_FLOAT32),
        deviation,
    )


def log_moments(dataset: Dataset, profile: CountProfile) -> tuple[Array, Array]:
    """Return mean and standard deviation, shape (d_x,), of log(1 + x / s), the inputs of an encoder of counts."""
    share = profile.share.double().numpy()
    total, squares, count = (np.zeros(dataset.n_observed) for _ in range(3))
    for _, rows in _chunks(dataset):
        sizes = _sizes(rows, share)[:, None] / profile.median_size
        values = np.log1p((rows + PSEUDO_SIZE * profile.median_size * share) / (sizes + PSEUDO_SIZE))
        known = ~np.isnan(values)
        values = np.where(known, values, 0)
        total, squares, count = total + values.sum(0), squares + (values**2).sum(0), count + known.sum(0)
    mean = total / np.maximum(count, 1)
    scale = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0))
    return mean, np.where(scale > 0, scale, 1)


def _sizes(rows: Array, share: Array) -> Array:
    present = np.where(np.isnan(rows), 0, share).sum(1)
    return np.asarray(np.nansum(rows, axis=1) / np.maximum(present, 1e-6))


def _chunks(dataset: Dataset) -> Iterator[tuple[int, Array]]:
    """Yield all rows and steps in chunks, in double precision, with the number of the first one of each."""
    for start in range(0, len(dataset), _CHUNK):
        part = np.asarray(dataset.observations[start : start + _CHUNK], dtype=np.float64)
        yield start * dataset.n_steps, part.reshape(-1, dataset.n_observed)
