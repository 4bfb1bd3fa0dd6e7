"""Runs in which some columns are sparse: the others keep all edges, choose no basis, and count nowhere."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.estimator import SparseMechanismVAE
from estimation.evaluation import Evaluation, evaluate
from estimation.evaluation.verification import verify
from estimation.exceptions import CheckpointError, ConfigError
from estimation.models.sparse_vae import SparseVAE
from estimation.report import comparison_page, evaluation_page, training_page
from estimation.report.rows import score_facts, training_facts
from estimation.selection import measure_runs
from estimation.simulate import simulate
from estimation.sweep import collect
from estimation.sweep.trial import run_trial
from estimation.trained import TrainedModel
from estimation.training import fit, transition_fitting, unmixing_round
from estimation.unmixing import descent
from identify.formats import read_graph
from identify.graph import CausalGraph
from tests.pipeline.test_sweep import content, plan_of
from tests.seeds import training_seed

SPARSE, DENSE = [1, 3], [0, 2]
TINY: dict[str, Any] = {
    "steps": 15,
    "width": 8,
    "depth": 1,
    "transition_width": 4,
    "batch_size": 64,
    "starts": 1,
    "flow_blocks": 0,
    "refinements": 0,
    "validate_every": 5,
    "seed": training_seed(),
}


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Four actions and a past; every latent has two parents among the actions."""
    Ga = [[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    return simulate(CausalGraph(Gz=np.eye(4), Ga=Ga), 400, seed=training_seed())


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the rounds of unmixing: the tests do not depend on the quality of the models."""
    monkeypatch.setattr(unmixing_round, "unmix", functools.partial(unmixing_round.unmix, n_starts=4))
    monkeypatch.setattr(descent, "_N_STEPS", 15)
    monkeypatch.setattr(transition_fitting, "_MIN_STEPS", 3)


def trained(data: Dataset, **settings: Any) -> TrainedModel:
    return fit(
        data,
        TrainingConfig(**{**TINY, "seed": training_seed(), "sparse_actions": ["a1", 3], **settings}),
        progress=False,
    )


LIMITS: dict[str, dict[str, Any]] = {
    "budget, unmixing": {"max_edges_actions": 3, "max_edges_past": 5},
    "budget": {"max_edges_actions": 3, "max_edges_past": 5, "unmixing": False},
    "constraint": {"max_edges_actions": 3, "unmixing": False, "sparsity": "constraint"},
    "penalty": {"unmixing": False, "sparsity": "penalty"},
    "penalty, unmixing": {"sparsity": "penalty"},
    "adaptive": {"sparsity": "adaptive", "max_edges_actions": 6},
}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_dense_columns_are_full_throughout_and_never_counted(data: Dataset, limits: dict[str, Any]) -> None:
    model = trained(data, **limits)
    for record in model.history.records:
        probabilities = np.array(record.probabilities["actions"])
        assert (probabilities[:, DENSE] == 1).all()
        assert record.edges["actions"] == pytest.approx(probabilities[:, SPARSE].sum(), rel=1e-5)
        assert record.budget.get("actions", 0) <= 8
    assert model.graph.Ga.toarray()[:, DENSE].all()
    if limits.get("sparsity") is None:
        assert model.sparse_graph.Ga.nnz == 3
        assert model.graph.Ga.nnz == 3 + 8
    assert model.history.notes[0] == (
        "the columns of G^a of a0, a2 are dense: all their edges are present, none is learned or counted"
    )


@pytest.mark.parametrize("past", [True, False])
def test_unmixing_never_sees_dense_columns(
    data: Dataset, past: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their effects are not even asked for, and `unmix` is given those of the others."""
    limits = {"max_edges_actions": 3, "sparse_past": past}
    seen: list[dict[str, Any]] = []
    asked: list[list[int]] = []
    effects, unmix = SparseVAE.action_effects, unmixing_round.unmix

    def noted(
        model: SparseVAE, past: torch.Tensor | None, actions: torch.Tensor, columns: list[int]
    ) -> torch.Tensor:
        asked.append(columns)
        return effects(model, past, actions, columns)

    def recorded(action_effects: Any, past_jacobians: Any, *arguments: Any, **options: Any) -> Any:
        seen.append({"actions": action_effects.shape[-1], "past": past_jacobians is not None})
        return unmix(action_effects, past_jacobians, *arguments, **options)

    monkeypatch.setattr(SparseVAE, "action_effects", noted)
    monkeypatch.setattr(unmixing_round, "unmix", recorded)
    trained(data, **limits)
    assert seen == [{"actions": 2, "past": past}] * 2
    assert asked
    assert all(columns == SPARSE for columns in asked)


def test_a_dense_past_and_no_sparse_action(data: Dataset) -> None:
    past_only = trained(data, sparse_actions=[], max_edges_past=5)
    assert past_only.graph.Ga.toarray().all()
    assert past_only.sparse_graph == CausalGraph(Gz=past_only.graph.Gz, Ga=np.zeros((4, 4)))
    assert past_only.graph.Gz.nnz == 5
    assert past_only.sparse_actions == ()
    actions_only = trained(data, sparse_actions=None, sparse_past=False, sparsity="adaptive")
    assert actions_only.graph.Gz.toarray().all()
    assert actions_only.sparse_graph.Gz.nnz == 0
    assert actions_only.sparse_actions == data.action_names
    assert f"{actions_only!r}".endswith("edges, dense columns: all of G^z)")


def test_naming_all_actions_changes_no_number(data: Dataset) -> None:
    limits = {"max_edges_actions": 6, "max_edges_past": 5}
    models = [trained(data, **limits, sparse_actions=names) for names in (None, [3, 2, 1, 0])]
    states = [model.model.state_dict() for model in models]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert models[0].history.notes == models[1].history.notes
    assert models[1].sparse_columns.complete


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sparse_actions": ["a9"]}, "sparse_actions names a9, which is no action; there are a0, a1, a2, a3"),
        (
            {"sparse_actions": [], "sparse_past": False, "sparsity": "adaptive"},
            "no column is sparse, since sparse_actions is empty and sparse_past is false; leave one of them out, or",
        ),
    ],
)
def test_settings_that_contradict_the_data(data: Dataset, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trained(data, **{"max_edges_actions": 3, **settings} if settings["sparse_actions"] else settings)


# saved models ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(data: Dataset) -> TrainedModel:
    return trained(data, **LIMITS["budget"])


def test_a_saved_model_keeps_its_columns(model: TrainedModel, data: Dataset, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert loaded.sparse_columns == model.sparse_columns
    assert loaded.sparse_actions == ("a1", "a3")
    assert loaded.model.action_masks.sparse_columns.tolist() == SPARSE
    assert loaded.encode(data.observations).tolist() == model.encode(data.observations).tolist()
    # the saved graph holds the edges of dense columns, and says so
    assert read_graph(tmp_path / "m" / "graph.json") == model.graph
    metadata = json.loads((tmp_path / "m" / "graph.json").read_text())["metadata"]
    assert metadata == {"sparse_actions": ["a1", "a3"], "dense_actions": ["a0", "a2"], "past_is_dense": False}


def test_a_saved_model_with_an_unknown_column_is_damaged(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    manifest = tmp_path / "m" / "manifest.json"
    stored = json.loads(manifest.read_text())
    stored["content"]["config"]["sparse_actions"] = ["a7"]
    manifest.write_text(json.dumps(stored))
    with pytest.raises(CheckpointError, match=r"damaged \(sparse_actions names a7, which is no action"):
        load(tmp_path / "m")


# evaluation and reports -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluation(model: TrainedModel, data: Dataset) -> Evaluation:
    return evaluate(model, data, n_samples=20)


def test_evaluation_is_about_the_sparse_columns(
    model: TrainedModel, data: Dataset, evaluation: Evaluation
) -> None:
    assert evaluation.errors is not None
    assert evaluation.prediction is not None
    wrong = {edge[1] for edge in (*evaluation.errors.missing_edges, *evaluation.errors.extra_edges)}
    assert not wrong & {"a0", "a2"}
    assert evaluation.prediction.entanglement.graph == model.sparse_columns.part_of(data.graph)  # type: ignore[arg-type]
    record = evaluation.to_dict()
    assert (record["sparse_actions"], record["dense_actions"]) == (["a1", "a3"], ["a0", "a2"])
    facts = dict(score_facts(evaluation))
    assert facts["prediction"] == "from sparse columns alone; dense columns: a0, a2, left out"
    assert facts["SHD"].endswith("; dense columns: a0, a2, left out)")
    assert "dense columns: a0, a2" in repr(evaluation)


def test_reports_mark_dense_columns(model: TrainedModel, data: Dataset, evaluation: Evaluation) -> None:
    assert ("edges of G^a", "3 (budget 3)") in training_facts(model)
    assert (
        "dense columns of G^a",
        "a0, a2 (all edges present, not learned, not counted)",
    ) in training_facts(model)
    assert "dense by the settings" in evaluation_page(model, data, evaluation)
    assert "Left blank, since not learned: dense columns: a0, a2." in training_page(model, data, None, "")


def test_models_are_compared_on_the_columns_that_are_sparse_in_both(
    model: TrainedModel, data: Dataset
) -> None:
    other = trained(data, sparse_actions=["a0", "a3"], max_edges_actions=3, seed=training_seed(1))
    data = data.take(np.arange(60))
    verification = verify({"one": model, "two": other}, data)
    (distance,) = verification.distances.values()
    edges = {edge[1] for edge in (*distance.actions.missing_edges, *distance.actions.extra_edges)}
    assert edges <= {"a3"}
    assert verification.to_dict()["sparse_columns"]["two"]["dense_actions"] == ["a1", "a2"]
    (comparison,) = verification.comparisons.values()
    page = comparison_page(("one", "two"), (model, other), comparison, distance)
    assert "not learned in two" in page
    assert "dense columns: a1, a2; left out of the comparison" in page
    (run,) = measure_runs([("k", model)], data)
    assert run.edges == model.sparse_graph.n_edges


# other ways to train --------------------------------------------------------------------------------


def test_the_estimator_takes_it(data: Dataset) -> None:
    further = {
        name: TINY[name] for name in ("width", "depth", "transition_width", "flow_blocks", "refinements")
    }
    estimator = SparseMechanismVAE(
        4,
        steps=8,
        batch_size=64,
        unmixing=False,
        random_state=training_seed(),
        settings={**further, "sparse_actions": np.array([0, 2])},
    )
    fitted = estimator.fit(data.observations[:, 1], actions=data.actions)
    assert fitted.model_.sparse_actions == ("a0", "a2")
    assert fitted.model_.sparse_graph.Ga.nnz == 4


def test_a_sweep_over_columns(tmp_path: Path) -> None:
    grid = {"max_edges_actions": [5], "sparse_actions": [["a0", "a1"], [4]]}
    plan = plan_of(grid=grid, steps=4, seeds=(0,), samples=100, test_samples=60)
    assert content(grid=grid)["data"]["pairs"]["grid"] == grid
    assert [trial.config().sparse_actions for trial in plan.trials] == [("a0", "a1"), (4,)]  # type: ignore[union-attr]
    first = plan.trials[0]
    assert run_trial(first, str(tmp_path / first.name)) == "done"
    (row,) = collect(tmp_path).rows
    assert row["setting"] == {"max_edges_actions": 5, "sparse_actions": ["a0", "a1"]}
    assert row["edges"] == 5
    with pytest.raises(ConfigError, match="method sparse on pairs: sparse_actions is 3; it must be a list"):
        plan_of(grid={"max_edges_actions": [5], "sparse_actions": [3]})
