"""Figures of what was learned beside what was predicted, and of the graphs."""

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
    words,
)
from tests.seeds import training_seed

# Comparison -----------------------------------------------------------------------------------------


@given(graphs(), st.integers(0, 1_000), st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_every_disagreement_is_marked(graph: CausalGraph, seed: int, surplus: int) -> None:
    found = comparison_of(graph, seed, surplus)
    axes = pair()
    left, right = plot_comparison(found, axes=axes)
    assert [left, right] == axes
    blocks = block_order(found.predicted)
    order = [i for b in blocks for i in found.predicted.blocks[b]]
    agreement = found.agreement[np.ix_(order, order)]
    assert rings(right) == set(map(tuple, np.argwhere(agreement == MISSING).tolist()))
    inside = {(i, j) for i, j in crosses(right) if j < len(order)}
    assert inside == set(map(tuple, np.argwhere(agreement == EXTRA).tolist()))
    assert len(crosses(right)) == found.count(EXTRA)
    matrix = colours(right)[0]
    for i, j in np.ndindex(*agreement.shape):
        extra = agreement[i, j] == EXTRA
        assert is_colour(matrix[i, j], EXTRA_COLOUR) == extra


def test_a_stronger_error_has_a_larger_cross() -> None:
    graph = CausalGraph(Ga=np.eye(3))
    strengths = np.array([[1.0, 0.2, 0.9], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    learned = LearnedEntanglement(strengths, 0.1, "jacobian", graph.latents, ("v0", "v1", "v2"))
    _, right = plot_comparison(compare(predict_entanglement(graph), learned), axes=pair())
    lines = next(found for found in right.collections if found.get_label() == "extra")
    widths = [np.ptp(path.vertices[:, 0]) for path in lines.get_paths()]  # type: ignore[index]
    assert widths == pytest.approx([0.32, 0.32, 0.74, 0.74])


def test_where_they_agree_they_look_alike() -> None:
    graph = CausalGraph(Ga=[[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]])
    predicted = predict_entanglement(graph)
    strengths = predicted.matrix.toarray() * 0.5 + np.eye(4)
    names = ("v0", "v1", "v2", "v3")
    found = compare(predicted, LearnedEntanglement(strengths, 0.1, "jacobian", graph.latents, names))
    left, right = plot_comparison(found, axes=pair())
    assert (colours(left)[0] == colours(right)[0]).all()
    assert not rings(right) | crosses(right)
    legend = right.get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert said == [
        "the latent matched to it",
        "predicted and learned, within a block",
        "predicted and learned, one way",
        "left: disentangled; right: confirmed",
    ]
    assert marked(left, "one way") == set()
    assert marked(right, "one way") == {(2, 3)}


def test_rows_say_whether_their_block_is_confirmed() -> None:
    graph = CausalGraph(Ga=np.eye(3), latents=["raf", "mek", "erk"])
    strengths = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.3], [0.0, 0.0, 1.0]])
    found = compare(
        predict_entanglement(graph),
        LearnedEntanglement(strengths, 0.25, "jacobian", graph.latents, ("v0", "v1", "v2")),
    )
    left, right = plot_comparison(found, axes=pair())
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["raf ✓", "mek ✗", "erk ✓"]
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["v1", "v0", "v2"]
    assert (left.get_title(), right.get_title()) == ("predicted", "learned (threshold 0.25)")


def test_without_a_match_there_is_a_dash_or_a_column_apart() -> None:
    graph = CausalGraph(Ga=np.eye(2))
    few = LearnedEntanglement(np.array([[0.0], [1.0]]), 0.1, "jacobian", graph.latents, ("v0",))
    _, right = plot_comparison(compare(predict_entanglement(graph), few), axes=pair())
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["–", "v0"]
    _, right = plot_comparison(comparison_of(graph, 0, surplus=1), axes=pair())
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
    # yellow is told from the other light cells by its cross
    assert lightness(EXTRA_COLOUR) - lightness(INK) > 60


def test_new_axes_are_made_when_none_are_given() -> None:
    from matplotlib import pyplot as plt

    found = comparison_of(CausalGraph(Ga=np.eye(2)), 0)
    left, right = plot_comparison(found)
    assert left.figure is right.figure
    plt.close(left.get_figure(root=True))


# Graphs ---------------------------------------------------------------------------------------------


@given(graphs(), st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_missing_and_extra_edges_are_marked(graph: CausalGraph, seed: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    past, acted = (m.toarray() ^ (rng.random(m.shape) < 0.2) for m in (graph.Gz, graph.Ga))
    learned = CausalGraph(Gz=past, Ga=acted)
    left, right = plot_graphs(graph, learned, axes=pair())
    assert not rings(left) | crosses(left)
    pairs = [(graph.Ga.toarray(), acted), (graph.Gz.toarray(), past)]
    shown = [(true, found) for true, found in pairs if true.any() or found.any()]
    start, missing, extra = 0, set(), set()
    for true, found in shown:
        missing |= {(i, j + start) for i, j in np.argwhere(true & ~found).tolist()}
        extra |= {(i, j + start) for i, j in np.argwhere(found & ~true).tolist()}
        start += true.shape[1] + 1
    assert rings(right) == missing
    assert crosses(right) == extra
    assert right.get_title() == f"learned: {len(missing)} missing, {len(extra)} extra"


def test_true_edges_have_the_colours_of_their_kind() -> None:
    graph = CausalGraph(Gz=[[1, 0], [0, 1]], Ga=[[1], [0]])
    for ax in plot_graphs(graph, graph, axes=pair()):
        acted, past = colours(ax)
        assert is_colour(acted[0, 0], ACTION)
        assert is_colour(past[0, 0], PAST)
        assert is_colour(past[0, 1], "#FFFFFF")
        assert {"$G^a$: actions", "$G^z$: past latents"} <= set(words(ax))
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
