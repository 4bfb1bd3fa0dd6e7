"""Confidence in latents of made-up runs: in right bases, in wrong ones, and with effects that the graph leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from estimation.diagnostics import Margin, judge
from estimation.diagnostics.latent_confidence import (
    LATENT_COEFFICIENTS,
    latent_confidence,
    latent_features,
    probabilities_of,
)
from identify.graph import CausalGraph
from tests.estimation.diagnostics.evidence import TARGETS, evidence_of
from tests.seeds import training_seed

Array = NDArray[np.float64]
NAMES = ["v0", "v1", "v2", "v3"]
CLEAR = Margin(None, None, (), 65, 65)
WORSE = Margin(-0.5, -1.0, ("v1", "v2"), 65, 3)


def confidence(margin: Margin | None = CLEAR, **changes: object) -> Array:
    found = latent_confidence(evidence_of(**changes), margin)  # type: ignore[arg-type]
    assert found is not None
    return np.array(found, dtype=float)


@pytest.mark.parametrize("seed", range(2))
def test_latents_in_a_clear_basis_without_missing_edges_are_trusted(seed: int) -> None:
    assert (confidence(seed=seed) > 0.9).all()


def test_a_basis_that_another_one_beats_lowers_the_confidence_in_what_it_mixes() -> None:
    values = confidence(WORSE)
    assert (values[1:3] < 0.5).all()
    assert (values[1:3] < values[[0, 3]]).all()
    assert (values <= confidence()).all()


def test_a_clear_margin_leaves_no_doubt() -> None:
    assert np.array_equal(confidence(Margin(0.5, 2.0, ("v1", "v2"), 65, 3)), confidence())


def test_settings_without_data_between_them_have_none() -> None:
    evidence = evidence_of()
    rng = np.random.default_rng(training_seed(3))
    settings = rng.integers(0, 8, len(evidence.latents))
    latents = 100.0 * settings[:, None] * np.ones(4) + rng.normal(size=(len(settings), 4))
    actions = np.eye(8)[settings][:, :4]
    actions[settings >= 4] = np.eye(8)[settings[settings >= 4]][:, 4:] * 2
    apart = replace(evidence, latents=latents, actions=actions)
    assert latent_confidence(apart, CLEAR) is None
    together = replace(apart, latents=rng.normal(size=latents.shape))
    assert latent_confidence(together, CLEAR) is not None


def test_nothing_is_said_without_a_comparison_of_bases() -> None:
    assert latent_confidence(evidence_of(), None) is None
    assert latent_features(evidence_of(), None) is None


def test_a_collapsed_latent_has_none() -> None:
    evidence = evidence_of()
    posterior = evidence.posterior.copy()
    posterior[1, 1] = 2 * evidence.latents[:, 1].var()
    found = latent_confidence(replace(evidence, posterior=posterior), CLEAR)
    assert found is not None
    assert [value is None for value in found] == [False, True, False, False]


@given(st.permutations(range(4)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_latents_does_not_matter(order: list[int]) -> None:
    evidence = evidence_of()
    permuted = replace(
        evidence,
        graph=CausalGraph(Ga=TARGETS[order], latents=[NAMES[i] for i in order]),
        latents=evidence.latents[:, order],
        action_effects=None if evidence.action_effects is None else evidence.action_effects[:, order],
        covariance=evidence.covariance[np.ix_(order, order)],
        posterior=evidence.posterior[np.ix_(order, order)],
    )
    own, moved = latent_features(evidence, WORSE), latent_features(permuted, WORSE)
    assert own is not None
    assert moved is not None
    np.testing.assert_allclose(moved, own[order], atol=1e-12)


def test_doubts_never_raise_the_confidence() -> None:
    rows = np.array([[1.0, 0, 0], [1, 0, 1], [1, 1, 1]])
    clear, other, own = probabilities_of(rows)
    assert clear >= other >= own
    assert len(LATENT_COEFFICIENTS) == rows.shape[1]


def test_the_judgement_has_the_confidence() -> None:
    diagnostics = judge(evidence_of())
    assert diagnostics.latent_confidence is not None
    assert len(diagnostics.latent_confidence) == 4
    assert min(value for value in diagnostics.latent_confidence if value is not None) > 0.9
