"""What the figures show: every agreement and error, readable without colour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from estimation.comparison import EXTRA, MISSING, Comparison, compare
from estimation.exceptions import DataError
from estimation.history import History, Record
from estimation.learned import LearnedEntanglement
from estimation.plot import (
    plot_comparison,
    plot_edge_probabilities,
    plot_graphs,
    plot_latents,
    plot_training,
)
from estimation.plot.latents import MOST_PANELS
from estimation.plot.marks import EXTRA_COLOUR
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from identify.plot.matrices import block_order
from identify.plot.style import ACTION, INK, ITSELF, ONE_WAY, PAST, TWINS
from tests.builders import graphs

Array = NDArray[np.float64]


def pair(width: float = 10, height: float = 5) -> list[Axes]:
    return list(Figure(figsize=(width, height), layout="constrained").subplots(1, 2))


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.findobj(Text) if text.get_visible() and text.get_text()]


def marked(ax: Axes, kind: str) -> set[tuple[int, int]]:
    """(row, column) of the middles of the marks of a kind."""
    found = set()
    for collection in ax.collections:
        if collection.get_label() == kind:
            for path in collection.get_paths():
                x, y = (path.vertices.min(axis=0) + path.vertices.max(axis=0)) / 2  # type: ignore[union-attr]
                found.add((round(y), round(x)))
    return found


def rings(ax: Axes) -> set[tuple[int, int]]:
    return marked(ax, "missing")


def crosses(ax: Axes) -> set[tuple[int, int]]:
    return marked(ax, "extra")


def colours(ax: Axes) -> list[Array]:
    return [np.asarray(image.get_array()) for image in ax.images]


def is_colour(cell: Array, colour: str) -> bool:
    return bool(np.allclose(cell[:3], to_rgb(colour)))


def lightness(colour: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return float(116 * np.cbrt(0.2126 * red + 0.7152 * green + 0.0722 * blue) - 16)


# Comparison -----------------------------------------------------------------------------------------


def comparison_of(graph: CausalGraph, seed: int, surplus: int = 0) -> Comparison:
    rng = np.random.default_rng(seed)
    n = graph.n_latents
    strengths = np.where(rng.random((n, n + surplus)) < 0.4, 0.4, 0.0)
    strengths[np.diag_indices(n)] = 1.0
    learned = LearnedEntanglement(
        strengths, 0.1, "jacobian", graph.latents, tuple(f"v{k}" for k in range(n + surplus))
    )
    return compare(predict_entanglement(graph), learned)


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
    rng = np.random.default_rng(seed)
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


# Training -------------------------------------------------------------------------------------------


def history_of(masks: tuple[str, ...] = ("actions",), edges: int = 4) -> History:
    """Two looks at each stage; at the end the first half of the edges is there."""
    records = []
    for k, stage in enumerate(["dense", "dense", "sparse", "sparse", "frozen", "frozen"]):
        share = [1.0, 1.0, 0.8, 0.6, 0.0, 0.0][k]
        probabilities = [1.0] * (edges // 2) + [share] * (edges - edges // 2)
        records.append(
            Record(
                step=(k + 1) * 100,
                stage=stage,
                loss=5.0 - k,
                reconstruction=4.0 - k,
                divergence=0.5,
                edges={name: sum(probabilities) for name in masks},
                budget={} if stage == "dense" else dict.fromkeys(masks, edges / 2),
                probabilities={name: [probabilities] for name in masks},
                seconds=float(k),
            )
        )
    return History(records)


def curve(ax: Axes, name: str) -> Array:
    return np.asarray(next(line.get_ydata() for line in ax.lines if line.get_label() == name))


def test_the_terms_of_the_loss_and_the_edges_are_drawn() -> None:
    history = history_of()
    loss, edges = plot_training(history, axes=pair())
    assert curve(loss, "negative ELBO").tolist() == [record.negative_elbo for record in history.records]
    assert curve(loss, "reconstruction").tolist() == [record.reconstruction for record in history.records]
    assert curve(loss, "divergence").tolist() == [0.5] * 6
    assert curve(edges, "$G^a$: actions").tolist() == [record.edges["actions"] for record in history.records]
    assert curve(edges, "budget")[2:].tolist() == [2.0] * 4
    assert np.isnan(curve(edges, "budget")[:2]).all()
    styles = {line.get_linestyle() for line in loss.lines if not str(line.get_label()).startswith("_")}
    assert len(styles) == 3


def test_stages_are_named_where_they_begin() -> None:
    for ax in (
        *plot_training(history_of(), axes=pair()),
        plot_edge_probabilities(history_of(), ax=pair()[0]),
    ):
        assert {"dense", "sparse", "frozen"} <= set(words(ax))
        bounds = [line.get_xdata() for line in ax.lines if line.get_color() == ITSELF]
        assert [x[0] for x in bounds if len(x) == 2] == [200, 400]  # type: ignore[arg-type, index]


def test_one_record_is_enough() -> None:
    history = History(history_of().records[:1])
    loss, _ = plot_training(history, axes=pair())
    assert "dense" in words(loss)
    plot_edge_probabilities(history, ax=pair()[0])


def test_every_edge_has_a_row() -> None:
    ax = plot_edge_probabilities(history_of(("actions", "past"), edges=6), ax=pair()[0])
    rows = [np.asarray(mesh.get_array()) for mesh in ax.collections]
    assert [row.shape for row in rows] == [(3, 6)] * 4
    assert all((row == 1).all() for row in rows[::2])
    assert all((row == [1, 1, 0.8, 0.6, 0, 0]).all() for row in rows[1::2])
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        "$G^a$: actions\n3 there at the end",
        "$G^a$: actions\n3 gone",
        "$G^z$: past latents\n3 there at the end",
        "$G^z$: past latents\n3 gone",
    ]


def test_a_probable_edge_is_dark_and_an_improbable_one_white() -> None:
    mesh = plot_edge_probabilities(history_of(("past",)), ax=pair()[0]).collections[1]
    shades = mesh.to_rgba(np.array([0.0, 1.0]))  # type: ignore[attr-defined]
    assert is_colour(shades[0], "#FFFFFF")
    assert is_colour(shades[1], PAST)


def test_edges_decided_early_come_before_those_decided_late() -> None:
    history = history_of(edges=2)
    probabilities = [[1, 1, 1], [1, 0.9, 0.2], [1, 0.8, 0], [1, 0.1, 0], [1, 0, 0], [1, 0, 0]]
    for record, row in zip(history.records, probabilities, strict=True):
        record.probabilities["actions"] = [[row[2], row[0], row[1]]]
    gone = np.asarray(plot_edge_probabilities(history, ax=pair()[0]).collections[1].get_array())
    assert gone.tolist() == [[row[1] for row in probabilities], [row[2] for row in probabilities]]


def test_without_history_there_is_nothing_to_draw() -> None:
    for draw in (plot_training, plot_edge_probabilities):
        with pytest.raises(
            DataError, match=r"the history has no record; train longer than config.validate_every"
        ):
            draw(History())
    with pytest.raises(DataError, match="1 axes are given; the loss and the edges need two"):
        plot_training(history_of(), axes=pair()[:1])


# Latents --------------------------------------------------------------------------------------------


def grid(count: int) -> list[Axes]:
    return list(Figure(figsize=(8, 3)).subplots(1, count, squeeze=False).ravel())


def test_each_latent_is_drawn_against_its_match() -> None:
    z = np.random.default_rng(0).normal(size=(200, 3))
    z_hat = -2 * z[:, [2, 0, 1]]
    axes = plot_latents(z, z_hat, [1, 2, 0], axes=grid(3), names=["x", "y", "w"])
    for i, ax in enumerate(axes):
        points = np.asarray(ax.collections[0].get_offsets())
        assert points[:, 1] == pytest.approx(-2 * points[:, 0])
        assert ax.get_title() == f"{'xyw'[i]}  1.000"


def test_steps_are_flattened_and_points_thinned() -> None:
    z = np.random.default_rng(0).normal(size=(3_000, 2, 1))
    axes = plot_latents(z, z, [0], axes=grid(1))
    points = np.asarray(axes[0].collections[0].get_offsets())
    assert len(points) == 1_500
    assert set(points[:, 0]) <= set(z.ravel())


def test_a_latent_without_a_match_says_so() -> None:
    z = np.random.default_rng(0).normal(size=(20, 2))
    axes = plot_latents(z, z[:, :1], [0, -1], axes=grid(2))
    assert not axes[1].collections
    assert "no match" in words(axes[1])
    assert axes[1].get_title() == "z1  0.000"


def test_a_new_grid_shows_those_that_match_worst() -> None:
    from matplotlib import pyplot as plt

    n = MOST_PANELS + 2
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, n))
    z_hat = z + rng.normal(size=z.shape)
    z_hat[:, [3, 5]] = z[:, [3, 5]]
    axes = plot_latents(z, z_hat, np.arange(n))
    titles = [ax.get_title().split()[0] for ax in axes]
    assert titles == [f"z{i}" for i in range(n) if i not in (3, 5)]
    plt.close(axes[0].get_figure(root=True))


@pytest.mark.parametrize(
    ("z", "z_hat", "permutation", "count", "message"),
    [
        (
            np.zeros((4, 2)),
            np.zeros((3, 2)),
            [0, 1],
            2,
            "z has 4 points, z_hat has 3; they must be the same points",
        ),
        (np.zeros(4), np.zeros((4, 2)), [0, 1], 2, r"z has shape \(4,\); it needs \(N, n\) or \(N, T, n\)"),
        (np.zeros((4, 2)), np.zeros((4, 2)), [0], 2, r"2 true latents, but a permutation of shape \(1,\)"),
        (
            np.zeros((4, 2)),
            np.zeros((4, 2)),
            [0, 2],
            2,
            "the permutation reaches 2; there are 2 learned latents",
        ),
        (
            np.zeros((4, 2)),
            np.zeros((4, 2)),
            [0, 1],
            1,
            "1 axes are given for 2 latents; give one per latent",
        ),
    ],
)
def test_shapes_that_don_t_fit(
    z: Array, z_hat: Array, permutation: list[int], count: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        plot_latents(z, z_hat, permutation, axes=grid(count))


def test_axes_and_graphs_that_don_t_fit() -> None:
    with pytest.raises(DataError, match="1 axes are given; two matrices need two"):
        plot_comparison(comparison_of(CausalGraph(Ga=[[1]]), 0), axes=pair()[:1])
    with pytest.raises(
        DataError, match="2 latents and 1 actions, the learned one 1 and 1; bring the learned one"
    ):
        plot_graphs(CausalGraph(Ga=[[1], [1]]), CausalGraph(Ga=[[1]]))
