"""Covariates: what is known of a row and is not to become latent, such as its batch or its donor.

Encoder and decoder get them, and the latents don't: what a covariate explains of the observations needs no latent, and
the mechanisms p(z | past, a) do not depend on it. A categorical covariate has one column per category, named like
``batch=b1``; which columns these are is stored as its categories, because a number may have such a name too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.covariate_categories import (
    Categories,
    categories_in_names,
    categories_of,
    column_of_indicator,
    indicator_columns,
)
from estimation.dataset.readers.arrays import as_numbers, constant_columns
from estimation.dataset.readers.frames import frame_actions, is_frame
from estimation.exceptions import DataError
from identify.exceptions import GraphError
from identify.names import check_names, default_names
from identify.wording import listed

__all__ = [
    "aligned_covariates",
    "checked_covariates",
    "covariate_columns",
    "repeated_covariates",
    "requested_covariates",
    "require_covariate_names",
]

Array = NDArray[np.floating]

# of float32, relative to a column's standard deviation: with a time in seconds, tens of seconds are rounded away
_MAX_ROUNDING_ERROR = 1e-3


def covariate_columns(
    values: Any, names: Sequence[str] | None
) -> tuple[Any, tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """Return covariates as an array, the names of its columns, and the categories of columns of text.

    Args:
        values: Array of shape (N, d_c), or a data frame, in which a column of text or of a categorical type becomes a
            column per category, also if the categories are numbers; or one column of a frame.
        names: Names that were given, which take precedence.

    Returns:
        The array; the names, those of a data frame if none were given; and the categories of each categorical column.

    Raises:
        DataError: If a frame holds cells that are neither numbers nor text.

    Example:
        >>> import pandas
        >>> covariate_columns(pandas.DataFrame({"batch": ["b1", "b2"]}), None)[1:]
        (('batch=b1', 'batch=b2'), {'batch': ('b1', 'b2')})
    """
    if hasattr(values, "to_frame") and getattr(values, "name", None) and not is_frame(values):
        values = values.to_frame()
    if not is_frame(values):
        return values, None if names is None else tuple(names), {}
    array, frame_names, categories = frame_actions(values, "covariates", numbers_in_text=False)
    return array, frame_names if names is None else tuple(names), categories


def checked_covariates(
    values: Any, names: Sequence[str] | None, n_samples: int, allow_constant: bool
) -> tuple[Array | None, tuple[str, ...]]:
    """Return checked covariates, shape (N, d_c), and their names: those given, else ``c0, c1, ...``.

    Args:
        values: Covariates, or None.
        names: Names of the columns, or None.
        n_samples: N, the number of rows.
        allow_constant: Whether columns may be constant.

    Raises:
        DataError: If the shape is wrong, an entry is missing or infinite, a column is constant, or the number of names
            is wrong or a name repeats.

    Example:
        >>> checked_covariates([[0], [1]], None, 2, False)[1]
        ('c0',)
    """
    if values is None:
        if names:
            raise DataError(f"covariate_names are given ({listed(list(names))}), but there are no covariates")
        return None, ()
    array = as_numbers(values, "covariates")
    if array.ndim != 2 or len(array) != n_samples or array.shape[1] == 0:
        raise DataError(
            f"covariates have shape {array.shape}; for these observations they must be ({n_samples}, d_c)"
        )
    try:
        result = default_names("c", array.shape[1]) if names is None else check_names(names, "covariates")
    except GraphError as error:
        raise DataError(f"covariate_names: {error}") from error
    if len(result) != array.shape[1]:
        raise DataError(f"{len(result)} covariate names for {array.shape[1]} columns of covariates")
    constant = [result[column] for column in constant_columns(array, "covariates")]
    if constant and not allow_constant:
        what = "covariate" if len(constant) == 1 else "covariates"
        verb = "is" if len(constant) == 1 else "are"
        raise DataError(f"{what} {listed(constant)} {verb} constant; drop them or pass allow_constant=True")
    return _in_single_precision(array, result), tuple(result)


def _in_single_precision(array: Array, names: Sequence[str]) -> Array:
    """Return covariates as float32, which the networks of a model take.

    Raises:
        DataError: If rounding is visible beside the variation of a column.
    """
    if array.dtype == np.float32:
        return array
    rounded = array.astype(np.float32)
    errors = np.abs(rounded.astype(np.float64) - array).max(0, initial=0.0)
    deviation = array.std(0)
    coarse = np.flatnonzero((errors > _MAX_ROUNDING_ERROR * deviation) & (np.ptp(array, axis=0) > 0))
    if coarse.size:
        column = coarse[0]
        raise DataError(
            f"covariate {names[column]!r} varies by {deviation[column]:.2g} around {array[:, column].mean():.6g}, "
            "too little for single precision, like a time in seconds; subtract its mean first"
        )
    return rounded


def require_covariate_names(values: Array | None, names: Sequence[str]) -> None:
    """Require one name for each covariate.

    Args:
        values: Covariates, shape (N, d_c), or None.
        names: Their names.

    Raises:
        DataError: If the numbers differ.
    """
    count = 0 if values is None else values.shape[1]
    if len(names) != count:
        raise DataError(
            f"{len(names)} covariate names for {count} columns of covariates; give covariate_names with them"
        )


def aligned_covariates(
    values: Array | None,
    names: Sequence[str],
    trained_names: Sequence[str],
    label: str,
    trained_categories: Categories | None = None,
) -> Array | None:
    """Return the covariates that a model was trained with, in their order, matched by name.

    The indicator of a category that doesn't occur in the data is zero. Covariates that the model does not use are left
    out.

    Args:
        values: Covariates of the data, shape (N, d_c), or None.
        names: Their names.
        trained_names: Names of the covariates of the model.
        label: Name of the model in error messages.
        trained_categories: Categories of the categorical covariates of the model. None if they aren't known: every name
            like ``batch=b1`` is a category then.

    Raises:
        DataError: If a covariate is missing, or has a category that the model was not trained on.

    Example:
        >>> rows = np.array([[1.0, 30.0]], dtype=np.float32)
        >>> aligned_covariates(rows, ["batch=b", "age"], ["age", "batch=a", "batch=b"], "the model").tolist()
        [[30.0, 0.0, 1.0]]
    """
    if not trained_names:
        return None
    if values is None:
        raise DataError(f"{label} was trained with the covariates {listed(list(trained_names))}; give them")
    known = categories_of(trained_names, trained_categories)
    values, names = _with_categories(values, names, trained_names, known)
    position = {name: column for column, name in enumerate(names)}
    column_of = indicator_columns(known)
    # the categorical covariates of the model that the data have
    present: dict[str, list[str]] = {}
    for name in names:
        # a number of the model may be called like a category
        column = column_of.get(name) if name in trained_names else column_of_indicator(name, known)
        if column is not None:
            present.setdefault(column, []).append(name)
    _require_covariates(names, trained_names, column_of, present, label)
    for column, indicators in present.items():
        _require_known_categories(values, position, column, indicators, known[column], label)
    result = np.zeros((len(values), len(trained_names)), dtype=np.float32)
    for k, name in enumerate(trained_names):
        if name in position:
            result[:, k] = values[:, position[name]]
    return result


def requested_covariates(
    values: Any, trained_names: Sequence[str], trained_categories: Categories | None = None
) -> Array | None:
    """Return the covariates of a request, shape (N, d_c), in the order of the training data; None for a model without.

    Args:
        values: Array in the order of the training data; a data frame, whose columns are matched by name; a mapping of
            names to values for one row, like ``{"batch": "b1"}``; or None.
        trained_names: Names of the covariates of the model.
        trained_categories: Categories of its categorical covariates, as in `aligned_covariates`.

    Raises:
        DataError: If they are missing, not asked for, of another shape, not finite, or have a category that the model
            was not trained on.

    Example:
        >>> requested_covariates([[1, 0]], ["batch=a", "batch=b"]).tolist()
        [[1.0, 0.0]]
    """
    if values is None:
        return aligned_covariates(None, (), trained_names, "this model")
    if not trained_names:
        raise DataError(
            "covariates were given, and this model was trained without covariates; leave them out"
        )
    known = categories_of(trained_names, trained_categories)
    if isinstance(values, Mapping):
        row, row_names, row_categories = _single_row(values)
        _require_no_numbers_as_categories(row_categories, trained_names, known)
        return aligned_covariates(row, row_names, trained_names, "this model", known)
    if not hasattr(values, "__len__"):
        raise DataError(f"covariates are {values!r}; give an array of shape (N, d_c) or a data frame")
    array, names, categories = covariate_columns(values, None)
    _require_no_numbers_as_categories(categories, trained_names, known)
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


def repeated_covariates(values: Array, n_rows: int, n_steps: int, what: str) -> Array:
    """Return covariates of rows, or of one row for all of them, repeated for every step, shape (N T, d_c).

    Args:
        values: Covariates, shape (N, d_c) or (1, d_c).
        n_rows: N.
        n_steps: T.
        what: What the rows hold, for messages.

    Raises:
        DataError: If there are other numbers of rows.

    Example:
        >>> repeated_covariates(np.ones((1, 1)), 2, 2, "observations").shape
        (4, 1)
    """
    if len(values) not in (1, n_rows):
        raise DataError(
            f"covariates have {len(values)} rows, and {what} have {n_rows}; give one each, or one for all"
        )
    return np.repeat(values, n_rows * n_steps if len(values) == 1 else n_steps, axis=0)


def _single_row(
    values: Mapping[Any, Any],
) -> tuple[Array, tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return a mapping of names to numbers or categories as one row, shape (1, d_c), its names and its categories."""
    row = {
        f"{name}={value}" if isinstance(value, str) else str(name): 1.0 if isinstance(value, str) else value
        for name, value in values.items()
    }
    checked, names = checked_covariates([list(row.values())], list(row), 1, allow_constant=True)
    assert checked is not None
    return checked, names, {str(k): (value,) for k, value in values.items() if isinstance(value, str)}


