"""Encodings in line with the decoder."""

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


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(
        shape, generator=torch.Generator().manual_seed(training_seed(seed)), dtype=torch.float64
    )


def begun(latents: Tensor, steps: int) -> Refinement:
    refinement = Refinement(latents.shape[1]).double()
    refinement.enable_(latents, steps)
    return refinement


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 5), extra=st.integers(0, 4), seed=st.integers(0, 10_000), variance=st.floats(1e-4, 1))
def test_one_step_through_a_linear_decoder_is_the_posterior_mean(
    n: int, extra: int, seed: int, variance: float
) -> None:
    """For Gaussian latents, a linear map and Gaussian noise the posterior mean is known in closed form."""
    matrix = drawn(n + extra, n, seed=seed)
    latents = drawn(500, n, seed=seed + 1) @ drawn(n, n, seed=seed + 2).T + drawn(n, seed=seed + 3)
    observed = latents @ matrix.T + variance**0.5 * drawn(500, n + extra, seed=seed + 4)
    found = begun(latents, 1)(lambda z: z @ matrix.T, observed, latents + 0.3, torch.tensor(variance))
    mean, covariance = latents.mean(0), torch.cov(latents.T).reshape(n, n)
    gain = (
        covariance
        @ matrix.T
        @ torch.linalg.inv(
            matrix @ covariance @ matrix.T + variance * torch.eye(n + extra, dtype=torch.float64)
        )
    )
    torch.testing.assert_close(found, mean + (observed - mean @ matrix.T) @ gain.T, atol=1e-3, rtol=1e-3)


def test_a_bent_decoder_is_inverted() -> None:
    decoder = MLP(3, 8, 32, 2, torch.Generator().manual_seed(training_seed(1))).double()
    latents = drawn(2_000, 3)
    observed = decoder(latents).detach()
    off = latents + 0.05 * drawn(2_000, 3, seed=1)
    errors = [
        (begun(latents, steps)(decoder, observed, off, torch.tensor(1e-6)) - latents).square().mean().sqrt()
        for steps in (1, 2, 5)
    ]
    assert errors[0] < 0.01
    assert errors[2] <= errors[1] <= errors[0]


def test_no_row_becomes_less_probable() -> None:
    """Far from the solution a whole step can lead astray; such a row stays."""

    def wave(z: Tensor) -> Tensor:
        return torch.sin(6 * z)

    latents = drawn(400, 2)
    observed, start = wave(latents), drawn(400, 2, seed=1)
    refinement = begun(latents, 1)
    found = refinement(wave, observed, start, torch.tensor(0.01))

    def misfit(z: Tensor) -> Tensor:
        away = z - refinement.centre
        return (observed - wave(z)).square().sum(1) / 0.01 + ((away @ refinement.precision) * away).sum(1)

    assert (misfit(found) <= misfit(start)).all()
    stayed = (found == start).all(1)
    assert 0 < stayed.sum() < 400


def test_nothing_happens_before_it_begins() -> None:
    z = drawn(4, 2)
    assert Refinement(2)(lambda u: u, z + 1, z, torch.tensor(1.0)) is z


def test_a_direction_without_use_does_not_break_it() -> None:
    """Neither a latent that never varies nor one that the decoder ignores."""
    latents = drawn(300, 3) * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    matrix = torch.eye(3, dtype=torch.float64)[:, [0, 2, 2]]
    found = begun(latents, 2)(lambda z: z @ matrix, latents @ matrix, latents, torch.tensor(1e-4))
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[:, 0], latents[:, 0], atol=1e-3, rtol=1e-3)


def test_no_gradient_of_the_steps_is_kept() -> None:
    z = drawn(4, 2).requires_grad_()
    found = begun(drawn(10, 2), 1)(lambda u: 2 * u, drawn(4, 2, seed=1), z, torch.tensor(0.1))
    assert not found.requires_grad


@pytest.mark.parametrize("rows", [1, 5])
def test_the_derivative_of_a_map_on_rows(rows: int) -> None:
    network = MLP(3, 4, 8, 2, torch.Generator().manual_seed(training_seed())).double()
    points = drawn(rows, 3)
    values, slopes = batch_jacobian(network, points)
    torch.testing.assert_close(values, network(points))
    wanted = torch.stack([torch.func.jacrev(lambda z: network(z[None])[0])(row) for row in points])
    torch.testing.assert_close(slopes, wanted)
