"""Panels with known joint influence are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from identify.influence.joint import check_joint_generic
from tests.benchmarks.influence_calibration import joint_problems
from tests.benchmarks.joint_problems import JointProblem
from tests.seeds import training_seed

# the kinds of panels in the stored results
HOLDING = [("screen", "all"), ("combined", "all"), ("doses", "one"), ("doses", "none")]
FAILING = [("screen", "all"), ("combined", "all"), ("doses", "one"), ("doses", "all")]
PANELS = [(*kind, truth) for truth, kinds in (("holds", HOLDING), ("fails", FAILING)) for kind in kinds]


def panel(design: str, proportional: str, truth: str, seed: int = 0, **options: object) -> JointProblem:
    settings = {"noise": "normal", "size": 1.0, "faint": "none", "n_rows": 3_000} | options
    return JointProblem(design, 2, proportional, truth, seed=training_seed(seed), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("design", "proportional", "truth"), PANELS)
def test_joint_influence_is_as_the_problem_says(design: str, proportional: str, truth: str) -> None:
    problem = panel(design, proportional, truth)
    n_children = problem.graph.Ga.toarray().sum(0)
    assert check_joint_generic(problem.graph, problem.ranks).status == truth
    assert check_joint_generic(problem.graph, n_children.tolist()).status == "holds"
    n_proportional = {"all": (n_children > 1).sum(), "one": 1, "none": 0}[proportional]
    assert (n_children > problem.ranks).sum() == n_proportional


def moved_directions(problem: JointProblem) -> list[int]:
    """Return the ranks of the effects in a sample almost without noise, which regression on the actions shows."""
    latents, actions = problem.sample()
    waves = np.arange(1, 4)
    functions = [
        np.concatenate([np.sin(np.outer(action, waves)), np.cos(np.outer(action, waves))], axis=1)
        if problem.design == "doses"
        else action[:, None]
        for action in actions.T
    ]
    causes = np.concatenate([np.ones((len(latents), 1)), *functions], axis=1)
    coefficients = np.linalg.lstsq(causes, latents, rcond=None)[0][1:]
    ranks = []
    for targets, effects in zip(
        problem.graph.Ga.toarray().T, np.split(coefficients, actions.shape[1]), strict=True
    ):
        assert np.abs(effects[:, ~targets]).max(initial=0) < 10
        ranks.append(int((np.linalg.svd(effects, compute_uv=False) > 100).sum()))
    return ranks


@pytest.mark.parametrize(("design", "proportional"), HOLDING)
def test_actions_move_as_many_directions_as_the_problem_says(design: str, proportional: str) -> None:
    problem = panel(design, proportional, "holds", seed=1, size=1e5)
    assert tuple(moved_directions(problem)) == problem.ranks


@pytest.mark.parametrize(("design", "proportional"), FAILING)
def test_joint_influence_would_hold_without_the_worst_action(design: str, proportional: str) -> None:
    problem = panel(design, proportional, "fails", faint="worst", size=1e5)
    assert check_joint_generic(problem.graph, problem.ranks).status == "fails"
    found = moved_directions(problem)
    (worst,) = np.flatnonzero(np.array(found) != problem.ranks)
    assert found[worst] == 0
    assert check_joint_generic(problem.graph, found).status == "holds"


def test_the_panel_is_the_same_for_all_sizes() -> None:
    strong, weak = (panel("screen", "all", "holds", size=size) for size in (1.0, 0.1))
    assert strong.graph == weak.graph
    assert not np.array_equal(strong.sample()[0], weak.sample()[0])
    np.testing.assert_array_equal(strong.sample()[0], strong.sample()[0])


def test_there_are_enough_problems() -> None:
    problems = list(joint_problems())
    assert sum(problem["truth"] == "fails" for problem in problems) >= 200
    assert len({tuple(problem.values()) for problem in problems}) == len(problems)
