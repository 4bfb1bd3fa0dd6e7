"""Joint influence from lower bounds of the numbers of directions: it holds only if it does for all larger numbers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from estimation.influence import InfluenceTest
from estimation.influence.features import Causes
from estimation.influence.joint import shown_joint_influence
from estimation.influence.latents import influence_of_action
from identify.graph import CausalGraph
from identify.influence.joint import check_joint_generic
from tests.seeds import training_seed

PAIR = CausalGraph(Ga=[[1, 0, 1], [0, 1, 1]], actions=["first", "second", "both"])


def holds_for_all_larger_numbers(graph: CausalGraph, ranks: tuple[int, ...]) -> bool:
    """Whether joint influence does, for up to two directions: more are no worse than two."""
    n_children = graph.Ga.toarray().sum(0).tolist()
    larger = product(*(range(rank, min(most, 2) + 1) for rank, most in zip(ranks, n_children, strict=True)))
    return all(check_joint_generic(graph, numbers, basis=False).status == "holds" for numbers in larger)


def test_it_holds_only_if_it_does_for_all_larger_numbers() -> None:
    rng = np.random.default_rng(training_seed(0))
    answers = []
    while len(answers) < 8 or set(answers) != {"holds", "undecided"}:
        n, m = 3, 4
        graph = CausalGraph(Ga=rng.random((n, m)) < 1 / 2)
        n_children = graph.Ga.toarray().sum(0)
        ranks = tuple(np.minimum(rng.choice([0, 1, 2], m, p=[0.3, 0.3, 0.4]), n_children).tolist())
        if check_joint_generic(graph, ranks, basis=False).status != "holds":
            continue
        answer = shown_joint_influence(graph, dict(zip(graph.actions, ranks, strict=True)), {})
        assert (answer.status == "holds") == holds_for_all_larger_numbers(graph, ranks)
        answers.append(answer.status)


def test_an_action_that_may_move_latents_leaves_it_undecided() -> None:
    answer = shown_joint_influence(PAIR, {"first": 1, "second": 1}, {})
    assert answer.status == "undecided"
    assert answer.reason == "it holds for the effects that are shown, but may fail if both moves latents"
    both = {"first": 1, "second": 1, "both": 1}
    # with one direction, a combination of the two latents cancels it; a second one may only not have been found
    assert shown_joint_influence(PAIR, both, {"both": 1}).status == "fails"
    more = shown_joint_influence(PAIR, both, {})
    assert more.status == "undecided"
    assert more.reason.startswith(
        "the directions that are shown to be moved don't suffice; more data may show more"
    )
    assert shown_joint_influence(PAIR, {"first": 1, "second": 1, "both": 2}, {}).status == "holds"


def test_it_fails_only_if_it_does_for_all_numbers_within_the_bounds() -> None:
    # without the edges of an action that isn't shown to move anything, joint influence would hold
    answer = shown_joint_influence(PAIR, {"first": 0, "second": 1}, {"both": 1})
    assert answer.status == "undecided"
    rng = np.random.default_rng(training_seed(2))
    answers = []
    while len(answers) < 12 or set(answers) != {"holds", "fails", "undecided"}:
        graph = CausalGraph(Ga=rng.random((3, 4)) < 1 / 2)
        n_children = graph.Ga.toarray().sum(0)
        most = np.minimum(rng.choice([1, 2], 4), n_children)
        least = np.minimum(rng.choice([0, 1, 2], 4), most)
        bounds = [range(low, high + 1) for low, high in zip(least, most, strict=True)]
        named = [dict(zip(graph.actions, each.tolist(), strict=True)) for each in (least, most)]
        statuses = {check_joint_generic(graph, ranks, basis=False).status for ranks in product(*bounds)}
        answer = shown_joint_influence(graph, *named)
        assert answer.status != "fails" or statuses == {"fails"}
        assert answer.status != "undecided" or statuses != {"fails"}
        answers.append(answer.status)


def test_an_action_with_one_child_does_no_harm() -> None:
    graph = CausalGraph(Ga=[[1, 0, 1], [0, 1, 0]], actions=["first", "second", "again"])
    assert shown_joint_influence(graph, {"first": 1, "second": 1, "again": 0}, {}).status == "holds"


def test_it_is_undecided_after_the_time_limit() -> None:
    answer = shown_joint_influence(PAIR, {"first": 1, "second": 1}, {}, time_limit=1e-9)
    assert answer.status == "undecided"
    assert "1e-09 s" in answer.reason


@pytest.mark.parametrize(("size", "status"), [(0.01, "undecided"), (1.0, "fails")])
def test_a_faint_effect_is_no_evidence_for_joint_influence(size: float, status: str) -> None:
    rng = np.random.default_rng(training_seed(1))
    actions = np.eye(4)[rng.integers(4, size=4_000)][:, 1:]
    latents = actions @ [[1, 0], [0, 1], [size, size]] + rng.normal(size=(4_000, 2))
    results = {
        name: influence_of_action(latents, Causes(actions), PAIR, column, effects="mean")
        for column, name in enumerate(PAIR.actions)
    }
    joint = InfluenceTest(results, len(latents), 0.001, 0.0, PAIR).joint
    assert joint.status == status
    assert joint.ranks == {"first": 1, "second": 1, "both": int(size == 1)}
