"""Numbers in data frames: pandas (nullable, categorical and pyarrow columns too), polars, tables of pyarrow.

No such library is imported: a frame is what has named columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.categories import one_hot
from estimation.dataset.readers.cells import LARGEST_WHOLE, BadCellError, is_missing, number, trimmed
from estimation.dataset.readers.column_matching import named
from estimation.dataset.readers.raw_data import shortened
from estimation.exceptions import DataError

__all__ = [
    "cells_as_numbers",
    "coded",
    "frame_actions",
    "frame_columns",
    "frame_names",
    "frame_numbers",
    "is_frame",
    "require_whole",
]

Array = NDArray[np.float64]

_KINDS = {"M": "dates", "m": "durations", "c": "complex numbers", "V": "records", "S": "bytes"}


def is_frame(values: Any) -> bool:
    """Whether an object is a table with named columns."""
    return frame_columns(values) is not None


def frame_columns(values: Any) -> list[Any] | None:
    """What the columns of a frame are called; None for anything else.

    Example:
        >>> frame_columns([[1.0]]) is None
        True
    """
    names = getattr(values, "column_names", None)
    if names is None and hasattr(values, "shape") and len(values.shape) == 2:
        names = getattr(values, "columns", None)
    return None if names is None or callable(names) else list(names)


def frame_names(values: Any, what: str) -> tuple[str, ...] | None:
    """Names of the columns of a frame, without white space around them; None where they are no text.

    Args:
        values: anything.
        what: what an error message calls it.

    Raises:
        DataError: two columns have one name, or only some are named by text.
    """
    columns = frame_columns(values)
    if columns is None or not any(isinstance(name, str) for name in columns):
        return None
    odd = [name for name in columns if not isinstance(name, str)]
    if odd:
        raise DataError(
            f"{what} have a column called {shortened(odd[0])}, which is no text; name all by text, or none"
        )
    names = tuple(name.strip() for name in columns)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DataError(f"{what} have two columns called {named(twice[:1], '')}; names must be unique")
    return names


def frame_numbers(values: Any, what: str) -> Array:
    """The cells of a frame as numbers, shape (rows, columns).

    Raises:
        DataError: a cell is missing or no number; the text gives its column and row.
    """
    frame_names(values, what)
    columns = frame_columns(values) or []
    parts = [_column(values, k) for k in range(len(columns))]
    result = np.empty((len(parts[0]) if parts else 0, len(parts)))
    for k, (name, cells) in enumerate(zip(columns, parts, strict=True)):
        result[:, k] = cells_as_numbers(cells, f"column {shortened(name)} of {what}")
    return result


def frame_actions(values: Any, what: str) -> tuple[Array, tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """Actions in a frame: numbers, and a column of text as one column per value, like ``drug=ibuprofen``.

    Returns:
        The numbers, shape (rows, columns); the names of the columns, None where they are no text; the values of the
        columns of text.

    Raises:
        DataError: a cell is missing or can't be read.
    """
    names = frame_names(values, what)
    columns = frame_columns(values) or []
    blocks: list[Array] = []
    called: list[str] = []
    levels: dict[str, tuple[str, ...]] = {}
    for place, name in enumerate(names or columns):
        where = f"column {shortened(name)} of {what}"
        cells = _column(values, place)
        if names is None or not _is_text(cells):
            blocks.append(cells_as_numbers(cells, where)[:, np.newaxis])
            called.append(str(name))
            continue
        codes, texts = coded(cells.tolist(), where)
        declared = getattr(getattr(values[columns[place]], "cat", None), "categories", None)
        given = None if declared is None else [str(value).strip() for value in declared]
        block, categories = one_hot(codes, texts, given, partial(_place, where))
        blocks.append(block.astype(np.float64))
        called += [f"{name}={category}" for category in categories]
        levels[name] = tuple(categories)
    numbers = np.concatenate(blocks, axis=1) if blocks else np.empty((len(values), 0))
    return numbers, None if names is None else tuple(called), levels


def coded(cells: Sequence[Any], where: str) -> tuple[NDArray[np.int64], list[str]]:
    """Cells as positions in the list of different values, as text without white space around it.

    Raises:
        DataError: a cell is missing.

    Example:
        >>> coded(["b", " a", "b "], "column 'k'")
        (array([0, 1, 0]), ['b', 'a'])
    """
    place: dict[str, int] = {}
    codes = np.empty(len(cells), dtype=np.int64)
    for row, cell in enumerate(cells):
        if is_missing(cell):
            raise DataError(
                f"{where}, row {row}, is {shortened(cell) if cell else 'empty'}; every row needs a value"
            )
        codes[row] = place.setdefault(str(trimmed(cell)), len(place))
    return codes, list(place)


def _place(where: str, row: int | None) -> str:
    return where if row is None else f"{where}, row {row},"


def _is_text(cells: NDArray[Any]) -> bool:
    """Whether a column holds text that is no number."""
    if cells.dtype.kind not in "OUT":
        return False
    texts = {cell for cell in cells.tolist() if isinstance(cell, str) and not is_missing(cell)}
    return any(not _is_number(text) for text in texts)


def _is_number(text: str) -> bool:
    try:
        number(text)
    except BadCellError:
        return False
    return True


def cells_as_numbers(cells: Any, where: str) -> Array:
    """One column of cells as numbers.

    Args:
        cells: an array of any type, of one axis.
        where: what an error message calls it.

    Raises:
        DataError: a cell is missing, no number, or a whole number above 2^53.

    Example:
        >>> cells_as_numbers(np.array([True, " 2 ", 3.5], dtype=object), "column 'k'")
        array([1. , 2. , 3.5])
    """
    array = np.asarray(cells)
    if array.dtype.kind in "fb":
        missing = np.flatnonzero(np.isnan(array.astype(np.float64)))
        if missing.size:
            raise DataError(f"{where}, row {missing[0]}, is empty; every cell must be a finite number")
        return array.astype(np.float64)
    if array.dtype.kind in "iu":
        require_whole(array, where)
        return array.astype(np.float64)
    if array.dtype.kind in _KINDS:
        raise DataError(f"{where} holds {_KINDS[array.dtype.kind]}; it must hold real numbers")
    result = np.empty(len(array))
    for row, cell in enumerate(array.tolist()):
        try:
            result[row] = number(cell)
        except BadCellError as error:
            raise DataError(f"{where}, row {row}, is {error}") from error
    return result


def require_whole(array: NDArray[Any], where: str) -> None:
    """Refuse whole numbers above 2^53.

    Raises:
        DataError: there is one.
    """
    over = array > LARGEST_WHOLE
    if array.dtype.kind == "i":
        over |= array < -LARGEST_WHOLE
    if over.any():
        place = tuple(int(k) for k in np.argwhere(over)[0])
        raise DataError(
            f"{where}, {'row' if len(place) == 1 else 'entry'} {', '.join(map(str, place))}, is {array[place]}; whole "
            "numbers above 2^53 can't be told apart as floating-point numbers, so count them from another start"
        )


def _column(values: Any, place: int) -> NDArray[Any]:
    """The cells of one column, missing ones as None or NaN."""
    if hasattr(values, "iloc"):
        return _of_pandas(values.iloc[:, place])
    if hasattr(values, "column_names"):
        return _objects(values.column(place).to_pylist())
    # polars
    series = values[:, place]
    return np.asarray(series) if not _has_missing(series) else _objects(series.to_list())


def _of_pandas(series: Any) -> NDArray[Any]:
    kind = str(series.dtype)
    if kind in ("float64", "float32", "int64", "int32", "bool"):
        return np.asarray(series.to_numpy())
    # nullable, categorical and pyarrow columns, text, sparse ones
    plain = np.asarray(series)
    return plain if plain.dtype.kind in "fiub" else _objects(list(series))


def _has_missing(series: Any) -> bool:
    count = getattr(series, "null_count", None)
    return bool(count() if callable(count) else count)


def _objects(cells: Sequence[Any]) -> NDArray[Any]:
    result = np.empty(len(cells), dtype=object)
    result[:] = cells
    return result
