"""Rows of a dataset selected, split into parts, and cut into windows of consecutive steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from estimation.exceptions import DataError

__all__ = ["as_rows", "cut_actions", "cut_windows", "rows_of_parts", "split_counts"]

Array = NDArray[np.floating]


def as_rows(indices: Any, n_samples: int) -> slice | NDArray[np.intp]:
    """Return checked positions of rows, as a slice if they are consecutive, so that indexing gives a view.

    Args:
        indices: Positions (from the end when negative), one boolean per row, or a slice.
        n_samples: N, the number of rows.

    Raises:
        DataError: If a position is out of range, or there is none.

    Example:
        >>> as_rows([2, 3, 4], 10)
        slice(2, 5, None)
    """
    if isinstance(indices, slice):
        if not len(range(n_samples)[indices]):
            raise DataError(f"{indices} selects no row of {n_samples}")
        return indices
    rows = np.asarray(indices)
    if rows.dtype == bool and rows.shape == (n_samples,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or not rows.size:
        raise DataError(f"rows to select have shape {rows.shape}; give a list of at least one position")
    if rows.dtype.kind not in "iu":
        raise DataError(
            f"rows to select are of type {rows.dtype}; give positions, or one boolean for each row"
        )
    out_of_range = rows[(rows < -n_samples) | (rows >= n_samples)]
    if out_of_range.size:
        raise DataError(f"row {out_of_range[0]} is out of range; there are {n_samples} rows, counted from 0")
    if rows[0] >= 0 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows.astype(np.intp)


def cut_windows(array: Array, length: int) -> Array:
    """Cut sequences into windows of ``length`` steps.

    Args:
        array: Sequences, shape (N, T, d).
        length: Steps per window.

    Returns:
        Windows, shape (N (T - length + 1), length, d): a view when N is 1, also of an array on disk; else a copy.

    Example:
        >>> cut_windows(np.arange(3, dtype=np.float32).reshape(1, 3, 1), 2).shape
        (2, 2, 1)
    """
    windows = np.moveaxis(sliding_window_view(array, length, axis=1, writeable=True), -1, 2)
    if len(windows) == 1:
        first: Array = windows[0]
        return first
    return windows.reshape(-1, length, array.shape[2])


def cut_actions(actions: Array, length: int, n_windows: int) -> Array:
    """Return the actions of the windows that `cut_windows` cuts.

    Args:
        actions: Shape (N, T - 1, d_a), or (N, d_a) for an action that acts on every step.
        length: Steps per window, at least 2.
        n_windows: Windows per row, T - length + 1.

    Returns:
        Actions, shape (N n_windows, d_a) when the length is 2 or an action acts on every step, else
        (N n_windows, length - 1, d_a).
    """
    if actions.ndim == 2:
        return np.repeat(actions, n_windows, axis=0)
    windows = cut_windows(actions, length - 1)
    return windows[:, 0] if length == 2 else windows


def rows_of_parts(
    n_rows: int, episodes: NDArray[np.int64] | None, fractions: Sequence[float], seed: int, shuffle: bool
) -> list[NDArray[np.intp]]:
    """Return the positions of the rows in each of several parts that share no row, and no episode.

    Args:
        n_rows: N, the number of rows.
        episodes: Episode of each row, shape (N,), or None.
        fractions: Fraction of the rows, or of the episodes, in each part.
        seed: Seed of the assignment.
        shuffle: False cuts in the order of the rows, or of the episodes' first rows.

    Raises:
        DataError: As in `split_counts`.

    Example:
        >>> [part.tolist() for part in rows_of_parts(4, np.array([7, 7, 3, 3]), (0.5, 0.5), 0, False)]
        [[0, 1], [2, 3]]
    """
    # a unit is an episode, or a row without episodes
    units, unit_of_row = np.arange(n_rows), np.arange(n_rows)
    if episodes is not None:
        _, first_rows, inverse = np.unique(episodes, return_index=True, return_inverse=True)
        units, unit_of_row = np.argsort(first_rows), inverse
    counts = split_counts(fractions, len(units), "rows" if episodes is None else "episodes")
    if shuffle:
        units = np.random.default_rng(seed).permutation(units)
    part_of_unit = np.empty(len(units), dtype=np.int64)
    part_of_unit[units] = np.repeat(np.arange(len(counts)), counts)
    part_of_row = part_of_unit[unit_of_row]
    return [np.flatnonzero(part_of_row == k) for k in range(len(counts))]


def split_counts(fractions: Sequence[float], count: int, what: str) -> list[int]:
    """Return the sizes of the parts of ``count`` items, split by fractions; every part gets at least one item.

    Args:
        fractions: Positive numbers that sum to 1.
        count: Number of items.
        what: What the items are, for the error message.

    Raises:
        DataError: If a fraction is not positive, they don't sum to 1, or there are fewer items than parts.

    Example:
        >>> split_counts((0.8, 0.1, 0.1), 5, "rows")
        [3, 1, 1]
    """
    shares = np.asarray(fractions, dtype=float)
    if shares.ndim != 1 or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise DataError(f"fractions are {fractions}; they must be above 0 and sum to 1")
    if count < len(shares):
        raise DataError(f"{len(shares)} parts need at least {len(shares)} {what}; the data have {count}")
    exact = shares * count
    # 1e-9: 0.1 * 30 is slightly more than 3, and 0.7 * 10 slightly less than 7
    counts = np.maximum(np.floor(exact + 1e-9).astype(int), 1)
    while counts.sum() < count:
        counts[np.argmax(exact - counts)] += 1
    while counts.sum() > count:
        surplus = np.where(counts > 1, counts - exact, -np.inf)
        counts[np.argmax(surplus)] -= 1
    return [int(n) for n in counts]
