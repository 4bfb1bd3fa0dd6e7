"""Predictions where observations are read through arcsinh, against closed forms.

With a linear decoder y = arcsinh((x - m) / s) is Gaussian, so that means, standard deviations, quantiles and densities
of x are known.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from estimation.dataset.centring import Centring
from estimation.learned.derivatives import _Conversion
from estimation.results.combinations import changes_in_deviations
from identify.graph import CausalGraph
from tests.estimation.prediction.linear_models import LinearModel, gaussian_marginals, linear_model
from tests.seeds import training_seed

GRAPH = CausalGraph(Ga=[[1, 0], [1, 1], [0, 1]], actions=["push", "pull"])
CONTINUOUS = np.linspace([-9.0, -9.0], [9.0, 9.0], 60)
CENTRING = Centring(np.linspace(-5, 5, 6), np.geomspace(0.1, 10, 6), is_arcsinh=True)
MEAN, COVARIANCE = np.array([0.3, -0.5, 0.0]), np.array([[0.4, 0.2, 0.0], [0.2, 0.5, -0.1], [0.0, -0.1, 0.3]])


@pytest.fixture(scope="module")
def actions() -> np.ndarray:
    return np.random.default_rng(training_seed(3)).normal(size=(7, 2))


@pytest.fixture(scope="module")
def linear() -> LinearModel:
    """Return a linear model that reads observations through arcsinh; its scales are small, as those of arcsinh are."""
    result = linear_model(GRAPH, CONTINUOUS)
    network = result.model.model
    network.x_scale.mul_(0.2)
    network.x_centring = CENTRING
    model = replace(result.model, latent_marginals=gaussian_marginals(MEAN, COVARIANCE))
    return replace(result, model=model, scale=result.scale * 0.2)


def normal(linear: LinearModel, actions: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return means and covariances of the transformed observations."""
    means, variances = linear.latents(actions)
    return linear.observations(means), [linear.covariance(row) for row in variances]


def test_moments_are_those_of_a_transformed_gaussian(linear: LinearModel, actions: np.ndarray) -> None:
    means, covariances = normal(linear, actions)
    variances = np.array([np.diag(covariance) for covariance in covariances])
    expected = CENTRING.shift + CENTRING.unit * np.exp(variances / 2) * np.sinh(means)
    squares = (np.exp(2 * variances) * np.cosh(2 * means) - 1) / 2
    deviation = np.sqrt(CENTRING.unit**2 * squares - (expected - CENTRING.shift) ** 2)
    forecast = linear.model.predict(actions, n_samples=8192)
    assert np.abs((forecast.mean - expected) / deviation).max() < 0.05
    assert np.abs(forecast.standard_deviation / deviation - 1).max() < 0.15


def test_intervals_are_transformed_quantiles(linear: LinearModel, actions: np.ndarray) -> None:
    means, covariances = normal(linear, actions)
    deviation = np.sqrt([np.diag(covariance) for covariance in covariances])
    low, high = (CENTRING.apply(end) for end in linear.model.predict(actions, n_samples=8192).interval(0.9))
    half_width = norm.ppf(0.95) * deviation
    assert np.abs((low - means + half_width) / deviation).max() < 0.1
    assert np.abs((high - means - half_width) / deviation).max() < 0.1


@pytest.mark.parametrize("missing", [[], [1, 4]])
def test_the_log_density_has_the_jacobian_of_the_transform(
    linear: LinearModel, actions: np.ndarray, missing: list[int]
) -> None:
    observations = linear.model.sample(actions, seed=training_seed(5))[0]
    observations[:, missing] = np.nan
    kept = np.setdiff1d(np.arange(6), missing)
    means, covariances = normal(linear, actions)
    expected = []
    for mean, covariance, x in zip(means, covariances, observations, strict=True):
        y = CENTRING.apply(x)[kept]
        # dy/dx = 1 / sqrt((x - m)^2 + s^2)
        slopes = -0.5 * np.log((x - CENTRING.shift) ** 2 + CENTRING.unit**2)[kept]
        gaussian = multivariate_normal(mean[kept], covariance[np.ix_(kept, kept)])
        expected.append(gaussian.logpdf(y) + slopes.sum())
    assert np.allclose(linear.model.predict(actions).log_density(observations), expected, atol=0.1)


