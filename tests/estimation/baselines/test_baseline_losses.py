"""Baselines, the losses whole: each against torch's own densities, with scales and networks that are not trivial."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from estimation.baselines.contrastive import PCL
from estimation.baselines.encoders import Baseline
from estimation.baselines.variational import IVAE, TCVAE, VAE, Posterior, SlowVAE, total_correlation
from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.models.representation import Batch, Shape
from tests.estimation.untrained import untrained
from tests.seeds import training_seed

N, OBSERVED, ACTIONS = 3, 6, 2


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


def drawn(method: str, steps: int = 2, **settings: object) -> Baseline:
    """A model whose networks are away from where they start, and whose scales are not one."""
    config = BaselineConfig.from_dict(
        {"method": method, "width": 5, "depth": 1, "head_width": 4, "head_depth": 1, **settings}
    )
    model = untrained(Shape(OBSERVED, N, ACTIONS, past=steps > 1), config).double()
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            parameter.add_(0.2 * normal(*parameter.shape, seed=k))
    spread = torch.tensor([0.5, 2.0, 1.5, 1.0, 3.0, 0.7], dtype=torch.float64)
    model.set_scales_(normal(OBSERVED, seed=99), spread, normal(ACTIONS, seed=98), spread[:ACTIONS])
    return model


def batch(steps: int = 2, rows: int = 40) -> Batch:
    x, a, z = (normal(rows, *shape) for shape in ((steps, OBSERVED), (ACTIONS,), (steps, N)))
    return Batch(x, a, z)


def posterior(rows: int = 30, steps: int = 2) -> Posterior:
    mean, log_scale = normal(rows, steps, N, seed=1), 0.4 * normal(rows, steps, N, seed=2) - 0.5
    return Posterior(mean, log_scale, mean + log_scale.exp() * normal(rows, steps, N, seed=3))


def encoded(model: VAE, data: Batch, seed: int) -> tuple[Tensor, Normal, Tensor]:
    """Standardised observations, their posterior, and the sample that a seed draws of it, of a model not turned."""
    # log scales are kept from -9 to 2
    x = (data.observations - model.x_mean) / model.x_scale
    q = Normal(model.encoder(x), model.noise(x).clamp(-9, 2).exp())
    rows = torch.randn(q.loc.flatten(0, 1).shape, generator=rng(seed), dtype=x.dtype)
    return x, q, q.loc + q.scale * rows.view_as(q.loc)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_bound_is_that_of_the_densities(steps: int) -> None:
    model, data = drawn("vae", steps), batch(steps)
    assert isinstance(model, VAE)
    model.log_variance_x.fill_(-0.7)
    x, q, sample = encoded(model, data, seed=5)
    likely = Normal(model.decoder(sample), math.exp(-0.35)).log_prob(x).sum((1, 2)).mean()
    divergence = kl_divergence(q, Normal(0.0, 1.0)).sum((1, 2)).mean()
    reconstruction, found = model.bound(data, rng(5))
    torch.testing.assert_close(reconstruction, -likely / OBSERVED)
    torch.testing.assert_close(found, divergence / OBSERVED)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_loss_has_the_variance_that_is_best_for_the_batch(steps: int) -> None:
    model, data = drawn("vae", steps), batch(steps)
    assert isinstance(model, VAE)
    x, q, sample = encoded(model, data, seed=5)
    error = (model.decoder(sample) - x).square().mean().sqrt()
    likely = Normal(model.decoder(sample), error).log_prob(x).sum((1, 2)).mean()
    divergence = kl_divergence(q, Normal(0.0, 1.0)).sum((1, 2)).mean()
    loss = model.loss(data, rng(5))
    torch.testing.assert_close(loss, (divergence - likely) / OBSERVED)
    for log_variance in torch.linspace(-3, 3, 13).double():
        model.log_variance_x.copy_(log_variance)
        assert sum(model.bound(data, rng(5))) >= loss


def test_the_variance_that_is_kept_ends_at_that_of_the_batches_and_looks_leave_it_alone() -> None:
    model, data = drawn("vae"), batch()
    assert isinstance(model, VAE)
    x, _, sample = encoded(model, data, seed=5)
    wanted = (model.decoder(sample) - x).square().mean().log()
    for _ in range(400):
        model.loss(data, rng(5))
    torch.testing.assert_close(model.log_variance_x, wanted.detach())
    assert not model.log_variance_x.requires_grad
    model.bound(batch(rows=7), rng(6))
    torch.testing.assert_close(model.log_variance_x, wanted.detach())


def test_the_total_correlation_is_that_of_the_mixture() -> None:
    """Every row's posterior is one part of the mixture, and so is every marginal's; widths are all different."""
    found = posterior(rows=12)
    sample, mean, log_scale = (part.flatten(0, 1) for part in (found.sample, found.mean, found.log_scale))
    parts = Categorical(torch.ones(len(mean), dtype=mean.dtype))
    whole = MixtureSameFamily(parts, Independent(Normal(mean, log_scale.exp()), 1))
    apart = [
        MixtureSameFamily(parts, Normal(mean[:, i], log_scale[:, i].exp())).log_prob(sample[:, i])
        for i in range(N)
    ]
    wanted = (whole.log_prob(sample) - sum(apart)).mean()
    torch.testing.assert_close(total_correlation(sample, mean, log_scale), wanted)


def test_the_total_correlation_counts_beta_times_for_every_step() -> None:
    model, found = drawn("tcvae", beta=3.5), posterior()
    assert isinstance(model, TCVAE)
    parts = (found.sample, found.mean, found.log_scale)
    correlation = total_correlation(*(part.flatten(0, 1) for part in parts))
    wanted = model.divergence(found, batch()) + 2.5 * 2 * correlation
    torch.testing.assert_close(model.weighted_divergence(found, batch()), wanted)


def test_the_prior_of_ivae_reads_standardised_actions() -> None:
    model, found, data = drawn("ivae"), posterior(40), batch()
    assert isinstance(model, IVAE)
    assert data.actions is not None
    loc, log_scale = model.prior((data.actions - model.a_mean) / model.a_scale).chunk(2, dim=1)
    prior_loc = torch.stack([torch.zeros_like(loc), loc], dim=1)
    prior_scale = torch.stack([torch.ones_like(loc), log_scale.clamp(-9, 2).exp()], dim=1)
    wanted = kl_divergence(Normal(found.mean, found.log_scale.exp()), Normal(prior_loc, prior_scale))
    torch.testing.assert_close(model.divergence(found, data), wanted.sum((1, 2)).mean())


def test_slowvae_with_weight_one_is_its_bound() -> None:
    model, found = drawn("slowvae", gamma=1.0), posterior()
    assert isinstance(model, SlowVAE)
    torch.testing.assert_close(model.weighted_divergence(found, batch()), model.divergence(found, batch()))
    # the next step is drawn to the one before
    still = Posterior(*(part[:, :1].repeat(1, 2, 1) for part in (found.mean, found.log_scale, found.sample)))
    assert model.divergence(still, batch()) < model.divergence(found, batch())


def test_supervised_is_the_likelihood_with_the_best_variances() -> None:
    model, data = drawn("supervised"), batch()
    assert data.latents is not None
    read = model.encoder((data.observations - model.x_mean) / model.x_scale)
    scale = (read - data.latents).square().mean((0, 1)).sqrt()
    likely = Normal(read, scale).log_prob(data.latents).mean()
    torch.testing.assert_close(model.loss(data, rng()), -likely - 0.5 * (1 + math.log(2 * math.pi)))


def test_pcl_is_logistic_regression_of_true_pairs_against_all_others_of_a_group() -> None:
    model, data = drawn("pcl"), batch()
    assert isinstance(model, PCL)
    rows = len(data.observations)
    model.group_size = rows - 3
    groups = [range(rows - 3), range(rows - 3, rows)]
    past, present = model.encoder((data.observations - model.x_mean) / model.x_scale).unbind(1)
    pairs = [(i, j) for group in groups for i in group for j in group]
    odds = torch.cat([model.odds(present[i : i + 1], past[j : j + 1]) for i, j in pairs])[:, 0]
    labels = torch.tensor([float(i == j) for i, j in pairs]).to(odds)
    wanted = nn.functional.binary_cross_entropy_with_logits(odds, labels, reduction="sum") / rows
    torch.testing.assert_close(model.loss(data, rng(5)), wanted)


def test_the_odds_of_pcl_are_a_sum_of_functions_of_one_latent_at_both_steps() -> None:
    """Mixed differences over any distance: zero but for the two steps of one latent."""
    model = drawn("pcl")
    assert isinstance(model, PCL)
    start, end = 3 * normal(2 * N, seed=7), 3 * normal(2 * N, seed=8)

    def score(moved: set[int]) -> Tensor:
        point = torch.stack([end[k] if k in moved else start[k] for k in range(2 * N)])[None]
        return model.odds(point[:, :N], point[:, N:])

    for i in range(2 * N):
        for j in range(i):
            mixed = float((score({i, j}) - score({i}) - score({j}) + score(set())).detach())
            assert (abs(mixed) > 1e-6) == (i % N == j % N), (i, j)


def test_what_a_latent_of_pcl_is_expected_to_be_depends_on_its_own_past_alone() -> None:
    model = drawn("pcl")
    assert isinstance(model, PCL)
    past = normal(1, N, seed=7).requires_grad_()
    for i, part in enumerate(model.drift(past, model.own)[0, :, 0]):
        (slope,) = torch.autograd.grad(part, past, retain_graph=True)
        assert [k for k in range(N) if slope[0, k] != 0] == [i]


class Own(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(OBSERVED, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def test_beside_an_encoder_of_the_users_the_noise_reads_latents() -> None:
    model = untrained(
        Shape(OBSERVED, N, 0, past=False),
        BaselineConfig("vae", width=5, seed=training_seed()),
        encoder=Own(N),
    )
    assert isinstance(model, VAE)
    assert model.noise(torch.zeros(4, N)).shape == (4, N)
    assert torch.isfinite(model.loss(Batch(torch.randn(9, 1, OBSERVED, generator=rng()), None), rng()))


@pytest.mark.parametrize("method", BASELINES)
def test_a_fresh_model_depends_on_its_seed_alone(method: str) -> None:
    state = torch.get_rng_state()
    make: Callable[[int], dict[str, Tensor]] = lambda seed: untrained(  # noqa: E731
        Shape(OBSERVED, N, ACTIONS, past=True), BaselineConfig.from_dict({"method": method, "seed": seed})
    ).state_dict()
    first, second, other = make(3), make(3), make(4)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not all(torch.equal(value, other[name]) for name, value in first.items())
    assert torch.equal(torch.get_rng_state(), state)
