"""Distributional effects of the past: known derivatives are recovered, and unmixing by them recovers mixings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from estimation.unmixing import Samples, Unmixing, unmix
from estimation.unmixing.past_distributional import PastDistributionalEffects
from tests.seeds import training_seed

Array = NDArray[np.float64]

GRAPH = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]])
ROWS = 20_000
IDENTITY = torch.eye(3, dtype=torch.float64)


def effect(causes: Array, rng: np.random.Generator) -> Array:
    """Return sums of sines of the parents in GRAPH, shape (N, 3)."""
    frequencies, phases = rng.uniform(1, 2, GRAPH.shape), rng.uniform(0, 2 * math.pi, GRAPH.shape)
    return np.asarray((GRAPH * np.sin(frequencies * causes[:, None, :] + phases)).sum(-1))


def rotated(
    residual: Array, past: Array, rng: np.random.Generator, actions: Array | None = None, **effects: Array
) -> tuple[Unmixing, Array]:
    """Unmix a random rotation of residuals and past; return the result, and its product with the rotation."""
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    jacobians = effects.get("jacobians", 1e-3 * rng.normal(size=(500, 3, 3)))
    on_actions = None
    if actions is not None:
        on_actions = rotation @ effects.get("on_actions", 1e-3 * rng.normal(size=(500, 3, 3)))
    mixed = residual @ rotation.T
    unmixing = unmix(
        on_actions,
        rotation @ jacobians @ rotation.T,
        np.cov((past @ rotation.T).T),
        seed=training_seed(9),
        n_starts=12,
        residual=np.cov(mixed.T),
        samples=Samples(mixed, actions, past @ rotation.T),
    )
    return unmixing, unmixing.matrix @ rotation


def require_recovered(product: Array, information: Array | None) -> None:
    """Check that the product is a signed permutation, and that the information is strongest on the edges."""
    order = np.abs(product).argmax(0)
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(np.abs(product[order]), np.eye(3), atol=0.1)
    assert information is not None
    # information about children, by parents of either kind in their order
    strongest = np.argsort(-information.ravel())[: GRAPH.sum()]
    recovered = np.zeros(GRAPH.shape, dtype=int)
    recovered.flat[strongest] = 1
    np.testing.assert_array_equal(recovered, GRAPH)


def test_derivatives_of_variances_are_those_of_the_process() -> None:
    rng = np.random.default_rng(training_seed(1))
    past, others, c = rng.normal(size=(60_000, 3)), rng.normal(size=(60_000, 1)), 0.8
    residual = rng.normal(size=past.shape)
    # unit variance on average, and E[r^2 | z] = exp(c z - c^2 / 2)
    residual[:, 1] *= np.exp((c * past[:, 2] - c**2 / 2) / 2)
    effects = PastDistributionalEffects.of(residual, past, others, training_seed(2)).up_to(2)
    sizes = effects.squared_sizes(IDENTITY).numpy()
    expected = np.zeros((3, 3))
    # the mean over the rows at which derivatives are taken, of exp(2 c^2 - c^2) in the population
    expected[1, 2] = c**2 * np.exp(2 * c * past[:512, 2] - c**2).mean() / 2
    np.testing.assert_allclose(sizes, expected, rtol=0.35, atol=0.03)


def test_sizes_follow_the_basis_of_the_past() -> None:
    rng = np.random.default_rng(training_seed(3))
    past = rng.normal(size=(4_000, 3))
    residual = rng.normal(size=past.shape) * np.exp(0.4 * past)
    effects = PastDistributionalEffects.of(residual, past, past[:, :0], training_seed(4))
    assert sorted(effects.coefficients) == [2, 3, 4]
    parents = torch.linalg.qr(torch.from_numpy(rng.normal(size=(3, 3))))[0]
    given, rotated_sizes = (effects.squared_sizes_by_order(IDENTITY, each) for each in (IDENTITY, parents))
    for order, sizes in given.items():
        # a rotation of the parents leaves the sum over them as it is
        torch.testing.assert_close(rotated_sizes[order].sum(-1), sizes.sum(-1))
        torch.testing.assert_close(sizes, effects.squared_sizes_by_order(IDENTITY)[order])


def test_without_effects_sizes_are_near_zero() -> None:
    rng = np.random.default_rng(training_seed(5))
    past, residual = rng.normal(size=(2, ROWS, 3))
    effects = PastDistributionalEffects.of(residual, past, past[:, :0], training_seed(6)).up_to(2)
    assert effects.squared_sizes(IDENTITY).abs().max() < 0.05


def test_many_latents_are_left_to_means() -> None:
    values = np.zeros((10, 200))
    assert not PastDistributionalEffects.of(values, values, values[:, :0], training_seed(7)).coefficients


def test_unmixing_by_variances_that_the_past_changes() -> None:
    rng = np.random.default_rng(training_seed(8))
    past = rng.normal(size=(ROWS, 3))
    residual = rng.normal(size=past.shape) * np.exp(0.75 * effect(past, rng))
    unmixing, product = rotated(residual, past, rng)
    order = np.abs(product).argmax(0)
    information = unmixing.past_information
    assert information is not None
    require_recovered(product, information[np.ix_(order, order)])
    assert unmixing.information is None
    assert unmixing.variance_share > 0.5
    np.testing.assert_allclose(unmixing.past_strengths, np.sqrt(information).clip(1e-6))


def test_unmixing_by_variances_that_actions_change_beside_a_past() -> None:
    rng = np.random.default_rng(training_seed(10))
    past, actions = rng.normal(size=(ROWS, 3)), rng.uniform(-2, 2, (ROWS, 3))
    residual = rng.normal(size=past.shape) * np.exp(0.75 * effect(actions, rng))
    # the past moves all means, and by each latent itself
    jacobians = np.eye(3) * rng.normal(size=(500, 1, 3)) * 2
    unmixing, product = rotated(residual, past, rng, actions, jacobians=jacobians)
    assert unmixing.past_information is None
    information = unmixing.information
    assert information is not None
    require_recovered(product, information[np.abs(product).argmax(0)])


@pytest.mark.parametrize("past_moves_means", [False, True])
def test_small_changes_of_variances_count_only_where_means_tell_nothing(past_moves_means: bool) -> None:
    rng = np.random.default_rng(training_seed(16))
    past, actions = rng.normal(size=(ROWS, 3)), rng.integers(0, 2, (ROWS, 3)).astype(float)
    # a chi-square distance of 0.03 at each of three latents, as curved latents show it
    residual = rng.normal(size=past.shape) * np.exp(0.25 * (actions - 0.5))
    jacobians = np.eye(3) * rng.normal(size=(500, 1, 3)) * (2 if past_moves_means else 1e-3)
    unmixing, _ = rotated(residual, past, rng, actions, jacobians=jacobians)
    assert (unmixing.information is None) == past_moves_means


def test_unmixing_by_variances_that_actions_and_the_past_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estimation.unmixing.past_distributional._N_STEPS", 300)
    rng = np.random.default_rng(training_seed(15))
    past, actions = rng.normal(size=(ROWS, 3)), rng.uniform(-2, 2, (ROWS, 3))
    changes = 0.6 * effect(past, rng) + 0.6 * effect(actions, rng)
    unmixing, product = rotated(rng.normal(size=past.shape) * np.exp(changes), past, rng, actions)
    assert unmixing.information is not None
    assert unmixing.past_information is not None
    # the residuals have heavy tails, so that both are known less well than either alone
    order = np.abs(product).argmax(0)
    np.testing.assert_allclose(np.abs(product[order]), np.eye(3), atol=0.25)


def test_actions_that_follow_the_past_get_no_share_of_what_it_changes() -> None:
    rng = np.random.default_rng(training_seed(12))
    past = rng.normal(size=(10_000, 3))
    actions = past + 0.7 * rng.normal(size=past.shape)
    residual = rng.normal(size=past.shape) * np.exp(0.75 * effect(past, rng))
    unmixing, _ = rotated(residual, past, rng, actions)
    assert unmixing.past_information is not None
    if unmixing.information is not None:
        assert unmixing.information.max() < 0.1 * unmixing.past_information.max()


def test_collapsed_directions_are_set_aside_beside_a_past(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estimation.unmixing.past_distributional._N_STEPS", 200)
    rng = np.random.default_rng(training_seed(13))
    past = rng.normal(size=(ROWS, 3))
    residual = rng.normal(size=past.shape)
    residual[:, :2] *= np.exp(np.sin(1.5 * past[:, :2]))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    unmixing = unmix(
        None,
        1e-3 * rng.normal(size=(500, 3, 3)),
        np.eye(3),
        seed=training_seed(14),
        n_starts=12,
        noise=rotation @ np.diag([0.0, 0.0, 2.0]) @ rotation.T,
        residual=np.cov((residual @ rotation.T).T),
        samples=Samples(residual @ rotation.T, None, past @ rotation.T),
    )
    assert unmixing.collapsed == (2,)
    information = unmixing.past_information
    assert information is not None
    assert not information[2].any()
    assert not information[:, 2].any()
    product = np.abs(unmixing.matrix @ rotation)[:2, :2]
    np.testing.assert_allclose(product[product.argmax(0)], np.eye(2), atol=0.15)


@pytest.mark.parametrize("with_actions", [False, True])
def test_means_alone_are_used_where_the_past_changes_nothing_else(
    with_actions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("estimation.unmixing.past_distributional._N_STEPS", 150)
    rng = np.random.default_rng(training_seed(11))
    past, actions = rng.normal(size=(8_000, 3)), rng.uniform(-2, 2, (8_000, 3))
    unmixing, _ = rotated(rng.laplace(size=past.shape), past, rng, actions if with_actions else None)
    assert unmixing.information is None
    assert unmixing.past_information is None
