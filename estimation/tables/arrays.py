"""Arrays of numbers on entry: float32 without needless copies, finite, not constant.

Everything is looked at block by block, so that an array on disk (`numpy.memmap`) is never held in memory whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError

__all__ = ["as_float32", "constant_columns", "listed"]

Array = NDArray[np.float32]

_BLOCK_ENTRIES = 1 << 22


def as_float32(values: Any, name: str) -> Array:
    """The values as a float32 array; an array that is float32 already, on disk or not, is not copied.

    Args:
        values: anything numpy takes as an array of numbers or booleans.
        name: what error messages call it, for instance ``"observations"``.

    Raises:
        DataError: it is ragged, has masked entries, or holds something else than real numbers.

    Example:
        >>> as_float32([[1, 2]], "actions")
        array([[1., 2.]], dtype=float32)
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{name} has masked entries; fill them or leave those rows out")
    try:
        array = values if isinstance(values, np.memmap) else np.asarray(values)
    except Exception as error:
        # ragged lists, tensors that need a gradient or live on a GPU: each library has its own type
        raise DataError(f"{name} is no array of numbers: {_one_line(error)}") from error
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} holds {_kind(array)}; it must hold real numbers")
    if array.dtype == np.float32 and array.dtype.isnative:
        return array
    with np.errstate(over="ignore"):
        # what is too large becomes inf, and is found with its place by the check that follows
        return array.astype(np.float32)


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
    low = np.full(array.shape[-1], np.inf, dtype=np.float32)
    high = -low
    for place, block in _blocks(array):
        over = tuple(range(block.ndim - 1))
        least, most = block.min(axis=over), block.max(axis=over)
        # NaN survives a minimum, and an infinity is one of the two
        if not (np.isfinite(least).all() and np.isfinite(most).all()):
            _raise_first(block, place, name)
        np.minimum(low, least, out=low)
        np.maximum(high, most, out=high)
    if int(np.prod(array.shape[:-1])) < 2:
        return []
    return [int(column) for column in np.flatnonzero(low == high)]


def listed(items: list[Any], limit: int = 10) -> str:
    """The first items, and how many more there are.

    Example:
        >>> listed([3, 4, 5], limit=2)
        '3, 4 and 1 more'
    """
    text = ", ".join(str(item) for item in items[:limit])
    return text if len(items) <= limit else f"{text} and {len(items) - limit} more"


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
    first = tuple(int(i) for i in np.argwhere(~np.isfinite(block))[0])
    value = block[first]
    start = place + (0,) * (len(first) - len(place))
    index = ", ".join(str(a + b) for a, b in zip(start, first, strict=True))
    raise DataError(f"{name}[{index}] is {value} as float32; every entry must be a finite number")


def _kind(array: NDArray[Any]) -> str:
    kinds = {"U": "text", "S": "text", "T": "text", "O": "Python objects", "c": "complex numbers"}
    kinds |= {"M": "dates", "m": "durations", "V": "records"}
    return kinds.get(array.dtype.kind, str(array.dtype))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
