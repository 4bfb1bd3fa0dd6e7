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
from estimation.dataset.readers.cells import BadCellError, parse_number
from estimation.dataset.readers.frames import frame_actions, frame_notes, is_frame
from estimation.dataset.readers.labelled_arrays import without_labels
from estimation.exceptions import DataError
from identify.exceptions import GraphError
from identify.names import check_names, default_names
from identify.wording import listed

__all__ = [
    "aligned_covariates",
    "checked_covariates",
    "covariate_columns",
    "covariate_notes",
    "numbers_as_categories",
    "repeated_covariates",
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
        values: Array of shape (N, d_c), or (N,) for one covariate; or a data frame, in which a column of text or of a
            categorical type becomes a column per category that occurs, also if the categories are numbers; or one
            column of a frame.
        names: Names that were given, which take precedence.

    Returns:
        The array; the names, those of a data frame if none were given; and the categories of each categorical column.

    Raises:
        DataError: If a frame holds cells that are neither numbers nor text, or texts and categories have no name.

    Example:
        >>> import pandas
        >>> covariate_columns(pandas.DataFrame({"batch": ["b1", "b2"]}), None)[1:]
        (('batch=b1', 'batch=b2'), {'batch': ('b1', 'b2')})
    """
    if isinstance(values, Mapping):
        raise DataError(
            "covariates are a mapping, which is one row of a request; give an array or a data frame with all rows"
        )
    values = _as_columns(values)
    if not is_frame(values):
        return values, None if names is None else tuple(names), {}
    array, frame_names, categories = frame_actions(values, "covariates", numbers_in_text=False)
    return array, frame_names if names is None else tuple(names), categories


def covariate_notes(values: Any) -> list[str]:
    """Return notes on covariates as in `covariate_columns`: which declared categories of a data frame are left out."""
    values = _as_columns(values)
    return frame_notes(values) if is_frame(values) else []


def _as_columns(values: Any) -> Any:
    """Return one number per row, shape (N,), as one column, and a column of a frame as a frame.

    Raises:
        DataError: If they are texts or categories without a name.
    """
    values = without_labels(values, keep_names=True)
    if values is None or is_frame(values):
        return values
    name = getattr(values, "name", None)
    if hasattr(values, "to_frame") and isinstance(name, str) and name:
        return values.to_frame()
    array = values if isinstance(values, np.ndarray) else _array_of(values)
    is_text = array.dtype.kind in "USTO" and any(isinstance(cell, str) for cell in array.flat)
    if is_text or hasattr(getattr(values, "cat", None), "categories"):
        raise DataError(
            "covariates are texts or categories without names; give a data frame, or a Series with a name, like "
            'pandas.Series(batch, name="batch")'
        )
    if hasattr(values, "iloc"):
        return values.to_frame(name=0)
    return array[:, np.newaxis] if array.ndim == 1 else values


def _array_of(values: Any) -> NDArray[Any]:
    """Return values as an array; an empty one without axes if they are none, which is refused with other arrays."""
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError):
        return np.empty(())


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
    array = as_numbers(_as_columns(values), "covariates")
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
        what, verb, them = ("covariate", "is", "it") if len(constant) == 1 else ("covariates", "are", "them")
        raise DataError(f"{what} {listed(constant)} {verb} constant; drop {them} or pass allow_constant=True")
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
    values, names = numbers_as_categories(values, names, trained_names, known)
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


def numbers_as_categories(
    values: Array, names: Sequence[str], trained_names: Sequence[str], known: Categories
) -> tuple[Array, tuple[str, ...]]:
    """Return covariates with indicators in place of numbers, where the model was trained on categories of that name.

    Numbers are compared with the categories as numbers: 20240501.0 is the category ``20240501``, and 1 is ``True``.

    Args:
        values: Covariates, shape (N, d_c).
        names: Their names.
        trained_names: Names of the covariates of the model.
        known: Categories of its categorical covariates.

    Returns:
        The covariates and their names. The first number that is no category has an indicator too, as an unknown one.

    Raises:
        DataError: If a number in single precision may be either of two categories.

    Example:
        >>> numbers_as_categories(np.array([[2.0]]), ["batch"], ["batch=1", "batch=2"], {"batch": ["1", "2"]})[1]
        ('batch=2',)
    """
    columns, result = [], []
    for column, name in enumerate(names):
        if name not in known or name in trained_names:
            columns.append(values[:, column])
            result.append(name)
            continue
        codes = _category_codes(values[:, column], name, known[name])
        for code in np.unique(codes[codes >= 0]).tolist():
            columns.append((codes == code).astype(np.float32))
            result.append(f"{name}={known[name][code]}")
        unknown = np.flatnonzero(codes < 0)
        if unknown.size:
            value = values[unknown[0], column]
            columns.append((values[:, column] == value).astype(np.float32))
            whole = np.isfinite(value) and value == np.round(value)
            result.append(f"{name}={int(value) if whole else value}")
    return np.stack(columns, axis=1), tuple(result)


def _category_codes(values: Array, name: str, known: Sequence[str]) -> NDArray[np.intp]:
    """Return the position of every number among categories, -1 if it is none of them.

    Raises:
        DataError: If a number in single precision may be either of two categories.
    """
    codes = np.full(len(values), -1, dtype=np.intp)
    numbers = np.array([_number_in(category) for category in known])
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
    is_single = values.dtype == np.float32
    if not is_single:
        for code, number in enumerate(numbers):
            codes[(codes < 0) & (values == number)] = code
    # 0.1 in a column of single precision; in double precision, a whole number is exact
    rounded = (codes < 0) & (is_single | (values != np.round(values)))
    for code, number in enumerate(single):
        fitting = rounded & (values == number)
        merged = [known[k] for k in np.flatnonzero(single == number).tolist()]
        if fitting.any() and len(merged) > 1:
            raise DataError(
                f"covariate {name!r} is {number:.9g} in single precision, which may be any of {listed(merged, 6)}; "
                "give it as text"
            )
        codes[fitting] = code
    return codes


def _number_in(category: str) -> float:
    try:
        return parse_number(category)
    except BadCellError:
        return np.nan
