"""Designs of on/off interventions: verified by brute force, optimal where they say so, within every option."""

from __future__ import annotations

import json
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.commands import main
from identify.catalog import load
from identify.design import Candidate, ScreenDesign, design_interventions
from identify.exceptions import RequestError
from identify.formats import read_graph
from identify.graph import CausalGraph
from identify.influence import check_joint_generic
from identify.influence.joint.expansion import shortfalls
from identify.plot import plot_design
from identify.report.design import headline, proof
from tests.builders import graph_without_edges
from tests.identify.command_line import Captured, output_of
from tests.identify.drawn import axes, words
from tests.identify.screen_oracle import is_sparsest_basis

Matrix = NDArray[np.bool_]


@st.composite
def screens(draw: st.DrawFn, max_latents: int = 4, max_actions: int = 10) -> Matrix:
    n = draw(st.integers(2, max_latents))
    sets = draw(st.lists(st.sets(st.integers(0, n - 1), min_size=1, max_size=3), max_size=max_actions))
    matrix = np.zeros((n, len(sets)), dtype=bool)
    for column, targets in enumerate(sets):
        matrix[list(targets), column] = True
    return matrix


def design(graph: CausalGraph, *arguments: Any, **options: Any) -> ScreenDesign:
    result = design_interventions(graph, *arguments, effects="shifts", **options)
    assert isinstance(result, ScreenDesign)
    return result


def matrix_of(graph: CausalGraph) -> Matrix:
    return np.asarray(graph.Ga.toarray(), dtype=bool)


def joint_within(matrix: Matrix, latents: tuple[int, ...]) -> bool:
    return not shortfalls(matrix[list(latents)])


# The condition --------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(screens(), st.integers(0, 99))
def test_minimum_cuts_decide_what_brute_force_decides(matrix: Matrix, seed: int) -> None:
    assert (not shortfalls(matrix)) == is_sparsest_basis(matrix, seed)


@settings(max_examples=40, deadline=None)
@given(screens(max_latents=6, max_actions=14))
def test_minimum_cuts_agree_with_the_enumeration_of_directions(matrix: Matrix) -> None:
    assert (not shortfalls(matrix)) == (check_joint_generic(CausalGraph(Ga=matrix)).status == "holds")


def test_a_shortfall_says_how_many_actions_are_missing() -> None:
    pairs = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=bool)
    for found in shortfalls(pairs):
        assert found.latent is not None
        n_others = int(pairs[list(found.support)].any(axis=0).sum() - pairs[found.latent].sum())
        assert found.missing == len(found.support) - n_others > 0
    assert len(shortfalls(pairs)) == 6


# Free choice ----------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(screens(max_actions=5), st.integers(1, 2), st.integers(0, 9))
def test_a_free_design_passes_brute_force(matrix: Matrix, smallest: int, seed: int) -> None:
    n = len(matrix)
    if smallest == n:
        smallest = 1
    result = design(CausalGraph(Ga=matrix), min_targets=smallest, max_targets=2, seed=seed, time_limit=2)
    assert result.complete
    assert result.joint is not None
    assert result.joint.certificate is not None
    assert result.joint.certificate.verify()
    assert result.n_disentangled == n
    assert all(smallest <= len(targets) <= 2 for targets in result.targets)
    assert result.lower_bound <= result.cost
    new = matrix_of(result.graph)
    if new.shape[1] <= 12:
        assert is_sparsest_basis(new, seed)
    # pruned: no new action is redundant
    for column in range(matrix.shape[1], new.shape[1]):
        assert shortfalls(np.delete(new, column, axis=1))


@pytest.mark.parametrize(
    ("n", "k", "fewest"), [(5, 1, 5), (5, 2, 9), (5, 3, 13), (6, 2, 9), (10, 2, 15), (10, 3, 15), (4, 3, 16)]
)
def test_interventions_with_equally_many_targets(n: int, k: int, fewest: int) -> None:
    result = design(graph_without_edges(n), min_targets=k, max_targets=k)
    assert result.complete
    assert result.optimal
    assert len(result.actions) == result.lower_bound == fewest


