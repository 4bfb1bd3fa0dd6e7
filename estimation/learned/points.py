"""The sample of points at which entanglement is measured, and the standard deviations of the latents there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.covariates import aligned_covariates
from estimation.dataset.dataset import Dataset
from estimation.dataset.readers.arrays import missing_entries
from estimation.exceptions import ConfigError, DataError

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["Points", "sample_points", "standard_deviations"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """A sample of points.

    Attributes:
        observations: Observations, shape (N, d_x).
        latents: True latents, shape (N, n), or None if unknown.
        decoder: True decoder, or None if unknown.
        covariates: Covariates, shape (N, d_c), or None.
        covariate_names: Their names.
    """

    observations: NDArray[np.floating]
    latents: NDArray[np.floating] | None
    decoder: Callable[..., Any] | None
    covariates: NDArray[np.floating] | None = None
    covariate_names: tuple[str, ...] = ()

    def covariates_of(self, model: TrainedModel) -> NDArray[np.floating] | None:
        """Return the covariates that a model takes, shape (N, d_c); None if it takes none.

        Raises:
            DataError: If the data lack one, or it has a category that the model was not trained on.
        """
        return aligned_covariates(
            self.covariates,
            self.covariate_names,
            model.covariate_names,
            "the model",
            model.covariate_categories,
        )


def sample_points(dataset: Dataset, n_samples: int, seed: int) -> Points:
    """Sample steps of rows at random, without replacement, of those without missing entries.

    Args:
        dataset: Data to sample from.
        n_samples: Number of points; all if the dataset has fewer.
        seed: Seed of the sample.

    Raises:
        ConfigError: If ``n_samples`` is less than 2.
        DataError: If the dataset has a single point, or fewer than two without missing entries.
    """
    if n_samples < 2:
        raise ConfigError(f"n_samples is {n_samples}; give 2 points or more")
    n_points = dataset.n_samples * dataset.n_steps
    if n_points < 2:
        raise DataError("the dataset has a single point; entanglement needs 2 or more")
    indices = np.random.default_rng(seed).choice(n_points, min(n_samples, n_points), replace=False)
    if missing_entries(dataset.observations).any():
        complete = np.flatnonzero(~np.isnan(dataset.observations).any(axis=2).ravel())
        if len(complete) < 2:
            raise DataError(
                "fewer than 2 points of the dataset have no missing entry; entanglement needs 2 or more"
            )
        indices = np.random.default_rng(seed).choice(complete, min(n_samples, len(complete)), replace=False)
    rows, steps = np.divmod(indices, dataset.n_steps)
    latents = None if dataset.latents is None else np.asarray(dataset.latents[rows, steps])
    covariates = None if dataset.covariates is None else np.asarray(dataset.covariates[rows])
    return Points(
        np.asarray(dataset.observations[rows, steps]),
        latents,
        dataset.decoder,
        covariates,
        dataset.covariate_names,
    )


def standard_deviations(values: NDArray[np.floating]) -> Array:
    """Return the standard deviation of every column; exactly 0 for a constant column."""
    deviations = values.astype(np.float64).std(axis=0)
    return np.where(np.ptp(values, axis=0) > 0, deviations, 0.0)
