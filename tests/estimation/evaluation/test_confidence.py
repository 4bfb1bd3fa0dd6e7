"""Confidence from several runs, against the probabilities of all cases, and on runs that share latents or don't."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.diagnostics import Diagnostics
from estimation.evaluation.confidence import (
    FOUND_TO_AGREE,
    SHARED_MISTAKES,
    edges_from_runs,
    latents_from_runs,
)
from estimation.evaluation.verification import Verification
from estimation.report import verification_page
from estimation.report.sentences import EDGES_OF_RUNS, LATENTS_OF_RUNS
from estimation.report.terminal import show_verification
from estimation.trained import TrainedModel
from identify.graph import CausalGraph
from tests.estimation.evaluation.test_verification import (
    GRAPH,
    IDENTITY,
    TRUTH,
    N,
    best_first,
    not_allowed,
    run,
)
from tests.estimation.fakes import linear_model
from tests.identify.test_report import Page, printed

Array = NDArray[np.float64]
PROBABILITIES = st.floats(0.01, 0.99)


def posterior(p: float, others: list[tuple[float, bool]]) -> float:
    """Return the probability that the reference is right, from all cases of who is right and who repeats mistakes."""
    joint = {True: 0.0, False: 0.0}
    cases = [(True, True), (True, False), (False, True), (False, False)]
    for right, *of_others in itertools.product([True, False], *[cases] * len(others)):
        weight = p if right else 1 - p
        for (q, agrees), (is_right, happens) in zip(others, of_others, strict=True):
            # two right latents are found to agree with one chance, a mistake is repeated with another
            chance = FOUND_TO_AGREE if is_right else SHARED_MISTAKES
            weight *= (q if is_right else 1 - q) * (chance if happens else 1 - chance)
            weight *= (right == is_right and happens) == agrees
        joint[right] += weight
    return joint[True] / (joint[True] + joint[False])


@given(PROBABILITIES, PROBABILITIES, st.booleans())
def test_one_other_run_follows_bayes_rule(p: float, q: float, agrees: bool) -> None:
    found = latents_from_runs(np.array([p]), np.array([[q]]), np.array([[agrees]]))
    by_rule = posterior(p, [(q, agrees)])
    assert found[0] == pytest.approx(max(p, by_rule) if agrees else min(p, by_rule), abs=1e-9)


#: From here on, runs that agree raise the confidence by Bayes' rule, and those that contradict lower it.
LIKELY = st.floats(0.44, 0.99)


@given(PROBABILITIES, st.lists(LIKELY, min_size=2, max_size=3))
def test_runs_that_contradict_count_one_by_one(p: float, others: list[float]) -> None:
    found = latents_from_runs(np.array([p]), np.array([others]), np.zeros((1, len(others)), dtype=bool))
    assert found[0] == pytest.approx(posterior(p, [(q, False) for q in others]), abs=1e-9)


@given(PROBABILITIES, st.lists(LIKELY, min_size=2, max_size=3))
def test_runs_that_agree_count_as_one(p: float, others: list[float]) -> None:
    found = latents_from_runs(np.array([p]), np.array([others]), np.ones((1, len(others)), dtype=bool))
    assert found[0] == pytest.approx(posterior(p, [(float(np.mean(others)), True)]), abs=1e-9)


@given(PROBABILITIES, st.lists(PROBABILITIES, min_size=1, max_size=4))
def test_agreement_never_lowers_and_contradiction_never_raises(p: float, others: list[float]) -> None:
    for agrees in (True, False):
        agree = np.full((1, len(others)), agrees)
        found = latents_from_runs(np.array([p]), np.array([others]), agree)[0]
        assert found >= p - 1e-12 if agrees else found <= p + 1e-12


def test_runs_without_confidence_are_no_evidence() -> None:
    own = np.array([0.8, np.nan])
    found = latents_from_runs(own, np.full((2, 2), np.nan), np.array([[True, False], [True, True]]))
    np.testing.assert_allclose(found, own)


def test_certain_runs_stay_probabilities() -> None:
    found = latents_from_runs(np.array([1.0, 0.0]), np.array([[1.0], [0.0]]), np.array([[False], [False]]))
    assert ((found > 0) & (found < 1)).all()


def test_edges_are_averaged_over_runs_that_agree_about_the_latents_concerned() -> None:
    own = {"actions": np.array([[0.9, 0.1], [0.8, np.nan]]), "past": np.array([[0.9, 0.5], [0.5, 0.9]])}
    others = {"actions": np.full((2, 2, 2), 0.5), "past": np.full((2, 2, 2), 0.1)}
    agree = np.array([[True, True], [False, True]])
    certain = np.ones(2)
    found = edges_from_runs(own, others, agree, certain, certain)
    np.testing.assert_allclose(found["actions"], [[1.9 / 3, 1.1 / 3], [0.65, np.nan]])
    # both the child and the parent have to be confirmed
    np.testing.assert_allclose(found["past"], [[1.1 / 3, 0.3], [0.3, 0.5]])


def test_an_edge_of_a_latent_to_itself_concerns_one_latent() -> None:
    own, nobody = {"past": np.array([[0.8, 0.1], [0.1, 0.8]])}, {"past": np.full((1, 2, 2), np.nan)}
    before, after = np.full(2, 0.6), np.full(2, 0.9)
    found = edges_from_runs(own, nobody, np.zeros((2, 1), dtype=bool), before, after)["past"]
    rate = 0.45

    def updated(value: float, was: float, now: float) -> float:
        if_wrong = np.clip(rate, (value - was) / (1 - was), value / (1 - was))
        if_right = (value - if_wrong * (1 - was)) / was
        return float(if_right * now + if_wrong * (1 - now))

    assert np.diag(found) == pytest.approx(updated(0.8, 0.6, 0.9), abs=1e-9)
    assert found[0, 1] == found[1, 0] == pytest.approx(updated(0.1, 0.36, 0.81), abs=1e-9)


@given(st.floats(0.2, 0.99), st.floats(0.01, 0.99), st.floats(0, 1))
def test_edges_follow_the_law_of_total_probability(before: float, after: float, if_right: float) -> None:
    rate = 0.5
    first = if_right * before + rate * (1 - before)
    # the two have this rate as their mean
    own, nobody = {"actions": np.array([[first, 2 * rate - first]])}, {"actions": np.full((1, 1, 2), np.nan)}
    found = edges_from_runs(own, nobody, np.array([[False]]), np.array([before]), np.array([after]))
    assert found["actions"][0, 0] == pytest.approx(if_right * after + rate * (1 - after), abs=1e-9)


@given(PROBABILITIES, PROBABILITIES, PROBABILITIES, PROBABILITIES)
def test_edges_stay_probabilities(before: float, after: float, first: float, second: float) -> None:
    own, nobody = {"actions": np.array([[first, second]])}, {"actions": np.full((1, 1, 2), np.nan)}
    found = edges_from_runs(own, nobody, np.array([[False]]), np.array([before]), np.array([after]))[
        "actions"
    ]
    assert ((found > 0) & (found < 1)).all()
    same = edges_from_runs(own, nobody, np.array([[False]]), np.array([before]), np.array([before]))[
        "actions"
    ]
    np.testing.assert_allclose(same, own["actions"], atol=1e-9)


def test_without_confidence_in_latents_edges_are_only_averaged() -> None:
    own, others = {"actions": np.array([[0.9]])}, {"actions": np.array([[[0.7]]])}
    unknown = np.array([np.nan])
    assert edges_from_runs(own, others, np.array([[True]]), unknown, unknown)["actions"][
        0, 0
    ] == pytest.approx(0.8)


ROWS = ((0.95, 0.02, 0.1), (0.9, 0.03, 0.2), (0.04, 0.97, 0.3), (0.05, 0.06, 0.98))


def examined(model: TrainedModel, order: tuple[int, ...] = (0, 1, 2, 3), q: float = 0.9) -> TrainedModel:
    """Return the run with confidence whose rows are those of the true latents in this order."""
    confidence = {"actions": tuple(ROWS[i] for i in order)}
    of_latents = tuple(round(q - 0.05 * i, 4) for i in order)
    return replace(model, diagnostics=Diagnostics(None, (), {}, confidence, of_latents))


@pytest.fixture
def verification(monkeypatch: pytest.MonkeyPatch) -> Verification:
    order = (3, 0, 2, 1)
    models = {"a": examined(run(IDENTITY)), "b": examined(run(not_allowed(), order), order)}
    return best_first(models, monkeypatch)


def test_verify_matches_latents_before_it_compares_confidence(verification: Verification) -> None:
    agrees = np.array([True, True, False, True])
    own = 0.9 - 0.05 * np.arange(N)
    expected = latents_from_runs(own, own[:, None], agrees[:, None])
    assert verification.latent_confidence is not None
    np.testing.assert_allclose(verification.latent_confidence, expected)
    assert [latent.confidence for latent in verification.latents] == pytest.approx(
        expected.tolist(), abs=1e-4
    )
    assert verification.latents[2].confidence < own[2] < 0.9  # type: ignore[operator]
    assert verification.edge_confidence is not None
    # the confidence of both runs is the same, so that only the latents change that of edges
    rows = {"actions": np.array(ROWS)}
    edges = edges_from_runs(rows, {"actions": np.array([ROWS])}, agrees[:, None], own, expected)["actions"]
    np.testing.assert_allclose(verification.edge_confidence["actions"], edges)
    assert edges[2, 1] < ROWS[2][1]


def test_verify_matches_actions_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, order = [2, 0, 1], (3, 0, 2, 1)
    graph = GRAPH.permute(list(order))
    names = [graph.actions[j] for j in columns]
    reordered = CausalGraph(Ga=graph.Ga.toarray()[:, columns], actions=names)
    plain = linear_model(TRUTH, IDENTITY[:, list(order)], reordered)
    confidence = {"actions": tuple(tuple(ROWS[i][j] for j in columns) for i in order)}
    second = replace(
        plain, action_names=tuple(names), diagnostics=Diagnostics(None, (), {}, confidence, (0.9,) * N)
    )
    found = best_first({"a": examined(run(IDENTITY)), "b": second}, monkeypatch).edge_confidence
    own = 0.9 - 0.05 * np.arange(N)
    everywhere = np.ones((N, 1), dtype=bool)
    after = latents_from_runs(own, np.full((N, 1), 0.9), everywhere)
    rows = np.array(ROWS)
    assert found is not None
    np.testing.assert_allclose(
        found["actions"],
        edges_from_runs({"actions": rows}, {"actions": rows[None]}, everywhere, own, after)["actions"],
    )


def test_a_run_that_contradicts_counts_without_confidence_in_the_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = examined(run(not_allowed()))
    assert other.diagnostics is not None
    collapsed = replace(other.diagnostics, latent_confidence=(0.9, 0.8, None, 0.7))
    found = best_first(
        {"a": examined(run(IDENTITY)), "b": replace(other, diagnostics=collapsed)}, monkeypatch
    ).latent_confidence
    expected = latents_from_runs(np.array([0.8]), np.array([[0.8]]), np.array([[False]]))
    assert found is not None
    assert found[2] == pytest.approx(expected[0])


def test_a_run_that_lacks_a_latent_only_contradicts(monkeypatch: pytest.MonkeyPatch) -> None:
    # z2 and z3 are merged into one latent
    merging = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.8]])
    graph = CausalGraph(Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 1]])
    fewer = replace(
        linear_model(TRUTH, np.linalg.pinv(merging), graph),
        diagnostics=Diagnostics(None, latent_confidence=(0.9, 0.9, 0.9)),
    )
    verification = best_first({"a": examined(run(IDENTITY)), "b": fewer}, monkeypatch)
    own = 0.9 - 0.05 * np.arange(N)
    assert verification.latent_confidence is not None
    assert (verification.latent_confidence <= own + 1e-12).all()
    assert verification.latent_confidence[:2] == pytest.approx(own[:2])
    unconfirmed = [latent.confirmed_by == 0 for latent in verification.latents]
    assert (verification.latent_confidence[unconfirmed] < own[unconfirmed]).all()
    assert any(unconfirmed)


def test_a_latent_that_may_depend_on_all_others_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = CausalGraph(Ga=[[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]])
    models = {
        name: replace(
            linear_model(TRUTH, IDENTITY, graph), diagnostics=Diagnostics(None, latent_confidence=(0.5,) * N)
        )
        for name in "ab"
    }
    verification = best_first(models, monkeypatch)
    free = verification.predicted.matrix.toarray().astype(bool).all(axis=1)
    assert free.any()
    assert not free.all()
    assert verification.latent_confidence is not None
    assert (verification.latent_confidence[free] == 0.5).all()
    assert (verification.latent_confidence[~free] > 0.5).all()


def test_runs_that_were_not_examined_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    verification = best_first({"a": examined(run(IDENTITY)), "b": run(IDENTITY)}, monkeypatch)
    assert verification.latent_confidence is not None
    np.testing.assert_allclose(verification.latent_confidence, 0.9 - 0.05 * np.arange(N))
    assert verification.edge_confidence is not None
    np.testing.assert_allclose(verification.edge_confidence["actions"], np.array(ROWS))
    without = best_first({"a": run(IDENTITY), "b": examined(run(IDENTITY))}, monkeypatch)
    assert without.latent_confidence is None
    assert without.edge_confidence is None
    assert [latent.confidence for latent in without.latents] == [None] * N
    assert without.to_dict()["edge_confidence"] is None


def test_reports_have_the_confidence_of_all_runs(verification: Verification) -> None:
    record = json.loads(json.dumps(verification.to_dict(), allow_nan=False))
    assert [each["confidence"] for each in record["latents"]] == [
        latent.confidence for latent in verification.latents
    ]
    assert len(record["edge_confidence"]["actions"]) == N
    shown = printed(show_verification(verification), 200)
    page = Page(verification_page(verification)).text
    for text in (shown, page):
        assert "confidence" in text
        assert f"{verification.latents[2].confidence:.2f}" in text
    assert "Confidence from all runs" in page
    for sentence in (LATENTS_OF_RUNS, EDGES_OF_RUNS):
        assert sentence in page


def test_a_page_explains_only_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    latents_only = Diagnostics(None, latent_confidence=(0.9,) * N)
    models = {name: replace(run(IDENTITY), diagnostics=latents_only) for name in "ab"}
    page = Page(verification_page(best_first(models, monkeypatch))).text
    assert LATENTS_OF_RUNS in page
    assert EDGES_OF_RUNS not in page
    edges_only = Diagnostics(None, edge_confidence={"actions": ROWS})
    models = {name: replace(run(IDENTITY), diagnostics=edges_only) for name in "ab"}
    page = Page(verification_page(best_first(models, monkeypatch))).text
    assert LATENTS_OF_RUNS not in page
    assert EDGES_OF_RUNS in page
