"""The transition networks: masks, Jacobians, and agreement with one network at a time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from estimation.models.transitions import TransitionNetworks
from tests.seeds import training_seed


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


def random_networks(
    n_latents: int, n_inputs: int, n_outputs: int = 1, seed: int = 0, sines: bool = True
) -> TransitionNetworks:
    networks = TransitionNetworks(
        n_latents, n_inputs, width=5, depth=2, n_outputs=n_outputs, generator=rng(seed), sines=sines
    )
    with torch.no_grad():
        # the initial coefficients are zero
        networks.bumps.normal_(generator=rng(seed + 1))
    return networks


def one_at_a_time(networks: TransitionNetworks, i: int, inputs: Tensor, row: Tensor) -> Tensor:
    hidden = inputs * row
    for k, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
        hidden = hidden @ weight[i] + bias[i]
        if k < 2:
            hidden = torch.sin(hidden) if networks.sines else nn.functional.leaky_relu(hidden, 0.2)
    if not networks.sines:
        return hidden
    for j in range(inputs.shape[1]):
        for k, centre in enumerate(torch.linspace(-4, 4, 32)):
            height = torch.exp(-0.5 * ((inputs[:, j] - centre) / 0.3) ** 2)
            coefficients = networks.bumps[j, k].view(networks.n_latents, networks.n_outputs)[i]
            hidden = hidden + row[j] * height[:, None] * coefficients
    return hidden


@pytest.mark.parametrize("sines", [True, False])
def test_all_networks_at_once_equal_one_at_a_time(sines: bool) -> None:
    networks = random_networks(4, 3, n_outputs=2, sines=sines)
    inputs = torch.randn(7, 3, generator=rng(1))
    masks = (torch.rand(4, 3, generator=rng(2)) > 0.5).float()
    for i, row in enumerate(masks):
        expected = one_at_a_time(networks, i, inputs, row)
        torch.testing.assert_close(networks(inputs, masks)[:, i], expected)
        torch.testing.assert_close(networks(inputs, masks.expand(7, 4, 3))[:, i], expected)
        torch.testing.assert_close(networks(inputs)[:, i], one_at_a_time(networks, i, inputs, torch.ones(3)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**20), st.booleans())
def test_the_jacobian_is_the_derivative_and_zero_where_the_mask_is_zero(seed: int, sines: bool) -> None:
    networks = random_networks(3, 4, seed=seed, sines=sines).double()
    masks = (torch.rand(3, 4, generator=rng(seed + 2)) > 0.5).double()
    inputs = torch.randn(6, 4, generator=rng(seed + 3)).double()
    jacobian = networks.jacobian(inputs, masks)
    assert (jacobian[:, masks == 0] == 0).all()
    reference = torch.stack(
        [torch.autograd.functional.jacobian(lambda u: networks(u[None], masks)[0, :, 0], u) for u in inputs]
    )
    torch.testing.assert_close(jacobian, reference)


def test_basis_functions_stay_clear_of_denormal_numbers() -> None:
    networks = random_networks(2, 1)
    heights = networks._basis(torch.linspace(-100, 100, 999)[:, None])
    assert heights.min() > 1e4 * torch.finfo(torch.float32).tiny
    assert heights.min() < 1e-17
    # and the slope is zero far from all centres
    assert networks._additive_slopes(torch.full((1, 1), 100.0)).abs().max() < 1e-13


def test_an_oscillating_function_is_fitted_in_few_steps() -> None:
    networks = TransitionNetworks(1, 2, width=8, depth=2, n_outputs=1, generator=rng())
    inputs = torch.rand(512, 2, generator=rng(1)) * 4 - 2
    target = torch.sin(4 * inputs[:, 0]) + inputs[:, 1].abs()
    optimiser = torch.optim.Adam(networks.parameters(), lr=0.02)
    for _ in range(300):
        loss = (networks(inputs)[:, 0, 0] - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.01 * float(target.var())
