"""Figures in any style: on a white background of their own, and readable on the background of user-supplied axes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from identify.catalog import load
from identify.criterion import check
from identify.design import design_interventions
from identify.graph import CausalGraph
from identify.plot import (
    plot_blocks,
    plot_design,
    plot_entanglement,
    plot_graph,
    plot_matrix,
    plot_verdict,
    save_figure,
)
from identify.plot.contrast import LINE, TEXT, contrast, over, readable
from identify.plot.paper import own_style, paper_of
from identify.plot.style import ITSELF, PAST
from identify.report import to_html

ENTANGLED = check(load("ActionBlockDiag"))
DESIGN = design_interventions(CausalGraph(Ga=[[1], [1], [0]]), using="actions")
UNUSUAL_STYLE = {
    "text.color": "white",
    "savefig.facecolor": "black",
    "axes.facecolor": "navy",
    "axes.grid": True,
    "lines.marker": "o",
    "image.origin": "lower",
    "image.interpolation": "bilinear",
    "savefig.transparent": True,
    "figure.autolayout": True,
}
# user settings that a style must not change
KEPT = {"font.family": ["DejaVu Sans"], "figure.dpi": 100}
DARK = ["dark_background", "Solarize_Light2", "grayscale", "ggplot", "classic", "seaborn-v0_8-dark"]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def texts(figure: Figure) -> list[Text]:
    figure.canvas.draw()
    return [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


def unreadable_texts(figure: Figure, paper: Any, but: tuple[str, ...] = ()) -> list[str]:
    """Return the texts with too little contrast to the background."""
    return [
        text.get_text()
        for text in texts(figure)
        if contrast(text.get_color(), paper) < 4.5 and text.get_color() not in but
    ]


def pixels(figure: Figure, tmp_path: Path) -> Any:
    save_figure(figure, tmp_path / "figure.png", dpi=40)
    return plt.imread(tmp_path / "figure.png")[..., :3]


@pytest.mark.parametrize("style", [*DARK, UNUSUAL_STYLE], ids=[*DARK, "odd"])
def test_a_new_figure_looks_the_same_in_every_style(style: Any, tmp_path: Path) -> None:
    plain = pixels(plot_verdict(ENTANGLED), tmp_path)
    with plt.style.context(style), mpl.rc_context(KEPT):
        figure = plot_verdict(ENTANGLED)
        assert to_rgb(figure.get_facecolor()) == (1, 1, 1)
        assert not unreadable_texts(figure, "white")
        np.testing.assert_array_equal(pixels(figure, tmp_path), plain)


def test_a_new_figure_keeps_its_background_when_matplotlib_saves_it() -> None:
    with plt.style.context("dark_background"):
        figure = plot_graph(load("ActionDiag")).get_figure(root=True)
        assert figure is not None
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=30)  # type: ignore[union-attr]
    out.seek(0)
    assert plt.imread(out)[0, 0, :3].tolist() == [1, 1, 1]


@pytest.mark.parametrize("paper", ["black", "#1E1E2E", "0.5", "0.75", "navy", "ivory"])
def test_colours_fit_the_background_of_user_supplied_axes(paper: str, tmp_path: Path) -> None:
    # axes without a frame show the background of the figure, and the other axes have a different one
    figure = Figure(figsize=(15, 10), facecolor=paper)
    axes = figure.subplots(2, 3).ravel()
    for ax in axes:
        ax.set_facecolor("white")
    plot_graph(ENTANGLED.graph, ax=axes[0])
    plot_matrix(ENTANGLED.graph, ax=axes[1])
    plot_entanglement(ENTANGLED.entanglement, ax=axes[2])
    plot_design(DESIGN, ax=axes[3])
    axes[4].remove()
    axes[5].remove()
    best = max(contrast(paper, "white"), contrast(paper, "black"))
    assert best < 5 or not unreadable_texts(figure, paper)
    assert all(contrast(text.get_color(), paper) > min(4.4, 0.99 * best) for text in texts(figure))
    assert pixels(figure, tmp_path)[0, 0] == pytest.approx(to_rgb(paper), abs=0.01)


def test_marks_on_boxes_and_cells_keep_their_colour_on_a_dark_background() -> None:
    for draw, verdict in ((plot_blocks, check(load("TimeBlockNonDiag"))), (plot_blocks, ENTANGLED)):
        light, dark = Figure(figsize=(6, 6)), Figure(figsize=(6, 6), facecolor="black")
        for figure in (light, dark):
            draw(verdict.entanglement, ax=figure.add_subplot())
        light_colours, dark_colours = (
            [text.get_color() for text in figure.axes[0].texts if text.get_text()] for figure in (light, dark)
        )
        assert light_colours == dark_colours
        assert all(
            contrast(text.get_color(), "black") > 4.5 for text in dark.axes[0].get_legend().get_texts()
        )


def test_artists_of_the_user_are_not_changed() -> None:
    figure = Figure(facecolor="black")
    ax = figure.add_subplot()
    mine = ax.text(0, 0, "mine", color="#111111")
    plot_graph(load("ActionDiag"), ax=ax)
    assert mine.get_color() == "#111111"


def test_a_transparent_background_is_saved_on_white(tmp_path: Path) -> None:
    figure = Figure(facecolor="none")
    plot_graph(load("ActionDiag"), ax=figure.add_subplot())
    assert paper_of(figure) == (1, 1, 1)
    assert pixels(figure, tmp_path)[0, 0].tolist() == [1, 1, 1]
    inner = Figure(facecolor="black").subfigures(1, 2)[0]
    assert paper_of(inner.add_subplot()) == (0, 0, 0)


def test_a_report_is_independent_of_the_style() -> None:
    plain = to_html(ENTANGLED)
    with plt.style.context("dark_background"):
        assert to_html(ENTANGLED) == plain


def test_the_style_is_restored() -> None:
    with plt.style.context("dark_background"):
        before = dict(mpl.rcParams)
        with own_style():
            assert mpl.rcParams["text.color"] == "black"
        plot_verdict(ENTANGLED)
        assert dict(mpl.rcParams) == before


def test_contrast_ratios_agree_with_the_guidelines() -> None:
    assert contrast("white", "black") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)
    assert over((1, 0, 0, 0.5), (0, 0, 1)) == (0.5, 0, 0.5)
    white, black = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
    for colour in (ITSELF, PAST, "auto", "none"):
        assert readable(colour, white, LINE) is colour
    assert readable(PAST, black, LINE, fixed=[PAST]) is PAST
    assert contrast(readable("white", white, LINE), white) > 4.4
    assert contrast(readable(PAST, black, TEXT), black) >= 9
