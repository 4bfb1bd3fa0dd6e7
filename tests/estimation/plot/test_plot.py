"""Figures of predicted and learned entanglement, and of the true and the learned graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.evaluation.comparison import EXTRA, MISSING, compare
from estimation.learned import LearnedEntanglement
from estimation.plot import (
    plot_comparison,
    plot_graphs,
)
from estimation.plot.marks import EXTRA_COLOUR
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from identify.plot.matrices import block_order
from identify.plot.style import ACTION, INK, ITSELF, ONE_WAY, PAST, TWINS
from tests.builders import graphs
from tests.estimation.drawn import (
    colours,
    comparison_of,
    crosses,
    is_colour,
    lightness,
    marked,
    pair,
    rings,
    texts,
)
from tests.seeds import training_seed

# comparison -----------------------------------------------------------------------------------------


@given(graphs(), st.integers(0, 1_000), st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_every_disagreement_is_marked(graph: CausalGraph, seed: int, n_unmatched: int) -> None:
    comparison = comparison_of(graph, seed, n_unmatched)
    axes = pair()
    left, right = plot_comparison(comparison, axes=axes)
    assert [left, right] == axes
    blocks = block_order(comparison.predicted)
    order = [i for b in blocks for i in comparison.predicted.blocks[b]]
    agreement = comparison.agreement[np.ix_(order, order)]
    assert rings(right) == set(map(tuple, np.argwhere(agreement == MISSING).tolist()))
    matched_crosses = {(i, j) for i, j in crosses(right) if j < len(order)}
    assert matched_crosses == set(map(tuple, np.argwhere(agreement == EXTRA).tolist()))
    assert len(crosses(right)) == comparison.count(EXTRA)
    matrix = colours(right)[0]
    for i, j in np.ndindex(*agreement.shape):
        extra = agreement[i, j] == EXTRA
        assert is_colour(matrix[i, j], EXTRA_COLOUR) == extra


def test_a_stronger_dependency_has_a_larger_cross() -> None:
    graph = CausalGraph(Ga=np.eye(3))
    strengths = np.array([[1.0, 0.2, 0.9], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    learned = LearnedEntanglement(strengths, 0.1, "jacobian", graph.latents, ("v0", "v1", "v2"))
    _, right = plot_comparison(compare(predict_entanglement(graph), learned), axes=pair())
    lines = next(collection for collection in right.collections if collection.get_label() == "extra")
    widths = [np.ptp(path.vertices[:, 0]) for path in lines.get_paths()]  # type: ignore[index]
    assert widths == pytest.approx([0.32, 0.32, 0.74, 0.74])


def test_matrices_that_agree_look_alike() -> None:
    graph = CausalGraph(Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]])
    predicted = predict_entanglement(graph)
    strengths = predicted.matrix.toarray() * 0.5 + np.eye(4)
    names = ("v0", "v1", "v2", "v3")
    comparison = compare(predicted, LearnedEntanglement(strengths, 0.1, "jacobian", graph.latents, names))
    left, right = plot_comparison(comparison, axes=pair())
    assert (colours(left)[0] == colours(right)[0]).all()
    assert not rings(right) | crosses(right)
    legend = right.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "the matched learned latent",
        "predicted and learned, within a block",
        "predicted and learned, one way",
        "left: disentangled; right: confirmed",
    ]
    assert marked(left, "one way") == set()
    assert marked(right, "one way") == {(2, 3)}


def test_row_labels_show_whether_their_block_is_confirmed() -> None:
    graph = CausalGraph(Ga=np.eye(3), latents=["raf", "mek", "erk"])
    strengths = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.3], [0.0, 0.0, 1.0]])
    comparison = compare(
        predict_entanglement(graph),
        LearnedEntanglement(strengths, 0.25, "jacobian", graph.latents, ("v0", "v1", "v2")),
    )
    left, right = plot_comparison(comparison, axes=pair())
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["raf ✓", "mek ✗", "erk ✓"]
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["v1", "v0", "v2"]
    assert (left.get_title(), right.get_title()) == ("predicted", "learned (threshold 0.25)")


def test_unmatched_latents_have_a_dash_or_a_separate_column() -> None:
    graph = CausalGraph(Ga=np.eye(2))
    one_latent = LearnedEntanglement(np.array([[0.0], [1.0]]), 0.1, "jacobian", graph.latents, ("v0",))
    _, right = plot_comparison(compare(predict_entanglement(graph), one_latent), axes=pair())
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["–", "v0"]
    _, right = plot_comparison(comparison_of(graph, 0, n_unmatched=1), axes=pair())
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["v0", "v1", "v2"]
    assert right.get_xticks().tolist() == [0, 1, 3]


def test_the_legend_can_be_left_out() -> None:
    assert (
        plot_comparison(comparison_of(CausalGraph(Ga=[[1]]), 0), axes=pair(), legend=False)[1].get_legend()
        is None
    )


def test_colours_of_one_figure_differ_in_lightness() -> None:
    shades = sorted(lightness(colour) for colour in (TWINS, ITSELF, ONE_WAY, "#FFFFFF"))
    assert min(np.diff(shades)) > 12
    # the cross distinguishes yellow cells from other light cells
    assert lightness(EXTRA_COLOUR) - lightness(INK) > 60


def test_without_axes_a_figure_is_created() -> None:
    from matplotlib import pyplot as plt

    left, right = plot_comparison(comparison_of(CausalGraph(Ga=np.eye(2)), 0))
    assert left.figure is right.figure
    plt.close(left.get_figure(root=True))


# graphs ---------------------------------------------------------------------------------------------


@given(graphs(), st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_missing_and_extra_edges_are_marked(graph: CausalGraph, seed: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    Gz, Ga = (matrix.toarray() ^ (rng.random(matrix.shape) < 0.2) for matrix in (graph.Gz, graph.Ga))
    left, right = plot_graphs(graph, CausalGraph(Gz=Gz, Ga=Ga), axes=pair())
    assert not rings(left) | crosses(left)
    start, missing, extra = 0, set(), set()
    for true, learned in ((graph.Ga.toarray(), Ga), (graph.Gz.toarray(), Gz)):
        if not (true.any() or learned.any()):
            continue
        missing |= {(i, j + start) for i, j in np.argwhere(true & ~learned).tolist()}
        extra |= {(i, j + start) for i, j in np.argwhere(learned & ~true).tolist()}
        start += true.shape[1] + 1
    assert rings(right) == missing
    assert crosses(right) == extra
    assert right.get_title() == f"learned: {len(missing)} missing, {len(extra)} extra"


def test_true_edges_have_the_colours_of_their_kind() -> None:
    graph = CausalGraph(Gz=[[1, 0], [0, 1]], Ga=[[1], [0]])
    for ax in plot_graphs(graph, graph, axes=pair()):
        Ga, Gz = colours(ax)
        assert is_colour(Ga[0, 0], ACTION)
        assert is_colour(Gz[0, 0], PAST)
        assert is_colour(Gz[0, 1], "#FFFFFF")
        assert {"$G^a$: actions", "$G^z$: past latents"} <= set(texts(ax))
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("parents", "children (latents, time t)")


def test_a_learned_graph_may_have_more_latents() -> None:
    true = CausalGraph(Ga=[[1], [0]])
    learned = CausalGraph(Ga=[[1], [0], [1]], latents=["z0", "z1", "learned v2"])
    left, right = plot_graphs(true, learned, axes=pair())
    assert crosses(right) == {(2, 0)}
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["z0", "z1", ""]
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["z0", "z1", "learned v2"]


def test_graphs_without_any_edge_can_be_drawn() -> None:
    for graph in (CausalGraph(Ga=np.zeros((2, 3))), CausalGraph(Gz=np.zeros((2, 2)))):
        _, right = plot_graphs(graph, graph, axes=pair())
        assert right.get_title() == "learned: 0 missing, 0 extra"
