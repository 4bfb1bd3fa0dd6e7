"""The results page: escaped names, accessible structure, nothing loaded, and a reason for what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estimation.config import BaselineConfig, TrainingConfig
from estimation.dataset import Dataset
from estimation.diagnostics.result import KINDS, Diagnostics, Margin, RunWarning
from estimation.evaluation import evaluate
from estimation.evaluation.verification import verify
from estimation.report import results_page
from estimation.report.drawing import element
from estimation.report.programme import Edge, draw_programmes, edges_of
from estimation.report.sentences import ADVICE
from estimation.results import ColumnEffects
from estimation.simulate import simulate
from estimation.training import fit
from identify.graph import CausalGraph
from identify.report.page import with_prefix
from tests.estimation.fakes import Truth, linear_model
from tests.estimation.results.models import screen, untrained_model
from tests.html_pages import checked
from tests.pipeline.count_process import CountProcess
from tests.seeds import training_seed

EDGES = np.array([[1, 1, 0], [0, 0, 1]])
NASTY = st.lists(st.text("<>&\"'`{}/=$abß", min_size=1, max_size=12), min_size=9, max_size=9, unique=True)
MARGIN = Margin(None, None, (), 64, 64)


@given(NASTY)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_name_becomes_markup(names: list[str]) -> None:
    actions = [f"{name}!" for name in names[:3]]
    data = screen(60, observation_names=names[3:], action_names=actions)
    warnings = tuple(RunWarning("basis", name, (name,)) for name in names[:2])
    confidence = {"actions": ((0.9, 0.8, 0.3), (0.2, 0.1, 0.99))}
    model = replace(untrained_model(data, EDGES), diagnostics=Diagnostics(MARGIN, warnings, {}, confidence))
    page = checked(results_page(model, data, name=names[0]))
    plain = screen(60, observation_names=list("ABCDEF"), action_names=["one", "two", "three"])
    plain_warnings = tuple(RunWarning("basis", "text", ("v0",)) for _ in range(2))
    other = replace(
        untrained_model(plain, EDGES), diagnostics=Diagnostics(MARGIN, plain_warnings, {}, confidence)
    )
    expected = checked(results_page(other, plain, name="name"))
    # a shortened name has its whole text as a title, which is the only difference
    assert [tag for tag in page.tags if tag != "title"] == [tag for tag in expected.tags if tag != "title"]
    assert all(name in page.text for name in (*names[3:], *actions))


def test_the_page_of_a_screen_has_every_part() -> None:
    data = screen(observation_names=list("ABCDEF"))
    page = checked(results_page(untrained_model(data, EDGES), data))
    for heading in (
        "Did it work?",
        "What moves what",
        "Which latents may be mixed",
        "Latents under each condition",
        "Predictions for combinations of actions",
        "Training",
    ):
        assert heading in page.text
    assert "a0 + a1" in page.text
    assert "Mean and range of each latent in encoded rows of the data" in page.text
    assert page.tags.count("script") == 1
    # a drawing of the programmes, and one for each latent
    assert page.tags.count("svg") == 3
    assert "Unknown: this run was not examined" in page.text


def test_without_data_the_page_shows_what_the_model_stores() -> None:
    model = untrained_model(screen(), EDGES)
    page = checked(results_page(model))
    assert "Mean and range of each latent in what the model predicts" in page.text
    assert "effects" in page.text
    old = checked(results_page(replace(model, latent_marginals=None, seen_actions=None)))
    assert "They need data with the columns of the training data" in old.text
    assert "this model was saved by an earlier version" in old.text


@pytest.mark.parametrize(
    ("diagnostics", "verdict"),
    [
        (Diagnostics(MARGIN), "No reason for doubt was found: the basis is clear"),
        (Diagnostics(None), "its basis could not be compared with others"),
        (Diagnostics(MARGIN, (RunWarning("budget", "too small"),)), "but read the warning: budget"),
        (
            Diagnostics(MARGIN, (RunWarning("basis", "close"), RunWarning("overlap", "two"))),
            "Doubtful: the latents or their graph may well be wrong (warnings: basis, overlap)",
        ),
    ],
)
def test_the_page_begins_with_the_reasons_for_doubt(diagnostics: Diagnostics, verdict: str) -> None:
    model = replace(untrained_model(screen(), EDGES), diagnostics=diagnostics)
    page = checked(results_page(model))
    assert verdict in page.text
    assert all(ADVICE[warning.kind] in page.text for warning in diagnostics.warnings)
    assert page.text.index("Did it work?") < page.text.index(verdict) < page.text.index("A latent is a")


def test_every_kind_of_warning_has_advice() -> None:
    assert set(ADVICE) == set(KINDS)


def test_baselines_without_a_graph_have_a_page_with_the_reasons() -> None:
    data = screen()
    vae = fit(data, BaselineConfig(method="vae", n_latents=2, steps=4, width=8, seed=training_seed()))
    page = checked(results_page(vae, data))
    assert "vae is a baseline: it learns no graph" in page.text
    assert "There are no predictions here: vae is a baseline" in page.text
    assert "Which latents may be mixed" not in page.text
    assert "Columns that move most with each latent" in page.text
    random = fit(data, BaselineConfig(method="random", n_latents=2, seed=training_seed()))
    assert "random has no decoder" in checked(results_page(random, data)).text
    assert "They need data" in checked(results_page(vae)).text


def test_models_with_a_past_and_without_actions() -> None:
    rng = np.random.default_rng(training_seed())
    data = Dataset.from_arrays(rng.normal(size=(80, 2, 4)))
    page = checked(results_page(untrained_model(data), data))
    assert "v0 (step before)" in page.text
    assert "There are no actions, so there are no conditions to compare." in page.text
    assert "trained without actions, so there is nothing to combine" in page.text


def test_ground_truth_adds_scores_and_learned_entanglement() -> None:
    graph = CausalGraph(Ga=[[1, 0], [0, 1]])
    data = simulate(graph, 200, decoder="polynomial", seed=training_seed())
    model = untrained_model(data, np.eye(2))
    outcome = evaluate(model, data)
    page = checked(results_page(model, data, outcome))
    assert f"MCC {outcome.mcc:.3f}" in page.text
    assert "Predicted and learned entanglement" in page.text
    assert "True and learned latents" in page.text


def test_drawings_shorten_large_graphs_with_their_count() -> None:
    graph = CausalGraph(Ga=np.ones((30, 60)), latents=[f"v{i}" for i in range(30)])
    picture = draw_programmes(graph.latents, edges_of(graph, None), None)
    assert picture is not None
    assert "24 latents, 960 edges" in picture.label
    assert "6 more latents are in the tables below" in picture.caption
    assert "840 more edges are in the table below" in picture.caption


def test_an_action_may_be_called_like_a_latent_of_the_step_before() -> None:
    edges = [Edge("v0 (step before)", "v0", False, 0.5), Edge("v0", "v0", True, None)]
    picture = draw_programmes(("v0",), edges, ColumnEffects(("x",), ("v0",), np.array([[-1.0]])))
    assert picture is not None
    assert picture.label == "Learned programmes: 2 causes, 1 latent, 2 edges"
    assert picture.svg.count("<circle") == 2
    # an uncertain edge is dashed, and its confidence is a hover text
    assert picture.svg.count("doubted") == 1
    assert "v0 (step before) → v0, confidence 0.50" in picture.svg


def test_edges_hold_the_confidence_of_their_own_cause_and_latent() -> None:
    graph = CausalGraph(Gz=[[1, 1], [0, 0]], Ga=[[1, 0], [0, 1]], latents=["v0", "v1"])
    confidence = {
        "actions": np.array([[0.1, 0.2], [0.3, 0.4]]),
        "past": np.array([[0.5, np.nan], [0.7, 0.8]]),
    }
    assert [(e.cause, e.latent, e.past, e.confidence) for e in edges_of(graph, confidence)] == [
        ("a0", "v0", False, 0.1),
        ("a1", "v1", False, 0.4),
        ("v0", "v0", True, 0.5),
        ("v1", "v0", True, None),
    ]


def test_elements_escape_their_attributes() -> None:
    assert element("g", data_name='"><script>') == '<g data-name="&quot;&gt;&lt;script&gt;"/>'


def test_ids_of_a_figure_get_a_prefix_wherever_they_occur() -> None:
    svg = '<svg aria-labelledby="a b"><title id="a"/><use xlink:href="#b"/><g id="b" clip-path="url(#a)"/></svg>'
    expected = (
        '<svg aria-labelledby="f-a f-b"><title id="f-a"/><use xlink:href="#f-b"/>'
        '<g id="f-b" clip-path="url(#f-a)"/></svg>'
    )
    assert with_prefix(svg, "f-") == expected


def test_trained_models_and_their_results_describe_themselves_in_notebooks() -> None:
    truth = Truth(2, 5)
    latents = np.random.default_rng(training_seed()).normal(size=(200, 2))
    graph = CausalGraph(Ga=[[1, 0], [0, 1]], latents=["<b>left</b>", "right"])
    data = truth.dataset(latents, graph)
    model = linear_model(truth, np.eye(2), CausalGraph(Ga=np.eye(2)))
    outcome = evaluate(model, data)
    assert outcome.comparison is not None
    verification = verify({"<b>one</b>": model, "two": model}, data)
    for each in (model, outcome, outcome.comparison, verification):
        page = checked(each._repr_html_(), whole=False)
        assert repr(each) in page.text
        assert "b" not in page.tags
        assert page.tables
    warned = Diagnostics(MARGIN, (RunWarning("basis", "<i>close</i>"),), {}, {"actions": ((0.5, 0.5),)})
    page = checked(replace(model, diagnostics=warned)._repr_html_(), whole=False)
    assert "<i>close</i>" in page.text
    assert "Numbers of edges that the data allow" in page.text
    no_truth = checked(evaluate(model, replace(data, latents=None, graph=None))._repr_html_(), whole=False)
    assert "Without true latents there are no scores." in no_truth.text
    baseline = fit(screen(), BaselineConfig(method="random", n_latents=2, seed=training_seed()))
    assert "It learns no graph." in checked(baseline._repr_html_(), whole=False).text


def test_counts_with_covariates_have_a_page_too() -> None:
    process = CountProcess(n_batches=2)
    sizes = {"width": 8, "transition_width": 4, "depth": 1, "batch_size": 128}
    config = TrainingConfig(
        max_edges_actions=3, steps=30, unmixing=False, likelihood="poisson", seed=training_seed(1), **sizes
    )
    data = process.sample(600, 1)
    page = results_page(fit(data, config, progress=False), data)
    checked(page)
    assert ">nan<" not in page
