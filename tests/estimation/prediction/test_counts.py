"""Counts: entries filled and log-probabilities against quadrature, and samples against their own likelihood."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from estimation.config import TrainingConfig
from estimation.exceptions import DataError
from estimation.history import History
from estimation.models.counts import CountProfile
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.entries import entries_of
from estimation.prediction.seen_actions import SeenActions
from estimation.trained import TrainedModel
from tests.estimation.fakes import Map
from tests.estimation.prediction.linear_models import gaussian_marginals
from tests.seeds import training_seed

Array = NDArray[np.float64]

KINDS = ("poisson", "negative_binomial", "zero_inflated_negative_binomial")
# logarithms of rates are slopes times the latent, so that the second column tells the sign of the latent, the third
# its size
SLOPES = np.array([0.2, 1.2, -0.8])
SHARE, SIZE = np.array([0.5, 0.3, 0.2]), 40.0
MEAN, DEVIATION = 0.3, 0.9
GRID = np.linspace(-8, 8, 8001)


def count_model(kind: str) -> TrainedModel:
    """Return a model with one latent, one action without any effect, and a linear decoder of three columns."""
    slopes = torch.tensor(SLOPES, dtype=torch.float32)
    network = SparseVAE(
        Shape(3, 1, 1, past=False),
        TrainingConfig(sparsity="none", transition_width=8, likelihood=kind, seed=training_seed()),
        torch.Generator().manual_seed(training_seed()),
        encoder=Map(lambda x: x[:, 1:2] - x[:, 2:3]),
        decoder=Map(lambda z: z * slopes.to(z)),
    )
    profile = CountProfile(torch.tensor(SHARE, dtype=torch.float32), SIZE, torch.full((3,), np.log(4.0)))
    network.counts.set_profile_(profile, torch.zeros(3), torch.ones(3))
    settings = TrainingConfig(sparsity="none", likelihood=kind, seed=training_seed())
    return TrainedModel(
        network.eval(),
        settings,
        History(),
        ("a0",),
        seen_actions=SeenActions.of(np.linspace(-2, 2, 50)[:, None], np.ones((1, 1), dtype=bool)),
        latent_marginals=gaussian_marginals(np.array([MEAN]), np.array([[DEVIATION**2]])),
    )


def log_likelihoods(model: TrainedModel, row: Array) -> Array:
    """Return log p(observed entries of a row | z) for every z of the grid."""
    decoded = torch.tensor(GRID[:, None] * SLOPES)
    given = torch.tensor(np.repeat(row[None], len(GRID), axis=0))
    with torch.no_grad():
        return np.asarray(model.model.counts.log_prob(decoded, given).sum(1).numpy())


def normal(mean: float, deviation: float) -> Array:
    density = np.exp(-0.5 * ((GRID - mean) / deviation) ** 2)
    return np.asarray(density / np.trapezoid(density, GRID))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", [[9.0, np.nan, 11.0], [30.0, 2.0, np.nan], [np.nan, 60.0, 1.0]])
def test_filled_counts_are_those_of_quadrature(kind: str, row: list[float]) -> None:
    model, given = count_model(kind), np.array(row)
    result = model.impute(given[None], n_samples=8192, seed=training_seed(1))
    posterior = normal(MEAN, DEVIATION) * np.exp(log_likelihoods(model, given))
    posterior /= np.trapezoid(posterior, GRID)
    counts, lost = model.model.counts, np.isnan(given)
    with torch.no_grad():
        decoded, rows = torch.tensor(GRID[:, None] * SLOPES), torch.tensor(np.tile(given, (len(GRID), 1)))
        means = counts.mean(decoded, rows).numpy()[:, lost][:, 0]
        within = counts.variance(decoded, rows).numpy()[:, lost][:, 0]
    mean = np.trapezoid(posterior * means, GRID)
    deviation = np.sqrt(np.trapezoid(posterior * (within + (means - mean) ** 2), GRID))
    assert abs(result.observations[0, lost][0] - mean) < 0.08 * deviation
    assert result.low[0, lost][0] <= mean <= result.high[0, lost][0]
    assert result.low[0, lost][0] == np.floor(result.low[0, lost][0])
    expected = np.trapezoid(posterior * GRID, GRID)
    spread = np.sqrt(np.trapezoid(posterior * (GRID - expected) ** 2, GRID))
    assert abs(result.latents[0, 0] - expected) < 0.08 * spread
    np.testing.assert_array_equal(result.observations[0, ~lost], given[~lost])


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_those_of_quadrature(kind: str) -> None:
    model = count_model(kind)
    forecast = model.predict([[0.5]] * 3, seed=training_seed(2))
    rows = np.array([[20.0, 12.0, 8.0], [3.0, np.nan, 9.0], [1.0, 55.0, 0.0]])
    prior = normal(forecast.latent_mean[0, 0], forecast.latent_standard_deviation[0, 0])
    exact = [np.log(np.trapezoid(prior * np.exp(log_likelihoods(model, row)), GRID)) for row in rows]
    np.testing.assert_allclose(forecast.log_density(rows), exact, atol=0.06)


@pytest.mark.parametrize("kind", KINDS)
def test_score_and_information_are_derivatives(kind: str) -> None:
    model = count_model(kind).model
    rng = np.random.default_rng(training_seed(3))
    observed = torch.tensor(np.where(rng.random((4, 3)) < 0.2, np.nan, rng.poisson(9, (4, 3))))
    observed[:, 0] = 7
    entries, rows = entries_of(model, observed[:, None]), torch.tensor([2, 0, 0, 3, 1])
    decoded = torch.tensor(rng.normal(size=(5, 3)) / 2, requires_grad=True)
    score, information = entries.score_and_information(decoded, rows)
    (exact,) = torch.autograd.grad(entries.log_prob(decoded, rows).sum(), decoded)
    torch.testing.assert_close(score, exact)
    assert (information >= 0).all()
    assert not information[torch.isnan(observed[rows])].any()


def test_a_row_without_any_entry_is_a_median_row_of_the_prior() -> None:
    model = count_model("poisson")
    result = model.impute(np.full((1, 3), np.nan), n_samples=8192, seed=training_seed(4))
    growth = np.exp(MEAN * SLOPES + (DEVIATION * SLOPES) ** 2 / 2)
    np.testing.assert_allclose(result.observations[0], SHARE * SIZE * growth, rtol=0.05)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0, -2.0, np.nan], r"observation 1 of row 0 is -2, negative; likelihood='poisson' needs counts"),
        (
            [1.0, 0.5, np.nan],
            r"observation 1 of row 0 is 0.5, not a whole number; likelihood='poisson' needs counts",
        ),
        ([0.0, 0.0, np.nan], r"row 0 has no counts: all of its observations are 0 or missing"),
    ],
)
def test_rows_that_are_no_counts_are_refused(row: list[float], message: str) -> None:
    model = count_model("poisson")
    with pytest.raises(DataError, match=message):
        model.impute([row])
    with pytest.raises(DataError, match=message):
        model.predict([[0.5]]).log_density([row])
