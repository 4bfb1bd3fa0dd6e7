"""The flow: inverse, Jacobian and log-determinant, against autograd."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.models.flow import ResidualFlow
from estimation.models.jacobian import batch_jacobian
from tests.seeds import training_seed


def random_flow(n: int, blocks: int, seed: int, size: float = 0.3) -> ResidualFlow:
    """An active flow with random weights, in double precision."""
    generator = torch.Generator().manual_seed(training_seed(seed))
    flow = ResidualFlow(n, blocks, 8, generator).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    flow.activate_()
    return flow


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 7),
    blocks=st.integers(0, 5),
    seed=st.integers(0, 2**31),
    size=st.sampled_from([0.01, 0.3, 1, 30]),
)
def test_inverse_jacobian_and_determinant(n: int, blocks: int, seed: int, size: float) -> None:
    """They are right for weights of any size."""
    flow = random_flow(n, blocks, seed, size)
    z = torch.randn(
        6, n, generator=torch.Generator().manual_seed(training_seed(seed + 1)), dtype=torch.float64
    )
    transformed, jacobian, log_det = flow.with_jacobian(z)
    torch.testing.assert_close(flow(z), transformed)
    torch.testing.assert_close(flow.inverse(transformed), z)
    torch.testing.assert_close(flow(flow.inverse(z)), z)
    sign, expected_log_det = torch.linalg.slogdet(jacobian)
    assert (sign > 0).all()
    torch.testing.assert_close(expected_log_det, log_det)
    torch.testing.assert_close(jacobian, batch_jacobian(flow, z)[1])
    # the inverse function theorem, which the decoder's Jacobian relies on
    torch.testing.assert_close(batch_jacobian(flow.inverse, transformed)[1], torch.linalg.inv(jacobian))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_inverse_is_exact_to_the_precision_of_its_dtype(dtype: torch.dtype) -> None:
    flow = random_flow(5, 4, 2, 30).to(dtype)
    z = torch.randn(500, 5, generator=torch.Generator().manual_seed(training_seed()), dtype=dtype)
    assert (flow.inverse(flow(z)) - z).abs().max() < 50 * 2**4 * torch.finfo(dtype).eps * z.abs().max()


def test_every_latent_is_transformed_and_depends_on_others() -> None:
    z = torch.randn(4, 5, generator=torch.Generator().manual_seed(training_seed()), dtype=torch.float64)
    off_diagonal = random_flow(5, 2, 0).with_jacobian(z)[1].abs().mean(0)
    off_diagonal.fill_diagonal_(0)
    assert (off_diagonal.sum(1) > 1e-3).all()


def test_latents_outside_the_flow_are_unchanged_and_affect_no_other() -> None:
    flow, active = random_flow(5, 3, 0), torch.tensor([True, False, True, True, False])
    flow.activate_(active)
    z = torch.randn(40, 5, generator=torch.Generator().manual_seed(training_seed()), dtype=torch.float64)
    transformed, jacobian, log_det = flow.with_jacobian(z)
    assert torch.equal(transformed[:, ~active], z[:, ~active])
    assert (jacobian[:, active][:, :, ~active] == 0).all()
    assert (transformed[:, active] != z[:, active]).all()
    torch.testing.assert_close(jacobian, batch_jacobian(flow, z)[1])
    torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], log_det)
    torch.testing.assert_close(flow.inverse(transformed), z)


def test_a_flow_without_latents_is_inactive() -> None:
    flow = random_flow(3, 2, 0)
    flow.activate_(torch.zeros(3, dtype=torch.bool))
    assert not flow.active


def test_it_starts_as_the_identity_and_is_skipped_while_inactive() -> None:
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(training_seed(1)))
    initial = ResidualFlow(3, 4, 8, torch.Generator().manual_seed(training_seed()))
    initial.activate_()
    assert torch.equal(initial(z), z)
    assert (initial.with_jacobian(z)[2] == 0).all()
    inactive = random_flow(3, 4, 0).float()
    inactive.through.fill_(False)
    assert not inactive.active
    assert inactive(z) is z
    assert inactive.inverse(z) is z


def test_gradients_at_the_identity_are_finite_and_not_all_zero() -> None:
    flow = ResidualFlow(3, 2, 8, torch.Generator().manual_seed(training_seed()))
    flow.activate_()
    transformed, _, log_det = flow.with_jacobian(
        torch.randn(20, 3, generator=torch.Generator().manual_seed(training_seed(1)))
    )
    (transformed.square().sum() - log_det.sum()).backward()
    gradients = [parameter.grad for parameter in flow.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_a_flow_without_blocks_stays_inactive() -> None:
    flow = ResidualFlow(3, 0, 8, torch.Generator())
    flow.activate_()
    assert not flow.active
    assert not list(flow.parameters())


def test_weights_depend_only_on_the_generator() -> None:
    state = torch.get_rng_state()
    first, second = (ResidualFlow(4, 2, 8, torch.Generator().manual_seed(training_seed(3))) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_resized_flow_is_the_identity_of_its_type() -> None:
    flow = random_flow(3, 2, 0)
    flow.resize_(4, 5, torch.Generator().manual_seed(training_seed()))
    assert flow.sizes == (4, 5)
    assert flow.active
    z = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(training_seed()))
    assert torch.equal(flow(z), z)
    assert flow.blocks[0].offset.dtype == torch.float64


@pytest.mark.parametrize(("blocks", "width"), [(2, 8), (2, 5), (8, 5)])
def test_a_flow_takes_the_sizes_of_a_stored_one(blocks: int, width: int) -> None:
    stored = random_flow(3, 2, 0)
    stored.resize_(blocks, width, torch.Generator().manual_seed(training_seed()))
    tensors = {f"flow.{name}": tensor for name, tensor in stored.state_dict().items()}
    flow = random_flow(3, 2, 1)
    flow.adapt_to_(tensors | {"networks.blocks.0.offset": torch.zeros(7)}, "flow.")
    assert flow.sizes == stored.sizes
    flow.load_state_dict(stored.state_dict())


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_flow_that_lacks_blocks_is_not_adapted_to(blocks: int) -> None:
    """A damaged file must be refused, not read as a smaller flow."""
    tensors = {f"flow.{name}": tensor for name, tensor in random_flow(3, blocks, 0).state_dict().items()}
    flow = random_flow(3, 2, 1)
    flow.adapt_to_(tensors, "flow.")
    assert flow.sizes == (2, 8)
    without = ResidualFlow(3, 0, 8, torch.Generator().manual_seed(training_seed()))
    without.adapt_to_(tensors, "flow.")
    assert without.sizes == (0, 0)
