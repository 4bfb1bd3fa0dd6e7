"""The flow is exactly invertible, and knows its own Jacobian."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.flow import CouplingFlow


def stirred(n: int, couplings: int, seed: int) -> CouplingFlow:
    """A flow that has learned something, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    flow = CouplingFlow(n, couplings, 8, generator).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    flow.activate_()
    return flow


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 7), couplings=st.integers(0, 5), seed=st.integers(0, 2**31))
def test_inverse_and_determinant(n: int, couplings: int, seed: int) -> None:
    flow = stirred(n, couplings, seed)
    z = torch.randn(6, n, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    straight, log_det = flow(z)
    torch.testing.assert_close(flow.inverse(straight), z)
    jacobian = flow.jacobian(z)
    torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], log_det)
    for row in range(6):
        wanted = torch.func.jacrev(lambda u: flow(u[None])[0][0])(z[row])
        torch.testing.assert_close(jacobian[row], wanted)


def test_every_latent_moves_and_depends_on_others() -> None:
    off_diagonal = stirred(5, 2, 0).jacobian(torch.randn(4, 5, dtype=torch.float64)).abs().mean(0)
    off_diagonal.fill_diagonal_(0)
    assert (off_diagonal.sum(1) > 1e-3).all()


def test_it_begins_as_the_identity_and_is_left_out_until_then() -> None:
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    fresh = CouplingFlow(3, 4, 8, torch.Generator().manual_seed(0))
    fresh.activate_()
    torch.testing.assert_close(fresh(z)[0], z)
    assert (fresh(z)[1] == 0).all()
    learned = stirred(3, 4, 0).float()
    learned.state.fill_(False)
    assert not learned.active
    assert learned(z)[0] is z
    assert learned.inverse(z) is z


def test_without_couplings_there_is_nothing_to_activate() -> None:
    for flow in (
        CouplingFlow(1, 4, 8, torch.Generator()),
        CouplingFlow(3, 0, 8, torch.Generator()),
    ):
        flow.activate_()
        assert not flow.active
        assert not list(flow.parameters())


def test_weights_come_from_the_generator_alone() -> None:
    state = torch.get_rng_state()
    first, second = (CouplingFlow(4, 2, 8, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
