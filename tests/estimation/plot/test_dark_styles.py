"""Figures of trained models in dark styles and on dark axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from estimation.evaluation.comparison import compare
from estimation.history import History, Record
from estimation.influence import ActionInfluence, InfluenceTest
from estimation.influence.rank import RankTest
from estimation.learned import LearnedEntanglement
from estimation.plot import (
    plot_comparison,
    plot_edge_probabilities,
    plot_graphs,
    plot_influence,
    plot_latents,
    plot_scores,
    plot_training,
)
from estimation.report.figures import draw_training
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from identify.plot.contrast import contrast

HISTORY = History(
    [
        Record(
            k + 1,
            "sparse",
            1 / (k + 1),
            0.5,
            0.5,
            {"past": 4.0 - k},
            {"past": 2.0},
            {"past": [[1.0, k / 3]]},
            0.1,
        )
        for k in range(3)
    ]
)
TRUE, LEARNED = CausalGraph(Ga=[[1, 0], [1, 1]]), CausalGraph(Ga=[[1, 1], [0, 1]])
COMPARISON = compare(
    predict_entanglement(TRUE),
    LearnedEntanglement(np.array([[0.2, 1.0], [0.9, 0.0]]), 0.1, "jacobian", TRUE.latents, ("v0", "v1")),
)
Z = np.linspace(-1, 1, 50)[:, None]
ROWS = [{"mcc": 0.9, "r_con": 0.9, "r": 1.0, "shd": k, "edges": k, "setting": {"k": k}} for k in (3, 5)]
RANKS = [RankTest(5.0 + 900 * k, 3, 2000, np.ones(2), np.ones(2), 1.0, 1.0) for k in range(3)]
INFLUENCE = InfluenceTest(
    {f"a{k}": ActionInfluence(f"a{k}", ("z0", "z1"), 0.05, 0.1, (test,)) for k, test in enumerate(RANKS)},
    2000,
    0.05,
    0.1,
    TRUE,
)
DRAWN: dict[str, Any] = {
    "training": (2, lambda axes: plot_training(HISTORY, axes)),
    "edges": (1, lambda axes: plot_edge_probabilities(HISTORY, axes and axes[0])),
    "comparison": (2, lambda axes: plot_comparison(COMPARISON, axes)),
    "graphs": (2, lambda axes: plot_graphs(TRUE, LEARNED, axes)),
    "latents": (1, lambda axes: plot_latents(Z, Z**3, [0], axes)),
    "no match": (1, lambda axes: plot_latents(Z, Z**3, [-1], axes)),
    "influence": (1, lambda axes: plot_influence(INFLUENCE, axes and axes[0])),
    "scores": (2, lambda axes: plot_scores(ROWS, axes=axes)),
}


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def lowest_contrast(figure: Figure, paper: str) -> float:
    """The lowest contrast between a text of a figure and the paper."""
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    assert texts
    return min(contrast(text.get_color(), paper) for text in texts)


@pytest.mark.parametrize("name", DRAWN)
def test_a_new_figure_is_dark_on_white_in_a_dark_style(name: str) -> None:
    with plt.style.context("dark_background"):
        DRAWN[name][1](None)
        figure = plt.gcf()
        assert to_rgb(figure.get_facecolor()) == (1, 1, 1)
        assert lowest_contrast(figure, "white") > 4.5


@pytest.mark.parametrize("name", DRAWN)
def test_given_axes_determine_the_ink(name: str) -> None:
    count, draw = DRAWN[name]
    with plt.style.context("dark_background"):
        figure = plt.figure(layout="constrained")
        draw(list(figure.subplots(1, count, squeeze=False).ravel()))
    # the style no longer applies when the figure is drawn
    assert lowest_contrast(figure, "black") > 4.5
    for line in (line for ax in figure.axes for line in ax.lines):
        if line.get_linestyle() != "None":
            assert contrast(line.get_color(), "black") > 3


def test_the_grid_of_a_style_does_not_cover_cells() -> None:
    with plt.style.context("ggplot"):
        for name in ("edges", "comparison", "graphs"):
            count, draw = DRAWN[name]
            figure = plt.figure()
            draw(list(figure.subplots(1, count, squeeze=False).ravel()))
            figure.canvas.draw()
            for ax in figure.axes:
                assert not any(line.get_visible() for line in (*ax.get_xgridlines(), *ax.get_ygridlines()))


def test_a_report_ignores_the_style() -> None:
    default = draw_training(HISTORY)
    with plt.style.context("dark_background"):
        assert draw_training(HISTORY) == default
