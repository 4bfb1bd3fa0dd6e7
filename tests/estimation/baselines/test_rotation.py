"""The linear map between encoder and decoder: found where it is known, without changing what is decoded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import FastICA
from torch import Tensor

from estimation.baselines.ica import fast_ica
from estimation.baselines.rotation import ica_map, maximum_likelihood_map
from estimation.baselines.temporal_differences import GeneralizedLaplacePrior
from estimation.baselines.variational import TCVAE, VAE, Posterior, SlowVAE
from estimation.config.baselines import BaselineConfig
from estimation.metrics import mean_correlation, multiple_correlation
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
    """An invertible matrix that is not far from singular."""
    return stats.ortho_group.rvs(N, random_state=training_seed(seed)) * generator(seed).uniform(0.5, 2, N)


def cost(changes: GeneralizedLaplacePrior, latents: Tensor) -> Tensor:
    first = 0.5 * latents[:, 0].square().sum(1).mean()
    return first + changes.cost(latents.diff(dim=1)).sum((1, 2)).mean()


def following(shape: float, seed: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """Normal latents whose changes have a generalised Laplace distribution, shape (N, 2, n)."""
    first = generator(seed).normal(size=(ROWS, N))
    moved = stats.gennorm.rvs(shape, size=(ROWS, N), random_state=training_seed(seed)) * [0.2, 0.3, 0.4, 0.5]
    return np.stack([first, first + moved], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_independent_latents_are_found_again(seed: int) -> None:
    true = generator(seed).uniform(-1, 1, size=(ROWS, N))
    mixed = torch.from_numpy(true @ mixing(seed).T)
    found = mixed @ ica_map(mixed, seed).T
    assert mean_correlation(true, mixed.numpy()).score < 0.97
    assert mean_correlation(true, found.numpy()).score > 0.998
    torch.testing.assert_close(found.var(0), torch.ones(N).double(), rtol=1e-2, atol=0)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_components_are_those_of_scikit_learn(n: int) -> None:
    """Whose own search changes the filters of warnings of the whole process where it ends early."""
    rows = generator(n).laplace(size=(400, n)) @ generator(n + 1).normal(size=(n, n))
    solver = FastICA(whiten="unit-variance", whiten_solver="eigh", random_state=7, max_iter=500, tol=1e-3)
    np.testing.assert_allclose(fast_ica(rows, 7, 500, 1e-3), solver.fit(rows).components_, rtol=1e-9)


def test_a_search_that_ends_early_says_nothing() -> None:
    rows = generator(0).normal(size=(400, 4))
    found = rows @ fast_ica(rows, 0, 2, 0.0).T
    np.testing.assert_allclose(np.cov(found.T), np.eye(4) * 400 / 399, atol=1e-9)


@pytest.mark.parametrize("shape", [1.0, 4.0])
@pytest.mark.parametrize("seed", range(2))
def test_latents_with_such_changes_are_found_again(shape: float, seed: int) -> None:
    true = following(shape, seed)
    mixed = torch.from_numpy(true @ mixing(seed).T)
    changes = GeneralizedLaplacePrior(N, None, shape)
    change, fitted = maximum_likelihood_map(mixed, changes, cost, 2)
    found = mixed @ change.T
    assert mean_correlation(true, mixed.numpy()).score < 0.97
    assert mean_correlation(true, found.numpy()).score > 0.995
    # the rates are those of the maximum of the likelihood, and the prior that was given stays as it is
    wanted = (shape * found.diff(dim=1).abs().pow(shape).mean((0, 1))).pow(-1 / shape)
    torch.testing.assert_close(fitted.log_rate.detach().exp(), wanted, rtol=1e-2, atol=0)
    assert float(changes.log_rate.detach().abs().sum()) == 0


def test_what_the_best_turn_is_worth_depends_on_the_shape() -> None:
    """The true latents of a published process, turned: what SlowVAE would make of them if training were no matter."""
    data = published("TimeBlockDiag", 6_000, "test")
    assert data.latents is not None
    assert data.graph is not None
    z = torch.from_numpy(data.latents).double()
    z = (z - z.mean((0, 1))) @ torch.from_numpy(stats.ortho_group.rvs(10, random_state=training_seed()))
    worth = {}
    for shape in (1.0, 4.0):
        change, _ = maximum_likelihood_map(z, GeneralizedLaplacePrior(10, None, shape), cost, 2)
        found = (z @ change.T).numpy()
        allowed = predict_entanglement(data.graph)
        worth[shape] = multiple_correlation(data.latents, found, allowed).score
    # changes here are flatter than normal: sums of them are nearer to Laplace's than they are
    assert worth[1.0] < 0.65
    assert worth[4.0] > 0.99


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 3.0]), st.sampled_from([None, 2.0]))
def test_the_map_costs_no_more_than_none(seed: int, shape: float, rate: float | None) -> None:
    z = torch.from_numpy(generator(seed).normal(size=(200, 2, N)) @ mixing(seed).T)
    changes = GeneralizedLaplacePrior(N, rate, shape).double()
    change, fitted = maximum_likelihood_map(z, changes, cost, 2)
    before = cost(changes, z)
    after = cost(fitted, z @ change.T) - 2 * torch.linalg.slogdet(change)[1]
    assert float(after.detach()) <= float(before.detach()) + 1e-9


def test_latents_that_observations_do_not_tell_of_stay() -> None:
    z = torch.from_numpy(following(4.0, 0) @ mixing(1).T)
    z[..., 1] = 1e-3 * torch.from_numpy(generator(5).normal(size=(ROWS, 2)))
    for change in (
        ica_map(z.flatten(0, 1), 0),
        maximum_likelihood_map(z, GeneralizedLaplacePrior(N, None, 4.0), cost, 2)[0],
    ):
        torch.testing.assert_close(change[1], torch.eye(N).double()[1])
        torch.testing.assert_close(change[:, 1], torch.eye(N).double()[1])
        assert float((change - torch.eye(N)).abs().max()) > 0.1


def test_what_is_kept_of_a_latent_that_observations_do_not_tell_of() -> None:
    """Its encodings hardly move, and the prior would have it that it doesn't; in the model it varies like any other."""
    z = torch.from_numpy(following(4.0, 0) @ mixing(1).T)
    z[..., 1] = 0
    _, fitted = maximum_likelihood_map(z, GeneralizedLaplacePrior(N, None, 4.0), cost, 2)
    found = fitted.log_rate.detach()
    assert float(found[1]) == 0
    assert float(found[[0, 2, 3]].abs().min()) > 0.1


