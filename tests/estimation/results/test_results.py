"""Column effects, latents by condition and predicted combinations agree with direct computations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from estimation.config import BaselineConfig
from estimation.dataset import Dataset
from estimation.exceptions import DataError
from estimation.prediction.seen_actions import SeenAction
from estimation.results import (
    LatentSample,
    column_effects,
    latent_sample,
    latents_by_condition,
    predict_combinations,
    predicted_latents,
)
from estimation.results.settings import applied_value
from estimation.training import fit
from tests.estimation.fakes import Truth, linear_model
from tests.estimation.results.models import screen, untrained_model
from tests.seeds import training_seed

EDGES = np.array([[1, 1, 0], [0, 0, 1]])


def test_effects_of_a_linear_decoder_are_its_matrix_in_standard_deviations() -> None:
    data = screen()
    model = untrained_model(data)
    matrix = torch.randn(6, 2, generator=torch.Generator().manual_seed(training_seed()))
    model.model.decoder = torch.nn.Linear(2, 6, bias=False)
    model.model.decoder.weight.data = matrix
    latents = np.random.default_rng(training_seed()).normal(size=(300, 2)) * [0.5, 3.0]
    effects = column_effects(model, LatentSample(latents, None, False, 300))
    np.testing.assert_allclose(effects.effects, matrix.numpy() * latents.std(axis=0), rtol=1e-4)
    assert effects.columns == tuple(f"x{k}" for k in range(6))
    top = effects.top(1, 3)
    assert [abs(value) for _, value in top] == sorted(np.abs(effects.effects[:, 1]), reverse=True)[:3]


def test_effects_of_a_curved_decoder_are_close_to_its_mean_derivative() -> None:
    truth = Truth(2, 5)
    model = linear_model(truth, np.eye(2))
    latents = np.random.default_rng(training_seed()).normal(size=(400, 2)) * 0.3
    effects = column_effects(model, LatentSample(latents, None, False, 400)).effects
    # x = W sinh(z), so the derivative is W cosh(z)
    derivative = truth.frame.numpy() * np.cosh(latents).mean(axis=0) * latents.std(axis=0)
    np.testing.assert_allclose(
        effects * model.model.x_scale.numpy()[:, None], derivative, rtol=0.03, atol=1e-4
    )


def test_a_sample_holds_the_encoded_rows_with_their_actions() -> None:
    data = screen()
    model = untrained_model(data)
    sample = latent_sample(model, data)
    assert sample is not None
    assert sample.actions is not None
    np.testing.assert_allclose(sample.latents, model.encode(data.observations)[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(sample.actions, data.actions)
    some = latent_sample(model, data, n_rows=50)
    assert some is not None
    assert len(some.latents) <= 50
    assert some.n_points == 400


def test_draws_have_the_mean_and_deviation_of_the_training_data() -> None:
    data = screen(2000)
    model = untrained_model(data)
    drawn, encoded = latent_sample(model), latent_sample(model, data)
    assert drawn is not None
    assert encoded is not None
    np.testing.assert_allclose(drawn.mean, encoded.mean, atol=0.2 * encoded.deviation.max())
    np.testing.assert_allclose(drawn.deviation, encoded.deviation, rtol=0.2)
    assert latent_sample(replace(model, latent_marginals=None)) is None


def test_actions_of_sequences_lead_to_the_steps_after_the_first() -> None:
    rng = np.random.default_rng(training_seed())
    actions = rng.normal(size=(30, 3, 2))
    data = Dataset.from_arrays(rng.normal(size=(30, 4, 5)), actions=actions)
    model = untrained_model(data)
    sample = latent_sample(model, data)
    assert sample is not None
    assert sample.actions is not None
    np.testing.assert_allclose(sample.actions, actions.reshape(-1, 2), rtol=1e-6)
    np.testing.assert_allclose(
        sample.latents, model.encode(data.observations[:, 1:]).reshape(-1, 2), rtol=1e-4, atol=1e-5
    )


def test_baselines_leave_out_rows_with_missing_entries() -> None:
    data = screen()
    model = fit(data, BaselineConfig(method="random", n_latents=2, seed=training_seed()))
    observations = data.observations.copy()
    observations[:390, 0, 0] = np.nan
    sample = latent_sample(model, replace(data, observations=observations))
    assert sample is not None
    assert len(sample.latents) == 10
    observations[:, 0, 0] = np.nan
    with pytest.raises(DataError, match="fewer than 2 rows of the data can be encoded"):
        latent_sample(model, replace(data, observations=observations))


def test_conditions_of_a_screen_are_its_settings() -> None:
    data = screen()
    model = untrained_model(data)
    sample = latent_sample(model, data)
    assert sample is not None
    conditions = latents_by_condition(model, sample)
    assert conditions.names == ("no action", "a0", "a1", "a2", "a0 + a1")
    assert conditions.whole
    assert conditions.reference == 0
    assert conditions.counts is not None
    assert conditions.counts.sum() == 400
    rows = (data.actions == [1, 1, 0]).all(axis=1)
    latents = (sample.latents[rows] - sample.latents.mean(0)) / sample.latents.std(0)
    np.testing.assert_allclose(conditions.mean[4], latents.mean(0))
    np.testing.assert_allclose(conditions.high[4], np.quantile(latents, 0.95, axis=0))
    assert conditions.error is not None
    np.testing.assert_allclose(conditions.error[4], 1.96 * latents.std(0, ddof=1) / np.sqrt(rows.sum()))


def test_continuous_actions_become_bands_with_equal_numbers_of_rows() -> None:
    rng = np.random.default_rng(training_seed())
    doses = rng.uniform(0.1, 1, size=(600, 4))
    doses[:100, 0] = 0
    data = Dataset.from_arrays(rng.normal(size=(600, 5)), actions=doses)
    model = untrained_model(data)
    sample = latent_sample(model, data)
    assert sample is not None
    conditions = latents_by_condition(model, sample)
    # 4 * 3 * 3 * 3 joint bands are too many to read
    assert not conditions.whole
    assert len(conditions.names) == 12
    assert conditions.counts is not None
    assert conditions.names[:3] == ("a0 low", "a0 mid", "a0 high")
    assert len(conditions.bands) == 4
    assert conditions.bands[0].startswith("a0: low is 0.1")
    # where an action rests, it is not applied
    assert conditions.counts[:3].sum() == 500
    assert np.ptp(conditions.counts[:3]) <= 1
    single = Dataset.from_arrays(data.observations[:, 0], actions=doses[:, :1])
    alone = untrained_model(single)
    sample = latent_sample(alone, single)
    assert sample is not None
    assert latents_by_condition(alone, sample).whole


def test_rare_conditions_are_counted() -> None:
    data = screen()
    assert data.actions is not None
    actions = data.actions.copy()
    actions[:3] = 1
    data = replace(data, actions=actions)
    model = untrained_model(data)
    sample = latent_sample(model, data)
    assert sample is not None
    assert latents_by_condition(model, sample).n_left_out == 1
    with pytest.raises(DataError, match="these rows have no actions"):
        latents_by_condition(model, replace(sample, actions=None))


def test_combinations_agree_with_predict() -> None:
    data = screen(observation_names=list("ABCDEF"), action_names=["one", "two", "three"])
    model = untrained_model(data, EDGES)
    combinations = predict_combinations(model)
    names = [entry.name for entry in combinations.entries]
    assert names == ["one", "two", "three", "one + two", "one + three", "two + three"]
    assert (combinations.control, combinations.n_left_out) == ("no action", 0)
    for entry in combinations.entries:
        forecast = model.predict(dict.fromkeys(entry.actions, 1.0), n_samples=256)
        control = model.predict({}, n_samples=256)
        low, high = forecast.interval(0.9)
        assert forecast.coverage is not None
        assert entry.explained == forecast.coverage.explain(0)
        assert (entry.state in ("covered", "interpolated", "not checked")) == bool(forecast.coverage)
        change = (forecast.mean - control.mean)[0] / data.observations.reshape(-1, 6).std(0)
        assert abs(entry.changes[0].change) == pytest.approx(np.abs(change).max(), rel=1e-3)
        for each in entry.changes:
            k = "ABCDEF".index(each.column)
            assert each.mean == pytest.approx(forecast.mean[0, k], rel=1e-4, abs=1e-5)
            assert each.change == pytest.approx(change[k], rel=1e-3, abs=1e-4)
            assert low[0, k] - 1e-3 <= each.low <= each.high <= high[0, k] + 1e-3


def test_states_say_what_was_seen() -> None:
    states = {
        entry.name: entry.state for entry in predict_combinations(untrained_model(screen(), EDGES)).entries
    }
    # a0 and a2 move different latents, so nothing combines them
    assert states == {
        **dict.fromkeys(("a0", "a1", "a2", "a0 + a1", "a0 + a2", "a1 + a2"), "covered"),
    }
    shared = predict_combinations(untrained_model(screen(), np.ones((2, 3))))
    assert {entry.name: entry.state for entry in shared.entries}["a0 + a2"] == "effects added"


def test_pairs_beyond_the_limit_are_counted() -> None:
    rng = np.random.default_rng(training_seed())
    actions = np.eye(20)[rng.integers(0, 20, 500)]
    data = Dataset.from_arrays(rng.normal(size=(500, 4)), actions=actions)
    combinations = predict_combinations(untrained_model(data))
    pairs = [entry for entry in combinations.entries if len(entry.actions) == 2]
    assert len(combinations.entries) == 20 + 66
    assert combinations.n_left_out == 20 * 19 // 2 - len(pairs)


def test_one_category_replaces_another() -> None:
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(training_seed())
    drugs = np.array(["A", "none", "B"])[rng.integers(0, 3, 300)]
    frame = pd.DataFrame(rng.normal(size=(300, 4)), columns=[f"x{k}" for k in range(4)])
    data = Dataset.from_arrays(frame, actions=pd.DataFrame({"drug": drugs, "heat": rng.integers(0, 2, 300)}))
    model = untrained_model(data)
    combinations = predict_combinations(model)
    if model.roles is None:
        pytest.skip("these data store no categories")
    assert combinations.control == "drug=none"
    assert {entry.name for entry in combinations.entries} == {
        "drug=A", "drug=B", "heat", "drug=A + heat", "drug=B + heat"
    }  # fmt: skip
    one = model.action_names.index("drug=none")
    assert combinations.settings.values[0, one] == 1
    assert not combinations.settings.values[1:, one][
        [len(a) > 0 for a in combinations.settings.applied[1:]]
    ].all()


def test_predicted_latents_are_those_of_the_forecast() -> None:
    model = untrained_model(screen(), EDGES)
    sample = latent_sample(model)
    assert sample is not None
    combinations = predict_combinations(model)
    conditions = predicted_latents(combinations.forecast, combinations.settings, sample)
    expected = (combinations.forecast.latent_mean - sample.mean) / sample.deviation
    np.testing.assert_allclose(conditions.mean, expected)
    assert conditions.counts is None
    assert (conditions.low < conditions.mean).all()


def test_a_model_with_a_past_starts_from_its_medians() -> None:
    rng = np.random.default_rng(training_seed())
    data = Dataset.from_arrays(
        rng.normal(size=(100, 2, 5)), actions=rng.integers(0, 2, (100, 2)).astype(float)
    )
    model = untrained_model(data)
    assert len(predict_combinations(model).entries) == 3
    with pytest.raises(DataError, match="saved by an earlier version, which didn't store its latents"):
        predict_combinations(replace(model, latent_marginals=None))


def test_models_without_predictions_are_refused() -> None:
    data = screen()
    model = untrained_model(data)
    with pytest.raises(DataError, match="earlier version, which didn't store its actions"):
        predict_combinations(replace(model, seen_actions=None))
    baseline = fit(data, BaselineConfig(method="random", n_latents=2, seed=training_seed()))
    with pytest.raises(DataError, match="random is a baseline, which predicts nothing under actions"):
        predict_combinations(baseline)
    with pytest.raises(DataError, match="random has no decoder"):
        column_effects(baseline, LatentSample(np.zeros((2, 2)), None, False, 2))
    past = Dataset.from_arrays(np.random.default_rng(training_seed()).normal(size=(50, 2, 4)))
    with pytest.raises(DataError, match="trained without actions, so there is nothing to combine"):
        predict_combinations(untrained_model(past))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([0, 1, 0], 1.0),
        ([0, 1, 5], 5.0),
        ([-2, 0, 1], -2.0),
        (np.linspace(-1, 3, 101), 1.5),
        ([4, 4, 7], 7.0),
    ],
)
def test_an_applied_action_takes_a_seen_value(column: list[float], expected: float) -> None:
    assert applied_value(SeenAction.of(np.array(column, dtype=float))) == pytest.approx(expected)
