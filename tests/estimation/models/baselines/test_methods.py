"""Baselines: every formula agrees with an independent computation; unsuitable data and settings are refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from torch.distributions import Laplace, Normal, kl_divergence

from estimation.config.baselines import BASELINES, NEEDS, BaselineConfig
from estimation.config.methods import METHODS
from estimation.dataset import Dataset
from estimation.exceptions import ConfigError, DataError
from estimation.methods import MODELS
from estimation.models.baselines.contrastive import PCL
from estimation.models.baselines.encoders import Baseline
from estimation.models.baselines.temporal_differences import GeneralizedLaplacePrior, expected_absolute
from estimation.models.baselines.variational import (
    TCVAE,
    Posterior,
    SlowVAE,
    from_standard_normal,
    total_correlation,
)
from estimation.models.representation import Batch, Shape
from estimation.sweep import SweepPlan, Trial
from estimation.training import fit
from tests.estimation.untrained import untrained
from tests.seeds import training_seed

SHAPE = Shape(n_observed=6, n_latents=3, n_actions=2, past=True)
SMALL = {"width": 8, "depth": 1, "head_width": 6, "head_depth": 1}
means = st.floats(-5, 5)
variances = st.floats(1e-3, 10)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def batch(rows: int = 40, steps: int = 2, seed: int = 0) -> Batch:
    x = torch.randn(rows, steps, SHAPE.n_observed, generator=rng(seed))
    return Batch(x, torch.randn(rows, SHAPE.n_actions, generator=rng(seed + 1)))


def posterior(rows: int = 50, steps: int = 2) -> Posterior:
    mean, log_scale, noise = (torch.randn(rows, steps, 3, generator=rng(k)) for k in range(3))
    return Posterior(mean, 0.3 * log_scale - 1, mean + (0.3 * log_scale - 1).exp() * noise)


def negative_elbo(model: Baseline) -> float:
    return sum(float(term) for term in model.bound(batch(), rng(3)))


# formulas -------------------------------------------------------------------------------------------


@given(means, variances)
def test_divergence_from_a_standard_normal(mean: float, variance: float) -> None:
    divergence = from_standard_normal(torch.tensor(mean).double(), torch.tensor(variance).double())
    expected = kl_divergence(Normal(mean, math.sqrt(variance)), Normal(0.0, 1.0))
    assert float(divergence) == pytest.approx(float(expected), rel=1e-4, abs=1e-4)


@settings(max_examples=30)
@given(means, variances)
def test_expected_absolute_value_of_a_gaussian(mean: float, variance: float) -> None:
    density = stats.norm(mean, math.sqrt(variance)).pdf
    half_width = 12 * math.sqrt(variance)
    expected = integrate.quad(
        lambda z: abs(z) * density(z), mean - half_width, mean + half_width, points=[0.0, mean], limit=200
    )[0]
    value = expected_absolute(torch.tensor(mean).double(), torch.tensor(variance).double())
    assert float(value) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_total_correlation_of_a_gaussian_aggregate(correlation: float) -> None:
    """Gaussian means with Gaussian posteriors give a Gaussian aggregate posterior, whose density is known.

    At the same samples, the total correlation is the mean log-ratio of the joint density to the product of marginals.
    """
    posterior_scale = 0.5
    covariance = np.array([[1, correlation], [correlation, 1]])
    mean = torch.from_numpy(
        np.random.default_rng(training_seed()).multivariate_normal(np.zeros(2), covariance, 2_000)
    )
    log_scale = torch.full_like(mean, math.log(posterior_scale))
    noise = torch.randn(mean.shape, generator=rng(), dtype=mean.dtype)
    aggregate = covariance + posterior_scale**2 * np.eye(2)
    latents = mean + posterior_scale * noise
    joint = stats.multivariate_normal(np.zeros(2), aggregate).logpdf(latents)
    marginals = stats.norm(0, aggregate[0, 0] ** 0.5).logpdf(latents).sum(axis=1)
    expected = float(np.mean(joint - marginals))
    assert float(total_correlation(latents, mean, log_scale)) == pytest.approx(expected, abs=0.01)


def test_tcvae_with_beta_one_has_the_loss_of_the_vae() -> None:
    beta_one, beta_four = (
        untrained(SHAPE, BaselineConfig("tcvae", beta=beta, seed=training_seed(), **SMALL)) for beta in (1, 4)
    )
    vae = untrained(SHAPE, BaselineConfig("vae", seed=training_seed(), **SMALL))
    losses = [float(model.loss(batch(), rng(3)).detach()) for model in (vae, beta_one, beta_four)]
    assert losses[0] == losses[1]
    assert losses[2] != losses[0]
    # the weight doesn't change the ELBO
    with torch.no_grad():
        assert negative_elbo(beta_four) == negative_elbo(vae)


def test_the_slowvae_prior_with_a_tail_exponent_of_one_is_laplace() -> None:
    model = untrained(
        SHAPE,
        BaselineConfig("slowvae", rate=3.0, tail_exponent=1.0, gamma=2.5, seed=training_seed(), **SMALL),
    )
    assert isinstance(model, SlowVAE)
    q = posterior()
    first, last = (Normal(q.mean[:, t].double(), q.log_scale[:, t].double().exp()) for t in range(2))
    with torch.random.fork_rng():
        torch.manual_seed(training_seed())
        z, before = last.sample((20_000,)), first.sample((20_000,))
    expected = last.log_prob(z) - Laplace(before, 1 / 3.0).log_prob(z)
    second_step = float(model.divergence(q, batch(50)) - model._first_divergence(q))
    assert second_step == pytest.approx(float(expected.mean(0).sum(1).mean()), rel=5e-3)
    weighted = float(model.weighted_divergence(q, batch(50)))
    assert weighted == pytest.approx(float(model._first_divergence(q)) + 2.5 * second_step, rel=1e-5)


@given(st.floats(0.5, 6), st.floats(0.2, 5), st.floats(-3, 3))
def test_the_cost_of_a_difference_is_its_generalised_laplace_density(
    tail_exponent: float, rate: float, difference: float
) -> None:
    prior = GeneralizedLaplacePrior(1, rate, tail_exponent).double()
    cost = prior.cost(torch.tensor([[difference]], dtype=torch.float64))
    expected = -stats.gennorm(tail_exponent, scale=1 / rate).logpdf(difference)
    assert float(cost) == pytest.approx(expected, rel=1e-4, abs=1e-2)


@pytest.mark.parametrize("tail_exponent", [1.0, 3.0])
def test_the_expected_cost_is_the_mean_cost_of_samples(tail_exponent: float) -> None:
    prior = GeneralizedLaplacePrior(2, None, tail_exponent)
    mean, scale = torch.tensor([0.3, -1.0]), torch.tensor([0.5, 0.1])
    with torch.no_grad():
        prior.log_rate.copy_(torch.tensor([0.5, -0.4]))
    sample = mean + scale * torch.randn(200_000, 2, generator=rng())
    cost = prior.expected_cost(sample, mean, scale.square()).detach()
    expected = -torch.from_numpy(
        stats.gennorm(tail_exponent, scale=(-prior.log_rate.detach()).exp()).logpdf(sample)
    ).mean(0)
    torch.testing.assert_close(
        cost.double() if tail_exponent == 1 else cost.double().mean(0), expected, rtol=3e-3, atol=3e-3
    )


def test_the_supervised_encoder_is_deeper_unless_its_depth_is_set() -> None:
    n_layers = {}
    for method, depth in (("vae", None), ("supervised", None), ("supervised", 2)):
        config = BaselineConfig.from_dict({"method": method, "depth": depth, "width": 8})
        n_layers[method, depth] = len(untrained(SHAPE, config).encoder.layers)
    # the last layer maps to the latents
    assert n_layers == {("vae", None): 4, ("supervised", None): 6, ("supervised", 2): 3}


def test_rates_are_learned_unless_they_are_set() -> None:
    for rate, learned in ((None, ["log_rate"]), (2.0, [])):
        prior = GeneralizedLaplacePrior(3, rate, 1.0)
        assert [name for name, _ in prior.named_parameters()] == learned
        # a fixed rate is stored with the settings and not as a tensor
        assert list(prior.state_dict()) == learned


def test_the_pcl_log_odds_are_a_gaussian_log_density_ratio() -> None:
    """A latent has the conditional distribution N(v, 1/2) given its past v, and the marginal distribution N(0, 2)."""
    model = untrained(SHAPE, BaselineConfig("pcl", seed=training_seed(), **SMALL)).double()
    assert isinstance(model, PCL)
    with torch.no_grad():
        for parameter in model.drift.parameters():
            parameter.zero_()
        model.quadratic.fill_(0.25)
        model.constant.fill_(3 * math.log(2))
    u, v = (torch.randn(9 - k, 3, generator=rng(k), dtype=torch.float64) for k in range(2))
    ratio = Normal(v, 0.5**0.5).log_prob(u[:, None]) - Normal(0.0, 2**0.5).log_prob(u[:, None])
    torch.testing.assert_close(model.odds(u, v), ratio.sum(2))


def test_the_pcl_loss_is_lower_for_true_pairs_than_for_shuffled_ones() -> None:
    model = untrained(SHAPE, BaselineConfig("pcl", seed=training_seed(), **SMALL))
    assert isinstance(model, PCL)
    constant = batch()
    constant.observations[:, 1] = constant.observations[:, 0]
    with torch.no_grad():
        for parameter in model.drift.parameters():
            parameter.zero_()
        shuffled = constant.observations.flip(1).clone()
        shuffled[:, 1] = shuffled[torch.randperm(len(shuffled), generator=rng(5)), 1]
        assert model.loss(constant, rng()) < model.loss(Batch(shuffled, None), rng())
        # a classifier that ignores its input
        model.log_sharpness.fill_(-100)
        assert float(model.loss(constant, rng())) == pytest.approx(len(constant.observations) * math.log(2))


# invalid input ---------------------------------------------------------------------------------------

X = np.random.default_rng(training_seed()).normal(size=(60, 6))
A = np.random.default_rng(training_seed(1)).normal(size=(60, 2))


@pytest.mark.parametrize(
    ("data", "config", "error", "message"),
    [
        (
            Dataset.from_arrays(X.reshape(30, 2, 6)),
            BaselineConfig("ivae", n_latents=2, seed=training_seed()),
            DataError,
            "ivae conditions its prior on actions, and the data have none",
        ),
        (
            Dataset.from_arrays(X, actions=A),
            BaselineConfig("slowvae", n_latents=2, seed=training_seed()),
            DataError,
            "slowvae learns from consecutive steps, and the data have one step per row",
        ),
        (
            Dataset.from_arrays(X, actions=A),
            BaselineConfig("pcl", n_latents=2, seed=training_seed()),
            DataError,
            "pcl learns from consecutive steps, and the data have one step per row",
        ),
        (
            Dataset.from_arrays(X, actions=A),
            BaselineConfig("supervised", n_latents=2, seed=training_seed()),
            DataError,
            "supervised learns from the true latents, and the data hold none",
        ),
        (
            Dataset.from_arrays(X, actions=A, latents=X[:, :3]),
            BaselineConfig("supervised", n_latents=2, seed=training_seed()),
            ConfigError,
            "n_latents is 2; supervised learns the 3 true ones: leave it out",
        ),
        (
            Dataset.from_arrays(X, actions=A),
            BaselineConfig("vae", seed=training_seed()),
            ConfigError,
            "n_latents is not set, and the data don't contain the true number",
        ),
    ],
)
def test_unsuitable_data_are_refused(
    data: Dataset, config: BaselineConfig, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(data, config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"method": "gan"},
            "method is 'gan'; it is one of random, supervised, vae, tcvae, ivae, slowvae, pcl",
        ),
        ({"steps": 0}, "steps is 0; it must be from 1 to"),
        ({"beta": -1.0}, "beta is -1.0; it must be from 0 to 1e\\+09"),
        ({"tail_exponent": 0.0}, "tail_exponent is 0.0; it must be from 0.1 to 20"),
        ({"rotations": -1}, "rotations is -1; it must be from 0 to 1000"),
        ({"rate": 0.0}, "rate is 0.0; it must be from 1e-06 to 1e\\+09"),
        ({"width": 2.5}, "width is 2.5; it must be a whole number"),
        ({"device": "mps"}, "device is 'mps', which is untested; give 'cpu' or 'auto'"),
        ({"stepps": 3}, "no setting is called 'stepps'; did you mean steps"),
    ],
)
def test_invalid_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BaselineConfig.from_dict({"method": "vae"} | changes)


def test_every_method_has_a_model() -> None:
    assert tuple(MODELS) == METHODS
    assert set(NEEDS) < set(BASELINES)
    assert isinstance(untrained(SHAPE, BaselineConfig("tcvae", seed=training_seed(), **SMALL)), TCVAE)


# in a sweep -----------------------------------------------------------------------------------------


def plan(**data: Any) -> SweepPlan:
    return SweepPlan.from_dict(
        {
            "seeds": [0, 1],
            "data": {"pairs": {"source": "ActionBlockDiag", "grid": {"max_edges_actions": [5, 10]}, **data}},
            "method": {"sparse": {}, "others": {"kind": "ivae", "grid": {"steps": [10, 20]}}},
        }
    )


def test_edge_budgets_of_the_data_are_not_passed_to_baselines() -> None:
    trials = plan().trials
    assert [trial.setting for trial in trials if trial.seed == 0] == [
        {"max_edges_actions": 5},
        {"max_edges_actions": 10},
        {"steps": 10},
        {"steps": 20},
    ]
    configs = [trial.config() for trial in trials if trial.kind == "ivae"]
    assert [(c.method, c.steps, c.seed, c.threads) for c in configs if isinstance(c, BaselineConfig)] == [
        ("ivae", steps, seed, 1) for seed in (0, 1) for steps in (10, 20)
    ]
    assert all(Trial.from_dict(trial.to_dict()) == trial for trial in trials)


def test_a_setting_that_no_method_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="no setting is called 'widht'; did you mean width"):
        plan(settings={"widht": 8})
    # a setting of both methods is passed to both
    assert all(trial.config().width == 8 for trial in plan(settings={"width": 8}).trials)