def test_samples_are_transformed_gaussians(linear: LinearModel, actions: np.ndarray) -> None:
    samples = CENTRING.apply(linear.model.sample(actions, n_samples=20_000, seed=training_seed(6)))
    means, covariances = normal(linear, actions)
    for row in range(len(actions)):
        deviation = np.sqrt(np.diag(covariances[row]))
        assert np.abs((samples[:, row].mean(0) - means[row]) / deviation).max() < 5 / np.sqrt(20_000)
        difference = (np.cov(samples[:, row].T) - covariances[row]) / np.outer(deviation, deviation)
        assert np.abs(difference).max() < 8 / np.sqrt(20_000)


def test_missing_entries_are_conditional_means_of_transformed_gaussians(linear: LinearModel) -> None:
    actions = np.random.default_rng(training_seed(3)).normal(size=(40, 2))
    rows = linear.model.sample(actions, seed=training_seed(4))[0]
    rows[np.random.default_rng(training_seed(5)).random(rows.shape) < 0.4] = np.nan
    rows[0, :3] = np.nan
    result = linear.model.impute(rows, n_samples=8192)
    total, centre = linear.weight * linear.scale[:, None], linear.observations(MEAN)
    total = total @ COVARIANCE @ total.T + linear.variance * np.diag(linear.scale**2)
    known = ~np.isnan(rows)
    np.testing.assert_array_equal(result.observations[known], rows[known])
    for k, row in enumerate(CENTRING.apply(rows)):
        here, lost = known[k], ~known[k]
        if not lost.any():
            continue
        gain = total[np.ix_(lost, here)] @ np.linalg.pinv(total[np.ix_(here, here)])
        mean = centre[lost] + gain @ (row[here] - centre[here])
        variance = np.diag(total[np.ix_(lost, lost)] - gain @ total[np.ix_(here, lost)])
        expected = (CENTRING.shift[lost], CENTRING.unit[lost] * np.exp(variance / 2) * np.sinh(mean))
        slope = CENTRING.unit[lost] * np.cosh(mean) * np.sqrt(variance)
        assert np.abs((result.observations[k, lost] - expected[0] - expected[1]) / slope).max() < 0.2
        low, high = CENTRING.apply(result.low[k])[lost], CENTRING.apply(result.high[k])[lost]
        half_width = norm.ppf(0.95) * np.sqrt(variance)
        assert np.abs((low - mean + half_width) / np.sqrt(variance)).max() < 0.25
        assert np.abs((high - mean - half_width) / np.sqrt(variance)).max() < 0.25


def test_decoding_inverts_encoding(linear: LinearModel, actions: np.ndarray) -> None:
    latents, _ = linear.latents(actions)
    observations = linear.model.decode(latents)
    np.testing.assert_allclose(
        observations, CENTRING.undo(linear.observations(latents)), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(linear.model.encode(observations), latents, atol=1e-4)


def test_changes_are_in_deviations_of_transformed_columns(linear: LinearModel) -> None:
    values = np.random.default_rng(training_seed(2)).normal(size=(3, 6)) * 100
    expected = (CENTRING.apply(values) - CENTRING.apply(values[0])) / linear.scale
    np.testing.assert_allclose(changes_in_deviations(linear.model, values, values[0]), expected, rtol=1e-5)


@pytest.mark.parametrize("source", [None, CENTRING, Centring(np.arange(6.0), np.full(6, 2.0))])
@pytest.mark.parametrize("target", [None, CENTRING.of_columns([4, 1]), Centring(np.zeros(2), np.ones(2))])
def test_observations_are_converted_with_their_derivatives(
    source: Centring | None, target: Centring | None
) -> None:
    """Values of one model, in the units of another with two of its columns, against finite differences."""
    rng = np.random.default_rng(training_seed(4))
    values, jacobian = rng.normal(size=(5, 6)), rng.normal(size=(5, 6, 3))
    conversion = _Conversion(source, [4, 1], target)

    def convert(x: np.ndarray) -> np.ndarray:
        users = (x if source is None else source.undo(x))[:, [4, 1]]
        return users if target is None else target.apply(users)

    converted, derivatives = conversion.apply(torch.from_numpy(values), torch.from_numpy(jacobian))
    np.testing.assert_allclose(converted.numpy(), convert(values), rtol=1e-12)
    step = 1e-6
    for j in range(3):
        moved = [convert(values + sign * step * jacobian[:, :, j]) for sign in (1, -1)]
        np.testing.assert_allclose(
            derivatives[:, :, j].numpy(), (moved[0] - moved[1]) / (2 * step), rtol=1e-4, atol=1e-7
        )
