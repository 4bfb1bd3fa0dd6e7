"""Warnings of made-up runs: none where nothing is wrong, and each where its reason is there."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from estimation.diagnostics import DIAGNOSTICS, Diagnostics, Margin, RunWarning, doubtful_edges, judge
from estimation.diagnostics.result import KINDS
from estimation.storage.schema import check
from identify.graph import CausalGraph
from tests.estimation.diagnostics.evidence import TARGETS, evidence_of
from tests.seeds import training_seed

NAMES = ["v0", "v1", "v2", "v3"]


@pytest.mark.parametrize("seed", range(2))
def test_a_run_without_faults_has_no_warnings(seed: int) -> None:
    diagnostics = judge(evidence_of(seed=seed))
    # the drawn effects of an action can happen to be nearly proportional, which is then rightly warned of
    assert {warning.kind for warning in diagnostics.warnings} <= {"influence"}
    assert diagnostics.margin is not None
    assert diagnostics.margin.verdict == "clear"


def graph(**edges: bool) -> CausalGraph:
    targets = TARGETS.copy()
    for name, value in edges.items():
        targets[int(name[1]), int(name[2])] = value
    return CausalGraph(Ga=targets, latents=NAMES)


def rotated() -> np.ndarray:
    mixing = np.eye(4)
    mixing[1:3, 1:3] = [[0.8, 0.6], [-0.6, 0.8]]
    return mixing


def proportional() -> np.ndarray:
    effects = evidence_of().action_effects
    assert effects is not None
    effects = effects.copy()
    effects[:, 1, 0] = 2 * effects[:, 0, 0]
    return effects


@pytest.mark.parametrize(
    ("changes", "kind", "text", "latents"),
    [
        ({"mixing": rotated()}, "basis", "another basis, in v1, v2, is sparser by", ("v1", "v2")),
        (
            {"graph": graph(e21=False)},
            "missing edges",
            "1 effect without an edge, relative to those of parents: a1 on v2 1",
            ("v2",),
        ),
        ({"graph": graph(e01=True)}, "superfluous edges", "1 edge with hardly any effect: a1 on v0", ("v0",)),
        ({"action_effects": proportional()}, "influence", "nearly proportional: a0 (", ()),
        (
            {"posterior": np.diag([1e-4, 50.0, 1e-4, 1e-4])},
            "collapsed latents",
            "v1 varies by less than the posterior",
            ("v1",),
        ),
        (
            {"posterior": np.diag([1e-4, 50.0, 1e-4, 1e-4])},
            "edges of collapsed latents",
            "edges lead to v1, though every effect on a collapsed latent counts as absent",
            ("v1",),
        ),
    ],
)
def test_each_fault_has_its_warning(
    changes: dict[str, object], kind: str, text: str, latents: tuple[str, ...]
) -> None:
    found = [w for w in judge(evidence_of(**changes)).warnings if w.kind == kind]  # type: ignore[arg-type]
    assert len(found) == 1
    assert text in found[0].text
    assert found[0].latents == latents


@pytest.mark.parametrize(("size", "is_warned"), [(0.3, True), (0.22, False)])
def test_an_effect_without_an_edge_is_compared_with_those_of_edges(size: float, is_warned: bool) -> None:
    effects = evidence_of().action_effects
    assert effects is not None
    effects = effects.copy()
    effects[:, 2, 1] *= size
    effects[:, 1, 1] *= 0.2
    evidence = evidence_of(action_effects=effects, graph=graph(e21=False))
    diagnostics = judge(evidence)
    found = [w for w in diagnostics.warnings if w.kind == "missing edges"]
    assert diagnostics.values["smallest effect of an edge"] == pytest.approx(0.2, rel=0.1)
    assert [warning.text for warning in found] == (
        ["1 effect without an edge, larger than that of the edge of a1 on v1 0.2: a1 on v2 0.3"]
        if is_warned
        else []
    )
    assert all(warning.latents == ("v2", "v1") for warning in found)
    # where edges are counted, there must be a gap
    counted = judge(replace(evidence, counts_edges=True))
    (warning,) = [w for w in counted.warnings if w.kind == "missing edges"]
    assert (
        "1 effect without an edge, not clearly smaller than that of the edge of a1 on v1 0.2: "
        in warning.text
    )
    # an edge that the budget has removed since is not one of the graph's
    removed = np.zeros_like(TARGETS)
    removed[1, 1] = True
    without = judge(replace(evidence, removed={"actions": removed}))
    assert "missing edges" not in {w.kind for w in without.warnings}
    # where edges are superfluous, the order of weak effects says nothing
    too_many = judge(evidence_of(action_effects=effects, graph=graph(e21=False, e01=True)))
    kinds = {w.kind for w in too_many.warnings}
    assert "superfluous edges" in kinds
    assert "missing edges" not in kinds


def test_where_edges_are_counted_a_doubt_can_be_refuted() -> None:
    effects = evidence_of().action_effects
    assert effects is not None
    effects = effects.copy()
    effects[:, 2, 1] *= 0.22
    effects[:, 1, 1] *= 0.2
    evidence = evidence_of(action_effects=effects, graph=graph(e21=False), counts_edges=True)
    doubtful = doubtful_edges(evidence)
    expected = np.zeros_like(TARGETS)
    expected[2, 1] = True
    assert doubtful["actions"].tolist() == expected.tolist()
    assert not doubtful["past"].any()
    assert "missing edges" in {w.kind for w in judge(evidence).warnings}
    refuted = replace(evidence, refuted=doubtful)
    assert "missing edges" not in {w.kind for w in judge(refuted).warnings}
    assert doubtful_edges(refuted) == {}
    assert doubtful_edges(replace(evidence, counts_edges=False)) == {}


def test_a_large_effect_without_an_edge_stays_a_doubt() -> None:
    evidence = evidence_of(graph=graph(e21=False), counts_edges=True)
    all_pairs = {"actions": np.ones_like(TARGETS)}
    assert "missing edges" in {w.kind for w in judge(replace(evidence, refuted=all_pairs)).warnings}


def test_latents_that_nothing_moves_are_named() -> None:
    unmoved = TARGETS.copy()
    unmoved[2] = unmoved[3] = False
    warnings = judge(evidence_of(graph=CausalGraph(Ga=unmoved, latents=NAMES))).warnings
    (found,) = [w for w in warnings if w.kind == "no parents"]
    assert found.text == "no cause moves v2, v3 in the learned graph, so nothing identifies them"
    assert found.latents == ("v2", "v3")
    # a latent that has collapsed is named as such, and a graph without edges has no such warning
    collapsed = judge(
        evidence_of(graph=CausalGraph(Ga=unmoved, latents=NAMES), posterior=np.diag([1e-4, 1e-4, 1e-4, 50.0]))
    ).warnings
    assert [w.latents for w in collapsed if w.kind == "no parents"] == [("v2",)]
    empty = judge(evidence_of(graph=CausalGraph(Ga=0 * TARGETS, latents=NAMES))).warnings
    assert not [w for w in empty if w.kind == "no parents"]


def test_faults_of_fit_have_their_warnings() -> None:
    evidence = evidence_of()
    latents = evidence.latents.copy()
    latents[:, 3] = latents[:, 1]
    noise = np.random.default_rng(training_seed(0)).exponential(size=(2_000, 4))
    noise[:, 1] += 2 * noise[:, 0]
    misfit = latents[:, :2] ** 2
    diagnostics = judge(
        evidence_of(latents=latents, learned_residuals=noise, reconstruction_errors=misfit - misfit.mean(0))
    )
    texts = [str(warning) for warning in diagnostics.warnings]
    assert "duplicate latents: v1 and v3 are nearly the same (correlation 1.00)" in texts
    assert any(
        text.startswith("reconstruction: far above the noise: 100% of the squared errors") for text in texts
    )
    assert any(text.startswith("residuals: those of v0, v1 are correlated (0.") for text in texts)
    assert any(text.startswith("residuals: not like the noise of the model; v0: skewness") for text in texts)


def test_long_lists_of_effects_are_cut() -> None:
    few = CausalGraph(Ga=np.eye(4), latents=NAMES)
    (warning,) = [w for w in judge(evidence_of(graph=few)).warnings if w.kind == "missing edges"]
    assert "4 effects without an edge" in warning.text
    assert warning.text.endswith("and 1 more")


@pytest.mark.parametrize(
    ("margin", "verdict", "summary"),
    [
        (Margin(None, None, (), 64, 65), "clear", "no other one was found from 64 starts"),
        (Margin(0.5, 2.0, ("v0",), 64, 9), "clear", "the best other one, in v0, is less sparse by 0.5"),
        (
            Margin(0.05, 0.3, ("v0",), 64, 9),
            "close",
            "two bases are nearly as good: the other one, in v0, is less",
        ),
        (Margin(0.05, 0.6, ("v0",), 64, 9), "clear", "is less sparse by 0.05 and less likely by 0.6 nats"),
        (Margin(0.05, None, ("v0",), 64, 9), "close", "is less sparse by 0.05"),
        (Margin(0.5, -0.2, ("v0",), 64, 9), "close", "more likely by 0.2 nats"),
        (
            Margin(-0.5, 0.3, ("v0",), 64, 9),
            "worse",
            "another basis, in v0, is sparser by 0.5, and less likely",
        ),
        (
            Margin(-0.5, 2.0, ("v0",), 64, 9),
            "clear",
            "in v0, is more sparse by 0.5 and less likely by 2 nats",
        ),
        (Margin(-0.51, 9.0, ("v0",), 64, 9), "worse", "another basis, in v0, is sparser by 0.51"),
        (Margin(0.5, None, ("v0",), 64, 9), "clear", "is less sparse by 0.5"),
        (Margin(-0.5, None, ("v0",), 64, 9), "worse", "another basis, in v0, is sparser by 0.5"),
        (
            Margin(-0.01, 0.2, ("v0",), 64, 9),
            "close",
            "in v0, is more sparse by 0.01 and less likely by 0.2 nats",
        ),
        (
            Margin(-0.01, 2.0, ("v0",), 64, 9),
            "clear",
            "in v0, is more sparse by 0.01 and less likely by 2 nats",
        ),
    ],
)
def test_margins_have_verdicts_and_words(margin: Margin, verdict: str, summary: str) -> None:
    assert margin.verdict == verdict
    assert summary in margin.summary
    assert "None" not in margin.summary


def test_diagnostics_survive_being_stored() -> None:
    for margin in (None, Margin(None, None, (), 64, 65), Margin(-0.5, 2.0, ("v0", "v1"), 64, 3)):
        warnings = tuple(RunWarning(kind, "a reason", ("v0",)) for kind in KINDS)
        diagnostics = Diagnostics(margin, warnings, {"smallest influence": 0.5})
        check(diagnostics.to_dict(), DIAGNOSTICS)
        assert Diagnostics.from_dict(diagnostics.to_dict()) == diagnostics


def test_clear_edges_that_the_budget_removed_are_warned_of() -> None:
    removed = np.zeros_like(TARGETS)
    removed[1, 0] = removed[2, 2] = True
    (warning,) = judge(evidence_of(removed={"actions": removed})).warnings
    assert re.fullmatch(
        r"budget: too small: 2 edges removed after training had clear effects: a\d on v\d \S+, a\d on v\d \S+",
        str(warning),
    )
    assert set(warning.latents) == {"v1", "v2"}


def test_an_edge_without_effect_that_the_budget_removed_is_not_warned_of() -> None:
    more, removed = TARGETS.copy(), np.zeros_like(TARGETS)
    more[0, 1] = removed[0, 1] = True
    evidence = evidence_of(
        graph=CausalGraph(Ga=more, latents=["v0", "v1", "v2", "v3"]), removed={"actions": removed}
    )
    assert judge(evidence).warnings == ()
    assert [w.kind for w in judge(replace(evidence, removed={})).warnings] == ["superfluous edges"]


def test_counting_no_edges_is_a_serious_warning() -> None:
    """No effect has the size of a parent's to be compared with, so nothing else would warn."""
    empty = CausalGraph(Ga=np.zeros_like(TARGETS), latents=NAMES)
    diagnostics = judge(evidence_of(graph=empty, counts_edges=True))
    (warning,) = diagnostics.serious
    assert (warning.kind, warning.latents) == ("missing edges", tuple(NAMES))
    assert warning.text == "the learned graph has no edges, so nothing identifies the latents"
    # a budget of no edges asks for it, and repeating the run would find the same
    assert not judge(evidence_of(graph=empty)).serious
