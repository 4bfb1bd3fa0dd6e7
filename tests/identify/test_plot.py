"""Single drawings show every edge, block and name; figures are saved reproducibly."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

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
from identify.plot.matrices import block_order
from identify.plot.style import ACTION, ITSELF, ONE_WAY, PAST, TWINS
from tests.builders import graphs
from tests.identify.drawn import arrows, axes, drawn_boxes, random_graph, words

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


def test_the_labels_of_the_matrix_say_that_rows_are_children() -> None:
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
def test_the_cells_of_the_drawing_are_the_entries_of_the_matrices(graph: CausalGraph) -> None:
    ax = plot_matrix(graph, ax=axes())
    dark = [np.any(image.get_array()[..., :3] < 0.999, axis=-1) for image in ax.images]
    parts = [m for m in (graph.Ga, graph.Gz) if m.nnz]
    assert len(dark) == len(parts) or not parts
    for cells, matrix in zip(dark, parts, strict=False):
        assert np.array_equal(cells, matrix.toarray())


@given(graphs())
@settings(max_examples=30, deadline=None)
def test_the_cells_of_the_entanglement_are_v_in_block_order(graph: CausalGraph) -> None:
    entanglement = predict_entanglement(graph)
    ax = plot_entanglement(entanglement, ax=axes())
    order = [i for b in block_order(entanglement) for i in entanglement.blocks[b]]
    v = entanglement.matrix.toarray()[np.ix_(order, order)]
    cells = ax.images[0].get_array()[..., :3]
    assert np.array_equal(np.any(cells < 0.999, axis=-1), v)
    twins = entanglement.labels[order][:, None] == entanglement.labels[order][None, :]
    np.fill_diagonal(twins, False)
    for mask, colour in ((twins, TWINS), (np.eye(len(v), dtype=bool), ITSELF)):
        assert np.allclose(cells[mask], to_rgb(colour))
    assert np.allclose(cells[v & ~twins & ~np.eye(len(v), dtype=bool)], to_rgb(ONE_WAY))
    # block triangular: no entry below the blocks
    assert not (np.tril(v, -1) & ~twins).any()
    outlines = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sorted(patch.get_width() for patch in outlines) == sorted(s for s in entanglement.sizes if s > 1)


def test_rows_are_marked_as_disentangled_or_unconstrained() -> None:
    ax = plot_entanglement(predict_entanglement(load("unconstrained-latent")), ax=axes())
    assert {tick.get_text() for tick in ax.get_yticklabels()} == {"x ✓", "y ✓", "free ○"}
    ax = plot_entanglement(predict_entanglement(load("identical-twins")), ax=axes())
    assert {tick.get_text() for tick in ax.get_yticklabels()} == {"left", "right", "other ✓"}


# Blocks ---------------------------------------------------------------------------------------------


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_the_blocks_show_every_latent_and_the_reduced_order(graph: CausalGraph) -> None:
    entanglement = predict_entanglement(graph)
    ax = plot_blocks(entanglement, ax=axes())
    assert len(drawn_boxes(ax)) == entanglement.n_blocks
    assert len(arrows(ax)) == entanglement.order(reduced=True).number_of_edges()
    shown = [name for text in words(ax) for name in text.split("\n")]
    for block in entanglement.blocks:
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


def test_the_text_of_a_hub_replaces_its_arrows() -> None:
    rows = [[1] + [0] * 20] + [[1] + [int(i == j) for j in range(20)] for i in range(20)]
    ax = plot_blocks(predict_entanglement(CausalGraph(Ga=rows)), ax=axes())
    assert "z0\n→ 20 others" in words(ax)
    assert arrows(ax) == []


def test_very_many_blocks_become_a_bar_chart() -> None:
    ax = plot_blocks(predict_entanglement(random_graph(2_000, 0, 1.0)), ax=axes())
    entanglement = predict_entanglement(random_graph(2_000, 0, 1.0))
    assert ax.get_xlabel() == f"latents (2,000 in {entanglement.n_blocks:,} blocks)"
    assert sum(bar.get_width() for bar in ax.patches) == 2_000  # type: ignore[attr-defined]
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels[0] == "disentangled"
    assert ax.patches[0].get_width() == entanglement.disentangled.sum()  # type: ignore[attr-defined]


# Files, and no side effects -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")]
)
def test_figures_are_saved_atomically_and_reproducibly(suffix: str, start: bytes, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_figure(plot_verdict(check(load("identical-twins"))), tmp_path / f"{name}.{suffix}")
    one, two = (tmp_path.joinpath(f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one.startswith(start)
    assert len(list(tmp_path.iterdir())) == 2


def test_errors_of_saving(tmp_path: Path) -> None:
    figure = plot_verdict(check(load("identical-twins")))
    with pytest.raises(RequestError, match=r"f.bmp: the suffix of a figure must be one of .png, .svg, .pdf"):
        save_figure(figure, tmp_path / "f.bmp")
    with pytest.raises(FileAccessError, match=r"nowhere/f.png: no such file or folder"):
        save_figure(figure, tmp_path / "nowhere" / "f.png")


def test_svg_for_a_page_is_one_element_with_unique_identifiers() -> None:
    one, two = (figure_svg(plot_verdict(check(load("TimeDiag"))), salt) for salt in ("a", "b"))
    assert one.startswith("<svg")
    assert one.rstrip().endswith("</svg>")
    assert one != two


def test_drawing_changes_no_global_state() -> None:
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
# reading the backend from all settings imports pyplot, so this comes last
same = [before[key] == matplotlib.rcParams[key] for key in before if key != 'backend']
assert all(same) and len(same) > 100
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_axes_a_pyplot_figure_is_created() -> None:
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
