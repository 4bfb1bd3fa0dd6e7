"""Likelihoods of counts, against scipy, sums over all counts, and derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from estimation.config.training import COUNT_LIKELIHOODS
from estimation.models.conditional import ConditionalDecoder
from estimation.models.counts import CountLikelihood, CountProfile
from estimation.models.jacobian import batch_jacobian
from estimation.models.networks import MLP
from estimation.models.refinement import Refinement
from tests.seeds import training_seed

N_OBSERVED = 5


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def likelihood(kind: str, n_observed: int = N_OBSERVED, median_size: float = 40.0) -> CountLikelihood:
    result = CountLikelihood(n_observed, kind).double()
    share = torch.rand(n_observed, generator=generator(1), dtype=torch.float64) + 0.2
    profile = CountProfile(share / share.sum(), median_size, torch.linspace(-1, 2, n_observed))
    result.set_profile_(profile, torch.zeros(n_observed), torch.ones(n_observed))
    if result.logit_dropout is not None:
        with torch.no_grad():
            result.logit_dropout.copy_(torch.linspace(-2, 1, n_observed))
    return result


def rows(n_rows: int = 30, n_observed: int = N_OBSERVED) -> tuple[torch.Tensor, torch.Tensor]:
    decoded = torch.randn(n_rows, n_observed, generator=generator(2), dtype=torch.float64)
    counts = torch.poisson(torch.full((n_rows, n_observed), 6.0, dtype=torch.float64), generator=generator(3))
    counts[0, 0], counts[1, 1] = 0, 0
    return decoded, counts


def scipy_log_pmf(model: CountLikelihood, decoded: torch.Tensor, counts: torch.Tensor) -> np.ndarray:
    size = counts.sum(1, keepdim=True)
    mean = (size * model.share * decoded.exp()).numpy()
    x = counts.numpy()
    if model.log_dispersion is None:
        return stats.poisson(mean).logpmf(x)
    r = model.log_dispersion.detach().exp().numpy()
    plain = stats.nbinom(r, r / (r + mean)).logpmf(x)
    if model.logit_dropout is None:
        return plain
    p = torch.sigmoid(model.logit_dropout.detach()).numpy()
    return np.log(p * (x == 0) + (1 - p) * np.exp(plain))


@pytest.mark.parametrize("kind", COUNT_LIKELIHOODS)
def test_probabilities_are_those_of_scipy(kind: str) -> None:
    model = likelihood(kind)
    decoded, counts = rows()
    np.testing.assert_allclose(
        model.log_prob(decoded, counts).detach(), scipy_log_pmf(model, decoded, counts), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("kind", COUNT_LIKELIHOODS)
def test_the_score_is_the_derivative(kind: str) -> None:
    model = likelihood(kind)
    decoded, counts = rows()
    decoded.requires_grad_()
    (derivative,) = torch.autograd.grad(model.log_prob(decoded, counts).sum(), decoded)
    score, _ = model.score_and_information(decoded, counts)
    torch.testing.assert_close(score, derivative)


@pytest.mark.parametrize("kind", ["poisson", "negative_binomial"])
def test_the_information_is_the_expected_square_of_the_score(kind: str) -> None:
    model = likelihood(kind, n_observed=1, median_size=3.0)
    with torch.no_grad():
        if model.log_dispersion is not None:
            model.log_dispersion.fill_(1.0)
    mean = 3.0
    x = torch.arange(400, dtype=torch.float64)
    # a row's size is that of its only count, so that the rate is set by the decoder
    sizes = model.sizes(x[1:, None])
    decoded = (mean / (3.0 * sizes)).log()
    with torch.no_grad():
        score, information = model.score_and_information(decoded, x[1:, None])
        probability = model.log_prob(decoded, x[1:, None]).exp()
    dispersion = np.inf if model.log_dispersion is None else np.e
    at_zero = (0 - mean) / (1 + mean / dispersion)
    total = (probability * score.square()).sum() + (1 - probability.sum()) * at_zero**2
    assert float(total) == pytest.approx(float(information[0, 0]), rel=1e-6)


@pytest.mark.parametrize("kind", COUNT_LIKELIHOODS)
def test_moments_are_sums_over_all_counts(kind: str) -> None:
    model = likelihood(kind, n_observed=1, median_size=4.0)
    if model.logit_dropout is not None:
        with torch.no_grad():
            model.logit_dropout.fill_(-0.5)
    x = np.arange(3000)
    mean = 4.0 * np.exp(0.3)
    if model.log_dispersion is None:
        pmf = stats.poisson(mean).pmf(x)
    else:
        with torch.no_grad():
            model.log_dispersion.fill_(0.4)
        pmf = stats.nbinom(np.exp(0.4), np.exp(0.4) / (np.exp(0.4) + mean)).pmf(x)
    if model.logit_dropout is not None:
        p = 1 / (1 + np.exp(0.5))
        pmf = (1 - p) * pmf + p * (x == 0)
    decoded = torch.full((1, 1), 0.3, dtype=torch.float64)
    with torch.no_grad():
        assert float(model.median_row(decoded)) == pytest.approx((pmf * x).sum(), rel=1e-6)
        assert float(model.median_row_variance(decoded)) == pytest.approx(
            (pmf * x**2).sum() - (pmf * x).sum() ** 2, rel=1e-6
        )


@pytest.mark.parametrize("kind", COUNT_LIKELIHOODS)
def test_samples_have_the_moments_of_the_distribution(kind: str) -> None:
    model = likelihood(kind)
    decoded = torch.zeros(40_000, N_OBSERVED, dtype=torch.float64)
    with torch.no_grad():
        sample = model.sample(decoded, 1.0, generator(5))
        mean, variance = model.median_row(decoded[:1])[0], model.median_row_variance(decoded[:1])[0]
    assert bool((sample == sample.floor()).all())
    assert bool((sample >= 0).all())
    # five standard errors
    assert bool(((sample.mean(0) - mean).abs() < 5 * (variance / len(sample)).sqrt()).all())
    torch.testing.assert_close(sample.var(0), variance, rtol=0.15, atol=0)
    with torch.no_grad():
        again = model.sample(decoded, 1.0, generator(5))
    assert torch.equal(sample, again)


@pytest.mark.parametrize("kind", COUNT_LIKELIHOODS)
def test_missing_counts_have_no_influence_but_through_the_size(kind: str) -> None:
    model = likelihood(kind)
    decoded, counts = rows()
    counts[:, 2] = torch.nan
    with torch.no_grad():
        log_prob = model.log_prob(decoded, counts)
        score, information = model.score_and_information(decoded, counts)
    assert bool((log_prob[:, 2] == 0).all())
    assert bool((score[:, 2] == 0).all())
    assert bool((information[:, 2] == 0).all())
    assert bool(torch.isfinite(log_prob).all())
    assert bool(model.encoder_inputs(counts)[:, 2].isnan().all())


def test_the_size_of_an_average_row_with_gaps_is_that_of_the_whole_row() -> None:
    model = likelihood("poisson")
    whole = 80 * model.share[None]
    gaps = whole.masked_fill(torch.tensor([[False, True, False, True, False]]), torch.nan)
    assert float(model.sizes(whole)) == pytest.approx(2.0)
    assert float(model.sizes(gaps)) == pytest.approx(2.0)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 1000))
def test_a_row_in_average_proportions_is_read_as_the_average_whatever_its_size(size: float) -> None:
    model = likelihood("negative_binomial")
    average = (model.share * model.median_size).log1p()[None]
    torch.testing.assert_close(model.encoder_inputs(size * model.share[None]), average)


def test_few_counts_are_read_as_near_the_average_and_many_as_they_are() -> None:
    model = likelihood("negative_binomial", median_size=10_000.0)
    average = (model.share * model.median_size).log1p()
    single = torch.tensor([[1.0, 0, 0, 0, 0]], dtype=torch.float64)
    many = 1e6 * single + 1e5
    whole = (many / model.sizes(many)).log1p()
    assert float((model.encoder_inputs(single) - average).abs().max()) < 0.05
    assert float((model.encoder_inputs(many) - whole).abs().max()) < 0.05


def test_single_precision_is_enough_for_millions_of_counts() -> None:
    counts = torch.tensor([[3e6, 1e6, 5e5, 20.0, 0]], dtype=torch.float64)
    decoded = torch.zeros(1, 5, dtype=torch.float64)
    exact = likelihood("negative_binomial", median_size=4e6)
    rough = likelihood("negative_binomial", median_size=4e6).float()
    changes = []
    for model, kind in ((exact, torch.float64), (rough, torch.float32)):
        with torch.no_grad():
            low, high = (model.log_prob((decoded + step).to(kind), counts.to(kind)) for step in (0, 1e-2))
        changes.append((high - low).double())
    torch.testing.assert_close(changes[1], changes[0], rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("kind", COUNT_LIKELIHOODS)
def test_scoring_steps_end_at_the_most_probable_latents(kind: str) -> None:
    model = likelihood(kind, n_observed=12, median_size=200.0)
    slopes = torch.randn(2, 12, generator=generator(7), dtype=torch.float64) / 2
    refinement = Refinement(2).double()
    refinement.enable_(torch.randn(500, 2, generator=generator(8), dtype=torch.float64), 30)
    counts = model.sample(
        torch.randn(6, 2, generator=generator(9), dtype=torch.float64) @ slopes, 1.0, generator(4)
    )

    def decoder(z: torch.Tensor) -> torch.Tensor:
        return z @ slopes

    with torch.no_grad():
        start = torch.zeros(6, 2, dtype=torch.float64)
        found = refinement(decoder, counts, start, torch.tensor(1.0), None, model)

    def energy(z: np.ndarray, row: int) -> float:
        point = torch.from_numpy(z)[None]
        deviation = point - refinement.centre
        with torch.no_grad():
            log_prob = model.log_prob(decoder(point), counts[row : row + 1]).sum()
        return float(0.5 * ((deviation @ refinement.precision) * deviation).sum() - log_prob)

    for row in range(6):
        best = optimize.minimize(energy, found[row].numpy(), args=(row,), method="BFGS")
        assert energy(found[row].numpy(), row) <= best.fun + 1e-5


def test_a_row_is_refined_alike_whatever_rows_are_beside_it() -> None:
    """Rows that no whole step improves try shorter ones, with the covariates of their own."""
    model = likelihood("zero_inflated_negative_binomial", n_observed=12, median_size=2000.0)
    network = MLP(4, 12, 16, 2, generator(21)).double()
    covariates = torch.randn(40, 2, generator=generator(22), dtype=torch.float64)
    refinement = Refinement(2).double()
    refinement.enable_(3 * torch.randn(500, 2, generator=generator(23), dtype=torch.float64), 6)
    latents = 3 * torch.randn(40, 2, generator=generator(24), dtype=torch.float64)
    with torch.no_grad():
        counts = model.sample(2 * network(torch.cat([latents, covariates], dim=1)), 1.0, generator(25))
        start, variance = -latents, torch.tensor(1.0)
        together = refinement(network, counts, start, variance, covariates, model)
        alone = [
            refinement(network, counts[k : k + 1], start[k : k + 1], variance, covariates[k : k + 1], model)
            for k in range(40)
        ]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.equal(together, start)


def test_a_decoder_with_fixed_covariates_has_the_jacobian_of_its_latents() -> None:
    network = MLP(5, 4, 8, 2, generator(1)).double()
    covariates = torch.randn(6, 2, generator=generator(2), dtype=torch.float64)
    latents = torch.randn(6, 3, generator=generator(3), dtype=torch.float64)
    values, jacobian = batch_jacobian(ConditionalDecoder(network, covariates), latents)
    whole, by_all = batch_jacobian(network, torch.cat([latents, covariates], dim=1))
    torch.testing.assert_close(values, whole)
    torch.testing.assert_close(jacobian, by_all[..., :3])
    # a function that is no network of ours is differentiated in reverse mode
    _, in_reverse = batch_jacobian(ConditionalDecoder(network.forward, covariates), latents)
    torch.testing.assert_close(in_reverse, jacobian)
