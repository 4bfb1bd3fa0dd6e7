"""Numbers in data frames: pandas (also nullable, categorical and pyarrow columns), polars, and pyarrow tables.

None of these libraries is imported: any object with named columns is a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.categories import one_hot
from estimation.dataset.readers.cells import (
    LARGEST_EXACT_INTEGER,
    BadCellError,
    is_missing,
    parse_number,
    trimmed,
)
from estimation.dataset.readers.column_matching import unique_names
from estimation.dataset.readers.files import shortened
from estimation.exceptions import DataError
from identify.wording import listed

__all__ = [
    "absent_category_notes",
    "cells_as_numbers",
    "encode_labels",
    "frame_actions",
    "frame_columns",
    "frame_names",
    "frame_notes",
    "frame_numbers",
    "is_frame",
    "require_exact_integers",
    "selected_columns",
]

Array = NDArray[np.float64]

_NON_NUMERIC_KINDS = {
    "M": "dates",
    "m": "durations",
    "c": "complex numbers",
    "V": "records",
    "S": "bytes",
}
_PLAIN_POLARS_TYPES = ("Int", "UInt", "Float", "Boolean", "Date", "Duration")
_WIDE_POLARS_TYPES = ("Int128", "UInt128")


def is_frame(values: Any) -> bool:
    """Return whether an object is a table with named columns."""
    return frame_columns(values) is not None


def frame_columns(values: Any) -> list[Any] | None:
    """Return the labels of the columns of a frame; None for any other object.

    Raises:
        DataError: If it is a lazy frame, which holds a query instead of data.

    Example:
        >>> frame_columns([[1.0]]) is None
        True
    """
    if hasattr(values, "collect_schema") and not hasattr(values, "shape"):
        raise DataError(f"a {type(values).__name__} holds a query and no data yet; call collect() first")
    labels = getattr(values, "column_names", None)
    if labels is None and hasattr(values, "shape") and len(values.shape) == 2:
        labels = getattr(values, "columns", None)
    return None if labels is None or callable(labels) else list(labels)


def frame_names(values: Any, what: str) -> tuple[str, ...] | None:
    """Return the names of the columns of a frame, without surrounding white space; None if no label is text.

    Args:
        values: Any object.
        what: Name of the values in error messages.

    Raises:
        DataError: If two columns have the same name, or only some labels are text.
    """
    labels = frame_columns(values)
    if labels is None or not any(isinstance(label, str) for label in labels):
        return None
    not_text = [label for label in labels if not isinstance(label, str)]
    if not_text:
        raise DataError(
            f"{what} have a column called {shortened(not_text[0])}, which is not text; name all columns by text, or "
            "none"
        )
    return unique_names(labels, what)


def frame_numbers(values: Any, what: str, allow_missing: bool = False) -> Array:
    """Return the cells of a frame as numbers, shape (rows, columns).

    Args:
        values: The frame.
        what: Name of the values in error messages.
        allow_missing: Whether cells may be missing; they become NaN.

    Raises:
        DataError: If a cell is missing or isn't a number; the message gives its column and row.
    """
    frame_names(values, what)
    labels = frame_columns(values) or []
    columns = [_column(values, k) for k in range(len(labels))]
    result = np.empty((len(columns[0]) if columns else 0, len(columns)))
    for k, (label, cells) in enumerate(zip(labels, columns, strict=True)):
        result[:, k] = cells_as_numbers(cells, f"column {shortened(label)} of {what}", allow_missing)
    return result


def frame_actions(
    values: Any, what: str, numbers_in_text: bool = True
) -> tuple[Array, tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """Return the actions in a frame; a column of text becomes one action per category, like ``drug=ibuprofen``.

    Args:
        values: The frame.
        what: Name of the values in error messages.
        numbers_in_text: Whether a column of texts that are all numbers holds numbers. Otherwise it holds categories,
            and so does any column whose type declares categories, of which those that don't occur are left out.

    Returns:
        The actions, shape (rows, actions); their names, None if no label is text; and the categories of each column
        of text.

    Raises:
        DataError: If a cell is missing or can't be read.
    """
    names = frame_names(values, what)
    labels = frame_columns(values) or []
    blocks: list[Array] = []
    action_names: list[str] = []
    categories: dict[str, tuple[str, ...]] = {}
    for position, label in enumerate(names or labels):
        where = f"column {shortened(label)} of {what}"
        cells = _column(values, position)
        declared = _declared_categories(values[labels[position]]) if names is not None else None
        is_text = _is_text(cells) or (not numbers_in_text and (declared is not None or _has_text(cells)))
        if names is None or not is_text:
            blocks.append(cells_as_numbers(cells, where)[:, np.newaxis])
            action_names.append(str(label))
            continue
        codes, texts = encode_labels(cells.tolist(), where)
        if declared is not None and not numbers_in_text:
            declared = [category for category in declared if category in set(texts)]
        block, column_categories = one_hot(codes, texts, declared, partial(_where, where))
        blocks.append(block.astype(np.float64))
        action_names += [f"{label}={category}" for category in column_categories]
        categories[label] = tuple(column_categories)
    actions = np.concatenate(blocks, axis=1) if blocks else np.empty((len(values), 0))
    return actions, None if names is None else tuple(action_names), categories


def absent_category_notes(label: str, column: Any) -> list[str]:
    """Return a note if the type of a covariate declares categories that none of its rows has, and else none.

    Args:
        label: Name of the covariate.
        column: Its column in a frame.

    Example:
        >>> import pandas
        >>> absent_category_notes("batch", pandas.Series(pandas.Categorical(["a"], categories=["a", "b"])))
        ["covariate 'batch' declares categories that no row has, which are left out: b"]
    """
    declared = _declared_categories(column) or []
    present = (
        {str(trimmed(cell)) for cell in np.asarray(column, dtype=object).tolist()} if declared else set()
    )
    absent = [category for category in declared if category not in present]
    if not absent:
        return []
    return [
        f"covariate {label!r} declares categories that no row has, which are left out: {listed(absent, 8)}"
    ]


def frame_notes(values: Any) -> list[str]:
    """Return the notes of `absent_category_notes` on all columns of a frame of covariates."""
    names, labels = frame_names(values, "covariates") or (), frame_columns(values) or []
    pairs = zip(names, labels, strict=bool(names))
    return [note for name, label in pairs for note in absent_category_notes(name, values[label])]


def encode_labels(cells: Sequence[Any], where: str) -> tuple[NDArray[np.int64], list[str]]:
    """Encode cells as positions in the list of their distinct values, which are stripped texts.

    Args:
        cells: Labels of the rows.
        where: Name of the column in error messages.

    Raises:
        DataError: If a cell is missing.

    Example:
        >>> encode_labels(["b", " a", "b "], "column 'k'")
        (array([0, 1, 0]), ['b', 'a'])
    """
    positions: dict[str, int] = {}
    codes = np.empty(len(cells), dtype=np.int64)
    for row, cell in enumerate(cells):
        if is_missing(cell):
            raise DataError(
                f"{where}, row {row}, is {shortened(cell) if cell else 'empty'}; every row needs a value"
            )
        codes[row] = positions.setdefault(str(trimmed(cell)), len(positions))
    return codes, list(positions)


def _declared_categories(column: Any) -> list[str] | None:
    """Return the categories of a categorical of pandas or an enum of polars, in their order; None of other columns."""
    dtype = getattr(column, "dtype", None)
    # the categories of a categorical of polars are those of all columns of the process
    owner = dtype if type(dtype).__name__ == "Enum" else getattr(column, "cat", None)
    categories = getattr(owner, "categories", None)
    return None if categories is None else [str(value).strip() for value in categories]


def _where(column: str, row: int | None) -> str:
    return column if row is None else f"{column}, row {row},"


def _is_text(cells: NDArray[Any]) -> bool:
    """Return whether a column holds a text that isn't a number."""
    if cells.dtype.kind not in "OUT":
        return False
    texts = {cell for cell in cells.tolist() if isinstance(cell, str) and not is_missing(cell)}
    return any(not _is_number(text) for text in texts)