def test_few_target_sets_are_compared_exhaustively() -> None:
    """The lower bound of a small problem is the true optimum, found by trying all sets of actions."""
    graph = CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 0]])
    result = design(graph)
    sets = [np.array(targets, dtype=bool) for targets in product([0, 1], repeat=3) if any(targets)]
    best = next(
        count
        for count in range(9)
        if any(
            not shortfalls(np.column_stack([matrix_of(graph), *chosen]))
            for chosen in combinations([targets for targets in sets for _ in range(3)], count)
        )
    )
    assert result.optimal
    assert len(result.actions) == best


def test_forbidden_latents_stay_entangled_and_the_others_are_recovered() -> None:
    result = design(load("Sachs interventions"), forbidden=["raf"])
    assert not result
    assert result.n_disentangled == result.n_secured == result.most_disentangled == 10
    assert {pair[0] for pair in result.unseparable} == {"raf"}
    assert set(result.reasons) == {"no action may target raf"}
    assert proof(result) == "No allowed actions recover more than 10 latents (proved)."
    assert "raf ○" in words(plot_design(result, ax=axes()))


def test_interventions_on_all_latents_separate_none() -> None:
    result = design(graph_without_edges(3), min_targets=3)
    assert not result
    assert len(result.unseparable) == 6
    assert "also targets" in result.reasons[0]


def test_a_robust_design_survives_every_loss() -> None:
    result = design(graph_without_edges(3), robust=True)
    assert result.complete
    for name in result.names:
        assert not shortfalls(matrix_of(result.without(name)))
    plain = design(graph_without_edges(3))
    assert len(result.actions) >= result.lower_bound >= len(plain.actions) + 1


def test_too_few_actions_recover_as_many_latents_as_possible() -> None:
    result = design(graph_without_edges(4), max_actions=2)
    assert result.limited
    assert len(result.actions) <= 2
    assert result.n_secured == 2
    assert "Within the budget" in proof(result)


def test_a_screen_with_joint_influence_needs_nothing() -> None:
    result = design(design(graph_without_edges(4), min_targets=2, max_targets=2).graph)
    assert result.complete
    assert result.optimal
    assert result.actions == ()
    assert headline(result) == "Nothing to add: 4 of 4 latents disentangled"
    assert design(graph_without_edges(1)).complete


# Candidates -----------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(screens(max_actions=3), st.data())
def test_the_cheapest_candidates_are_found(matrix: Matrix, data: st.DataObject) -> None:
    n = len(matrix)
    sets = data.draw(st.lists(st.sets(st.integers(0, n - 1), min_size=1), min_size=1, max_size=6))
    costs = data.draw(st.lists(st.integers(1, 3), min_size=len(sets), max_size=len(sets)))
    pool = np.zeros((n, len(sets)), dtype=bool)
    for column, targets in enumerate(sets):
        pool[list(targets), column] = True
    choices = [np.array(choice, dtype=bool) for choice in product([0, 1], repeat=len(sets))]
    complete = [choice for choice in choices if not shortfalls(np.hstack([matrix, pool[:, choice]]))]
    result = design(CausalGraph(Ga=matrix), [Candidate(tuple(targets)) for targets in sets], costs=costs)
    if complete:
        assert result.complete
        assert result.optimal
        assert result.cost == min(float(np.array(costs)[choice].sum()) for choice in complete)
    else:
        most = max(
            len(latents)
            for size in range(1, n + 1)
            for latents in combinations(range(n), size)
            if any(joint_within(np.hstack([matrix, pool[:, choice]]), latents) for choice in choices)
        )
        assert not result.complete
        assert result.n_secured == result.most_disentangled == most
        assert result.unseparable
        assert all(result.reasons)


