"""The linear map between encoder and decoder recovers known latents and leaves reconstructions unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import FastICA
from torch import Tensor

from estimation.config.baselines import BaselineConfig
from estimation.metrics import mean_correlation, multiple_correlation
from estimation.models.baselines.ica import fast_ica
from estimation.models.baselines.rotation import ica_map, maximum_likelihood_map
from estimation.models.baselines.temporal_differences import GeneralizedLaplacePrior
from estimation.models.baselines.variational import TCVAE, VAE, Posterior, SlowVAE
from estimation.models.representation import Batch, Shape
from estimation.simulate import published
from identify.entanglement import predict_entanglement
from tests.estimation.untrained import untrained
from tests.seeds import training_seed

N, ROWS = 4, 6_000
SMALL = {"width": 8, "depth": 1, "n_latents": N}


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(training_seed(seed))


def mixing(seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return a random invertible matrix of condition number at most 4."""
    return stats.ortho_group.rvs(N, random_state=training_seed(seed)) * generator(seed).uniform(0.5, 2, N)


def cost(prior: GeneralizedLaplacePrior, latents: Tensor) -> Tensor:
    first = 0.5 * latents[:, 0].square().sum(1).mean()
    return first + prior.cost(latents.diff(dim=1)).sum((1, 2)).mean()


def latent_pairs(tail_exponent: float, seed: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """Return normal latents whose differences have a generalised Laplace distribution, shape (N, 2, n)."""
    first = generator(seed).normal(size=(ROWS, N))
    scales = [0.2, 0.3, 0.4, 0.5]
    differences = stats.gennorm.rvs(tail_exponent, size=(ROWS, N), random_state=training_seed(seed)) * scales
    return np.stack([first, first + differences], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_ica_recovers_independent_latents(seed: int) -> None:
    true = generator(seed).uniform(-1, 1, size=(ROWS, N))
    mixed = torch.from_numpy(true @ mixing(seed).T)
    recovered = mixed @ ica_map(mixed, seed).T
    assert mean_correlation(true, mixed.numpy()).score < 0.97
    assert mean_correlation(true, recovered.numpy()).score > 0.998
    torch.testing.assert_close(recovered.var(0), torch.ones(N).double(), rtol=1e-2, atol=0)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fast_ica_gives_the_components_of_scikit_learn(n: int) -> None:
    """We don't use scikit-learn's FastICA: it changes the warning filters of the process if it doesn't converge."""
    rows = generator(n).laplace(size=(400, n)) @ generator(n + 1).normal(size=(n, n))
    solver = FastICA(whiten="unit-variance", whiten_solver="eigh", random_state=7, max_iter=500, tol=1e-3)
    np.testing.assert_allclose(fast_ica(rows, 7, 500, 1e-3), solver.fit(rows).components_, rtol=1e-9)


def test_fast_ica_does_not_warn_without_convergence() -> None:
    rows = generator(0).normal(size=(400, 4))
    components = rows @ fast_ica(rows, 0, 2, 0.0).T
    np.testing.assert_allclose(np.cov(components.T), np.eye(4) * 400 / 399, atol=1e-9)


@pytest.mark.parametrize("tail_exponent", [1.0, 4.0])
@pytest.mark.parametrize("seed", range(2))
def test_maximum_likelihood_recovers_latents_with_generalised_laplace_differences(
    tail_exponent: float, seed: int
) -> None:
    true = latent_pairs(tail_exponent, seed)
    mixed = torch.from_numpy(true @ mixing(seed).T)
    prior = GeneralizedLaplacePrior(N, None, tail_exponent)
    matrix, fitted_prior = maximum_likelihood_map(mixed, prior, cost, 2)
    recovered = mixed @ matrix.T
    assert mean_correlation(true, mixed.numpy()).score < 0.97
    assert mean_correlation(true, recovered.numpy()).score > 0.995
    # the rates maximise the likelihood, and the given prior is not modified
    moments = recovered.diff(dim=1).abs().pow(tail_exponent).mean((0, 1))
    expected = (tail_exponent * moments).pow(-1 / tail_exponent)
    torch.testing.assert_close(fitted_prior.log_rate.detach().exp(), expected, rtol=1e-2, atol=0)
    assert float(prior.log_rate.detach().abs().sum()) == 0


def test_latents_are_recovered_only_with_a_suitable_tail_exponent() -> None:
    """The true latents of a published process, rotated: the result of SlowVAE if its training were perfect."""
    data = published("TimeBlockDiag", 6_000, "test")
    assert data.latents is not None
    assert data.graph is not None
    z = torch.from_numpy(data.latents).double()
    z = (z - z.mean((0, 1))) @ torch.from_numpy(stats.ortho_group.rvs(10, random_state=training_seed()))
    r_con = {}
    for tail_exponent in (1.0, 4.0):
        matrix, _ = maximum_likelihood_map(z, GeneralizedLaplacePrior(10, None, tail_exponent), cost, 2)
        recovered = (z @ matrix.T).numpy()
        entanglement = predict_entanglement(data.graph)
        r_con[tail_exponent] = multiple_correlation(data.latents, recovered, entanglement).score
    # the differences are flatter than normal, so that sums of them are closer to a Laplace distribution
    assert r_con[1.0] < 0.65
    assert r_con[4.0] > 0.99


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 3.0]), st.sampled_from([None, 2.0]))
def test_the_map_costs_no_more_than_the_identity(seed: int, tail_exponent: float, rate: float | None) -> None:
    z = torch.from_numpy(generator(seed).normal(size=(200, 2, N)) @ mixing(seed).T)
    prior = GeneralizedLaplacePrior(N, rate, tail_exponent).double()
    matrix, fitted_prior = maximum_likelihood_map(z, prior, cost, 2)
    before = cost(prior, z)
    after = cost(fitted_prior, z @ matrix.T) - 2 * torch.linalg.slogdet(matrix)[1]
    assert float(after.detach()) <= float(before.detach()) + 1e-9


