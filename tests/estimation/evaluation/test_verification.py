"""`verify`: runs whose latents are a known linear map of the true latents."""

from __future__ import annotations

import json
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from estimation.dataset import Dataset
from estimation.diagnostics import Diagnostics, Margin, RunWarning
from estimation.evaluation.verification import Verification, verify
from estimation.exceptions import DataError
from estimation.plot import plot_verification
from estimation.report import verification_page
from estimation.trained import TrainedModel
from identify.graph import CausalGraph
from tests.estimation.fakes import Truth, linear_model
from tests.seeds import training_seed

matplotlib.use("Agg")

N = 4
# z0 and z1 share their only action, so they may mix; z2 and z3 are disentangled
GRAPH = CausalGraph(Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
TRUTH = Truth(N, 6)
IDENTITY = np.eye(N)


def data() -> Dataset:
    z = np.random.default_rng(training_seed()).normal(size=(400, N))
    return TRUTH.dataset(z, GRAPH, known=False)


def run(mixing: NDArray[np.float64], order: tuple[int, ...] = (0, 1, 2, 3)) -> TrainedModel:
    """A run whose latents are the given linear combinations of the true latents, in the given order."""
    return linear_model(TRUTH, np.linalg.inv(mixing[list(order)]), GRAPH.permute(list(order)))


def rotated_block() -> NDArray[np.float64]:
    """A rotation of z0 and z1, which the graph allows."""
    mixing = np.eye(N)
    mixing[:2, :2] = [[0.8, 0.6], [-0.6, 0.8]]
    return mixing


def not_allowed() -> NDArray[np.float64]:
    """A mixing of z3 into z2, which the graph does not allow."""
    mixing = np.eye(N)
    mixing[2, 3] = 0.7
    return mixing


def best_first(models: dict[str, TrainedModel], monkeypatch: pytest.MonkeyPatch) -> Verification:
    """Verify models, with the ELBO patched so that the first model is the best."""
    order = {id(model): float(k) for k, model in enumerate(models.values())}
    monkeypatch.setattr(TrainedModel, "negative_elbo", lambda self, *_: {"total": order[id(self)]})
    return verify(models, data())


def test_mixing_that_the_graph_allows_is_trusted_within_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"a": run(IDENTITY), "b": run(rotated_block(), (3, 0, 2, 1)), "c": run(IDENTITY, (2, 3, 1, 0))}
    verification = best_first(models, monkeypatch)
    assert verification.confirmed
    assert bool(verification)
    latents = verification.latents
    assert [latent.verdict for latent in latents] == ["trusted within its block"] * 2 + ["trusted"] * 2
    assert [latent.may_mix_with for latent in latents] == [("v1",), ("v0",), (), ()]
    assert all(latent.confirmed_by == latent.runs == 2 for latent in latents)
    assert verification.summary == (
        "Of 4 latents of a, all 2 other runs confirm 4, 2 of them up to the mixing that the graph allows."
    )
    assert [distance.distance for distance in verification.distances.values()] == [0, 0]
    assert verification.latents[2].correlation == pytest.approx(1, abs=1e-3)
    assert verification.extra_strengths.max() < 0.05


def test_a_single_wrong_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"a": run(IDENTITY), "b": run(IDENTITY), "c": run(IDENTITY), "d": run(not_allowed())}
    verification = best_first(models, monkeypatch)
    assert not verification.confirmed
    assert [latent.trusted for latent in verification.latents] == [True, True, False, True]
    third = verification.latents[2]
    assert (third.confirmed_by, third.runs, third.verdict) == (2, 3, "trusted by most runs")
    assert third.extra == ("v3",)
    assert third.strongest > 0.5
    assert [verification.comparisons[name].confirmed for name in "bcd"] == [True, True, False]
    # the median over the runs agrees with the prediction
    assert verification.combined.confirmed


