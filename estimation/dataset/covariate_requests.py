"""Covariates of requests: of one row or of many, by name, in the order of the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.covariate_categories import (
    Categories,
    categories_of,
    column_of_indicator,
    covariate_columns_of,
    indicator_columns,
)
from estimation.dataset.covariates import (
    aligned_covariates,
    checked_covariates,
    covariate_columns,
    numbers_as_categories,
)
from estimation.dataset.readers.arrays import as_numbers
from estimation.dataset.readers.cells import BadCellError, is_missing, parse_number
from estimation.dataset.readers.files import shortened
from estimation.dataset.readers.frames import frame_names, is_frame, selected_columns
from estimation.dataset.readers.labelled_arrays import without_labels
from estimation.exceptions import DataError
from identify.wording import listed

__all__ = ["requested_covariates"]

Array = NDArray[np.floating]


def requested_covariates(
    values: Any, trained_names: Sequence[str], trained_categories: Categories | None = None
) -> Array | None:
    """Return the covariates of a request, shape (N, d_c), in the order of the training data; None for a model without.

    Args:
        values: Array in the order of the training data; a data frame, whose columns are matched by name, and whose
            further columns are not read; a mapping of names to values for one row, like ``{"batch": "b1"}``; or None.
        trained_names: Names of the covariates of the model.
        trained_categories: Categories of its categorical covariates, as in `aligned_covariates`.

    Raises:
        DataError: If they are missing, not asked for, of another shape, not finite, or have a category that the model
            was not trained on; or if a mapping has a name that the model doesn't know.

    Example:
        >>> requested_covariates([[1, 0]], ["batch=a", "batch=b"]).tolist()
        [[1.0, 0.0]]
    """
    values = without_labels(values, keep_names=True)
    if values is None:
        return aligned_covariates(None, (), trained_names, "this model")
    if not trained_names:
        raise DataError(
            "covariates were given, and this model was trained without covariates; leave them out"
        )
    known = categories_of(trained_names, trained_categories)
    if isinstance(values, Mapping):
        row, row_names = _single_row(values, trained_names, known)
        return aligned_covariates(row, row_names, trained_names, "this model", known)
    if not hasattr(values, "__len__"):
        raise DataError(f"covariates are {values!r}; give an array of shape (N, d_c) or a data frame")
    array, names, categories = covariate_columns(_used_columns(values, trained_names, known), None)
    _require_no_numbers_as_categories(categories, trained_names, known)
    if names is not None:
        # before whole numbers are rounded to single precision
        array, names = numbers_as_categories(array, names, trained_names, known)
    # the model has them in single precision; how much a few rows vary says nothing
    single = as_numbers(array, "covariates").astype(np.float32)
    checked, _ = checked_covariates(single, names, len(single), allow_constant=True)
    assert checked is not None
    if names is not None:
        return aligned_covariates(checked, names, trained_names, "this model", known)
    if checked.shape[1] != len(trained_names):
        raise DataError(
            f"covariates have {checked.shape[1]} columns; this model needs {listed(list(trained_names))}"
        )
    return checked


def _used_columns(values: Any, trained_names: Sequence[str], known: Categories) -> Any:
    """Return the columns of a frame that a model uses; anything else as it is."""
    names = frame_names(values, "covariates") if is_frame(values) else None
    if names is None:
        return values
    used = [name for name in names if _category_column(name, trained_names, known) or name in trained_names]
    # text in place of a number that is called like its category
    lacking = [name for name in trained_names if name not in names and name not in indicator_columns(known)]
    similar = [name for name in names if any(number.startswith(f"{name}=") for number in lacking)]
    _require_one_form(used, trained_names, known)
    if not used and not similar:
        columns = covariate_columns_of(trained_names, known)
        raise DataError(
            f"covariates have the columns {listed(list(names), 8)}; this model needs {listed(list(columns), 8)}"
        )
    return selected_columns(values, [k for k, name in enumerate(names) if name in {*used, *similar}])


def _category_column(name: str, trained_names: Sequence[str], known: Categories) -> str | None:
    """Return the categorical covariate that a name gives, itself or as an indicator of a category."""
    if name in known:
        return name
    if name in trained_names:
        # a number may be called like a category
        return indicator_columns(known).get(name)
    return column_of_indicator(name, known)


def _require_one_form(names: Sequence[str], trained_names: Sequence[str], known: Categories) -> None:
    """Refuse both a categorical covariate and indicators of its categories."""
    for name in names:
        column = _category_column(name, trained_names, known)
        if column is not None and column != name and column in names:
            raise DataError(f"covariates give {column!r}, and {name!r} too; leave one out")


def _single_row(
    values: Mapping[Any, Any], trained_names: Sequence[str], known: Categories
) -> tuple[Array, tuple[str, ...]]:
    """Return a mapping of names to numbers or categories as one row, shape (1, d_c), and its names."""
    columns = covariate_columns_of(trained_names, known)
    if not values:
        raise DataError(f"covariates are an empty mapping; this model needs {listed(list(columns), 8)}")
    texts = {str(name): (value,) for name, value in values.items() if isinstance(value, str)}
    _require_no_numbers_as_categories(texts, trained_names, known)
    row: dict[str, float] = {}
    for name, value in ((str(label), given) for label, given in values.items()):
        if not isinstance(value, str) and np.ndim(value):
            raise DataError(
                f"covariate {name!r} is {shortened(value)}; a mapping gives one value for all rows, so give a data "
                "frame for others"
            )
        if name not in trained_names and _category_column(name, trained_names, known) is None:
            raise DataError(
                f"this model was trained without a covariate {name!r}; its covariates are {listed(list(columns), 8)}"
            )
        if name in known and isinstance(value, str) and not is_missing(value):
            row[f"{name}={value.strip()}"] = 1.0
        elif isinstance(value, str) and not is_missing(value):
            raise DataError(
                f"this model was trained with the covariate {name!r} as a number; it was given as {shortened(value)}"
            )
        else:
            row |= _number(name, value, trained_names, known)
    _require_one_form([str(name) for name in values], trained_names, known)
    checked, names = checked_covariates([list(row.values())], list(row), 1, allow_constant=True)
    assert checked is not None
    return checked, names


def _number(name: str, value: Any, trained_names: Sequence[str], known: Categories) -> dict[str, float]:
    """Return a number by its name, or the indicator of the category that it is."""
    try:
        number = np.array([[parse_number(value)]])
    except BadCellError as error:
        raise DataError(f"covariate {name!r} is {error}") from error
    numbers, names = numbers_as_categories(number, [name], trained_names, known)
    return dict(zip(names, numbers[0].tolist(), strict=True))


def _require_no_numbers_as_categories(
    given: Categories, trained_names: Sequence[str], known: Categories
) -> None:
    """Refuse a category in place of a number that is called like it: {"dose": "high"} for a number dose=high."""
    indicators = indicator_columns(known)
    for name, column in indicator_columns(given).items():
        if name in trained_names and name not in indicators:
            raise DataError(
                f"this model was trained with the covariate {name!r} as a number; it was given as a category of "
                f"{column!r}"
            )
