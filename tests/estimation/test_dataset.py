"""A dataset is checked on entry, cut and shared out without losing a row, and written so that it reads the same."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.exceptions import DataError
from estimation.tables import arrays as arrays_module
from estimation.tables.arrays import constant_columns
from estimation.tables.cutting import shares
from identify.exceptions import FileAccessError
from identify.graph import CausalGraph


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sequences(n: int = 4, steps: int = 5, n_actions: int = 2) -> Dataset:
    """Entries tell where they come from: row n, step t is 100 n + t, the action of t -> t+1 is 100 n + t + 1/2."""
    place = (100.0 * np.arange(n)[:, None] + np.arange(steps))[:, :, None]
    acted = np.repeat(place[:, :-1] + 0.5, n_actions, axis=2)
    return Dataset.from_arrays(
        np.concatenate([place, place + 1000], axis=2),
        actions=acted if steps > 2 else acted[:, 0],
        latents=-place,
        name="s",
    )


def parts_of(data: Dataset) -> dict[str, Any]:
    return {name: getattr(data, name) for name in data.__dataclass_fields__}


def assert_same(one: Dataset, other: Dataset, but: tuple[str, ...] = ()) -> None:
    for name, value in parts_of(one).items():
        if name in but:
            continue
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
            assert value.dtype == getattr(other, name).dtype
        else:
            assert value == getattr(other, name), name


# --- entry ---------------------------------------------------------------------------------------------------------


def test_shapes_and_numbers_on_entry() -> None:
    graph = CausalGraph(Gz=np.eye(4), Ga=np.eye(4)[:, :3], actions=["push", "pull", "heat"])
    data = Dataset.from_arrays(
        numbers(6, 2, 5), actions=numbers(6, 1, 3), latents=numbers(6, 2, 4), graph=graph, name="toy"
    )
    assert (len(data), data.n_samples, data.n_steps, data.n_observed) == (6, 6, 2, 5)
    assert (data.n_actions, data.n_latents) == (3, 4)
    assert data.actions is not None
    assert data.actions.shape == (6, 3)
    assert data.action_names == ("push", "pull", "heat")
    assert repr(data) == "Dataset('toy', 6 samples, 2 steps, 5 observed, 3 actions, 4 latents)"


def test_without_a_past_and_with_nothing_else_known() -> None:
    data = Dataset.from_arrays(np.arange(6).reshape(3, 2).tolist())
    assert data.observations.shape == (3, 1, 2)
    assert data.observations.dtype == np.float32
    assert (data.n_actions, data.n_latents, data.action_names) == (0, None, ())
    assert Dataset.from_arrays(numbers(3, 2), graph=CausalGraph(Gz=np.eye(4))).n_latents == 4
    assert Dataset.from_arrays(numbers(3, 2), actions=numbers(3, 2)).action_names == ("a0", "a1")


def test_float32_is_shared_and_other_numbers_become_float32() -> None:
    x = numbers(5, 2, 3)
    assert np.shares_memory(Dataset.from_arrays(x).observations, x)
    assert np.shares_memory(Dataset.from_arrays(torch.from_numpy(x)).observations, x)
    for kind in (np.float64, np.int32, np.uint8, np.float16, ">f4", bool):
        values = np.array([[0, 1], [1, 0]], dtype=kind)
        made = Dataset.from_arrays(values).observations
        assert made.dtype == np.float32
        assert made.dtype.isnative
        np.testing.assert_array_equal(made[:, 0], [[0, 1], [1, 0]])


def test_data_on_disk_stay_there(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", numbers(50, 2, 3))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    data = Dataset.from_arrays(x)
    first, second = data.split((0.5, 0.5), shuffle=False)
    for part in (data, data.take(slice(5, 10)), data.take(np.arange(5, 10)), first, second):
        assert isinstance(part.observations, np.memmap)
        assert np.shares_memory(part.observations, x)
    one_long = Dataset.from_arrays(x.reshape(1, 100, 3))
    assert np.shares_memory(one_long.windows(2).observations, x)


def test_the_check_sees_no_more_than_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays_module, "_BLOCK_ENTRIES", 12)
    seen = []
    blocks = arrays_module._blocks

    def watched(array: Any) -> Any:
        for place, block in blocks(array):
            seen.append(block.size)
            yield place, block

    monkeypatch.setattr(arrays_module, "_blocks", watched)
    Dataset.from_arrays(numbers(10, 7, 3), actions=numbers(10, 2), latents=numbers(10, 7, 2))
    assert max(seen) <= 12
    assert sum(seen) == 210 + 20 + 140


@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=3),
    block=st.integers(1, 40),
    seed=st.integers(0, 1000),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_the_first_bad_entry_is_named_whatever_the_blocks(
    shape: list[int], block: int, seed: int, value: float
) -> None:
    rng = np.random.default_rng(seed)
    array = rng.normal(size=shape).astype(np.float32)
    array[rng.random(shape) < 0.2] = value
    bad = np.argwhere(~np.isfinite(array))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays_module, "_BLOCK_ENTRIES", block)
        if not len(bad):
            assert constant_columns(array, "observations") == []
            return
        place = ", ".join(str(i) for i in bad[0])
        with pytest.raises(DataError, match=re.escape(f"observations[{place}] is {np.float32(value)} as")):
            constant_columns(array, "observations")


@given(seed=st.integers(0, 1000), block=st.integers(1, 40), constant=st.sets(st.integers(0, 4)))
def test_constant_columns_are_found_whatever_the_blocks(seed: int, block: int, constant: set[int]) -> None:
    array = numbers(5, 4, 5, seed=seed)
    array[..., sorted(constant)] = 7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays_module, "_BLOCK_ENTRIES", block)
        assert constant_columns(array, "x") == sorted(constant)


def test_constant_columns_are_refused_unless_allowed() -> None:
    x = numbers(9, 1, 14)
    x[..., [3, 7]] = 1
    message = r"^observed columns 3, 7 are constant; drop them or pass allow_constant=True$"
    with pytest.raises(DataError, match=message):
        Dataset.from_arrays(x)
    assert len(Dataset.from_arrays(x, allow_constant=True)) == 9
    assert len(Dataset.from_arrays(x, observation_shape=(2, 7))) == 9
    x[..., :12] = 1
    with pytest.raises(DataError, match=r"columns 0, 1, .*, 9 and 2 more are constant"):
        Dataset.from_arrays(x)
    a = numbers(9, 2)
    a[:, 1] = 0
    with pytest.raises(
        DataError, match=r"^action column dose is constant; drop it or pass allow_constant=True"
    ):
        Dataset.from_arrays(numbers(9, 3), actions=a, action_names=["drug", "dose"])
    assert Dataset.from_arrays(numbers(9, 3), actions=a, allow_constant=True).n_actions == 2
    with pytest.raises(DataError, match="every observed column is constant"):
        Dataset.from_arrays(np.ones((9, 4)), observation_shape=(1, 2, 2))


def test_one_entry_alone_is_not_called_constant() -> None:
    assert len(Dataset.from_arrays(numbers(1, 3), actions=numbers(1, 2))) == 1


BAD: list[tuple[dict[str, Any], str]] = [
    (
        {"observations": [1.0, 2.0]},
        r"observations have shape \(2,\); they must be \(N, T, d_x\) or \(N, d_x\)",
    ),
    ({"observations": np.zeros((2, 1, 3, 4, 4), np.uint8)}, r"\(2, 1, 3, 4, 4\); images come as float rows"),
    ({"observations": np.zeros((2, 0, 3))}, r"shape \(2, 0, 3\); there must be at least one number"),
    ({"observations": [[1.0], [2.0, 3.0]]}, "observations is no array of numbers: .*inhomogeneous"),
    ({"observations": torch.ones(2, 2, requires_grad=True)}, "no array of numbers: .*requires grad"),
    ({"observations": [["a", "b"]]}, "observations holds text; it must hold real numbers"),
    ({"observations": [[1j]]}, "observations holds complex numbers"),
    ({"observations": [[None]]}, "observations holds Python objects"),
    ({"observations": np.zeros((2, 2), "M8[s]")}, "observations holds dates"),
    ({"observations": np.ma.masked_less(numbers(4, 2), 0)}, "observations has masked entries"),
    (
        {"observations": [[1.0, 2.0], [3.0, np.nan]]},
        r"^observations\[1, 0, 1\] is nan as float32; every entry",
    ),
    ({"observations": [[1e300, 2.0], [3.0, 4.0]]}, r"observations\[0, 0, 0\] is inf as float32"),
    (
        {"actions": numbers(5, 2)},
        r"actions have shape \(5, 2\); for these observations they must be \(4, d_a\)$",
    ),
    ({"observations": numbers(4, 3, 3), "actions": numbers(4, 3, 2)}, r"must be \(4, d_a\) or \(4, 2, d_a\)"),
    ({"actions": numbers(4)}, r"actions have shape \(4,\)"),
    ({"actions": [[0], [1], [np.inf], [0]]}, r"^actions\[2, 0\] is inf"),
    ({"latents": numbers(4, 2, 3)}, r"latents have shape \(4, 2, 3\); .* must be \(4, 1, d_z\)"),
    ({"observations": numbers(4, 2, 3), "latents": numbers(4, 2)}, r"must be \(4, 2, d_z\)"),
    ({"latents": [[0], [1], [2], [np.nan]]}, r"latents\[3, 0, 0\] is nan"),
    (
        {"latents": numbers(4, 3), "graph": CausalGraph(Gz=np.eye(2))},
        "graph has 2 latents and the data have 3",
    ),
    ({"graph": CausalGraph(Ga=np.eye(2))}, "the graph has 2 actions and the data have 0"),
    ({"graph": np.eye(2)}, "graph is ndarray; it must be a CausalGraph"),
    ({"decoder": 3}, "decoder is int; it must be a function or a torch module"),
    ({"actions": numbers(4, 2), "action_names": ["a"]}, "1 action names for 2 columns of actions"),
    (
        {"actions": numbers(4, 2), "action_names": ["a", "a"]},
        "action_names: actions 0 and 1 are both named 'a'",
    ),
    ({"observation_shape": (3, 4)}, r"observation_shape \(3, 4\) makes 12 numbers; the observations have 3"),
    ({"observation_shape": (-1, -3)}, r"observation_shape is \(-1, -3\); it must be positive whole numbers"),
    ({"episodes": [1, 2]}, r"episodes have shape \(2,\); one number per row is \(4,\)"),
    ({"episodes": [0.5] * 4}, "episodes are of type float64; they must be whole numbers"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_what_is_wrong_is_one_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Dataset.from_arrays(**{"observations": numbers(4, 3)} | wrong)
    assert "\n" not in str(caught.value)


def test_arguments_are_not_changed() -> None:
    x, a = numbers(4, 3, 2), numbers(4, 2, 1)
    before = x.copy(), a.copy()
    data = Dataset.from_arrays(x, actions=a)
    data.windows(2).split((0.5, 0.5), seed=3)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(a, before[1])


# --- rows, parts, windows -------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(1, 300))
def test_shares_lose_nothing(weights: list[float], count: int) -> None:
    fractions = [weight / sum(weights) for weight in weights]
    if count < len(fractions):
        with pytest.raises(DataError, match=rf"{len(fractions)} parts need at least {len(fractions)} rows"):
            shares(fractions, count, "rows")
        return
    counts = shares(fractions, count, "rows")
    assert sum(counts) == count
    assert min(counts) >= 1
    # a part of less than one row is rounded up to one, at the cost of the others
    excess = sum(max(0.0, 1 - fraction * count) for fraction in fractions)
    assert all(abs(n - f * count) <= 1 + excess for n, f in zip(counts, fractions, strict=True))


def test_shares_of_round_numbers_are_exact() -> None:
    assert shares((0.8, 0.1, 0.1), 2000, "rows") == [1600, 200, 200]
    assert shares((0.7, 0.3), 10, "rows") == [7, 3]


@given(n=st.integers(3, 40), seed=st.integers(0, 99), shuffle=st.booleans())
def test_parts_hold_every_row_once(n: int, seed: int, shuffle: bool) -> None:
    data = sequences(n)
    parts = data.split(seed=seed, shuffle=shuffle)
    rows = np.concatenate([part.observations[:, 0, 0] for part in parts])
    assert sorted(rows) == list(data.observations[:, 0, 0])
    assert shuffle or list(rows) == sorted(rows)
    for part in parts:
        assert part.latents is not None
        np.testing.assert_array_equal(part.latents[..., 0], -part.observations[..., 0])
    for one, other in zip(parts, data.split(seed=seed, shuffle=shuffle), strict=True):
        assert_same(one, other)


def test_another_seed_makes_other_parts() -> None:
    data = sequences(40)
    one, other = (set(data.split(seed=seed)[1].observations[:, 0, 0]) for seed in (0, 1))
    assert one != other


@given(
    lengths=st.lists(st.integers(1, 6), min_size=3, max_size=8),
    seed=st.integers(0, 99),
    shuffle=st.booleans(),
)
def test_windows_of_one_episode_never_land_in_two_parts(lengths: list[int], seed: int, shuffle: bool) -> None:
    rng = np.random.default_rng(seed)
    episodes = rng.permutation(np.repeat(10 * np.arange(len(lengths)), lengths))
    data = Dataset.from_arrays(numbers(len(episodes), 2, 3), episodes=episodes)
    parts = data.split((0.5, 0.25, 0.25), seed=seed, shuffle=shuffle)
    found = [set(part.episodes) for part in parts if part.episodes is not None]
    assert set.union(*found) == set(episodes)
    assert sum(map(len, found)) == len(lengths)
    assert sum(map(len, parts)) == len(data)


@pytest.mark.parametrize("fractions", [(0.5, 0.4), (1.5, -0.5), (0.5, 0.5, 0.0), ((0.5,), (0.5,))])
def test_fractions_that_share_nothing_out(fractions: Any) -> None:
    with pytest.raises(
        DataError, match=re.escape(f"fractions are {fractions}; they must be above 0 and sum to 1")
    ):
        sequences(10).split(fractions)


def test_too_few_episodes_for_the_parts() -> None:
    with pytest.raises(DataError, match="3 parts need at least 3 episodes; the data have 1"):
        sequences(1, steps=20).windows(2).split()


@given(n=st.integers(1, 4), steps=st.integers(1, 6), length=st.integers(1, 6))
def test_windows_are_all_stretches_with_their_actions(n: int, steps: int, length: int) -> None:
    data = sequences(n, steps) if steps > 1 else Dataset.from_arrays(np.arange(n * 2.0).reshape(n, 2))
    if length > steps:
        with pytest.raises(DataError, match=f"windows of {length} steps; the rows have {steps} step"):
            data.windows(length)
        return
    if length == 1 < steps:
        with pytest.raises(DataError, match="the first step of a row has no action"):
            data.windows(length)
        return
    made = data.windows(length)
    expected = [(row, start) for row in range(n) for start in range(steps - length + 1)]
    assert len(made) == len(expected)
    for window, (row, start) in enumerate(expected):
        np.testing.assert_array_equal(
            made.observations[window], data.observations[row, start : start + length]
        )
    if made.actions is not None:
        first = made.actions if length == 2 else made.actions[:, 0] if length > 2 else None
        assert first is not None
        np.testing.assert_array_equal(first[:, 0], made.observations[:, 0, 0] + 0.5)
        assert made.actions.shape[:-1] == ((len(made),) if length == 2 else (len(made), length - 1))
    if length < steps:
        assert made.episodes is not None
        assert [int(row) for row in made.episodes] == [row for row, _ in expected]
        assert made.observations.dtype == np.float32


def test_single_steps_of_data_without_actions_and_an_action_that_lasts() -> None:
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
        ([], r"rows to take have shape \(0,\)"),
        ([[1]], r"rows to take have shape \(1, 1\)"),
        ([0.5], "rows to take are of type float64"),
        ([True], "rows to take are of type bool; give positions, or one boolean for each row"),
        (slice(4, None), "takes no row of 4"),
    ],
)
def test_rows_that_are_not_there(indices: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sequences().take(indices)


# --- actions that training saw ---------------------------------------------------------------------------------------


def acting(*columns: list[float], names: list[str] | None = None) -> Dataset:
    a = np.array(columns, dtype=np.float32).T
    return Dataset.from_arrays(numbers(len(a), 2), actions=a, action_names=names, allow_constant=True)


def test_an_action_value_that_training_never_saw() -> None:
    train = acting([0, 1, 0, 1], [0, 2, 4, 4], names=["push", "dose"])
    train.check_actions_seen(acting([1, 1], [4, 0], names=["push", "dose"]))
    message = r"^action 'dose' is 3 in row 1, a value that training never saw; it saw 0, 2, 4$"
    with pytest.raises(DataError, match=message):
        train.check_actions_seen(acting([1, 1, 1], [4, 3, 5], names=["push", "dose"]))


def test_continuous_actions_may_take_new_values() -> None:
    train = acting(list(range(21)))
    train.check_actions_seen(acting([0.5, 100]))
    with pytest.raises(DataError, match=r"action 'a0' is 0\.5 in row 0"):
        train.take(slice(0, 20)).check_actions_seen(acting([0.5, 100]))


def test_every_step_of_a_sequence_is_looked_at() -> None:
    x = numbers(2, 3, 2)
    train = Dataset.from_arrays(x, actions=[[[0], [1]], [[1], [0]]])
    with pytest.raises(DataError, match="action 'a0' is 2 in row 1"):
        train.check_actions_seen(Dataset.from_arrays(x, actions=[[[0], [1]], [[1], [2]]]))


def test_other_actions_than_in_training() -> None:
    with pytest.raises(DataError, match=r"^actions are none; training had a0, a1$"):
        acting([0, 1], [0, 1]).check_actions_seen(Dataset.from_arrays(numbers(3, 2)))
    Dataset.from_arrays(numbers(3, 2)).check_actions_seen(Dataset.from_arrays(numbers(4, 2)))


# --- written and read -------------------------------------------------------------------------------------------------


def full() -> Dataset:
    graph = CausalGraph(
        Gz=np.eye(4), Ga=np.eye(4)[:, :3], latents=list("wxyz"), actions=["push", "ö=1", "ö=2"]
    )
    x = numbers(6, 3, 12)
    x[..., 0] = 0
    return Dataset.from_arrays(
        x,
        actions=numbers(6, 2, 3),
        latents=numbers(6, 3, 4),
        graph=graph,
        decoder=torch.nn.Linear(4, 12),
        observation_shape=(3, 2, 2),
        name="käse",
        episodes=[0, 0, 1, 1, 5, 5],
        notes=["left out 1 episode"],
    )


@pytest.mark.parametrize(
    "data",
    [
        full(),
        Dataset.from_arrays(numbers(3, 2)),
        sequences(),
        Dataset.from_arrays(np.ones((3, 2)), allow_constant=True),
    ],
    ids=["full", "least", "sequences", "constant"],
)
def test_what_is_written_reads_the_same(data: Dataset, tmp_path: Path) -> None:
    data.write(tmp_path / "data.npz")
    read = Dataset.read(tmp_path / "data.npz")
    assert_same(data, read, but=("decoder",))
    assert read.decoder is None
    assert data.graph is None or data.graph.same_names(read.graph)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["data.npz"]


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences().write(tmp_path / "data.npz")
    before = (tmp_path / "data.npz").read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(FileAccessError, match="No space left on device; nothing was written"):
        full().write(tmp_path / "data.npz")
    assert (tmp_path / "data.npz").read_bytes() == before
    assert os.listdir(tmp_path) == ["data.npz"]


def test_where_a_dataset_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.csv: a dataset is written as NPZ; end the name in .npz"):
        sequences().write(tmp_path / "data.csv")
    with pytest.raises(FileAccessError, match=r"data.npz: No such file or directory; nothing was written"):
        sequences().write(tmp_path / "none" / "data.npz")
