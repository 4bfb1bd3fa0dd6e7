"""Effects without an edge, superfluous edges, and weak influence."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.diagnostics.edges import effect_table, weak_influence
from identify.graph import CausalGraph
from tests.estimation.diagnostics.evidence import TARGETS, evidence_of
from tests.seeds import training_seed

NAMES = ["v0", "v1", "v2", "v3"]


def test_effects_are_relative_to_the_largest_of_a_parent() -> None:
    evidence = evidence_of()
    assert evidence.action_effects is not None
    scaled = evidence_of(action_effects=evidence.action_effects * np.array([1.0, 2.0, 1.0, 1.0]))
    sizes = {(effect.cause, effect.latent): effect.size for effect in effect_table(scaled)}
    assert sizes["a0", "v0"] == pytest.approx(1, abs=1e-3)
    assert sizes["a0", "v1"] == pytest.approx(0.5, abs=1e-3)
    assert sizes["a1", "v1"] == pytest.approx(1, abs=1e-3)
    assert sizes["a2", "v0"] < 1e-3


def test_an_edge_that_is_left_out_stands_first_among_effects_without_an_edge() -> None:
    fewer = TARGETS.copy()
    fewer[2, 1] = False
    table = effect_table(evidence_of(graph=CausalGraph(Ga=fewer, latents=NAMES)))
    first = next(effect for effect in table if not effect.has_edge)
    assert (first.cause, first.latent) == ("a1", "v2")
    assert first.size == pytest.approx(1, abs=1e-3)


def test_a_superfluous_edge_stands_last_among_edges() -> None:
    more = TARGETS.copy()
    more[0, 1] = True
    table = effect_table(evidence_of(graph=CausalGraph(Ga=more, latents=NAMES)))
    last = [effect for effect in table if effect.has_edge][-1]
    assert (last.cause, last.latent) == ("a1", "v0")
    assert last.size < 1e-3


def test_a_latent_without_parents_is_measured_against_the_others() -> None:
    fewer = TARGETS.copy()
    fewer[0] = False
    table = effect_table(evidence_of(graph=CausalGraph(Ga=fewer, latents=NAMES)))
    sizes = {effect.cause: effect.size for effect in table if effect.latent == "v0"}
    assert sizes["a0"] == pytest.approx(1, rel=0.2)


def test_collapsed_latents_have_no_effects() -> None:
    table = effect_table(evidence_of(posterior=np.diag([1e-4, 1e-4, 100.0, 1e-4])))
    assert {effect.latent for effect in table} == {"v0", "v1", "v3"}
    assert effect_table(evidence_of(posterior=100 * np.eye(4))) == []


def test_effects_of_the_past_have_the_names_of_past_latents() -> None:
    jacobians = np.random.default_rng(training_seed(0)).normal(size=(100, 4, 4)) * TARGETS
    evidence = evidence_of(graph=CausalGraph(Gz=TARGETS, Ga=TARGETS, latents=NAMES), past_jacobians=jacobians)
    causes = {effect.cause for effect in effect_table(evidence)}
    assert causes == {"a0", "a1", "a2", "a3", "past v0", "past v1", "past v2", "past v3"}


def test_proportional_effects_have_no_influence() -> None:
    evidence = evidence_of()
    assert evidence.action_effects is not None
    effects = evidence.action_effects.copy()
    effects[:, 1, 0] = -3 * effects[:, 0, 0]
    influence = weak_influence(evidence_of(action_effects=effects))
    assert influence["a0"] < 1e-6
    # that of the other actions is as before, and above 0
    before = weak_influence(evidence)
    assert all(influence[name] == pytest.approx(before[name]) for name in ("a1", "a2", "a3"))
    assert min(before.values()) > 1e-3


def test_actions_with_few_values_are_left_out() -> None:
    evidence = evidence_of()
    assert evidence.actions is not None
    actions = evidence.actions.copy()
    actions[:, 2] = actions[:, 2] > 0
    assert set(weak_influence(evidence_of(actions=actions))) == {"a0", "a1", "a3"}
    assert weak_influence(evidence_of(actions=None)) == {}
