"""Training on counts, and with covariates that are no latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from estimation.checkpoint import load
from estimation.commands import main
from estimation.config import BaselineConfig, TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.evaluation.verification import verify
from estimation.exceptions import ConfigError, DataError
from estimation.learned import learned_entanglement
from estimation.selection.measurement import measure_runs
from estimation.trained import TrainedModel
from estimation.training import fit
from estimation.training.counting import count_latents
from tests.pipeline.count_process import CountProcess
from tests.seeds import training_seed

PROCESS = CountProcess(n_batches=3)
SIZES = {"width": 32, "transition_width": 8, "depth": 1, "batch_size": 256}


def config(**changes: object) -> TrainingConfig:
    settings = {"max_edges_actions": 3, "steps": 450, "likelihood": "negative_binomial", **SIZES, **changes}
    return TrainingConfig(**{"seed": training_seed(2), **settings})


@pytest.fixture(scope="module")
def train() -> Dataset:
    return PROCESS.sample(6000, 1)


@pytest.fixture(scope="module")
def held_out() -> Dataset:
    return PROCESS.sample(2000, 2)


@pytest.fixture(scope="module")
def model(train: Dataset) -> TrainedModel:
    return fit(train, config(), progress=False)


def test_latents_and_graph_are_found(model: TrainedModel, held_out: Dataset) -> None:
    outcome = evaluate(model, held_out)
    assert outcome.shd == 0
    assert outcome.mcc > 0.9
    assert outcome.mcc > outcome.r - 0.02


def test_latents_do_not_depend_on_the_batch(model: TrainedModel, held_out: Dataset) -> None:
    latents = model.encode_dataset(held_out)[:, 0]
    means = np.stack([latents[held_out.covariates[:, k] == 1].mean(0) for k in range(3)])
    assert np.ptp(means, axis=0).max() < 0.25 * latents.std(0).min()


def test_without_covariates_they_do(train: Dataset, held_out: Dataset) -> None:
    def without(data: Dataset) -> Dataset:
        return replace(data, covariates=None, covariate_names=())

    # more latents than the actions move have room for the batch
    other = fit(without(train), config(n_latents=5, max_edges_actions=3), progress=False)
    latents = other.encode_dataset(without(held_out))[:, 0]
    means = np.stack([latents[held_out.covariates[:, k] == 1].mean(0) for k in range(3)])
    assert (np.ptp(means, axis=0) / latents.std(0)).max() > 0.5


def test_a_saved_model_encodes_and_decodes_alike(
    model: TrainedModel, held_out: Dataset, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.covariate_names == ("batch=b0", "batch=b1", "batch=b2")
    latents = model.encode_dataset(held_out)
    np.testing.assert_array_equal(again.encode_dataset(held_out), latents)
    np.testing.assert_array_equal(
        again.decode(latents, held_out.covariates), model.decode(latents, held_out.covariates)
    )
    assert again.negative_elbo(held_out) == model.negative_elbo(held_out)


def test_decoded_counts_have_the_means_of_the_data(model: TrainedModel, held_out: Dataset) -> None:
    decoded = model.decode(model.encode_dataset(held_out), held_out.covariates)[:, 0]
    counts = held_out.observations[:, 0]
    sizes = counts.sum(1, keepdims=True) / np.median(counts.sum(1))
    expected = decoded * sizes
    # columns in which hundreds of counts are expected
    large = expected.sum(0) > 1000
    np.testing.assert_allclose(expected.sum(0)[large], counts.sum(0)[large], rtol=0.2)
    between = np.corrcoef(expected.ravel(), counts.ravel())[0, 1]
    assert between > 0.7


def test_predictions_are_those_of_new_rows(model: TrainedModel) -> None:
    rows = PROCESS.sample(20_000, 3)
    chosen = (rows.actions == [1, 0, 1]).all(1) & (rows.covariates[:, 1] == 1)
    counts = rows.observations[chosen, 0]
    forecast = model.predict([[1.0, 0.0, 1.0]], covariates=[[0.0, 1.0, 0.0]], seed=training_seed(4))
    sizes = counts.sum(1) / np.exp(np.log(counts.sum(1)).mean())
    scaled = counts / sizes[:, None]
    # a model of median size against rows scaled to it
    np.testing.assert_allclose(
        forecast.mean[0] / forecast.mean[0].sum(), scaled.mean(0) / scaled.mean(0).sum(), rtol=0.35, atol=0.01
    )
    low, high = forecast.interval(0.9)
    assert (low >= 0).all()
    held = ((counts >= low) & (counts <= high)).mean()
    assert 0.85 < held < 0.99
    samples = model.sample([[1.0, 0.0, 1.0]], n_samples=50, covariates=[[0.0, 1.0, 0.0]], seed=5)
    assert (samples == np.floor(samples)).all()


def test_missing_counts_are_left_out(train: Dataset, held_out: Dataset) -> None:
    rng = np.random.default_rng(training_seed(6))
    lost = rng.random((len(train), train.n_observed)) < 0.2
    with_gaps = replace(train, observations=np.where(lost[:, None], np.nan, train.observations))
    outcome = evaluate(fit(with_gaps, config(), progress=False), held_out)
    assert outcome.shd == 0
    assert outcome.mcc > 0.88


def test_two_models_of_counts_are_compared_without_the_truth(
    model: TrainedModel, train: Dataset, held_out: Dataset
) -> None:
    other = fit(train, config(seed=training_seed(7)), progress=False)
    strengths = learned_entanglement(model, held_out, other=other, n_samples=200).strengths
    assert np.count_nonzero(strengths > 0.5) == 3


def test_columns_of_covariates_are_matched_by_name(model: TrainedModel, held_out: Dataset) -> None:
    order = [2, 0, 1]
    permuted = replace(
        held_out,
        covariates=held_out.covariates[:, order],
        covariate_names=tuple(held_out.covariate_names[k] for k in order),
    )
    np.testing.assert_array_equal(model.encode_dataset(permuted), model.encode_dataset(held_out))
    frame = pd.DataFrame({"batch": [f"b{k}" for k in held_out.covariates.argmax(1)]})
    np.testing.assert_array_equal(model.encode(held_out.observations, frame), model.encode_dataset(held_out))


def test_wrong_covariates_are_refused(model: TrainedModel, held_out: Dataset) -> None:
    x = held_out.observations
    with pytest.raises(
        DataError, match=r"trained with the covariates batch=b0, batch=b1, batch=b2; give them"
    ):
        model.encode(x)
    with pytest.raises(DataError, match=r"covariate 'batch' is 'b7' in row 1, .* it is one of b0, b1, b2"):
        model.encode(x[:2], pd.DataFrame({"batch": ["b0", "b7"]}))
    with pytest.raises(DataError, match=r"covariates have 2 columns; this model needs batch=b0"):
        model.encode(x[:2], [[0, 1], [1, 0]])
    with pytest.raises(DataError, match=r"covariates have 2 rows, and observations have 3; give one each"):
        model.encode(x[:3], [[0, 1, 0], [1, 0, 0]])
    with pytest.raises(
        DataError, match=r"covariates are 3; give an array of shape \(N, d_c\) or a data frame"
    ):
        model.encode(x[:3], 3)
    with pytest.raises(DataError, match=r"covariate 'batch' is 'b9' in row 0"):
        model.predict([[0, 0, 0]], covariates={"batch": "b9"})
    with pytest.raises(DataError, match=r"there are 2 rows of actions and 3 of covariates; give as many"):
        model.predict([[0, 0, 0], [1, 0, 0]], covariates=np.eye(3))
    with pytest.raises(DataError, match=r"vae takes no covariates, and the data have batch=b0"):
        fit(held_out, BaselineConfig("vae", steps=2, n_latents=2, seed=training_seed()))
    with pytest.raises(DataError, match=r"a model of counts, or with covariates, can't be compared"):
        evaluate(model, replace(held_out, decoder=lambda z: z), method="jacobian")


def test_a_model_without_covariates_refuses_them() -> None:
    data = CountProcess().sample(400, 1)
    plain = fit(data, config(steps=20, unmixing=False), progress=False)
    with pytest.raises(
        DataError, match=r"covariates were given, and this model was trained without covariates"
    ):
        plain.encode(data.observations, np.ones((400, 1)))


@pytest.mark.parametrize("whole_columns", [False, True])
def test_lost_counts_are_filled(model: TrainedModel, held_out: Dataset, whole_columns: bool) -> None:
    rng = np.random.default_rng(training_seed(8))
    rows, covariates = held_out.observations[:500, 0], held_out.covariates[:500]
    shape = rows.shape[1:] if whole_columns else rows.shape
    lost = np.broadcast_to(rng.random(shape) < 0.5, rows.shape)
    result = model.impute(np.where(lost, np.nan, rows), covariates=covariates, level=0.9)
    inside = (rows >= result.low) & (rows <= result.high)
    assert 0.86 < inside[lost].mean() < 0.99
    # rows scaled by what they have in the columns that were observed
    share = held_out.observations[500:, 0].mean(0)
    sizes = np.where(lost, 0, rows).sum(1) / np.where(lost, 0, share).sum(1)
    by_share = np.abs(np.sqrt(sizes[:, None] * share) - np.sqrt(rows))[lost].mean()
    assert np.abs(np.sqrt(result.observations) - np.sqrt(rows))[lost].mean() < 0.9 * by_share


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1.0, r"observation 2 of row 1 is -1, negative; likelihood='negative_binomial' needs counts"),
        (
            0.5,
            r"observation 2 of row 1 is 0.5, not a whole number; likelihood='negative_binomial' needs counts",
        ),
    ],
)
def test_observations_that_are_no_counts_are_refused(value: float, message: str, train: Dataset) -> None:
    x = train.observations[:50].copy()
    x[1, 0, 2] = value
    with pytest.raises(DataError, match=message):
        fit(replace(train.take(slice(0, 50)), observations=x), config(steps=2))


def test_rows_without_counts_and_images_are_refused(train: Dataset) -> None:
    x = train.observations[:50].copy()
    x[7] = 0
    with pytest.raises(DataError, match=r"row 7 has no counts: all of its observations are 0 or missing"):
        fit(replace(train.take(slice(0, 50)), observations=x), config(steps=2))
    with pytest.raises(ConfigError, match=r"is for counts, and the observations are images"):
        fit(replace(train, observation_shape=(1, 4, 6)), config(steps=2))


def test_real_numbers_take_covariates_too() -> None:
    rng = np.random.default_rng(training_seed(8))
    data = CountProcess(n_batches=2).sample(5000, 4)
    slopes = rng.normal(size=(3, 10))
    shift = np.where(data.covariates[:, :1] == 1, 1.5, -1.5) * rng.normal(size=10)
    x = data.latents[:, 0] @ slopes + shift + 0.05 * rng.normal(size=(5000, 10))
    given = Dataset.from_arrays(
        x,
        data.actions,
        data.latents[:, 0],
        data.graph,
        covariates=data.covariates[:, :1],
        covariate_names=["b"],
    )
    model = fit(given, config(likelihood="gaussian"), progress=False)
    outcome = evaluate(model, given)
    assert outcome.mcc > outcome.r - 0.02
    latents = model.encode_dataset(given)[:, 0]
    apart = latents[data.covariates[:, 0] == 1].mean(0) - latents[data.covariates[:, 0] == 0].mean(0)
    assert np.abs(apart).max() < 0.25 * latents.std(0).min()
    forecast = model.predict(given.actions[:3], covariates=given.covariates[:3])
    assert np.isfinite(forecast.log_density(given.observations[:3, 0])).all()
    gaps = given.observations[:4, 0].copy()
    gaps[:, 2] = np.nan
    filled = model.impute(gaps, covariates=given.covariates[:4])
    assert np.abs(filled.observations[:, 2] - given.observations[:4, 0, 2]).max() < 1.5


def test_data_that_are_no_counts_are_refused_after_training_too(
    model: TrainedModel, held_out: Dataset
) -> None:
    rows = held_out.take(slice(0, 20))
    logarithms = replace(rows, observations=np.log1p(rows.observations))
    for use in (model.encode_dataset, model.negative_elbo):
        with pytest.raises(
            DataError, match=r"of row 0 is .*, not a whole number; likelihood='negative_binomial'"
        ):
            use(logarithms)


def test_the_number_of_latents_of_counts_is_not_searched(train: Dataset) -> None:
    for search in (fit, count_latents):
        with pytest.raises(ConfigError, match=r"n_latents is 'auto', and likelihood is 'negative_binomial'"):
            search(train, config(n_latents="auto"), progress=False)


def test_one_row_of_covariates_is_for_all_rows(model: TrainedModel, held_out: Dataset) -> None:
    x = held_out.observations[:5]
    by_name = model.encode(x, {"batch": "b1"})
    np.testing.assert_array_equal(by_name, model.encode(x, np.repeat([[0.0, 1.0, 0.0]], 5, axis=0)))
    everywhere = model.predict([[1.0, 0.0, 0.0]], covariates=np.eye(3))
    assert len(everywhere) == 3
    one = model.predict([[1.0, 0.0, 0.0]], covariates={"batch": "b2"})
    np.testing.assert_allclose(one.mean[0], everywhere.mean[2], rtol=1e-5)


def test_rows_alike_have_intervals_alike(model: TrainedModel) -> None:
    forecast = model.predict([[1.0, 0.0, 0.0]] * 3, covariates={"batch": "b1"})
    for ends in forecast.interval(0.8):
        np.testing.assert_allclose(ends[1:], np.repeat(ends[:1], 2, axis=0), rtol=1e-5)


def test_models_with_other_covariates_are_compared(
    model: TrainedModel, train: Dataset, held_out: Dataset
) -> None:
    plain = fit(
        replace(train, covariates=None, covariate_names=()), config(steps=60, unmixing=False), progress=False
    )
    for first, second in ((model, plain), (plain, model)):
        assert learned_entanglement(first, held_out, other=second, n_samples=50).strengths.shape == (3, 3)


def test_counts_are_not_compared_with_real_numbers(
    model: TrainedModel, train: Dataset, held_out: Dataset
) -> None:
    other = fit(train, config(likelihood="gaussian", steps=30, unmixing=False), progress=False)
    message = r"models of counts and of real numbers have different observations"
    with pytest.raises(DataError, match=message):
        learned_entanglement(model, held_out, other=other)
    with pytest.raises(DataError, match=message):
        verify({"a": model, "b": other}, held_out)
    with pytest.raises(DataError, match=message):
        measure_runs([(1, model), (2, other)], held_out)


def test_commands_take_the_covariates_of_files(
    model: TrainedModel, held_out: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "model")
    held_out.take(slice(0, 300)).write(tmp_path / "test.npz")
    assert main(["evaluate", str(tmp_path / "model"), str(tmp_path / "test.npz"), "--json"]) == 0
    arguments = ["predict", str(tmp_path / "model"), "a0=1", "--json"]
    assert main([*arguments, "--covariate", "batch=b1"]) == 0
    capsys.readouterr()
    assert main(arguments) == 2
    assert "trained with the covariates batch; give each with --covariate" in capsys.readouterr().err
    assert main([*arguments, "--covariate", "batch"]) == 2
    assert "a covariate is given as NAME=VALUE" in capsys.readouterr().err
    assert main([*arguments, "--covariate", "batch=b7"]) == 2
    assert "it is one of b0, b1, b2" in capsys.readouterr().err


def test_past_and_covariates_go_together() -> None:
    rng = np.random.default_rng(training_seed(9))
    n_rows = 600
    before = rng.normal(size=(n_rows, 2))
    latents = np.stack([before, 0.8 * before + 0.3 * rng.normal(size=before.shape)], axis=1)
    batch = rng.integers(0, 2, n_rows)
    rates = np.exp(latents @ rng.normal(size=(2, 9)) / 2 + batch[:, None, None] * rng.normal(size=9) + 2)
    data = Dataset.from_arrays(
        rng.poisson(rates),
        covariates=pd.DataFrame({"batch": batch.astype(str)}),
        allow_constant=True,
    )
    assert data.covariate_names == ("batch=0", "batch=1")
    settings = {"likelihood": "poisson", "max_edges_actions": None, "max_edges_past": 2, "n_latents": 2}
    model = fit(data, config(steps=40, unmixing=False, **settings), progress=False)
    drawn = model.intervene(None, data.observations[:4, 0], n_steps=3, covariates={"batch": "1"}, n_samples=5)
    assert drawn.observations.shape == (5, 4, 3, 9)
    assert (drawn.observations == np.floor(drawn.observations)).all()
    forecast = model.predict(past=data.observations[:4, 0], covariates=data.covariates[:4])
    assert np.isfinite(forecast.mean).all()
    longer = Dataset.from_arrays(
        rng.poisson(np.repeat(rates, 2, axis=1)),
        covariates=data.covariates,
        covariate_names=data.covariate_names,
    )
    assert model.negative_elbo(longer) == model.negative_elbo(longer.pairs())
