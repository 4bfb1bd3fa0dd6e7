"""The losses of the baselines agree with torch's densities, for weights and scales away from their initial values."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.models.baselines.contrastive import PCL
from estimation.models.baselines.encoders import Baseline
from estimation.models.baselines.variational import IVAE, TCVAE, VAE, Posterior, SlowVAE, total_correlation
from estimation.models.representation import Batch, Shape
from tests.estimation.untrained import untrained
from tests.seeds import training_seed

N, OBSERVED, ACTIONS = 3, 6, 2


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


def perturbed_model(method: str, steps: int = 2, **settings: object) -> Baseline:
    """Return a model with perturbed initial weights and with scales other than one."""
    config = BaselineConfig.from_dict(
        {"method": method, "width": 5, "depth": 1, "head_width": 4, "head_depth": 1, **settings}
    )
    model = untrained(Shape(OBSERVED, N, ACTIONS, past=steps > 1), config).double()
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            parameter.add_(0.2 * normal(*parameter.shape, seed=k))
    scales = torch.tensor([0.5, 2.0, 1.5, 1.0, 3.0, 0.7], dtype=torch.float64)
    model.set_scales_(normal(OBSERVED, seed=99), scales, normal(ACTIONS, seed=98), scales[:ACTIONS])
    return model


def batch(steps: int = 2, rows: int = 40) -> Batch:
    x, a, z = (normal(rows, *shape) for shape in ((steps, OBSERVED), (ACTIONS,), (steps, N)))
    return Batch(x, a, z)


def posterior(rows: int = 30, steps: int = 2) -> Posterior:
    mean, log_scale = normal(rows, steps, N, seed=1), 0.4 * normal(rows, steps, N, seed=2) - 0.5
    return Posterior(mean, log_scale, mean + log_scale.exp() * normal(rows, steps, N, seed=3))


def encoded(model: VAE, data: Batch, seed: int) -> tuple[Tensor, Normal, Tensor]:
    """Return standardised observations, their posterior and the sample for a seed, of a model without rotation."""
    # log scales are clipped to the range from -9 to 2
    x = (data.observations - model.x_mean) / model.x_scale
    q = Normal(model.encoder(x), model.noise(x).clamp(-9, 2).exp())
    noise = torch.randn(q.loc.flatten(0, 1).shape, generator=rng(seed), dtype=x.dtype)
    return x, q, q.loc + q.scale * noise.view_as(q.loc)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_negative_elbo_agrees_with_torch_densities(steps: int) -> None:
    model, data = perturbed_model("vae", steps), batch(steps)
    assert isinstance(model, VAE)
    model.log_variance_x.fill_(-0.7)
    x, q, sample = encoded(model, data, seed=5)
    log_likelihood = Normal(model.decoder(sample), math.exp(-0.35)).log_prob(x).sum((1, 2)).mean()
    divergence = kl_divergence(q, Normal(0.0, 1.0)).sum((1, 2)).mean()
    reconstruction, kl = model.bound(data, rng(5))
    torch.testing.assert_close(reconstruction, -log_likelihood / OBSERVED)
    torch.testing.assert_close(kl, divergence / OBSERVED)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_loss_uses_the_maximum_likelihood_variance_of_the_batch(steps: int) -> None:
    model, data = perturbed_model("vae", steps), batch(steps)
    assert isinstance(model, VAE)
    x, q, sample = encoded(model, data, seed=5)
    error = (model.decoder(sample) - x).square().mean().sqrt()
    log_likelihood = Normal(model.decoder(sample), error).log_prob(x).sum((1, 2)).mean()
    divergence = kl_divergence(q, Normal(0.0, 1.0)).sum((1, 2)).mean()
    loss = model.loss(data, rng(5))
    torch.testing.assert_close(loss, (divergence - log_likelihood) / OBSERVED)
    for log_variance in torch.linspace(-3, 3, 13).double():
        model.log_variance_x.copy_(log_variance)
        assert sum(model.bound(data, rng(5))) >= loss


def test_the_stored_variance_converges_to_that_of_the_batches_and_evaluation_leaves_it_unchanged() -> None:
    model, data = perturbed_model("vae"), batch()
    assert isinstance(model, VAE)
    x, _, sample = encoded(model, data, seed=5)
    expected = (model.decoder(sample) - x).square().mean().log()
    for _ in range(400):
        model.loss(data, rng(5))
    torch.testing.assert_close(model.log_variance_x, expected.detach())
    assert not model.log_variance_x.requires_grad
    model.bound(batch(rows=7), rng(6))
    torch.testing.assert_close(model.log_variance_x, expected.detach())


def test_the_total_correlation_agrees_with_torch_mixtures() -> None:
    """The posteriors of the rows are the components of the mixture, each with its own scale."""
    q = posterior(rows=12)
    sample, mean, log_scale = (tensor.flatten(0, 1) for tensor in (q.sample, q.mean, q.log_scale))
    components = Categorical(torch.ones(len(mean), dtype=mean.dtype))
    joint = MixtureSameFamily(components, Independent(Normal(mean, log_scale.exp()), 1))
    marginals = [
        MixtureSameFamily(components, Normal(mean[:, i], log_scale[:, i].exp())).log_prob(sample[:, i])
        for i in range(N)
    ]
    expected = (joint.log_prob(sample) - sum(marginals)).mean()
    torch.testing.assert_close(total_correlation(sample, mean, log_scale), expected)


def test_the_total_correlation_is_weighted_by_beta_at_every_step() -> None:
    model, q = perturbed_model("tcvae", beta=3.5), posterior()
    assert isinstance(model, TCVAE)
    tensors = (q.sample, q.mean, q.log_scale)
    correlation = total_correlation(*(tensor.flatten(0, 1) for tensor in tensors))
    expected = model.divergence(q, batch()) + 2.5 * 2 * correlation
    torch.testing.assert_close(model.weighted_divergence(q, batch()), expected)


def test_the_ivae_prior_is_conditioned_on_standardised_actions() -> None:
    model, q, data = perturbed_model("ivae"), posterior(40), batch()
    assert isinstance(model, IVAE)
    assert data.actions is not None
    loc, log_scale = model.prior((data.actions - model.a_mean) / model.a_scale).chunk(2, dim=1)
    prior_loc = torch.stack([torch.zeros_like(loc), loc], dim=1)
    prior_scale = torch.stack([torch.ones_like(loc), log_scale.clamp(-9, 2).exp()], dim=1)
    expected = kl_divergence(Normal(q.mean, q.log_scale.exp()), Normal(prior_loc, prior_scale))
    torch.testing.assert_close(model.divergence(q, data), expected.sum((1, 2)).mean())


def test_slowvae_with_gamma_one_is_its_negative_elbo() -> None:
    model, q = perturbed_model("slowvae", gamma=1.0), posterior()
    assert isinstance(model, SlowVAE)
    torch.testing.assert_close(model.weighted_divergence(q, batch()), model.divergence(q, batch()))
    # the prior favours steps that are equal to the previous ones
    constant = Posterior(*(tensor[:, :1].repeat(1, 2, 1) for tensor in (q.mean, q.log_scale, q.sample)))
    assert model.divergence(constant, batch()) < model.divergence(q, batch())


def test_the_supervised_loss_is_the_gaussian_likelihood_with_optimal_variances() -> None:
    model, data = perturbed_model("supervised"), batch()
    assert data.latents is not None
    predicted = model.encoder((data.observations - model.x_mean) / model.x_scale)
    scale = (predicted - data.latents).square().mean((0, 1)).sqrt()
    log_likelihood = Normal(predicted, scale).log_prob(data.latents).mean()
    torch.testing.assert_close(model.loss(data, rng()), -log_likelihood - 0.5 * (1 + math.log(2 * math.pi)))


def test_the_pcl_loss_is_logistic_regression_of_true_against_mismatched_pairs_of_each_group() -> None:
    model, data = perturbed_model("pcl"), batch()
    assert isinstance(model, PCL)
    rows = len(data.observations)
    model.group_size = rows - 3
    groups = [range(rows - 3), range(rows - 3, rows)]
    past, present = model.encoder((data.observations - model.x_mean) / model.x_scale).unbind(1)
    pairs = [(i, j) for group in groups for i in group for j in group]
    odds = torch.cat([model.odds(present[i : i + 1], past[j : j + 1]) for i, j in pairs])[:, 0]
    labels = torch.tensor([float(i == j) for i, j in pairs]).to(odds)
    expected = nn.functional.binary_cross_entropy_with_logits(odds, labels, reduction="sum") / rows
    torch.testing.assert_close(model.loss(data, rng(5)), expected)


def test_the_pcl_log_odds_are_a_sum_of_functions_of_single_latents_at_both_steps() -> None:
    """Second-order mixed differences vanish except between the two steps of one latent."""
    model = perturbed_model("pcl")
    assert isinstance(model, PCL)
    start, end = 3 * normal(2 * N, seed=7), 3 * normal(2 * N, seed=8)

    def score(changed: set[int]) -> Tensor:
        point = torch.stack([end[k] if k in changed else start[k] for k in range(2 * N)])[None]
        return model.odds(point[:, :N], point[:, N:])

    for i in range(2 * N):
        for j in range(i):
            mixed = float((score({i, j}) - score({i}) - score({j}) + score(set())).detach())
            assert (abs(mixed) > 1e-6) == (i % N == j % N), (i, j)


def test_the_pcl_drift_of_a_latent_depends_only_on_its_own_past() -> None:
    model = perturbed_model("pcl")
    assert isinstance(model, PCL)
    past = normal(1, N, seed=7).requires_grad_()
    for i, drift in enumerate(model.drift(past, model.own)[0, :, 0]):
        (gradient,) = torch.autograd.grad(drift, past, retain_graph=True)
        assert [k for k in range(N) if gradient[0, k] != 0] == [i]


class UserEncoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(OBSERVED, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def test_with_a_user_supplied_encoder_the_noise_network_takes_latents() -> None:
    model = untrained(
        Shape(OBSERVED, N, 0, past=False),
        BaselineConfig("vae", width=5, seed=training_seed()),
        encoder=UserEncoder(N),
    )
    assert isinstance(model, VAE)
    assert model.noise(torch.zeros(4, N)).shape == (4, N)
    assert torch.isfinite(model.loss(Batch(torch.randn(9, 1, OBSERVED, generator=rng()), None), rng()))


@pytest.mark.parametrize("method", BASELINES)
def test_the_initial_weights_depend_only_on_the_seed(method: str) -> None:
    state = torch.get_rng_state()
    weights: Callable[[int], dict[str, Tensor]] = lambda seed: untrained(  # noqa: E731
        Shape(OBSERVED, N, ACTIONS, past=True), BaselineConfig.from_dict({"method": method, "seed": seed})
    ).state_dict()
    first, second, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not all(torch.equal(value, other[name]) for name, value in first.items())
    assert torch.equal(torch.get_rng_state(), state)
