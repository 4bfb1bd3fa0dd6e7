"""The points at which entanglement is measured, and the scale of the latents there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.dataset import Dataset
from estimation.exceptions import ConfigError, DataError

__all__ = ["Points", "draw", "spread"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Observations (N, d_x), true latents (N, n) if known, and the true decoder if known."""

    observations: NDArray[np.floating]
    latents: NDArray[np.floating] | None
    decoder: Callable[..., Any] | None


def draw(dataset: Dataset, n_samples: int, seed: int) -> Points:
    """Random steps of random rows, none twice."""
    if n_samples < 2:
        raise ConfigError(f"n_samples is {n_samples}; give 2 points or more")
    total = dataset.n_samples * dataset.n_steps
    if total < 2:
        raise DataError("the dataset has a single point; entanglement needs 2 or more")
    chosen = np.random.default_rng(seed).choice(total, min(n_samples, total), replace=False)
    rows, steps = np.divmod(chosen, dataset.n_steps)
    latents = None if dataset.latents is None else np.asarray(dataset.latents[rows, steps])
    return Points(np.asarray(dataset.observations[rows, steps]), latents, dataset.decoder)


def spread(values: NDArray[np.floating]) -> Array:
    """Standard deviation of every column; exactly zero for a constant."""
    result = values.astype(np.float64).std(axis=0)
    return np.where(np.ptp(values, axis=0) > 0, result, 0.0)