def test_collapsed_latents_are_left_unchanged() -> None:
    z = torch.from_numpy(latent_pairs(4.0, 0) @ mixing(1).T)
    z[..., 1] = 1e-3 * torch.from_numpy(generator(5).normal(size=(ROWS, 2)))
    for matrix in (
        ica_map(z.flatten(0, 1), 0),
        maximum_likelihood_map(z, GeneralizedLaplacePrior(N, None, 4.0), cost, 2)[0],
    ):
        torch.testing.assert_close(matrix[1], torch.eye(N).double()[1])
        torch.testing.assert_close(matrix[:, 1], torch.eye(N).double()[1])
        assert float((matrix - torch.eye(N)).abs().max()) > 0.1


def test_the_rate_of_a_collapsed_latent_is_left_unchanged() -> None:
    """Its encodings hardly vary, so a fitted rate would be far too high; its samples vary as usual."""
    z = torch.from_numpy(latent_pairs(4.0, 0) @ mixing(1).T)
    z[..., 1] = 0
    _, fitted_prior = maximum_likelihood_map(z, GeneralizedLaplacePrior(N, None, 4.0), cost, 2)
    log_rate = fitted_prior.log_rate.detach()
    assert float(log_rate[1]) == 0
    assert float(log_rate[[0, 2, 3]].abs().min()) > 0.1


@pytest.mark.parametrize("gamma", [0.5, 3.0])
def test_entropies_have_the_same_weight_as_differences(gamma: float) -> None:
    """At the map that minimises the loss, scaling all latents doesn't reduce it."""
    slow = model("slowvae", gamma=gamma, tail_exponent=1.0)
    z = torch.from_numpy(latent_pairs(1.0, 2) @ mixing(1).T)
    slow.update_rotation_(z)
    rotated = (z @ slow.rotation.T.double()).float()

    def loss(factor: float) -> float:
        y = rotated * factor
        log_scale = torch.full_like(y, -6.0) + np.log(factor)
        posterior = Posterior(y, log_scale, y)
        return float(slow.weighted_divergence(posterior, Batch(y, None)).detach())

    assert loss(1.0) <= min(loss(0.97), loss(1.03))


