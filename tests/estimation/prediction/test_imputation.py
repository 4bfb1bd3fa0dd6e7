"""Imputation against Gaussian conditioning, and the posterior sampler against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from estimation.exceptions import DataError
from estimation.prediction.laplace import GaussianPrior, posterior_samples
from identify.graph import CausalGraph
from tests.estimation.fakes import Map
from tests.estimation.prediction.linear_models import LinearModel, linear_model
from tests.seeds import training_seed

GRAPH = CausalGraph(Ga=[[1, 0], [1, 1], [0, 1]], actions=["push", "pull"])
RANGE = np.array([[-9.0, -9.0], [9.0, 9.0]])


@pytest.fixture(scope="module")
def linear() -> LinearModel:
    result = linear_model(GRAPH, RANGE)
    rng = np.random.default_rng(training_seed(2))
    latents = torch.tensor(rng.normal(size=(5000, 3)) @ rng.normal(size=(3, 3)) + 1, dtype=torch.float32)
    result.model.model.refinement.enable_(latents, 1)
    return result


def with_missing(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(training_seed(seed))
    return np.where(rng.random(rows.shape) < share, np.nan, rows)


def conditioned(
    linear: LinearModel, row: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the missing entries, for latents with this mean and covariance."""
    scaled = linear.weight * linear.scale[:, None]
    total = scaled @ covariance @ scaled.T + linear.variance * np.diag(linear.scale**2)
    centre = linear.observations(mean)
    known, lost = ~np.isnan(row), np.isnan(row)
    gain = total[np.ix_(lost, known)] @ np.linalg.inv(total[np.ix_(known, known)])
    rest = total[np.ix_(lost, lost)] - gain @ total[np.ix_(known, lost)]
    return centre[lost] + gain @ (row[known] - centre[known]), np.sqrt(np.diag(rest))


@pytest.mark.parametrize("given_actions", [False, True])
def test_entries_are_those_of_gaussian_conditioning(linear: LinearModel, given_actions: bool) -> None:
    actions = np.random.default_rng(training_seed(3)).normal(size=(40, 2))
    rows = with_missing(linear.model.sample(actions, seed=training_seed(4))[0], 0.4, 5)
    result = linear.model.impute(rows, actions if given_actions else None, n_samples=4096)
    network = linear.model.model
    means, variances = linear.latents(actions)
    for k, row in enumerate(rows):
        if not np.isnan(row).any():
            continue
        if given_actions:
            prior = (means[k], np.diag(variances[k]))
        else:
            precision = network.refinement.precision.double().numpy()
            prior = (network.refinement.centre.double().numpy(), np.linalg.inv(precision))
        mean, deviation = conditioned(linear, row, *prior)
        lost = np.isnan(row)
        assert np.abs((result.observations[k, lost] - mean) / deviation).max() < 0.15
        half_width = 1.645 * deviation
        assert np.abs((result.low[k, lost] - mean + half_width) / deviation).max() < 0.25
        assert np.abs((result.high[k, lost] - mean - half_width) / deviation).max() < 0.25
    known = ~np.isnan(rows)
    for part in (result.observations, result.low, result.high):
        assert np.array_equal(part[known], rows[known])
    assert np.array_equal(result.missing, ~known)
    assert repr(result).startswith(f"Imputation({int((~known).sum())} entries filled in 40 rows")


def test_intervals_hold_as_many_entries_as_stated(linear: LinearModel) -> None:
    actions = np.random.default_rng(training_seed(6)).normal(size=(1500, 2))
    rows = linear.model.sample(actions, seed=training_seed(7))[0]
    lost = with_missing(rows, 0.3, 8)
    result = linear.model.impute(lost, actions, level=0.8)
    inside = (rows >= result.low) & (rows <= result.high)
    assert abs(inside[result.missing].mean() - 0.8) < 0.04


