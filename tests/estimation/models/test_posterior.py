"""The Gaussian posterior: factor, determinant and change of basis, compared with torch's distribution."""

from __future__ import annotations

import math

import pytest
import torch

from estimation.models.posterior import Gaussian, PosteriorNoise
from tests.seeds import training_seed


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(training_seed(seed))


MATRIX = torch.tensor([[1.0, 0.5, 0.0], [0.0, -2.0, 0.3], [0.2, 0.0, 1.0]], dtype=torch.float64)
X = torch.randn(6, 4, generator=rng(9), dtype=torch.float64)


def random_noise(full: bool = True) -> PosteriorNoise:
    noise = PosteriorNoise(4, 3, full, rng())
    with torch.no_grad():
        for k, parameter in enumerate(noise.network.parameters()):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=rng(k)))
    return noise.double()


@pytest.mark.parametrize("full", [True, False])
def test_determinant_and_variance_agree_with_the_covariance(full: bool) -> None:
    noise = random_noise(full)
    noise.change_basis_(MATRIX)
    factor, log_det = noise(X)
    posterior = Gaussian(torch.zeros_like(X[:, :3]), factor, log_det)
    distribution = posterior.distribution()
    torch.testing.assert_close(2 * log_det, torch.logdet(distribution.covariance_matrix))
    torch.testing.assert_close(posterior.variance, distribution.variance)
    constant = 1.5 * (1 + math.log(2 * math.pi))
    torch.testing.assert_close(distribution.entropy(), log_det + constant)


def test_the_factor_is_triangular_in_the_frame_with_entries_relative_to_their_column() -> None:
    noise = random_noise()
    noise.change_basis_(MATRIX)
    outputs = noise.network(X)
    factor, _ = noise(X)
    for row, values in zip(factor, outputs, strict=True):
        lower = torch.eye(3, dtype=torch.float64)
        lower[1, 0], lower[2, 0], lower[2, 1] = values[3:]
        torch.testing.assert_close(row, MATRIX @ lower @ torch.diag(values[:3].clamp(-9, 2).exp()))


def test_samples_have_the_covariance_of_the_factor() -> None:
    factor, log_det = random_noise()(X[:1])
    samples = Gaussian(torch.ones(1, 3, dtype=torch.float64), factor, log_det).sample(
        torch.randn(200_000, 3, generator=rng(1), dtype=torch.float64)
    )
    torch.testing.assert_close(torch.cov(samples.T), (factor @ factor.mT)[0].detach(), rtol=0.02, atol=1e-3)
    torch.testing.assert_close(samples.mean(0), torch.ones(3, dtype=torch.float64), rtol=0.01, atol=0.01)


def test_a_change_of_basis_transforms_a_full_covariance_exactly() -> None:
    noise = random_noise()
    before, _ = noise(X)
    noise.change_basis_(MATRIX)
    torch.testing.assert_close(noise(X)[0], MATRIX @ before)


def test_a_diagonal_posterior_stays_diagonal() -> None:
    noise = random_noise(full=False)
    before = Gaussian(torch.zeros(1, 3), *noise(torch.zeros_like(X[:1]))).variance
    noise.change_basis_(MATRIX)
    factor, _ = noise(X[1:])
    assert (factor == torch.diag_embed(torch.diagonal(factor, dim1=1, dim2=2))).all()
    torch.testing.assert_close(factor[0].square().sum(-1), MATRIX**2 @ before[0])