def test_if_the_best_run_is_wrong_no_run_confirms_it(monkeypatch: pytest.MonkeyPatch) -> None:
    verification = best_first({"a": run(not_allowed()), "b": run(IDENTITY), "c": run(IDENTITY)}, monkeypatch)
    assert [latent.verdict for latent in verification.latents][2] == "not trusted"
    assert verification.summary.startswith("Of 4 latents of a, all 2 other runs confirm 3")


def test_the_run_with_the_lowest_negative_elbo_is_the_reference() -> None:
    models = {"poor fit": run(not_allowed()), "good fit": run(IDENTITY)}
    models["good fit"].model.log_variance_x.fill_(-12)
    models["poor fit"].model.log_variance_x.fill_(4)
    verification = verify(models, data())
    assert verification.reference == min(
        verification.negative_elbo, key=lambda name: verification.negative_elbo[name]
    )
    assert set(verification.comparisons) == set(models) - {verification.reference}


def test_the_record_for_json(monkeypatch: pytest.MonkeyPatch) -> None:
    verification = best_first({"a": run(IDENTITY), "b": run(not_allowed())}, monkeypatch)
    record = json.loads(json.dumps(verification.to_dict()))
    assert (record["format"], record["version"]) == ("mechsparse-verification", 2)
    assert [latent["trusted"] for latent in record["latents"]] == [True, True, False, True]
    assert [latent["extra"] for latent in record["latents"]] == [[], [], ["v3"], []]
    assert np.shape(record["runs"]["b"]["relative_strengths"]) == (N, N)
    assert repr(verification) == "Verification(2 runs, 3 of 4 latents trusted)"
    assert verification.summary.startswith(
        "Of 4 latents of a, the other run confirms 3, 2 of them up to the mixing"
    )


def test_the_record_has_the_margins_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    margin = Margin(0.02, None, ("v0",), 65, 60)
    warning = RunWarning("basis", margin.summary, margin.latents)
    models = {"a": replace(run(IDENTITY), diagnostics=Diagnostics(margin, (warning,))), "b": run(IDENTITY)}
    record = json.loads(json.dumps(best_first(models, monkeypatch).to_dict()))["diagnostics"]
    assert record["b"] is None
    assert (record["a"]["margin"]["verdict"], record["a"]["margin"]["summary"]) == ("close", margin.summary)
    assert record["a"]["warnings"] == [{"kind": "basis", "text": margin.summary, "latents": ["v0"]}]


def test_the_figure_and_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    verification = best_first(
        {"a": run(IDENTITY), "b": run(IDENTITY), "<c>": run(not_allowed())}, monkeypatch
    )
    ax = plot_verification(verification)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["v0 ✓", "v1 ✓", "v2 ✗", "v3 ✓"]
    assert [text.get_text().startswith("✗") for text in ax.texts] == [False] * 5 + [True] + [False] * 2
    plt.close("all")
    page = verification_page(verification)
    assert page.count("<svg") == 2
    assert "trusted by most runs" not in page
    assert "not trusted: mixes with v3" in page
    assert "&lt;c&gt;" in page
    assert "<c>" not in page


def test_many_latents_are_drawn_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    verification = best_first({"a": run(IDENTITY), "b": run(IDENTITY)}, monkeypatch)
    comparisons = {f"r{k}": verification.comparisons["b"] for k in range(30)}
    correlations = dict.fromkeys(comparisons, np.ones(N))
    ax = plot_verification(replace(verification, comparisons=comparisons, correlations=correlations))
    assert not ax.texts
    plt.close("all")


def test_the_title_fits_where_there_is_one_other_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ax = plot_verification(best_first({"a": run(IDENTITY), "b": run(IDENTITY)}, monkeypatch))
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.canvas.draw()
    title, canvas = ax._left_title.get_window_extent(), figure.bbox  # type: ignore[attr-defined]
    assert ax.get_title(loc="left")
    assert canvas.x0 <= title.x0
    assert title.x1 <= canvas.x1
    assert title.y1 <= canvas.y1
    plt.close("all")


def test_verification_needs_two_runs() -> None:
    with pytest.raises(DataError, match="verification needs two runs or more; got 1"):
        verify({"a": run(IDENTITY)}, data())
