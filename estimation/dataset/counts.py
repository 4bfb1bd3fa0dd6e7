"""Checks that observations are counts, where a likelihood of counts needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.config.training import COUNT_LIKELIHOODS
from estimation.dataset.dataset import Dataset
from estimation.exceptions import ConfigError, DataError
from identify.names import shown

__all__ = ["require_count_rows", "require_counts"]

_CHUNK = 8_192


def require_counts(dataset: Dataset, likelihood: str) -> None:
    """Refuse observations that are not counts, where the likelihood is one of counts.

    Args:
        dataset: Data to train on, or to evaluate with.
        likelihood: Likelihood of the observations.

    Raises:
        ConfigError: If the observations are images.
        DataError: If an observation is negative or has a fraction, or a row has no counts at all.
    """
    if likelihood not in COUNT_LIKELIHOODS:
        return
    if dataset.observation_shape is not None:
        raise ConfigError(f"likelihood={likelihood!r} is for counts, and the observations are images")
    for start in range(0, len(dataset), _CHUNK):
        rows = np.asarray(dataset.observations[start : start + _CHUNK])
        require_count_rows(rows, dataset.observation_names, likelihood, start)


def require_count_rows(values: NDArray[Any], names: Sequence[str], likelihood: str, first: int = 0) -> None:
    """Refuse rows that are not counts.

    Args:
        values: Observations, shape (N, ..., d_x); NaN entries are missing.
        names: Names of the columns; empty without names.
        likelihood: Likelihood of the model, for messages.
        first: Number of the first row.

    Raises:
        DataError: If an observation is negative or has a fraction, or a row has no counts at all.

    Example:
        >>> require_count_rows(np.array([[0.0, 3.0]]), (), "poisson")
    """
    rows = values.reshape(-1, values.shape[-1])
    per_row = max(1, len(rows) // max(1, len(values)))
    with np.errstate(invalid="ignore"):
        wrong = ((rows < 0) | (rows != np.floor(rows))) & ~np.isnan(rows)
    if wrong.any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        value, name = rows[row, column], shown(names[column]) if names else str(column)
        raise DataError(
            f"observation {name} of row {first + row // per_row} is {value:g}, "
            f"{'negative' if value < 0 else 'not a whole number'}; likelihood={likelihood!r} needs counts"
        )
    empty = np.flatnonzero(np.nansum(rows, axis=1) == 0)
    if empty.size:
        raise DataError(
            f"row {first + int(empty[0]) // per_row} has no counts: all of its observations are 0 or missing; leave "
            "such rows out"
        )
