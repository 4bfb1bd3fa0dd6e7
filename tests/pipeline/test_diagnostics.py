"""Diagnostics of runs that were trained: computed, stored, shown, and the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from estimation.baselines import BaselineConfig
from estimation.checkpoint import load
from estimation.config.training import TrainingConfig
from estimation.dataset import Dataset
from estimation.diagnostics import Diagnostics, Evidence, judge
from estimation.exceptions import CheckpointError
from estimation.report import training_page
from estimation.report.rows import training_facts, training_record
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import examination, fit
from estimation.training.examination import MIN_STEPS
from identify.graph import CausalGraph
from tests.seeds import training_seed

TINY: dict[str, Any] = {"width": 8, "transition_width": 4, "batch_size": 64, "starts": 1}
# large enough that no latent collapses
LARGER: dict[str, Any] = {
    "max_edges_actions": 6,
    "steps": 300,
    "width": 32,
    "transition_width": 16,
    "batch_size": 256,
}
ACTIONS = CausalGraph(Ga=[[1, 0, 1], [1, 1, 0], [0, 1, 1]])


def trained(data: Dataset, steps: int = MIN_STEPS, **settings: Any) -> TrainedModel:
    config = TrainingConfig(steps=steps, seed=training_seed(0), **(TINY | settings))
    return fit(data, config, progress=False)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(ACTIONS, 2_000, seed=training_seed(0))


@pytest.fixture(scope="module")
def model(data: Dataset) -> TrainedModel:
    return trained(data, **LARGER)


def test_a_run_has_margin_warnings_and_figures(model: TrainedModel) -> None:
    assert model.diagnostics is not None
    assert model.margin is model.diagnostics.margin
    assert model.warnings is model.diagnostics.warnings
    assert model.margin is not None
    assert model.margin.n_starts == 65
    assert set(model.margin.latents) <= {"v0", "v1", "v2"}
    assert all(np.isfinite(value) for value in model.diagnostics.values.values())


def test_a_run_has_confidence_in_its_edges(model: TrainedModel) -> None:
    confidence = model.edge_confidence
    assert confidence is not None
    edges = model.graph.Ga.toarray()
    assert confidence["actions"].shape == edges.shape
    # how much larger depends on the latents, which two hundred steps leave mixed
    assert confidence["actions"][edges].mean() > confidence["actions"][~edges].mean()
    assert model.diagnostics is not None
    low, high = model.diagnostics.edge_interval["actions"]
    assert 0 < low <= high <= 9


def test_the_same_seed_gives_the_same_diagnostics(data: Dataset, model: TrainedModel) -> None:
    assert trained(data, **LARGER).diagnostics == model.diagnostics


def test_diagnostics_are_saved_with_the_model(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").diagnostics == model.diagnostics


def test_a_damaged_margin_is_refused(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    (file,) = [path for path in (tmp_path / "model").glob("*.json") if '"diagnostics"' in path.read_text()]
    content = json.loads(file.read_text())
    content["content"]["diagnostics"]["margin"]["n_starts"] = "many"
    file.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"n_starts.*whole number"):
        load(tmp_path / "model")


def test_reports_say_what_the_diagnostics_say(data: Dataset, model: TrainedModel) -> None:
    assert model.margin is not None
    facts = training_facts(model)
    assert ("basis", model.margin.summary) in facts
    assert [value for name, value in facts if name == "warning"] == [str(each) for each in model.warnings]
    record = training_record(model)["diagnostics"]
    assert record["margin"]["verdict"] == model.margin.verdict
    assert json.loads(json.dumps(record))["warnings"] == [
        {"kind": each.kind, "text": each.text, "latents": list(each.latents)} for each in model.warnings
    ]
    assert model.margin.summary in training_page(model, data, None, "")


@pytest.mark.parametrize(
    ("graph", "settings"),
    [
        (CausalGraph(Gz=[[1, 0], [1, 1]]), {"max_edges_past": 3}),
        (CausalGraph(Gz=[[1, 0], [1, 1]], Ga=[[1], [0]]), {"max_edges_past": 3, "max_edges_actions": 1}),
        (ACTIONS, {"max_edges_actions": 4, "sparse_actions": ["a0", "a1"]}),
        (ACTIONS, {"sparsity": "none"}),
        (ACTIONS, {"sparsity": "adaptive"}),
        (ACTIONS, {"max_edges_actions": 6, "noise": "flow"}),
        (ACTIONS, {"max_edges_actions": 6, "n_latents": 5}),
        (ACTIONS, {"max_edges_actions": 6, "unmixing": False, "dtype": "float64"}),
    ],
)
def test_runs_of_every_kind_are_examined(graph: CausalGraph, settings: dict[str, Any]) -> None:
    model = trained(simulate(graph, 600, seed=training_seed(1)), **settings)
    assert model.diagnostics is not None
    assert Diagnostics.from_dict(model.diagnostics.to_dict()) == model.diagnostics
    confidence = model.edge_confidence
    if settings.get("sparsity") == "none":
        assert model.margin is None
        assert confidence is None
        return
    # no latent has a parent that is active in some of these short runs
    for kind, values in (confidence or {}).items():
        graph_of_kind = model.graph.Ga if kind == "actions" else model.graph.Gz
        assert values.shape == graph_of_kind.shape
        dense = [
            name not in settings.get("sparse_actions", model.action_names) for name in model.action_names
        ]
        if kind == "actions":
            assert np.isnan(values[:, dense]).all()
        assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()


@pytest.mark.parametrize("settings", [{}, {"sparse_past": False}, {"sparse_actions": ["a1"]}])
def test_doubts_of_runs_that_count_edges_are_tested_by_refits(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Evidence] = []

    def all_absent(evidence: Evidence) -> dict[str, NDArray[np.bool_]]:
        return {"actions": ~evidence.action_edges, "past": ~evidence.past_edges}

    def judging(evidence: Evidence) -> Diagnostics:
        judged.append(evidence)
        return judge(evidence)

    monkeypatch.setattr(examination, "doubtful_edges", all_absent)
    monkeypatch.setattr(examination, "judge", judging)
    graph = CausalGraph(Gz=[[1, 0], [1, 1]], Ga=[[1, 0], [0, 1]])
    model = trained(simulate(graph, 1_500, seed=training_seed(1)), sparsity="adaptive", **settings)
    assert model.diagnostics is not None
    (evidence,) = judged
    assert set(evidence.refuted) == {"actions"} | ({"past"} if settings.get("sparse_past", True) else set())
    assert evidence.refuted["actions"].shape == evidence.action_edges.shape
    assert not (evidence.refuted["actions"] & evidence.action_edges).any()


def test_too_few_rows_are_not_examined() -> None:
    model = trained(simulate(ACTIONS, 60, seed=training_seed(1)), max_edges_actions=6)
    assert model.diagnostics is None
    assert model.history.notes[-1] == "the run was not examined: 3 rows are held out, and 15 are needed"


def test_latents_that_do_not_vary_are_a_note(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(evidence: Evidence) -> Diagnostics:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr("estimation.training.examination.judge", fail)
    model = trained(data, max_edges_actions=6)
    assert model.diagnostics is None
    assert model.history.notes[-1] == "the run was not examined: Singular matrix"
    not_finite = Diagnostics(None, (), {"smallest influence": float("nan")})
    monkeypatch.setattr("estimation.training.examination.judge", lambda evidence: not_finite)
    note = trained(data, max_edges_actions=6).history.notes[-1]
    assert note.startswith("the run was not examined: its figures are not finite")


def test_evidence_is_about_the_latents_that_the_model_encodes(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def keep(evidence: Evidence) -> Diagnostics:
        seen.append(evidence)
        return judge(evidence)

    monkeypatch.setattr("estimation.training.examination.judge", keep)
    held_out = simulate(ACTIONS, 300, seed=training_seed(0), split="valid")
    config = TrainingConfig(max_edges_actions=6, steps=300, seed=training_seed(0), width=32, starts=1)
    model = fit(data, config, validation=held_out, progress=False)
    encoded = model.encode(held_out.observations)[:, 0]
    errors = (held_out.observations[:, 0] - model.decode(encoded)) / model.model.x_scale.numpy()
    # the rows are in random order
    assert np.abs(np.sort(seen[0].latents, axis=0) - np.sort(encoded, axis=0)).max() < 1e-4
    assert np.abs(np.sort(seen[0].reconstruction_errors, axis=0) - np.sort(errors, axis=0)).max() < 1e-3


def test_a_single_latent_has_warnings_only() -> None:
    model = trained(simulate(CausalGraph(Ga=[[1]]), 400, seed=training_seed(1)), max_edges_actions=1)
    assert model.diagnostics is not None
    assert model.margin is None


def test_short_runs_baselines_and_dense_runs_are_not_examined(data: Dataset) -> None:
    short = trained(data, steps=MIN_STEPS - 1, max_edges_actions=6)
    assert (short.diagnostics, short.margin, short.warnings) == (None, None, ())
    assert "basis" not in dict(training_facts(short))
    baseline = fit(
        data, BaselineConfig("ivae", steps=MIN_STEPS, width=8, seed=training_seed(0)), progress=False
    )
    assert baseline.diagnostics is None
