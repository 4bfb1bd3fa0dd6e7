"""The figure of the confidence in edges: cells are filled as far as the edge is certain, in every style."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure

from estimation.exceptions import DataError
from estimation.plot import plot_edge_confidence
from estimation.plot.marks import DENSE_COLOUR
from identify.graph import CausalGraph
from identify.plot.style import ACTION, PAST
from tests.estimation.drawn import Array, colours, is_colour, lightness, texts

GRAPH = CausalGraph(Ga=[[1, 0, 1], [0, 1, 0]], Gz=[[1, 0], [1, 1]], latents=["v0", "v1"])
CONFIDENCE: dict[str, Array] = {
    "actions": np.array([[0.9, 0.02, np.nan], [0.3, 0.6, np.nan]]),
    "past": np.array([[1.0, 0.2], [0.75, 0.99]]),
}


def boxes(ax: plt.Axes, kind: str) -> dict[tuple[int, int], tuple[float, float]]:
    """Return top and bottom of the marks of a kind within their cells, from 0 to 1, by (row, column)."""
    found = {}
    for collection in ax.collections:
        if isinstance(collection, PatchCollection) and collection.get_label() == kind:
            for path in collection.get_paths():
                (left, top), (_, bottom) = path.vertices.min(0), path.vertices.max(0)  # type: ignore[union-attr]
                row = int(np.floor((top + bottom) / 2 + 0.5))
                found[row, round(left + 0.5)] = (top - row + 0.5, bottom - row + 0.5)
    return found


def test_cells_are_filled_up_to_their_confidence() -> None:
    ax = plot_edge_confidence(GRAPH, CONFIDENCE, ax=Figure((10, 4)).subplots())
    doubt = boxes(ax, "doubt")
    for (row, column), value in {(0, 0): 0.9, (1, 1): 0.6, (1, 4): 0.75}.items():
        assert doubt[row, column] == pytest.approx((0, 1 - value))
    actions, past = colours(ax)
    assert is_colour(actions[0, 0], ACTION)
    assert is_colour(actions[0, 1], "#FFFFFF")
    assert is_colour(past[1, 0], PAST)


def test_possible_edges_are_hatched_up_to_their_confidence() -> None:
    ax = plot_edge_confidence(GRAPH, CONFIDENCE, ax=Figure((10, 4)).subplots())
    possible = boxes(ax, "possible")
    assert set(possible) == {(1, 0), (0, 5)}
    assert possible[1, 0] == pytest.approx((0.7, 1))
    assert possible[0, 5] == pytest.approx((0.8, 1))


def test_pairs_that_were_not_measured_are_grey() -> None:
    ax = plot_edge_confidence(GRAPH, CONFIDENCE, ax=Figure((10, 4)).subplots())
    assert all(is_colour(colours(ax)[0][i, 2], DENSE_COLOUR) for i in (0, 1))
    assert "not measured" in texts(ax)
    without = {"past": CONFIDENCE["past"]}
    assert "not measured" not in texts(plot_edge_confidence(GRAPH, without, ax=Figure().subplots()))


def test_kinds_of_cells_differ_in_lightness() -> None:
    values = sorted(lightness(colour) for colour in (ACTION, PAST, DENSE_COLOUR, "#FFFFFF"))
    assert min(np.diff(values)) > 7


def test_the_figure_is_the_same_in_dark_styles() -> None:
    light = colours(plot_edge_confidence(GRAPH, CONFIDENCE, ax=Figure((10, 4)).subplots()))
    with plt.style.context("dark_background"):
        ax = plot_edge_confidence(GRAPH, CONFIDENCE, ax=Figure((10, 4)).subplots())
        (covers,) = [each for each in ax.collections if each.get_label() == "doubt"][:1]
        assert covers.get_facecolor()[0][:3].min() > 0.99  # type: ignore[index]
    assert all(np.array_equal(a, b) for a, b in zip(light, colours(ax), strict=True))


def test_a_new_figure_has_a_legend_and_names() -> None:
    ax = plot_edge_confidence(GRAPH, CONFIDENCE)
    shown = texts(ax)
    assert {"a0", "v1", "parents", "not measured"} <= set(shown)
    assert any(text.startswith("edge from actions, filled") for text in shown)
    plt.close(ax.figure)  # type: ignore[arg-type]
    assert plot_edge_confidence(GRAPH, CONFIDENCE, ax=Figure().subplots(), legend=False).get_legend() is None


def test_other_shapes_are_refused() -> None:
    message = r"the confidence of actions has shape \(2, 2\); the graph has shape \(2, 3\)"
    with pytest.raises(DataError, match=message):
        plot_edge_confidence(GRAPH, {"actions": np.zeros((2, 2))})
    with pytest.raises(DataError, match=r"of effects has shape .*; the graph has the kinds actions and past"):
        plot_edge_confidence(GRAPH, {"effects": np.zeros((2, 2))})
    with pytest.raises(
        DataError, match="there is no confidence in edges; give that of a run that was examined"
    ):
        plot_edge_confidence(GRAPH, {})
