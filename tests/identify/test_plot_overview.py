"""The whole figure: readable at every size, in greyscale too, and no two texts on each other."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from scipy import sparse

from identify.catalog import load
from identify.criterion import check
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from identify.plot import (
    plot_blocks,
    plot_entanglement,
    plot_graph,
    plot_matrix,
    plot_verdict,
    save_figure,
)
from identify.plot.counts import share
from identify.plot.style import ACTION, INK, ITSELF, ONE_WAY, PAST, TWINS, shorten
from tests.identify.drawn import axes, drawn_boxes, lightness, random_graph, words


def test_the_title_is_the_verdict_and_the_legend_explains_all_marks() -> None:
    figure = plot_verdict(check(load("TimeBlockNonDiag")))
    assert figure.get_suptitle() == "Not completely disentangled: 0 of 10 latents, using the past"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "itself",
        "entangled with each other (one block)",
        "entangled one way: row with column",
    ]
    assert [ax.get_title() for ax in figure.axes] == ["Causal graph", "Predicted entanglement"]


def test_a_user_supplied_figure_is_drawn_into() -> None:
    figure = Figure()
    assert plot_verdict(check(load("TimeDiag")), fig=figure) is figure
    assert len(figure.axes) == 2


def test_many_edges_are_drawn_as_matrices_and_many_latents_as_blocks() -> None:
    titles = [ax.get_title() for ax in plot_verdict(check(load("IL-1 Signaling"))).axes]
    assert titles == ["Causal graph (rows are children)", "Predicted entanglement"]
    for graph in (
        load("Signaling in Macrophage Activation"),
        random_graph(5_000),
        CausalGraph(latents=[f"q{i}" for i in range(400)]),
    ):
        assert [ax.get_title() for ax in plot_verdict(check(graph)).axes] == ["Blocks of entangled latents"]
    for draw in (plot_graph, plot_matrix):
        ax = draw(load("Signaling in Macrophage Activation"), ax=axes())
        assert drawn_boxes(ax)
    assert drawn_boxes(
        plot_entanglement(predict_entanglement(load("Signaling in Macrophage Activation")), ax=axes())
    )


def test_a_hundred_thousand_latents_become_a_bar_chart() -> None:
    n = 100_000
    rng = np.random.default_rng(0)
    places = rng.integers(0, n, (2, n))
    graph = CausalGraph(Gz=sparse.coo_array((np.ones(n), places), shape=(n, n)).astype(bool))
    (ax,) = plot_verdict(check(graph)).axes
    assert "100,000 in" in ax.get_xlabel()


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return all visible texts with their bounding boxes in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


def overlapping(texts: list[tuple[str, Bbox]]) -> list[tuple[str, str]]:
    """Return the pairs of texts that overlap; boxes are shrunk by a tenth, because lines have margins."""
    corners = np.array([[box.x0, box.y0, box.x1, box.y1] for _, box in texts])
    size = corners[:, 2:] - corners[:, :2]
    low, high = corners[:, :2] + 0.1 * size, corners[:, 2:] - 0.1 * size
    overlap = np.all((low[:, None] < high[None]) & (low[None] < high[:, None]), axis=2)
    return [(texts[i][0], texts[j][0]) for i, j in zip(*np.nonzero(np.triu(overlap, 1)), strict=True)]


def assert_clean(figure: Figure) -> list[tuple[str, Bbox]]:
    """Assert that every text is inside the figure and no two texts overlap."""
    texts = drawn_texts(figure)
    frame = figure.bbox
    outside = [
        text
        for text, box in texts
        if box.x0 < frame.x0 - 1 or box.x1 > frame.x1 + 1 or box.y0 < frame.y0 - 1 or box.y1 > frame.y1 + 1
    ]
    assert outside == []
    assert overlapping(texts) == []
    return texts


@pytest.mark.parametrize("n", [1, 2, 3, 10, 30, 100, 300])
@pytest.mark.parametrize("m", [0, 1, 4])
def test_no_two_texts_overlap_and_none_is_cut(n: int, m: int) -> None:
    graph = random_graph(n, m)
    named = CausalGraph(graph.Gz, graph.Ga, [f"gene number {i}" for i in range(n)])
    texts = assert_clean(plot_verdict(check(named)))
    assert sum(text.startswith("gene") for text, _ in texts) >= min(n, 20)


@pytest.mark.parametrize(
    "name",
    ["Apoptosis Network", "Sachs interventions", "IL-1 Signaling", "Signaling in Macrophage Activation"],
)
def test_figures_of_real_networks_are_clean(name: str) -> None:
    assert_clean(plot_verdict(check(load(name))))


@pytest.mark.parametrize("shape", [(5, 150), (2, 300), (250, 1), (5, 1_500)])
def test_figures_of_long_matrices_are_clean(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    assert_clean(plot_verdict(check(CausalGraph(Ga=rng.random(shape) < 0.3))))


def test_single_drawings_of_many_nodes_are_clean() -> None:
    graph = random_graph(90, 8)
    for draw in (plot_graph, plot_matrix):
        ax = Figure(figsize=(9, 9)).add_axes((0.1, 0.1, 0.8, 0.8))
        draw(graph, ax=ax)
        assert overlapping(drawn_texts(ax.figure)) == []  # type: ignore[arg-type]


def test_names_that_do_not_fit_are_thinned_by_importance() -> None:
    graph = CausalGraph(Ga=np.arange(200)[:, None] >= 150, latents=[f"q{i}" for i in range(200)])
    ax = Figure(figsize=(5, 5)).add_axes((0.1, 0.1, 0.8, 0.8))
    shown = [
        tick.get_text() for tick in plot_entanglement(predict_entanglement(graph), ax=ax).get_xticklabels()
    ]
    # all latents are entangled here, so the names are thinned evenly from the first
    assert 20 < len(shown) < 200
    assert shown == sorted(shown, key=lambda name: int(name[1:]))
    ax = axes()
    plot_graph(CausalGraph(Ga=np.ones((200, 1))), ax=ax)
    assert "a0" in words(ax)
    assert len(words(ax)) < 150


def test_text_fits_into_its_box() -> None:
    figure = plot_verdict(check(load("Signaling in Macrophage Activation")))
    texts = dict(drawn_texts(figure))
    (ax,) = figure.axes
    boxes = [patch.get_window_extent() for patch in drawn_boxes(ax)]
    for text in ax.texts:
        if text.get_text():
            place = texts[text.get_text()]
            assert any(
                box.x0 <= place.x0 and place.x1 <= box.x1 and box.y0 <= place.y0 and place.y1 <= box.y1
                for box in boxes
            ), text.get_text()


def test_adjacent_matrices_have_their_rows_in_the_same_order() -> None:
    graph = random_graph(60, 3, degree=4)
    left, right = plot_verdict(check(graph)).axes
    names = [[tick.get_text().rstrip(" ✓○") for tick in ax.get_yticklabels()] for ax in (left, right)]
    assert names[0] == names[1]
    assert left.get_position().y0 == pytest.approx(right.get_position().y0)
    assert left.get_position().y1 == pytest.approx(right.get_position().y1)


def test_graphs_that_are_too_large_are_drawn_as_blocks_with_a_title() -> None:
    graph = random_graph(400, 2)
    for draw in (plot_graph, plot_matrix):
        assert draw(graph, ax=axes()).get_title().startswith("400 latents and 2 actions are too many to draw")
    ax = plot_matrix(CausalGraph(Ga=np.eye(3, 1_001)), ax=axes())
    assert ax.get_title().startswith("3 latents and 1,001 actions")


def test_boxes_too_small_to_read_become_a_bar_chart() -> None:
    entanglement = predict_entanglement(load("Signaling in Macrophage Activation"))
    assert drawn_boxes(plot_blocks(entanglement, ax=axes(8, 6)))
    small = plot_blocks(entanglement, ax=axes(2, 1.5))
    assert not drawn_boxes(small)
    assert sum(bar.get_width() for bar in small.patches) == 302  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("number", "total", "shown"),
    [
        (1, 1, "100 %"),
        (99_999, 100_000, "99.999 %"),
        (1, 100_000, "0.001 %"),
        (1, 3, "33 %"),
        (995, 1_000, "99.5 %"),
    ],
)
def test_shares_are_never_rounded_to_all_or_nothing(number: int, total: int, shown: str) -> None:
    assert share(number, total) == shown


def test_a_legend_only_if_there_is_space() -> None:
    entanglement = predict_entanglement(load("TimeBlockNonDiag"))
    assert plot_entanglement(entanglement, ax=axes(8, 4)).get_legend() is not None
    assert plot_entanglement(entanglement, ax=axes(4, 4)).get_legend() is None
    assert plot_entanglement(entanglement, ax=axes(8, 4), legend=False).get_legend() is None
    assert plot_blocks(entanglement, ax=axes(), legend=False).get_legend() is None


def test_one_warning_lists_all_characters_without_a_font(tmp_path: Path) -> None:
    graph = CausalGraph(Ga=[[1, 0], [1, 1]], latents=["\U00013080 eye", "\U00013083"])
    figure = plot_verdict(check(graph))
    with pytest.warns(UserWarning, match="no installed font has \U00013080 \U00013083; ") as caught:
        save_figure(figure, tmp_path / "f.png")
    assert len(caught) == 1


def test_a_dollar_sign_in_a_name_starts_no_formula(tmp_path: Path) -> None:
    graph = CausalGraph(Ga=[[1, 0], [1, 1]], latents=["x_1^2$y$", r"\frac"], actions=["$", "$a$"])
    figure = plot_verdict(check(graph))
    save_figure(figure, tmp_path / "f.png")
    shown = {text for ax in figure.axes for text in words(ax)}
    assert {"x_1^2$y$", "$a$"} <= shown


def test_long_names_are_abbreviated_in_the_middle() -> None:
    assert shorten("short") == "short"
    assert shorten("a" * 20 + "b" * 20, 11) == "aaaaa…bbbbb"
    for length in range(3, 30):
        assert len(shorten("x" * 40, length)) == length


def test_kinds_in_one_figure_differ_in_lightness() -> None:
    for colours in ((PAST, ACTION, "#FFFFFF"), (TWINS, ITSELF, ONE_WAY, "#FFFFFF")):
        values = sorted(lightness(colour) for colour in colours)
        assert min(b - a for a, b in itertools.pairwise(values)) > 15
    assert lightness(INK) < 20