def test_the_map_is_the_identity_where_the_data_determine_none() -> None:
    identity = torch.eye(N, dtype=torch.float64)
    # one active latent, and fewer rows than latents
    one_active = torch.zeros(50, N)
    one_active[:, 2] = torch.linspace(-1, 1, 50)
    torch.testing.assert_close(ica_map(one_active, 0), identity)
    torch.testing.assert_close(ica_map(torch.randn(3, N), 0), identity)
    constant = torch.zeros(50, 2, N)
    torch.testing.assert_close(
        maximum_likelihood_map(constant, GeneralizedLaplacePrior(N, 1.0, 1.0), cost, 2)[0], identity
    )


def test_identical_latents_are_not_separated() -> None:
    """Their difference has no variance, so its scale would grow without bound."""
    z = torch.from_numpy(latent_pairs(4.0, 0) @ mixing(1).T)
    z[..., 1] = z[..., 0]
    for matrix in (
        ica_map(z.flatten(0, 1), 0),
        maximum_likelihood_map(z, GeneralizedLaplacePrior(N, None, 4.0), cost, 2)[0],
    ):
        torch.testing.assert_close(matrix, torch.eye(N, dtype=torch.float64))


def model(method: str, **changes: object) -> VAE:
    config = BaselineConfig.from_dict({"method": method, **SMALL, **changes})
    vae = untrained(Shape(6, N, 0, past=True), config)
    assert isinstance(vae, VAE)
    return vae


def test_rotations_leave_reconstructions_unchanged() -> None:
    vae, x = model("vae"), torch.randn(30, 6)
    before, decoded = vae.mean_latents(x), vae.mean_observations(vae.mean_latents(x))
    for seed in (1, 2):
        vae.rotate_(torch.from_numpy(mixing(seed)))
    torch.testing.assert_close(vae.mean_observations(vae.mean_latents(x)), decoded)
    both = torch.from_numpy(mixing(2) @ mixing(1)).float()
    torch.testing.assert_close(vae.mean_latents(x), before @ both.T)
    data = Batch(x.view(15, 2, 6), None)
    posterior = vae._reconstruct(data, torch.Generator().manual_seed(training_seed()))[1]
    torch.testing.assert_close(posterior.mean.flatten(0, 1), vae.mean_latents(x))


@pytest.mark.parametrize(("beta", "rotated"), [(1.0, False), (1.5, True)])
def test_tcvae_is_rotated_if_beta_exceeds_one(beta: float, rotated: bool) -> None:
    tcvae = model("tcvae", beta=beta)
    assert isinstance(tcvae, TCVAE)
    tcvae.update_rotation_(torch.from_numpy(latent_pairs(1.0, 0) @ mixing(1).T))
    assert torch.equal(tcvae.rotation, torch.eye(N)) is not rotated


def test_slowvae_stores_the_fitted_rates() -> None:
    slow = model("slowvae", gamma=2.0)
    assert isinstance(slow, SlowVAE)
    z = torch.from_numpy(latent_pairs(4.0, 0) @ mixing(1).T)
    slow.update_rotation_(z)
    rotated = z @ slow.rotation.T.double()
    expected = (4 * rotated.diff(dim=1).abs().pow(4).mean((0, 1))).pow(-0.25)
    torch.testing.assert_close(slow.differences.log_rate.detach().exp(), expected.float(), rtol=1e-2, atol=0)


def test_a_plain_vae_is_not_rotated() -> None:
    vae = model("vae")
    vae.update_rotation_(torch.randn(50, 2, N))
    assert torch.equal(vae.rotation, torch.eye(N))
