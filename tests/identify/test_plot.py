"""What the figures show: every edge, block and name, readable at every size, in greyscale too."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from scipy import sparse

from identify.catalog import load
from identify.criterion import check
from identify.entanglement import predict_entanglement
from identify.exceptions import FileAccessError, RequestError
from identify.graph import CausalGraph
from identify.plot import (
    figure_svg,
    plot_blocks,
    plot_entanglement,
    plot_graph,
    plot_matrix,
    plot_verdict,
    save_figure,
)
from identify.plot.counts import share
from identify.plot.matrices import block_order
from identify.plot.style import ACTION, INK, ITSELF, ONE_WAY, PAST, TWINS, shorten
from tests.builders import graphs


def axes(width: float = 8, height: float = 6) -> Axes:
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def random_graph(n: int, m: int = 3, degree: float = 1.5, seed: int = 0) -> CausalGraph:
    rng = np.random.default_rng(seed)
    return CausalGraph(rng.random((n, n)) < degree / n, rng.random((n, m)) < 0.2)


def lightness(colour: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return float(116 * np.cbrt(luminance) - 16)


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.findobj(Text) if text.get_visible() and text.get_text()]


def drawn_boxes(ax: Axes) -> list[FancyBboxPatch]:
    return [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


def arrows(ax: Axes) -> list[Annotation]:
    return [text for text in ax.texts if isinstance(text, Annotation) and text.arrow_patch is not None]


# Layers ---------------------------------------------------------------------------------------------


@given(graphs())
@settings(max_examples=30, deadline=None)
def test_the_layers_show_every_node_and_edge(graph: CausalGraph) -> None:
    ax = axes()
    assert plot_graph(graph, ax=ax) is ax
    edges = sum(len(collection.get_segments()) for collection in ax.collections)  # type: ignore[attr-defined]
    assert edges == graph.n_edges
    marks = sum(len(line.get_xdata()) for line in ax.lines)
    assert marks == graph.n_latents * (2 if graph.Gz.nnz else 1) + graph.n_actions
    for name in (*graph.latents, *graph.actions):
        assert words(ax).count(name) == (2 if graph.Gz.nnz and name in graph.latents else 1)


def test_an_edge_runs_from_its_parent_to_its_child() -> None:
    ax = plot_graph(CausalGraph(Ga=[[0, 1], [0, 0], [1, 0]], latents=["x", "y", "w"]), ax=axes())
    height = {text.get_text(): text.xy[1] for text in ax.texts if isinstance(text, Annotation)}
    ends = {(curve[0][1], curve[-1][1]) for curve in ax.collections[0].get_segments()}  # type: ignore[attr-defined]
    assert ends == {(height["a1"], height["x"]), (height["a0"], height["w"])}


def test_actions_and_past_differ_in_mark_lightness_and_heading() -> None:
    ax = plot_graph(load("actions-and-past"), ax=axes())
    marks = {(line.get_marker(), line.get_markerfacecolor()) for line in ax.lines}
    assert marks == {("s", ACTION), ("o", PAST), ("o", "white")}
    assert {"actions", "past latents (time t−1)", "latents (time t)"} <= set(words(ax))


# Matrices -------------------------------------------------------------------------------------------


def test_the_matrix_says_that_rows_are_children() -> None:
    ax = plot_matrix(load("actions-and-past"), ax=axes())
    assert ax.get_ylabel().startswith("children")
    assert ax.get_xlabel() == "parents"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["x", "y", "w"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a0", "a1", "x", "y", "w"]
    assert {"$G^a$: actions", "$G^z$: past latents (time t−1)"} <= set(words(ax))


@pytest.mark.parametrize(("which", "columns"), [("actions", ["a0", "a1"]), ("past", ["x", "y", "w"])])
def test_one_matrix_only(which: str, columns: list[str]) -> None:
    ax = plot_matrix(load("actions-and-past"), ax=axes(), which=which)  # type: ignore[arg-type]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == columns


@given(graphs())
@settings(max_examples=30, deadline=None)
def test_the_matrix_cells_are_the_matrices(graph: CausalGraph) -> None:
    ax = plot_matrix(graph, ax=axes())
    dark = [np.any(image.get_array()[..., :3] < 0.999, axis=-1) for image in ax.images]
    parts = [m for m in (graph.Ga, graph.Gz) if m.nnz]
    assert len(dark) == len(parts) or not parts
    for cells, matrix in zip(dark, parts, strict=False):
        assert np.array_equal(cells, matrix.toarray())


@given(graphs())
@settings(max_examples=30, deadline=None)
def test_the_entanglement_cells_are_v_in_block_order(graph: CausalGraph) -> None:
    found = predict_entanglement(graph)
    ax = plot_entanglement(found, ax=axes())
    order = [i for b in block_order(found) for i in found.blocks[b]]
    v = found.matrix.toarray()[np.ix_(order, order)]
    cells = ax.images[0].get_array()[..., :3]
    assert np.array_equal(np.any(cells < 0.999, axis=-1), v)
    twins = found.labels[order][:, None] == found.labels[order][None, :]
    np.fill_diagonal(twins, False)
    for mask, colour in ((twins, TWINS), (np.eye(len(v), dtype=bool), ITSELF)):
        assert np.allclose(cells[mask], to_rgb(colour))
    assert np.allclose(cells[v & ~twins & ~np.eye(len(v), dtype=bool)], to_rgb(ONE_WAY))
    # block triangular: nothing below the blocks
    assert not (np.tril(v, -1) & ~twins).any()
    outlines = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sorted(patch.get_width() for patch in outlines) == sorted(s for s in found.sizes if s > 1)


def test_rows_are_marked_as_disentangled_or_unconstrained() -> None:
    ax = plot_entanglement(predict_entanglement(load("unconstrained-latent")), ax=axes())
    assert {tick.get_text() for tick in ax.get_yticklabels()} == {"x ✓", "y ✓", "free ○"}
    ax = plot_entanglement(predict_entanglement(load("identical-twins")), ax=axes())
    assert {tick.get_text() for tick in ax.get_yticklabels()} == {"left", "right", "other ✓"}


# Blocks ---------------------------------------------------------------------------------------------


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_the_blocks_show_every_latent_and_the_reduced_order(graph: CausalGraph) -> None:
    found = predict_entanglement(graph)
    ax = plot_blocks(found, ax=axes())
    assert len(drawn_boxes(ax)) == found.n_blocks
    assert len(arrows(ax)) == found.order(reduced=True).number_of_edges()
    shown = [name for text in words(ax) for name in text.split("\n")]
    for block in found.blocks:
        if len(block) > 4:
            assert f"{len(block)} latents" in shown
        else:
            assert {graph.latents[i] for i in block} <= set(shown)


def test_arrows_go_down_and_boxes_do_not_overlap() -> None:
    for name in ("TimeBlockNonDiag", "nested-interventions", "T Cell Receptor Signaling", "IL-1 Signaling"):
        ax = plot_blocks(predict_entanglement(load(name)), ax=axes())
        for arrow in arrows(ax):
            assert arrow.xy[1] > arrow.xyann[1]
        boxes = [patch.get_bbox() for patch in drawn_boxes(ax)]
        assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]


def test_kinds_of_blocks_differ_without_colour() -> None:
    ax = plot_blocks(predict_entanglement(load("common-driver")), ax=axes())
    styles = {(box.get_linestyle(), box.get_linewidth(), box.get_facecolor()) for box in drawn_boxes(ax)}
    assert len(styles) == 2
    ax = plot_blocks(predict_entanglement(load("nested-interventions")), ax=axes())
    assert {box.get_linestyle() for box in drawn_boxes(ax)} == {"--", "-"}
    ax = plot_blocks(predict_entanglement(load("unconstrained-latent")), ax=axes())
    assert ":" in {box.get_linestyle() for box in drawn_boxes(ax)}


def test_a_hub_says_in_words_how_many_it_points_at() -> None:
    rows = [[1] + [0] * 20] + [[1] + [int(i == j) for j in range(20)] for i in range(20)]
    ax = plot_blocks(predict_entanglement(CausalGraph(Ga=rows)), ax=axes())
    assert "z0\n→ 20 others" in words(ax)
    assert arrows(ax) == []


def test_very_many_blocks_are_counted() -> None:
    ax = plot_blocks(predict_entanglement(random_graph(2_000, 0, 1.0)), ax=axes())
    found = predict_entanglement(random_graph(2_000, 0, 1.0))
    assert ax.get_xlabel() == f"latents (2,000 in {found.n_blocks:,} blocks)"
    assert sum(bar.get_width() for bar in ax.patches) == 2_000  # type: ignore[attr-defined]
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels[0] == "disentangled"
    assert ax.patches[0].get_width() == found.disentangled.sum()  # type: ignore[attr-defined]


# The whole figure -----------------------------------------------------------------------------------


def test_the_title_is_the_verdict_and_the_legend_explains_what_is_there() -> None:
    figure = plot_verdict(check(load("TimeBlockNonDiag")))
    assert figure.get_suptitle() == "Not completely disentangled: 0 of 10 latents, using the past"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "itself",
        "entangled with each other (one block)",
        "entangled one way: row with column",
    ]
    assert [ax.get_title() for ax in figure.axes] == ["Causal graph", "Predicted entanglement"]


def test_it_draws_into_a_figure_that_is_given() -> None:
    figure = Figure()
    assert plot_verdict(check(load("TimeDiag")), fig=figure) is figure
    assert len(figure.axes) == 2


def test_many_edges_become_matrices_and_many_latents_blocks() -> None:
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


def test_a_hundred_thousand_latents_are_drawn_by_counts() -> None:
    n = 100_000
    rng = np.random.default_rng(0)
    places = rng.integers(0, n, (2, n))
    graph = CausalGraph(Gz=sparse.coo_array((np.ones(n), places), shape=(n, n)).astype(bool))
    (ax,) = plot_verdict(check(graph)).axes
    assert "100,000 in" in ax.get_xlabel()


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """What stands where, in pixels; boxes a little smaller than the text's, whose lines hold some air."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found]


