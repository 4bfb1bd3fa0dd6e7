"""G^a, G^z and the entanglement graph as matrices; rows are children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from identify.entanglement import Entanglement, predict_entanglement
from identify.graph import CausalGraph
from identify.plot.blocks import plot_blocks
from identify.plot.style import (
    ACTION,
    INK,
    ITSELF,
    MOST_LATENTS,
    ONE_WAY,
    PAST,
    TWINS,
    inches,
    new_axes,
    shorten,
    size_in_points,
    text_options,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["block_order", "plot_entanglement", "plot_matrix"]

_SMALLEST_TEXT = 4.5
_LARGEST_TEXT = 9.0
# letters of a name; those along the top or bottom stand upright and take height from the matrix
_LONGEST = {"x": 16, "y": 26}
# columns left empty between G^a and G^z
_GAP = 1


def plot_matrix(
    graph: CausalGraph, ax: Axes | None = None, which: Literal["actions", "past"] | None = None
) -> Axes:
    """Draw G^a and G^z side by side as matrices with a common row per latent.

    Args:
        graph: the causal graph; with more than 300 latents or actions the blocks are drawn instead.
        ax: where to draw; new axes when left out.
        which: draw one matrix only; by default those that have a column and an edge.

    Returns:
        The axes.
    """
    if max(graph.n_latents, graph.n_actions) > MOST_LATENTS:
        return plot_blocks(predict_entanglement(graph), ax=ax)
    parts = _parts(graph, which)
    width = sum(len(names) for _, names, _, _ in parts) + _GAP * (len(parts) - 1)
    ax = ax or new_axes(inches(width), inches(graph.n_latents))
    start = 0
    centres: list[float] = []
    labels: list[str] = []
    for matrix, names, colour, title in parts:
        _draw_cells(ax, matrix.toarray(), start, [colour])
        ax.text(start + len(names) / 2 - 0.5, -0.9, title, ha="center", va="bottom", fontsize=9, color=INK)
        centres += [start + j for j in range(len(names))]
        labels += names
        start += len(names) + _GAP
    ax.set(xlim=(-0.5, max(width, 1) - 0.5), ylim=(graph.n_latents - 0.5, -0.5), aspect="equal")
    _frame(ax)
    _label(ax, "x", centres, labels, "parents")
    _label(ax, "y", range(graph.n_latents), graph.latents, "children: latents at time t (one row each)")
    return ax


def _parts(graph: CausalGraph, which: str | None) -> list[tuple[Any, Sequence[str], str, str]]:
    acted = (graph.Ga, graph.actions, ACTION, "$G^a$: actions")
    past = (graph.Gz, graph.latents, PAST, "$G^z$: past latents")
    if which is not None:
        return [acted if which == "actions" else past]
    found = [part for part in (acted, past) if part[0].nnz]
    return found or [acted if graph.n_actions else past]


def plot_entanglement(entanglement: Entanglement, ax: Axes | None = None) -> Axes:
    """Draw the predicted entanglement graph V as a matrix, latents ordered by block.

    Blocks stand together and follow their order, so V is block triangular. Cells within a block are dark,
    one-way entanglement is light with a dot, the diagonal is grey.

    Args:
        entanglement: the prediction; with more than 300 latents its blocks are drawn instead.
        ax: where to draw; new axes when left out.

    Returns:
        The axes.
    """
    if entanglement.n_latents > MOST_LATENTS:
        return plot_blocks(entanglement, ax=ax)
    n = entanglement.n_latents
    ax = ax or new_axes(inches(n) + 0.5, inches(n))
    blocks = block_order(entanglement)
    order = [i for b in blocks for i in entanglement.blocks[b]]
    labels = entanglement.labels[order]
    v = entanglement.matrix.toarray()[np.ix_(order, order)]
    twins = labels[:, None] == labels[None, :]
    kinds = np.where(v & ~twins, 1, np.where(v, 2, 0))
    np.fill_diagonal(kinds, 3)
    _draw_cells(ax, kinds, 0, [ONE_WAY, TWINS, ITSELF])
    _dot_one_way(ax, kinds)
    _outline(ax, [len(entanglement.blocks[b]) for b in blocks])
    ax.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")
    _frame(ax)
    names = [entanglement.graph.latents[i] for i in order]
    marks = [_mark(entanglement, i) for i in order]
    touched = kinds % 3 != 0
    _label(ax, "x", range(n), names, "is a function of the learned latent matched to", touched.any(axis=0))
    marked = [f"{shorten(name)} {mark}".rstrip() for name, mark in zip(names, marks, strict=True)]
    _label(ax, "y", range(n), marked, "true latent (one row each)", touched.any(axis=1))
    return ax


def block_order(entanglement: Entanglement) -> list[int]:
    """Blocks so that each comes before those that it stays entangled with, else by number."""
    import networkx as nx

    return list(nx.lexicographical_topological_sort(entanglement.order(), key=int))


def _mark(entanglement: Entanglement, i: int) -> str:
    if entanglement.disentangled[i]:
        return "✓"
    return "" if entanglement.constrained[i] else "○"


def _draw_cells(ax: Axes, kinds: NDArray[Any], start: int, colours: Sequence[str]) -> None:
    from matplotlib.colors import to_rgb

    palette = np.array([to_rgb(colour) for colour in ("#FFFFFF", *colours)])
    rows, columns = kinds.shape
    if not rows * columns:
        return
    extent = (start - 0.5, start + columns - 0.5, rows - 0.5, -0.5)
    ax.imshow(palette[kinds.astype(int)], extent=extent, interpolation="nearest", zorder=1)
    if rows <= _MOST_GRID_ROWS:
        _grid(ax, rows, columns, start)


_MOST_GRID_ROWS = 60


def _grid(ax: Axes, rows: int, columns: int, start: int) -> None:
    colour, width = "#DDDDDD", 0.6
    ax.hlines(
        np.arange(rows + 1) - 0.5, start - 0.5, start + columns - 0.5, colour, linewidth=width, zorder=2
    )
    ax.vlines(start + np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, colour, linewidth=width, zorder=2)


def _dot_one_way(ax: Axes, kinds: NDArray[Any]) -> None:
    rows, columns = np.nonzero(kinds == 1)
    cell = min(size_in_points(ax)) / max(len(kinds), 1)
    if cell >= 3:
        ax.scatter(columns, rows, s=max(0.8, (cell * 0.22) ** 2), color=INK, linewidth=0, zorder=3)


def _outline(ax: Axes, sizes: Sequence[int]) -> None:
    from matplotlib.patches import Rectangle

    start = 0
    for size in sizes:
        if size > 1:
            corner = (start - 0.5, start - 0.5)
            ax.add_patch(Rectangle(corner, size, size, fill=False, edgecolor=INK, linewidth=1.3, zorder=4))
        start += size


def _frame(ax: Axes) -> None:
    for spine in ax.spines.values():
        spine.set(visible=False)
    ax.tick_params(length=0)


def _label(
    ax: Axes,
    side: str,
    places: Sequence[float],
    names: Sequence[str],
    title: str,
    important: NDArray[np.bool_] | None = None,
) -> None:
    """Names along one side, as large as their room allows; where not all fit, the important ones and some."""
    axis = ax.xaxis if side == "x" else ax.yaxis
    axis.set_label_text(title, fontsize=9, color=INK)
    room = _room(ax, side)
    size = min(_LARGEST_TEXT, max(0.82 * room, _SMALLEST_TEXT))
    chosen = _thinned(places, size / 0.82 / room, important)
    rotation = 90 if side == "x" and max(map(len, names), default=0) * 0.62 * size > room else 0
    axis.set_ticks([places[k] for k in chosen], [shorten(names[k], _LONGEST[side]) for k in chosen])
    for text in axis.get_ticklabels():
        text.update(text_options(size, rotation=rotation))


def _thinned(places: Sequence[float], distance: float, important: NDArray[np.bool_] | None) -> list[int]:
    """As many positions as can stand at least so far apart, important ones first."""
    if distance <= 1:
        return list(range(len(places)))
    taken: list[int] = []
    first = np.zeros(len(places), dtype=bool) if important is None else important
    for wanted in (np.flatnonzero(first), np.flatnonzero(~first)):
        for k in wanted.tolist():
            if all(abs(places[k] - places[other]) >= distance for other in taken):
                taken.append(k)
    return sorted(taken)


def _room(ax: Axes, side: str) -> float:
    """Points between two neighbouring rows (or columns), once the cells have been made square."""
    width, height = size_in_points(ax)
    columns, rows = (abs(np.subtract(*limits)) for limits in (ax.get_xlim(), ax.get_ylim()))
    # long names take room away from the matrix itself
    return 0.86 * float(min(width / columns, height / rows))
