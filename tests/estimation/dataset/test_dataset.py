"""Checks of a dataset on entry, and datasets written to a file and read again."""

from __future__ import annotations

import errno
import inspect
import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.readers import RawData, ReadOptions
from estimation.dataset.readers import arrays as arrays_module
from estimation.dataset.readers.arrays import constant_columns
from estimation.dataset.readers.single_cell.options import AnnDataKeywords, AnnDataOptions
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError
from identify.graph import CausalGraph
from tests.estimation.datasets import assert_same, numbers, sequences
from tests.seeds import training_seed

# --- records ---------------------------------------------------------------------------------------------------------


def test_one_record_of_options_and_one_of_raw_data() -> None:
    options = {field.name: field.default for field in fields(ReadOptions)}
    keywords = dict(inspect.signature(Dataset.read).parameters)
    del keywords["path"], keywords["like"]
    # the options of AnnData have a record of their own
    del keywords["anndata"], options["anndata"]
    assert {field.name for field in fields(AnnDataOptions)} == set(AnnDataKeywords.__annotations__)
    assert {name: parameter.default for name, parameter in keywords.items()} == options
    own = {field.name for field in fields(Dataset)}
    assert {field.name for field in fields(RawData)} == own | {"allow_constant"}


def test_options_in_a_record_read_the_same(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("who,x0,x1,dose\na,1,2,3\na,4,5,7\nb,0,1,2\nb,3,9,1\n", encoding="utf-8")
    keywords = {"actions": "dose", "episode": "who"}
    by_keyword = Dataset.read(tmp_path / "t.csv", **keywords)  # type: ignore[arg-type]
    assert_same(by_keyword, Dataset.read_with(tmp_path / "t.csv", ReadOptions(**keywords)))  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"observations": np.zeros((4, 2))},
            "observations have shape (4, 2); Dataset(...) takes (N, T, d_x); use",
        ),
        ({"observations": [[[1.0]]]}, "observations are list; Dataset(...) takes arrays of numpy; use"),
        ({"observations": None}, "observations are NoneType; Dataset(...) takes arrays of numpy"),
        (
            {"actions": np.zeros(4)},
            "actions have shape (4,); Dataset(...) takes (N, d_a) or (N, T - 1, d_a); use",
        ),
        ({"actions": np.zeros((3, 2))}, "actions have 3 rows, and observations have 4"),
        ({"latents": np.zeros((4, 2))}, "latents have shape (4, 2); Dataset(...) takes (N, T, d_z)"),
        ({"latents": np.zeros((5, 1, 2))}, "latents have 5 rows, and observations have 4"),
        ({"episodes": np.zeros((4, 1))}, "episodes have shape (4, 1); Dataset(...) takes (N,)"),
    ],
)
def test_the_constructor_refuses_arrays_of_other_dimensions(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        Dataset(**({"observations": np.zeros((4, 1, 2))} | arrays))


def test_observations_alone() -> None:
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
        observations = Dataset.from_arrays(values).observations
        assert observations.dtype == np.float32
        assert observations.dtype.isnative
        np.testing.assert_array_equal(observations[:, 0], [[0, 1], [1, 0]])


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


def test_checks_read_one_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
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
    rng = np.random.default_rng(training_seed(seed))
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
    with pytest.raises(DataError, match=r"columns 0, 1, .*, 5 and 6 more are constant"):
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
    ({"observations": np.zeros((2, 1, 3, 4, 4), np.uint8)}, r"\(2, 1, 3, 4, 4\); give images as float rows"),
    ({"observations": np.zeros((2, 0, 3))}, r"shape \(2, 0, 3\); there must be at least one number"),
    ({"observations": [[1.0], [2.0, 3.0]]}, "observations can't be converted to an array: .*inhomogeneous"),
    (
        {"observations": torch.ones(2, 2, requires_grad=True)},
        "can't be converted to an array: .*requires grad",
    ),
    ({"observations": [["a", "b"]]}, "observations holds text; it must hold real numbers"),
    ({"observations": [[1j]]}, "observations holds complex numbers"),
    ({"actions": [[None], [1], [2], [3]]}, r"actions\[0, 0\] is empty; every cell must be"),
    ({"observations": [[None], [None]]}, "observed column 0 has no entry that isn't missing; drop them"),
    ({"observations": np.zeros((2, 2), "M8[s]")}, "observations holds dates"),
    ({"actions": np.ma.masked_less(numbers(4, 2), 0)}, "actions has masked entries"),
    (
        {"observations": [[1.0, 2.0], [3.0, np.inf]]},
        r"^observations\[1, 0, 1\] is inf as float32; every entry",
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
    ({"observation_shape": (3, 4)}, r"observation_shape \(3, 4\) means 12 numbers; the observations have 3"),
    ({"observation_shape": (-1, -3)}, r"observation_shape is \(-1, -3\); it must be positive whole numbers"),
    ({"episodes": [1, 2]}, r"episodes have shape \(2,\); one number per row is \(4,\)"),
    ({"episodes": [0.5] * 4}, "episodes are of type float64; they must be whole numbers"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_invalid_arguments_are_refused_in_one_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Dataset.from_arrays(**{"observations": numbers(4, 3)} | wrong)
    assert "\n" not in str(caught.value)


def test_arguments_are_not_changed() -> None:
    x, a = numbers(4, 3, 2), numbers(4, 2, 1)
    before = x.copy(), a.copy()
    data = Dataset.from_arrays(x, actions=a)
    data.windows(2).split((0.5, 0.5), seed=training_seed(3))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(a, before[1])


# --- actions that training saw ---------------------------------------------------------------------------------------


def acting(*columns: list[float], names: list[str] | None = None) -> Dataset:
    a = np.array(columns, dtype=np.float32).T
    return Dataset.from_arrays(numbers(len(a), 2), actions=a, action_names=names, allow_constant=True)


def test_an_action_value_that_does_not_occur_in_training() -> None:
    train = acting([0, 1, 0, 1], [0, 2, 4, 4], names=["push", "dose"])
    train.check_actions_seen(acting([1, 1], [4, 0], names=["push", "dose"]))
    message = (
        r"^action 'dose' is 3 in row 1, a value that doesn't occur in training; it must be one of 0, 2, 4$"
    )
    with pytest.raises(DataError, match=message):
        train.check_actions_seen(acting([1, 1, 1], [4, 3, 5], names=["push", "dose"]))


def test_continuous_actions_may_take_new_values() -> None:
    train = acting(list(range(21)))
    train.check_actions_seen(acting([0.5, 100]))
    with pytest.raises(DataError, match=r"action 'a0' is 0\.5 in row 0"):
        train.take(slice(0, 20)).check_actions_seen(acting([0.5, 100]))


def test_every_step_of_a_sequence_is_checked() -> None:
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
def test_a_written_dataset_reads_the_same(data: Dataset, tmp_path: Path) -> None:
    data.write(tmp_path / "data.npz")
    read = Dataset.read(tmp_path / "data.npz")
    assert_same(data, read, ignore=("decoder",))
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


def test_a_dataset_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.csv: a dataset is written as NPZ; end the name in .npz"):
        sequences().write(tmp_path / "data.csv")
    with pytest.raises(FileAccessError, match=r"data.npz: No such file or directory; nothing was written"):
        sequences().write(tmp_path / "none" / "data.npz")


@given(seed=st.integers(0, 1000), block=st.integers(1, 40), share=st.sampled_from([0.0, 0.3, 0.9, 1.0]))
def test_missing_entries_are_counted_whatever_the_blocks(seed: int, block: int, share: float) -> None:
    array = numbers(5, 4, 5, seed=seed)
    array[..., 1] = 7
    rng = np.random.default_rng(training_seed(seed))
    array[rng.random(array.shape) < share] = np.nan
    known = [column[~np.isnan(column)] for column in array.reshape(-1, 5).T]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays_module, "_BLOCK_ENTRIES", block)
        constant, n_missing = arrays_module.constant_and_missing(array, "x")
        assert constant == [k for k, column in enumerate(known) if len(set(column.tolist())) < 2]
        assert (
            n_missing.tolist()
            == arrays_module.missing_entries(array).tolist()
            == [20 - len(c) for c in known]
        )


def test_large_offsets_keep_their_digits_beside_missing_entries() -> None:
    times = 1.7e9 + np.array([[0.0], [np.nan], [0.25], [0.5]])
    data = Dataset.from_arrays(times)
    assert data.observations.dtype == np.float64
    np.testing.assert_array_equal(data.observations[:, 0], times)
    assert Dataset.from_arrays([[0.0], [np.nan], [0.25]]).observations.dtype == np.float32
    with_absent = np.hstack([times, np.full((4, 1), np.nan)])
    assert Dataset.from_arrays(with_absent, allow_constant=True).observations.dtype == np.float64


def test_an_infinity_is_refused_beside_missing_entries() -> None:
    with pytest.raises(
        DataError, match=r"observations\[1, 0, 0\] is inf as float32; .*, or NaN where it is missing"
    ):
        Dataset.from_arrays([[np.nan, 1], [np.inf, 2], [np.inf, 3]])
