"""Any difference of the data changes the fingerprint, and the memory layout of arrays doesn't."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import estimation.dataset.fingerprint
from estimation.dataset import Dataset
from estimation.dataset.fingerprint import fingerprint
from tests.seeds import training_seed

# large enough that sums stand for the values
N = 6_000


@pytest.fixture(scope="module")
def data() -> Dataset:
    generator = np.random.default_rng(training_seed())
    x = generator.normal(size=(N, 1, 7)).astype(np.float32)
    return Dataset.from_arrays(x, np.eye(5, dtype=np.float32)[generator.integers(0, 5, N)])


def changed(data: Dataset, **arrays: Any) -> str:
    return fingerprint(dataclasses.replace(data, **arrays))


@settings(max_examples=30, deadline=None)
@given(row=st.integers(0, N - 1), column=st.integers(0, 6), bit=st.integers(0, 31))
def test_any_bit_counts(data: Dataset, row: int, column: int, bit: int) -> None:
    other = data.observations.copy()
    other.view(np.uint32)[row, 0, column] ^= np.uint32(1 << bit)
    assert changed(data, observations=other) != fingerprint(data)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.integers(0, N - 1), min_size=2, max_size=2, unique=True))
def test_the_order_of_any_two_rows_counts(data: Dataset, rows: list[int]) -> None:
    order = np.arange(N)
    order[rows] = order[rows[::-1]]
    assert data.actions is not None
    assert changed(data, observations=data.observations[order]) != fingerprint(data)
    if (data.actions[rows[0]] != data.actions[rows[1]]).any():
        assert changed(data, actions=data.actions[order]) != fingerprint(data)


def test_any_other_change_counts(data: Dataset) -> None:
    x, a = data.observations, data.actions
    assert a is not None
    digests = [
        fingerprint(data),
        changed(data, observations=x[::-1]),
        changed(data, observations=np.roll(x, 1, axis=0)),
        # as many rows as a block has words
        changed(data, observations=np.roll(x, 1024, axis=0)),
        changed(data, observations=x[..., ::-1]),
        changed(data, observations=-x),
        changed(data, observations=x[:-1], actions=a[:-1]),
        changed(data, observations=x.reshape(N, 7, 1)),
        changed(data, observations=x.astype(float)),
        changed(data, actions=None),
        changed(data, actions=1 - a),
        changed(data, actions=a[:, [1, 0, 2, 3, 4]]),
        changed(data, latents=x),
        changed(data, latents=a[:, None]),
        changed(data, episodes=np.arange(N)),
        changed(data, action_names=("b", *data.action_names[1:])),
        changed(data, action_names=data.action_names[::-1]),
        changed(data, action_names=("a0a1", *data.action_names[2:])),
        changed(data, observation_shape=(1, 1, 7)),
        changed(data, observation_names=tuple("abcdefg")),
        changed(data, observation_names=tuple("bacdefg")),
    ]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("rows", [10, N])
def test_the_memory_layout_of_arrays_does_not_count(data: Dataset, tmp_path: Path, rows: int) -> None:
    part = data.take(slice(0, rows))
    x = part.observations
    np.save(tmp_path / "x.npy", x)
    shifted = np.frombuffer(b"abcd" + x.tobytes(), dtype=np.uint8)[4:].view(np.float32).reshape(x.shape)
    for same in (
        np.asfortranarray(x),
        np.concatenate([x, x], axis=2)[..., :7],
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        shifted,
    ):
        assert changed(part, observations=same) == fingerprint(part)
    assert changed(part, name="another", notes=("one",)) == fingerprint(part)


def test_parts_of_an_array_that_is_not_contiguous(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fingerprint(data)
    monkeypatch.setattr(estimation.dataset.fingerprint, "_PART", 1)
    assert data.actions is not None
    x, a = np.asfortranarray(data.observations), np.asfortranarray(data.actions)
    assert changed(data, observations=x, actions=a) == expected


def test_a_sample_is_enough_of_a_large_array_on_disk(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimation.dataset.fingerprint, "_LARGE", 1)
    monkeypatch.setattr(estimation.dataset.fingerprint, "_STRIDE", 4)
    np.save(tmp_path / "x.npy", data.observations)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    digest = changed(data, observations=mapped)
    blocks = data.observations.reshape(-1)
    for place, noticed in ((0, True), (2048, False), (4 * 2048, True), (blocks.size - 1, True)):
        other = data.observations.copy()
        other.reshape(-1)[place] += 1
        np.save(tmp_path / "y.npy", other)
        mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
        assert (changed(data, observations=mapped) != digest) == noticed
    # what is in memory is read as a whole
    assert changed(data, observations=data.observations) != digest
