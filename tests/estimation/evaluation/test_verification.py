"""Which latents can be trusted: runs whose maps are known."""

from __future__ import annotations

import json
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from estimation.dataset import Dataset
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
# z0 and z1 share their only action: they may mix; z2 and z3 are alone
GRAPH = CausalGraph(Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
TRUTH = Truth(N, 6)
CPU_FLOAT32 = np.eye(N)


def data() -> Dataset:
    z = np.random.default_rng(training_seed()).normal(size=(400, N))
    return TRUTH.dataset(z, GRAPH, known=False)


def run(mixing: NDArray[np.float64], order: tuple[int, ...] = (0, 1, 2, 3)) -> TrainedModel:
    """A run whose latents, in this order, are these combinations of the true ones."""
    return linear_model(TRUTH, np.linalg.inv(mixing[list(order)]), GRAPH.permute(list(order)))


def turned() -> NDArray[np.float64]:
    mixing = np.eye(N)
    mixing[:2, :2] = [[0.8, 0.6], [-0.6, 0.8]]
    return mixing


def wrong() -> NDArray[np.float64]:
    """z2 also has some of z3 in it."""
    mixing = np.eye(N)
    mixing[2, 3] = 0.7
    return mixing


def best_first(models: dict[str, TrainedModel], monkeypatch: pytest.MonkeyPatch) -> Verification:
    """The first model is the one with the best ELBO."""
    order = {id(model): float(k) for k, model in enumerate(models.values())}
    monkeypatch.setattr(TrainedModel, "negative_elbo", lambda self, *_: {"total": order[id(self)]})
    return verify(models, data())


def test_mixing_that_the_graph_allows_is_trusted_within_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"a": run(CPU_FLOAT32), "b": run(turned(), (3, 0, 2, 1)), "c": run(CPU_FLOAT32, (2, 3, 1, 0))}
    found = best_first(models, monkeypatch)
    assert found.confirmed
    assert bool(found)
    assert [each.verdict for each in found.latents] == ["trusted within its block"] * 2 + ["trusted"] * 2
    assert [each.may_mix_with for each in found.latents] == [("v1",), ("v0",), (), ()]
    assert all(each.confirmed_by == each.runs == 2 for each in found.latents)
    assert found.summary == (
        "Of 4 latents of a, all 2 other runs confirm 4, 2 of them up to the mixing that the graph allows."
    )
    assert [each.distance for each in found.distances.values()] == [0, 0]
    assert found.latents[2].correlation == pytest.approx(1, abs=1e-3)
    assert found.extra_strengths.max() < 0.05


def test_a_run_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"a": run(CPU_FLOAT32), "b": run(CPU_FLOAT32), "c": run(CPU_FLOAT32), "d": run(wrong())}
    found = best_first(models, monkeypatch)
    assert not found.confirmed
    assert [each.trusted for each in found.latents] == [True, True, False, True]
    third = found.latents[2]
    assert (third.confirmed_by, third.runs, third.verdict) == (2, 3, "trusted by most runs")
    assert third.intruders == ("v3",)
    assert third.strongest > 0.5
    assert [found.comparisons[name].confirmed for name in "bcd"] == [True, True, False]
    # the median of the runs is right
    assert found.combined.confirmed


def test_where_the_best_run_is_wrong_nobody_confirms_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = best_first({"a": run(wrong()), "b": run(CPU_FLOAT32), "c": run(CPU_FLOAT32)}, monkeypatch)
    assert [each.verdict for each in found.latents][2] == "not trusted"
    assert found.summary.startswith("Of 4 latents of a, all 2 other runs confirm 3")


def test_the_run_with_the_lowest_negative_elbo_is_the_reference() -> None:
    models = {"far": run(wrong()), "near": run(CPU_FLOAT32)}
    models["near"].model.log_variance_x.fill_(-12)
    models["far"].model.log_variance_x.fill_(4)
    found = verify(models, data())
    assert found.reference == min(found.negative_elbo, key=lambda name: found.negative_elbo[name])
    assert set(found.comparisons) == set(models) - {found.reference}


def test_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    found = best_first({"a": run(CPU_FLOAT32), "b": run(wrong())}, monkeypatch)
    told = json.loads(json.dumps(found.to_dict()))
    assert told["format"] == "mechsparse-verification"
    assert [each["trusted"] for each in told["latents"]] == [True, True, False, True]
    assert np.shape(told["runs"]["b"]["relative_strengths"]) == (N, N)
    assert repr(found) == "Verification(2 runs, 3 of 4 latents trusted)"
    assert found.summary.startswith("Of 4 latents of a, the other run confirms 3, 2 of them up to the mixing")


def test_the_figure_and_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    found = best_first({"a": run(CPU_FLOAT32), "b": run(CPU_FLOAT32), "<c>": run(wrong())}, monkeypatch)
    ax = plot_verification(found)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["v0 ✓", "v1 ✓", "v2 ✗", "v3 ✓"]
    assert [text.get_text().startswith("✗") for text in ax.texts] == [False] * 5 + [True] + [False] * 2
    plt.close("all")
    page = verification_page(found)
    assert page.count("<svg") == 2
    assert "trusted by most runs" not in page
    assert "not trusted: v3 enters" in page
    assert "&lt;c&gt;" in page
    assert "<c>" not in page


def test_many_latents_are_drawn_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = best_first({"a": run(CPU_FLOAT32), "b": run(CPU_FLOAT32)}, monkeypatch)
    wide = {f"r{k}": found.comparisons["b"] for k in range(30)}
    ax = plot_verification(replace(found, comparisons=wide, correlations=dict.fromkeys(wide, np.ones(N))))
    assert not ax.texts
    plt.close("all")


def test_the_title_fits_where_there_is_one_other_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ax = plot_verification(best_first({"a": run(CPU_FLOAT32), "b": run(CPU_FLOAT32)}, monkeypatch))
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.canvas.draw()
    found, room = ax._left_title.get_window_extent(), figure.bbox  # type: ignore[attr-defined]
    assert ax.get_title(loc="left")
    assert room.x0 <= found.x0
    assert found.x1 <= room.x1
    assert found.y1 <= room.y1
    plt.close("all")


def test_one_run_verifies_nothing() -> None:
    with pytest.raises(DataError, match="verifying takes two runs or more; 1 given"):
        verify({"a": run(CPU_FLOAT32)}, data())
