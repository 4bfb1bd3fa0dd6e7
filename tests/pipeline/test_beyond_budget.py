"""Runs with edges beyond the budget: the final graph is within it, and record, notes and diagnostics describe it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from estimation.config.training import TrainingConfig
from estimation.dataset import Dataset
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import finish, fit, unmixing_round
from identify.graph import CausalGraph
from tests.seeds import training_seed

BUDGET = 4
GRAPH = CausalGraph(Ga=[[1, 0, 1], [1, 1, 0], [0, 1, 1]])
CONFIG = TrainingConfig(
    steps=210,
    width=16,
    transition_width=8,
    batch_size=64,
    starts=1,
    max_edges_actions=BUDGET,
    seed=training_seed(0),
    validate_every=70,
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(GRAPH, 600, seed=training_seed(0))


def keep_two_more(_: Mapping[str, Any], limits: Mapping[str, int], *__: Any) -> dict[str, int]:
    return {name: limit + 2 for name, limit in limits.items()}


@pytest.fixture
def model(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> TrainedModel:
    monkeypatch.setattr(unmixing_round, "clear_counts", keep_two_more)
    return fit(data, CONFIG, progress=False)


def test_the_final_graph_has_as_many_edges_as_the_budget(model: TrainedModel) -> None:
    assert model.graph.n_edges == BUDGET
    notes = model.history.notes
    # the first round keeps one and a half times the budget, and the last one clear edges beyond it
    assert sum("6 edges of actions kept" in note for note in notes) == 2
    assert f"removed after 210 steps: 2 edges of actions beyond the budget of {BUDGET}" in notes


def test_the_last_record_describes_the_final_graph(model: TrainedModel) -> None:
    last, before = model.history.records[-1], model.history.records[-2]
    assert before.edges == {"actions": BUDGET + 2}
    assert last.edges == {"actions": BUDGET}
    np.testing.assert_array_equal(np.array(last.probabilities["actions"]) > 0.5, model.graph.Ga.toarray())


def test_a_resumed_run_removes_the_same_edges(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(unmixing_round, "clear_counts", keep_two_more)

    def stop(record: Any) -> None:
        if record.step == 140:
            raise KeyboardInterrupt

    whole = fit(data, CONFIG, progress=False)
    with pytest.raises(KeyboardInterrupt):
        fit(data, CONFIG, progress=False, checkpoint=tmp_path, checkpoint_every=139, on_record=stop)
    resumed = fit(data, CONFIG, progress=False, checkpoint=tmp_path, checkpoint_every=139)
    assert resumed.history.notes == whole.history.notes
    assert resumed.diagnostics == whole.diagnostics
    weights = resumed.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in whole.model.state_dict().items())


@pytest.mark.parametrize(("changed", "n_checks"), [((), 1), ((0, 1), 2)])
def test_a_later_round_is_checked_by_a_nonlinear_correction_if_it_changes_the_basis(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, changed: tuple[int, ...], n_checks: int
) -> None:
    checks = []
    monkeypatch.setattr(unmixing_round, "mixed_latents", lambda *_: changed)
    monkeypatch.setattr(unmixing_round, "corrected_basis", lambda *inputs: checks.append(inputs[-1]))
    fit(data, CONFIG, progress=False)
    assert len(checks) == n_checks
    assert checks[0] == 63


def test_without_a_round_of_unmixing_no_edge_is_removed(data: Dataset) -> None:
    config = CONFIG.replace(dense_share=1.0, budget_share=1.0, frozen_share=0.0, steps=100)
    model = fit(data, config, progress=False)
    assert model.graph.n_edges == 9
    assert not any("removed" in note for note in model.history.notes)


@pytest.mark.parametrize(("limit", "expected"), [(None, 9), (5, 5)])
def test_counted_edges_that_are_clear_stay_within_the_limit_of_the_user(
    limit: int | None, expected: int, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def keep_all(strengths: Mapping[str, Any], limits: Mapping[str, int], *_: Any) -> dict[str, int]:
        calls.append(limits)
        return {name: sizes.size for name, sizes in strengths.items()}

    monkeypatch.setattr(unmixing_round, "clear_counts", keep_all)
    monkeypatch.setattr(finish, "count_edges_again_", lambda *_: None)
    model = fit(data, CONFIG.replace(sparsity="adaptive", max_edges_actions=limit), progress=False)
    # only in the last round: bases are compared by them, and it keeps edges beyond its count
    assert len(calls) == 2
    assert model.graph.n_edges == expected
    assert not any("removed after" in note for note in model.history.notes)
