"""Windows of consecutive steps, cut from a long table of sequences and never across two of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.dataset.readers.cells import is_missing, trimmed
from estimation.dataset.readers.raw_data import RawData
from estimation.exceptions import DataError
from identify.names import default_names
from identify.wording import listed

__all__ = ["cut_episodes", "encode_groups", "window_rows"]

Indices = NDArray[np.intp]


def encode_groups(groups: ArrayLike, n_rows: int) -> tuple[NDArray[np.int64], list[Any]]:
    """Encode the labels of rows as positions in the sorted list of distinct labels; surrounding white space is ignored.

    Args:
        groups: Labels, shape (n_rows,).
        n_rows: Required number of labels.

    Raises:
        DataError: If the shape differs, a label is missing, or the labels can't be sorted.

    Example:
        >>> encode_groups(["b", "a ", "b"], 3)
        (array([1, 0, 1]), ['a', 'b'])
    """
    labels = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise DataError(f"groups have shape {labels.shape}; one label for each row of X is ({n_rows},)")
    cells = [trimmed(label) for label in labels.tolist()]
    missing = next((row for row, label in enumerate(cells) if is_missing(label)), None)
    if missing is not None or (labels.dtype.kind in "mM" and np.isnat(labels).any()):
        raise DataError(f"groups[{missing or 0}] is missing; every row needs a label")
    try:
        names, codes = np.unique(np.array(cells, dtype=labels.dtype), return_inverse=True)
    except TypeError as error:
        raise DataError(
            f"groups can't be sorted ({error}); give numbers or text, and none missing"
        ) from error
    return codes.astype(np.int64), names.tolist()


def window_rows(
    codes: NDArray[np.int64], times: NDArray[Any] | None, window: int
) -> tuple[Indices, NDArray[np.int64], tuple[int, int] | None]:
    """Return the rows of every window.

    Args:
        codes: Episode of each row, counted from 0, shape (rows,). The rows of an episode need not be adjacent.
        times: Time of each row, or None for the order of the table.
        window: Steps per window.

    Returns:
        The rows of each window, shape (windows, window), sorted by episode and then by time; the numbers of the
        episodes that are too short; and two rows of one episode with the same time, or None.

    Example:
        >>> window_rows(np.array([0, 0, 1, 0]), None, 2)
        (array([[0, 1], [1, 3]]), array([1]), None)
    """
    order = np.argsort(codes, kind="stable") if times is None else np.lexsort((times, codes))
    episode = codes[order]
    tie = None
    if times is not None:
        same = np.flatnonzero((episode[1:] == episode[:-1]) & (times[order][1:] == times[order][:-1]))
        tie = (int(order[same[0]]), int(order[same[0] + 1])) if same.size else None
    starts = np.flatnonzero(episode[: max(0, len(episode) - window + 1)] == episode[window - 1 :])
    lengths = np.bincount(codes)
    too_short = np.flatnonzero((lengths < window) & (lengths > 0))
    return order[starts[:, np.newaxis] + np.arange(window)], too_short, tie


def cut_episodes(
    raw: RawData,
    codes: NDArray[np.int64],
    names: Sequence[Any],
    times: NDArray[Any] | None,
    window: int,
    place: Callable[[int], str],
) -> RawData:
    """Cut arrays with one step per row into windows of consecutive steps of one episode.

    The action of a row leads to that row. So a window of length 2 has the action of its second row, a longer one has
    the actions of all rows but the first, and a window of length 1 has its own. The covariates of a window are those of
    all its rows, which must therefore agree.

    Args:
        raw: Arrays of shape (rows, d).
        codes: Episode of each row, counted from 0.
        names: Names of the episodes.
        times: Time of each row, or None for the order of the table.
        window: Steps per window, at least 1.
        place: Returns the name of a row in error messages.

    Raises:
        DataError: If all episodes are shorter than the window, two rows of one episode have the same time, or a
            covariate changes within a window.
    """
    if window < 1:
        raise DataError(f"window is {window}; it must be at least 1 step")
    rows, too_short, tie = window_rows(codes, times, window)
    if tie is not None:
        first, second = sorted(tie)
        raise DataError(
            f"{place(first)} and {place(second)} of episode {names[codes[first]]!r} have the same time; "
            "times must differ within an episode"
        )
    if not len(rows):
        longest = int(np.bincount(codes).max())
        raise DataError(
            f"the longest episode has {longest} steps; windows of {window} steps need longer ones"
        )
    if raw.covariates is not None:
        _require_same_covariates(raw, rows, lambda row: f"of episode {names[codes[row]]!r}", place)
    notes = (_note(too_short, names, window),) if too_short.size else ()
    return replace(
        raw,
        observations=raw.observations[rows],
        actions=None if raw.actions is None else _window_actions(raw.actions, rows),
        latents=None if raw.latents is None else raw.latents[rows],
        episodes=codes[rows[:, 0]],
        covariates=None if raw.covariates is None else raw.covariates[rows[:, -1]],
        notes=raw.notes + notes,
    )


def _window_actions(actions: NDArray[Any], rows: Indices) -> NDArray[Any]:
    if rows.shape[1] <= 2:
        return np.asarray(actions[rows[:, -1]])
    return np.asarray(actions[rows[:, 1:]])


def _require_same_covariates(
    raw: RawData, rows: Indices, episode: Callable[[int], str], place: Callable[[int], str]
) -> None:
    """Refuse a covariate that changes between consecutive rows of a window."""
    values = np.asarray(raw.covariates)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    if values.ndim != 2 or values.dtype.kind not in "buif" or np.isnan(values).any():
        # refused with all other covariates, when the dataset is checked
        return
    changed = np.argwhere(values[rows[:, 1:]] != values[rows[:, :-1]])
    if not changed.size:
        return
    window, step, k = (int(position) for position in changed[0])
    before, after = int(rows[window, step]), int(rows[window, step + 1])
    name, old, new = _change(raw, values, before, after, k)
    raise DataError(
        f"covariate {name!r} is {old} in {place(before)} and {new} in {place(after)} {episode(after)}; covariates are "
        "the same in all steps of an episode, so let a new one begin there"
    )


def _change(raw: RawData, values: NDArray[Any], before: int, after: int, k: int) -> tuple[str, str, str]:
    """Return the covariate of a column that changes, and what it is before and after."""
    names = raw.covariate_names or default_names("c", values.shape[1])
    for column, categories in (raw.covariate_categories or {}).items():
        positions = [names.index(f"{column}={category}") for category in categories]
        if k in positions:
            old, new = (categories[int(values[row, positions].argmax())] for row in (before, after))
            return column, repr(old), repr(new)
    return names[k], f"{values[before, k]:g}", f"{values[after, k]:g}"


def _note(too_short: Indices, names: Sequence[Any], window: int) -> str:
    count = "1 episode" if len(too_short) == 1 else f"{len(too_short)} episodes"
    quoted = listed([repr(names[number]) for number in too_short])
    return f"left out {count} of {len(names)}, shorter than {window} steps: {quoted}"
