"""Arrays of numbers on entry: float32 where that loses nothing, without needless copies, finite, not constant.

Arrays are processed block by block, so that an array on disk (`numpy.memmap`) is never in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.dataset.centring import first_known
from estimation.dataset.readers.cells import BadCellError, is_missing, parse_number
from estimation.dataset.readers.column_matching import match_columns
from estimation.dataset.readers.frames import frame_names, frame_numbers, is_frame, require_exact_integers
from estimation.dataset.readers.labelled_arrays import column_labels, without_labels
from estimation.exceptions import DataError
from identify.exceptions import one_line

__all__ = [
    "as_numbers",
    "constant_and_missing",
    "constant_columns",
    "is_memory_mapped",
    "matched_numbers",
    "missing_entries",
]

Array = NDArray[np.floating]

_BLOCK_ENTRIES = 1 << 22
# largest rounding error of float32, relative to a column's standard deviation
_MAX_ROUNDING_ERROR = 1e-6
_SAMPLE_ROWS = 4_096
# ragged lists; tensors on a GPU; tensors that require a gradient, or have no data
_CONVERSION_ERRORS = (ValueError, TypeError, RuntimeError)


def as_numbers(values: Any, name: str, allow_missing: bool = False) -> Array:
    """Return values as an array of float32, or of float64 where float32 would merge distinct values of a column.

    A float32 array, in memory or on disk, is not copied, and a float64 array on disk stays there.

    Args:
        values: Anything that numpy converts to numbers or booleans, a data frame, or objects that are numbers.
        name: Name of the array in error messages, for instance ``"observations"``.
        allow_missing: Whether entries may be missing: masked, None, or an empty cell of a frame. They become NaN.

    Raises:
        DataError: If the array is ragged, has masked or missing entries, or holds anything other than real numbers,
            or whole numbers above 2^53.

    Example:
        >>> as_numbers([[1, 2]], "actions")
        array([[1., 2.]], dtype=float32)
        >>> as_numbers([[1e9], [1e9 + 1]], "time").dtype
        dtype('float64')
    """
    array = _as_array(values, name, allow_missing)
    if array.dtype.kind in "iu":
        require_exact_integers(array, name)
    if array.dtype == np.float32 and array.dtype.isnative:
        return array
    if array.dtype.kind == "b" or array.dtype == np.float16:
        return array.astype(np.float32)
    if isinstance(array, np.memmap) and array.dtype == np.float64 and array.dtype.isnative:
        return array
    return _narrowed(array.astype(np.float64, copy=False))


def _as_array(values: Any, name: str, allow_missing: bool) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        if not allow_missing:
            raise DataError(f"{name} has masked entries; fill them or leave those rows out")
        if values.dtype.kind in "biuf":
            return np.ma.filled(values.astype(np.float64), np.nan)
    if is_frame(values):
        return frame_numbers(values, name, allow_missing)
    try:
        array = values if isinstance(values, np.memmap) else np.asarray(values)
    except _CONVERSION_ERRORS as error:
        raise DataError(f"{name} can't be converted to an array: {one_line(error, 200)}") from error
    if array.dtype.kind == "O" and array.ndim and not any(isinstance(cell, str) for cell in array.flat):
        return _parse_objects(array, name, allow_missing)
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} holds {_kind(array)}; it must hold real numbers")
    return array


def _parse_objects(array: NDArray[Any], name: str, allow_missing: bool) -> NDArray[np.float64]:
    """Convert objects that are numbers: Decimal, Fraction, numpy scalars, and the cells of mixed frames."""
    numbers = np.empty(array.shape)
    for index, cell in np.ndenumerate(array):
        if allow_missing and is_missing(cell):
            numbers[index] = np.nan
            continue
        try:
            numbers[index] = parse_number(cell)
        except BadCellError as error:
            place = ", ".join(str(k) for k in index)
            raise DataError(f"{name}[{place}] is {error}") from error
    return numbers


def _narrowed(array: NDArray[np.float64]) -> Array:
    """Return the array as float32, unless rounding is visible relative to the deviation of a column."""
    with np.errstate(over="ignore", invalid="ignore"):
        # overflow gives inf, which `constant_columns` reports with its position
        narrow = array.astype(np.float32)
    if array.ndim < 2 or not array.size or np.isinf(narrow).any():
        return narrow
    wide = array.reshape(-1, array.shape[-1])
    if (missing := np.isnan(wide)).any():
        # a number that the column has does not change its largest rounding error; it may have none
        wide = np.where(missing, np.nan_to_num(first_known(wide)), wide)
    return array if _loses_digits(wide, wide.astype(np.float32)) else narrow


def _loses_digits(wide: NDArray[np.float64], narrow: NDArray[np.float32]) -> bool:
    """Return whether the rounding error of a column is visible: its root mean square, or its median.

    The root mean square is relative to the standard deviation, the median to the interquartile range.
    """
    origin, count = wide[0], len(wide)
    total, squares, errors = (np.zeros(wide.shape[1]) for _ in range(3))
    rows = max(1, _BLOCK_ENTRIES // wide.shape[1])
    for start in range(0, count, rows):
        block = wide[start : start + rows]
        total += (block - origin).sum(0)
        squares += ((block - origin) ** 2).sum(0)
        errors += ((block - narrow[start : start + rows]) ** 2).sum(0)
    deviation = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
    # a constant column has scale 1
    deviation[deviation == 0] = 1
    if (np.sqrt(errors / count) > _MAX_ROUNDING_ERROR * deviation).any():
        return True
    # outliers inflate the standard deviation and hide the rounding errors of the other values
    sample = slice(None, None, max(1, count // _SAMPLE_ROWS))
    low, high = np.quantile(wide[sample], (0.25, 0.75), axis=0)
    median_error = np.median(np.abs(wide[sample] - narrow[sample]), axis=0)
    return bool(((median_error > _MAX_ROUNDING_ERROR * (high - low)) & (high > low)).any())


def constant_columns(array: Array, name: str) -> list[int]:
    """Require that every entry is finite, and return the columns (last axis) that are constant.

    Args:
        array: Shape (..., columns), with two or three axes.
        name: Name of the array in error messages.

    Returns:
        The constant columns; empty if there is only one entry per column.

    Raises:
        DataError: If an entry is NaN or infinite; the message gives the position of the first one.

    Example:
        >>> constant_columns(np.array([[1, 2], [1, 3]], dtype=np.float32), "actions")
        [0]
    """
    return _constant_and_missing(array, name, allow_missing=False)[0]


def constant_and_missing(array: Array, name: str) -> tuple[list[int], NDArray[np.int64]]:
    """Require that every entry is finite or missing (NaN), and return what the columns (last axis) have.

    Args:
        array: Shape (..., columns), with two or three axes.
        name: Name of the array in error messages.

    Returns:
        The columns whose entries are equal or all missing, empty if there is only one entry per column; and the number
        of missing entries of every column.

    Raises:
        DataError: If an entry is infinite; the message gives the position of the first one.

    Example:
        >>> constant_and_missing(np.array([[np.nan, 2], [1, 3], [1, 2]], dtype=np.float32), "observations")
        ([0], array([1, 0]))
    """
    return _constant_and_missing(array, name, allow_missing=True)


def _constant_and_missing(
    array: Array, name: str, allow_missing: bool
) -> tuple[list[int], NDArray[np.int64]]:
    low = np.full(array.shape[-1], np.inf, dtype=array.dtype)
    high = -low
    n_missing = np.zeros(array.shape[-1], dtype=np.int64)
    for start, block in _blocks(array):
        axes, all_missing = tuple(range(block.ndim - 1)), np.zeros(array.shape[-1], dtype=bool)
        with np.errstate(invalid="ignore"):
            block_low, block_high = block.min(axis=axes), block.max(axis=axes)
            if allow_missing and np.isnan(block_low).any():
                n_missing += np.isnan(block).sum(axis=axes)
                block_low, block_high = np.fmin.reduce(block, axis=axes), np.fmax.reduce(block, axis=axes)
                all_missing = np.isnan(block_low)
        # NaN propagates through the minimum, and an infinity is an extreme value
        with np.errstate(over="ignore", invalid="ignore"):
            bounds = [np.isfinite(bound.astype(np.float32)) for bound in (block_low, block_high)]
        if not all((is_finite | all_missing).all() for is_finite in bounds):
            _raise_first_not_finite(block, start, name, allow_missing)
        np.fmin(low, block_low, out=low)
        np.fmax(high, block_high, out=high)
    if int(np.prod(array.shape[:-1])) < 2:
        return [], n_missing
    return np.flatnonzero(low >= high).tolist(), n_missing


def missing_entries(array: Array) -> NDArray[np.int64]:
    """Return the number of missing entries (NaN) of every column (last axis), shape (columns,).

    Example:
        >>> missing_entries(np.array([[np.nan, 1.0], [2.0, 3.0]]))
        array([1, 0])
    """
    total = np.zeros(array.shape[-1], dtype=np.int64)
    for _, block in _blocks(array):
        total += np.isnan(block).sum(axis=tuple(range(block.ndim - 1)))
    return total


def is_memory_mapped(array: Any) -> bool:
    """Return whether an array is a view of a file on disk, for instance a slice or a window of one."""
    while array is not None and not isinstance(array, np.memmap):
        # the `base` of a `numpy.memmap` is a memory map, which has no `base`
        array = getattr(array, "base", None)
    return array is not None


def _blocks(array: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield blocks of a few million entries with the index of their first entry, in the order of the array."""
    per_row = int(np.prod(array.shape[1:]))
    if per_row <= _BLOCK_ENTRIES or array.ndim == 2:
        rows = max(1, _BLOCK_ENTRIES // per_row)
        for row in range(0, len(array), rows):
            yield (row,), array[row : row + rows]
        return
    steps = max(1, _BLOCK_ENTRIES // array.shape[2])
    for row in range(len(array)):
        for step in range(0, array.shape[1], steps):
            yield (row, step), array[row : row + 1, step : step + steps]


def _raise_first_not_finite(
    block: Array, start: tuple[int, ...], name: str, allow_missing: bool = False
) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        block = block.astype(np.float32)
    index = tuple(int(k) for k in np.argwhere(np.isinf(block) if allow_missing else ~np.isfinite(block))[0])
    value = block[index]
    start = start + (0,) * (len(index) - len(start))
    place = ", ".join(str(a + b) for a, b in zip(start, index, strict=True))
    or_missing = ", or NaN where it is missing" if allow_missing else ""
    raise DataError(f"{name}[{place}] is {value} as float32; every entry must be a finite number{or_missing}")


def _kind(array: NDArray[Any]) -> str:
    kinds = {"U": "text", "S": "text", "T": "text", "O": "Python objects", "c": "complex numbers"}
    kinds |= {"M": "dates", "m": "durations", "V": "records"}
    return kinds.get(array.dtype.kind, str(array.dtype))


def matched_numbers(
    values: ArrayLike, names: tuple[str, ...], width: int, what: str, allow_missing: bool = False
) -> NDArray[Any]:
    """Return the numbers in an array, or in a data frame or labelled array, whose columns are matched by name.

    Args:
        values: The array, labelled array or data frame.
        names: Names of the columns of a model.
        width: Number of columns of the model.
        what: ``"observations"`` or ``"latents"``, for error messages.
        allow_missing: As for `as_numbers`.

    Raises:
        DataError: If an entry is no number, or a data frame lacks a column.
    """
    labels = column_labels(values, what)
    values = without_labels(values)
    numbers: NDArray[Any]
    if is_frame(values):
        numbers, columns = frame_numbers(values, what, allow_missing), frame_names(values, what) or ()
    else:
        array = np.asarray(values)
        if array.dtype.kind in "iu":
            require_exact_integers(array, what)
        is_complete = array.dtype.kind in "biuf" and not np.ma.is_masked(values)
        numbers = array if is_complete else as_numbers(values, what, allow_missing)
        columns = labels or ()
        if not columns:
            return numbers
    if what == "latents" and not set(names) <= set(columns):
        # latents that the user has renamed
        return numbers
    positions = match_columns(columns, numbers.shape[-1], names, width, "the model")
    return numbers if positions is None else numbers[..., positions]