@pytest.mark.parametrize("gamma", [0.5, 3.0])
def test_the_entropies_count_as_often_as_the_changes(gamma: float) -> None:
    """At the map of the least loss, stretching all latents gains nothing."""
    slow = model("slowvae", gamma=gamma, tail_exponent=1.0)
    z = torch.from_numpy(following(1.0, 2) @ mixing(1).T)
    slow.update_rotation_(z)
    turned = (z @ slow.rotation.T.double()).float()

    def loss(stretch: float) -> float:
        y = turned * stretch
        noise = torch.full_like(y, -6.0) + np.log(stretch)
        sample = Posterior(y, noise, y)
        return float(slow.weighted_divergence(sample, Batch(y, None)).detach())

    assert loss(1.0) <= min(loss(0.97), loss(1.03))


def test_nothing_to_be_found_leaves_latents_as_they_are() -> None:
    none = torch.eye(N, dtype=torch.float64)
    # one latent alone, and fewer rows than latents
    alone = torch.zeros(50, N)
    alone[:, 2] = torch.linspace(-1, 1, 50)
    torch.testing.assert_close(ica_map(alone, 0), none)
    torch.testing.assert_close(ica_map(torch.randn(3, N), 0), none)
    still = torch.zeros(50, 2, N)
    torch.testing.assert_close(
        maximum_likelihood_map(still, GeneralizedLaplacePrior(N, 1.0, 1.0), cost, 2)[0], none
    )


def test_latents_that_copy_each_other_are_not_torn_apart() -> None:
    """The direction in which they don't differ could be stretched for ever."""
    z = torch.from_numpy(following(4.0, 0) @ mixing(1).T)
    z[..., 1] = z[..., 0]
    for change in (
        ica_map(z.flatten(0, 1), 0),
        maximum_likelihood_map(z, GeneralizedLaplacePrior(N, None, 4.0), cost, 2)[0],
    ):
        torch.testing.assert_close(change, torch.eye(N, dtype=torch.float64))


def model(method: str, **changes: object) -> VAE:
    config = BaselineConfig.from_dict({"method": method, **SMALL, **changes})
    made = untrained(Shape(6, N, 0, past=True), config)
    assert isinstance(made, VAE)
    return made


def test_what_is_decoded_stays_the_same() -> None:
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


@pytest.mark.parametrize(("beta", "turned"), [(1.0, False), (1.5, True)])
def test_the_total_correlation_turns_where_it_counts(beta: float, turned: bool) -> None:
    tcvae = model("tcvae", beta=beta)
    assert isinstance(tcvae, TCVAE)
    tcvae.update_rotation_(torch.from_numpy(following(1.0, 0) @ mixing(1).T))
    assert torch.equal(tcvae.rotation, torch.eye(N)) is not turned


def test_slowvae_keeps_the_rates_that_were_found() -> None:
    slow = model("slowvae", gamma=2.0)
    assert isinstance(slow, SlowVAE)
    z = torch.from_numpy(following(4.0, 0) @ mixing(1).T)
    slow.update_rotation_(z)
    turned = z @ slow.rotation.T.double()
    wanted = (4 * turned.diff(dim=1).abs().pow(4).mean((0, 1))).pow(-0.25)
    torch.testing.assert_close(slow.differences.log_rate.detach().exp(), wanted.float(), rtol=1e-2, atol=0)


def test_a_plain_vae_has_nothing_to_turn_for() -> None:
    vae = model("vae")
    vae.update_rotation_(torch.randn(50, 2, N))
    assert torch.equal(vae.rotation, torch.eye(N))
