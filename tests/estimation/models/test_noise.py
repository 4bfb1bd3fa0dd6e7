"""Spline flows as conditional densities: laws of the splines, oracles for the density, and fits to known densities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from torch import Tensor
from torch.distributions import Categorical, Distribution, Gamma, MixtureSameFamily, Normal

from estimation.config import TrainingConfig
from estimation.models.elbo import negative_elbo, profiled_gaussian, training_loss, transition_misfit
from estimation.models.masks import Masks
from estimation.models.noise import MAX_LOG_FACTOR, NoiseNetworks, SplineFlow
from estimation.models.representation import Batch, Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.models.splines import N_PARAMETERS, RationalQuadraticSpline
from estimation.models.transitions import TransitionNetworks, TransitionResidual
from estimation.training.optimisers import build
from tests.seeds import training_seed

TINY = {"width": 8, "depth": 2, "transition_width": 6, "batch_size": 16, "noise": "flow"}
STANDARD = Normal(0.0, 1.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def splines(size: float, n: int = 1, rows: int = 1, seed: int = 0) -> RationalQuadraticSpline:
    parameters = size * torch.randn(n, N_PARAMETERS, rows, generator=rng(seed))
    return RationalQuadraticSpline.of(parameters.double())


def flows(size: float, n: int = 1, rows: int = 1, seed: int = 0) -> SplineFlow:
    location = torch.randn(rows, n, generator=rng(seed + 1)).double()
    unit = torch.randn(rows, n, generator=rng(seed + 2)).double().exp()
    return SplineFlow(location, unit, splines(size, n, rows, seed))


def randomised(model: SparseVAE, size: float = 0.5) -> SparseVAE:
    """Activate the noise of a model, with random weights."""
    assert model.noise is not None
    model.noise.activate_()
    with torch.no_grad():
        for k, parameter in enumerate(model.noise.parameters()):
            parameter.add_(size * torch.randn(parameter.shape, generator=rng(k)))
    return model


def tiny(past: bool = True, n_actions: int = 2, **changes: object) -> SparseVAE:
    config = TrainingConfig(seed=training_seed(), **(TINY | changes))
    return SparseVAE(Shape(5, 3, n_actions, past), config, rng())


def batch_for(model: SparseVAE, rows: int = 16) -> Batch:
    x = torch.randn(rows, 2 if model.shape.past else 1, model.shape.n_observed, generator=rng(1))
    return Batch(x, torch.randn(rows, model.shape.n_actions, generator=rng(2)))


@given(size=st.floats(0, 20), seed=st.integers(0, 2**16))
@settings(max_examples=15, deadline=None)
def test_splines_are_increasing_bijections_with_the_slopes_they_return(size: float, seed: int) -> None:
    spline = splines(size, n=2, rows=3, seed=seed)
    values = torch.linspace(-8, 8, 161, dtype=torch.float64)[None, :, None].repeat(2, 1, 3).requires_grad_()
    mapped, log_slope = spline(values)
    (slope,) = torch.autograd.grad(mapped.sum(), values)
    assert (mapped.diff(dim=1) > 0).all()
    torch.testing.assert_close(log_slope, slope.log())
    torch.testing.assert_close(spline.inverse(mapped), values, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [0.0, 0.5, 1.5])
def test_the_density_integrates_to_1_and_has_the_moments_of_the_flow(size: float) -> None:
    flow = flows(size, n=2, rows=2)
    grid = flow.loc + torch.linspace(-60, 60, 40_001, dtype=torch.float64)[:, None, None] * flow.unit
    step = grid[1] - grid[0]
    density = flow.log_prob(grid).exp()
    torch.testing.assert_close((density * step).sum(0), torch.ones(2, 2).double(), atol=1e-4, rtol=0)
    mean = (density * grid * step).sum(0)
    variance = (density * (grid - mean).square() * step).sum(0)
    torch.testing.assert_close(flow.loc, mean, atol=2e-3, rtol=0)
    torch.testing.assert_close(flow.scale, variance.sqrt(), atol=0, rtol=5e-3)
    assert torch.equal(flow.mean, flow.loc)
    assert torch.equal(flow.variance, flow.scale.square())


def test_samples_follow_the_density() -> None:
    flow = flows(2.0, n=2)
    samples = flow.from_noise(torch.randn(4_000, 1, 2, generator=rng(5)).double())
    for i in range(2):
        # the distribution function as the integral of the density, not as the flow's own cdf
        low, high = samples[:, 0, i].min() - 1, samples[:, 0, i].max() + 1
        grid = torch.linspace(float(low), float(high), 200_001, dtype=torch.float64)
        density = flow.log_prob(grid[:, None, None].expand(-1, 1, 2))[:, 0, i].exp()
        distribution = torch.cumsum(density, 0) * (grid[1] - grid[0])
        position = torch.searchsorted(grid, samples[:, 0, i].contiguous()).clamp(max=len(grid) - 1)
        assert kstest(distribution[position].clamp(0, 1).numpy(), "uniform").pvalue > 1e-4
    probabilities = torch.rand(50, 1, 2, generator=rng(6)).double()
    torch.testing.assert_close(flow.cdf(flow.icdf(probabilities)), probabilities)
    assert flow.sample((3,)).shape == (3, 1, 2)


def test_zero_parameters_give_the_normal_distribution() -> None:
    flow, normal = flows(0.0, 2, 3), None
    normal = Normal(flow.location, flow.unit)
    values = 4 * torch.randn(7, 3, 2, generator=rng(3)).double()
    torch.testing.assert_close(flow.log_prob(values), normal.log_prob(values))
    torch.testing.assert_close(flow.loc, normal.loc)
    torch.testing.assert_close(flow.scale, normal.scale)


def test_extreme_values_and_weights_have_finite_gradients() -> None:
    for size in (0.0, 1e3, 1e8):
        parameters = (size * torch.randn(2, N_PARAMETERS, 4, generator=rng(1))).requires_grad_()
        values = torch.tensor([-1e12, -30.0, -5.0, 0.0, 5.0, 30.0, 1e12])[None, :, None].repeat(2, 1, 4)
        mapped, log_slope = RationalQuadraticSpline.of(parameters)(values.requires_grad_())
        (mapped * 1e-12 + log_slope).sum().backward()
        for tensor in (mapped, log_slope, parameters.grad, values.grad):
            assert tensor is not None
            assert torch.isfinite(tensor).all()
        preimages = RationalQuadraticSpline.of(parameters).inverse(values.detach() * 1e-6)
        assert torch.isfinite(preimages).all()


def test_a_model_starts_with_the_gaussian_and_its_loss() -> None:
    """Also the weights outside of the noise networks are those of the Gaussian model."""
    plain, model = tiny(noise="gaussian"), tiny()
    own = dict(model.named_parameters())
    assert all(torch.equal(parameter, own[name]) for name, parameter in plain.named_parameters())
    assert not any(name.startswith("noise.") for name in plain.state_dict())
    assert isinstance(model.transition(torch.zeros(4, 3), torch.zeros(4, 2)), Normal)
    assert model.noise is not None
    model.noise.activate_()
    z, a = torch.randn(16, 3, generator=rng(1)), torch.randn(16, 2, generator=rng(2))
    flow, normal = model.transition(z, a), plain.transition(z, a)
    assert isinstance(flow, SplineFlow)
    torch.testing.assert_close(flow.loc, normal.loc)
    torch.testing.assert_close(flow.scale, normal.scale)
    torch.testing.assert_close(flow.log_prob(z), normal.log_prob(z))
    batch = batch_for(model)
    for profiled in (False, True):
        losses = [training_loss(m, batch, Masks(), rng(4), profiled).total for m in (model, plain)]
        torch.testing.assert_close(losses[0], losses[1])


@pytest.mark.parametrize(("past", "n_actions"), [(True, 2), (False, 2)])
def test_masked_parents_have_no_effect_on_the_density(past: bool, n_actions: int) -> None:
    model = randomised(tiny(past, n_actions))
    support = torch.rand(3, (3 if past else 0) + n_actions, generator=rng(3)) > 0.5
    for name, edges in model.edges.items():
        edges.kept.copy_(support[:, :3] if name == "past" else support[:, -n_actions:])
        edges.state.fill_(2)
    value, a = torch.randn(1, 3, generator=rng(7)), torch.randn(1, n_actions, generator=rng(2))
    z = torch.randn(1, 3, generator=rng(1)) if past else None
    for column in range(support.shape[1]):
        z_changed, a_changed = None if z is None else z.clone(), a.clone()
        if z_changed is not None and column < 3:
            z_changed[0, column] += 1
        else:
            a_changed[0, column - (3 if past else 0)] += 1
        before, after = model.transition(z, a), model.transition(z_changed, a_changed)
        # the change of a latent is predicted, so that its own past always has an effect
        shift = 0.0 if z is None or z_changed is None else z_changed - z
        changed = (after.log_prob(value + shift) != before.log_prob(value))[0]
        unmasked = support[:, column].clone()
        if column < 3 and past:
            unmasked[column] = changed[column]
        assert torch.equal(changed, unmasked), column


def test_the_divergence_is_the_expected_negative_log_density() -> None:
    """Averaged over many samples, and minus the entropy of the posterior, it is the divergence that is reported."""
    model = randomised(tiny(False, 2, variance="learned"))
    batch = batch_for(model, rows=4)
    with torch.no_grad():
        terms = [negative_elbo(model, batch, Masks(), rng(k)).divergence for k in range(300)]
        posterior = model.posterior(model.standardise(batch.observations[:, 0])).distribution()
        transition = model.transition(None, batch.actions, Masks())
        torch.manual_seed(training_seed(11))
        samples = posterior.sample((20_000,))
        expected = (-transition.log_prob(samples).sum(-1).mean() - posterior.entropy().mean()) / 5
    torch.testing.assert_close(torch.stack(terms).mean(), expected, atol=0.02, rtol=0.02)


def test_profiled_variances_make_the_misfit_independent_of_the_unit() -> None:
    networks = NoiseNetworks(3, 2, 8, 2, rng())
    with torch.no_grad():
        for k, parameter in enumerate(networks.parameters()):
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=rng(k)))
    log_factor, spline = networks(torch.randn(64, 2, generator=rng(1)))
    value, deviation = torch.randn(64, 3, generator=rng(2)), 0.1 * torch.randn(64, 3, generator=rng(3))
    misfits = []
    for unit in (1.0, 1e-5, 1e5):
        residual = TransitionResidual(unit * value, torch.ones(64, 3), log_factor, spline)
        squared = residual.value.square() + 1e-12 * unit**2
        misfit, variance = transition_misfit(residual, squared, unit * deviation, profiled=True)
        torch.testing.assert_close(variance, profiled_gaussian(squared, log_factor)[1])
        misfits.append(misfit - math.log(unit))
    torch.testing.assert_close(misfits[1], misfits[0], atol=2e-2, rtol=0)
    torch.testing.assert_close(misfits[2], misfits[0], atol=1e-3, rtol=0)
    assert log_factor.abs().max() <= MAX_LOG_FACTOR


@pytest.mark.parametrize("variance", ["profiled", "learned", "state_dependent", "profiled_state_dependent"])
def test_a_gradient_reaches_every_parameter_of_the_noise(variance: str) -> None:
    model = randomised(tiny(variance=variance))
    for edges in model.edges.values():
        edges.start_sampling_(torch.zeros_like(edges.logits))
    masks = model.sample_masks(16, rng())
    training_loss(model, batch_for(model), masks, rng(1), variance.startswith("profiled")).total.backward()
    assert model.noise is not None
    for name, parameter in model.noise.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_jacobian_of_the_transition_is_that_of_its_mean() -> None:
    model = randomised(tiny()).double()
    z, a = torch.randn(4, 3, generator=rng(1)).double(), torch.randn(4, 2, generator=rng(2)).double()
    identity, step = torch.eye(3).double(), 1e-5
    jacobian = model.transition_jacobian(z, a) + identity
    for j in range(3):
        shift = step * identity[j]
        change = (model.transition(z + shift, a).loc - model.transition(z - shift, a).loc) / (2 * step)
        torch.testing.assert_close(jacobian[:, :, j], change.detach(), atol=1e-5, rtol=1e-4)


def bimodal(actions: Tensor) -> Distribution:
    """Mean 0 and variance 1; the separation of the modes moves."""
    mode = 0.7 + 0.25 * torch.sin(2 * actions.sum(1))
    scale = (1 - mode.square()).sqrt()[:, None].expand(-1, 2)
    weights = Categorical(torch.full((len(actions), 2), 0.5))
    return MixtureSameFamily(weights, Normal(torch.stack([-mode, mode], 1), scale))


def skewed(actions: Tensor) -> Distribution:
    shape = (1.2 + torch.sin(2 * actions.sum(1))).exp()
    return Gamma(shape, shape.sqrt())


def test_bimodal_and_skewed_densities_are_fitted() -> None:
    """The KL divergence from the true density is below 0.04 nats; that of the best Gaussian is above 0.07."""
    torch.manual_seed(training_seed(3))
    actions, unseen = torch.randn(20_000, 2), torch.randn(5_000, 2)
    kinds = (bimodal, skewed)
    values = torch.stack([kind(actions).sample() for kind in kinds], 1)
    means, noise = TransitionNetworks(2, 2, 32, 2, 1, rng()), NoiseNetworks(2, 2, 32, 2, rng())
    optimiser = build([*means.parameters(), *noise.parameters()], "soap", 0.01)
    n_steps, generator = 250, rng(1)
    for k in range(n_steps):
        rows = torch.randint(len(values), (512,), generator=generator)
        location = means(actions[rows])[..., 0]
        residual = TransitionResidual(
            values[rows] - location, torch.ones_like(location), *noise(actions[rows])
        )
        squared = residual.value.square()
        misfit, variance = transition_misfit(residual, squared, torch.zeros_like(squared), profiled=True)
        optimiser.param_groups[0]["lr"] = 0.01 * min(1, (k + 1) / 30) * (1 - k / n_steps)
        optimiser.zero_grad()
        misfit.sum().backward()
        optimiser.step()
    with torch.no_grad():
        # the variances of all rows
        location, (log_factor, _) = means(actions)[..., 0], noise(actions)
        variance = profiled_gaussian((values - location).square(), log_factor)[1]
        location, (log_factor, spline) = means(unseen)[..., 0], noise(unseen)
        flow = SplineFlow(location, (0.5 * (variance.log() + log_factor)).exp(), spline)
        truth = [kind(unseen) for kind in kinds]
        samples = torch.stack([kind.sample() for kind in truth], 1)
        log_density = torch.stack([kind.log_prob(samples[:, i]) for i, kind in enumerate(truth)], 1)
        divergence = (log_density - flow.log_prob(samples)).mean(0)
        spread = (
            torch.stack([kind.mean for kind in truth], 1),
            torch.stack([kind.stddev for kind in truth], 1),
        )
        of_gaussian = (log_density - Normal(*spread).log_prob(samples)).mean(0)
    assert (divergence < 0.04).all(), divergence
    assert (of_gaussian > 0.07).all(), of_gaussian
