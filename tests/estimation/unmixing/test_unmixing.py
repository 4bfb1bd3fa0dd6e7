"""Planted mixings are undone, whatever basis they come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from estimation.exceptions import DataError
from estimation.simulate.mechanisms import sines
from estimation.simulate.published_processes import random_graph
from estimation.unmixing import Unmixing, edges_at_elbow, likelihood_curve, unmix
from estimation.unmixing.likelihood import negative_log_likelihood
from identify.catalog import load
from identify.graph import CausalGraph
from tests.seeds import training_seed

Array = NDArray[np.float64]


def mixing(n: int, seed: int, orthogonal: bool = False) -> Array:
    """A random invertible matrix of condition number at most 4."""
    rng = np.random.default_rng(training_seed(seed))
    turns = [np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2)]
    return turns[0] if orthogonal else turns[0] @ np.diag(rng.uniform(0.5, 2, n)) @ turns[1]


def effects_of_actions(
    graph: CausalGraph, noise: float, rows: int = 2000, seed: int = 0
) -> tuple[Array, Array]:
    """What each action does when drawn anew, (S, n, m), with noise; and the latents' covariance."""
    rng = np.random.default_rng(training_seed(seed))
    mechanism = sines(graph, generator=None if graph.n_latents <= 10 else rng)
    a = rng.uniform(-2, 2, (rows, graph.n_actions))
    base = mechanism.mean(None, a)
    changed = []
    for column in range(graph.n_actions):
        other = a.copy()
        other[:, column] = np.roll(a[:, column], 1)
        changed.append((mechanism.mean(None, other) - base) / np.sqrt(2))
    effects = np.stack(changed, -1)
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


def recovered(product: Array, covariance: Array | None = None) -> Array:
    """Correlation of each true latent with the new latent matched to it; product = M times the mixing."""
    spread = np.eye(len(product)) if covariance is None else covariance
    cross = product @ spread
    own = np.sqrt(np.diag(product @ spread @ product.T))
    correlations = np.abs(cross / own[:, None] / np.sqrt(np.diag(spread)))
    rows, columns = linear_sum_assignment(-correlations)
    return correlations[rows[np.argsort(columns)], np.arange(len(product))]


@pytest.mark.parametrize("name", ["ActionDiag", "ActionNonDiag"])
@pytest.mark.parametrize("noise", [0.0, 0.06])
def test_actions(name: str, noise: float) -> None:
    graph = load(name)
    effects, covariance = effects_of_actions(graph, noise)
    turn = mixing(10, seed=1)
    found = unmix(action_effects=turn @ effects, covariance=turn @ covariance @ turn.T)
    assert recovered(found.matrix @ turn, covariance).min() > 0.98
    assert found.unconstrained == ()


