"""Held-out rows for validation during training, which share no step with the training rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.alignment import align
from estimation.dataset.dataset import Dataset
from estimation.dataset.readers.arrays import is_memory_mapped
from estimation.dataset.windows import split_counts
from estimation.exceptions import ConfigError, DataError

__all__ = ["hold_out", "require_alike", "training_pairs"]

_FRACTION = 0.05
_MAX_ROWS = 10_000
# with fewer sequences, the end of each one is held out, not whole sequences
_MIN_SEQUENCES = 20


def hold_out(dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Split a dataset into training rows and held-out rows: 5 % of the rows, at most 10,000.

    Independent rows are held out at random, and sequences as a whole. With fewer than 20 sequences, the end of each
    one is held out, and the rows that share a step with it are in neither part. Data on disk (``numpy.memmap``) stay
    there: their last rows or sequences are held out, because a random choice would have to be copied into memory.

    Args:
        dataset: Data with one step or more; the rows of an episode are in time order.
        seed: Seed of the random choice.

    Returns:
        The training rows and the held-out rows. Fewer than 20 long rows without episodes are cut into pairs of steps.

    Raises:
        DataError: If there are too few rows to hold any out.

    Example:
        >>> rows = Dataset.from_arrays([[float(i)] for i in range(101)]).observations.reshape(1, 101, 1)
        >>> training, held_out = hold_out(Dataset.from_arrays(rows), seed=0)
        >>> len(training), len(held_out), held_out.observations[-1].ravel().tolist()
        (94, 5, [99.0, 100.0])
    """
    has_few_rows = len(dataset) < _MIN_SEQUENCES and dataset.episodes is None
    if has_few_rows and dataset.n_steps > 2:
        dataset = dataset.windows(2)
    fraction = min(_FRACTION, _MAX_ROWS / (len(dataset) * max(dataset.n_steps - 1, 1)))
    is_mapped = is_memory_mapped(dataset.observations)
    if dataset.episodes is None and is_mapped:
        # `split` would allocate row numbers for the whole dataset
        start = len(dataset) - split_counts((1 - fraction, fraction), len(dataset), "rows")[1]
        return dataset.take(slice(0, start)), dataset.take(slice(start, None))
    if dataset.episodes is None or len(np.unique(dataset.episodes)) >= _MIN_SEQUENCES:
        training, held_out = dataset.split((1 - fraction, fraction), seed=seed, shuffle=not is_mapped)
        return training, held_out
    return _hold_out_ends(dataset, dataset.episodes)


def _hold_out_ends(dataset: Dataset, episodes: NDArray[np.int64]) -> tuple[Dataset, Dataset]:
    _, episode_of_row, lengths = np.unique(episodes, return_inverse=True, return_counts=True)
    n_held_out = np.minimum((lengths * _FRACTION).astype(int), _MAX_ROWS // len(lengths))
    if not n_held_out.any():
        n_held_out[lengths.argmax()] = 1
    n_held_out = n_held_out[episode_of_row]
    # adjacent rows of a sequence overlap in all steps but one
    overlap = dataset.n_steps - 1
    n_following = _count_following_rows(episode_of_row, lengths)
    is_training = (n_held_out == 0) | (n_following >= n_held_out + overlap)
    if is_training.sum() < 2:
        raise DataError(
            f"the sequences are too short; give one of {2 * dataset.n_steps + 1} steps or more, as the last one is "
            "held out"
        )
    is_held_out = n_following < n_held_out
    return dataset.take(np.flatnonzero(is_training)), dataset.take(np.flatnonzero(is_held_out))


def _count_following_rows(episode_of_row: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the number of rows of the same sequence after each row."""
    order = np.argsort(episode_of_row, kind="stable")
    counts = np.empty(len(episode_of_row), dtype=np.int64)
    counts[order] = np.repeat(np.cumsum(lengths) - 1, lengths) - np.arange(len(episode_of_row))
    return counts


def require_alike(dataset: Dataset, held_out: Dataset) -> Dataset:
    """Return validation data with the columns of the training data, in their order.

    Args:
        dataset: Training data.
        held_out: Validation data.

    Raises:
        ConfigError: If the numbers of steps differ.
        DataError: If observed columns or actions are missing, or an action has a value that doesn't occur in training.
    """
    if dataset.n_steps != held_out.n_steps:
        raise ConfigError(
            f"training data have {dataset.n_steps} steps, validation data {held_out.n_steps}; they must be alike"
        )
    held_out = align(held_out, dataset, "the model")
    dataset.check_actions_seen(held_out)
    return held_out


def training_pairs(dataset: Dataset, validation: Dataset | None, seed: int) -> tuple[Dataset, Dataset]:
    """Return training rows and held-out rows of one or two steps.

    Args:
        dataset: Training data.
        validation: Held-out data; None to hold out some of the training data.
        seed: Seed of the random choice.

    Raises:
        ConfigError: If training and validation data are not alike.
        DataError: If there are too few rows to hold any out.
    """
    if validation is None:
        training, held_out = hold_out(dataset, seed)
        return training.pairs(), held_out.pairs()
    pairs = dataset.pairs()
    return pairs, require_alike(pairs, validation.pairs())