def test_a_row_without_any_entry_is_filled_from_the_prior(linear: LinearModel) -> None:
    row = np.full((1, 6), np.nan)
    result = linear.model.impute(row, np.array([[0.3, -0.5]]), n_samples=4096)
    means, variances = linear.latents(np.array([[0.3, -0.5]]))
    deviation = np.sqrt(np.diag(linear.covariance(variances[0])))
    assert np.abs((result.observations[0] - linear.observations(means)[0]) / deviation).max() < 0.1


def test_a_step_of_a_sequence_is_filled_from_the_step_before() -> None:
    linear = linear_model(CausalGraph(Gz=np.eye(3)), np.zeros((1, 0)), variance=1e-6)
    network = linear.model.model
    network.refinement.enable_(
        torch.randn(2000, 3, generator=torch.Generator().manual_seed(training_seed())), 1
    )
    first = (
        np.random.default_rng(training_seed(1)).normal(size=(20, 3)) @ linear.weight.T * linear.scale
        + linear.mean
    )
    sequence = np.stack([first, np.full_like(first, np.nan)], axis=1)
    result = linear.model.impute(sequence, n_samples=4096)
    means, variances = linear.latents(np.zeros((20, 0)), first)
    deviation = np.sqrt([np.diag(linear.covariance(row)) for row in variances])
    assert np.abs((result.observations[:, 1] - linear.observations(means)) / deviation).max() < 0.15
    assert np.array_equal(result.observations[:, 0], first)


def test_the_sampler_agrees_with_quadrature_where_there_are_two_modes() -> None:
    # x = u^2 + noise has one mode on each side
    x, variance = torch.full((1, 1), 1.0), torch.tensor(0.04)
    prior = GaussianPrior(torch.full((1, 1), 0.2), torch.full((1, 1, 1), 0.5))
    starts = torch.tensor([[[2.0]], [[-2.0]], [[0.1]]])
    posterior = posterior_samples(
        Map(lambda u: u**2),
        x,
        torch.ones(1, 1, dtype=torch.bool),
        variance,
        prior,
        starts,
        8192,
        torch.Generator().manual_seed(training_seed()),
    )
    grid = np.linspace(-4, 4, 20_001)
    density = np.exp(-((grid**2 - 1) ** 2) / 0.08 - 0.25 * (grid - 0.2) ** 2)
    density *= 1 / np.sqrt(2 * np.pi * 0.04) * np.sqrt(0.5 / (2 * np.pi))
    evidence = np.trapezoid(density, grid)
    positive = np.trapezoid(np.where(grid > 0, density, 0), grid) / evidence
    weights = posterior.log_weights.exp()[:, 0]
    assert abs(float(posterior.log_evidence[0]) - np.log(evidence)) < 0.05
    assert abs(float(weights[posterior.samples[:, 0, 0] > 0].sum()) - positive) < 0.05
    assert float(weights.sum()) == pytest.approx(1)
    assert 100 < float(posterior.effective_size[0]) <= 8192


def test_wrong_requests_are_refused(linear: LinearModel) -> None:
    with pytest.raises(
        DataError, match=r"observations\[0, 1\] is inf; every entry must be a finite number, or NaN wh"
    ):
        linear.model.impute([[0.0, np.inf, 0, 0, 0, 0]])
    with pytest.raises(DataError, match=r"the data have 5 observed dimensions; the model was trained on 6"):
        linear.model.impute(np.zeros((2, 5)))
    with pytest.raises(
        DataError, match=r"observations have 2 steps, and this model was trained without a past; give"
    ):
        linear.model.impute(np.zeros((3, 2, 6)))
    with pytest.raises(
        DataError, match=r"actions have shape \(2, 2\); for these observations they must be \(3, 2\)"
    ):
        linear.model.impute(np.zeros((3, 6)), np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"level is 0; it must be between 0 and 1"):
        linear.model.impute(np.zeros((3, 6)), level=0)
    unrefined = linear_model(GRAPH, RANGE)
    with pytest.raises(
        DataError, match=r"was trained without refinement of its encodings .* give the actions"
    ):
        unrefined.model.impute(np.zeros((3, 6)))
