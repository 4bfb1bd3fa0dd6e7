"""Baselines: every formula against another way to compute it, and what each method refuses."""

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

from estimation.baselines.contrastive import PCL
from estimation.baselines.encoders import Baseline
from estimation.baselines.temporal_differences import GeneralizedLaplacePrior, expected_absolute
from estimation.baselines.variational import (
    TCVAE,
    Posterior,
    SlowVAE,
    from_standard_normal,
    total_correlation,
)
from estimation.config.baselines import BASELINES, NEEDS, BaselineConfig
from estimation.config.methods import METHODS
from estimation.dataset import Dataset
from estimation.exceptions import ConfigError, DataError
from estimation.methods import MODELS
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


def total(model: Baseline) -> float:
    """The negative ELBO."""
    return sum(float(term) for term in model.bound(batch(), rng(3)))


# formulas -------------------------------------------------------------------------------------------


@given(means, variances)
def test_divergence_from_a_standard_normal(mean: float, variance: float) -> None:
    found = from_standard_normal(torch.tensor(mean).double(), torch.tensor(variance).double())
    wanted = kl_divergence(Normal(mean, math.sqrt(variance)), Normal(0.0, 1.0))
    assert float(found) == pytest.approx(float(wanted), rel=1e-4, abs=1e-4)


@settings(max_examples=30)
@given(means, variances)
def test_expected_absolute_value_of_a_gaussian(mean: float, variance: float) -> None:
    density = stats.norm(mean, math.sqrt(variance)).pdf
    reach = 12 * math.sqrt(variance)
    wanted = integrate.quad(
        lambda z: abs(z) * density(z), mean - reach, mean + reach, points=[0.0, mean], limit=200
    )[0]
    found = expected_absolute(torch.tensor(mean).double(), torch.tensor(variance).double())
    assert float(found) == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_total_correlation_of_a_gaussian_aggregate(correlation: float) -> None:
    """Means that are Gaussian, with Gaussian posteriors around them, make a Gaussian aggregate: at the same samples,
    the logarithm of its density over that of independent latents."""
    width = 0.5
    covariance = np.array([[1, correlation], [correlation, 1]])
    mean = torch.from_numpy(
        np.random.default_rng(training_seed()).multivariate_normal(np.zeros(2), covariance, 2_000)
    )
    scale = torch.full_like(mean, math.log(width))
    noise = torch.randn(mean.shape, generator=rng(), dtype=mean.dtype)
    aggregate = covariance + width**2 * np.eye(2)
    latents = mean + width * noise
    joint = stats.multivariate_normal(np.zeros(2), aggregate).logpdf(latents)
    alone = stats.norm(0, aggregate[0, 0] ** 0.5).logpdf(latents).sum(axis=1)
    wanted = float(np.mean(joint - alone))
    assert float(total_correlation(latents, mean, scale)) == pytest.approx(wanted, abs=0.01)


def test_a_total_correlation_that_counts_once_is_the_plain_bound() -> None:
    same, other = (
        untrained(SHAPE, BaselineConfig("tcvae", beta=beta, seed=training_seed(), **SMALL)) for beta in (1, 4)
    )
    plain = untrained(SHAPE, BaselineConfig("vae", seed=training_seed(), **SMALL))
    losses = [float(model.loss(batch(), rng(3)).detach()) for model in (plain, same, other)]
    assert losses[0] == losses[1]
    assert losses[2] != losses[0]
    # the bound is the ELBO, whatever the weight
    with torch.no_grad():
        assert total(other) == total(plain)


def test_changes_of_slowvae_are_laplace_at_a_shape_of_one() -> None:
    model = untrained(
        SHAPE,
        BaselineConfig("slowvae", rate=3.0, tail_exponent=1.0, gamma=2.5, seed=training_seed(), **SMALL),
    )
    assert isinstance(model, SlowVAE)
    found = posterior()
    first, last = (Normal(found.mean[:, t].double(), found.log_scale[:, t].double().exp()) for t in range(2))
    with torch.random.fork_rng():
        torch.manual_seed(training_seed())
        z, before = last.sample((20_000,)), first.sample((20_000,))
    wanted = last.log_prob(z) - Laplace(before, 1 / 3.0).log_prob(z)
    changes = float(model.divergence(found, batch(50)) - model._first_divergence(found))
    assert changes == pytest.approx(float(wanted.mean(0).sum(1).mean()), rel=5e-3)
    weighted = float(model.weighted_divergence(found, batch(50)))
    assert weighted == pytest.approx(float(model._first_divergence(found)) + 2.5 * changes, rel=1e-5)


