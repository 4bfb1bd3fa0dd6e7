"""Confidence in edges and latents where users see it: the model, its folder, its graph file, reports and JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.diagnostics import DIAGNOSTICS, Diagnostics
from estimation.diagnostics.uncertain_edges import least_certain, pairs_of
from estimation.evaluation import evaluate
from estimation.exceptions import CheckpointError
from estimation.history import History
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.report import evaluation_page, training_page
from estimation.report.diagnostics import diagnostics_record
from estimation.report.rows import training_facts, training_record
from estimation.report.sentences import ALL_EDGES_CERTAIN
from estimation.report.terminal import show_evaluation, show_training
from estimation.simulate import simulate
from estimation.storage.schema import check
from estimation.trained import TrainedModel
from identify.formats import read_graph
from identify.graph import CausalGraph
from tests.identify.test_report import Page, printed
from tests.seeds import training_seed

GRAPH = CausalGraph(Ga=[[1, 0], [1, 1], [0, 1]])
CONFIDENCE = {"actions": ((0.97, 0.3), (0.625, 0.99), (None, None))}


def model_with(confidence: Any = CONFIDENCE, of_latents: Any = (0.987, 0.43, None)) -> TrainedModel:
    """Return an untrained model with this confidence in edges and in latents, whose graph has the edges of `GRAPH`."""
    config = TrainingConfig(max_edges_actions=4, width=8, transition_width=4, depth=1, seed=training_seed())
    generator = torch.Generator().manual_seed(training_seed(0))
    model = SparseVAE(Shape(6, 3, 2, past=False), config, generator).eval()
    model.edges["actions"].start_sampling_(torch.tensor(GRAPH.Ga.toarray(), dtype=torch.float32) * 20 - 10)
    model.edges["actions"].freeze_(4)
    diagnostics = Diagnostics(None, edge_confidence=confidence, latent_confidence=of_latents)
    return TrainedModel(model, config, History(), ("a0", "a1"), diagnostics=diagnostics)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(GRAPH, 200, n_observed=6, seed=training_seed())


def reports_of(model: TrainedModel, data: Dataset) -> tuple[str, str, list[str]]:
    """Return what the terminal shows after training and after evaluation, and the pages of both."""
    outcome = evaluate(model, data)
    shown = printed(show_training("folder", model, None, ""), 200)
    again = printed(show_evaluation("name", outcome, model.diagnostics, model.graph), 200)
    return shown, again, [training_page(model, data, None, ""), evaluation_page(model, data, outcome)]


def test_the_model_has_its_confidence_as_arrays() -> None:
    confidence = model_with().edge_confidence
    assert confidence is not None
    assert set(confidence) == {"actions"}
    np.testing.assert_array_equal(confidence["actions"], [[0.97, 0.3], [0.625, 0.99], [np.nan, np.nan]])
    assert model_with(None).edge_confidence is None
    assert replace(model_with(), diagnostics=None).edge_confidence is None


def test_the_interval_of_the_number_of_edges() -> None:
    diagnostics = model_with().diagnostics
    assert diagnostics is not None
    assert diagnostics.edge_interval == {"actions": (2, 4)}
    assert Diagnostics(None).edge_interval == {}


def test_pairs_are_ordered_by_doubt() -> None:
    pairs = pairs_of(GRAPH, CONFIDENCE)
    assert [(pair.cause, pair.latent, pair.has_edge) for pair in pairs] == [
        ("a0", "z0", True), ("a1", "z0", False), ("a0", "z1", True), ("a1", "z1", True),
    ]  # fmt: skip
    assert [pair.doubt for pair in least_certain(pairs)] == pytest.approx([0.375, 0.3])
    past = pairs_of(CausalGraph(Gz=np.eye(2)), {"past": [[0.9, 0.1], [0.2, None]]})
    assert [(pair.cause, pair.latent) for pair in past] == [("z0", "z0"), ("z1", "z0"), ("z0", "z1")]


def test_confidence_is_saved_with_the_model(tmp_path: Path) -> None:
    model = model_with()
    model.save(tmp_path)
    assert load(tmp_path).diagnostics == model.diagnostics
    assert model.diagnostics is not None
    check(model.diagnostics.to_dict(), DIAGNOSTICS)


def test_models_of_versions_without_confidence_have_none(tmp_path: Path) -> None:
    model_with().save(tmp_path)
    for name in ("edge_confidence", "latent_confidence"):
        change_stored(tmp_path, lambda diagnostics, name=name: diagnostics.pop(name))
    assert load(tmp_path).edge_confidence is None
    assert load(tmp_path).latent_confidence is None


def change_stored(folder: Path, change: Any) -> None:
    (file,) = [path for path in folder.glob("*.json") if '"diagnostics"' in path.read_text(encoding="utf-8")]
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content["content"]["diagnostics"])
    file.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        (
            {"actions": [[0.5, 0.5]]},
            r"edge_confidence.actions has 1 row of 2; by its shape the model has 3 of 2",
        ),
        (
            {"actions": [[0.5]] * 3},
            r"edge_confidence.actions has 3 rows of 1; by its shape the model has 3 of 2",
        ),
        (
            {"past": [[0.5] * 3] * 2},
            r"edge_confidence.past has 2 rows of 3; by its shape the model has 3 of 3",
        ),
        (
            {"actions": [[0.5, 1.5]] * 3},
            r"edge_confidence.actions\[0\]\[1\] is 1.5; it must be a number from 0 to 1",
        ),
        ({"effects": []}, r"edge_confidence.effects is unknown"),
    ],
)
def test_damaged_confidence_is_refused(confidence: Any, message: str, tmp_path: Path) -> None:
    model_with().save(tmp_path)
    change_stored(tmp_path, lambda diagnostics: diagnostics.update(edge_confidence=confidence))
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        ([0.5], r"diagnostics.latent_confidence has 1 entry; by its shape the model has 3 latents"),
        ([0.5] * 4, r"diagnostics.latent_confidence has 4 entries; by its shape the model has 3 latents"),
        ([0.5, 0.5, -0.5], r"latent_confidence\[2\] is -0.5; it must be a number from 0 to 1"),
    ],
)
def test_damaged_confidence_in_latents_is_refused(confidence: Any, message: str, tmp_path: Path) -> None:
    model_with().save(tmp_path)
    change_stored(tmp_path, lambda diagnostics: diagnostics.update(latent_confidence=confidence))
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path)


def test_the_model_has_the_confidence_in_its_latents_as_an_array() -> None:
    found = model_with().latent_confidence
    assert found is not None
    np.testing.assert_array_equal(found, [0.987, 0.43, np.nan])
    assert model_with(of_latents=None).latent_confidence is None
    assert replace(model_with(), diagnostics=None).latent_confidence is None


def test_reports_show_the_confidence_in_latents(data: Dataset) -> None:
    shown, again, pages = reports_of(model_with(), data)
    for text in (shown, again, *(Page(page).text for page in pages)):
        assert "0.43 to 0.99" in text
        assert "confidence that it mixes with no other" in text
    # a terminal lists what is in doubt, a page all
    assert all("0.99" in Page(page).text.split("Confidence in the latents")[1] for page in pages)
    certain = model_with(of_latents=(0.99, 0.98, None))
    assert "mixes with no other" not in printed(show_training("folder", certain, None, ""), 200)
    assert "Confidence in the latents" not in training_page(model_with(of_latents=None), data, None, "")


def test_the_graph_file_has_the_confidence_of_its_edges(tmp_path: Path) -> None:
    model_with().save(tmp_path)
    content = json.loads((tmp_path / "graph.json").read_text(encoding="utf-8"))
    assert content["metadata"]["edge_confidence"] == [
        ["a0", "v0", 0.97],
        ["a0", "v1", 0.625],
        ["a1", "v1", 0.99],
    ]
    assert read_graph(tmp_path / "graph.json") == GRAPH
    assert content["metadata"]["latent_confidence"] == {"v0": 0.987, "v1": 0.43, "v2": None}
    model_with(None, None).save(tmp_path)
    assert "metadata" not in json.loads((tmp_path / "graph.json").read_text(encoding="utf-8"))


def test_the_count_of_edges_stands_beside_its_interval() -> None:
    assert dict(training_facts(model_with()))["edges of G^a"] == "4 (budget 4; the data allow 2 to 4)"
    assert dict(training_facts(model_with(None)))["edges of G^a"] == "4 (budget 4)"


def test_json_has_all_confidences_and_the_interval() -> None:
    record = json.loads(json.dumps(training_record(model_with()), allow_nan=False))["diagnostics"]
    assert record["edge_confidence"] == {"actions": [[0.97, 0.3], [0.625, 0.99], [None, None]]}
    assert record["edge_interval"] == {"actions": [2, 4]}
    record = diagnostics_record(Diagnostics(None))
    assert record is not None
    assert record["edge_confidence"] is None
    assert "edge_interval" not in record


def test_reports_show_the_least_certain_edges(data: Dataset) -> None:
    shown, again, pages = reports_of(model_with(), data)
    for text in (shown, again, *(Page(page).text for page in pages)):
        for part in ("a0 → v1", "0.62", "a1 → v0", "0.30"):
            assert part in text
    assert "edges of G^a that the data allow" in again
    assert all("Confidence in the edges" in page for page in pages)
    assert "Confidence in the edges" not in training_page(model_with(None), data, None, "")


def test_the_terminal_shows_a_few_edges_and_the_number_of_the_others() -> None:
    n = 12
    confidence = {"actions": tuple((0.5, 0.5) for _ in range(n))}
    graph = CausalGraph(Ga=np.ones((n, 2)))
    terms = evaluate_terms()
    text = printed(show_evaluation("name", terms, Diagnostics(None, edge_confidence=confidence), graph), 200)
    assert "16 more uncertain edges are omitted here; --json contains them all." in text


def evaluate_terms() -> Any:
    from estimation.evaluation.scores import Evaluation

    return Evaluation({"total": -1.5, "reconstruction": -2.0, "divergence": 0.5}, GRAPH)


def test_a_page_says_when_no_edge_is_in_doubt(data: Dataset) -> None:
    certain = {"actions": ((0.99, 0.01), (0.99, 0.99), (0.0, 1.0))}
    assert ALL_EDGES_CERTAIN in Page(training_page(model_with(certain), data, None, "")).text
