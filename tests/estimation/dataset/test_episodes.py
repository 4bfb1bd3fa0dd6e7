"""Rows of sequences become windows that never cross from one sequence to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.readers.episodes import window_rows
from estimation.dataset.readers.numpy_files import read_npz
from estimation.dataset.readers.options import ReadOptions
from estimation.exceptions import DataError
from tests.estimation.table_files import Write, numbers, patients


def brute_windows(codes: list[int], times: list[int], window: int) -> list[list[int]]:
    windows = []
    for code in sorted(set(codes)):
        rows = sorted((row for row in range(len(codes)) if codes[row] == code), key=lambda row: times[row])
        windows += [rows[start : start + window] for start in range(len(rows) - window + 1)]
    return windows


@given(codes=st.lists(st.integers(0, 3), min_size=1, max_size=12), window=st.integers(1, 5), data=st.data())
def test_windows_agree_with_brute_force(codes: list[int], window: int, data: st.DataObject) -> None:
    times = data.draw(st.permutations(range(len(codes))))
    rows, too_short, tie = window_rows(np.array(codes), np.array(times), window)
    assert rows.tolist() == brute_windows(codes, list(times), window)
    assert rows.shape[1] == window
    assert set(too_short) == {code for code in codes if codes.count(code) < window}
    assert tie is None
    unordered, _, _ = window_rows(np.array(codes), None, window)
    assert unordered.tolist() == brute_windows(codes, list(range(len(codes))), window)


def test_rows_of_patients_become_pairs_with_the_later_action(write: Write, tmp_path: Path) -> None:
    path = write(patients(), tmp_path)
    data = Dataset.read(path, actions="dose", categorical="drug", episode="who", time="day")
    np.testing.assert_array_equal(data.observations[:, :, 0], [[10, 11], [0, 1], [1, 2]])
    assert data.actions is not None
    np.testing.assert_allclose(data.actions[:, 0], [0.6, 0.2, 0.3])
    np.testing.assert_array_equal(data.actions[:, 1:], [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    assert data.episodes is not None
    assert data.episodes.tolist() == [0, 1, 1]
    assert data.notes == ("left out 1 episode of 3, shorter than 2 steps: 'c'",)


def test_longer_and_single_windows(write: Write, tmp_path: Path) -> None:
    path = write(patients(), tmp_path)
    three = Dataset.read(path, actions="dose", episode="who", time="day", window=3, allow_constant=True)
    np.testing.assert_array_equal(three.observations[:, :, 0], [[0, 1, 2]])
    np.testing.assert_allclose(three.actions, [[[0.2], [0.3]]])  # type: ignore[arg-type]
    assert three.notes == ("left out 2 episodes of 3, shorter than 3 steps: 'q', 'c'",)
    one = Dataset.read(path, actions="dose", episode="who", time="day", window=1)
    assert one.actions is not None
    np.testing.assert_allclose(one.actions[:, 0], [0.5, 0.6, 0.1, 0.2, 0.3, 0.9])
    assert one.notes == ()


def test_without_a_time_rows_are_in_table_order(write: Write, tmp_path: Path) -> None:
    data = Dataset.read(write(patients().iloc[::-1], tmp_path), episode="who", actions=[])
    np.testing.assert_array_equal(data.observations[:, :, 0], [[2, 1], [1, 0], [11, 10]])


def test_time_alone_makes_one_sequence(write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": [3.0, 1, 2], "when": ["2024-03-01", "2023-12-31", "2024-01-15T08:30:00"]})
    data = Dataset.read(write(frame, tmp_path), time="when")
    np.testing.assert_array_equal(data.observations[:, :, 0], [[1, 2], [2, 3]])


def test_dates_of_parquet_are_times(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x0": [3.0, 1, 2], "when": pd.to_datetime(["2024-03-01", "2023-12-31", "2024-01-15"])}
    )
    frame.to_parquet(tmp_path / "d.parquet")
    data = Dataset.read(tmp_path / "d.parquet", time="when")
    np.testing.assert_array_equal(data.observations[:, :, 0], [[1, 2], [2, 3]])
    frame.loc[1, "when"] = None
    frame.to_parquet(tmp_path / "d.parquet")
    with pytest.raises(
        DataError, match=r"column 'when', row 1 \(counted from 0\) is empty; every row needs a time"
    ):
        Dataset.read(tmp_path / "d.parquet", time="when")


def test_numbers_of_episodes(write: Write, tmp_path: Path) -> None:
    frame = patients().assign(who=[7, 3, 7, 3, 5, 3])
    data = Dataset.read(write(frame, tmp_path), episode="who", time="day", actions=[])
    np.testing.assert_array_equal(data.observations[:, :, 0], [[10, 11], [0, 1], [1, 2]])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"window": 4}, "the longest episode has 3 steps; windows of 4 steps need longer ones"),
        ({}, {"window": 0}, "window is 0; it must be at least 1 step"),
        ({"day": [0, 9, 0, 10, 0, 11]}, {}, r"row [20] .* and row [42] .* of episode 'q' have the same time"),
        ({"day": [0, 9, "x", 10, 0, 11]}, {}, r"column 'day', row [42] .* is 'x'; it must be a number"),
        ({"day": [0, 9, None, 10, 0, 11]}, {}, r"column 'day', row [42] .* is (empty|nan); every"),
        (
            {"who": ["q", "p", None, "p", "c", "p"]},
            {},
            r"column 'who', row [42] .* is empty; every row needs a value",
        ),
    ],
)
def test_episodes_that_can_not_be_cut(
    change: dict[str, Any], options: dict[str, Any], message: str, write: Write, tmp_path: Path
) -> None:
    frame = patients().assign(**change)
    if "x" in change.get("day", []):
        frame["day"] = frame["day"].astype(str)
    path = write(frame, tmp_path)
    with pytest.raises(DataError, match=rf"{path.name}: {message}"):
        Dataset.read(path, episode="who", time="day", **options)


def test_episodes_in_an_npz(tmp_path: Path) -> None:
    x, a, z = np.arange(12.0).reshape(6, 2), np.arange(6.0)[:, None], numbers(6, 3)
    np.savez(tmp_path / "d.npz", x=x, a=a, z=z, who=list("abbaab"), day=[11, 2, 1, 0, 12, 3])
    data = Dataset.read(tmp_path / "d.npz", episode="who", time="day")
    np.testing.assert_array_equal(data.observations[:, :, 0] / 2, [[3, 0], [0, 4], [2, 1], [1, 5]])
    np.testing.assert_array_equal(data.actions, [[0], [4], [1], [5]])  # type: ignore[arg-type]
    np.testing.assert_array_equal(data.latents, z[[[3, 0], [0, 4], [2, 1], [1, 5]]])  # type: ignore[arg-type]
    alone = read_npz(tmp_path / "d.npz", ReadOptions(time="day", window=6)).observations
    assert alone.shape == (1, 6, 2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": numbers(3, 2, 2)},
            r"observations have shape \(3, 2, 2\); episodes are cut from \(rows, d_x\)",
        ),
        ({"a": numbers(2, 1)}, r"actions have shape \(2, 1\); there are 3 rows of observations"),
        ({"z": numbers(4, 1)}, r"latents have shape \(4, 1\); there are 3 rows of observations"),
        ({"who": [1, 2]}, r"array 'who' has shape \(2,\); one value per row is \(3,\)"),
        ({"day": ["x", "y", "z"]}, r"time is of type <U1; it must be numbers or dates"),
        ({"day": [0, np.nan, 1]}, r"time\[1\] is nan; every row needs a time"),
        ({"day": np.array(["2024-01-01", "NaT", "2024-01-02"], "M8[D]")}, r"time\[1\] is NaT"),
        ({"day": [0, 1, 1]}, "row 1 and row 2 of episode 1 have the same time"),
    ],
)
def test_episodes_in_an_npz_that_do_not_fit(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    plain = {"x": numbers(3, 2), "who": [1, 1, 1], "day": [0, 1, 2]}
    np.savez(tmp_path / "d.npz", **plain | arrays)
    with pytest.raises(DataError, match=f"d.npz: {message}"):
        Dataset.read(tmp_path / "d.npz", episode="who", time="day")
