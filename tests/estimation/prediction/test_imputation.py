"""Imputation against Gaussian conditioning, and the posterior sampler against quadrature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from estimation.exceptions import DataError
from estimation.models.networks import WithLinearInput
from estimation.prediction.entries import entries_of
from estimation.prediction.generation import Generation
from estimation.prediction.laplace import posteriors
from estimation.prediction.latent_marginals import LATENT_MARGINALS, LatentMarginals
from estimation.storage.schema import check
from identify.graph import CausalGraph
from tests.estimation.fakes import Map
from tests.estimation.prediction.linear_models import LinearModel, gaussian_marginals, linear_model
from tests.seeds import training_seed

GRAPH = CausalGraph(Ga=[[1, 0], [1, 1], [0, 1]], actions=["push", "pull"])
RANGE = np.array([[-9.0, -9.0], [9.0, 9.0]])


MEAN = np.array([1.0, -0.5, 0.0])
COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 2.0, -0.3], [0.0, -0.3, 0.5]])


@pytest.fixture(scope="module")
def linear() -> LinearModel:
    result = linear_model(GRAPH, RANGE)
    return replace(result, model=replace(result.model, latent_marginals=gaussian_marginals(MEAN, COVARIANCE)))


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
    means, variances = linear.latents(actions)
    for k, row in enumerate(rows):
        if not np.isnan(row).any():
            continue
        prior = (means[k], np.diag(variances[k])) if given_actions else (MEAN, COVARIANCE)
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
    model = replace(linear.model, latent_marginals=gaussian_marginals(np.zeros(3), np.eye(3)))
    first = (
        np.random.default_rng(training_seed(1)).normal(size=(20, 3)) @ linear.weight.T * linear.scale
        + linear.mean
    )
    sequence = np.stack([first, np.full_like(first, np.nan)], axis=1)
    result = model.impute(sequence, n_samples=4096)
    means, variances = linear.latents(np.zeros((20, 0)), first)
    deviation = np.sqrt([np.diag(linear.covariance(row)) for row in variances])
    assert np.abs((result.observations[:, 1] - linear.observations(means)) / deviation).max() < 0.15
    assert np.array_equal(result.observations[:, 0], first)


def test_the_sampler_agrees_with_quadrature_where_there_are_two_modes() -> None:
    # x = u^2 + noise has one mode on each side
    base = linear_model(CausalGraph(Ga=[[1]]), np.linspace(-9, 9, 60)[:, None], n_observed=1, variance=0.04)
    network = base.model.model
    network.decoder = WithLinearInput(Map(lambda u: u**2), 1)
    generation = Generation(network, gaussian_marginals(np.array([0.2]), np.array([[2.0]])))
    with torch.no_grad():
        (posterior,) = posteriors(
            generation,
            entries_of(network, torch.full((1, 1, 1), 1.0)),
            torch.tensor([[[1.5]], [[-1.5]], [[0.1]]]),
            8192,
            torch.Generator().manual_seed(training_seed()),
        )
    latents = posterior.latents[:, 0, 0, 0]
    grid = np.linspace(-4, 4, 20_001)
    density = np.exp(-((grid**2 - 1) ** 2) / 0.08 - 0.25 * (grid - 0.2) ** 2)
    density *= 1 / np.sqrt(2 * np.pi * 0.04) * np.sqrt(0.5 / (2 * np.pi))
    evidence = np.trapezoid(density, grid)
    positive = np.trapezoid(np.where(grid > 0, density, 0), grid) / evidence
    weights = posterior.log_weights.exp()[:, 0]
    assert abs(float(posterior.log_evidence[0]) - np.log(evidence)) < 0.05
    assert abs(float(weights[latents > 0].sum()) - positive) < 0.05
    assert float(weights.sum()) == pytest.approx(1)
    assert 100 < float(posterior.effective_size[0]) <= 8192


def test_a_prior_that_is_not_gaussian_agrees_with_quadrature() -> None:
    """Near both ends of [-1, 1], as an action that acts by a sine leaves a latent."""
    rng = np.random.default_rng(training_seed(4))
    latents = np.sin(rng.uniform(-np.pi, np.pi, size=(20_000, 1)))
    base = linear_model(CausalGraph(Ga=[[1]]), np.linspace(-9, 9, 60)[:, None], n_observed=2, variance=0.5)
    model = replace(base.model, latent_marginals=LatentMarginals.of(latents))
    row = base.observations(np.array([[0.3]]))
    row[0, 1] = np.nan
    result = model.impute(row, n_samples=8192)
    standardised = (row[0, 0] - base.mean[0]) / base.scale[0]
    weights = np.exp(-((standardised - base.weight[0, 0] * latents[:, 0]) ** 2) / (2 * base.variance))
    expected = base.observations(np.array([[np.average(latents[:, 0], weights=weights)]]))[0, 1]
    deviation = base.scale[1] * np.sqrt(base.variance)
    assert abs(result.observations[0, 1] - expected) < 0.1 * deviation


def test_marginals_invert_and_are_stored() -> None:
    rng = np.random.default_rng(training_seed(5))
    rows = np.stack([np.sin(rng.uniform(-3, 3, 4000)), rng.normal(size=4000), np.full(4000, 2.0)], axis=1)
    marginals = LatentMarginals.of(rows)
    scores = rng.uniform(-2.5, 2.5, size=(50, 3))
    values, slopes = marginals.values(scores)
    assert (slopes > 0).all()
    assert np.abs(marginals.scores(values) - scores)[:, :2].max() < 0.2
    content = marginals.to_dict()
    check(content, LATENT_MARGINALS)
    again = LatentMarginals.from_dict(content, 3)
    assert np.array_equal(again.values(scores)[0], values)
    with pytest.raises(DataError, match=r"latent_marginals.quantiles doesn't have 2 rows of 33 numbers"):
        LatentMarginals.from_dict(content, 2)
    with pytest.raises(DataError, match=r"latent_marginals.quantiles has a row that doesn't ascend"):
        LatentMarginals.from_dict({**content, "quantiles": [row[::-1] for row in content["quantiles"]]}, 3)
    with pytest.raises(DataError, match=r"latent_marginals.correlations is not a positive definite matrix"):
        LatentMarginals.from_dict({**content, "correlations": np.ones((3, 3)).tolist()}, 3)


@pytest.mark.parametrize("noise", ["gaussian", "flow"])
@pytest.mark.parametrize("first", ["marginals", "actions"])
def test_the_jacobian_is_that_of_finite_differences(noise: str, first: str) -> None:
    graph = (
        CausalGraph(Gz=[[1, 1], [0, 1]], Ga=[[1, 0], [1, 1]])
        if first == "marginals"
        else CausalGraph(Ga=[[1, 0], [1, 1]])
    )
    base = linear_model(graph, np.linspace([-9.0, -9.0], [9.0, 9.0], 60), n_observed=4)
    network, generator = base.model.model.double(), torch.Generator().manual_seed(training_seed())
    network.flow.activate_()
    with torch.no_grad():
        for parameter in network.flow.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    actions = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    if noise == "flow":
        network.add_noise_(base.model.config, generator)
        network.noise.activate_()
        with torch.no_grad():
            # the shape of the noise must not depend on the latents: the Jacobian leaves this out
            network.noise.shift.normal_(0, 0.5, generator=generator)
    with torch.no_grad():
        if first == "marginals":
            rows = np.random.default_rng(training_seed(9)).normal(size=(4000, 2)) ** 3
            generation = Generation(network, LatentMarginals.of(rows), [actions, actions])
        else:
            generation = Generation(network, network.transition(None, actions))
        w = torch.randn(5, generation.n_coordinates, generator=generator, dtype=torch.float64)
        values, jacobian = generation.with_jacobian(w, torch.arange(5))
        assert torch.allclose(values, generation.evaluate(w[None])[1][0])
        step = 1e-5
        for k in range(w.shape[1]):
            shift = torch.zeros_like(w)
            shift[:, k] = step
            above, below = (generation.evaluate((w + sign * shift)[None])[1][0] for sign in (1, -1))
            slope = (above - below) / (2 * step)
            assert torch.allclose(jacobian[..., k], slope, rtol=1e-3, atol=1e-3 * float(slope.abs().max()))


def test_both_steps_of_a_sequence_are_filled_together() -> None:
    """The Gaussian case: two steps with a linear transition can't be had from a random network, so by moments."""
    linear = linear_model(CausalGraph(Gz=np.eye(3)), np.zeros((1, 0)), variance=1e-4)
    model = replace(linear.model, latent_marginals=gaussian_marginals(np.zeros(3), np.eye(3)))
    with torch.no_grad():
        linear.model.model.log_variance_z.fill_(-9)
    rng = np.random.default_rng(training_seed(1))
    first = linear.observations(rng.normal(size=(30, 3)))
    second = linear.observations(linear.latents(np.zeros((30, 0)), first)[0])
    sequence = np.stack([first, second], axis=1)
    lost = sequence.copy()
    # two entries of the first step leave a direction of its latents open, which the second step determines
    lost[:, 0, 2:] = np.nan
    alone = model.impute(lost[:, :1])
    together = model.impute(lost)
    errors = [np.sqrt(np.median((part.observations[:, 0] - first) ** 2)) for part in (alone, together)]
    assert errors[1] < 0.5 * errors[0]


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
    old = replace(linear.model, latent_marginals=None)
    with pytest.raises(
        DataError, match=r"which didn't store the distribution of its latents; train it again, or give"
    ):
        old.impute(np.zeros((3, 6)))
