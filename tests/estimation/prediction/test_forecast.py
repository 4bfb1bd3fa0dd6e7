"""Forecasts against closed forms: a linear decoder makes p(x | a) a Gaussian."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from estimation.exceptions import DataError
from estimation.prediction.forecast import normal_points
from identify.graph import CausalGraph
from tests.estimation.prediction.linear_models import LinearModel, linear_model
from tests.seeds import training_seed

GRAPH = CausalGraph(Ga=[[1, 0], [1, 1], [0, 1]], actions=["push", "pull"])
# more values than a discrete action has
CONTINUOUS = np.linspace([-9.0, -9.0], [9.0, 9.0], 60)
WITH_PAST = CausalGraph(Gz=np.eye(3), Ga=[[1, 0], [1, 1], [0, 1]], actions=["push", "pull"])


@pytest.fixture(scope="module")
def actions() -> np.ndarray:
    return np.random.default_rng(training_seed(3)).normal(size=(7, 2))


@pytest.fixture(scope="module")
def linear() -> LinearModel:
    return linear_model(GRAPH, CONTINUOUS)


def test_moments_are_those_of_the_gaussian(linear: LinearModel, actions: np.ndarray) -> None:
    forecast = linear.model.predict(actions, n_samples=4096)
    means, variances = linear.latents(actions)
    expected = linear.observations(means)
    deviation = np.sqrt([np.diag(linear.covariance(row)) for row in variances])
    assert np.abs((forecast.mean - expected) / deviation).max() < 0.02
    assert np.abs(forecast.standard_deviation / deviation - 1).max() < 0.02
    assert np.allclose(forecast.latent_mean, means, atol=1e-6)
    assert np.allclose(forecast.latent_standard_deviation**2, variances, rtol=1e-5)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_are_the_quantiles(linear: LinearModel, actions: np.ndarray, level: float) -> None:
    low, high = linear.model.predict(actions, n_samples=8192).interval(level)
    means, variances = linear.latents(actions)
    deviation = np.sqrt([np.diag(linear.covariance(row)) for row in variances])
    half_width = norm.ppf((1 + level) / 2) * deviation
    assert np.abs((low - linear.observations(means) + half_width) / deviation).max() < 0.1
    assert np.abs((high - linear.observations(means) - half_width) / deviation).max() < 0.1


def test_the_log_density_is_that_of_the_gaussian(linear: LinearModel, actions: np.ndarray) -> None:
    observations = linear.model.sample(actions, seed=training_seed(5))[0]
    means, variances = linear.latents(actions)
    expected = [
        multivariate_normal(mean, linear.covariance(row)).logpdf(x)
        for mean, row, x in zip(linear.observations(means), variances, observations, strict=True)
    ]
    assert np.allclose(linear.model.predict(actions).log_density(observations), expected, atol=0.1)


def test_the_log_density_of_some_entries_leaves_out_the_others(
    linear: LinearModel, actions: np.ndarray
) -> None:
    observations = linear.model.sample(actions, seed=training_seed(5))[0]
    kept = [0, 2, 5]
    observations[:, [1, 3, 4]] = np.nan
    means, variances = linear.latents(actions)
    expected = [
        multivariate_normal(mean[kept], linear.covariance(row)[np.ix_(kept, kept)]).logpdf(x[kept])
        for mean, row, x in zip(linear.observations(means), variances, observations, strict=True)
    ]
    assert np.allclose(linear.model.predict(actions).log_density(observations), expected, atol=0.1)


def test_samples_have_the_moments_of_the_gaussian(linear: LinearModel, actions: np.ndarray) -> None:
    samples = linear.model.sample(actions, n_samples=20_000, seed=training_seed(6))
    means, variances = linear.latents(actions)
    for row in range(len(actions)):
        covariance = linear.covariance(variances[row])
        deviation = np.sqrt(np.diag(covariance))
        error = (samples[:, row].mean(0) - linear.observations(means)[row]) / deviation
        assert np.abs(error).max() < 5 / np.sqrt(20_000)
        difference = (np.cov(samples[:, row].T) - covariance) / np.outer(deviation, deviation)
        assert np.abs(difference).max() < 8 / np.sqrt(20_000)


def test_the_same_seed_gives_the_same_numbers_and_another_one_does_not(
    linear: LinearModel, actions: np.ndarray
) -> None:
    first, same, other = (linear.model.sample(actions, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    state = torch.random.get_rng_state()
    linear.model.predict(actions).interval()
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_past_is_encoded_and_carried_on(actions: np.ndarray) -> None:
    linear = linear_model(WITH_PAST, CONTINUOUS)
    past = np.random.default_rng(training_seed(8)).normal(size=(len(actions), 6))
    forecast = linear.model.predict(actions, past, extrapolate=True, n_samples=2048)
    means, variances = linear.latents(actions, past)
    deviation = np.sqrt([np.diag(linear.covariance(row)) for row in variances])
    assert np.abs((forecast.mean - linear.observations(means)) / deviation).max() < 0.03
    # one row of either stands for all rows of the other
    assert np.allclose(
        linear.model.predict(actions[:1], past, extrapolate=True).latent_mean[0], means[0], atol=1e-5
    )
    assert len(linear.model.predict(actions[:1], past, extrapolate=True)) == len(past)
    assert len(linear.model.predict(actions, past[:1], extrapolate=True)) == len(actions)


def test_quasi_random_points_are_finite_for_any_number() -> None:
    for n_points in (1, 3, 1000):
        points = normal_points(n_points, 2, training_seed(1))
        assert points.shape == (n_points, 2)
        assert bool(torch.isfinite(points).all())


def test_wrong_requests_are_refused(linear: LinearModel, actions: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"level is 1.0; it must be between 0 and 1, like 0.9"):
        linear.model.predict(actions).interval(1.0)
    with pytest.raises(DataError, match=r"n_samples is 0; it must be at least 1"):
        linear.model.predict(actions, n_samples=0)
    with pytest.raises(DataError, match=r"n_samples is 0; it must be at least 1"):
        linear.model.predict(actions).sample(0)
    with pytest.raises(DataError, match=r"observations have shape \(1, 6\); this forecast needs \(7, 6\)"):
        linear.model.predict(actions).log_density(np.zeros((1, 6)))
    with pytest.raises(DataError, match=r"past was given, and this model was trained without a past"):
        linear.model.predict(actions, past=np.zeros((7, 6)))
    with pytest.raises(DataError, match=r"actions are missing; the model was trained on push, pull"):
        linear.model.predict()
