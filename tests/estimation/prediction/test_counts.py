"""Counts: filled entries and log-probabilities against quadrature and against rows whose truth is known."""

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
# logarithms of rates are slopes times the latent, up to what makes rates sum to those of the average row
SLOPES = np.array([0.2, 1.2, -0.8])
SHARE, SIZE, DISPERSION = np.array([0.5, 0.3, 0.2]), 40.0, 4.0
MEAN, DEVIATION, SIZE_DEVIATION = 0.3, 0.9, 0.4
GRID, SIZES = np.linspace(-5, 5, 501), np.linspace(-2.4, 2.4, 241)


def decoded(latents: Array, slopes: Array = SLOPES, share: Array = SHARE) -> Array:
    """Return logarithms of rates relative to the average row, shape (N, d_x)."""
    raw = latents[:, None] * slopes
    return np.asarray(raw - np.log((share * np.exp(raw)).sum(1, keepdims=True)))


def count_model(
    kind: str, slopes: Array = SLOPES, share: Array = SHARE, size: float = SIZE, knows_sizes: bool = True
) -> TrainedModel:
    """Return a model with one latent, and one action without any effect."""
    s, p = (torch.tensor(values, dtype=torch.float32) for values in (slopes, share))
    network = SparseVAE(
        Shape(len(share), 1, 1, past=False),
        TrainingConfig(sparsity="none", transition_width=8, likelihood=kind, seed=training_seed()),
        torch.Generator().manual_seed(training_seed()),
        encoder=Map(lambda x: x[:, 1:2] - x[:, 2:3]),
        decoder=Map(lambda z: z * s.to(z) - (p.to(z) * (z * s.to(z)).exp()).sum(1, keepdim=True).log()),
    )
    dispersion = torch.full((len(share),), np.log(DISPERSION))
    network.counts.set_profile_(
        CountProfile(p, size, dispersion, SIZE_DEVIATION), torch.zeros(len(share)), torch.ones(len(share))
    )
    if not knows_sizes:
        # what loading a model of an earlier version does
        network.adapt_to_(
            {name: t for name, t in network.state_dict().items() if name != "counts.size_deviation"}
        )
    settings = TrainingConfig(sparsity="none", likelihood=kind, seed=training_seed())
    return TrainedModel(
        network.eval(),
        settings,
        History(),
        ("a0",),
        seen_actions=SeenActions.of(np.linspace(-2, 2, 50)[:, None], np.ones((1, 1), dtype=bool)),
        latent_marginals=gaussian_marginals(np.array([MEAN]), np.array([[DEVIATION**2]])),
    )


