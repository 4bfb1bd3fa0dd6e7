"""`plot_graphs`: the true and the learned graph, with missing and extra edges marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from estimation.config.sparse_columns import SparseColumns
from estimation.exceptions import DataError
from estimation.plot.marks import (
    DENSE_COLOUR,
    EXTRA_COLOUR,
    Entries,
    add_legend,
    dense_entry,
    draw_headings,
    extra_entry,
    mark_dense,
    mark_extra,
    mark_missing,
    missing_entry,
    patch,
    two_axes,
)
from identify.graph import CausalGraph
from identify.plot.cells import draw_cells, frame, label, shape_cells
from identify.plot.paper import draws
from identify.plot.style import ACTION, INK, PAST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_graphs"]

_TITLE_SIZE = 10.0
# number of empty columns between G^a and G^z
_GAP = 1
# a cell of a dense column, after those of common, missing and extra edges
_DENSE = 4


@draws
def plot_graphs(
    true_graph: CausalGraph,
    learned_graph: CausalGraph,
    axes: Sequence[Axes] | None = None,
    legend: bool = True,
    sparse_columns: SparseColumns | None = None,
) -> tuple[Axes, Axes]:
    """Draw the true and the learned graph side by side, as matrices whose rows are children.

    In the learned graph, a ring marks a missing edge and a cross on yellow marks an extra edge.

    Args:
        true_graph: The true graph, with n latents.
        learned_graph: The learned graph, such as `Evaluation.learned_graph`, with its latents in the true order.
            Unmatched learned latents may follow.
        axes: Two axes, for the true and the learned graph; None to create a figure.
        legend: Whether to explain the marks in a legend to the right of the learned graph.
        sparse_columns: The columns that were learned, `TrainedModel.sparse_columns`. The others are hatched in the
            learned graph, and have neither missing nor extra edges. None: all columns were learned.

    Returns:
        The two axes.

    Raises:
        DataError: If the graphs have different numbers of actions, the learned graph has fewer latents, or there are
            not two axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> true, learned = CausalGraph(Ga=[[1, 0], [1, 1]]), CausalGraph(Ga=[[1, 1], [0, 1]])
        >>> _, ax = plot_graphs(true, learned, axes=Figure().subplots(1, 2))
        >>> ax.get_title()
        'learned: 1 missing, 1 extra'
    """
    matrices = _nonempty_matrices(true_graph, learned_graph, sparse_columns or SparseColumns())
    columns = _columns(matrices)
    left, right = two_axes(axes, learned_graph.latents, columns, columns, legend)
    n_missing = sum(int(matrix.missing.sum()) for matrix in matrices)
    n_extra = sum(int(matrix.extra.sum()) for matrix in matrices)
    padding = [""] * (learned_graph.n_latents - true_graph.n_latents)
    _draw(left, matrices, [*true_graph.latents, *padding], mark_errors=False)
    left.set_title("true", fontsize=_TITLE_SIZE, color=INK, pad=8)
    _draw(right, matrices, learned_graph.latents, mark_errors=True)
    right.set_title(f"learned: {n_missing} missing, {n_extra} extra", fontsize=_TITLE_SIZE, color=INK, pad=8)
    if legend:
        add_legend(right, _legend_entries(matrices, n_missing, n_extra))
    return left, right


@dataclass(frozen=True)
class _MatrixPair:
    """G^a or G^z of both graphs, with the same rows and columns."""

    true: NDArray[np.bool_]
    learned: NDArray[np.bool_]
    parents: tuple[str, ...]
    colour: str
    heading: str
    origin: str
    # whether a column is dense, so that it was not learned
    dense: NDArray[np.bool_]

    @property
    def common(self) -> NDArray[np.bool_]:
        return self.true & self.learned & ~self.dense

    @property
    def missing(self) -> NDArray[np.bool_]:
        return self.true & ~self.learned & ~self.dense

    @property
    def extra(self) -> NDArray[np.bool_]:
        return self.learned & ~self.true & ~self.dense


def _nonempty_matrices(true: CausalGraph, learned: CausalGraph, columns: SparseColumns) -> list[_MatrixPair]:
    """Return the matrices with an edge in one of the graphs; without any edge, one matrix."""
    if true.n_actions != learned.n_actions or true.n_latents > learned.n_latents:
        raise DataError(
            f"the true graph has {true.n_latents} latents and {true.n_actions} actions, the learned graph has "
            f"{learned.n_latents} and {learned.n_actions}; reorder the learned graph to match the true one first"
        )
    padding = learned.n_latents - true.n_latents
    true_Ga = np.pad(true.Ga.toarray(), ((0, padding), (0, 0)))
    true_Gz = np.pad(true.Gz.toarray(), (0, padding))
    pairs = [
        _MatrixPair(
            true_Ga,
            learned.Ga.toarray(),
            true.actions,
            ACTION,
            "$G^a$: actions",
            "from actions",
            np.isin(learned.actions, columns.dense_actions),
        ),
        _MatrixPair(
            true_Gz,
            learned.Gz.toarray(),
            learned.latents,
            PAST,
            "$G^z$: past latents",
            "from the past",
            np.full(learned.n_latents, columns.past_is_dense),
        ),
    ]
    nonempty = [pair for pair in pairs if pair.true.any() or pair.learned.any()]
    return nonempty or [pairs[0] if true.n_actions else pairs[1]]


def _columns(matrices: Sequence[_MatrixPair]) -> list[str]:
    """Return the names of all columns, with empty names between two matrices."""
    names: list[str] = []
    for matrix in matrices:
        names += [*([""] * _GAP if names else []), *matrix.parents]
    return names


def _draw(ax: Axes, matrices: Sequence[_MatrixPair], rows: Sequence[str], mark_errors: bool) -> None:
    """Draw the true matrices, or the learned ones with their errors marked."""
    shape_cells(ax, len(rows), len(_columns(matrices)))
    start = 0
    ticks: list[float] = []
    headings: list[tuple[float, str]] = []
    for matrix in matrices:
        kinds = matrix.true.astype(int)
        if mark_errors:
            kinds = matrix.common + 2 * matrix.missing + 3 * matrix.extra
            kinds[:, matrix.dense] = _DENSE
        draw_cells(ax, kinds, start, [matrix.colour, "white", EXTRA_COLOUR, DENSE_COLOUR])
        if mark_errors:
            mark_dense(ax, matrix.dense, len(rows), start)
            mark_missing(ax, matrix.missing, start)
            mark_extra(ax, matrix.extra, start)
        headings.append((start + (len(matrix.parents) - 1) / 2, matrix.heading))
        ticks += [float(start + j) for j in range(len(matrix.parents))]
        start += len(matrix.parents) + _GAP
    draw_headings(ax, headings)
    frame(ax)
    label(ax, "x", ticks, [name for matrix in matrices for name in matrix.parents], "parents")
    label(ax, "y", range(len(rows)), rows, "children (latents, time t)")


def _legend_entries(matrices: Sequence[_MatrixPair], n_missing: int, n_extra: int) -> Entries:
    entries: Entries = []
    for matrix in matrices:
        origin = f", {matrix.origin}" if len(matrices) > 1 else ""
        entries.append((patch(matrix.colour), f"true and learned{origin}"))
    if any(matrix.dense.any() for matrix in matrices):
        entries.append(dense_entry("dense by the settings: not learned"))
    if n_missing:
        entries.append(missing_entry("missing: true, not learned"))
    if n_extra:
        entries.append(extra_entry("extra: learned, not true"))
    return entries
