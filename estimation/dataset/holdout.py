"""Rows that training looks at without learning from them, chosen so that they share nothing with the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.alignment import align
from estimation.dataset.dataset import Dataset
from estimation.dataset.windows import shares
from estimation.exceptions import ConfigError, DataError

__all__ = ["hold_out", "require_alike"]

_SHARE = 0.05
_MOST = 10_000
# with fewer sequences than this, the end of each is held out instead of whole ones
_MANY_SEQUENCES = 20


def hold_out(dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Rows to train on, and rows to look at meanwhile: 5 %, at most 10,000.

    Rows that are independent are held out at random, and sequences as a whole; with fewer than 20 sequences, the end
    of each, and the rows that share a step with it are in neither part. What lies on disk (``numpy.memmap``) stays
    there: its last rows or sequences are held out, in the order that they have, since rows picked at random would have
    to be copied into memory.

    Args:
        dataset: with one step or more; the rows of an episode are in time order.
        seed: which rows or sequences.

    Returns:
        the rows to train on and those held out. Few long rows without episodes come back cut into pairs of steps.

    Raises:
        DataError: there is too little to hold anything out.

    Example:
        >>> rows = Dataset.from_arrays([[float(i)] for i in range(101)]).observations.reshape(1, 101, 1)
        >>> training, held_out = hold_out(Dataset.from_arrays(rows), seed=0)
        >>> len(training), len(held_out), held_out.observations[-1].ravel().tolist()
        (94, 5, [99.0, 100.0])
    """
    few_rows = len(dataset) < _MANY_SEQUENCES and dataset.episodes is None
    if few_rows and dataset.n_steps > 2:
        dataset = dataset.windows(2)
    share = min(_SHARE, _MOST / (len(dataset) * max(dataset.n_steps - 1, 1)))
    mapped = _on_disk(dataset.observations)
    if dataset.episodes is None and mapped:
        # numbers for all rows would take memory too
        first = len(dataset) - shares((1 - share, share), len(dataset), "rows")[1]
        return dataset.take(slice(0, first)), dataset.take(slice(first, None))
    if dataset.episodes is None or len(np.unique(dataset.episodes)) >= _MANY_SEQUENCES:
        training, held_out = dataset.split((1 - share, share), seed=seed, shuffle=not mapped)
        return training, held_out
    return _ends(dataset, dataset.episodes)


def _ends(dataset: Dataset, episodes: NDArray[np.int64]) -> tuple[Dataset, Dataset]:
    _, of_row, lengths = np.unique(episodes, return_inverse=True, return_counts=True)
    held = np.minimum((lengths * _SHARE).astype(int), _MOST // len(lengths))
    if not held.any():
        held[lengths.argmax()] = 1
    # rows of one sequence may overlap in all steps but one
    apart = dataset.n_steps - 1
    following = _following(of_row, lengths)
    kept = (held[of_row] == 0) | (following >= held[of_row] + apart)
    if kept.sum() < 2:
        raise DataError(
            f"the sequences are too short; give one of {2 * dataset.n_steps + 1} steps or more, as the last one is "
            "held out"
        )
    return dataset.take(np.flatnonzero(kept)), dataset.take(np.flatnonzero(following < held[of_row]))


def _following(of_row: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.int64]:
    """How many rows of the same sequence come after each row."""
    order = np.argsort(of_row, kind="stable")
    result = np.empty(len(of_row), dtype=np.int64)
    result[order] = np.repeat(np.cumsum(lengths) - 1, lengths) - np.arange(len(of_row))
    return result


def _on_disk(array: Any) -> bool:
    """Whether an array is a view of a file; a slice or a window of one is."""
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        # `base` of a mapped file's own array is the map, which has none
        array = getattr(array, "base", None)
    return False


def require_alike(dataset: Dataset, held_out: Dataset) -> Dataset:
    """Refuse validation data of another kind than the training data.

    Returns:
        The validation data with the columns that the training data have, in their order.

    Raises:
        ConfigError: other steps.
        DataError: observed columns or actions are missing, or an action has a value that training never saw.
    """
    if dataset.n_steps != held_out.n_steps:
        raise ConfigError(
            f"training data have {dataset.n_steps} steps, validation data {held_out.n_steps}; they must be alike"
        )
    held_out = align(held_out, dataset, "the model")
    dataset.check_actions_seen(held_out)
    return held_out
