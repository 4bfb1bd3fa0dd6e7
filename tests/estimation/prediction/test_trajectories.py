"""Trajectories against forecasts of one step, and against repeated transitions."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.exceptions import DataError
from identify.graph import CausalGraph
from tests.estimation.prediction.linear_models import LinearModel, linear_model
from tests.seeds import training_seed

GRAPH = CausalGraph(Gz=np.eye(3), Ga=[[1, 0], [1, 1], [0, 1]], actions=["push", "pull"])
# more values than a discrete action has
CONTINUOUS = np.linspace([-9.0, -9.0], [9.0, 9.0], 60)


@pytest.fixture(scope="module")
def linear() -> LinearModel:
    return linear_model(GRAPH, CONTINUOUS, variance=1e-4)


def test_the_first_step_is_the_forecast(linear: LinearModel) -> None:
    rng = np.random.default_rng(training_seed(1))
    start, actions = rng.normal(size=(4, 6)), rng.normal(size=(4, 3, 2))
    # the encoder's uncertainty, which a forecast leaves out
    linear.model.model.posterior_noise.network.last.bias.data.fill_(-9)
    result = linear.model.intervene(actions, start, n_samples=4000, seed=training_seed(2))
    assert result.observations.shape == (4000, 4, 3, 6)
    assert result.latents.shape == (4000, 4, 3, 3)
    forecast = linear.model.predict(actions[:, 0], start)
    deviation = forecast.standard_deviation
    assert np.abs((result.mean[:, 0] - forecast.mean) / deviation).max() < 6 / np.sqrt(4000)
    low, high = result.interval(0.8)
    expected_low, expected_high = forecast.interval(0.8)
    assert np.abs((low[:, 0] - expected_low) / deviation).max() < 0.2
    assert np.abs((high[:, 0] - expected_high) / deviation).max() < 0.2
    assert repr(result) == "Trajectories(4,000 samples of 4 rows, 3 steps, 6 observed)"


def test_later_steps_follow_from_earlier_ones(linear: LinearModel) -> None:
    rng = np.random.default_rng(training_seed(3))
    start, actions = rng.normal(size=(1, 6)), rng.normal(size=(1, 2, 2))
    result = linear.model.intervene(actions, start, n_samples=3000, seed=training_seed(4))
    clean = linear.observations(result.latents[:, 0, 0])
    means, variances = linear.latents(np.repeat(actions[:, 1], 3000, axis=0), clean)
    residual = (result.latents[:, 0, 1] - means) / np.sqrt(variances)
    assert np.abs(residual.mean(0)).max() < 6 / np.sqrt(3000)
    assert np.abs(residual.std(0) - 1).max() < 0.1


def test_the_steps_are_covered_in_their_order(linear: LinearModel) -> None:
    actions = np.array([[[1.0, 2.0], [30.0, 0.0]]])
    result = linear.model.intervene(actions, np.zeros((1, 6)), extrapolate=True, n_samples=2)
    assert result.coverage is not None
    assert result.coverage.in_range.tolist() == [[True, True], [False, True]]
    with pytest.raises(DataError, match=r"action 'push' is 30 in row 1; in training it was -9 to 9"):
        linear.model.intervene(actions, np.zeros((1, 6)))


def test_a_model_without_actions_needs_the_number_of_steps() -> None:
    model = linear_model(CausalGraph(Gz=np.eye(2)), np.zeros((1, 0))).model
    result = model.intervene(None, np.zeros((2, 6)), n_steps=5, n_samples=3)
    assert result.observations.shape == (3, 2, 5, 6)
    assert result.coverage is None
    with pytest.raises(
        DataError, match=r"n_steps is missing; a model without actions needs the number of steps"
    ):
        model.intervene(None, np.zeros((2, 6)))
    with pytest.raises(DataError, match=r"there are 0 steps; give at least 1"):
        model.intervene(None, np.zeros((2, 6)), n_steps=0)
    with pytest.raises(DataError, match=r"actions were given, and this model was trained without actions"):
        model.intervene(np.zeros((2, 5, 1)), np.zeros((2, 6)))


def test_wrong_requests_are_refused(linear: LinearModel) -> None:
    actions = np.zeros((2, 3, 2))
    with pytest.raises(
        DataError, match=r"n_steps is 3, and the actions give the number of steps; leave it out"
    ):
        linear.model.intervene(actions, np.zeros((2, 6)), n_steps=3)
    with pytest.raises(DataError, match=r"start has shape \(3, 6\); this needs \(2, 6\)"):
        linear.model.intervene(actions, np.zeros((3, 6)))
    with pytest.raises(DataError, match=r"actions have shape \(2, 2\); this needs \(N, T, m\), m = 2"):
        linear.model.intervene(np.zeros((2, 2)), np.zeros((2, 6)))
    with pytest.raises(DataError, match=r"actions have 0 steps; give at least 1"):
        linear.model.intervene(np.zeros((2, 0, 2)), np.zeros((2, 6)))
    with pytest.raises(
        DataError, match=r"observations have one step, so that no action leads to it; leave the act"
    ):
        linear.model.impute(np.zeros((2, 6)), np.zeros((2, 2)))
    with pytest.raises(
        DataError, match=r"past is missing; this model needs the observations of the step before"
    ):
        linear.model.predict(np.zeros((2, 2)))
