"""Verdicts on on/off actions: V and sparsest bases by brute force, laws, errors, and every form of output."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from identify.criterion import Verdict, check
from identify.exceptions import RequestError, UnknownNameError
from identify.formats import write_graph
from identify.graph import CausalGraph
from identify.influence import JointInfluence, check_joint_generic
from identify.influence.joint.certificates import EnoughActions, GenericDirection, enough_actions
from identify.plot import plot_verdict
from identify.proof.deadline import TimeLimitError
from identify.report import to_html, to_latex, to_markdown
from identify.report.joint import direction_cells, joint_summary
from identify.witnesses import SingleTargetRemedy
from tests.builders import graph_without_edges
from tests.identify.command_line import Captured, error_of, json_of, output_of
from tests.identify.influence_reports import report_with
from tests.identify.screen_oracle import fewest_edges, light_directions

Matrix = NDArray[np.bool_]

# three actions on pairs, whose sparsest basis is wrong, and one latent that they don't concern
PAIRS = CausalGraph(
    Ga=[[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]], latents=["raf", "mek", "erk", "akt"]
)
# a combination of both is moved by the last three actions, as many as move mek
TIED = CausalGraph(Ga=[[1, 1, 0, 0], [1, 0, 1, 1]], latents=["raf", "mek"])
SEPARATE = CausalGraph(Ga=[[1, 0, 1], [0, 1, 0]], latents=["raf", "mek"])
WITH_PAST = CausalGraph(Gz=[[1]], Ga=[[1]])


@st.composite
def screens(draw: st.DrawFn, max_latents: int = 4, max_actions: int = 6) -> Matrix:
    n, m = draw(st.integers(1, max_latents)), draw(st.integers(0, max_actions))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    matrix: Matrix = rng.random((n, m)) < draw(st.sampled_from([0.2, 0.4, 0.6, 0.9]))
    return matrix


def verdict_on(graph: CausalGraph) -> tuple[Verdict, JointInfluence]:
    verdict = check(graph, effects="shifts")
    assert verdict.joint is not None
    return verdict, verdict.joint


def graph_of(matrix: Matrix) -> CausalGraph:
    return CausalGraph(Ga=matrix) if matrix.shape[1] else graph_without_edges(len(matrix))


# Laws -----------------------------------------------------------------------------------------------


@settings(max_examples=21, deadline=None)
@given(screens(), st.integers(0, 2**32 - 1))
def test_v_is_that_of_all_sparsest_bases(matrix: Matrix, seed: int) -> None:
    verdict, joint = verdict_on(graph_of(matrix))
    v = verdict.entanglement.matrix.toarray()
    light = light_directions(matrix, seed)
    weights = matrix.sum(axis=1).tolist()
    n_edges = fewest_edges(matrix, seed)
    assert (joint.n_fewer == 0) == (n_edges == sum(weights))
    if not joint.n_fewer:
        expected = np.eye(len(matrix), dtype=bool)
        for weight, support in light:
            for j in support:
                if weight == weights[j]:
                    expected[list(support), j] = True
        assert np.array_equal(v, expected)
        return
    assert n_edges <= sum(weights) - joint.n_fewer
    if joint.sparsest_weights is not None:
        assert sum(joint.sparsest_weights) == n_edges
    # V is an upper bound: a direction with a disentangled latent weighs as much as this latent, and is in its column
    for i in np.flatnonzero(verdict.entanglement.disentangled):
        for weight, support in light:
            if i in support:
                assert weight == weights[i]
                assert v[list(support), i].all()


@settings(max_examples=21, deadline=None)
@given(screens(max_latents=7, max_actions=12))
def test_the_verdict_is_that_of_joint_influence(matrix: Matrix) -> None:
    graph = graph_of(matrix)
    verdict, joint = verdict_on(graph)
    same = check_joint_generic(graph)
    assert joint.to_dict() == same.to_dict()
    assert joint.certificate is not None
    assert joint.certificate.verify()
    assert verdict.complete == bool(joint) == (joint.status == "holds") == verdict.guaranteed
    assert joint.entanglement is not None
    v = verdict.entanglement.matrix.toarray()
    assert np.array_equal(v, joint.entanglement)
    assert v.diagonal().all()
    # the graphical criterion promises no less than on/off actions do
    assert not (check(graph, "actions").entanglement.matrix.toarray() & ~v).any()
    for i, latent in enumerate(verdict.latents):
        others = tuple(graph.latents[j] for j in np.flatnonzero(v[i]) if j != i)
        assert latent.entangled_with == others
        assert (latent.remedy is None) == latent.disentangled


@settings(max_examples=21, deadline=None)
@given(screens(max_latents=6, max_actions=10), st.data())
def test_an_action_on_a_latent_alone_disentangles_it_if_the_truth_is_a_sparsest_basis(
    matrix: Matrix, data: st.DataObject
) -> None:
    verdict, joint = verdict_on(graph_of(matrix))
    i = data.draw(st.integers(0, len(matrix) - 1))
    remedy = verdict.latents[i].remedy
    if remedy is None or joint.n_fewer:
        return
    assert isinstance(remedy, SingleTargetRemedy)
    assert remedy.n_actions == 1
    alone = np.arange(len(matrix))[:, None] == i
    after, joint_after = verdict_on(graph_of(np.hstack([matrix, alone])))
    assert after.latents[i].disentangled
    assert not joint_after.n_fewer


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("copies", [1, 2])
def test_actions_on_single_latents_suffice(n: int, copies: int) -> None:
    verdict, joint = verdict_on(CausalGraph(Ga=np.tile(np.eye(n), copies)))
    assert verdict.complete
    assert isinstance(joint.certificate, EnoughActions)
    # without actions in common, no row is repeated
    minors = f"{n + 1} nonzero minors modulo 2147483647 for {n} latents"
    assert str(joint.certificate) == (minors if n > 1 else "no other latent to compare with")
    assert not enough_actions(check_certificate(PAIRS).graph).verify()


def check_certificate(graph: CausalGraph) -> GenericDirection:
    certificate = verdict_on(graph)[1].certificate
    assert isinstance(certificate, GenericDirection)
    return certificate


def test_large_screens_are_decided() -> None:
    rng = np.random.default_rng(0)
    matrix = np.zeros((20, 60), dtype=bool)
    for column in matrix.T:
        column[rng.choice(20, 3, replace=False)] = True
    verdict, _ = verdict_on(CausalGraph(Ga=matrix))
    assert verdict.complete


# Examples -------------------------------------------------------------------------------------------


def test_wrong_latents_are_named() -> None:
    verdict, joint = verdict_on(PAIRS)
    assert joint.n_fewer == 3
    assert joint.sparsest_weights == (1, 1, 1, 1)
    assert joint.basis is not None
    assert [direction.beside for direction in joint.basis] == [("raf",), ("mek",), ("erk",), ("akt",)]
    assert [direction.weight for direction in joint.basis] == [1, 1, 1, 1]
    assert direction_cells(verdict) == [
        ("raf, mek, erk", "raf", "1 action", "a0, a1"),
        ("raf, mek, erk", "mek", "1 action", "a0, a2"),
        ("raf, mek, erk", "erk", "1 action", "a1, a2"),
    ]
    assert verdict.headline == (
        "Not completely disentangled: 1 of 4 latents, using on/off actions; wrong latents need 3 edges fewer"
    )
    assert repr(verdict) == "Verdict(not complete: 1 of 4 latents disentangled, using on/off actions)"
    assert str(verdict.remedy("raf", "mek")) == (
        "add actions on raf alone, or see design_interventions(..., effects='shifts')"
    )
    assert [condition.status for condition in verdict.refuted] == ["refuted"]


def test_a_tie_entangles_one_way() -> None:
    verdict, joint = verdict_on(TIED)
    assert joint.n_fewer == 0
    assert [str(latent) for latent in verdict.latents] == [
        "raf stays entangled with mek",
        "mek is disentangled",
    ]
    assert str(verdict.witness("mek", "raf")) == (
        "mek is separated from raf: in no sparsest basis does a combination of both take the place of raf"
    )
    assert verdict.remedy("mek", "raf") is None
    assert str(verdict.remedy("raf", "mek")) == (
        "add an action on raf alone, or see design_interventions(..., effects='shifts')"
    )
    assert direction_cells(verdict) == [("raf, mek", "mek", "3 actions", "a0")]
    assert "an action on raf alone" in to_markdown(verdict)


@pytest.mark.parametrize(
    ("graph", "beginning"),
    [
        (
            SEPARATE,
            "The true latents are the one sparsest basis: every combination of several latents is moved",
        ),
        (PAIRS, "The true latents are not a sparsest basis: a basis with 3 edges fewer has combinations"),
        (graph_without_edges(2), "The true latents are a sparsest basis, but others have as few edges"),
    ],
)
def test_the_summary(graph: CausalGraph, beginning: str) -> None:
    assert joint_summary(check(graph, effects="shifts")).startswith(beginning)
    assert joint_summary(check(graph)) == ""


def test_nothing_is_promised_if_joint_influence_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(seconds: float, function: object) -> None:
        raise TimeLimitError

    monkeypatch.setattr("identify.influence.joint.generic.run_within", time_out)
    verdict = check(SEPARATE, effects="shifts", time_limit=3)
    assert verdict.joint is not None
    assert verdict.joint.reason == "minimum cuts took longer than 3 s"
    assert not verdict.complete
    assert verdict.n_disentangled == 0
    assert verdict.headline == "Undecided: no promise for the 2 latents, using on/off actions"
    assert joint_summary(verdict).endswith("Nothing is promised.")
    assert verdict.conditions[-1].status == "assumed"
    assert "a longer time limit" in to_markdown(verdict)


# Bad requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effects": "foo"}, r"^effects is 'foo'; it must be 'shifts' or None$"),
        ({"effects": "shifts", "using": "past"}, "uses the actions of a graph and not its past"),
        ({"effects": "shifts", "using": "both"}, "using='actions' leaves the past out"),
        ({"effects": "shifts", "time_limit": 0}, "seconds is 0; it is a time limit, a number above 0"),
        (
            {"effects": "shifts", "influence": report_with({"a0": "holds"})},
            "^effects replaces sufficient influence by joint influence; leave out influence$",
        ),
    ],
)
def test_requests_that_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        check(SEPARATE, **options)  # type: ignore[arg-type]


def test_a_past_in_use_is_refused() -> None:
    with pytest.raises(RequestError, match="using='actions' leaves the past out"):
        check(WITH_PAST, effects="shifts")
    assert check(WITH_PAST, "actions", effects="shifts").complete


def test_very_large_graphs_are_refused() -> None:
    with pytest.raises(RequestError, match="1,001 latents; effects='shifts' is supported for at most 1,000"):
        check(graph_without_edges(1_001), effects="shifts")


def test_unknown_and_equal_latents_are_refused() -> None:
    verdict = check(PAIRS, effects="shifts")
    with pytest.raises(UnknownNameError, match="nope"):
        verdict.witness("raf", "nope")
    with pytest.raises(RequestError, match="name two different latents"):
        verdict.remedy("raf", "raf")


# Command line and reports ---------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    for name, graph in {"pairs": PAIRS, "separate": SEPARATE, "past": WITH_PAST}.items():
        write_graph(graph, tmp_path / f"{name}.json")
    return {name: str(tmp_path / f"{name}.json") for name in ("pairs", "separate", "past")}


def test_the_command_names_the_wrong_latents(capsys: Captured, files: dict[str, str]) -> None:
    out = output_of(capsys, "check", files["pairs"], "--effects", "shifts")
    for text in ("wrong latents need 3 edges", "Wrong latents of a sparser basis:", "a0, a1"):
        assert text in out
    assert "✓" in output_of(capsys, "check", files["separate"], "--effects", "shifts", "--strict")
    output_of(capsys, "check", files["pairs"], "--effects", "shifts", "--strict", code=1)


def test_the_json(capsys: Captured, files: dict[str, str]) -> None:
    record = json_of(capsys, "check", files["pairs"], "--effects", "shifts")
    assert record["effects"] == "shifts"
    assert record["joint_influence"] == json.loads(json.dumps(check_joint_generic(PAIRS).to_dict()))
    assert record["complete"] is False
    assert record["latents"][0]["entangled_with"] == ["mek", "erk"]
    assert record["conditions"][-1]["status"] == "refuted"
    assert "effects" not in json_of(capsys, "check", files["pairs"])
    several = json_of(capsys, "check", files["pairs"], files["separate"], "--effects", "shifts")
    assert [graph["complete"] for graph in several["graphs"]] == [False, True]


def test_several_graphs_are_a_table(capsys: Captured, files: dict[str, str]) -> None:
    out = output_of(
        capsys, "check", files["pairs"], files["separate"], "--effects", "shifts", "--strict", code=1
    )
    assert "1 of 2 graphs completely disentangled" in out


def test_why(capsys: Captured, files: dict[str, str]) -> None:
    arguments = ("check", files["pairs"], "--effects", "shifts", "--why")
    assert "raf is separated from akt: in no sparsest basis" in output_of(capsys, *arguments, "raf", "akt")
    out = output_of(capsys, *arguments, "raf", "mek")
    assert "raf stays entangled with mek: nothing separates them; add actions on raf alone" in out


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("past", ("--effects", "shifts"), "past.json: effects='shifts' uses the actions of a graph and not its"),
        ("pairs", ("--effects", "foo"), "'foo' is not one of 'shifts'"),
        ("pairs", ("--effects", "shifts", "--time-limit", "0"), "seconds is 0.0; it is a time limit"),
        ("pairs", ("--effects", "shifts", "--influence", "r.json"), "sufficient influence, which --influence gives"),
        ("pairs", ("--effects", "shifts", "--mechanisms", "m.toml"), "which --mechanisms gives; use one of them"),
    ],
)  # fmt: skip
def test_options_that_are_refused(
    capsys: Captured, files: dict[str, str], name: str, options: tuple[str, ...], message: str
) -> None:
    assert message in error_of(capsys, "check", files[name], *options)


def test_reports(capsys: Captured, files: dict[str, str], tmp_path: Path) -> None:
    paths = {option: str(tmp_path / f"out.{option}") for option in ("markdown", "latex", "report")}
    arguments = [word for option, path in paths.items() for word in (f"--{option}", path)]
    output_of(capsys, "check", files["pairs"], "--effects", "shifts", *arguments, "--figures", str(tmp_path))
    assert (tmp_path / "pairs.json.png").stat().st_size > 1_000
    verdict = check(PAIRS, effects="shifts")
    texts = {option: Path(path).read_text(encoding="utf-8") for option, path in paths.items()}
    for text in (texts["markdown"], texts["report"]):
        assert "Wrong latents of a sparser basis" in text
        assert "Joint influence fails." in text
        assert "Generic effects: every action is on or off" in text
        assert "Sufficient influence: each cause" not in text
    assert "using on/off actions; wrong latents need 3 edges fewer" in texts["latex"]
    assert "raf, mek, erk & each other" in to_latex(verdict)
    mixed = to_html({"a": verdict, "b": check(SEPARATE)}, figure=lambda _: "<svg></svg>")
    assert "Sufficient influence: each cause" in mixed
    assert "Generic effects" in mixed
    assert plot_verdict(verdict).get_suptitle() == verdict.headline
