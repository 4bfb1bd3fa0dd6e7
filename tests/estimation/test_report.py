"""Reports of trained models: the same facts on terminal and page, escaped names, no external resources."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.evaluation import Evaluation, evaluate
from estimation.evaluation.comparison import Comparison, compare
from estimation.history import History, Record
from estimation.learned import LearnedEntanglement
from estimation.metrics import structural_hamming
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.report import comparison_page, evaluation_page, training_page
from estimation.report.figures import draw_latents
from estimation.report.rows import (
    LATENT_COLUMNS,
    distance_facts,
    elbo_facts,
    graph_record,
    latent_rows,
    score_facts,
    training_facts,
    training_record,
)
from estimation.report.sentences import BETWEEN_MODELS, CAUTION, SCORES, UNKNOWN
from estimation.report.terminal import show_comparison, show_evaluation, show_training
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from tests.html_pages import checked
from tests.identify.test_report import Page, printed
from tests.seeds import training_seed

NASTY = "<script>alert(1)</script>"
# two latents in one block and a third one, with two actions
GRAPH = CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]], latents=["left", "right", "other"])


def record(step: int, stage: str) -> Record:
    """Return a record of a training run with three latents and two actions."""
    return Record(
        step=step,
        stage=stage,
        loss=-1.0,
        reconstruction=-2.0,
        divergence=0.5,
        edges={"actions": 3.0},
        budget={"actions": 3.0},
        probabilities={"actions": [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]},
        seconds=90.0,
    )


def untrained(seed: int = 0, n_latents: int = 3) -> TrainedModel:
    """Return an untrained model with a history, which is sufficient for a report."""
    config = TrainingConfig(
        max_edges_actions=3, steps=40, width=8, transition_width=4, depth=1, seed=training_seed()
    )
    model = SparseVAE(
        Shape(6, n_latents, 2, past=False), config, torch.Generator().manual_seed(training_seed(seed))
    ).eval()
    history = History([record(20, "dense"), record(40, "frozen")], ["unmixing after 20 steps"])
    return TrainedModel(model, config, history, ("a0", "a1"))


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return untrained()


@pytest.fixture(scope="module")
def data() -> Dataset:
    return replace(simulate(GRAPH, 200, decoder="polynomial", seed=training_seed()), name="three latents")


@pytest.fixture(scope="module")
def outcome(model: TrainedModel, data: Dataset) -> Evaluation:
    return evaluate(model, data)


def comparison_with(strengths: list[list[float]]) -> Comparison:
    """Return a comparison with the prediction from `GRAPH`."""
    array = np.array(strengths)
    names = tuple(f"v{k}" for k in range(array.shape[1]))
    return compare(
        predict_entanglement(GRAPH), LearnedEntanglement(array, 0.1, "jacobian", GRAPH.latents, names)
    )


# rows -----------------------------------------------------------------------------------------------


def test_latent_rows_hold_predicted_and_learned_mixing() -> None:
    rows = latent_rows(comparison_with([[0.0, 1.0, 0.4], [0.0, 0.05, 0.9], [0.7, 0.0, 0.2]]))
    assert [row.cells() for row in rows] == [
        ("left", "v1", "right", "right", "as predicted"),
        ("right", "v2", "left", "nothing", "better than guaranteed"),
        ("other", "v0", "nothing", "right", "contradicted by right"),
    ]
    assert len(LATENT_COLUMNS) == len(rows[0].cells())


def test_latent_rows_of_models_with_more_or_fewer_latents() -> None:
    more = latent_rows(comparison_with([[1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]))
    assert more[0].outcome == "contradicted by v3"
    fewer = latent_rows(comparison_with([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    assert fewer[2].cells() == ("other", "nothing", "nothing", "nothing", "not recovered")


def test_training_facts_count_edges_under_their_budget(model: TrainedModel) -> None:
    facts = dict(training_facts(model))
    assert facts == {
        "edges of G^a": f"{model.graph.n_edges} (budget 3)",
        "negative ELBO": "-1.500 (reconstruction -2.000, divergence 0.500)",
        "training time": "1.5 minutes, 40 steps",
    }
    no_budget = replace(
        model, config=model.config.replace(sparsity="none", max_edges_actions=None), history=History()
    )
    assert dict(training_facts(no_budget)) == {"edges of G^a": f"{model.graph.n_edges} (no budget)"}


def test_training_record_is_ready_for_json(model: TrainedModel) -> None:
    content = training_record(model)
    assert content["negative_elbo"] == {"total": -1.5, "reconstruction": -2.0, "divergence": 0.5}
    assert (content["steps"], content["minutes"]) == (40, 1.5)
    assert content["graph"] == graph_record(model.graph)
    assert training_record(replace(model, history=History()))["negative_elbo"] is None
    assert graph_record(GRAPH) == {
        "latents": ["left", "right", "other"],
        "actions": ["a0", "a1"],
        "edges": [["a0", "left"], ["a0", "right"], ["a1", "other"]],
    }


def test_score_facts_depend_on_the_known_ground_truth(
    model: TrainedModel, data: Dataset, outcome: Evaluation
) -> None:
    facts = dict(score_facts(outcome))
    assert outcome.held_out is not None
    assert facts["MCC"] == f"{outcome.mcc:.3f} (held out {outcome.held_out.mcc:.3f})"
    assert facts["SHD"] == f"{outcome.shd} ({outcome.missing} missing, {outcome.extra} extra)"
    graphless = evaluate(model, replace(data, graph=None, decoder=None))
    assert list(dict(score_facts(graphless))) == ["MCC", "R"]
    assert score_facts(evaluate(model, replace(data, graph=None, decoder=None, latents=None))) == []
    terms = {"reconstruction": 1.0, "divergence": 0.25}
    assert elbo_facts(terms) == [("negative ELBO", "1.250 (reconstruction 1.000, divergence 0.250)")]
    assert elbo_facts(None) == []


def test_wrong_edges_are_named_from_parent_to_child() -> None:
    other = CausalGraph(Ga=[[1, 0], [0, 1], [0, 1]], latents=GRAPH.latents)
    assert distance_facts(("A", "B"), structural_hamming(GRAPH, other)) == [
        ("edges in both graphs", "2"),
        ("edges only in A", "1: a0 → right"),
        ("edges only in B", "1: a1 → right"),
    ]
    assert distance_facts(("A", "B"), structural_hamming(GRAPH, GRAPH))[1] == ("edges only in A", "0")


# terminal -------------------------------------------------------------------------------------------


def test_the_terminal_shows_the_facts_and_the_rows(model: TrainedModel, outcome: Evaluation) -> None:
    assert outcome.comparison is not None
    text = printed(show_training("[red]folder", model, outcome, "the training data", ["a note"]), 200)
    for part in (
        "[red]folder",
        "a note",
        "unmixing after 20 steps",
        "MCC on the training data",
        "1.5 minutes",
    ):
        assert part in text
    assert outcome.comparison.verdict[:30] in text
    text = printed(show_evaluation("name", outcome), 200)
    assert [cell for row in latent_rows(outcome.comparison) for cell in row.cells() if cell not in text] == []
    assert "MCC" not in printed(show_training("folder", model, None, ""), 200)


def test_the_terminal_marks_confirmed_and_contradicted() -> None:
    same = structural_hamming(GRAPH, GRAPH)
    confirmed = comparison_with([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    contradicted = comparison_with([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.5, 1.0]])
    assert f"✓ {confirmed.verdict}" in printed(show_comparison(("a", "b"), confirmed, same), 200)
    assert "◑ Not confirmed" in printed(show_comparison(("a", "b"), contradicted, same), 200)


def test_a_long_table_shows_the_number_of_omitted_rows() -> None:
    n = 130
    names = tuple(f"z{k}" for k in range(n))
    learned = LearnedEntanglement(np.eye(n), 0.1, "models", names, names)
    graph = CausalGraph(Ga=np.eye(n), latents=names)
    comparison = compare(predict_entanglement(graph), learned)
    text = printed(show_comparison(("a", "b"), comparison, structural_hamming(graph, graph)))
    assert "100 more latents are omitted here; --json contains them all." in text
    tiny = untrained()
    page = comparison_page(("a", "b"), (tiny, tiny), comparison, structural_hamming(graph, graph))
    assert "30 more latents are omitted here; the JSON output contains them all." in Page(page).text


# pages ----------------------------------------------------------------------------------------------


def check_page(source: str) -> Page:
    """Check that a page is well-formed and loads no external resources, and parse it."""
    page = Page(source)
    assert page.open == []
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    # a browser does not load metadata and namespaces
    content = re.sub(r'<metadata>.*?</metadata>|xmlns(:\w+)?="[^"]*"', "", source, flags=re.DOTALL)
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=\s]*", "", content)
    assert not re.search(r"url\((?!#)|@import", source)
    checked(source)
    return page


def test_the_page_of_a_training_run(model: TrainedModel, data: Dataset, outcome: Evaluation) -> None:
    source = training_page(
        model, replace(data, notes=("short episodes were left out",)), outcome, "the training data"
    )
    page = check_page(source)
    assert outcome.comparison is not None
    for part in (
        "Trained on three latents",
        outcome.comparison.verdict,
        SCORES,
        CAUTION,
        "the training data",
        "short episodes were left out",
        "unmixing after 20 steps",
        "max_edges_actions",
        f"MCC {outcome.mcc:.3f}",
    ):
        assert part in page.text
    # graphs, entanglement, latents, curves, probabilities
    assert page.tags.count("svg") == 5
    for row in latent_rows(outcome.comparison):
        assert all(cell in page.text for cell in row.cells())


def test_the_page_without_ground_truth(model: TrainedModel, data: Dataset) -> None:
    no_truth = replace(data, graph=None, decoder=None, latents=None, name="")
    page = check_page(training_page(model, no_truth, None, ""))
    assert page.tags.count("svg") == 3
    for part in ("Trained on your data", UNKNOWN, repr(model)):
        assert part in page.text
    page = check_page(evaluation_page(model, no_truth, evaluate(model, no_truth)))
    assert UNKNOWN in page.text
    assert "200 samples of your data" in page.text


def test_the_page_with_latents_and_no_graph(model: TrainedModel, data: Dataset) -> None:
    graphless = replace(data, graph=None, decoder=None)
    outcome = evaluate(model, graphless)
    page = check_page(evaluation_page(model, graphless, outcome))
    # the learned graph alone, latents, curves, probabilities
    assert page.tags.count("svg") == 4
    assert f"MCC {outcome.mcc:.3f}, R {outcome.r:.3f}" in page.text
    assert "R_con 0" not in page.text


def test_the_page_of_a_model_without_history(model: TrainedModel, data: Dataset, outcome: Evaluation) -> None:
    page = check_page(evaluation_page(replace(model, history=History()), data, outcome))
    assert page.tags.count("svg") == 3


def test_the_page_of_two_models(model: TrainedModel) -> None:
    comparison = comparison_with([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.5, 1.0]])
    distance = structural_hamming(model.graph, model.graph)
    page = check_page(comparison_page(("run 1", "run 2"), (model, model), comparison, distance))
    assert page.tags.count("svg") == 2
    for part in (
        "run 1 compared with run 2",
        "run 1 and run 2 disagree.",
        comparison.verdict,
        BETWEEN_MODELS,
    ):
        assert part in page.text
    agreeing = comparison_with([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert "run 1 and run 2 agree." in comparison_page(("run 1", "run 2"), (model, model), agreeing, distance)


def test_graphs_of_models_with_different_numbers_of_latents_are_not_drawn(
    model: TrainedModel,
) -> None:
    comparison = comparison_with([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    fewer = untrained(n_latents=2)
    distance = structural_hamming(model.graph, fewer.graph, comparison.permutation)
    page = check_page(comparison_page(("a", "b"), (model, fewer), comparison, distance))
    assert page.tags.count("svg") == 1


def test_markup_in_names_stays_text(model: TrainedModel, data: Dataset) -> None:
    graph = CausalGraph(GRAPH.Gz, GRAPH.Ga, latents=[NASTY, "a|b", "$x_1$ & y"])
    named = replace(data, name=NASTY, graph=graph, notes=("<b>note</b>",))
    outcome = evaluate(model, named)
    page = check_page(evaluation_page(model, named, outcome))
    assert "b" not in page.tags
    assert NASTY in page.text
    assert "<b>note</b>" in page.text
    check_page(training_page(model, named, outcome, NASTY))
    comparison = comparison_with([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    distance = structural_hamming(model.graph, model.graph)
    page = check_page(comparison_page((NASTY, "<i>$b</i>"), (model, model), comparison, distance))
    assert "i" not in page.tags
    assert "<i>$b</i>" in page.text


@pytest.mark.parametrize("length", [1, 8, 24, 60])
def test_long_names_leave_room_for_the_figures(length: int, model: TrainedModel, data: Dataset) -> None:
    """Matplotlib warns if a name leaves no room for the matrix, and warnings are errors in the tests."""
    names = [f"{k}{'m' * length}" for k in range(3)]
    graph = CausalGraph(GRAPH.Gz, GRAPH.Ga, latents=names, actions=[f"{k}{'w' * length}" for k in range(2)])
    named = replace(data, graph=graph)
    check_page(evaluation_page(model, named, evaluate(model, named)))
    comparison = comparison_with([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    distance = structural_hamming(model.graph, model.graph)
    check_page(comparison_page((names[0], names[1]), (model, model), comparison, distance))


def test_the_same_result_gives_the_same_page(model: TrainedModel, data: Dataset, outcome: Evaluation) -> None:
    assert evaluation_page(model, data, outcome) == evaluation_page(model, data, outcome)


def test_of_many_latents_those_with_the_lowest_correlations_are_drawn() -> None:
    from estimation.plot.latents import MAX_PANELS

    n = MAX_PANELS + 4
    config = TrainingConfig(
        max_edges_actions=n, steps=40, width=8, transition_width=4, depth=1, seed=training_seed()
    )
    wide = SparseVAE(
        Shape(2 * n, n, 2, past=False), config, torch.Generator().manual_seed(training_seed())
    ).eval()
    graph = CausalGraph(Ga=np.ones((n, 2)), latents=[f"latent{k:02}" for k in range(n)])
    data = simulate(graph, 100, decoder="polynomial", seed=training_seed())
    model = TrainedModel(wide, config, History(), ("a0", "a1"))
    picture = draw_latents(model, data, evaluate(model, data, n_samples=10))
    assert picture.svg.count('id="axes_') == MAX_PANELS


def test_no_figure_is_left_open(model: TrainedModel, data: Dataset, outcome: Evaluation) -> None:
    from matplotlib import pyplot as plt

    before = plt.get_fignums()
    evaluation_page(model, data, outcome)
    assert plt.get_fignums() == before
