"""Figures of training and of matched latents, and their errors."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from estimation.exceptions import DataError
from estimation.history import History, Record
from estimation.plot import (
    plot_comparison,
    plot_edge_probabilities,
    plot_graphs,
    plot_latents,
    plot_training,
)
from estimation.plot.latents import MAX_PANELS
from identify.graph import CausalGraph
from identify.plot.style import ITSELF, PAST
from tests.estimation.drawn import (
    Array,
    comparison_of,
    is_colour,
    pair,
    texts,
)
from tests.seeds import training_seed

# training -------------------------------------------------------------------------------------------


def history_of(masks: tuple[str, ...] = ("actions",), edges: int = 4) -> History:
    """Two records of each stage; the final graph has the first half of the edges."""
    records = []
    for k, stage in enumerate(["dense", "dense", "sparse", "sparse", "frozen", "frozen"]):
        probability = [1.0, 1.0, 0.8, 0.6, 0.0, 0.0][k]
        probabilities = [1.0] * (edges // 2) + [probability] * (edges - edges // 2)
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


def test_the_stages_are_marked_and_named() -> None:
    for ax in (
        *plot_training(history_of(), axes=pair()),
        plot_edge_probabilities(history_of(), ax=pair()[0]),
    ):
        assert {"dense", "sparse", "frozen"} <= set(texts(ax))
        bounds = [line.get_xdata() for line in ax.lines if line.get_color() == ITSELF]
        assert [x[0] for x in bounds if len(x) == 2] == [200, 400]  # type: ignore[arg-type, index]


def test_one_record_is_enough() -> None:
    history = History(history_of().records[:1])
    loss, _ = plot_training(history, axes=pair())
    assert "dense" in texts(loss)
    plot_edge_probabilities(history, ax=pair()[0])


def test_every_edge_has_a_row() -> None:
    ax = plot_edge_probabilities(history_of(("actions", "past"), edges=6), ax=pair()[0])
    rows = [np.asarray(mesh.get_array()) for mesh in ax.collections]
    assert [row.shape for row in rows] == [(3, 6)] * 4
    assert all((row == 1).all() for row in rows[::2])
    assert all((row == [1, 1, 0.8, 0.6, 0, 0]).all() for row in rows[1::2])
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        "$G^a$: actions\n3 in the final graph",
        "$G^a$: actions\n3 removed",
        "$G^z$: past latents\n3 in the final graph",
        "$G^z$: past latents\n3 removed",
    ]


def test_a_probable_edge_is_dark_and_an_improbable_one_white() -> None:
    mesh = plot_edge_probabilities(history_of(("past",)), ax=pair()[0]).collections[1]
    shades = mesh.to_rgba(np.array([0.0, 1.0]))  # type: ignore[attr-defined]
    assert is_colour(shades[0], "#FFFFFF")
    assert is_colour(shades[1], PAST)


def test_removed_edges_are_sorted_by_their_mean_probability() -> None:
    history = history_of(edges=2)
    probabilities = [[1, 1, 1], [1, 0.9, 0.2], [1, 0.8, 0], [1, 0.1, 0], [1, 0, 0], [1, 0, 0]]
    for record, row in zip(history.records, probabilities, strict=True):
        record.probabilities["actions"] = [[row[2], row[0], row[1]]]
    removed = np.asarray(plot_edge_probabilities(history, ax=pair()[0]).collections[1].get_array())
    assert removed.tolist() == [[row[1] for row in probabilities], [row[2] for row in probabilities]]


def test_an_empty_history_and_a_wrong_number_of_axes() -> None:
    for draw in (plot_training, plot_edge_probabilities):
        with pytest.raises(
            DataError, match=r"the history has no records; train for more than config.validate_every"
        ):
            draw(History())
    with pytest.raises(DataError, match="got 1 axes; the loss and the edges need two"):
        plot_training(history_of(), axes=pair()[:1])


# latents --------------------------------------------------------------------------------------------


def grid(count: int) -> list[Axes]:
    return list(Figure(figsize=(8, 3)).subplots(1, count, squeeze=False).ravel())


def test_each_latent_is_drawn_against_its_match() -> None:
    z = np.random.default_rng(training_seed()).normal(size=(200, 3))
    z_hat = -2 * z[:, [2, 0, 1]]
    axes = plot_latents(z, z_hat, [1, 2, 0], axes=grid(3), names=["x", "y", "w"])
    for i, ax in enumerate(axes):
        points = np.asarray(ax.collections[0].get_offsets())
        assert points[:, 1] == pytest.approx(-2 * points[:, 0])
        assert ax.get_title() == f"{'xyw'[i]}  1.000"


def test_steps_are_flattened_and_points_are_subsampled() -> None:
    z = np.random.default_rng(training_seed()).normal(size=(3_000, 2, 1))
    axes = plot_latents(z, z, [0], axes=grid(1))
    points = np.asarray(axes[0].collections[0].get_offsets())
    assert len(points) == 1_500
    assert set(points[:, 0]) <= set(z.ravel())


def test_a_latent_without_a_match() -> None:
    z = np.random.default_rng(training_seed()).normal(size=(20, 2))
    axes = plot_latents(z, z[:, :1], [0, -1], axes=grid(2))
    assert not axes[1].collections
    assert "no match" in texts(axes[1])
    assert axes[1].get_title() == "z1  0.000"


def test_a_new_grid_shows_the_latents_with_the_lowest_correlations() -> None:
    from matplotlib import pyplot as plt

    n = MAX_PANELS + 2
    rng = np.random.default_rng(training_seed())
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
        (np.zeros(4), np.zeros((4, 2)), [0, 1], 2, r"z has shape \(4,\); it must be \(N, n\) or \(N, T, n\)"),
        (
            np.zeros((4, 2)),
            np.zeros((4, 2)),
            [0],
            2,
            r"2 true latents, but the permutation has shape \(1,\)",
        ),
        (
            np.zeros((4, 2)),
            np.zeros((4, 2)),
            [0, 2],
            2,
            "the permutation has entries from 0 to 2; they must be from -1 to 1, for 2 learned latents",
        ),
        (
            np.zeros((4, 2)),
            np.zeros((4, 2)),
            [0, 1],
            1,
            "got 1 axes for 2 latents; give one per latent",
        ),
    ],
)
def test_shapes_that_do_not_match(
    z: Array, z_hat: Array, permutation: list[int], count: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        plot_latents(z, z_hat, permutation, axes=grid(count))


def test_a_wrong_number_of_axes_and_graphs_of_different_size() -> None:
    with pytest.raises(DataError, match="got 1 axes; two matrices need two"):
        plot_comparison(comparison_of(CausalGraph(Ga=[[1]]), 0), axes=pair()[:1])
    with pytest.raises(
        DataError, match="2 latents and 1 actions, the learned graph has 1 and 1; reorder the learned graph"
    ):
        plot_graphs(CausalGraph(Ga=[[1], [1]]), CausalGraph(Ga=[[1]]))
