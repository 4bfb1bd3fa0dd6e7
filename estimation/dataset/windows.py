"""Arrays cut: into rows, parts and windows of consecutive steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from estimation.exceptions import DataError

__all__ = ["as_rows", "cut", "cut_actions", "shares"]

Array = NDArray[np.floating]


def as_rows(indices: Any, n_samples: int) -> slice | NDArray[np.intp]:
    """Positions of rows, checked; a slice when they are consecutive, so that indexing makes a view.

    Args:
        indices: positions (from the end when negative), one boolean per row, or a slice.
        n_samples: N, the number of rows.

    Raises:
        DataError: a position is out of range, or there is none.

    Example:
        >>> as_rows([2, 3, 4], 10)
        slice(2, 5, None)
    """
    if isinstance(indices, slice):
        if not len(range(n_samples)[indices]):
            raise DataError(f"{indices} takes no row of {n_samples}")
        return indices
    rows = np.asarray(indices)
    if rows.dtype == bool and rows.shape == (n_samples,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or not rows.size:
        raise DataError(f"rows to take have shape {rows.shape}; give a list of at least one position")
    if rows.dtype.kind not in "iu":
        raise DataError(f"rows to take are of type {rows.dtype}; give positions, or one boolean for each row")
    out = rows[(rows < -n_samples) | (rows >= n_samples)]
    if out.size:
        raise DataError(f"row {out[0]} is out of range; there are {n_samples} rows, counted from 0")
    if rows[0] >= 0 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows.astype(np.intp)


def cut(array: Array, length: int) -> Array:
    """Windows of ``length`` steps: (N, T, d) becomes (N (T - length + 1), length, d).

    A view when N is 1, also of an array on disk; a copy otherwise.

    Example:
        >>> cut(np.arange(3, dtype=np.float32).reshape(1, 3, 1), 2).shape
        (2, 2, 1)
    """
    windows = np.moveaxis(sliding_window_view(array, length, axis=1, writeable=True), -1, 2)
    if len(windows) == 1:
        first: Array = windows[0]
        return first
    return windows.reshape(-1, length, array.shape[2])


def cut_actions(actions: Array, length: int, n_windows: int) -> Array:
    """The actions of those windows.

    Args:
        actions: shape (N, T - 1, d_a), or (N, d_a) for an action that lasts.
        length: steps per window, at least 2.
        n_windows: windows per row, T - length + 1.

    Returns:
        Shape (N n_windows, d_a) when the length is 2 or an action lasts, else (N n_windows, length - 1, d_a).
    """
    if actions.ndim == 2:
        return np.repeat(actions, n_windows, axis=0)
    windows = cut(actions, length - 1)
    return windows[:, 0] if length == 2 else windows


def shares(fractions: Sequence[float], count: int, what: str) -> list[int]:
    """``count`` things shared out by fractions, rounded; every part gets at least one.

    Args:
        fractions: above 0; they sum to 1.
        count: how many things there are.
        what: what they are, for the error message.

    Raises:
        DataError: a fraction is not above 0, or they don't sum to 1, or there are fewer things than parts.

    Example:
        >>> shares((0.8, 0.1, 0.1), 5, "rows")
        [3, 1, 1]
    """
    wanted = np.asarray(fractions, dtype=float)
    if wanted.ndim != 1 or not (wanted > 0).all() or abs(wanted.sum() - 1) > 1e-6:
        raise DataError(f"fractions are {fractions}; they must be above 0 and sum to 1")
    if count < len(wanted):
        raise DataError(f"{len(wanted)} parts need at least {len(wanted)} {what}; the data have {count}")
    exact = wanted * count
    # 1e-9: 0.1 * 30 is a little more than 3, 0.7 * 10 a little less than 7
    counts = np.maximum(np.floor(exact + 1e-9).astype(int), 1)
    while counts.sum() < count:
        counts[np.argmax(exact - counts)] += 1
    while counts.sum() > count:
        spare = np.where(counts > 1, counts - exact, -np.inf)
        counts[np.argmax(spare)] -= 1
    return [int(n) for n in counts]