def test_candidates_that_can_not_separate_are_named() -> None:
    graph = CausalGraph(Ga=[[1], [1], [0]], latents=["raf", "mek", "erk"])
    result = design(
        graph, {"a": ["raf"], "b": ["mek"], "c": ["mek"], "d": ["erk"], "wide": [0, 1, 2]}, max_targets=2
    )
    reasons = dict(zip(result.unseparable, result.reasons, strict=True))
    assert reasons["raf", "mek"] == (
        "an action of the graph targets both, so two actions must target raf and not mek, and only one can"
    )
    assert result.excluded == {"wide": "it has 3 targets, more than 2"}
    narrow = design(graph, {"a": ["raf"], "pair": ["mek", "erk"]}, min_targets=2)
    assert narrow.excluded == {"a": "it has 1 target, fewer than 2"}


def test_candidates_within_a_budget() -> None:
    singles = {f"c{i}": [i] for i in range(3)}
    result = design(graph_without_edges(3), singles, costs=[1, 2, 4], budget=3)
    assert result.limited
    assert result.cost <= 3
    assert result.n_secured == result.most_disentangled == 2


def test_a_robust_design_from_too_few_candidates_is_fragile() -> None:
    singles = {f"c{i}": [i] for i in range(3)}
    result = design(graph_without_edges(3), singles, robust=True)
    assert result.complete
    assert result.robust
    assert len(result.actions) == 3


# Results and requests -------------------------------------------------------------------------------


def test_the_record_has_the_certificate() -> None:
    result = design(graph_without_edges(6), min_targets=2, max_targets=2)
    record = json.loads(json.dumps(result.to_dict()))
    assert record["effects"] == "shifts"
    assert record["joint_influence"]["status"] == "holds"
    assert record["complete"] is True
    assert "verified" in record["influence"]
    assert repr(result).startswith("ScreenDesign(")
    assert result.n_separated == result.n_pairs == 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effects": "doses"}, "effects is 'doses'; it must be 'shifts' or None"),
        ({"effects": "shifts", "min_targets": 0}, "min_targets is 0; it must be a whole number, 1 or more"),
        (
            {"effects": "shifts", "min_targets": 3, "max_targets": 2},
            "min_targets is 3, more than max_targets, which is 2",
        ),
        ({"min_targets": 2}, "min_targets requires candidates or effects='shifts'"),
        ({"effects": "shifts", "costs": [1]}, "costs requires candidates"),
        (
            {"effects": "shifts", "using": "past"},
            "effects='shifts' uses the actions of a graph and not its past",
        ),
    ],
)
def test_invalid_requests(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        design_interventions(graph_without_edges(3), **options)


def test_a_past_is_left_out_only_on_request() -> None:
    graph = CausalGraph(Gz=[[1, 0], [0, 1]], Ga=[[1], [1]])
    with pytest.raises(RequestError, match="using='actions' leaves the past out"):
        design(graph)
    assert design(graph, using="actions").complete


def test_more_latents_than_supported() -> None:
    with pytest.raises(
        RequestError, match="the graph has 1,001 latents; effects='shifts' is supported for at most"
    ):
        design(graph_without_edges(1_001))


def test_the_command(tmp_path: Path, capsys: Captured) -> None:
    out = output_of(capsys, "design", "identical-twins", "--effects", "shifts", "--robust")
    assert "Joint influence survives the loss of any one new action." in out
    assert "verified, for generic effects of on/off interventions" in " ".join(out.split())
    target, figure = tmp_path / "new.json", tmp_path / "design.png"
    record = json.loads(
        output_of(
            capsys,
            *("design", "identical-twins", "--effects", "shifts", "--min-targets", "2", "--max-targets", "2"),
            *("-o", str(target), "--figure", str(figure), "--json"),
        )
    )
    assert record["joint_influence"]["status"] == "holds"
    assert figure.read_bytes()[:4] == b"\x89PNG"
    assert check_joint_generic(read_graph(target))
    assert main(["design", "Lac Operon", "--effects", "shifts"]) == 2
    assert "leaves the past out" in capsys.readouterr().err