def _has_text(cells: NDArray[Any]) -> bool:
    """Return whether a column holds any text."""
    return cells.dtype.kind in "OUT" and any(isinstance(cell, str) for cell in cells.tolist())


def _is_number(text: str) -> bool:
    try:
        parse_number(text)
    except BadCellError:
        return False
    return True


def cells_as_numbers(cells: Any, where: str, allow_missing: bool = False) -> Array:
    """Return one column of cells as numbers.

    Args:
        cells: One-dimensional array of any type.
        where: Name of the column in error messages.
        allow_missing: Whether cells may be missing; they become NaN.

    Raises:
        DataError: If a cell is missing, isn't a number, or is a whole number above 2^53.

    Example:
        >>> cells_as_numbers(np.array([True, " 2 ", 3.5], dtype=object), "column 'k'")
        array([1. , 2. , 3.5])
    """
    array = np.asarray(cells)
    if array.dtype.kind in "fb":
        missing = np.flatnonzero(np.isnan(array.astype(np.float64)))
        if missing.size and not allow_missing:
            raise DataError(f"{where}, row {missing[0]}, is empty; every cell must be a finite number")
        return array.astype(np.float64)
    if array.dtype.kind in "iu":
        require_exact_integers(array, where)
        return array.astype(np.float64)
    if array.dtype.kind in _NON_NUMERIC_KINDS:
        raise DataError(f"{where} holds {_NON_NUMERIC_KINDS[array.dtype.kind]}; it must hold real numbers")
    numbers = np.empty(len(array))
    for row, cell in enumerate(array.tolist()):
        if allow_missing and is_missing(cell):
            numbers[row] = np.nan
            continue
        try:
            numbers[row] = parse_number(cell)
        except BadCellError as error:
            raise DataError(f"{where}, row {row}, is {error}") from error
    return numbers


