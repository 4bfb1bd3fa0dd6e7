"""Heavy tails of columns, and the transform that compresses them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kurtosis

from estimation.checkpoint import load
from estimation.config import BaselineConfig, TrainingConfig
from estimation.dataset import Dataset
from estimation.dataset.centring import Centring
from estimation.dataset.heavy_tails import arcsinh_centring, heavy_kurtosis, typical_kurtosis
from estimation.exceptions import CheckpointError, ConfigError, DataError
from estimation.selection.measurement import measure_runs
from estimation.trained import TrainedModel
from estimation.training import fit
from estimation.training.counting import count_latents
from estimation.training.procedure import Initialisation
from tests.seeds import training_seed

SMALL: dict[str, Any] = {"steps": 6, "batch_size": 32, "width": 8, "restarts": 1}


def rows(n_rows: int = 400, power: float = 9.0) -> np.ndarray:
    """Return rows whose columns are odd powers of a mixture of normal numbers, and are heavy-tailed."""
    rng = np.random.default_rng(training_seed(2))
    mixed = rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, 5))
    return np.sign(mixed) * np.abs(mixed) ** power * 3 + 100


def data(power: float = 9.0, **options: Any) -> Dataset:
    values = rows(power=power)
    return Dataset.from_arrays(values, actions=np.eye(2)[np.arange(len(values)) % 2], **options)


def trained(dataset: Dataset, **settings: Any) -> TrainedModel:
    given = {**SMALL, "shift": 0, **settings}
    seed = given.pop("shift")
    config = TrainingConfig(max_edges_actions=2, n_latents=3, seed=training_seed(seed), **given)
    return fit(dataset, config, progress=False)


@given(arrays(float, (6, 2), elements=st.floats(-1e12, 1e12)), st.floats(1e-3, 1e6), st.floats(-1e6, 1e6))
def test_the_transform_is_invertible_and_increasing(values: np.ndarray, unit: float, shift: float) -> None:
    centring = Centring(np.full(2, shift), np.full(2, unit), is_arcsinh=True)
    transformed = centring.apply(values)
    np.testing.assert_allclose(centring.undo(transformed), values, rtol=1e-9, atol=1e-9 * (unit + abs(shift)))
    order = np.argsort(values[:, 0], kind="stable")
    assert (np.diff(transformed[order, 0]) >= 0).all()
    again = Centring.from_dict(json.loads(json.dumps(centring.to_dict())), 2)
    np.testing.assert_array_equal(again.apply(values), transformed)


def test_the_slope_is_the_derivative_of_the_inverse() -> None:
    centring, points = (
        arcsinh_centring(rows()),
        np.random.default_rng(training_seed(1)).normal(size=(50, 5)) * 4,
    )
    step = 1e-6
    numeric = (centring.undo(points + step) - centring.undo(points - step)) / (2 * step)
    np.testing.assert_allclose(centring.slope(points), numeric, rtol=1e-6)
    linear = Centring(np.zeros(5), np.full(5, 4.0))
    np.testing.assert_array_equal(linear.slope(points), np.full(5, 4.0))
    np.testing.assert_array_equal(
        centring.of_columns([3, 1]).apply(points[:, [3, 1]]), centring.apply(points)[:, [3, 1]]
    )


def test_kurtosis_is_that_of_the_median_column() -> None:
    values = rows(n_rows=3_000, power=5.0)
    assert typical_kurtosis(values) == pytest.approx(np.median(kurtosis(values)), rel=1e-9)
    missing = values.copy()
    missing[::3, 2] = np.nan
    expected = kurtosis(missing, nan_policy="omit")
    assert typical_kurtosis(missing) == pytest.approx(np.median(expected), rel=1e-9)
    # units don't matter, however small or large
    assert typical_kurtosis(values * [1e-80, 1, 1e90, 5, 1e-3]) == pytest.approx(
        typical_kurtosis(values), rel=1e-6
    )


def test_columns_that_are_mostly_zero_have_no_tails() -> None:
    rng = np.random.default_rng(training_seed(3))
    sparse = np.where(rng.random((2_000, 40)) < 0.01, rng.exponential(size=(2_000, 40)), 0)
    assert np.median(kurtosis(sparse)) > 100
    assert typical_kurtosis(sparse) == 0
    # a constant column counts on neither side
    beside = np.column_stack([rows(2_000), np.ones((2_000, 8))])
    assert typical_kurtosis(beside) == pytest.approx(typical_kurtosis(rows(2_000)))
    assert typical_kurtosis(np.ones((10, 3))) == 0
    centring = arcsinh_centring(np.column_stack([sparse[:, :2], np.full(2_000, 7.0)]))
    assert (centring.unit > 0).all()
    assert centring.unit[2] == 1
    assert np.isfinite(centring.apply(np.column_stack([sparse[:, :2], np.full(2_000, 7.0)]))).all()


def test_auto_transforms_heavy_tails_and_says_so() -> None:
    heavy, light = trained(data()), trained(data(power=1.0))
    assert heavy.model.x_centring is not None
    assert heavy.model.x_centring.is_arcsinh
    (note,) = [note for note in heavy.history.notes if "arcsinh" in note]
    assert "observation_transform='none' reads them as they are" in note
    assert f"excess kurtosis is {typical_kurtosis(data().observations):.3g} (median)" in note
    assert light.model.x_centring is None or not light.model.x_centring.is_arcsinh
    assert not [note for note in light.history.notes if "arcsinh" in note]
    asked, refused = (
        trained(data(power=p), observation_transform=t) for p, t in ((1.0, "arcsinh"), (9.0, "none"))
    )
    assert [note for note in asked.history.notes if "arcsinh" in note]
    assert not [note for note in refused.history.notes if "arcsinh" in note]
    published = trained(data(), preset="published", rounds=1, transition_width=8, warmup=0)
    assert published.model.x_centring is None or not published.model.x_centring.is_arcsinh


def test_training_on_transformed_columns_is_the_same() -> None:
    """A transform before training, and the same transform in the model, give the same latents."""
    dataset = data()
    inside = trained(dataset, dtype="float64")
    centring = inside.model.x_centring
    assert centring is not None
    outside = trained(
        replace(dataset, observations=centring.apply(dataset.observations)),
        dtype="float64",
        observation_transform="none",
    )
    np.testing.assert_allclose(
        inside.encode(dataset.observations), outside.encode(centring.apply(dataset.observations)), atol=1e-4
    )
    assert inside.graph == outside.graph


def test_a_saved_model_keeps_the_transform(tmp_path: Path) -> None:
    model = trained(data())
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.encode(rows()), model.encode(rows()))
    np.testing.assert_array_equal(again.decode(again.encode(rows())), model.decode(model.encode(rows())))


def test_baselines_read_the_same_columns() -> None:
    model = fit(
        data(),
        BaselineConfig("vae", n_latents=3, steps=6, batch_size=32, width=8, seed=training_seed()),
        progress=False,
    )
    assert model.model.x_centring is not None
    assert model.model.x_centring.is_arcsinh
    assert [note for note in model.history.notes if "arcsinh" in note]


def test_what_has_no_tails_is_refused() -> None:
    message = (
        "observation_transform='arcsinh' is for real numbers, and likelihood='poisson' for counts; keep one"
    )
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(
            max_edges_actions=2, observation_transform="arcsinh", likelihood="poisson", seed=training_seed()
        )
    pixels = np.random.default_rng(training_seed(0)).random((64, 16))
    images = Dataset.from_arrays(pixels, actions=np.eye(2)[np.arange(64) % 2], observation_shape=(1, 4, 4))
    with pytest.raises(
        ConfigError, match="observation_transform='arcsinh' is for columns with heavy tails, and the"
    ):
        trained(images, observation_transform="arcsinh")
    assert heavy_kurtosis(images) is None


@pytest.mark.parametrize("content", [{"is_arcsinh": 3}, {"is_arcsinh": "yes"}, {"tails": True}])
def test_a_damaged_transform_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="the centring is damaged"):
        Centring.from_dict({"shift": [0.0], "unit": [1.0], **content}, 1)


def test_seeds_that_hold_out_other_rows_decide_alike() -> None:
    """One extreme row makes the tails heavy, whether it is held out or not."""
    rng = np.random.default_rng(training_seed(4))
    values = rng.normal(size=(60, 4))
    values[7] *= 40
    dataset = Dataset.from_arrays(values, actions=np.eye(2)[np.arange(60) % 2])
    assert typical_kurtosis(np.delete(values, 7, axis=0)) < 4
    models = [trained(dataset, steps=1, shift=seed) for seed in range(12)]
    held_out = [
        np.abs(model.model.x_centring.apply(values)).max() for model in models if model.model.x_centring
    ]
    assert len(held_out) == len(models)
    assert all(model.model.x_centring is not None and model.model.x_centring.is_arcsinh for model in models)


def test_counts_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estimation.training.procedure.heavy_kurtosis", lambda _: pytest.fail("measured"))
    counts = np.random.default_rng(training_seed(5)).poisson(20, size=(80, 4))
    dataset = Dataset.from_arrays(counts, actions=np.eye(2)[np.arange(80) % 2])
    assert trained(dataset, likelihood="poisson").model.x_centring is None


def test_numbers_beyond_float64_are_heavy_tails() -> None:
    values = np.random.default_rng(training_seed(6)).standard_t(2, size=(500, 3))
    values[3] = 1e90
    assert typical_kurtosis(values) == np.inf


def test_a_transform_that_was_asked_for_is_said_to_be() -> None:
    (note,) = [
        note
        for note in trained(data(1.0), observation_transform="arcsinh").history.notes
        if "arcsinh" in note
    ]
    assert note.endswith("columns, as observation_transform='arcsinh' asks")


def test_a_run_of_a_version_without_transforms_is_not_continued(tmp_path: Path) -> None:
    """Its scales are those of the columns as they are."""
    config = TrainingConfig(max_edges_actions=2, n_latents=3, seed=training_seed(), **SMALL)
    fit(data(), config, progress=False, checkpoint=tmp_path, checkpoint_every=3)
    path = tmp_path / "manifest.json"
    text = path.read_text("utf-8")
    assert '"observation_transform": "auto",' in text
    path.write_text(text.replace('"observation_transform": "auto",', ""), "utf-8")
    with pytest.raises(
        CheckpointError, match=r"other settings \(observation_transform\); give another folder"
    ):
        fit(data(), config, progress=False, checkpoint=tmp_path)


def test_the_number_of_latents_is_sought_on_the_same_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the training rows alone would decide otherwise."""
    values = np.random.default_rng(training_seed(7)).normal(size=(60, 4))
    values[::20] *= 40
    dataset = Dataset.from_arrays(values, actions=np.eye(2)[np.arange(60) % 2])
    seen = []

    def record(config: TrainingConfig, inputs: Initialisation, *_: object) -> None:
        assert inputs.scales is not None
        seen.append(inputs.scales.kurtosis)

    monkeypatch.setattr("estimation.training.counting.find_latent_count", record)
    for seed in range(6):
        count_latents(
            dataset, TrainingConfig(max_edges_actions=2, n_latents="auto", seed=training_seed(seed))
        )
    assert seen == [typical_kurtosis(dataset.observations)] * 6


def test_elbos_of_models_that_transform_and_do_not_are_refused() -> None:
    models = [(k, trained(data(), observation_transform=k)) for k in ("none", "arcsinh")]
    with pytest.raises(
        DataError, match="one model reads observations through arcsinh and another one as they are"
    ):
        measure_runs(models, data())


def test_latents_without_finite_observations_are_refused() -> None:
    with pytest.raises(DataError, match="the model maps these latents to numbers that are not finite"):
        trained(data()).decode(np.full((1, 3), 1e8))