def overlapping(texts: list[tuple[str, Bbox]]) -> list[tuple[str, str]]:
    corners = np.array([[box.x0, box.y0, box.x1, box.y1] for _, box in texts])
    size = corners[:, 2:] - corners[:, :2]
    low, high = corners[:, :2] + 0.1 * size, corners[:, 2:] - 0.1 * size
    meet = np.all((low[:, None] < high[None]) & (low[None] < high[:, None]), axis=2)
    return [(texts[i][0], texts[j][0]) for i, j in zip(*np.nonzero(np.triu(meet, 1)), strict=True)]


def assert_clean(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text is inside the figure, and no two meet."""
    texts = drawn_texts(figure)
    page = figure.bbox
    cut = [
        text
        for text, box in texts
        if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < page.y0 - 1 or box.y1 > page.y1 + 1
    ]
    assert cut == []
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
    # everything is entangled with something here, so the first of each stretch and so on
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


def test_matrices_beside_each_other_have_their_rows_in_the_same_order() -> None:
    graph = random_graph(60, 3, degree=4)
    left, right = plot_verdict(check(graph)).axes
    names = [[tick.get_text().rstrip(" ✓○") for tick in ax.get_yticklabels()] for ax in (left, right)]
    assert names[0] == names[1]
    assert left.get_position().y0 == pytest.approx(right.get_position().y0)
    assert left.get_position().y1 == pytest.approx(right.get_position().y1)


def test_what_is_too_large_says_so_and_shows_blocks() -> None:
    graph = random_graph(400, 2)
    for draw in (plot_graph, plot_matrix):
        assert draw(graph, ax=axes()).get_title().startswith("400 latents and 2 actions are too many to draw")
    ax = plot_matrix(CausalGraph(Ga=np.eye(3, 1_001)), ax=axes())
    assert ax.get_title().startswith("3 latents and 1,001 actions")


def test_boxes_too_small_to_read_are_counted() -> None:
    found = predict_entanglement(load("Signaling in Macrophage Activation"))
    assert drawn_boxes(plot_blocks(found, ax=axes(8, 6)))
    small = plot_blocks(found, ax=axes(2, 1.5))
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
def test_shares_never_claim_all_or_nothing(number: int, total: int, shown: str) -> None:
    assert share(number, total) == shown


def test_a_legend_only_where_there_is_room() -> None:
    found = predict_entanglement(load("TimeBlockNonDiag"))
    assert plot_entanglement(found, ax=axes(8, 4)).get_legend() is not None
    assert plot_entanglement(found, ax=axes(4, 4)).get_legend() is None
    assert plot_entanglement(found, ax=axes(8, 4), legend=False).get_legend() is None
    assert plot_blocks(found, ax=axes(), legend=False).get_legend() is None


def test_characters_without_a_font_are_named_in_one_warning(tmp_path: Path) -> None:
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


def test_long_names_lose_their_middle() -> None:
    assert shorten("short") == "short"
    assert shorten("a" * 20 + "b" * 20, 11) == "aaaaa…bbbbb"
    for length in range(3, 30):
        assert len(shorten("x" * 40, length)) == length


def test_kinds_that_meet_in_a_figure_differ_in_lightness() -> None:
    for colours in ((PAST, ACTION, "#FFFFFF"), (TWINS, ITSELF, ONE_WAY, "#FFFFFF")):
        values = sorted(lightness(colour) for colour in colours)
        assert min(b - a for a, b in itertools.pairwise(values)) > 15
    assert lightness(INK) < 20


# Files, and no side effects -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")]
)
def test_figures_are_saved_whole_and_reproducibly(suffix: str, start: bytes, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_figure(plot_verdict(check(load("identical-twins"))), tmp_path / f"{name}.{suffix}")
    one, two = (tmp_path.joinpath(f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one.startswith(start)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_can_not_be_saved(tmp_path: Path) -> None:
    figure = plot_verdict(check(load("identical-twins")))
    with pytest.raises(RequestError, match=r"f.bmp: a figure's name ends in .png, .svg, .pdf"):
        save_figure(figure, tmp_path / "f.bmp")
    with pytest.raises(FileAccessError, match=r"nowhere/f.png: no such file or folder"):
        save_figure(figure, tmp_path / "nowhere" / "f.png")


def test_svg_for_a_page_is_one_element_with_its_own_identifiers() -> None:
    one, two = (figure_svg(plot_verdict(check(load("TimeDiag"))), salt) for salt in ("a", "b"))
    assert one.startswith("<svg")
    assert one.rstrip().endswith("</svg>")
    assert one != two


def test_nothing_is_left_open_and_nothing_global_changes() -> None:
    code = """
import sys, matplotlib
before = matplotlib.rcParams.copy()
from matplotlib.figure import Figure
from identify.catalog import load
from identify.criterion import check
from identify.plot import *
verdict = check(load('actions-and-past'))
for draw, what in ((plot_graph, verdict.graph), (plot_matrix, verdict.graph),
                   (plot_entanglement, verdict.entanglement), (plot_blocks, verdict.entanglement)):
    draw(what, ax=Figure().add_subplot())
figure_svg(plot_verdict(verdict))
assert 'matplotlib.pyplot' not in sys.modules
# reading all settings asks for the backend, which itself imports pyplot: so this comes last
same = [before[key] == matplotlib.rcParams[key] for key in before if key != 'backend']
assert all(same) and len(same) > 100
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_axes_a_figure_is_made_that_notebooks_show() -> None:
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        verdict = check(load("actions-and-past"))
        for draw, what in (
            (plot_graph, verdict.graph),
            (plot_matrix, verdict.graph),
            (plot_entanglement, verdict.entanglement),
            (plot_blocks, verdict.entanglement),
        ):
            assert draw(what).figure is plt.gcf()  # type: ignore[operator]
        assert len(plt.get_fignums()) == 4
        plt.close("all")
