"""Confidence in edges of made-up runs, of which some edges are surely there and some surely not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.diagnostics import Diagnostics, Evidence, Margin, judge
from estimation.diagnostics.confidence import FEATURES, confidence_of, edge_confidence, pair_features
from estimation.unmixing.moments import effect_sizes
from identify.graph import CausalGraph
from tests.estimation.diagnostics.evidence import TARGETS, evidence_of
from tests.seeds import training_seed

Array = NDArray[np.float64]
NAMES = ["v0", "v1", "v2", "v3"]
CLEAR = Margin(None, None, (), 65, 65)


def resampled(evidence: Evidence, spread: float = 0.003) -> Evidence:
    """Return the evidence with resampled sizes that scatter by this much."""
    from dataclasses import replace

    sizes = effect_sizes(
        np.eye(len(evidence.covariance)),
        evidence.covariance,
        evidence.action_effects,
        evidence.past_jacobians,
    )
    rng = np.random.default_rng(training_seed(5))
    noisy = {
        kind: np.abs(size + spread * rng.normal(size=(10, *size.shape)))
        for kind, size in zip(("actions", "past"), sizes, strict=True)
        if size is not None
    }
    return replace(evidence, resampled_sizes=noisy)


def confidence(evidence: Evidence, margin: Margin | None = CLEAR) -> Array:
    found = edge_confidence(resampled(evidence), margin)
    assert found is not None
    return np.array(found["actions"], dtype=float)


def graph(edges: NDArray[np.bool_]) -> CausalGraph:
    return CausalGraph(Ga=edges, latents=NAMES)


def with_edge(row: int, column: int, value: bool) -> NDArray[np.bool_]:
    edges = TARGETS.copy()
    edges[row, column] = value
    return edges


@pytest.mark.parametrize("seed", range(2))
def test_edges_with_effects_are_certain_and_the_others_are_certainly_not_there(seed: int) -> None:
    values = confidence(evidence_of(seed=seed))
    assert (values[TARGETS] > 0.97).all()
    assert (values[~TARGETS] < 0.03).all()
    diagnostics = judge(resampled(evidence_of(seed=seed)))
    low, high = diagnostics.edge_interval["actions"]
    assert 7 <= low <= high == 8


def test_a_missing_edge_is_likely_and_a_superfluous_one_is_not() -> None:
    values = confidence(evidence_of(graph=graph(with_edge(2, 1, False))))
    assert 0.5 < values[2, 1] < confidence(evidence_of())[2, 1] - 0.01
    values = confidence(evidence_of(graph=graph(with_edge(0, 1, True))))
    assert values[0, 1] < 0.5
    assert values[0, 1] == values[~TARGETS].max()


def test_a_basis_that_is_not_clear_lowers_the_confidence_in_edges_of_its_latents() -> None:
    evidence = evidence_of()
    clear = confidence(evidence)
    for margin in (Margin(-0.5, -1.0, ("v1", "v2"), 65, 3), Margin(0.02, 0.4, ("v1", "v2"), 65, 3)):
        doubtful = confidence(evidence, margin)
        assert (doubtful[1:3][TARGETS[1:3]] < clear[1:3][TARGETS[1:3]] - 0.003).all()
        assert (doubtful[1:3][TARGETS[1:3]] < doubtful[[0, 3]][TARGETS[[0, 3]]].min()).all()
    assert np.array_equal(confidence(evidence, Margin(0.5, 2.0, ("v1", "v2"), 65, 3)), clear)


@given(st.permutations(range(4)))
@settings(max_examples=10, deadline=None)
def test_permuting_latents_permutes_the_confidence(order: list[int]) -> None:
    margin = Margin(-0.5, -1.0, ("v1", "v2"), 65, 3)
    evidence = resampled(evidence_of())
    assert evidence.action_effects is not None
    names = {f"v{old}": f"v{new}" for new, old in enumerate(order)}
    permuted = resampled(
        evidence_of(
            graph=CausalGraph(Ga=TARGETS[order], latents=NAMES),
            latents=evidence.latents[:, order],
            action_effects=evidence.action_effects[:, order],
            covariance=evidence.covariance[np.ix_(order, order)],
            resampled_sizes={"actions": evidence.resampled_sizes["actions"][:, order]},
        )
    )
    from dataclasses import replace

    permuted = replace(permuted, resampled_sizes={"actions": evidence.resampled_sizes["actions"][:, order]})
    moved = replace(margin, latents=tuple(names[name] for name in margin.latents))
    before, after = edge_confidence(evidence, margin), edge_confidence(permuted, moved)
    assert before is not None
    assert after is not None
    assert after["actions"] == tuple(before["actions"][old] for old in order)


def test_both_kinds_of_causes_have_a_confidence() -> None:
    jacobians = np.random.default_rng(training_seed(0)).normal(size=(500, 4, 4)) * TARGETS
    both = evidence_of(graph=CausalGraph(Gz=TARGETS, Ga=TARGETS, latents=NAMES), past_jacobians=jacobians)
    found = edge_confidence(resampled(both), CLEAR)
    assert found is not None
    for kind in ("actions", "past"):
        values = np.array(found[kind], dtype=float)
        assert (values[TARGETS] > 0.5).all()
        assert (values[~TARGETS] < 0.1).all()


def test_an_unclear_basis_concerns_past_latents_as_causes_too() -> None:
    jacobians = np.random.default_rng(training_seed(0)).normal(size=(500, 4, 4)) * TARGETS
    past = evidence_of(
        graph=CausalGraph(Gz=TARGETS, latents=NAMES),
        past_jacobians=jacobians,
        action_effects=None,
        actions=None,
        action_columns=(),
    )
    clear, doubtful = (
        np.array((edge_confidence(resampled(past), margin) or {})["past"], dtype=float)
        for margin in (CLEAR, Margin(-0.5, -1.0, ("v0",), 65, 3))
    )
    lower = (doubtful < clear)[TARGETS]
    concerned = (np.array(NAMES)[:, None] == "v0") | (np.array(NAMES) == "v0")
    assert np.array_equal(lower, concerned[TARGETS])


def test_dense_columns_and_collapsed_latents_have_no_confidence() -> None:
    effects = evidence_of().action_effects
    assert effects is not None
    evidence = evidence_of(
        action_columns=(0, 2),
        action_effects=effects[..., [0, 2]],
        actions=None,
        posterior=np.diag([1e-4, 100.0, 1e-4, 1e-4]),
    )
    is_missing = np.isnan(confidence(evidence))
    expected = np.zeros((4, 4), dtype=bool)
    expected[:, [1, 3]] = expected[1] = True
    assert np.array_equal(is_missing, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"graph": graph(np.ones((4, 4), dtype=bool))},
        {"graph": graph(np.zeros((4, 4), dtype=bool))},
        {"action_effects": None, "action_columns": ()},
        {"posterior": 100 * np.eye(4)},
    ],
    ids=["all edges", "no edges", "no sparse columns", "all collapsed"],
)
def test_where_nothing_is_sparse_there_is_no_confidence(changes: dict[str, Any]) -> None:
    assert edge_confidence(resampled(evidence_of(**changes)), None) is None


def test_without_resamples_there_is_no_confidence() -> None:
    assert edge_confidence(evidence_of(), CLEAR) is None
    assert judge(evidence_of()).edge_confidence is None


def test_effects_that_vary_more_between_resamples_are_less_certain() -> None:
    precise, vague = (
        np.array((edge_confidence(resampled(evidence_of(), spread), CLEAR) or {})["actions"], dtype=float)
        for spread in (0.003, 0.3)
    )
    assert (vague[TARGETS] < precise[TARGETS]).all()


def test_without_data_between_settings_edges_are_less_certain() -> None:
    settings = np.random.default_rng(training_seed(0)).integers(0, 4, size=2_000)
    noise = 0.1 * np.random.default_rng(training_seed(1)).normal(size=(2_000, 4))
    overlapping, apart = (
        confidence(evidence_of(actions=np.eye(4)[settings], latents=distance * np.eye(4)[settings] + noise))
        for distance in (0.2, 5.0)
    )
    assert (apart[TARGETS] < overlapping[TARGETS]).all()
    assert np.array_equal(overlapping, confidence(evidence_of()))


def test_confidence_is_a_function_of_the_features() -> None:
    features = pair_features(resampled(evidence_of()), CLEAR)
    assert features is not None
    assert features["actions"].shape == (4, 4, len(FEATURES))
    assert np.array_equal(np.round(confidence_of(features["actions"]), 4), confidence(evidence_of()))
    assert confidence_of(np.zeros(len(FEATURES))) == 0.5


def test_confidence_survives_being_stored() -> None:
    diagnostics = judge(resampled(evidence_of()))
    assert diagnostics.edge_confidence is not None
    assert Diagnostics.from_dict(diagnostics.to_dict()) == diagnostics