@pytest.mark.parametrize("name", ["TimeDiag", "TimeNonDiag"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_past(name: str, noise: float) -> None:
    jacobians = jacobians_of_past(load(name), noise)
    turn = mixing(10, seed=2)
    found = unmix(
        past_jacobians=turn @ jacobians @ np.linalg.inv(turn), covariance=turn @ turn.T, n_starts=24
    )
    assert recovered(found.matrix @ turn).min() > 0.98
    assert found.orthogonal


@pytest.mark.parametrize("graph_seed", [11, 22, 33])
def test_random_graphs_of_the_past(graph_seed: int) -> None:
    jacobians = jacobians_of_past(random_graph(True, 0.2, graph_seed), 0.1)
    turn = mixing(10, seed=3)
    found = unmix(
        past_jacobians=turn @ jacobians @ np.linalg.inv(turn), covariance=turn @ turn.T, n_starts=24
    )
    assert recovered(found.matrix @ turn).mean() > 0.97


def with_causes_in_common(graph_seed: int, noise: float) -> tuple[float, float]:
    """How well the worst of ten correlated latents is found when their noise is known, and when it is not."""
    graph = random_graph(False, 0.4, graph_seed)
    effects, covariance = effects_of_actions(graph, noise, seed=graph_seed)
    turn = mixing(10, graph_seed)
    given = {"action_effects": turn @ effects, "covariance": turn @ covariance @ turn.T}
    # of different size in every latent
    own = 1e-4 * np.diag(np.random.default_rng(training_seed(graph_seed)).uniform(0.3, 3, 10))
    found = unmix(**given, residual=turn @ own @ turn.T)
    np.testing.assert_allclose(np.diag(found.matrix @ given["covariance"] @ found.matrix.T), 1)
    told, untold = (recovered(each.matrix @ turn, covariance).min() for each in (found, unmix(**given)))
    return float(told), float(untold)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_latents_with_causes_in_common_are_told_apart_by_their_noise(noise: float) -> None:
    """Their rows are not orthogonal where they are white: the noise says which are.

    A basis that seems sparser than the true one is found for one graph in five: of three, two are asked for.
    """
    told, untold = np.median([with_causes_in_common(graph_seed, noise) for graph_seed in (1, 3, 6)], axis=0)
    assert told > 0.98
    assert untold < 0.9


def with_a_weak_row(noise: float, seed: int) -> Array:
    """Jacobians, (S, 10, 10), in which latent 0 moves little, and moves latent 6 as much as that does itself."""
    rng = np.random.default_rng(training_seed(seed))
    sizes = np.diag([0.44, 0.38, 0.57, 0.67, 0.97, 0.78, 1.13, 1.25, 0.88, 1.07])
    sizes[[1, 2, 6, 8], [2, 4, 0, 5]] = 0.38, 0.55, 1.17, 0.85
    z = rng.normal(size=(2000, 10))
    waves = np.cos((np.arange(10) % 5 + 2.0)[:, None] * z[:, None, :] + np.arange(10))
    return sizes * np.sqrt(2) * waves + noise * rng.normal(size=waves.shape)


def test_of_the_bases_found_the_likelier_one_with_so_many_edges() -> None:
    """What the networks don't fit, the same everywhere, weighs more in a weak row: turned into a strong one it seems
    sparser. With 14 edges the right basis explains all, the other one does not (a run of a published random graph)."""
    jacobians, turn = with_a_weak_row(0.045, 0), mixing(10, 2, orthogonal=True)
    given = {"past_jacobians": turn @ jacobians @ turn.T, "covariance": np.eye(10), "n_starts": 32}
    sparsest = unmix(**given)
    assert recovered(sparsest.matrix @ turn).min() < 0.9
    residual = 0.15**2 * np.eye(10)
    likeliest = unmix(**given, residual=residual, edges={"past": 14})
    assert recovered(likeliest.matrix @ turn).min() > 0.99
    assert likeliest.objective > sparsest.objective


def test_effects_of_actions_are_measured_in_what_is_left_over() -> None:
    """A latent of which much is left over has imagined effects as large as true ones of others."""
    effects = np.zeros((500, 2, 2))
    effects[:, 0, 0], effects[:, 1, 1] = 0.1, 1.0
    residual = np.diag([0.01**2, 0.5**2])
    found = unmix(action_effects=effects, covariance=np.eye(2), residual=residual)
    assert found.action_strengths is not None
    assert sorted(found.action_strengths.max(1).round(3)) == [2.0, 10.0]
    alone = unmix(action_effects=effects, covariance=np.eye(2))
    assert alone.action_strengths is not None
    assert sorted(alone.action_strengths.max(1).round(3)) == [0.1, 1.0]


def test_what_networks_imagine_of_a_latent_without_a_parent_is_set_aside() -> None:
    effects, covariance = effects_of_actions(CausalGraph(Ga=[[1, 1], [0, 1], [0, 0]]), 0.0)
    residual = np.diag([1e-2, 1e-2, covariance[2, 2]])
    effects[:, 2] = np.sqrt(0.1 * covariance[2, 2]) * np.random.default_rng(training_seed()).normal(
        size=(len(effects), 2)
    )
    turn = mixing(3, seed=9)
    found = unmix(
        turn @ effects, None, turn @ covariance @ turn.T, n_starts=8, residual=turn @ residual @ turn.T
    )
    assert found.unconstrained == (2,)
    assert recovered(found.matrix @ turn, covariance).min() > 0.99


def in_a_band(n: int) -> tuple[dict[str, Array], Array, Array]:
    """Each action moves two latents: what is to be unmixed, the mixing, and the latents' covariance."""
    band = np.eye(n, dtype=int) | np.eye(n, k=-1, dtype=int)
    effects, covariance = effects_of_actions(CausalGraph(Ga=band), 0.03)
    turn = mixing(n, seed=4)
    return {"action_effects": turn @ effects, "covariance": turn @ covariance @ turn.T}, turn, covariance


def test_many_latents() -> None:
    given, turn, covariance = in_a_band(20)
    found = unmix(**given, n_starts=12)
    assert recovered(found.matrix @ turn, covariance).mean() > 0.97


def test_few_latents() -> None:
    """Of three, the correlations show: without the noise the middle one has some of the others in it."""
    given, turn, covariance = in_a_band(3)
    own = 1e-4 * np.diag(np.random.default_rng(training_seed(3)).uniform(0.3, 3, 3))
    found = unmix(**given, n_starts=12, residual=turn @ own @ turn.T)
    assert recovered(found.matrix @ turn, covariance).min() > 0.99


def test_a_weak_latent_counts_as_much_as_the_others() -> None:
    effects, covariance = effects_of_actions(load("ActionNonDiag"), 0.03)
    scale = np.diag([0.1, *[1.0] * 9])
    turn = mixing(10, seed=5) @ scale
    found = unmix(action_effects=turn @ effects, covariance=turn @ covariance @ turn.T)
    assert recovered(found.matrix @ turn, covariance).min() > 0.98


def test_latents_that_nothing_moves_are_named() -> None:
    effects, covariance = effects_of_actions(CausalGraph(Ga=[[1, 0], [0, 1], [0, 0]]), 0.0)
    found = unmix(action_effects=effects, covariance=covariance, n_starts=8)
    assert len(found.unconstrained) == 1
    assert found.action_strengths[2].max() < 0.02
    assert recovered(found.matrix, covariance).min() > 0.99


# three latents, and two that the model has without use: small copies of something, blurred by the posterior
SIZES = np.diag([1.0, 1.0, 1.0, 1e-3, 1e-3])
BLUR = np.diag([1e-4, 1e-4, 1e-4, 1e-1, 1e-1])


def found_in_blur(turn: Array, covariance: Array, **effects: Array) -> Unmixing:
    """Unmix what is seen through a mixing of all five."""
    found = unmix(covariance=turn @ covariance @ turn.T, noise=turn @ BLUR @ turn.T, n_starts=12, **effects)
    assert found.collapsed == (3, 4)
    assert set(found.collapsed) <= set(found.unconstrained) or found.orthogonal
    product = found.matrix @ turn
    # what is seen has nothing of the others, in units of their sizes
    np.testing.assert_allclose((product @ SIZES)[:3, 3:], 0, atol=1e-2)
    assert recovered(product[:3, :3], covariance[:3, :3]).min() > 0.98
    return found


def test_unused_latents_of_the_model_are_set_aside_with_actions() -> None:
    seen, covariance = effects_of_actions(CausalGraph(Ga=[[1, 1, 0], [0, 1, 1], [1, 0, 1]]), 0.02)
    # what is unused follows one action alone: sparser than anything seen
    copies = 1e-3 * np.stack([np.roll(seen[:, 0], k, axis=0) * [1, 0, 0] for k in (1, 2)], axis=1)
    spread = np.zeros((5, 5))
    spread[:3, :3] = covariance
    spread[3:, 3:] = 1e-6 * np.eye(2)
    turn = mixing(5, seed=7)
    found = found_in_blur(turn, spread, action_effects=turn @ np.concatenate([seen, copies], axis=1))
    assert found.action_strengths is not None
    assert (found.action_strengths[3:] == 1e-6).all()
    assert (np.sort(found.action_strengths[:3], axis=1)[:, 1:] > 0.3).all()


def test_unused_latents_of_the_model_are_set_aside_with_a_past() -> None:
    graph = CausalGraph(Gz=[[1, 1, 0], [0, 1, 0], [0, 1, 1]])
    jacobians = np.zeros((2000, 5, 5))
    jacobians[:, :3, :3] = jacobians_of_past(graph, 0.02)
    jacobians[:, 3, 0] = jacobians[:, 4, 1] = 1e-3
    turn = mixing(5, seed=8)
    turned = turn @ jacobians @ np.linalg.inv(turn)
    found = found_in_blur(turn, SIZES**2, past_jacobians=turned)
    assert found.past_strengths is not None
    assert (found.past_strengths[3:] == 1e-6).all()
    assert (found.past_strengths[:, 3:] == 1e-6).all()


def test_where_nothing_is_seen_nothing_is_set_aside() -> None:
    effects, covariance = effects_of_actions(load("ActionDiag"), 0.0)
    found = unmix(effects, None, covariance, n_starts=2, noise=1e3 * np.eye(10))
    assert found.collapsed == ()


def test_strengths_are_the_sizes_in_the_new_basis() -> None:
    graph = CausalGraph(Gz=np.eye(3), Ga=np.eye(3))
    jacobians = jacobians_of_past(graph, 0.05)
    effects = np.eye(3) * np.random.default_rng(training_seed()).normal(size=(2000, 1, 3))
    found = unmix(action_effects=effects, past_jacobians=jacobians, covariance=np.eye(3), n_starts=8)
    turned = found.matrix @ jacobians @ np.linalg.inv(found.matrix)
    np.testing.assert_allclose(found.past_strengths, np.sqrt((turned**2).mean(0)), rtol=1e-6)
    np.testing.assert_allclose(
        found.action_strengths, np.sqrt(((found.matrix @ effects) ** 2).mean(0)).clip(1e-6), rtol=1e-5
    )


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 100))
def test_the_basis_that_the_problem_comes_in_does_not_matter(seed: int) -> None:
    jacobians = jacobians_of_past(load("TimeDiag"), 0.02, rows=200)
    objectives = []
    for turn in (np.eye(10), mixing(10, seed)):
        given = turn @ jacobians @ np.linalg.inv(turn)
        objectives.append(unmix(past_jacobians=given, covariance=turn @ turn.T, n_starts=12).objective)
    assert objectives[0] == pytest.approx(objectives[1], rel=1e-2)