def require_exact_integers(array: NDArray[Any], where: str) -> None:
    """Require whole numbers of at most 2^53, which are exact in floating point.

    Args:
        array: Array of an integer type.
        where: Name of the values in error messages.

    Raises:
        DataError: If an entry is larger.
    """
    too_large = array > LARGEST_EXACT_INTEGER
    if array.dtype.kind == "i":
        too_large |= array < -LARGEST_EXACT_INTEGER
    if too_large.any():
        index = tuple(int(k) for k in np.argwhere(too_large)[0])
        raise DataError(
            f"{where}, {'row' if len(index) == 1 else 'entry'} {', '.join(map(str, index))}, is {array[index]}; whole "
            "numbers above 2^53 are not exact in floating point, so subtract an offset first"
        )


def selected_columns(values: Any, positions: Sequence[int]) -> Any:
    """Return some columns of a frame as a frame.

    Args:
        values: The frame.
        positions: Positions of the columns.
    """
    if hasattr(values, "iloc"):
        return values.iloc[:, list(positions)]
    return values.select(list(positions)) if hasattr(values, "column_names") else values[:, list(positions)]


def _column(values: Any, position: int) -> NDArray[Any]:
    """Return the cells of one column, with missing ones as None or NaN."""
    if hasattr(values, "iloc"):
        return _pandas_column(values.iloc[:, position])
    if hasattr(values, "column_names"):
        return _object_array(values.column(position).to_pylist())
    # polars; its decimals, 128-bit integers and nested columns have no type of numpy
    series = values[:, position]
    is_plain = (
        str(series.dtype).startswith(_PLAIN_POLARS_TYPES) and str(series.dtype) not in _WIDE_POLARS_TYPES
    )
    return np.asarray(series) if is_plain and not _has_missing(series) else _object_array(series.to_list())


def _pandas_column(series: Any) -> NDArray[Any]:
    dtype = str(series.dtype)
    if dtype in ("float64", "float32", "int64", "int32", "bool"):
        return np.asarray(series.to_numpy())
    # nullable, categorical, pyarrow, text and sparse columns
    array = np.asarray(series)
    return array if array.dtype.kind in "fiub" else _object_array(list(series))


def _has_missing(series: Any) -> bool:
    count = getattr(series, "null_count", None)
    return bool(count() if callable(count) else count)


def _object_array(cells: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array
