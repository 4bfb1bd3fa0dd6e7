"""Unmixing recovers planted mixings, in any basis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from estimation.exceptions import DataError
from estimation.simulate.mechanisms import sines
from estimation.simulate.published_processes import random_graph
from estimation.unmixing import Unmixing, unmix
from identify.catalog import load
from identify.graph import CausalGraph
from tests.seeds import training_seed

Array = NDArray[np.float64]


def random_mixing(n: int, seed: int, orthogonal: bool = False) -> Array:
    """Return a random invertible matrix of condition number at most 4."""
    rng = np.random.default_rng(training_seed(seed))
    rotations = [np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2)]
    return rotations[0] if orthogonal else rotations[0] @ np.diag(rng.uniform(0.5, 2, n)) @ rotations[1]


def effects_of_actions(
    graph: CausalGraph, noise: float, rows: int = 2000, seed: int = 0
) -> tuple[Array, Array]:
    """Return the noisy effects of resampling each action, shape (S, n, m), and the covariance of the latents."""
    rng = np.random.default_rng(training_seed(seed))
    mechanism = sines(graph, generator=None if graph.n_latents <= 10 else rng)
    a = rng.uniform(-2, 2, (rows, graph.n_actions))
    base = mechanism.mean(None, a)
    columns = []
    for column in range(graph.n_actions):
        resampled = a.copy()
        resampled[:, column] = np.roll(a[:, column], 1)
        columns.append((mechanism.mean(None, resampled) - base) / np.sqrt(2))
    effects = np.stack(columns, -1)
    z = base + 0.01 * rng.normal(size=base.shape)
    return effects + noise * z.std(0)[:, None] * rng.normal(size=effects.shape), np.cov(z.T)


def jacobians_of_past(graph: CausalGraph, noise: float, rows: int = 2000, seed: int = 0) -> Array:
    rng = np.random.default_rng(training_seed(seed))
    n = graph.n_latents
    z = rng.normal(size=(rows, n))
    rate, phase = (np.arange(n) % 10 + 3) / np.pi, np.arange(n)
    waves = np.cos(rate[:, None] * z[:, None, :] + phase[:, None])
    jacobians = 0.5 * graph.Gz.toarray() * rate[:, None] * waves
    return jacobians + noise * np.sqrt((jacobians**2).mean()) * rng.normal(size=jacobians.shape)


def recovery(product: Array, covariance: Array | None = None) -> Array:
    """Return the correlation of each true latent with its match.

    Args:
        product: M times the mixing, shape (n, n).
        covariance: Covariance of the true latents; None for the identity.
    """
    covariance = np.eye(len(product)) if covariance is None else covariance
    cross_covariance = product @ covariance
    scale = np.sqrt(np.diag(product @ covariance @ product.T))
    correlations = np.abs(cross_covariance / scale[:, None] / np.sqrt(np.diag(covariance)))
    rows, columns = linear_sum_assignment(-correlations)
    return correlations[rows[np.argsort(columns)], np.arange(len(product))]


@pytest.mark.parametrize("name", ["ActionDiag", "ActionNonDiag"])
@pytest.mark.parametrize("noise", [0.0, 0.06])
def test_latents_are_recovered_from_actions(name: str, noise: float) -> None:
    graph = load(name)
    effects, covariance = effects_of_actions(graph, noise)
    mixing = random_mixing(10, seed=1)
    unmixing = unmix(action_effects=mixing @ effects, covariance=mixing @ covariance @ mixing.T)
    assert recovery(unmixing.matrix @ mixing, covariance).min() > 0.98
    assert unmixing.unconstrained == ()


@pytest.mark.parametrize("name", ["TimeDiag", "TimeNonDiag"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_latents_are_recovered_from_the_past(name: str, noise: float) -> None:
    jacobians = jacobians_of_past(load(name), noise)
    mixing = random_mixing(10, seed=2)
    unmixing = unmix(
        past_jacobians=mixing @ jacobians @ np.linalg.inv(mixing), covariance=mixing @ mixing.T, n_starts=24
    )
    assert recovery(unmixing.matrix @ mixing).min() > 0.98
    assert unmixing.orthogonal


@pytest.mark.parametrize("graph_seed", [11, 22, 33])
def test_latents_of_random_graphs_are_recovered_from_the_past(graph_seed: int) -> None:
    jacobians = jacobians_of_past(random_graph(True, 0.2, graph_seed), 0.1)
    mixing = random_mixing(10, seed=3)
    unmixing = unmix(
        past_jacobians=mixing @ jacobians @ np.linalg.inv(mixing), covariance=mixing @ mixing.T, n_starts=24
    )
    assert recovery(unmixing.matrix @ mixing).mean() > 0.97


def worst_recovery_of_correlated_latents(graph_seed: int, noise: float) -> tuple[float, float]:
    """Return the worst recovery of ten correlated latents with and without the covariance of the residual."""
    graph = random_graph(False, 0.4, graph_seed)
    effects, covariance = effects_of_actions(graph, noise, seed=graph_seed)
    mixing = random_mixing(10, graph_seed)
    inputs = {"action_effects": mixing @ effects, "covariance": mixing @ covariance @ mixing.T}
    # the variance differs between latents
    residual = 1e-4 * np.diag(np.random.default_rng(training_seed(graph_seed)).uniform(0.3, 3, 10))
    with_residual = unmix(**inputs, residual=mixing @ residual @ mixing.T)
    variances = np.diag(with_residual.matrix @ inputs["covariance"] @ with_residual.matrix.T)
    np.testing.assert_allclose(variances, 1)
    without_residual = unmix(**inputs)
    worst = [
        float(recovery(unmixing.matrix @ mixing, covariance).min())
        for unmixing in (with_residual, without_residual)
    ]
    return worst[0], worst[1]


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_latents_with_common_causes_need_the_residual(noise: float) -> None:
    """Where correlated latents are white, the right rows are not orthogonal; where the residual is white, they are.

    For one graph in five the search finds a basis that seems sparser than the true one; hence the median of three.
    """
    recoveries = [worst_recovery_of_correlated_latents(graph_seed, noise) for graph_seed in (1, 3, 6)]
    with_residual, without_residual = np.median(recoveries, axis=0)
    assert with_residual > 0.98
    assert without_residual < 0.9


def with_a_weak_row(noise: float, seed: int) -> Array:
    """Return Jacobians (S, 10, 10) with weak effects on latent 0; its effect on latent 6 is as strong as that of 6."""
    rng = np.random.default_rng(training_seed(seed))
    sizes = np.diag([0.44, 0.38, 0.57, 0.67, 0.97, 0.78, 1.13, 1.25, 0.88, 1.07])
    sizes[[1, 2, 6, 8], [2, 4, 0, 5]] = 0.38, 0.55, 1.17, 0.85
    z = rng.normal(size=(2000, 10))
    waves = np.cos((np.arange(10) % 5 + 2.0)[:, None] * z[:, None, :] + np.arange(10))
    return sizes * np.sqrt(2) * waves + noise * rng.normal(size=waves.shape)


def test_the_most_likely_basis_with_the_given_number_of_edges_is_returned() -> None:
    """The sparsest basis may be wrong, and the likelihood then decides (a run of a published random graph).

    Errors of the networks' fit, of equal size everywhere, are a larger share of a weak row; mixed into a strong row
    they seem sparser. With 14 edges only the right basis explains everything.
    """
    jacobians, mixing = with_a_weak_row(0.045, 0), random_mixing(10, 2, orthogonal=True)
    inputs = {"past_jacobians": mixing @ jacobians @ mixing.T, "covariance": np.eye(10), "n_starts": 32}
    sparsest = unmix(**inputs)
    assert recovery(sparsest.matrix @ mixing).min() < 0.9
    residual = 0.15**2 * np.eye(10)
    most_likely = unmix(**inputs, residual=residual, edges={"past": 14})
    assert recovery(most_likely.matrix @ mixing).min() > 0.99
    assert most_likely.objective > sparsest.objective
    counted: list[np.ndarray] = []

    def count(basis: np.ndarray) -> dict[str, int]:
        counted.append(basis)
        return {"past": 14}

    # an estimate is made once, in the sparsest basis
    estimated = unmix(**inputs, residual=residual, edges=count)
    assert np.array_equal(estimated.matrix, most_likely.matrix)
    assert len(counted) == 1
    assert np.array_equal(counted[0], sparsest.matrix)


def test_action_strengths_are_in_units_of_the_residual() -> None:
    """A latent with a large residual has spurious effects as large as the true effects on other latents."""
    effects = np.zeros((500, 2, 2))
    effects[:, 0, 0], effects[:, 1, 1] = 0.1, 1.0
    residual = np.diag([0.01**2, 0.5**2])
    unmixing = unmix(action_effects=effects, covariance=np.eye(2), residual=residual)
    assert unmixing.action_strengths is not None
    assert sorted(unmixing.action_strengths.max(1).round(3)) == [2.0, 10.0]
    without_residual = unmix(action_effects=effects, covariance=np.eye(2))
    assert without_residual.action_strengths is not None
    assert sorted(without_residual.action_strengths.max(1).round(3)) == [0.1, 1.0]


def test_spurious_effects_on_a_latent_without_a_parent_are_set_aside() -> None:
    effects, covariance = effects_of_actions(CausalGraph(Ga=[[1, 1], [0, 1], [0, 0]]), 0.0)
    residual = np.diag([1e-2, 1e-2, covariance[2, 2]])
    effects[:, 2] = np.sqrt(0.1 * covariance[2, 2]) * np.random.default_rng(training_seed()).normal(
        size=(len(effects), 2)
    )
    mixing = random_mixing(3, seed=9)
    unmixing = unmix(
        mixing @ effects,
        None,
        mixing @ covariance @ mixing.T,
        n_starts=8,
        residual=mixing @ residual @ mixing.T,
    )
    assert unmixing.unconstrained == (2,)
    assert recovery(unmixing.matrix @ mixing, covariance).min() > 0.99


def banded(n: int) -> tuple[dict[str, Array], Array, Array]:
    """Return the input of unmixing, the mixing and the covariance of the latents; each action moves two latents."""
    band = np.eye(n, dtype=int) | np.eye(n, k=-1, dtype=int)
    effects, covariance = effects_of_actions(CausalGraph(Ga=band), 0.03)
    mixing = random_mixing(n, seed=4)
    return (
        {"action_effects": mixing @ effects, "covariance": mixing @ covariance @ mixing.T},
        mixing,
        covariance,
    )


def test_twenty_latents_are_recovered() -> None:
    inputs, mixing, covariance = banded(20)
    unmixing = unmix(**inputs, n_starts=12)
    assert recovery(unmixing.matrix @ mixing, covariance).mean() > 0.97


def test_three_latents_are_recovered() -> None:
    """With three latents correlations matter: without the residual the middle one is mixed with the others."""
    inputs, mixing, covariance = banded(3)
    residual = 1e-4 * np.diag(np.random.default_rng(training_seed(3)).uniform(0.3, 3, 3))
    unmixing = unmix(**inputs, n_starts=12, residual=mixing @ residual @ mixing.T)
    assert recovery(unmixing.matrix @ mixing, covariance).min() > 0.99


def test_a_latent_of_small_scale_is_recovered() -> None:
    effects, covariance = effects_of_actions(load("ActionNonDiag"), 0.03)
    scale = np.diag([0.1, *[1.0] * 9])
    mixing = random_mixing(10, seed=5) @ scale
    unmixing = unmix(action_effects=mixing @ effects, covariance=mixing @ covariance @ mixing.T)
    assert recovery(unmixing.matrix @ mixing, covariance).min() > 0.98


def test_latents_that_no_action_moves_are_reported() -> None:
    effects, covariance = effects_of_actions(CausalGraph(Ga=[[1, 0], [0, 1], [0, 0]]), 0.0)
    unmixing = unmix(action_effects=effects, covariance=covariance, n_starts=8)
    assert len(unmixing.unconstrained) == 1
    assert unmixing.action_strengths[2].max() < 0.02
    assert recovery(unmixing.matrix, covariance).min() > 0.99


# three active latents, and two collapsed ones: of small scale, and with a large posterior variance
SCALES = np.diag([1.0, 1.0, 1.0, 1e-3, 1e-3])
NOISE = np.diag([1e-4, 1e-4, 1e-4, 1e-1, 1e-1])


def unmixed_with_collapsed(mixing: Array, covariance: Array, **effects: Array) -> Unmixing:
    """Unmix five latents and check that two of them are collapsed."""
    unmixing = unmix(
        covariance=mixing @ covariance @ mixing.T, noise=mixing @ NOISE @ mixing.T, n_starts=12, **effects
    )
    assert unmixing.collapsed == (3, 4)
    assert set(unmixing.collapsed) <= set(unmixing.unconstrained) or unmixing.orthogonal
    product = unmixing.matrix @ mixing
    # active latents contain nothing of the collapsed ones, in units of their scales
    np.testing.assert_allclose((product @ SCALES)[:3, 3:], 0, atol=1e-2)
    assert recovery(product[:3, :3], covariance[:3, :3]).min() > 0.98
    return unmixing


def test_collapsed_latents_are_set_aside_with_actions() -> None:
    active, covariance = effects_of_actions(CausalGraph(Ga=[[1, 1, 0], [0, 1, 1], [1, 0, 1]]), 0.02)
    # the collapsed latents depend on one action, so they are sparser than any active one
    collapsed = 1e-3 * np.stack([np.roll(active[:, 0], k, axis=0) * [1, 0, 0] for k in (1, 2)], axis=1)
    full_covariance = np.zeros((5, 5))
    full_covariance[:3, :3] = covariance
    full_covariance[3:, 3:] = 1e-6 * np.eye(2)
    mixing = random_mixing(5, seed=7)
    effects = mixing @ np.concatenate([active, collapsed], axis=1)
    unmixing = unmixed_with_collapsed(mixing, full_covariance, action_effects=effects)
    assert unmixing.action_strengths is not None
    assert (unmixing.action_strengths[3:] == 1e-6).all()
    assert (np.sort(unmixing.action_strengths[:3], axis=1)[:, 1:] > 0.3).all()


def test_collapsed_latents_are_set_aside_with_a_past() -> None:
    graph = CausalGraph(Gz=[[1, 1, 0], [0, 1, 0], [0, 1, 1]])
    jacobians = np.zeros((2000, 5, 5))
    jacobians[:, :3, :3] = jacobians_of_past(graph, 0.02)
    jacobians[:, 3, 0] = jacobians[:, 4, 1] = 1e-3
    mixing = random_mixing(5, seed=8)
    mixed = mixing @ jacobians @ np.linalg.inv(mixing)
    unmixing = unmixed_with_collapsed(mixing, SCALES**2, past_jacobians=mixed)
    assert unmixing.past_strengths is not None
    assert (unmixing.past_strengths[3:] == 1e-6).all()
    assert (unmixing.past_strengths[:, 3:] == 1e-6).all()


def test_if_all_latents_are_collapsed_none_is_set_aside() -> None:
    effects, covariance = effects_of_actions(load("ActionDiag"), 0.0)
    unmixing = unmix(effects, None, covariance, n_starts=2, noise=1e3 * np.eye(10))
    assert unmixing.collapsed == ()


def test_strengths_are_the_effect_sizes_in_the_new_basis() -> None:
    graph = CausalGraph(Gz=np.eye(3), Ga=np.eye(3))
    jacobians = jacobians_of_past(graph, 0.05)
    effects = np.eye(3) * np.random.default_rng(training_seed()).normal(size=(2000, 1, 3))
    unmixing = unmix(action_effects=effects, past_jacobians=jacobians, covariance=np.eye(3), n_starts=8)
    unmixed = unmixing.matrix @ jacobians @ np.linalg.inv(unmixing.matrix)
    np.testing.assert_allclose(unmixing.past_strengths, np.sqrt((unmixed**2).mean(0)), rtol=1e-6)
    np.testing.assert_allclose(
        unmixing.action_strengths, np.sqrt(((unmixing.matrix @ effects) ** 2).mean(0)).clip(1e-6), rtol=1e-5
    )


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 100))
def test_the_result_does_not_depend_on_the_given_basis(seed: int) -> None:
    jacobians = jacobians_of_past(load("TimeDiag"), 0.02, rows=200)
    objectives = []
    for mixing in (np.eye(10), random_mixing(10, seed)):
        mixed = mixing @ jacobians @ np.linalg.inv(mixing)
        objectives.append(unmix(past_jacobians=mixed, covariance=mixing @ mixing.T, n_starts=12).objective)
    assert objectives[0] == pytest.approx(objectives[1], rel=1e-2)


def test_many_latents_use_samples_of_the_jacobians() -> None:
    jacobians = jacobians_of_past(CausalGraph(Gz=np.eye(34)), 0.0, rows=40)
    unmixing = unmix(past_jacobians=jacobians, covariance=np.eye(34), n_starts=1)
    assert unmixing.past_strengths.shape == (34, 34)
    np.testing.assert_allclose(unmixing.matrix @ unmixing.matrix.T, np.eye(34), atol=1e-8)


@pytest.mark.parametrize("past", [False, True])
def test_a_search_may_start_from_a_given_basis(past: bool) -> None:
    """From a basis near the right one, a single descent ends in it."""
    mixing = random_mixing(3, 4, orthogonal=past)
    if past:
        jacobians = jacobians_of_past(CausalGraph(Gz=np.eye(3)), 0.0)
        inputs = {"past_jacobians": mixing @ jacobians @ mixing.T, "covariance": np.eye(3)}
    else:
        effects, covariance = effects_of_actions(CausalGraph(Ga=np.eye(3)), 0.0)
        inputs = {"action_effects": mixing @ effects, "covariance": mixing @ covariance @ mixing.T}
    near = np.eye(3) + 0.1 * np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    found = unmix(**inputs, first=near @ np.linalg.inv(mixing))
    assert found.objectives.shape == (1,)
    assert recovery(found.matrix @ mixing).min() > 0.99
    # the number of random starts doesn't matter
    assert np.array_equal(
        unmix(**inputs, first=near @ np.linalg.inv(mixing), n_starts=7).matrix, found.matrix
    )


ONES = np.ones((5, 2, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "unmixing needs action_effects or past_jacobians"),
        ({"action_effects": ONES}, "and the covariance"),
        ({"action_effects": ONES, "covariance": np.ones((2, 3))}, r"the covariance has shape \(2, 3\)"),
        (
            {"action_effects": np.ones((5, 3, 2)), "covariance": np.eye(2)},
            r"with 2 latents they must have shape \(S, n, m\)",
        ),
        (
            {"past_jacobians": np.ones((5, 2, 3)), "covariance": np.eye(2)},
            r"with 2 latents they must have shape \(S, n, n\)",
        ),
        (
            {"past_jacobians": ONES[:1], "covariance": np.eye(2)},
            "past_jacobians hold 1 samples; give 2 or more",
        ),
        (
            {"past_jacobians": ONES * np.nan, "covariance": np.eye(2)},
            "past_jacobians hold an entry that is not finite",
        ),
        (
            {"past_jacobians": ONES, "covariance": np.zeros((2, 2))},
            "the covariance must be finite and positive",
        ),
        ({"past_jacobians": ONES, "covariance": np.eye(2), "n_starts": 0}, "n_starts is 0; give 1 or more"),
        (
            {"action_effects": ONES, "covariance": np.eye(2), "residual": np.full((2, 2), np.nan)},
            r"the residual has shape \(2, 2\), or an entry that is not finite; it must be \(2, 2\)",
        ),
        (
            {"past_jacobians": ONES, "covariance": np.eye(2), "noise": np.eye(3)},
            r"the noise has shape \(3, 3\), or an entry that is not finite; it must be \(2, 2\)",
        ),
        (
            {"past_jacobians": ONES, "covariance": np.eye(2), "first": np.eye(3)},
            r"first has shape \(3, 3\); a basis of these latents has shape \(2, 2\)",
        ),
        (
            {"past_jacobians": ONES, "covariance": np.eye(2), "first": np.ones((2, 2))},
            "first is not invertible; give a basis of the latents",
        ),
    ],
)
def test_invalid_input_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        unmix(**arguments)
