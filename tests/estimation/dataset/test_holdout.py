"""Held-out rows share no step with training rows, and are 5 % of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.dataset import Dataset
from estimation.dataset.holdout import hold_out
from estimation.exceptions import DataError
from tests.seeds import training_seed


def sequences(lengths: list[int], window: int, order: NDArray[np.intp] | None = None) -> Dataset:
    """Windows of sequences whose observations are consecutive numbers, so that each step is identifiable."""
    starts = np.cumsum([0, *lengths])
    rows = [
        (np.arange(start + k, start + k + window), episode)
        for episode, (start, length) in enumerate(zip(starts, lengths, strict=False))
        for k in range(length - window + 1)
    ]
    steps = np.array([row for row, _ in rows], dtype=np.float32)[:, :, None]
    episodes = np.array([episode for _, episode in rows])
    # in any order of the sequences, but in time order within each
    places = np.arange(len(rows)) if order is None else np.argsort(order[episodes], kind="stable")
    return Dataset.from_arrays(steps[places], episodes=episodes[places], allow_constant=True)


def steps_of(dataset: Dataset) -> set[float]:
    return set(dataset.observations.ravel().tolist())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 60), max_size=30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_no_step_is_in_both_parts(lengths: list[int], window: int, seed: int) -> None:
    # one is long enough to hold a step out
    lengths = [*lengths, 2 * window + 2]
    data = sequences(lengths, window, np.random.default_rng(training_seed(seed)).permutation(len(lengths)))
    training, held_out = hold_out(data, training_seed(seed % 1000))
    assert not steps_of(training) & steps_of(held_out)
    assert len(held_out) >= 1
    assert steps_of(training) | steps_of(held_out) <= steps_of(data)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 300), min_size=1, max_size=19), st.integers(1, 4))
def test_the_ends_of_few_sequences_are_held_out(lengths: list[int], window: int) -> None:
    lengths = [length + 2 * window for length in lengths]
    data = sequences(lengths, window)
    training, held_out = hold_out(data, training_seed())
    assert 1 <= len(held_out) <= max(1, len(data) / 20)
    # a sequence with held-out rows loses the rows that share a step with them
    episodes = np.unique(held_out.episodes)
    assert len(training) + len(held_out) == len(data) - (window - 1) * len(episodes)
    for episode in episodes:
        trained, validated = (
            part.take(part.episodes == episode).observations for part in (training, held_out)
        )
        assert trained.max() < validated.min()
        assert validated.max() == data.take(data.episodes == episode).observations.max()


def test_whole_sequences_are_held_out_when_there_are_twenty() -> None:
    for count in (19, 20):
        training, held_out = hold_out(sequences([5] * count, 2), training_seed())
        assert (not set(training.episodes) & set(held_out.episodes)) == (count == 20)
        assert len(held_out) == (4 if count == 20 else 1)


def test_one_row_of_many_steps_is_held_out_at_its_end() -> None:
    """A dataset of one sequence, as `simulate(..., n_steps=T)` or a user's array of shape (1, T, d) gives it."""
    x, a = np.arange(101.0)[None, :, None], np.arange(100.0)[None, :, None]
    training, held_out = hold_out(Dataset.from_arrays(x, actions=a), training_seed())
    assert training.observations[-1].ravel().tolist() == [93, 94]
    assert held_out.observations[:, 0, 0].tolist() == [95, 96, 97, 98, 99]
    for part in (training, held_out):
        np.testing.assert_array_equal(part.actions, part.observations[:, 0])


def test_rows_of_many_steps_are_held_out_whole() -> None:
    rows = np.arange(200.0).reshape(40, 5, 1)
    training, held_out = hold_out(Dataset.from_arrays(rows), training_seed())
    assert (len(training), len(held_out), held_out.n_steps) == (38, 2, 5)
    assert not steps_of(training) & steps_of(held_out)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 3000), st.integers(0, 1000))
def test_independent_rows_are_held_out_at_random(count: int, seed: int) -> None:
    data = Dataset.from_arrays(np.arange(float(count))[:, None])
    training, held_out = hold_out(data, training_seed(seed))
    assert steps_of(training) | steps_of(held_out) == steps_of(data)
    assert len(training) + len(held_out) == count
    assert abs(len(held_out) - count / 20) < 1
    again = hold_out(data, training_seed(seed))[1]
    np.testing.assert_array_equal(again.observations, held_out.observations)


def test_seeds_hold_out_other_rows() -> None:
    data = Dataset.from_arrays(np.arange(1000.0)[:, None])
    chosen = [steps_of(hold_out(data, training_seed(seed))[1]) for seed in (0, 1)]
    assert chosen[0] != chosen[1]
    assert max(chosen[0]) - min(chosen[0]) > 500


@pytest.mark.parametrize("shape", [(250_000, 1, 1), (1, 250_001, 1), (50_000, 6, 1)])
def test_at_most_ten_thousand_rows_are_held_out(shape: tuple[int, int, int]) -> None:
    held_out = hold_out(
        Dataset.from_arrays(np.arange(float(np.prod(shape))).reshape(shape)), training_seed()
    )[1]
    assert len(held_out) * max(held_out.n_steps - 1, 1) == 10_000


@pytest.mark.parametrize(("shape", "held"), [((400, 2, 3), 20), ((1, 401, 3), 20), ((40, 10, 3), 2)])
def test_data_on_disk_stay_there(tmp_path: Path, shape: tuple[int, int, int], held: int) -> None:
    values = np.random.default_rng(training_seed()).normal(size=shape).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    data = Dataset.read(tmp_path / "x.npy", memory_map=True)
    training, held_out = hold_out(data, training_seed())
    assert len(held_out) == held
    for part in (training, held_out):
        assert np.shares_memory(part.observations, data.observations)
    np.testing.assert_array_equal(held_out.observations[-1, -1], values.reshape(-1, 3)[-1])


@pytest.mark.parametrize(
    ("lengths", "window", "message"),
    [
        ([4], 2, "the sequences are too short; give one of 5 steps or more, as the last one is held out"),
        ([6], 3, "give one of 7 steps or more"),
        ([2], 1, "give one of 3 steps or more"),
    ],
)
def test_too_little_to_hold_out(lengths: list[int], window: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        hold_out(sequences(lengths, window), training_seed())
    longer = sequences([2 * window + 1, *lengths[1:]], window)
    assert len(hold_out(longer, training_seed())[1]) == 1


def test_one_row_is_too_little() -> None:
    with pytest.raises(DataError, match="2 parts need at least 2 rows; the data have 1"):
        hold_out(Dataset.from_arrays([[0.0]]), training_seed())
