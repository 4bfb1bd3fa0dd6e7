"""Arrays of numbers on entry: float32 where that costs nothing, without needless copies, finite, not constant.

Everything is looked at block by block, so that an array on disk (`numpy.memmap`) is never held in memory whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.cells import BadCellError, number
from estimation.dataset.readers.frames import frame_numbers, is_frame, require_whole
from estimation.exceptions import DataError
from identify.exceptions import one_line

__all__ = ["as_numbers", "constant_columns"]

Array = NDArray[np.floating]

_BLOCK_ENTRIES = 1 << 22
# rounding that float32 may cost, as a share of a column's deviation
_MOST_LOST = 1e-6
_SAMPLE = 4_096


def as_numbers(values: Any, name: str) -> Array:
    """The values as an array of float32, or of float64 where float32 would not tell the values of a column apart.

    An array that is float32 already, on disk or not, is not copied, and float64 on disk stays there.

    Args:
        values: anything numpy takes as an array of numbers or booleans, a data frame, or objects that are numbers.
        name: what error messages call it, for instance ``"observations"``.

    Raises:
        DataError: it is ragged, has masked or missing entries, or holds something else than real numbers, or whole
            numbers above 2^53.

    Example:
        >>> as_numbers([[1, 2]], "actions")
        array([[1., 2.]], dtype=float32)
        >>> as_numbers([[1e9], [1e9 + 1]], "time").dtype
        dtype('float64')
    """
    array = _as_array(values, name)
    if array.dtype.kind in "iu":
        require_whole(array, name)
    if array.dtype == np.float32 and array.dtype.isnative:
        return array
    if array.dtype.kind == "b" or array.dtype == np.float16:
        return array.astype(np.float32)
    if isinstance(array, np.memmap) and array.dtype == np.float64 and array.dtype.isnative:
        return array
    return _narrowed(array.astype(np.float64, copy=False))


def _as_array(values: Any, name: str) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{name} has masked entries; fill them or leave those rows out")
    if is_frame(values):
        return frame_numbers(values, name)
    try:
        array = values if isinstance(values, np.memmap) else np.asarray(values)
    except Exception as error:
        # ragged lists, tensors that need a gradient or live on a GPU: each library has its own type
        raise DataError(f"{name} is no array of numbers: {one_line(error, 200)}") from error
    if array.dtype.kind == "O" and array.ndim and not any(isinstance(cell, str) for cell in array.flat):
        return _of_objects(array, name)
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} holds {_kind(array)}; it must hold real numbers")
    return array


def _of_objects(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Objects that are numbers: Decimal, Fraction, None beside numbers, numbers of numpy and of mixed frames."""
    result = np.empty(array.shape)
    for place, cell in np.ndenumerate(array):
        try:
            result[place] = number(cell)
        except BadCellError as error:
            index = ", ".join(str(k) for k in place)
            raise DataError(f"{name}[{index}] is {error}") from error
    return result


def _narrowed(array: NDArray[np.float64]) -> Array:
    """As float32, unless that costs digits that the deviation of a column needs."""
    with np.errstate(over="ignore", invalid="ignore"):
        # what is too large becomes inf, and is found with its place by the check that follows
        small = array.astype(np.float32)
    if array.ndim < 2 or not array.size or not np.isfinite(small).all():
        return small
    columns = array.shape[-1]
    return array if _lost(array.reshape(-1, columns), small.reshape(-1, columns)) else small


def _lost(wide: NDArray[np.float64], narrow: NDArray[np.float32]) -> bool:
    """Whether rounding is a visible share of the deviation of some column: of its root mean square, or typically."""
    origin, count = wide[0], len(wide)
    total, squares, errors = (np.zeros(wide.shape[1]) for _ in range(3))
    rows = max(1, _BLOCK_ENTRIES // wide.shape[1])
    for start in range(0, count, rows):
        part = wide[start : start + rows]
        total += (part - origin).sum(0)
        squares += ((part - origin) ** 2).sum(0)
        errors += ((part - narrow[start : start + rows]) ** 2).sum(0)
    deviation = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
    # the scale of a column that never varies is 1
    deviation[deviation == 0] = 1
    if (np.sqrt(errors / count) > _MOST_LOST * deviation).any():
        return True
    # outliers hide what is lost of the others
    some = slice(None, None, max(1, count // _SAMPLE))
    low, high = np.quantile(wide[some], (0.25, 0.75), axis=0)
    typical = np.median(np.abs(wide[some] - narrow[some]), axis=0)
    return bool(((typical > _MOST_LOST * (high - low)) & (high > low)).any())


def constant_columns(array: Array, name: str) -> list[int]:
    """Check that every entry is finite; return the columns (last axis) that never change.

    Args:
        array: shape (..., columns) of two or three axes.
        name: what error messages call it.

    Returns:
        The columns with one value only; empty when there is only one entry per column.

    Raises:
        DataError: an entry is NaN or infinite; the text gives the first one's place.

    Example:
        >>> constant_columns(np.array([[1, 2], [1, 3]], dtype=np.float32), "actions")
        [0]
    """
    low = np.full(array.shape[-1], np.inf, dtype=array.dtype)
    high = -low
    for place, block in _blocks(array):
        over = tuple(range(block.ndim - 1))
        with np.errstate(invalid="ignore"):
            least, most = block.min(axis=over), block.max(axis=over)
        # NaN survives a minimum, and an infinity is one of the two
        with np.errstate(over="ignore", invalid="ignore"):
            finite = [np.isfinite(each.astype(np.float32)).all() for each in (least, most)]
        if not all(finite):
            _raise_first(block, place, name)
        np.minimum(low, least, out=low)
        np.maximum(high, most, out=high)
    if int(np.prod(array.shape[:-1])) < 2:
        return []
    return [int(column) for column in np.flatnonzero(low == high)]


def _blocks(array: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Parts of at most some million entries with the place of their first entry, in the order of the array."""
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


def _raise_first(block: Array, place: tuple[int, ...], name: str) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        block = block.astype(np.float32)
    first = tuple(int(i) for i in np.argwhere(~np.isfinite(block))[0])
    value = block[first]
    start = place + (0,) * (len(first) - len(place))
    index = ", ".join(str(a + b) for a, b in zip(start, first, strict=True))
    raise DataError(f"{name}[{index}] is {value} as float32; every entry must be a finite number")


def _kind(array: NDArray[Any]) -> str:
    kinds = {"U": "text", "S": "text", "T": "text", "O": "Python objects", "c": "complex numbers"}
    kinds |= {"M": "dates", "m": "durations", "V": "records"}
    return kinds.get(array.dtype.kind, str(array.dtype))
