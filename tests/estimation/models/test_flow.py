"""The flow is exactly invertible, and knows its own Jacobian."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.models.flow import ResidualFlow
from estimation.models.jacobian import batch_jacobian
from tests.seeds import training_seed


def stirred(n: int, blocks: int, seed: int, size: float = 0.3) -> ResidualFlow:
    """A flow that has learned something, in double precision."""
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
    """However large the weights are."""
    flow = stirred(n, blocks, seed, size)
    z = torch.randn(
        6, n, generator=torch.Generator().manual_seed(training_seed(seed + 1)), dtype=torch.float64
    )
    straight, jacobian, log_det = flow.with_jacobian(z)
    torch.testing.assert_close(flow(z), straight)
    torch.testing.assert_close(flow.inverse(straight), z)
    torch.testing.assert_close(flow(flow.inverse(z)), z)
    sign, size_of_it = torch.linalg.slogdet(jacobian)
    assert (sign > 0).all()
    torch.testing.assert_close(size_of_it, log_det)
    torch.testing.assert_close(jacobian, batch_jacobian(flow, z)[1])
    # what the decoder's derivative needs
    torch.testing.assert_close(batch_jacobian(flow.inverse, straight)[1], torch.linalg.inv(jacobian))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_inverse_is_as_exact_as_numbers_are(dtype: torch.dtype) -> None:
    flow = stirred(5, 4, 2, 30).to(dtype)
    z = torch.randn(500, 5, generator=torch.Generator().manual_seed(training_seed()), dtype=dtype)
    assert (flow.inverse(flow(z)) - z).abs().max() < 50 * 2**4 * torch.finfo(dtype).eps * z.abs().max()


def test_every_latent_moves_and_depends_on_others() -> None:
    z = torch.randn(4, 5, generator=torch.Generator().manual_seed(training_seed()), dtype=torch.float64)
    off_diagonal = stirred(5, 2, 0).with_jacobian(z)[1].abs().mean(0)
    off_diagonal.fill_diagonal_(0)
    assert (off_diagonal.sum(1) > 1e-3).all()


def test_latents_that_stay_out_are_left_alone_and_move_no_other() -> None:
    flow, through = stirred(5, 3, 0), torch.tensor([True, False, True, True, False])
    flow.activate_(through)
    z = torch.randn(40, 5, generator=torch.Generator().manual_seed(training_seed()), dtype=torch.float64)
    straight, jacobian, log_det = flow.with_jacobian(z)
    assert torch.equal(straight[:, ~through], z[:, ~through])
    assert (jacobian[:, through][:, :, ~through] == 0).all()
    assert (straight[:, through] != z[:, through]).all()
    torch.testing.assert_close(jacobian, batch_jacobian(flow, z)[1])
    torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], log_det)
    torch.testing.assert_close(flow.inverse(straight), z)


def test_with_no_latent_it_is_left_out() -> None:
    flow = stirred(3, 2, 0)
    flow.activate_(torch.zeros(3, dtype=torch.bool))
    assert not flow.active


def test_it_begins_as_the_identity_and_is_left_out_until_then() -> None:
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(training_seed(1)))
    fresh = ResidualFlow(3, 4, 8, torch.Generator().manual_seed(training_seed()))
    fresh.activate_()
    assert torch.equal(fresh(z), z)
    assert (fresh.with_jacobian(z)[2] == 0).all()
    learned = stirred(3, 4, 0).float()
    learned.through.fill_(False)
    assert not learned.active
    assert learned(z) is z
    assert learned.inverse(z) is z


def test_it_can_begin_to_learn() -> None:
    """At the identity no gradient is infinite, and some are not zero."""
    flow = ResidualFlow(3, 2, 8, torch.Generator().manual_seed(training_seed()))
    flow.activate_()
    straight, _, log_det = flow.with_jacobian(
        torch.randn(20, 3, generator=torch.Generator().manual_seed(training_seed(1)))
    )
    (straight.square().sum() - log_det.sum()).backward()
    gradients = [parameter.grad for parameter in flow.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_without_blocks_there_is_nothing_to_activate() -> None:
    flow = ResidualFlow(3, 0, 8, torch.Generator())
    flow.activate_()
    assert not flow.active
    assert not list(flow.parameters())


def test_weights_come_from_the_generator_alone() -> None:
    state = torch.get_rng_state()
    first, second = (ResidualFlow(4, 2, 8, torch.Generator().manual_seed(training_seed(3))) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
