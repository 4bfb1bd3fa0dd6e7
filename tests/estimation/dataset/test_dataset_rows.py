"""Rows, splits and windows of a dataset: no row is lost, and none is in two parts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.windows import split_counts
from estimation.exceptions import DataError
from tests.estimation.datasets import assert_same, numbers, sequences
from tests.seeds import training_seed


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(1, 300))
def test_split_counts_lose_nothing(weights: list[float], count: int) -> None:
    fractions = [weight / sum(weights) for weight in weights]
    if count < len(fractions):
        with pytest.raises(DataError, match=rf"{len(fractions)} parts need at least {len(fractions)} rows"):
            split_counts(fractions, count, "rows")
        return
    counts = split_counts(fractions, count, "rows")
    assert sum(counts) == count
    assert min(counts) >= 1
    # a part of less than one row is rounded up to one, at the cost of the others
    excess = sum(max(0.0, 1 - fraction * count) for fraction in fractions)
    assert all(abs(n - f * count) <= 1 + excess for n, f in zip(counts, fractions, strict=True))


def test_split_counts_of_round_numbers_are_exact() -> None:
    assert split_counts((0.8, 0.1, 0.1), 2000, "rows") == [1600, 200, 200]
    assert split_counts((0.7, 0.3), 10, "rows") == [7, 3]


@given(n=st.integers(3, 40), seed=st.integers(0, 99), shuffle=st.booleans())
def test_parts_hold_every_row_once(n: int, seed: int, shuffle: bool) -> None:
    data = sequences(n)
    parts = data.split(seed=training_seed(seed), shuffle=shuffle)
    rows = np.concatenate([part.observations[:, 0, 0] for part in parts])
    assert sorted(rows) == list(data.observations[:, 0, 0])
    assert shuffle or list(rows) == sorted(rows)
    for part in parts:
        assert part.latents is not None
        np.testing.assert_array_equal(part.latents[..., 0], -part.observations[..., 0])
    for one, other in zip(parts, data.split(seed=training_seed(seed), shuffle=shuffle), strict=True):
        assert_same(one, other)


def test_another_seed_makes_other_parts() -> None:
    data = sequences(40)
    one, other = (set(data.split(seed=training_seed(seed))[1].observations[:, 0, 0]) for seed in (0, 1))
    assert one != other


@given(
    lengths=st.lists(st.integers(1, 6), min_size=3, max_size=8),
    seed=st.integers(0, 99),
    shuffle=st.booleans(),
)
def test_windows_of_one_episode_never_land_in_two_parts(lengths: list[int], seed: int, shuffle: bool) -> None:
    rng = np.random.default_rng(training_seed(seed))
    episodes = rng.permutation(np.repeat(10 * np.arange(len(lengths)), lengths))
    data = Dataset.from_arrays(numbers(len(episodes), 2, 3), episodes=episodes)
    parts = data.split((0.5, 0.25, 0.25), seed=training_seed(seed), shuffle=shuffle)
    episodes_of_parts = [set(part.episodes) for part in parts if part.episodes is not None]
    assert set.union(*episodes_of_parts) == set(episodes)
    assert sum(map(len, episodes_of_parts)) == len(lengths)
    assert sum(map(len, parts)) == len(data)


@pytest.mark.parametrize("fractions", [(0.5, 0.4), (1.5, -0.5), (0.5, 0.5, 0.0), ((0.5,), (0.5,))])
def test_invalid_fractions(fractions: Any) -> None:
    with pytest.raises(
        DataError, match=re.escape(f"fractions are {fractions}; they must be above 0 and sum to 1")
    ):
        sequences(10).split(fractions)


def test_too_few_episodes_for_the_parts() -> None:
    with pytest.raises(DataError, match="3 parts need at least 3 episodes; the data have 1"):
        sequences(1, steps=20).windows(2).split()


@given(n=st.integers(1, 4), steps=st.integers(1, 6), length=st.integers(1, 6))
def test_windows_are_all_subsequences_with_their_actions(n: int, steps: int, length: int) -> None:
    data = sequences(n, steps) if steps > 1 else Dataset.from_arrays(np.arange(n * 2.0).reshape(n, 2))
    if length > steps:
        with pytest.raises(DataError, match=f"windows of {length} steps; the rows have {steps} step"):
            data.windows(length)
        return
    if length == 1 < steps:
        with pytest.raises(DataError, match="the first step of a row has no action"):
            data.windows(length)
        return
    windows = data.windows(length)
    expected = [(row, start) for row in range(n) for start in range(steps - length + 1)]
    assert len(windows) == len(expected)
    for window, (row, start) in enumerate(expected):
        np.testing.assert_array_equal(
            windows.observations[window], data.observations[row, start : start + length]
        )
    if windows.actions is not None:
        first = windows.actions if length == 2 else windows.actions[:, 0] if length > 2 else None
        assert first is not None
        np.testing.assert_array_equal(first[:, 0], windows.observations[:, 0, 0] + 0.5)
        assert windows.actions.shape[:-1] == ((len(windows),) if length == 2 else (len(windows), length - 1))
    if length < steps:
        assert windows.episodes is not None
        assert [int(row) for row in windows.episodes] == [row for row, _ in expected]
        assert windows.observations.dtype == np.float32


def test_windows_of_one_step_and_an_action_that_acts_on_every_step() -> None:
    assert Dataset.from_arrays(numbers(3, 4, 2)).windows(1).observations.shape == (12, 1, 2)
    lasting = Dataset.from_arrays(numbers(3, 4, 2), actions=[[1], [2], [3]]).windows(3)
    assert lasting.actions is not None
    assert lasting.actions[:, 0].tolist() == [1, 1, 2, 2, 3, 3]


def test_windows_of_windows_keep_the_episode() -> None:
    data = sequences(3, 6)
    twice, once = data.windows(4).windows(2), data.windows(2)
    assert twice.episodes is not None
    assert [int(e) for e in twice.episodes] == [0] * 9 + [1] * 9 + [2] * 9
    assert {float(x) for x in twice.observations[:, 0, 0]} == {float(x) for x in once.observations[:, 0, 0]}


def test_windows_of_the_whole_length_are_the_rows() -> None:
    data = sequences()
    assert data.windows(5) is data


@pytest.mark.parametrize(
    ("indices", "rows"),
    [
        ([2, 0, 2], [2, 0, 2]),
        ([-1], [3]),
        ([True, False, True, False], [0, 2]),
        (slice(1, None, 2), [1, 3]),
        (np.array([1, 2], dtype=np.uint8), [1, 2]),
    ],
)
def test_take(indices: Any, rows: list[int]) -> None:
    data = sequences(2).windows(4)
    taken = data.take(indices)
    for name in ("observations", "actions", "latents", "episodes"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(data, name)[rows])
    assert (taken.name, taken.action_names) == (data.name, data.action_names)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([4], "row 4 is out of range; there are 4 rows, counted from 0"),
        ([-5], "row -5 is out of range"),
        ([], r"rows to select have shape \(0,\)"),
        ([[1]], r"rows to select have shape \(1, 1\)"),
        ([0.5], "rows to select are of type float64"),
        ([True], "rows to select are of type bool; give positions, or one boolean for each row"),
        (slice(4, None), "selects no row of 4"),
    ],
)
def test_rows_that_do_not_exist(indices: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sequences().take(indices)
