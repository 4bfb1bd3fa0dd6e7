"""The verdict: equal to the criterion as published, with a true witness or a working remedy for every pair."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.criterion import Verdict, check
from identify.exceptions import RequestError, UnknownNameError
from identify.graph import CausalGraph
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian
from identify.mechanisms.formulas import parse_formula
from tests.builders import graphs
from tests.oracles import set_form

usings = st.sampled_from(["actions", "past", "both"])
TWINS = CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]], latents=["raf", "mek", "erk"], actions=["a", "b"])


@given(graphs(), usings)
@settings(max_examples=500)
def test_the_verdict_is_the_graphical_criterion(graph: CausalGraph, using: str) -> None:
    verdict, v = check(graph, using), set_form(graph, using)
    isolated = v.sum(axis=1) == 1
    assert bool(verdict) == verdict.complete == isolated.all()
    assert verdict.n_disentangled == isolated.sum()
    for i, latent in enumerate(verdict.latents):
        others = [graph.latents[j] for j in np.flatnonzero(v[i]) if j != i]
        assert list(latent.entangled_with) == others
        assert latent.disentangled == isolated[i]
        assert set(latent.twins) == {graph.latents[j] for j in np.flatnonzero(v[i] & v[:, i]) if j != i}


@given(graphs(), usings)
def test_every_pair_has_a_true_witness_or_a_remedy(graph: CausalGraph, using: str) -> None:
    verdict, v = check(graph, using), set_form(graph, using)
    past, from_actions = graph.Gz.toarray(), graph.Ga.toarray()
    for i, j in itertools.permutations(range(graph.n_latents), 2):
        witness, remedy = verdict.witness(i, j), verdict.remedy(i, j)
        assert (witness is None) == v[i, j]
        assert (remedy is None) == (not v[i, j])
        for separating in verdict.witnesses(i, j):
            name, kind = separating.name, separating.kind
            column = graph.actions.index(name) if kind == "action" else graph.index(name)
            matrix = {"action": from_actions, "parent": past, "child": past.T}[kind]
            assert matrix[i, column]
            assert not matrix[j, column]
        if witness:
            assert witness == verdict.witnesses(i, j)[0]


@given(graphs(), usings.filter(lambda using: using != "past"))
def test_following_a_remedy_separates(graph: CausalGraph, using: str) -> None:
    verdict = check(graph, using)
    for latent in verdict.latents:
        remedy = latent.remedy
        assert (remedy is None) == latent.disentangled
        if remedy:
            target = [[name == remedy.target] for name in graph.latents]
            extended = CausalGraph(graph.Gz, np.hstack([graph.Ga.toarray(), target]))
            assert check(extended, using).latents[latent.position].disentangled


def test_verdicts_have_text() -> None:
    verdict = check(TWINS)
    assert repr(verdict) == "Verdict(not complete: 1 of 3 latents disentangled, using actions)"
    assert repr(check(CausalGraph(Gz=[[1]]))).startswith("Verdict(complete: 1 of 1")
    assert str(verdict.latents["raf"]) == "raf stays entangled with mek"
    assert str(verdict.latents[-1]) == "erk is disentangled"
    assert (
        str(verdict.witness("raf", "erk"))
        == "raf is separated from erk: the action a targets raf and not erk"
    )
    assert str(verdict.remedy("raf", "mek")) == "add an action that targets raf and not mek"
    assert [latent.name for latent in verdict.latents[1:]] == ["mek", "erk"]
    assert len(verdict.latents) == 3


def test_past_witnesses_have_text() -> None:
    verdict = check(CausalGraph(Gz=[[1, 0], [1, 0]], latents=["x", "y"]))
    assert str(verdict.witness("x", "y")) == "x is separated from y: past x acts on x and past y does not"
    chain = check(CausalGraph(Gz=[[0, 0], [1, 0]], latents=["x", "y"]))
    assert str(chain.witness("y", "x")) == "y is separated from x: past x acts on y and not on x"


def test_unconstrained_latents_are_reported() -> None:
    verdict = check(CausalGraph(Ga=[[1], [0]], latents=["x", "free"]))
    assert verdict.unconstrained == ("free",)
    assert not verdict.latents["free"].constrained
    assert str(verdict.latents["free"]) == ("free stays entangled with x (no edge in use constrains it)")


def test_long_lists_are_shortened_in_text_only() -> None:
    latent = check(CausalGraph(latents=[f"q{i}" for i in range(9)])).latents[0]
    assert str(latent.remedy).endswith("not q1, q2, q3, q4, q5, q6 and 2 others")
    seven = check(CausalGraph(Ga=np.zeros((8, 1)), latents=[f"q{i}" for i in range(8)]))
    assert str(seven.latents[0].remedy).endswith("not q1, q2, q3, q4, q5, q6, q7")
    assert len(latent.entangled_with) == 8


@given(graphs(), usings)
def test_to_dict_is_json_and_agrees_with_the_verdict(graph: CausalGraph, using: str) -> None:
    verdict = check(graph, using)
    record = json.loads(json.dumps(verdict.to_dict()))
    assert record["complete"] == verdict.complete
    assert record["n_blocks"] == len(record["blocks"]) == verdict.entanglement.n_blocks
    assert [latent["name"] for latent in record["latents"]] == list(graph.latents)
    for latent, entry in zip(verdict.latents, record["latents"], strict=True):
        assert entry["entangled_with"] == list(latent.entangled_with)
        assert entry["disentangled"] == latent.disentangled
        block = record["blocks"][entry["block"]]
        above = [name for b in block["entangled_with"] for name in record["blocks"][b]["latents"]]
        assert latent.name in block["latents"]
        assert set(above) | set(block["latents"]) == {latent.name, *latent.entangled_with}


def test_to_dict_of_a_huge_block_omits_the_lists_of_names() -> None:
    record = check(CausalGraph(latents=[f"q{i}" for i in range(2_000)])).to_dict()
    assert record["latents"][0]["entangled_with"] is None
    assert len(record["blocks"][0]["latents"]) == 2_000


def test_invalid_requests_are_refused() -> None:
    verdict = check(TWINS)
    for method in (verdict.witness, verdict.witnesses, verdict.remedy):
        with pytest.raises(RequestError, match="raf and itself can't be separated"):
            method("raf", 0)
        with pytest.raises(UnknownNameError, match=re.escape("no latent 'ref'; did you mean 'raf'?")):
            method("ref", "mek")
    with pytest.raises(IndexError):
        verdict.latents[3]


# with sufficient influence decided -------------------------------------------------------------------


def verdict_with_influence(*means: str, using: str | None = None) -> Verdict:
    symbols = {name: sympy.Symbol(name, real=True) for name in ("z0", "z1", "a", "b")}
    densities = [gaussian(symbols[f"z{i}"], parse_formula(mean, symbols)) for i, mean in enumerate(means)]
    mechanisms = Mechanisms([symbols["z0"], symbols["z1"]], densities, [symbols["a"], symbols["b"]])
    return check(mechanisms.graph, using, check_influence(mechanisms))


def test_conditions_are_proved_refuted_or_assumed() -> None:
    verdict = verdict_with_influence("2 * a", "3 * a + sin(b)")
    statuses = [condition.status for condition in verdict.conditions]
    assert statuses == ["assumed"] * 3 + ["refuted", "proved"]
    assert [condition.name for condition in verdict.refuted] == ["sufficient influence of a"]
    assert "a separate action for each of z0 and z1" in verdict.refuted[0].repairs
    assert str(verdict.refuted[0]).startswith(
        "sufficient influence of a: refuted (its derivatives move z0 and z1"
    )
    assert verdict.to_dict()["conditions"][3]["status"] == "refuted"
    assert verdict.to_dict()["influence"]["holds"] is False


def test_without_a_report_influence_is_assumed() -> None:
    verdict = check(CausalGraph(Ga=[[1]]))
    assert [condition.status for condition in verdict.conditions] == ["assumed"] * 4
    assert verdict.refuted == ()
    assert "conditions" not in verdict.to_dict()
    assert str(verdict.conditions[-1]) == "sufficient influence of every cause: assumed"


def test_a_report_about_other_causes_is_refused() -> None:
    report = verdict_with_influence("a", "b").influence
    with pytest.raises(
        RequestError, match="the influence report is about the actions a, b, the graph has push"
    ):
        check(CausalGraph(Ga=[[1]], actions=["push"]), influence=report)
    with pytest.raises(RequestError, match="the influence report has no past, but the graph has one"):
        check(CausalGraph(Gz=[[1]], Ga=[[1, 1]], actions=["a", "b"]), influence=report)


def test_only_causes_in_use_are_conditions() -> None:
    z, p, a = sympy.symbols("z p a")
    mechanisms = Mechanisms([z], [gaussian(z, p + a)], [a], [p])
    report = check_influence(mechanisms)
    names = [condition.name for condition in check(mechanisms.graph, "past", report).conditions]
    assert names[3:] == ["sufficient influence of the past"]