def normal(grid: Array, mean: float, deviation: float) -> Array:
    density = np.exp(-0.5 * ((grid - mean) / deviation) ** 2)
    return np.asarray(density / density.sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", [[9.0, np.nan, 11.0], [30.0, 2.0, np.nan], [np.nan, 60.0, 1.0]])
def test_filled_counts_are_those_of_quadrature(kind: str, row: list[float]) -> None:
    """Over the latent, and over the logarithm of the size, which the observed entries tell only together."""
    model, given = count_model(kind), np.array(row)
    result = model.impute(given[None], n_samples=8192, seed=training_seed(1))
    counts, lost = model.model.counts, np.isnan(given)
    outputs = decoded(GRID)[:, None] + SIZES[None, :, None]
    with torch.no_grad():
        likelihood = counts.log_prob(torch.tensor(outputs), torch.tensor(given), 1.0).sum(-1).exp().numpy()
        means = counts.median_row(torch.tensor(outputs)).numpy()[..., lost][..., 0]
        within = counts.median_row_variance(torch.tensor(outputs)).numpy()[..., lost][..., 0]
    prior = normal(GRID, MEAN, DEVIATION)[:, None] * normal(SIZES, 0, SIZE_DEVIATION)
    posterior = prior * likelihood / (prior * likelihood).sum()
    mean = (posterior * means).sum()
    deviation = np.sqrt((posterior * (within + (means - mean) ** 2)).sum())
    assert abs(result.observations[0, lost][0] - mean) < 0.1 * deviation
    assert result.low[0, lost][0] <= mean <= result.high[0, lost][0]
    assert result.low[0, lost][0] == np.floor(result.low[0, lost][0])
    expected = (posterior * GRID[:, None]).sum()
    spread = np.sqrt((posterior * (GRID[:, None] - expected) ** 2).sum())
    assert abs(result.latents[0, 0] - expected) < 0.1 * spread
    np.testing.assert_array_equal(result.observations[0, ~lost], given[~lost])


@pytest.mark.parametrize("size", [200.0, 5000.0])
def test_intervals_hold_what_they_state_where_half_of_the_columns_are_lost(size: float) -> None:
    rng = np.random.default_rng(training_seed(5))
    slopes, share = rng.normal(size=12), rng.dirichlet(np.full(12, 5.0))
    latents = MEAN + DEVIATION * rng.normal(size=300)
    sizes = size * np.exp(SIZE_DEVIATION * rng.normal(size=300))
    rows = rng.poisson(sizes[:, None] * share * np.exp(decoded(latents, slopes, share))).astype(float)
    lost = np.zeros(rows.shape, dtype=bool)
    lost[:, :6] = True
    result = count_model("poisson", slopes, share, size).impute(
        np.where(lost, np.nan, rows), level=0.9, seed=training_seed(6)
    )
    inside = (rows >= result.low) & (rows <= result.high)
    assert inside[lost].mean() > 0.86
    assert np.corrcoef(result.latents[:, 0], latents)[0, 1] > 0.95
    assert 0.85 < np.polyfit(latents, result.latents[:, 0], 1)[0] < 1.1


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_those_of_quadrature(kind: str) -> None:
    model = count_model(kind)
    forecast = model.predict([[0.5]] * 2, seed=training_seed(2))
    rows = np.array([[20.0, 12.0, 8.0], [1.0, 55.0, 0.0]])
    prior = normal(GRID, forecast.latent_mean[0, 0], forecast.latent_standard_deviation[0, 0])
    outputs = torch.tensor(decoded(GRID))
    with torch.no_grad():
        exact = [
            np.log(
                (
                    prior * model.model.counts.log_prob(outputs, torch.tensor(row)[None]).sum(1).exp().numpy()
                ).sum()
            )
            for row in rows
        ]
    np.testing.assert_allclose(forecast.log_density(rows), exact, atol=0.06)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_sizes", [True, False])
def test_score_and_information_are_derivatives(kind: str, with_sizes: bool) -> None:
    model = count_model(kind).model
    rng = np.random.default_rng(training_seed(3))
    observed = torch.tensor(np.where(rng.random((4, 3)) < 0.2, np.nan, rng.poisson(9, (4, 3))))
    observed[:, 0] = 7
    entries, rows = entries_of(model, observed[:, None], with_sizes), torch.tensor([2, 0, 0, 3, 1])
    outputs = torch.tensor(rng.normal(size=(5, 3)) / 2, requires_grad=True)
    score, information = entries.score_and_information(outputs, rows)
    (exact,) = torch.autograd.grad(entries.log_prob(outputs, rows).sum(), outputs)
    torch.testing.assert_close(score, exact)
    assert (information >= 0).all()
    assert not information[torch.isnan(observed[rows])].any()


@pytest.mark.parametrize("knows_sizes", [True, False])
def test_a_row_without_any_entry_is_one_of_the_prior(knows_sizes: bool) -> None:
    model = count_model("poisson", knows_sizes=knows_sizes)
    result = model.impute(np.full((1, 3), np.nan), n_samples=8192, seed=training_seed(4))
    rates = normal(GRID, MEAN, DEVIATION) @ (SHARE * SIZE * np.exp(decoded(GRID)))
    growth = np.exp((SIZE_DEVIATION if knows_sizes else 0.5) ** 2 / 2)
    np.testing.assert_allclose(result.observations[0], rates * growth, rtol=0.06)


def test_a_row_may_have_no_counts_where_it_was_measured() -> None:
    result = count_model("poisson").impute([[0.0, 0.0, np.nan]], n_samples=1024)
    assert 0 < result.observations[0, 2] < SIZE
    assert result.low[0, 2] >= 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0, -2.0, 4.0], r"observation 1 of row 0 is -2, negative; likelihood='poisson' needs counts"),
        (
            [1.0, 0.5, 4.0],
            r"observation 1 of row 0 is 0.5, not a whole number; likelihood='poisson' needs counts",
        ),
        ([0.0, 0.0, 0.0], r"row 0 has no counts: all of its observations are 0 or missing"),
    ],
)
def test_rows_that_are_no_counts_are_refused(row: list[float], message: str) -> None:
    model = count_model("poisson")
    with pytest.raises(DataError, match=message):
        model.impute([row])
    with pytest.raises(DataError, match=message):
        model.predict([[0.5]]).log_density([row])


def test_the_log_probability_of_a_row_with_missing_counts_is_refused() -> None:
    message = r"observation 2 of row 0 is missing; the size of a row of counts is the sum of all, so give complete rows"
    with pytest.raises(DataError, match=message):
        count_model("poisson").predict([[0.5]]).log_density([[1.0, 2.0, np.nan]])