def _require_covariates(
    names: Sequence[str],
    trained_names: Sequence[str],
    column_of: Mapping[str, str],
    present: Mapping[str, Sequence[str]],
    label: str,
) -> None:
    """Require every covariate of a model; a category may be missing if another one of its column is there."""
    lacking = [name for name in trained_names if name not in names and column_of.get(name) not in present]
    in_data = categories_in_names(names)
    for name in lacking:
        if name in in_data:
            raise DataError(
                f"{label} was trained with the covariate {name!r} as a number; in the data it is "
                f"{listed([repr(category) for category in in_data[name]], 6)}"
            )
    if lacking:
        raise DataError(
            f"{label} was trained with the covariates {listed(lacking)}, which the data lack; give them"
        )


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


def _require_known_categories(
    values: Array,
    position: Mapping[str, int],
    column: str,
    indicators: Sequence[str],
    known: Sequence[str],
    label: str,
) -> None:
    for name in indicators:
        category = name.removeprefix(f"{column}=")
        rows = np.flatnonzero(values[:, position[name]])
        if category not in known and rows.size:
            raise DataError(
                f"covariate {column!r} is {category!r} in row {rows[0]}, on which {label} was not trained; it is one "
                f"of {listed(list(known))}"
            )


def _with_categories(
    values: Array, names: Sequence[str], trained_names: Sequence[str], known: Categories
) -> tuple[Array, tuple[str, ...]]:
    """Return numbers as categories where the model was trained on categories of that name."""
    columns, result = [], []
    for column, name in enumerate(names):
        if name not in known or name in trained_names:
            columns.append(values[:, column])
            result.append(name)
            continue
        for value in np.unique(values[:, column]):
            columns.append((values[:, column] == value).astype(np.float32))
            result.append(f"{name}={value:g}")
    return np.stack(columns, axis=1), tuple(result)
