"""Designs of interventions: results in words, invalid requests, and files of candidates."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from identify.catalog import load
from identify.design import Candidate, Design, design_interventions, read_candidates
from identify.exceptions import FileAccessError, FormatError, RequestError, UnknownNameError
from identify.graph import CausalGraph
from identify.plot import plot_design
from identify.report.design import headline, proof
from tests.builders import graph_without_edges
from tests.identify.drawn import axes

Captured = pytest.CaptureFixture[str]


# Results --------------------------------------------------------------------------------------------


def test_pairs_that_can_not_be_separated_have_a_reason() -> None:
    graph = CausalGraph(Ga=[[1], [1], [0], [0]], latents=["raf", "mek", "erk", "akt"])
    design = design_interventions(
        graph, {"both": ["raf", "mek"], "one": ["mek"], "all": [0, 1, 3], "out": ["akt"]}, forbidden=["akt"]
    )
    assert design.names == ("one",)
    assert not design
    assert not design.complete
    reasons = dict(zip(design.unseparable, design.reasons, strict=True))
    assert reasons["raf", "mek"] == "every allowed candidate that targets raf also targets mek"
    assert reasons["erk", "akt"] == "no allowed candidate targets erk"
    assert design.excluded == {
        "all": "it targets akt, which no action may target",
        "out": "it targets akt, which no action may target",
    }
    free = design_interventions(graph, forbidden=["akt"])
    assert dict(zip(free.unseparable, free.reasons, strict=True))["akt", "raf"] == "no action may target akt"
    assert free.n_disentangled == 3
    assert free.optimal


def test_a_candidate_with_too_many_targets_is_not_allowed() -> None:
    design = design_interventions(graph_without_edges(3), [[0], [1], [2], [0, 1]], max_targets=1)
    assert design.excluded == {"candidate3": "it has 2 targets, more than 1"}
    assert design.names == ("candidate0", "candidate1", "candidate2")


def test_costs_by_name_and_in_candidates() -> None:
    graph = graph_without_edges(2)
    named = {"a": [0], "b": [1], "dear": [0]}
    assert design_interventions(graph, named, costs={"a": 5, "b": 1, "dear": 7}).cost == 6
    assert design_interventions(graph, [Candidate((0,), "a", 5), Candidate((1,))]).names == (
        "a",
        "candidate1",
    )
    assert design_interventions(graph, named, costs=[5, 1, 2.5]).names == ("b", "dear")


def test_new_names_avoid_those_of_the_graph() -> None:
    graph = CausalGraph(Ga=[[0], [0]], latents=["new0", "candidate1"], actions=["new1"])
    assert design_interventions(graph).names == ("new_0", "new_1")
    assert design_interventions(graph, [[0], [1]]).names == ("candidate_0", "candidate_1")


def test_a_complete_graph_needs_nothing() -> None:
    for design in (design_interventions(load("Lac Operon")), design_interventions(load("Lac Operon"), [[0]])):
        assert design.targets == []
        assert design.optimal
        assert design.coverage == 1
        assert design.graph == load("Lac Operon")
        assert (
            repr(design) == "Design(0 new actions, optimal: 10 of 10 latents disentangled, 10 without them)"
        )


def test_to_dict_is_json_with_the_same_content() -> None:
    design = design_interventions(load("Sachs interventions"), forbidden=["raf"])
    record = json.loads(json.dumps(design.to_dict()))
    assert [set(action["targets"]) for action in record["actions"]] == design.targets
    assert record["complete"] is False
    assert record["optimal"] is True
    assert record["n_disentangled"] == design.n_disentangled == 10
    assert len(record["unseparable"]) == len(design.unseparable) == 10
    assert record["unseparable"][0]["reason"] == "no action may target raf"
    assert "sufficient influence" in record["influence"]


def test_unknown_actions_and_latents_of_a_design() -> None:
    design: Design = design_interventions(graph_without_edges(2))
    with pytest.raises(UnknownNameError, match="the design adds no action 'push'; it adds new0, new1"):
        design.without("push")
    with pytest.raises(RequestError, match=r"a latent can't be separated from itself \(q0\)"):
        design.separated_by("q0", 0)
    with pytest.raises(UnknownNameError, match="there is no latent 'raf'"):
        design.separated_by("raf", "q0")


def test_every_kind_of_design_has_its_sentences() -> None:
    graph = graph_without_edges(3)
    free = design_interventions(graph)
    assert headline(free) == "Add 3 actions: 3 of 3 latents disentangled, 0 without them"
    assert proof(free) == "Any such design needs at least 3 actions (proved), so this one is optimal."
    priced = design_interventions(graph, [[0], [1], [2]], costs=[1, 2, 2.5])
    assert headline(priced) == "Add 3 actions at a cost of 5.5: 3 of 3 latents disentangled, 0 without them"
    assert "needs at least a cost of 5.5 (proved)" in proof(priced)
    limited = design_interventions(graph, [[0], [1], [2]], budget=2)
    assert proof(limited) == "Within the budget, no more latents can be disentangled (proved)."
    assert headline(design_interventions(graph, [])) == (
        "No allowed action helps: 0 of 3 latents disentangled"
    )
    robust = design_interventions(graph, [[0], [0], [1], [2], [2], [1]], budget=3, robust=True)
    assert proof(robust) == (
        "Within the budget, no more latents can be disentangled, each pair by two actions (proved): 1."
    )
    limited_with_gap = Design(free.before, free.actions[:2], True, 3.0, 3, 2)
    assert "at most 3 latents can be disentangled (proved); this design achieves 2." in proof(
        limited_with_gap
    )
    assert limited_with_gap.gap == pytest.approx(1 / 3)
    with_gap = Design(free.before, free.actions, False, 2.0, 3, 3)
    assert proof(with_gap) == "Any such design needs at least 2 actions (proved): the gap is 33.3%."
    assert repr(with_gap).startswith("Design(3 new actions, gap 33.3%: 3 of 3")


# Invalid requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_targets": 0}, "max_targets is 0; it must be a whole number, 1 or more"),
        ({"max_targets": 1.5}, "max_targets is 1.5; it must be a whole number, 1 or more"),
        ({"max_targets": True}, "max_targets is True; it must be a whole number"),
        ({"max_actions": -1}, "max_actions is -1; it must be a whole number, 0 or more"),
        ({"budget": -1}, "budget is -1; it must be a finite number, zero or more"),
        ({"budget": float("nan")}, "budget is nan; it must be a finite number"),
        ({"time_limit": 0}, "time_limit is 0; it must be positive"),
        ({"time_limit": "long"}, "time_limit is 'long'; it must be a finite number"),
        ({"forbidden": "x"}, "forbidden is 'x'; it must be a list of latents"),
        ({"forbidden": 3}, "forbidden is 3; it must be a list of latents"),
        ({"forbidden": ["w"]}, "there is no latent 'w'"),
        ({"using": "future"}, "using is 'future'"),
        ({"costs": [1]}, "costs requires candidates; with free choice every action costs 1"),
        ({"candidates": "x"}, "candidates is 'x'; it must be a list of target sets, or a mapping"),
        ({"candidates": 3}, "candidates is 3; it must be a list of target sets"),
        ({"candidates": ["x"]}, "candidate 0 is 'x'; its targets must be a list of latents"),
        ({"candidates": {"c": "x"}}, "c is 'x'; its targets must be a list of latents"),
        ({"candidates": [[0], []]}, "candidate1 targets no latent; an action targets at least one"),
        ({"candidates": [[0, "x"]]}, "candidate0 targets x twice; list each latent once"),
        ({"candidates": [["w"]]}, "there is no latent 'w'"),
        ({"candidates": [[7]]}, "there is no latent 7; positions go from 0 to 2"),
        ({"candidates": {"push": [0]}}, "named 'push', which is already an action of the graph"),
        (
            {"candidates": {"x": [0], "do(x)": [1]}},
            "named 'do(x)', which is also the name of another candidate; choose",
        ),
        ({"candidates": {"": [0]}}, "candidates name 0 is empty"),
        ({"candidates": [Candidate((0,), "c"), Candidate((1,), "c")]}, "are both named 'c'"),
        (
            {"candidates": [Candidate((0,), cost=-1)]},
            "the cost of candidate0 is -1; it must be a finite number",
        ),
        (
            {"candidates": [[0]], "costs": [1, 2]},
            "there are 2 costs for 1 candidates; give one per candidate",
        ),
        ({"candidates": [[0]], "costs": ["1"]}, "the cost of candidate0 is '1'; it must be a finite number"),
        ({"candidates": {"c": [0]}, "costs": {"d": 1}}, "costs contains 'd', which is not a candidate"),
        (
            {"candidates": {"c": [0]}, "costs": {}},
            "costs has no entry for 'c'; give the cost of every candidate, or of none",
        ),
    ],
)
def test_invalid_requests(arguments: dict[str, Any], message: str) -> None:
    graph = CausalGraph(Ga=[[0], [0], [1]], latents=["x", "y", "z"], actions=["push"])
    with pytest.raises(RequestError, match=re.escape(message)):
        design_interventions(graph, **arguments)


def test_a_candidate_may_have_the_name_of_its_latent() -> None:
    """Knock-outs are named after their genes."""
    graph = CausalGraph(Ga=[[0], [0], [1]], latents=["x", "y", "z"], actions=["push"])
    knock_outs = {name: [name] for name in graph.latents}
    design = design_interventions(graph, knock_outs, costs={"x": 3, "y": 1, "z": 5})
    assert {action.name: action.cost for action in design.actions} == {"do(y)": 1, "do(x)": 3}
    assert design.graph.actions == ("push", "do(x)", "do(y)")
    taken = CausalGraph(Ga=[[0], [0]], latents=["x", "do(x)"], actions=["push"])
    with pytest.raises(
        RequestError, match=r"named 'do\(x\)', which is already a latent of the graph; choose another name"
    ):
        design_interventions(taken, {"x": ["x"]})


def test_requests_that_are_too_large_are_rejected() -> None:
    with pytest.raises(
        RequestError, match="6,000 latents are entangled; candidates are supported for at most 5,000"
    ):
        design_interventions(graph_without_edges(6_000), [[0]])
    with pytest.raises(RequestError, match="no allowed action separates 3,996,001 pairs of latents"):
        design_interventions(graph_without_edges(2_000), forbidden=range(1_999))
    with pytest.raises(RequestError, match="the design is too large to draw: 11 actions and 400 latents"):
        plot_design(design_interventions(graph_without_edges(400)), ax=axes())


# Files of candidates --------------------------------------------------------------------------------

CSV = "name,targets,cost\nlow,raf,1\nhigh, raf ; mek ,2.5\n,erk,\n"
JSON = {
    "format": "mechsparse-candidates",
    "version": 1,
    "candidates": [
        {"name": "low", "targets": ["raf"], "cost": 1},
        {"name": "high", "targets": ["raf", "mek"], "cost": 2.5},
        {"targets": ["erk"]},
    ],
    "metadata": {"source": "a test"},
}


def test_candidates_from_files(tmp_path: Path) -> None:
    table, record = tmp_path / "c.csv", tmp_path / "c.JSON"
    table.write_text(CSV)
    record.write_text(json.dumps(JSON))
    assert read_candidates(table) == read_candidates(record)
    assert read_candidates(table) == [
        Candidate(("raf",), "low", 1.0),
        Candidate(("raf", "mek"), "high", 2.5),
        Candidate(("erk",), None, 1.0),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("name,cost\nlow,1\n", "line 1: is 'name,cost'; it must have the column 'targets'"),
        (
            "targets,dose\nraf,1\n",
            "line 1: is 'targets,dose'; it must have the column 'targets' and may have",
        ),
        ("targets,targets\nraf,mek\n", "line 1: is 'targets,targets'"),
        ("targets,cost\nraf\n", "line 2: has 1 cells; the header has 2"),
        ("targets\n;\n", "line 2: has no target; separate the names of latents by ';'"),
        ("targets,cost\nraf,dear\n", "line 2: has cost 'dear'; a cost is a number"),
        ('targets\n"raf\n', "is not valid CSV"),
    ],
)
def test_invalid_tables(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(content)
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        read_candidates(path)
    assert str(caught.value).startswith(f"{path}: ")


def record_with(**changes: Any) -> str:
    return json.dumps({**JSON, **changes})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "line 1, column 2: is not valid JSON"),
        ("[" * 100_000, "line 1: is nested too deeply"),
        ("[]", "line 1: does not contain an object with 'format': 'mechsparse-candidates'"),
        (record_with(format="other"), "does not contain an object with 'format'"),
        (record_with(version=2), "key 'version': is 2; it must be 1"),
        (record_with(version=True), "key 'version': is True; it must be 1"),
        (record_with(extra=1), "key 'extra': is unknown; known are format, version, candidates, metadata"),
        (record_with(candidates={}), "key 'candidates': must be a list of objects with 'targets'"),
        (record_with(candidates=[["raf"]]), "candidates[0]: must be an object with 'targets'"),
        (record_with(candidates=[{"target": "raf"}]), "candidates[0]: has the unknown key 'target'"),
        (
            record_with(candidates=[{"targets": []}]),
            "candidates[0]: 'targets' must be a non-empty list of names",
        ),
        (
            record_with(candidates=[{"targets": [1]}]),
            "candidates[0]: 'targets' must be a non-empty list of names",
        ),
        (
            record_with(candidates=[{"targets": ["raf"], "name": 1}]),
            "candidates[0]: has name 1; a name is a string",
        ),
        (
            record_with(candidates=[{"targets": ["raf"], "cost": "1"}]),
            "candidates[0]: has cost '1'; a cost is a number",
        ),
    ],
)
def test_invalid_records(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(content)
    with pytest.raises(FormatError, match=re.escape(message)):
        read_candidates(path)


def test_candidates_require_a_known_suffix_and_a_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=re.escape("candidates are read from a .csv or a .json file")):
        read_candidates("c.xlsx")
    with pytest.raises(FileAccessError, match="no such file or folder"):
        read_candidates(tmp_path / "c.csv")
