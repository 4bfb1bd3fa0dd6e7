"""Figures show which columns are dense by the settings, and draw no edges there."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from estimation.config.sparse_columns import SparseColumns
from estimation.history import History, Record
from estimation.plot import plot_edge_probabilities, plot_graphs
from estimation.plot.marks import DENSE_COLOUR
from identify.graph import CausalGraph
from tests.estimation.drawn import colours, crosses, is_colour, pair, rings, texts

TRUE = CausalGraph(Gz=[[1, 0], [0, 1]], Ga=[[1, 0], [1, 1]])
LEARNED = CausalGraph(Gz=[[1, 1], [1, 1]], Ga=[[1, 1], [1, 1]])


def test_dense_columns_are_grey_and_have_no_errors() -> None:
    columns = SparseColumns(("a1",), ("a0",), past_is_dense=True)
    left, right = plot_graphs(TRUE, LEARNED, axes=pair(), sparse_columns=columns)
    assert crosses(right) == {(0, 1)}
    assert not rings(right)
    assert right.get_title() == "learned: 0 missing, 1 extra"
    Ga, Gz = colours(right)
    assert is_colour(Ga[0, 0], DENSE_COLOUR)
    assert is_colour(Gz[0, 1], DENSE_COLOUR)
    assert len([patch for patch in right.patches if patch.get_label() == "dense"]) == 3
    # the true graph is known in every column
    assert not left.patches
    legend = right.get_legend()
    assert legend is not None
    assert "dense by the settings: not learned" in [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("columns", [None, SparseColumns(("a0", "a1"))])
def test_without_dense_columns_the_figure_is_as_before(columns: SparseColumns | None) -> None:
    _, right = plot_graphs(TRUE, LEARNED, axes=pair(), sparse_columns=columns)
    assert right.get_title() == "learned: 0 missing, 3 extra"
    assert not right.patches


def test_only_edges_of_sparse_columns_have_a_probability() -> None:
    probabilities = {"actions": [[1.0, 0.0], [1.0, 1.0]], "past": [[1.0, 1.0], [1.0, 1.0]]}
    record = Record(10, "frozen", 1.0, 0.5, 0.5, {"actions": 1.0, "past": 0.0}, {}, probabilities, 0.1)
    sparse = SparseColumns(("a1",), ("a0",), past_is_dense=True).masks(("a0", "a1"))
    ax = plot_edge_probabilities(History([record]), ax=Figure().subplots(), sparse=sparse)
    labels = [text for text in texts(ax) if "$G^" in text]
    assert labels == ["$G^a$: actions\n1 in the final graph", "$G^a$: actions\n1 removed"]
    assert sum(np.size(mesh.get_array()) for mesh in ax.collections if mesh.get_array() is not None) == 2
