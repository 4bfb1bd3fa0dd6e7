"""Networks, masks, the model and its objective: shapes, masks on the function, and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from estimation.config import TrainingConfig
from estimation.exceptions import ConfigError, TrainingError
from estimation.models.elbo import negative_elbo, profiled_gaussian, training_loss
from estimation.models.jacobian import batch_jacobian
from estimation.models.masks import EdgeMasks, Masks
from estimation.models.networks import MLP, WithLinearInput, WithLinearOutput
from estimation.models.representation import Batch, Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training.optimisers import build
from tests.seeds import training_seed

TINY = {"width": 8, "depth": 2, "transition_width": 6, "batch_size": 16}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def tiny(past: bool = True, n_actions: int = 2, **changes: object) -> SparseVAE:
    return SparseVAE(
        Shape(5, 3, n_actions, past), TrainingConfig(seed=training_seed(), **(TINY | changes)), rng()
    )


def with_random_noise_weights(model: SparseVAE) -> SparseVAE:
    """Perturb the posterior noise, whose initial weights are zero, so that gradients reach all its layers."""
    with torch.no_grad():
        for k, parameter in enumerate(model.posterior_noise.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng(k)))
    return model


def batch_for(model: SparseVAE, rows: int = 16) -> Batch:
    steps = 2 if model.shape.past else 1
    x = torch.randn(rows, steps, model.shape.n_observed, generator=rng(1))
    a = torch.randn(rows, model.shape.n_actions, generator=rng(2)) if model.shape.n_actions else None
    return Batch(x, a)


@pytest.mark.parametrize(("past", "n_actions"), [(True, 0), (True, 2), (False, 2)])
def test_a_transition_depends_only_on_the_parents_in_its_mask(past: bool, n_actions: int) -> None:
    model = tiny(past, n_actions)
    width = (3 if past else 0) + n_actions
    support = torch.rand(3, width, generator=rng(3)) > 0.5
    for name, edges in model.edges.items():
        edges.kept.copy_(support[:, :3] if name == "past" else support[:, width - n_actions :])
        edges.state.fill_(2)
    z = torch.randn(4, 3, generator=rng(4)) if past else None
    a = torch.randn(4, n_actions, generator=rng(5)) if n_actions else None
    before = model.transition(z, a).loc
    for parent in range(width):
        z_changed, a_changed = (None if z is None else z.clone()), (None if a is None else a.clone())
        target, column = (
            (z_changed, parent) if past and parent < 3 else (a_changed, parent - (3 if past else 0))
        )
        target[:, column] += 1
        after = model.transition(z_changed, a_changed).loc
        # predicting the change adds the latent's own past value
        change = after - before
        if past:
            change = change - (z_changed - z)
        assert ((change.abs() > 1e-6).any(0) <= support[:, parent]).all()


@pytest.mark.parametrize("skip", [True, False])
def test_an_affine_map_is_folded_into_an_mlp(skip: bool) -> None:
    matrix, offset = torch.randn(3, 3, generator=rng(1)), torch.randn(3, generator=rng(2))
    x = torch.randn(9, 3, generator=rng(3))
    network = MLP(3, 3, width=7, depth=2, generator=rng(), skip=skip)
    before, expected = network(x), network(x @ matrix.T + offset)
    network.compose_after_(matrix, offset)
    torch.testing.assert_close(network(x), before @ matrix.T + offset, atol=1e-5, rtol=1e-5)
    network = MLP(3, 3, width=7, depth=2, generator=rng(), skip=skip)
    network.compose_before_(matrix, offset)
    torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-5)


def test_an_affine_map_is_folded_around_a_user_supplied_network() -> None:
    matrix, offset = torch.randn(3, 3, generator=rng(1)), torch.randn(3, generator=rng(2))
    x, inner = torch.randn(9, 3, generator=rng(3)), MLP(3, 3, 4, 1, rng())
    after, before = WithLinearOutput(inner, 3), WithLinearInput(inner, 3)
    after.compose_after_(matrix, offset)
    before.compose_before_(matrix, offset)
    torch.testing.assert_close(after(x), inner(x) @ matrix.T + offset)
    torch.testing.assert_close(before(x), inner(x @ matrix.T + offset))


def test_a_change_of_basis_changes_the_latents_but_not_the_reconstruction() -> None:
    model = tiny()
    matrix, offset = torch.randn(3, 3, generator=rng(7)) + 2 * torch.eye(3), torch.randn(3, generator=rng(8))
    x = torch.randn(20, 5, generator=rng(9))
    latents = model.posterior(x).loc
    decoded = model.decoder(latents)
    model.change_basis_(matrix, offset)
    torch.testing.assert_close(model.posterior(x).loc, latents @ matrix.T + offset, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.decoder(model.posterior(x).loc), decoded, atol=1e-4, rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=4, max_size=4), st.floats(0.05, 3.5))
def test_projection_meets_the_budget_by_a_common_shift(logits: list[float], budget: float) -> None:
    masks = EdgeMasks(2, 2)
    masks.start_sampling_(torch.tensor(logits).reshape(2, 2))
    before = masks.logits.detach().clone()
    n_before = float(masks.expected_edges().detach())
    masks.project_(budget)
    assert float(masks.expected_edges().detach()) == pytest.approx(min(n_before, budget), abs=1e-3)
    shift = (masks.logits - before).detach()
    unclipped = masks.logits.detach().abs() < 29
    assert torch.allclose(shift[unclipped], shift[unclipped].mean(), atol=1e-3) or not unclipped.any()


def test_samples_have_the_probabilities_of_their_logits() -> None:
    masks = EdgeMasks(2, 3)
    masks.start_sampling_(torch.tensor([[0.0, 2.0, -2.0], [5.0, -5.0, 1.0]]))
    samples = masks.sample(20_000, rng())
    assert set(samples.detach().unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(samples.mean(0), masks.probabilities(), atol=0.02, rtol=0)
    samples.sum().backward()
    assert (masks.logits.grad > 0).all()


def test_states_of_a_mask() -> None:
    masks = EdgeMasks(1, 3)
    assert masks.dense
    assert masks.sample(4, rng()) is None
    assert masks.support_mask() is None
    masks.start_sampling_(torch.tensor([[3.0, -1.0, 1.0]]))
    assert masks.sampled
    assert masks.support().tolist() == [[True, False, True]]
    masks.freeze_(1)
    assert masks.sample(4, rng()).tolist() == [[1.0, 0.0, 0.0]]
    with pytest.raises(ConfigError, match="the edge budget is -1; it must be a number of edges"):
        masks.project_(-1)


def test_the_terms_of_the_elbo_equal_torch_divergences() -> None:
    """The posteriors are correlated, and both sides use the same samples."""
    model = with_random_noise_weights(tiny(variance="learned")).double()
    batch = batch_for(model)
    batch = Batch(batch.observations.double(), batch.actions.double())
    terms = negative_elbo(model, batch, Masks(), rng(5))
    x = batch.observations.reshape(-1, 5)
    q = model.posterior(x)
    z = q.sample(torch.randn(q.loc.shape, generator=rng(5), dtype=torch.float64))
    error = (x - model.decoder(z)) ** 2
    reconstruction = 2 * 0.5 * (error + math.log(2 * math.pi)).mean()
    prior = model.transition(z.reshape(-1, 2, 3)[:, 0], batch.actions, Masks()).loc
    # p(z^1) is standard normal, and so is the noise of a transition whose initial variance is 1
    centres = torch.stack([torch.zeros_like(prior), prior], dim=1).flatten(0, 1)
    priors = MultivariateNormal(centres, torch.eye(3, dtype=torch.float64))
    divergence = 2 * kl_divergence(q.distribution(), priors).mean() / 5
    torch.testing.assert_close(terms.reconstruction, reconstruction)
    torch.testing.assert_close(terms.divergence, divergence)
    torch.testing.assert_close(terms.total, reconstruction + divergence)


@pytest.mark.parametrize("variance", ["profiled", "profiled_state_dependent"])
@pytest.mark.parametrize(("past", "n_actions"), [(True, 0), (True, 2), (False, 2)])
def test_profiled_variances_are_optimal(past: bool, n_actions: int, variance: str) -> None:
    model = with_random_noise_weights(tiny(past, n_actions, variance=variance))
    with torch.no_grad():
        for parameter in model.networks.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=rng(7)))
    batch = batch_for(model)
    profiled = training_loss(model, batch, Masks(), rng(5), profiled=True)
    with torch.no_grad():
        model.log_variance_x.copy_(profiled.variance_x.log())
        model.log_variance_z.copy_(profiled.variance_z.log())
    best = negative_elbo(model, batch, Masks(), rng(5))
    torch.testing.assert_close(profiled.total, best.total)
    for shift in (-0.1, 0.1):
        with torch.no_grad():
            model.log_variance_x.copy_(profiled.variance_x.log() + shift)
        assert negative_elbo(model, batch, Masks(), rng(5)).total > best.total
        with torch.no_grad():
            model.log_variance_x.copy_(profiled.variance_x.log())
            model.log_variance_z.copy_(profiled.variance_z.log() + shift)
        assert negative_elbo(model, batch, Masks(), rng(5)).total > best.total
        with torch.no_grad():
            model.log_variance_z.copy_(profiled.variance_z.log())


def test_the_profiled_misfit_is_the_least_negative_log_likelihood() -> None:
    residual, log_factor = torch.randn(40, 3, generator=rng(1)), torch.randn(40, 3, generator=rng(2))
    misfit, variance = profiled_gaussian(residual.square(), log_factor)
    costs = [
        -Normal(0.0, (scale * variance * log_factor.exp()).sqrt()).log_prob(residual).mean(0)
        for scale in (0.9, 1.0, 1.1)
    ]
    torch.testing.assert_close(costs[1], misfit + 0.5 * (math.log(2 * math.pi) + 1))
    assert (costs[0] > costs[1]).all()
    assert (costs[2] > costs[1]).all()
    shifted, shifted_variance = profiled_gaussian(residual.square(), log_factor + 2)
    torch.testing.assert_close(shifted, misfit)
    torch.testing.assert_close(shifted_variance, variance * math.exp(-2))
    same, plain = (
        profiled_gaussian(residual.square(), torch.zeros(40, 3)),
        profiled_gaussian(residual.square()),
    )
    assert torch.equal(same[0], plain[0])
    assert torch.equal(same[1], plain[1])


def test_a_profiled_state_dependent_variance_starts_constant_and_is_bounded() -> None:
    model = tiny(variance="profiled_state_dependent")
    z, a = 5 * torch.randn(16, 3, generator=rng(1)), torch.randn(16, 2, generator=rng(2))
    assert torch.equal(model.transition(z, a).scale, torch.ones(16, 3))
    with torch.no_grad():
        model.networks.biases[-1][..., 1] = 1e6
    log_factor = model.transition_residual(z, z, a).log_factor
    assert log_factor is not None
    assert log_factor.tolist() == torch.full((16, 3), 10.0).tolist()


@pytest.mark.parametrize(
    "variance", ["profiled", "learned", "fixed", "state_dependent", "profiled_state_dependent"]
)
@pytest.mark.parametrize("predict", ["change", "value"])
def test_a_gradient_reaches_every_parameter(variance: str, predict: str) -> None:
    model = with_random_noise_weights(tiny(variance=variance, predict=predict))
    for edges in model.edges.values():
        edges.start_sampling_(torch.zeros_like(edges.logits))
    batch = batch_for(model)
    profiled = variance.startswith("profiled")
    if variance == "profiled_state_dependent":
        # without weights after them, the hidden units of the factor have no gradient
        nn.init.normal_(model.networks.weights[-1], generator=rng(3))
    training_loss(model, batch, model.sample_masks(16, rng()), rng(1), profiled).total.backward()
    for name, parameter in model.named_parameters():
        # the flow is fitted separately, after training
        if parameter.numel() and not name.startswith("flow."):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("predict", ["change", "value"])
def test_jacobian_and_effects_of_the_transition(predict: str) -> None:
    model = tiny(predict=predict)
    z, a = torch.randn(6, 3, generator=rng(1)), torch.randn(6, 2, generator=rng(2))
    jacobian = model.transition_jacobian(z, a)
    for row in range(6):
        expected = torch.func.jacrev(lambda u, row=row: model.transition(u[None], a[row, None]).loc[0])(
            z[row]
        )
        torch.testing.assert_close(jacobian[row], expected - torch.eye(3), atol=1e-5, rtol=1e-5)
    effects = model.action_effects(z, a)
    resampled = a.clone()
    resampled[:, 1] = a[:, 1].roll(1)
    expected = (model.transition(z, resampled).loc - model.transition(z, a).loc) / math.sqrt(2)
    torch.testing.assert_close(effects[..., 1], expected.detach())


@pytest.mark.parametrize("past", [True, False])
def test_effects_of_actions_that_stay_the_same_in_most_rows(past: bool) -> None:
    model = tiny(past, n_actions=4)
    z = torch.randn(50, 3, generator=rng(1)) if past else None
    which = torch.randint(3, (50,), generator=rng(2))
    a = (which[:, None] == torch.arange(4)).float()
    effects = model.action_effects(z, a)
    for column in range(4):
        resampled = a.clone()
        resampled[:, column] = a[:, column].roll(1)
        expected = (model.transition(z, resampled).loc - model.transition(z, a).loc) / math.sqrt(2)
        torch.testing.assert_close(effects[..., column], expected.detach())
    # an action that no row has changes nothing
    assert not effects[..., 3].any()
    assert effects[..., 0].any()
    assert torch.equal(model.action_effects(z, a, columns=[2, 0]), effects[..., [2, 0]])


@pytest.mark.parametrize(("past", "n_actions"), [(True, 2), (False, 2)])
def test_the_residual_is_the_latents_minus_their_predicted_mean(past: bool, n_actions: int) -> None:
    model = tiny(past, n_actions)
    z, a = torch.randn(6, 2, 3, generator=rng(1)), torch.randn(6, n_actions, generator=rng(2))
    z_past = model.past_latents(z)
    prediction = model.transition(z_past, a)
    residual = model.transition_residual(z[:, -1], z_past, a)
    assert torch.equal(residual.value, z[:, -1] - prediction.loc)
    assert torch.equal(residual.scale, prediction.scale)
    assert z_past is None if not past else torch.equal(z_past, z[:, 0])


def test_invalid_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="neither actions nor a past, so that nothing can be sparse"):
        SparseVAE(Shape(5, 3, 0, past=False), TrainingConfig(), rng())
    with pytest.raises(TrainingError, match=r"the encoder can't take inputs of shape \(2, 5\)"):
        SparseVAE(Shape(5, 3, 2, past=False), TrainingConfig(), rng(), encoder=nn.Linear(4, 3))
    with pytest.raises(
        TrainingError, match=r"the decoder maps \(2, 3\) to \(2, 4\); it must map to \(2, 5\)"
    ):
        SparseVAE(Shape(5, 3, 2, past=False), TrainingConfig(), rng(), decoder=nn.Linear(3, 4))


def test_weights_depend_only_on_the_generator() -> None:
    state = torch.get_rng_state()
    first, second = tiny(), tiny()
    assert torch.equal(state, torch.get_rng_state())
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    other = SparseVAE(first.shape, TrainingConfig(seed=training_seed(), **TINY), rng(1))
    assert not torch.equal(first.networks.weights[0], other.networks.weights[0])


@pytest.mark.parametrize("variance", ["profiled", "state_dependent", "profiled_state_dependent"])
def test_a_step_stays_on_the_device_of_the_model(variance: str) -> None:
    """The meta device stands in for a GPU: its tensors can't be combined with those of the CPU."""
    config = TrainingConfig(max_edges_past=4, variance=variance, seed=training_seed())
    model = SparseVAE(Shape(6, 3, 2, past=True), config, torch.Generator())
    # these buffers are read as Python numbers, which is impossible on the meta device
    states = [edges.state for edges in model.edges.values()]
    flow_mask, steps = model.flow.through, model.refinement.steps
    model.to("meta")
    for edges, state in zip(model.edges.values(), states, strict=True):
        edges.state = state
    model.flow.through, model.refinement.steps = flow_mask, steps
    trained = [p for name, p in model.named_parameters() if not name.startswith("flow.")]
    optimiser = build(trained, "soap", 1e-3)
    batch = Batch(torch.empty(8, 2, 6, device="meta"), torch.empty(8, 2, device="meta"))
    for sampled in (False, True):
        for edges in model.edges.values() if sampled else ():
            edges.start_sampling_()
        masks = model.sample_masks(8, torch.Generator())
        terms = training_loss(model, batch, masks, torch.Generator(), config.profiled)
        optimiser.zero_grad()
        terms.total.backward()
        optimiser.step()
        assert terms.total.device.type == "meta"
    assert all(parameter.grad is not None for parameter in trained)
    model.reset_transition_(config, torch.Generator())
    assert {parameter.device.type for parameter in model.networks.parameters()} == {"meta"}


@pytest.mark.parametrize("latents", [None, [True, False, True]])
def test_the_observation_jacobian_equals_differentiation_through_the_inverse(
    latents: list[bool] | None,
) -> None:
    """The reference differentiates every iteration of the flow's inverse, without the inverse function theorem."""
    model = tiny(flow_blocks=3).double().eval()
    z = torch.randn(20, 3, generator=rng(1), dtype=torch.float64)
    for active in (False, True):
        if active:
            for k, parameter in enumerate(model.flow.parameters()):
                parameter.data += 0.3 * torch.randn(parameter.shape, generator=rng(k), dtype=torch.float64)
            model.flow.activate_(None if latents is None else torch.tensor(latents))
        observations, jacobian = model.observation_jacobian(z)
        expected, expected_jacobian = batch_jacobian(model.mean_observations, z)
        torch.testing.assert_close(observations, expected, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(jacobian, expected_jacobian, rtol=1e-7, atol=1e-9)
