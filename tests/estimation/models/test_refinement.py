"""Gauss-Newton refinement of encodings."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from estimation.models.jacobian import batch_jacobian
from estimation.models.networks import MLP
from estimation.models.refinement import Refinement
from tests.seeds import training_seed


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(
        shape, generator=torch.Generator().manual_seed(training_seed(seed)), dtype=torch.float64
    )


def enabled(latents: Tensor, steps: int) -> Refinement:
    refinement = Refinement(latents.shape[1]).double()
    refinement.enable_(latents, steps)
    return refinement


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 5), extra=st.integers(0, 4), seed=st.integers(0, 10_000), variance=st.floats(1e-4, 1))
def test_one_step_through_a_linear_decoder_is_the_posterior_mean(
    n: int, extra: int, seed: int, variance: float
) -> None:
    """For Gaussian latents, a linear decoder and Gaussian noise, the posterior mean has a closed form."""
    matrix = normal(n + extra, n, seed=seed)
    latents = normal(500, n, seed=seed + 1) @ normal(n, n, seed=seed + 2).T + normal(n, seed=seed + 3)
    observed = latents @ matrix.T + variance**0.5 * normal(500, n + extra, seed=seed + 4)
    refined = enabled(latents, 1)(lambda z: z @ matrix.T, observed, latents + 0.3, torch.tensor(variance))
    mean, covariance = latents.mean(0), torch.cov(latents.T).reshape(n, n)
    gain = (
        covariance
        @ matrix.T
        @ torch.linalg.inv(
            matrix @ covariance @ matrix.T + variance * torch.eye(n + extra, dtype=torch.float64)
        )
    )
    torch.testing.assert_close(refined, mean + (observed - mean @ matrix.T) @ gain.T, atol=1e-3, rtol=1e-3)


def test_a_nonlinear_decoder_is_inverted() -> None:
    decoder = MLP(3, 8, 32, 2, torch.Generator().manual_seed(training_seed(1))).double()
    latents = normal(2_000, 3)
    observed = decoder(latents).detach()
    initial = latents + 0.05 * normal(2_000, 3, seed=1)
    errors = [
        (enabled(latents, steps)(decoder, observed, initial, torch.tensor(1e-6)) - latents)
        .square()
        .mean()
        .sqrt()
        for steps in (1, 2, 5)
    ]
    assert errors[0] < 0.01
    assert errors[2] <= errors[1] <= errors[0]


def test_no_row_becomes_less_probable() -> None:
    """Far from the solution, a full step can make a row less probable; such a row stays unchanged."""

    def wave(z: Tensor) -> Tensor:
        return torch.sin(6 * z)

    latents = normal(400, 2)
    observed, initial = wave(latents), normal(400, 2, seed=1)
    refinement = enabled(latents, 1)
    refined = refinement(wave, observed, initial, torch.tensor(0.01))

    def energy(z: Tensor) -> Tensor:
        deviation = z - refinement.centre
        prior = ((deviation @ refinement.precision) * deviation).sum(1)
        return (observed - wave(z)).square().sum(1) / 0.01 + prior

    assert (energy(refined) <= energy(initial)).all()
    unchanged = (refined == initial).all(1)
    assert 0 < unchanged.sum() < 400


def test_the_input_is_returned_until_it_is_enabled() -> None:
    z = normal(4, 2)
    assert Refinement(2)(lambda u: u, z + 1, z, torch.tensor(1.0)) is z


def test_singular_directions_give_finite_latents() -> None:
    """One latent is constant, and the decoder ignores another."""
    latents = normal(300, 3) * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    matrix = torch.eye(3, dtype=torch.float64)[:, [0, 2, 2]]
    refined = enabled(latents, 2)(lambda z: z @ matrix, latents @ matrix, latents, torch.tensor(1e-4))
    assert torch.isfinite(refined).all()
    torch.testing.assert_close(refined[:, 0], latents[:, 0], atol=1e-3, rtol=1e-3)


def test_the_steps_have_no_gradient() -> None:
    z = normal(4, 2).requires_grad_()
    refined = enabled(normal(10, 2), 1)(lambda u: 2 * u, normal(4, 2, seed=1), z, torch.tensor(0.1))
    assert not refined.requires_grad


@pytest.mark.parametrize("rows", [1, 5])
def test_the_batched_jacobian_equals_one_jacobian_per_row(rows: int) -> None:
    network = MLP(3, 4, 8, 2, torch.Generator().manual_seed(training_seed())).double()
    points = normal(rows, 3)
    values, jacobian = batch_jacobian(network, points)
    torch.testing.assert_close(values, network(points))
    expected = torch.stack([torch.func.jacrev(lambda z: network(z[None])[0])(row) for row in points])
    torch.testing.assert_close(jacobian, expected)