@given(st.floats(0.5, 6), st.floats(0.2, 5), st.floats(-3, 3))
def test_changes_are_generalised_laplace(shape: float, rate: float, change: float) -> None:
    found = (
        GeneralizedLaplacePrior(1, rate, shape).double().cost(torch.tensor([[change]], dtype=torch.float64))
    )
    wanted = -stats.gennorm(shape, scale=1 / rate).logpdf(change)
    assert float(found) == pytest.approx(wanted, rel=1e-4, abs=1e-2)


@pytest.mark.parametrize("shape", [1.0, 3.0])
def test_the_expected_cost_of_changes_is_its_mean_over_samples(shape: float) -> None:
    changes, mean, scale = (
        GeneralizedLaplacePrior(2, None, shape),
        torch.tensor([0.3, -1.0]),
        torch.tensor([0.5, 0.1]),
    )
    with torch.no_grad():
        changes.log_rate.copy_(torch.tensor([0.5, -0.4]))
    sample = mean + scale * torch.randn(200_000, 2, generator=rng())
    found = changes.expected_cost(sample, mean, scale.square()).detach()
    wanted = -torch.from_numpy(
        stats.gennorm(shape, scale=(-changes.log_rate.detach()).exp()).logpdf(sample)
    ).mean(0)
    torch.testing.assert_close(
        found.double() if shape == 1 else found.double().mean(0), wanted, rtol=3e-3, atol=3e-3
    )


def test_the_ceiling_is_deeper_unless_a_depth_is_given() -> None:
    layers = {}
    for method, depth in (("vae", None), ("supervised", None), ("supervised", 2)):
        config = BaselineConfig.from_dict({"method": method, "depth": depth, "width": 8})
        layers[method, depth] = len(untrained(SHAPE, config).encoder.layers)
    # the last one maps to the latents
    assert layers == {("vae", None): 4, ("supervised", None): 6, ("supervised", 2): 3}


def test_rates_are_learned_unless_they_are_given() -> None:
    for rate, learned in ((None, ["log_rate"]), (2.0, [])):
        changes = GeneralizedLaplacePrior(3, rate, 1.0)
        assert [name for name, _ in changes.named_parameters()] == learned
        # a fixed rate is in the settings, and no tensor of the file
        assert list(changes.state_dict()) == learned


def test_the_odds_of_pcl_are_a_gaussian_log_density_ratio() -> None:
    """Of a latent that is v plus noise of variance 1/2 after v, and of variance 2 on its own."""
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


def test_pcl_tells_what_follows_from_what_does_not() -> None:
    model = untrained(SHAPE, BaselineConfig("pcl", seed=training_seed(), **SMALL))
    assert isinstance(model, PCL)
    still = batch()
    still.observations[:, 1] = still.observations[:, 0]
    with torch.no_grad():
        for parameter in model.drift.parameters():
            parameter.zero_()
        apart = still.observations.flip(1).clone()
        apart[:, 1] = apart[torch.randperm(len(apart), generator=rng(5)), 1]
        assert model.loss(still, rng()) < model.loss(Batch(apart, None), rng())
        # a classifier that knows nothing
        model.log_sharpness.fill_(-100)
        assert float(model.loss(still, rng())) == pytest.approx(len(still.observations) * math.log(2))


# what is refused ------------------------------------------------------------------------------------

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
def test_data_that_a_method_can_not_use(
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
def test_settings_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BaselineConfig.from_dict({"method": "vae"} | changes)


def test_every_method_has_its_model() -> None:
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


def test_budgets_of_the_data_are_not_for_baselines() -> None:
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


def test_a_setting_that_no_method_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="no setting is called 'widht'; did you mean width"):
        plan(settings={"widht": 8})
    # what both know reaches both
    assert all(trial.config().width == 8 for trial in plan(settings={"width": 8}).trials)
