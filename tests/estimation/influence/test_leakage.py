"""Leakage: zero in the right latents, the size of a mixing, and what it does to verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.influence.features import Causes
from estimation.influence.latents import influence_of_action
from estimation.influence.leakage import MAX_LEAKAGE, EffectWithoutEdge, Leakage, leakage
from estimation.influence.result import ActionInfluence
from identify.graph import CausalGraph
from tests.seeds import training_seed

Array = NDArray[np.float64]

DIAGONAL = CausalGraph(Ga=np.eye(3))
ROWS = 3_000


def sampled(seed: int, noise: float = 0.3) -> tuple[Array, Array]:
    """Return latents that one action each moves, and the actions."""
    rng = np.random.default_rng(training_seed(seed))
    actions = rng.uniform(-2, 2, (ROWS, 3))
    waves = np.sin(actions * [1.0, 1.7, 2.3])
    return waves / waves.std(0) + noise * rng.normal(size=waves.shape), actions


@pytest.mark.parametrize("seed", range(4))
def test_the_right_latents_have_hardly_any(seed: int) -> None:
    latents, actions = sampled(seed)
    found = leakage(latents, Causes(actions), DIAGONAL)
    assert found.size < 0.05
    assert not found.contradictions


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 1.0))
def test_it_is_the_size_of_a_mixing(share: float) -> None:
    latents, actions = sampled(5, noise=0.0)
    mixed = latents @ (np.eye(3) + share * (1 - np.eye(3)))
    found = leakage(mixed, Causes(actions), DIAGONAL)
    # the mixed latents are no longer of variance 1, and actions are compared with their own latent
    assert found.size == pytest.approx(share, rel=0.1)
    # six edges are missing
    assert (
        len(found.contradictions) == (6 if share > 1.1 * MAX_LEAKAGE else 0)
        or abs(share / MAX_LEAKAGE - 1) < 0.1
    )


def test_units_of_latents_do_not_matter() -> None:
    latents, actions = sampled(6)
    mixed = latents @ (np.eye(3) + 0.4 * (1 - np.eye(3)))
    values = [leakage(scale * mixed, Causes(actions), DIAGONAL).size for scale in (1.0, [1e-3, 1.0, 50.0])]
    assert values[0] == pytest.approx(values[1])


def test_an_action_without_children_counts_as_much_as_the_others() -> None:
    latents, actions = sampled(7)
    graph = CausalGraph(Ga=np.diag([1, 1, 0]))
    # the missing edge of the third action is as strong as those of the others
    found = leakage(latents, Causes(actions), graph)
    (effect,) = found.contradictions
    assert (effect.action, effect.latent) == (graph.actions[2], graph.latents[2])
    assert effect.size == found.size == pytest.approx(1, rel=0.1)
    name = f"{effect.action} has an effect on {effect.latent} without an edge"
    assert str(effect) == f"{name}, {effect.size:.2g} of those on children"


@pytest.mark.parametrize("edges", [np.ones((3, 3)), np.zeros((3, 3))])
def test_without_missing_edges_or_edges_there_is_none(edges: Array) -> None:
    latents, actions = sampled(8)
    assert leakage(latents, Causes(actions), CausalGraph(Ga=edges)) == Leakage()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_latent_has_none(value: float) -> None:
    latents, actions = sampled(9)
    latents[:, 2] = value
    assert not leakage(latents, Causes(actions), DIAGONAL).contradictions
    both = CausalGraph(Ga=[[1, 0, 0], [0, 1, 0], [0, 1, 1]])
    assert influence_of_action(latents, Causes(actions), both, 1, tolerance=0.05).verdict == "fails"
    assert influence_of_action(latents, Causes(actions), DIAGONAL, 2, tolerance=0.05).verdict == "fails"
    assert leakage(latents, Causes(actions), CausalGraph(Ga=np.diag([1, 1, 0]))).size < 0.05


def test_effects_count_as_independent_only_beyond_it() -> None:
    rng = np.random.default_rng(training_seed(10))
    action = rng.uniform(-2, 2, (ROWS, 1))
    first, second = np.sin(action[:, 0]), np.cos(2 * action[:, 0])
    latents = np.column_stack([first, first + 0.2 * second]) + 0.1 * rng.normal(size=(ROWS, 2))
    graph, causes = CausalGraph(Ga=[[1], [1]]), Causes(action)

    def verdict(tolerance: float, without_edge: float) -> tuple[str, int]:
        result = influence_of_action(
            latents, causes, graph, 0, tolerance=tolerance, effects="mean", leakage=Leakage(without_edge)
        )
        return result.verdict, result.n_moved(0.05)

    assert verdict(0.05, 0.0) == ("holds", 2)
    assert verdict(0.05, 0.5) == ("undecided", 1)
    # an explicit test for exact proportionality stays one
    assert verdict(0.0, 0.5) == ("holds", 2)
    # leakage is no evidence against influence
    assert verdict(0.05, 0.9)[0] == "undecided"


def test_with_one_child_it_does_not_matter() -> None:
    latents, actions = sampled(11)
    result = influence_of_action(latents, Causes(actions), DIAGONAL, 0, tolerance=0.05, leakage=Leakage(2.0))
    assert result.verdict == "holds"


def test_a_contradiction_leaves_actions_with_several_children_undecided() -> None:
    rng = np.random.default_rng(training_seed(12))
    actions = rng.uniform(-2, 2, (ROWS, 2))
    waves = np.column_stack([np.sin(actions), np.cos(2 * actions[:, 0])])
    latents = waves + 0.1 * rng.normal(size=waves.shape)
    graph, causes = CausalGraph(Ga=[[1, 0], [0, 1], [1, 0]]), Causes(actions)
    doubt = Leakage(0.9, (EffectWithoutEdge("a1", "z0", 0.9),))

    def result(action: int, tolerance: float, found: Leakage) -> ActionInfluence:
        return influence_of_action(latents, causes, graph, action, tolerance=tolerance, leakage=found)

    assert result(0, 0.05, Leakage()).verdict == "holds"
    doubtful = result(0, 0.05, doubt)
    assert (doubtful.verdict, doubtful.p_value, doubtful.p_value_against) == ("undecided", 1.0, 1.0)
    assert doubtful.reason == f"the data contradict the graph: {doubt.contradictions[0]}"
    # an explicit test for exact proportionality stays one
    assert result(0, 0.0, doubt).verdict == "holds"
    # an action with one child is concerned by its own effects only
    assert result(1, 0.05, doubt).verdict == "undecided"
    elsewhere = Leakage(0.9, (EffectWithoutEdge("a0", "z1", 0.9),))
    assert result(1, 0.05, elsewhere).verdict == "holds"
    no_child = CausalGraph(Ga=[[1, 0], [0, 0], [1, 0]])
    missing = influence_of_action(latents, causes, no_child, 1, tolerance=0.05, leakage=doubt)
    assert missing.verdict == "undecided"


def test_noise_in_many_missing_edges_is_no_contradiction() -> None:
    rng = np.random.default_rng(training_seed(13))
    n = 12
    actions = np.eye(n + 1)[rng.integers(n + 1, size=2_000)][:, 1:]
    latents = 0.6 * actions + rng.normal(size=(2_000, n))
    found = leakage(latents, Causes(actions), CausalGraph(Ga=np.eye(n)))
    assert not found.contradictions


@pytest.mark.parametrize("strength", [0.3, 0.8])
def test_actions_that_depend_on_each_other_are_told_apart(strength: float) -> None:
    rng = np.random.default_rng(training_seed(14))
    first = rng.uniform(-2, 2, ROWS)
    actions = np.column_stack([first, strength * first + rng.uniform(-1, 1, ROWS)])
    latents = np.sin(actions) + 0.2 * rng.normal(size=(ROWS, 2))
    assert leakage(latents, Causes(actions), CausalGraph(Ga=np.eye(2))).size < 0.05


def test_an_action_is_not_blamed_for_the_effect_of_another() -> None:
    rng = np.random.default_rng(training_seed(15))
    # one action per row, or none: actions depend on each other
    actions = np.eye(4)[rng.integers(4, size=4_000)][:, 1:]
    latents = actions @ [[1, 0, 0], [1, 1, 0], [0, 0, 1]] + 0.3 * rng.normal(size=(4_000, 3))
    (effect,) = leakage(latents, Causes(actions), DIAGONAL).contradictions
    assert (effect.action, effect.latent) == ("a1", "z0")


@pytest.mark.parametrize("dose", ["normal", "lognormal"])
def test_few_large_doses_are_no_contradiction(dose: str) -> None:
    found = []
    for seed in range(20):
        rng = np.random.default_rng(training_seed(100 + seed))
        actions = getattr(rng, dose)(size=(300, 4))
        latents = 0.5 * actions + rng.normal(size=(300, 4))
        found += leakage(latents, Causes(actions), CausalGraph(Ga=np.eye(4))).contradictions
    # at a level of 0.01 per data set
    assert len(found) <= 2


def test_a_faint_independent_effect_is_no_evidence_against_influence() -> None:
    rng = np.random.default_rng(training_seed(16))
    actions = rng.uniform(-2, 2, (ROWS, 2))
    latents = np.column_stack(
        [np.sin(actions[:, 0]), 0.2 * np.cos(2 * actions[:, 0]) + 10 * np.sin(actions[:, 1])]
    )
    latents += 0.01 * rng.normal(size=latents.shape)
    graph = CausalGraph(Ga=[[1, 0], [1, 1]])
    result = influence_of_action(latents, Causes(actions), graph, 0, tolerance=0.05)
    assert result.verdict == "undecided"
    assert result.most_moved(0.05) == 2
    assert influence_of_action(latents, Causes(actions), graph, 0, tolerance=0.0).verdict == "holds"
