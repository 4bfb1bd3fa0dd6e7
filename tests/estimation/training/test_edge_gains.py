"""Missing edges that are there make their child more likely, and errors of the networks that look like edges do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from estimation.training.edge_gains import _candidates, edges_with_gains
from estimation.training.examination import _one_by_one, _refuted
from estimation.training.final_effects import FinalEffects
from identify.graph import CausalGraph
from tests.estimation.diagnostics.evidence import evidence_of
from tests.estimation.training.test_final_count import Run, waves
from tests.seeds import training_seed


def claimed(sizes: np.ndarray, clear: np.ndarray | None = None) -> FinalEffects:
    """Return effects as networks with all edges may measure them, whatever is there."""
    relative = sizes / sizes.max(1, keepdims=True)
    seen = np.ones_like(sizes, dtype=bool) if clear is None else clear
    return FinalEffects({"actions": sizes}, {"actions": relative}, {"actions": seen}, np.ones(len(sizes)))


def test_edges_that_are_there_are_told_from_errors_of_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    strengths = np.array([[1.0, 0.15, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.2]])
    run = Run(monkeypatch, *waves(strengths, 6_000, 0.2), np.eye(3, 4))
    state = {name: value.clone() for name, value in run.model.state_dict().items()}
    sizes = np.array([[1.0, 0.15, 0.16, 0.0], [0.2, 1.0, 0.15, 0.0], [0.0, 0.18, 1.0, 0.15]])
    found = edges_with_gains(
        run.model, run.batches, run.config, 1_500, claimed(sizes), {"actions": np.eye(3, 4, dtype=bool)}
    )
    assert found["actions"].astype(int).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert all(torch.equal(value, state[name]) for name, value in run.model.state_dict().items())


def doubts(n_rows: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    strengths = np.array([[1.0, 0.15, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.2]])
    run = Run(monkeypatch, *waves(strengths, n_rows, 0.2), np.eye(3, 4))
    latents = ["v0", "v1", "v2"]
    evidence = evidence_of(np.eye(3, 4, dtype=bool), graph=CausalGraph(Ga=np.eye(3, 4), latents=latents))
    # one true edge and one that isn't there of v0, two that aren't there of v1, and one of v2
    doubtful = np.array([[0, 1, 1, 0], [1, 0, 1, 0], [0, 1, 0, 0]], dtype=bool)
    pairs = {"actions": doubtful, "past": np.zeros((3, 3), dtype=bool)}
    return _refuted(evidence, run.model, run.batches, run.config, 1_500, pairs)


def test_doubts_about_edges_that_are_not_there_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    refuted = doubts(6_000, monkeypatch)
    assert refuted["actions"].astype(int).tolist() == [[0, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 0]]


def test_few_rows_refute_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doubts(900, monkeypatch) == {}


@given(st.integers(1, 4), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_doubtful_pairs_are_tried_one_of_each_latent_at_a_time(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    pairs = {"actions": rng.random((n, m)) < 0.5, "past": rng.random((n, n)) < 0.5}
    parts = _one_by_one(pairs)
    for name, values in pairs.items():
        total = sum((part[name].astype(int) for part in parts), np.zeros_like(values, dtype=int))
        assert (total == values).all()
    for part in parts:
        counts = sum(values.sum(1) for values in part.values())
        assert counts.max() == 1


def test_nothing_is_fitted_without_a_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, *waves(np.eye(2), 600, 0.2), np.eye(2))
    monkeypatch.setattr("estimation.training.edge_gains._child_losses", lambda *_: pytest.fail("fitted"))
    sizes, clear = np.array([[1.0, 0.09], [0.3, 1.0]]), np.array([[True, True], [False, True]])
    found = edges_with_gains(
        run.model, run.batches, run.config, 1_500, claimed(sizes, clear), {"actions": np.eye(2, dtype=bool)}
    )
    assert not found["actions"].any()


def test_the_count_adds_what_the_gap_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors fill the gap, so that the widest one is above the weak edge."""
    strengths = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.13, 0.0, 1.0]])
    run = Run(monkeypatch, *waves(strengths, 6_000, 0.1), np.eye(3))
    sizes = np.array([[1.0, 0.12, 0.11], [0.1, 1.0, 0.09], [0.13, 0.08, 1.0]])
    monkeypatch.setattr("estimation.training.final_count.measure_final_effects", lambda *_: claimed(sizes))
    assert run.count() == "edges counted again after 1500 steps: 4 edges of actions (1 added)"
    assert run.edges == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    run.set_edges(np.eye(3))
    assert run.count(actions=3) is None
    assert run.edges == np.eye(3).astype(int).tolist()


def test_a_latent_is_tried_with_one_edge_of_all_kinds() -> None:
    rng = np.random.default_rng(training_seed(0))
    relative = {"actions": rng.uniform(size=(4, 3)), "past": rng.uniform(size=(4, 4))}
    clear = {name: rng.random(values.shape) < 0.7 for name, values in relative.items()}
    present = {name: rng.random(values.shape) < 0.3 for name, values in relative.items()}
    effects = FinalEffects(relative, relative, clear, np.ones(4))
    seen = [_candidates(effects, present, rank) for rank in range(7)]
    usable = {name: clear[name] & ~present[name] & (relative[name] >= 0.1) for name in relative}
    for name in relative:
        np.testing.assert_array_equal(sum(edges[name].astype(int) for edges in seen), usable[name])
    previous = np.full(4, np.inf)
    for edges in seen:
        joint = np.concatenate([np.where(edges[name], relative[name], 0) for name in relative], axis=1)
        assert ((joint > 0).sum(1) <= 1).all()
        assert (joint.max(1) <= previous).all()
        previous = joint.max(1)
