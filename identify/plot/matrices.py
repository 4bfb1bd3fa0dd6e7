"""G^a, G^z and the entanglement graph as matrices, with children in rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from identify.entanglement import Entanglement
from identify.graph import CausalGraph
from identify.guarantee import Guarantee
from identify.plot.blocks import plot_blocks, plot_blocks_instead
from identify.plot.cells import draw_cells, frame, label, shape_cells
from identify.plot.legend import matrix_legend
from identify.plot.paper import draws
from identify.plot.style import (
    ACTION,
    INK,
    ITSELF,
    LOST,
    MAX_LATENTS,
    ON_FILL,
    ONE_WAY,
    PAST,
    TWINS,
    new_axes,
    pitch,
    shorten,
    size_in_points,
    widest,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["MAX_ACTIONS", "block_order", "matrix_columns", "plot_entanglement", "plot_matrix"]

#: Largest number of columns of G^a; with more, blocks are drawn instead of matrices.
MAX_ACTIONS = 1_000

# empty columns between G^a and G^z
_GAP = 1
_HEADING_SIZE = 9.0
# more dots make a vector file large
_MAX_DOTS = 6_000
# kind of the cells that are lost; see `_kinds` for the others
_LOST = 4

_Part = tuple[Any, Sequence[str], str, str]
_Side = Literal["left", "center", "right"]


@draws
def plot_matrix(
    graph: CausalGraph, ax: Axes | None = None, which: Literal["actions", "past"] | None = None
) -> Axes:
    """Draw G^a and G^z side by side as matrices with a common row per latent.

    Args:
        graph: Causal graph; with more than 300 latents or 1,000 actions, its blocks are drawn instead.
        ax: Axes to draw on; new axes by default.
        which: Matrix to draw; by default, all matrices that have an edge.

    Returns:
        The axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = plot_matrix(CausalGraph(Ga=[[1, 0], [1, 1]]), ax=Figure().add_subplot())
        >>> ax.get_ylabel(), ax.get_xlabel()
        ('children (latents, time t)', 'parents')
    """
    if graph.n_latents > MAX_LATENTS or graph.n_actions > MAX_ACTIONS:
        return plot_blocks_instead(graph, ax)
    parts = _parts(graph, which)
    rows, columns = graph.n_latents, _columns(parts)
    ax = ax or new_axes(pitch(columns, 12.0) * columns + 1.8, pitch(rows) * rows + 1.6)
    shape_cells(ax, rows, columns)
    places = _draw_parts(ax, parts)
    frame(ax)
    label(ax, "x", places, [name for _, names, *_ in parts for name in names], "parents")
    label(ax, "y", range(rows), graph.latents, "children (latents, time t)")
    return ax


def matrix_columns(graph: CausalGraph) -> int:
    """Return the number of columns that `plot_matrix` draws, including the gap."""
    return _columns(_parts(graph, None))


def _columns(parts: Sequence[_Part]) -> int:
    return max(sum(len(names) for _, names, *_ in parts) + _GAP * (len(parts) - 1), 1)


def _parts(graph: CausalGraph, which: str | None) -> Sequence[_Part]:
    actions = (graph.Ga, graph.actions, ACTION, "$G^a$: actions")
    past = (graph.Gz, graph.latents, PAST, "$G^z$: past latents (time t−1)")
    if which is not None:
        return [actions if which == "actions" else past]
    with_edges = [part for part in (actions, past) if part[0].nnz]
    return with_edges or [actions if graph.n_actions else past]


def _draw_parts(ax: Axes, parts: Sequence[_Part]) -> list[float]:
    """Draw the matrices side by side; return the positions of all columns."""
    start = 0
    places: list[float] = []
    headings: list[tuple[str, float, _Side]] = []
    for matrix, names, colour, heading in parts:
        draw_cells(ax, matrix.toarray(), start, [colour])
        alignment: _Side = "right" if start == 0 and len(parts) > 1 else "left"
        headings.append((heading, *_heading_position(ax, heading, start, len(names), alignment)))
        places += [float(start + j) for j in range(len(names))]
        start += len(names) + _GAP
    _draw_headings(ax, headings)
    return places


def _heading_position(
    ax: Axes, heading: str, start: int, columns: int, alignment: _Side
) -> tuple[float, _Side]:
    """Return position and alignment of a heading: centred, or extending outwards if it is wider than its matrix."""
    cell_width = size_in_points(ax)[0] / float(abs(np.subtract(*ax.get_xlim())))
    if widest([heading], _HEADING_SIZE) < columns * cell_width:
        return start + (columns - 1) / 2, "center"
    return (start + columns - 0.5, "right") if alignment == "right" else (start - 0.5, "left")


def _draw_headings(ax: Axes, headings: Sequence[tuple[str, float, _Side]]) -> None:
    # headings are labels of an axis, so that a later title is placed above them
    top = ax.secondary_xaxis("top")
    top.set_ticks([x for _, x, _ in headings], [heading for heading, *_ in headings])
    top.tick_params(length=0, pad=3, labelsize=_HEADING_SIZE, labelcolor=INK)
    top.spines[:].set_visible(False)
    for text, (_, _, alignment) in zip(top.get_xticklabels(), headings, strict=True):
        text.set_horizontalalignment(alignment)


@draws
def plot_entanglement(
    entanglement: Entanglement | Guarantee, ax: Axes | None = None, legend: bool = True
) -> Axes:
    """Draw the predicted entanglement graph V as a matrix, with latents ordered by block.

    Blocks are consecutive and follow their partial order, so V is block triangular. Cells within a block are dark and
    outlined, one-way entanglement is light with a dot, and the diagonal is grey. A tick marks rows of disentangled
    latents, a ring rows of latents that nothing constrains. In a guarantee, yellow cells with a cross are lost: the
    graph separates these latents, but only by causes whose influence is not proved.

    Args:
        entanglement: Predicted entanglement, or a guarantee (`identify.criterion.Verdict.guarantee`); with more than
            300 latents, its blocks are drawn instead, without marks for what is lost.
        ax: Axes to draw on; new axes by default.
        legend: Whether to explain the marks next to the matrix, if there is space.

    Returns:
        The axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from identify.entanglement import predict_entanglement
        >>> entanglement = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]]))
        >>> ax = plot_entanglement(entanglement, ax=Figure().add_subplot())
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['z0', 'z1 ✓']
    """
    v = entanglement.entanglement if isinstance(entanglement, Guarantee) else entanglement
    predicted = entanglement.predicted if isinstance(entanglement, Guarantee) else None
    if v.n_latents > MAX_LATENTS:
        return plot_blocks(v, ax=ax, legend=legend)
    n = v.n_latents
    ax = ax or new_axes(pitch(n) * n + (4.6 if legend else 1.8), max(pitch(n) * n + 1.4, 2.4))
    blocks = block_order(v)
    order = [i for b in blocks for i in v.blocks[b]]
    shape_cells(ax, n, n)
    kinds = _kinds(v, predicted, order)
    draw_cells(ax, kinds, 0, [ONE_WAY, TWINS, ITSELF, LOST])
    _draw_marks(ax, kinds, 1, "o")
    _draw_marks(ax, kinds, _LOST, "x")
    _outline_blocks(ax, [len(v.blocks[b]) for b in blocks])
    frame(ax)
    _name_rows_and_columns(ax, v, order, kinds % 3 != 0)
    if legend:
        _add_legend(ax, entanglement)
    return ax


def _add_legend(ax: Axes, shown: Entanglement | Guarantee) -> None:
    handles, labels = matrix_legend(shown)
    width, height = size_in_points(ax)
    names = widest([shorten(name) for name in shown.graph.latents], 8)
    if width - min(width, height) * 0.85 - names > widest(labels, 8):
        ax.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, frameon=False,
            fontsize=8,
        )  # fmt: skip


def block_order(entanglement: Entanglement) -> list[int]:
    """Return the blocks in topological order: each precedes those it stays entangled with; ties by number."""
    import networkx as nx

    return list(nx.lexicographical_topological_sort(entanglement.order(), key=int))


def _kinds(
    entanglement: Entanglement, predicted: Entanglement | None, order: Sequence[int]
) -> NDArray[np.int64]:
    """Return the kinds of cells: 0 not entangled, 1 one way, 2 within a block, 3 diagonal, 4 not in the prediction."""
    v = _cells(entanglement, order)
    labels = entanglement.labels[order]
    twins = labels[:, None] == labels[None, :]
    kinds: NDArray[np.int64] = np.where(v & ~twins, 1, np.where(v, 2, 0))
    np.fill_diagonal(kinds, 3)
    if predicted is not None:
        kinds[v & ~_cells(predicted, order)] = _LOST
    return kinds


def _cells(entanglement: Entanglement, order: Sequence[int]) -> NDArray[np.bool_]:
    cells: NDArray[np.bool_] = entanglement.matrix.toarray()[np.ix_(order, order)]
    return cells


def _name_rows_and_columns(
    ax: Axes, entanglement: Entanglement, order: Sequence[int], entangled: NDArray[np.bool_]
) -> None:
    """Name rows and columns; if not all names fit, only those of entangled latents."""
    names = [entanglement.graph.latents[i] for i in order]
    marks = [_mark(entanglement, i) for i in order]
    marked = [f"{shorten(name)} {mark}".rstrip() for name, mark in zip(names, marks, strict=True)]
    places = range(len(names))
    column_rank, row_rank = (np.where(entangled.any(axis=axis), 0.0, np.inf) for axis in (0, 1))
    label(ax, "x", places, names, "… is a function of the learned latents matched to", column_rank)
    label(ax, "y", places, marked, "true latent …", row_rank)


def _mark(entanglement: Entanglement, i: int) -> str:
    if entanglement.disentangled[i]:
        return "✓"
    return "" if entanglement.constrained[i] else "○"


def _draw_marks(ax: Axes, kinds: NDArray[Any], kind: int, marker: Literal["o", "x"]) -> None:
    rows, columns = np.nonzero(kinds == kind)
    cell = min(size_in_points(ax)) / len(kinds)
    if len(rows) > _MAX_DOTS:
        return
    if marker == "o":
        size, style = max(0.8, min(0.22 * cell, 4.5)), {"linewidth": 0.0}
    else:
        size, style = max(1.2, min(0.4 * cell, 7.0)), {"linewidth": max(0.3, min(0.06 * cell, 1.1))}
    ax.scatter(columns, rows, s=size**2, marker=marker, color=ON_FILL, zorder=3, **style)  # type: ignore[arg-type]


def _outline_blocks(ax: Axes, sizes: Sequence[int]) -> None:
    from matplotlib.patches import Rectangle

    start = 0
    for size in sizes:
        if size > 1:
            corner = (start - 0.5, start - 0.5)
            ax.add_patch(
                Rectangle(corner, size, size, fill=False, edgecolor=ON_FILL, linewidth=1.3, zorder=4)
            )
        start += size
