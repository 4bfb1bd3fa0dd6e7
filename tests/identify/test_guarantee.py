"""What is guaranteed if influence fails for some causes: laws, losses and repairs against brute force, and texts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.criterion import check
from identify.exceptions import RequestError, UnknownNameError
from identify.graph import CausalGraph
from identify.guarantee import EdgeBudget, Guarantee, guarantee_from
from tests.builders import graphs
from tests.identify.influence_reports import STATUSES, report_with, statuses_of
from tests.oracles import matrix_form

usings = st.sampled_from(["actions", "past", "both"])


def guaranteed(graph: CausalGraph, using: str, proved: set[str], past: bool) -> np.ndarray:
    """Return V from the edges of the proved causes alone."""
    from_actions = graph.Ga.toarray() & np.array([name in proved for name in graph.actions], dtype=bool)
    past_edges = graph.Gz.toarray() & past
    return matrix_form(CausalGraph(past_edges, from_actions, actions=graph.actions), using)


def guarantee_of(graph: CausalGraph, using: Any, *statuses: Any) -> Guarantee:
    guarantee = check(graph, using, report_with(*statuses)).guarantee
    assert guarantee is not None
    return guarantee


@given(graphs(), usings, st.data())
@settings(max_examples=100)
def test_the_guarantee_is_v_of_the_proved_causes(graph: CausalGraph, using: str, data: st.DataObject) -> None:
    actions, past = data.draw(statuses_of(graph))
    guarantee = guarantee_of(graph, using, actions, past)
    holding = {name for name, status in actions.items() if status == "holds"}
    v = guaranteed(graph, using, holding, past == "holds")
    full = matrix_form(graph, using)
    np.testing.assert_array_equal(guarantee.entanglement.matrix.toarray(), v)
    assert guarantee.n_lost == v.sum() - full.sum()
    assert guarantee.n_disentangled == (v.sum(axis=1) == 1).sum()
    uses_actions, uses_past = using != "past", using != "actions"
    assert set(guarantee.actions) == (holding if uses_actions else set())
    assert guarantee.past == (uses_past and past == "holds" and graph.Gz.nnz > 0)
    columns = [name in guarantee.actions for name in graph.actions]
    n_edges = int(graph.Ga.toarray()[:, np.array(columns, dtype=bool)].sum())
    assert guarantee.budget == EdgeBudget(
        n_edges if guarantee.actions else None, graph.Gz.nnz if guarantee.past else None
    )


@given(graphs(), usings)
@settings(max_examples=40)
def test_if_influence_holds_for_all_causes_the_guarantee_is_the_verdict(
    graph: CausalGraph, using: Any
) -> None:
    verdict = check(graph, using, report_with(dict.fromkeys(graph.actions, "holds"), "holds"))
    assert verdict.guarantee is not None
    assert verdict.guarantee.entanglement == verdict.entanglement
    assert (verdict.guarantee.n_lost, len(verdict.guarantee.lost), verdict.guarantee.repairs) == (0, 0, ())
    assert verdict.guarantee.if_undecided_hold is None
    assert verdict.headline == check(graph, using).headline


@given(graphs(), usings, st.data())
@settings(max_examples=40)
def test_more_causes_guarantee_more(graph: CausalGraph, using: str, data: st.DataObject) -> None:
    actions, past = data.draw(statuses_of(graph))
    fewer = guarantee_of(graph, using, actions, past)
    more = {name: data.draw(st.sampled_from(["holds", status])) for name, status in actions.items()}
    wider = guarantee_of(graph, using, more, past)
    assert (wider.entanglement.matrix.toarray() <= fewer.entanglement.matrix.toarray()).all()
    assert wider.n_disentangled >= fewer.n_disentangled


@given(graphs(), usings, st.data())
@settings(max_examples=100)
def test_every_lost_entry_is_won_back_by_its_witnesses(
    graph: CausalGraph, using: str, data: st.DataObject
) -> None:
    actions, past = data.draw(statuses_of(graph))
    guarantee = guarantee_of(graph, using, actions, past)
    holding = {name for name, status in actions.items() if status == "holds"}
    full, v = matrix_form(graph, using), guarantee.entanglement.matrix.toarray()
    assert [loss.latent for loss in guarantee.lost] == [
        name for i, name in enumerate(graph.latents) if (v[i] & ~full[i]).any()
    ]
    for loss in guarantee.lost:
        i = graph.index(loss.latent)
        lost = {graph.latents[j] for j in np.flatnonzero(v[i] & ~full[i])}
        assert set(loss.entangled_with) == lost
        assert set().union(*loss.won_back.values()) == lost
        for cause in (influence.cause for influence in guarantee.unproved):
            repaired = guaranteed(graph, using, holding | {cause}, past == "holds" or cause == "the past")
            won = tuple(graph.latents[j] for j in np.flatnonzero(v[i] & ~repaired[i]))
            assert loss.won_back.get(cause, ()) == won
        assert all(set(loss.won_back[cause]) == lost for cause in loss.alone)
        assert bool(loss.alone) != bool(loss.together)
        if loss.together:
            assert_needed_together(loss.together, loss.won_back, lost)


def assert_needed_together(causes: tuple[str, ...], won_back: Any, lost: set[str]) -> None:
    assert len(causes) > 1
    assert set().union(*(won_back[cause] for cause in causes)) == lost
    for cause in causes:
        assert set().union(*(won_back[other] for other in causes if other != cause)) < lost


@given(graphs(), usings, st.data())
@settings(max_examples=40)
def test_repairs_count_what_they_win_back(graph: CausalGraph, using: Any, data: st.DataObject) -> None:
    actions, past = data.draw(statuses_of(graph))
    guarantee = guarantee_of(graph, using, actions, past)
    assert {repair.cause for repair in guarantee.repairs} == {x.cause for x in guarantee.unproved}
    numbers = [repair.n_entries for repair in guarantee.repairs]
    assert numbers == sorted(numbers, reverse=True)
    before = guarantee.entanglement
    for repair in guarantee.repairs:
        repaired_actions = {name: "holds" if name == repair.cause else s for name, s in actions.items()}
        after = guarantee_of(
            graph, using, repaired_actions, "holds" if repair.cause == "the past" else past
        ).entanglement
        assert repair.n_entries == before.n_entries - after.n_entries
        shrunk = [x for x in graph.latents if len(after.row(x)) < len(before.row(x))]
        gained = np.flatnonzero(after.disentangled & ~before.disentangled)
        assert list(repair.latents) == shrunk
        assert list(repair.disentangled) == [graph.latents[i] for i in gained]


@given(graphs(), usings, st.data())
@settings(max_examples=40)
def test_undecided_causes_are_not_proved_but_said_apart(
    graph: CausalGraph, using: Any, data: st.DataObject
) -> None:
    actions, past = data.draw(statuses_of(graph))
    guarantee = guarantee_of(graph, using, actions, past)
    as_if = {name: "holds" if status == "undecided" else status for name, status in actions.items()}
    other = guarantee_of(graph, using, as_if, "holds" if past == "undecided" else past)
    undecided = [x for x in guarantee.unproved if x.status == "undecided"]
    assert (guarantee.if_undecided_hold is None) == (not undecided)
    if guarantee.if_undecided_hold is not None:
        assert guarantee.if_undecided_hold.entanglement == other.entanglement
        assert guarantee.if_undecided_hold.causes == other.causes
        assert guarantee.if_undecided_hold.if_undecided_hold is None


@given(graphs(), usings, st.data())
@settings(max_examples=40)
def test_to_dict_is_json(graph: CausalGraph, using: Any, data: st.DataObject) -> None:
    actions, past = data.draw(statuses_of(graph))
    verdict = check(graph, using, report_with(actions, past))
    record = json.loads(json.dumps(verdict.to_dict()))["guarantee"]
    guarantee = verdict.guarantee
    assert guarantee is not None
    assert record["causes"] == list(guarantee.causes)
    assert record["budget"] == {"actions": guarantee.budget.actions, "past": guarantee.budget.past}
    assert sum(len(loss["entangled_with"]) for loss in record["lost"]) == record["n_lost"] == guarantee.n_lost
    assert [repair["cause"] for repair in record["repairs"]] == [x.cause for x in guarantee.repairs]
    assert (record["if_undecided_hold"] is None) == (guarantee.if_undecided_hold is None)


# examples --------------------------------------------------------------------------------------------

PAIRS = CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 1]], latents=["x", "y", "z"], actions=["a", "b", "c"])


def test_a_latent_without_proved_causes_stays_entangled_with_all() -> None:
    guarantee = guarantee_of(PAIRS, None, {"a": "fails", "b": "undecided", "c": "holds"})
    assert guarantee.entanglement.row("x").tolist() == [0, 1, 2]
    assert not guarantee.entanglement.constrained[0]
    assert guarantee.causes == ("c",)
    assert guarantee.budget == EdgeBudget(actions=2, past=None)


def test_losses_and_repairs_have_text() -> None:
    guarantee = guarantee_of(PAIRS, None, {"a": "fails", "b": "undecided", "c": "holds"})
    assert [str(loss) for loss in guarantee.lost] == [
        "x is not separated from y, z; sufficient influence of a, b together would separate it",
        "y is not separated from z; sufficient influence of a would separate it",
        "z is not separated from y; sufficient influence of b would separate it",
    ]
    assert str(guarantee.repairs[0]) == (
        "sufficient influence of a would remove 2 entries of V and disentangle y"
    )
    assert guarantee.repairs[0].suggestions == ("repair a",)
    assert repr(guarantee.if_undecided_hold) == "Guarantee(1 of 3 latents disentangled, from b, c)"
    assert guarantee.lost.of("y") == guarantee.lost[1] == guarantee.lost[-2]
    assert [loss.latent for loss in guarantee.lost[1:]] == ["y", "z"]
    with pytest.raises(UnknownNameError, match="there is no latent 'w'"):
        guarantee.lost.of("w")


def test_one_of_several_repairs_can_be_enough() -> None:
    graph = CausalGraph(Ga=[[1, 1, 1, 1, 0], [0, 0, 0, 0, 1]], latents=["x", "y"])
    for failing, remedy in (("a0 a1", "a0 or a1"), ("a0 a1 a2 a3", "any of a0, a1, a2, a3")):
        statuses = {name: "fails" if name in failing else "holds" for name in graph.actions}
        guarantee = guarantee_of(graph, None, statuses)
        if failing == "a0 a1":
            assert guarantee.n_lost == 0
            continue
        assert guarantee.lost[0].remedy == remedy


def test_the_headline_says_what_is_guaranteed() -> None:
    statuses = {"a": "fails", "b": "fails", "c": "holds"}
    assert check(PAIRS, None, report_with(statuses)).headline == (
        "Guaranteed: 0 of 3 latents disentangled, using actions (3 if every cause had sufficient influence)"
    )
    nested = CausalGraph(Ga=[[1, 0, 0], [1, 1, 0], [1, 1, 1]], actions=["a", "b", "c"])
    headline = check(nested, None, report_with({"a": "holds", "b": "fails", "c": "holds"})).headline
    assert headline.endswith("(fewer pairs stay entangled if every cause had sufficient influence)")
    # a failing cause without which nothing is lost changes nothing
    assert check(nested, None, report_with({"a": "fails", "b": "holds", "c": "holds"})).headline == (
        check(nested).headline
    )


def test_without_a_report_there_is_no_guarantee() -> None:
    verdict = check(PAIRS)
    assert verdict.guarantee is None
    assert "guarantee" not in verdict.to_dict()


def test_in_exponential_families_the_past_needs_sufficient_variability() -> None:
    graph = CausalGraph(Gz=[[1, 0], [0, 1]])
    for variability in STATUSES:
        verdict = check(graph, None, report_with({}, "holds", variability))
        assert verdict.guarantee is not None
        assert verdict.guarantee.complete == (variability == "holds")
        assert verdict.conditions[-1].status == {"holds": "proved", "fails": "refuted"}.get(
            variability, "assumed"
        )
    reason = check(graph, None, report_with({}, "holds", "fails")).conditions[-1].reason
    assert reason.startswith("sufficient variability of the natural parameters, which it requires, fails: ")
    report = report_with({}, "holds", "holds")
    without = type(report)("exponential", report.actions, report.past)
    verdict = check(graph, None, without)
    assert "is not decided" in verdict.conditions[-1].reason
    assert verdict.guarantee is not None
    assert verdict.guarantee.causes == ()


def test_the_condition_on_density_names_the_edges_that_count() -> None:
    names = [c.name for c in check(PAIRS, None, report_with(dict.fromkeys("abc", "holds"))).conditions]
    assert names[2] == "the learned graph is no denser than the true one"
    names = [c.name for c in check(PAIRS, None, report_with(dict.fromkeys("abc", "fails"))).conditions]
    assert names[2] == (
        "the learned graph is no denser than the true one in the edges of the causes with sufficient influence"
    )


def test_an_action_named_like_the_past_is_refused() -> None:
    graph = CausalGraph(Gz=[[1]], Ga=[[1]], actions=["the past"])
    with pytest.raises(
        RequestError, match="an action is named 'the past', as the past is in reports; rename"
    ):
        check(graph, None, report_with({"the past": "holds"}, "holds"))
    report = report_with({"other": "holds"}, "holds")
    with pytest.raises(RequestError, match="the influence report is about the actions other"):
        guarantee_from(check(graph).entanglement, report)


def test_the_losses_of_a_large_graph_are_computed_on_access() -> None:
    n = 3_000
    graph = CausalGraph(Ga=np.eye(n, dtype=bool))
    statuses = dict.fromkeys(graph.actions, "holds")
    guarantee = guarantee_of(graph, None, {**statuses, graph.actions[0]: "fails"})
    assert (len(guarantee.lost), guarantee.n_lost) == (1, n - 1)
    nothing = check(graph, None, report_with(dict.fromkeys(graph.actions, "fails"), None))
    assert nothing.guarantee is not None
    assert nothing.guarantee.n_lost == n * (n - 1)
    assert len(nothing.guarantee.lost) == n
