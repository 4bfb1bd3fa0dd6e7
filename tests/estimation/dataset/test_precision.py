"""An offset costs nothing: numbers are centred in double precision before they become float32."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.dataset.centring import Centring, centring_of
from estimation.estimator import SparseMechanismVAE
from estimation.evaluation import evaluate
from estimation.exceptions import DataError
from estimation.learned import learned_entanglement
from estimation.stored_columns import set_centring_
from estimation.trained import TrainedModel
from estimation.training import fit
from estimation.training.batches import Batches, scales
from tests.seeds import training_seed

OFFSET = 1e9
ROWS = 150


@cache
def truth() -> dict[str, np.ndarray]:
    """Data whose digits an offset of 1e9 keeps in double precision."""
    rng = np.random.default_rng(training_seed())
    a = np.eye(4)[rng.integers(0, 4, ROWS)][:, 1:]
    z = np.round((2 * a + 0.3 * rng.normal(size=(ROWS, 3))) * 2**18) / 2**18
    x = np.tanh(z @ rng.normal(size=(3, 5)) * 0.4) + 0.02 * rng.normal(size=(ROWS, 5))
    return {"x": np.round(x * 2**18) / 2**18, "a": a, "z": z}


def data(offset: float = 0.0, **options: Any) -> Dataset:
    x, a, z = (array + offset for array in truth().values())
    return Dataset.from_arrays(x, a, z, **options)


@cache
def trained(offset: float) -> TrainedModel:
    return fit(data(offset), config())


def config() -> TrainingConfig:
    settings = {"steps": 60, "width": 8, "transition_width": 4, "batch_size": 64, "unmixing": False}
    return TrainingConfig(max_edges_actions=3, n_latents=3, flow_blocks=0, **settings, seed=training_seed())  # type: ignore[arg-type]


@pytest.mark.parametrize("offset", [5e6, 1.7e9, -1e12])
def test_values_survive_an_offset(offset: float) -> None:
    moves = np.random.default_rng(training_seed()).normal(size=(500, 4))
    data_with_offset = Dataset.from_arrays(moves + offset, actions=moves[:, :2] + offset)
    np.testing.assert_array_equal(data_with_offset.observations[:, 0], moves + offset)
    np.testing.assert_array_equal(data_with_offset.actions, moves[:, :2] + offset)  # type: ignore[arg-type]


@given(st.integers(-30, 30))
def test_numbers_near_zero_become_float32_at_any_scale(exponent: int) -> None:
    moves = np.random.default_rng(training_seed()).normal(size=(50, 2)) * 2.0**exponent
    assert Dataset.from_arrays(moves).observations.dtype == np.float32
    assert Dataset.from_arrays(moves + 1e4 * 2.0**exponent).observations.dtype == np.float64


def test_a_single_outlier_hides_no_loss() -> None:
    moves = np.random.default_rng(training_seed()).normal(size=(500, 2)) + 1e9
    moves[3, 0] = 1e15
    assert Dataset.from_arrays(moves).observations.dtype == np.float64


def test_training_with_an_offset_gives_the_same_model() -> None:
    plain, moved = trained(0.0), trained(OFFSET)
    assert data().observations.dtype == np.float32
    assert moved.graph == plain.graph
    z, other = plain.encode(truth()["x"]), moved.encode(truth()["x"] + OFFSET)
    np.testing.assert_allclose(other, z, atol=1e-5)
    assert moved.decode(z).dtype == np.float64
    np.testing.assert_allclose(moved.decode(z) - OFFSET, plain.decode(z), atol=1e-5)
    ours, theirs = evaluate(plain, data()), evaluate(moved, data(OFFSET))
    assert theirs.mcc == pytest.approx(ours.mcc, abs=1e-6)
    assert theirs.negative_elbo == pytest.approx(ours.negative_elbo, abs=1e-5)


def test_every_file_keeps_the_digits(tmp_path: Path) -> None:
    arrays = {name: array + OFFSET for name, array in truth().items()}
    columns = {f"{name}{k}": column for name, array in arrays.items() for k, column in enumerate(array.T)}
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", **arrays)  # type: ignore[arg-type]
    data(OFFSET).write(tmp_path / "own.npz")
    for name in ("t.csv", "t.parquet", "t.npz", "own.npz"):
        read = Dataset.read(tmp_path / name)
        np.testing.assert_array_equal(read.observations, data(OFFSET).observations)
        np.testing.assert_array_equal(read.actions, data(OFFSET).actions)  # type: ignore[arg-type]
    whole = Dataset.from_arrays((truth()["x"] * 2**18).astype(np.int64) + 2**40)
    assert len(np.unique(whole.observations)) == len(np.unique(truth()["x"]))


def test_a_saved_model_keeps_its_centring(tmp_path: Path) -> None:
    trained(OFFSET).save(tmp_path)
    x = truth()["x"] + OFFSET
    np.testing.assert_array_equal(load(tmp_path).encode(x), trained(OFFSET).encode(x))
    np.testing.assert_array_equal(
        load(tmp_path).decode(x[:, :3] - OFFSET), trained(OFFSET).decode(x[:, :3] - OFFSET)
    )


def test_entanglement_with_decoders_and_other_models_respects_the_offset() -> None:
    weights = torch.tensor(np.random.default_rng(training_seed(1)).normal(size=(3, 5)))
    strengths = []
    for offset in (0.0, OFFSET):
        known = data(offset, decoder=lambda z, offset=offset: (z.double() - offset) @ weights + offset)
        model = trained(offset)
        other = trained(OFFSET) if offset else trained(0.0)
        strengths.append(
            [
                learned_entanglement(model, known, n_samples=20, **how).relative
                for how in ({}, {"other": other})
            ]
        )
    np.testing.assert_allclose(strengths[0][1], strengths[1][1], atol=1e-3)


def test_a_centring_scales_columns_and_is_invertible(tmp_path: Path) -> None:
    values = np.random.default_rng(training_seed()).normal(size=(30, 3)) * [1e-60, 1, 1e30] + [0, 1e12, 1e35]
    centring = centring_of(values)
    assert centring is not None
    centred = centring.apply(values)
    assert (np.abs(centred / [1, 1, 1]).std(axis=0) < 1e3).all()
    np.testing.assert_allclose(centring.undo(centred), values, rtol=1e-15)
    assert centring_of(values.astype(np.float32)) is None
    again = Centring.from_dict(centring.to_dict(), 3)
    np.testing.assert_array_equal(again.shift, centring.shift)


@pytest.mark.parametrize(
    "content",
    [
        {"x": None},
        3,
        {"x": {"shift": [0.0]}, "a": None},
        {"x": {"shift": [0.0] * 5, "unit": [0.0] * 5}, "a": None},
        {"x": {"shift": [float("nan")] * 5, "unit": [1.0] * 5}, "a": None},
        {"x": {"shift": ["0"] * 5, "unit": [1.0] * 5}, "a": None},
        {"x": {"shift": [0.0] * 4, "unit": [1.0] * 5}, "a": None},
    ],
)
def test_a_damaged_centring(content: Any) -> None:
    with pytest.raises(DataError, match="the centring is damaged"):
        set_centring_(trained(0.0).model, {"centring": content})


def test_batches_of_float32_are_the_data_themselves() -> None:
    data_scales = scales(data())
    assert (data_scales.x_centring, data_scales.a_centring) == (None, None)
    batch = Batches(data(), 8, 0, torch.device("cpu"), torch.float32).rows(np.arange(8))
    np.testing.assert_array_equal(batch.observations.numpy(), data().observations[:8])


def test_float64_on_disk_stays_there(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", truth()["x"])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="c")
    assert isinstance(Dataset.from_arrays(mapped).observations, np.memmap)


def test_actions_of_other_precision_are_the_same_values() -> None:
    doses = np.array([[0.1], [0.2]] * 10)
    training = Dataset.from_arrays(np.arange(20.0)[:, None], actions=np.c_[doses, 1e9 + np.arange(20)])
    other = Dataset.from_arrays(np.arange(20.0)[:, None], actions=np.c_[doses, np.arange(20)])
    assert training.actions is not None
    assert other.actions is not None
    assert (training.actions.dtype, other.actions.dtype) == (np.float64, np.float32)
    training.take([0, 1, 2]).check_actions_seen(training.take([1, 2]))
    Dataset.from_arrays(np.eye(20), actions=training.actions[:, :1].copy()).check_actions_seen(
        Dataset.from_arrays(np.eye(20), actions=doses.astype(np.float32))
    )


def test_the_estimator_gives_the_offset_back() -> None:
    settings = {"width": 8, "transition_width": 4, "flow_blocks": 0}
    estimator = SparseMechanismVAE(
        2, steps=5, batch_size=64, unmixing=False, settings=settings, random_state=training_seed()
    )
    x = truth()["x"] + OFFSET
    latents = estimator.fit(x, actions=truth()["a"]).transform(x)
    back = estimator.inverse_transform(latents.astype(np.float32))
    assert back.dtype == np.float64
    assert np.abs(back - x).max() < 5
