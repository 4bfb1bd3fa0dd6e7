"""Leakage: zero in the right latents, the size of a mixing, and what it does to verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.influence.features import Causes
from estimation.influence.latents import influence_of_action
from estimation.influence.leakage import leakage
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
    assert leakage(latents, Causes(actions), DIAGONAL) < 0.05


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 1.0))
def test_it_is_the_size_of_a_mixing(share: float) -> None:
    latents, actions = sampled(5, noise=0.0)
    mixed = latents @ (np.eye(3) + share * (1 - np.eye(3)))
    assert leakage(mixed, Causes(actions), DIAGONAL) == pytest.approx(share, rel=0.05)


def test_units_of_latents_do_not_matter() -> None:
    latents, actions = sampled(6)
    mixed = latents @ (np.eye(3) + 0.4 * (1 - np.eye(3)))
    values = [leakage(scale * mixed, Causes(actions), DIAGONAL) for scale in (1.0, [1e-3, 1.0, 50.0])]
    assert values[0] == pytest.approx(values[1])


def test_an_action_without_children_counts_as_much_as_the_others() -> None:
    latents, actions = sampled(7)
    graph = CausalGraph(Ga=np.diag([1, 1, 0]))
    # a third of the missing edges of the third action is there, as strong as those of the others
    assert leakage(latents, Causes(actions), graph) > 0.3


@pytest.mark.parametrize("edges", [np.ones((3, 3)), np.zeros((3, 3))])
def test_without_missing_edges_or_edges_there_is_none(edges: Array) -> None:
    latents, actions = sampled(8)
    assert leakage(latents, Causes(actions), CausalGraph(Ga=edges)) == 0


def test_a_constant_latent_has_none() -> None:
    latents, actions = sampled(9)
    latents[:, 2] = 1.0
    assert leakage(latents, Causes(actions), CausalGraph(Ga=np.diag([1, 1, 0]))) < 0.05


def test_effects_count_as_independent_only_beyond_it() -> None:
    rng = np.random.default_rng(training_seed(10))
    action = rng.uniform(-2, 2, (ROWS, 1))
    first, second = np.sin(action[:, 0]), np.cos(2 * action[:, 0])
    latents = np.column_stack([first, first + 0.2 * second]) + 0.1 * rng.normal(size=(ROWS, 2))
    graph, causes = CausalGraph(Ga=[[1], [1]]), Causes(action)

    def verdict(tolerance: float, without_edge: float) -> tuple[str, int]:
        result = influence_of_action(
            latents, causes, graph, 0, tolerance=tolerance, effects="mean", leakage=without_edge
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
    result = influence_of_action(latents, Causes(actions), DIAGONAL, 0, tolerance=0.05, leakage=2.0)
    assert result.verdict == "holds"
