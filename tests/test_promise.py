"""The promise-kept benchmark: right graphs, clear effects, and the light tunnel as its package computes it."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.evaluation import Evaluation, Scores
from estimation.metrics import structural_hamming
from identify.criterion import check
from identify.graph import CausalGraph
from tests.benchmarks.promise.functions import FAMILIES, Family, random_function
from tests.benchmarks.promise.light_tunnel import TARGETS, camera, sensors, tunnel
from tests.benchmarks.promise.problems import problem
from tests.benchmarks.promise.run import is_kept, tunnel_runs
from tests.seeds import training_seed


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("k", [1, 3])
def test_functions_are_standardised_and_depend_on_every_parent(family: Family, k: int) -> None:
    rng = np.random.default_rng(training_seed(0))
    parents = rng.uniform(-2, 2, (20_000, k))
    function = random_function(family, parents, rng)
    values = function(parents)
    assert values.mean() == pytest.approx(0, abs=0.1)
    assert values.std() == pytest.approx(1, abs=0.1)
    for j in range(k):
        changed = parents.copy()
        changed[:, j] = rng.permutation(changed[:, j])
        assert np.sqrt(np.mean((function(changed) - values) ** 2)) > 0.2


def test_without_varying_parents_there_is_no_function() -> None:
    with pytest.raises(RuntimeError, match="found no function of the family sums on which all parents have"):
        random_function("sums", np.zeros((100, 2)), np.random.default_rng(training_seed(0)))


@pytest.mark.parametrize("number", range(12))
def test_problems_are_what_they_say(number: int) -> None:
    case = problem(training_seed(0), number)
    data = case.data(500)
    assert data.graph == case.graph
    assert data.n_observed == case.n_observed >= 1.5 * case.graph.n_latents
    assert check(case.graph).complete == case.complete
    assert (data.n_steps > 1) == (case.causes != "actions")
    assert (data.actions is None) == (case.causes == "past")
    if data.actions is not None and case.values != "continuous":
        assert all(len(np.unique(column)) <= 5 for column in data.actions.T)
    assert case.summary()["n_edges"] == case.graph.n_edges
    again = problem(training_seed(0), number).data(500)
    assert np.array_equal(again.observations, data.observations)
    assert not np.array_equal(case.data(500, "test").observations, data.observations)
    config = case.config(steps=100)
    assert (config.sparsity == "adaptive") == (case.budget == "adaptive")


def test_edges_of_problems_are_effects() -> None:
    case = next(case for k in range(40) if (case := problem(training_seed(0), k)).causes == "actions")
    mechanism = case._mechanism(np.random.default_rng([case.seed, case.number, 1]))
    rng = np.random.default_rng(training_seed(1))
    data = case.data(2_000)
    assert data.actions is not None
    actions = data.actions.astype(float)
    means = mechanism.mean(None, actions)
    for column in range(actions.shape[1]):
        changed = actions.copy()
        changed[:, column] = rng.permutation(changed[:, column])
        moved = np.abs(mechanism.mean(None, changed) - means).max(0) > 1e-6
        assert np.array_equal(moved, case.graph.Ga.toarray()[:, column])


def test_the_light_tunnel_reads_what_its_package_computes() -> None:
    # causalchamber 0.2.8: lt.Deterministic and lt.ModelF3 with the parameters of their tutorials
    colours = np.array([[162.425, 68.796, 10.448], [4.215, 207.384, 232.753]])
    angles = np.array([[-176.416, -48.583], [-151.693, 54.941]])
    light = [
        [29501.629069, 4519.049312, 4334.55249, 664.843002, 539.319425, 84.52261],
        [33829.69117, 15323.722655, 5097.069268, 2374.082501, 1315.580137, 600.871277],
    ]
    others = [[89.200956, 255.833437, 441.868666], [115.805743, 291.004676, 589.143163]]
    assert sensors(colours, angles) == pytest.approx(np.column_stack([light, others]), rel=1e-7)
    assert camera(colours, angles) == pytest.approx(
        np.array([[0.170064, 0.130223, 0.092576], [0.136093, 0.765266, 1.0]]), abs=1e-6
    )


def test_the_light_tunnel_has_its_graph_and_rows() -> None:
    data = tunnel(200, training_seed(0))
    assert (data.n_observed, data.n_latents, data.n_actions) == (12, 5, 5)
    assert data.graph is not None
    assert np.array_equal(data.graph.Ga.toarray(), TARGETS)
    assert tunnel(200, training_seed(0), with_camera=False).n_observed == 9
    assert not np.array_equal(tunnel(200, training_seed(0), "test").latents, data.latents)
    assert [run["camera"] for run in tunnel_runs()] == [False] + [True] * 5


def outcome_of(learned: CausalGraph, mcc: float, r_con: float) -> Evaluation:
    truth = CausalGraph(Ga=TARGETS)
    errors = structural_hamming(truth, learned)
    return Evaluation(None, learned, truth, scores=Scores(mcc=mcc, r=1.0, r_con=r_con), errors=errors)


def test_a_promise_is_kept_up_to_what_a_wrong_budget_explains() -> None:
    truth, matrix = CausalGraph(Ga=TARGETS), TARGETS.copy()
    matrix[0, 0] = False
    fewer = CausalGraph(Ga=matrix)
    matrix = TARGETS.copy()
    matrix[0, 1] = True
    more = CausalGraph(Ga=matrix)
    assert is_kept(outcome_of(truth, 0.98, 0.98), truth, True, 10)
    assert is_kept(outcome_of(truth, 0.98, 0.98), truth, True, None)
    assert not is_kept(outcome_of(truth, 0.96, 0.98), truth, True, 10)
    assert is_kept(outcome_of(truth, 0.8, 0.98), truth, False, 10)
    assert not is_kept(outcome_of(truth, 0.98, 0.96), truth, False, 10)
    assert is_kept(outcome_of(fewer, 0.98, 0.98), truth, True, 9)
    assert is_kept(outcome_of(more, 0.98, 0.98), truth, True, 11)
    for learned, max_edges in ((fewer, 10), (more, 10), (fewer, 11), (more, 9), (fewer, None), (more, None)):
        assert not is_kept(outcome_of(learned, 0.98, 0.98), truth, True, max_edges)