def test_many_latents_go_by_samples() -> None:
    jacobians = jacobians_of_past(CausalGraph(Gz=np.eye(34)), 0.0, rows=40)
    found = unmix(past_jacobians=jacobians, covariance=np.eye(34), n_starts=1)
    assert found.past_strengths.shape == (34, 34)
    np.testing.assert_allclose(found.matrix @ found.matrix.T, np.eye(34), atol=1e-8)


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
    ],
)
def test_what_bad_input_gets(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        unmix(**arguments)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000))
def test_misfits_by_number_of_effects(n: int, m: int, seed: int) -> None:
    """All of them at once are those that `misfit` gives for each number alone, and more effects never fit worse."""
    rng = np.random.default_rng(training_seed(seed))
    sizes, left = rng.exponential(size=(n, m)), rng.uniform(0.1, 1, n)
    found = likelihood_curve(sizes, left, sizes / left[:, None])
    one_by_one = [
        negative_log_likelihood(np.eye(n), (sizes, None), np.diag(left**2), {"actions": k})
        for k in range(n * m + 1)
    ]
    np.testing.assert_allclose(found, one_by_one, atol=1e-9)
    assert (np.diff(found) <= 1e-12).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 8), st.integers(2, 8), st.integers(0, 10_000))
def test_the_bend_is_at_the_number_of_effects(n: int, m: int, seed: int) -> None:
    """Of effects ten times the noise beside imagined ones of a tenth of it."""
    rng = np.random.default_rng(training_seed(seed))
    there = rng.random((n, m)) < 0.4
    assume(there.any())
    sizes = np.where(there, rng.uniform(5, 20, (n, m)), rng.uniform(0, 0.1, (n, m)))
    # in a row of many large effects the first to go costs most, and the others little
    few = there.sum(axis=1).max(initial=0) <= 1
    found = edges_at_elbow(likelihood_curve(sizes, np.ones(n), sizes))
    if few:
        assert found == there.sum()
    assert found <= there.sum()


def test_without_an_effect_there_is_no_bend() -> None:
    assert edges_at_elbow(likelihood_curve(np.zeros((2, 3)), np.ones(2), np.zeros((2, 3)))) == 0
