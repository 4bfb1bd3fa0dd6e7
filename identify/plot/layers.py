"""The causal graph in two layers: actions and past latents on the left, latents on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from identify.graph import CausalGraph
from identify.plot.blocks import plot_blocks_instead
from identify.plot.layer_order import order_layers, reorder
from identify.plot.paper import draws
from identify.plot.style import (
    ACTION,
    INK,
    LARGEST_TEXT,
    MAX_LATENTS,
    PAST,
    SMALLEST_TEXT,
    new_axes,
    pitch,
    shorten,
    size_in_points,
    text_options,
    thinned,
    widest,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["layer_rows", "layers_size", "plot_graph"]

# points between the actions and the past latents, for the heading
_BETWEEN = 30.0
# points: a row is never higher, the layers are never nearer or farther apart
_HIGHEST_ROW, _NEAREST, _FARTHEST = 30.0, 130.0, 300.0
# points above the first row for the headings, below the last one for the note
_ABOVE, _BELOW = 24.0, 24.0
_HEADING = 9.0
_NOTE = "edges run from parents (left) to children (right)"


@dataclass(frozen=True)
class _Layer:
    """Nodes that stand above one another."""

    names: Sequence[str]
    heights: NDArray[Any]
    degrees: NDArray[Any]
    heading: str
    marker: str
    face: str


def layer_rows(graph: CausalGraph) -> int:
    """Rows that the drawing in layers takes."""
    n, m = graph.n_latents, graph.n_actions
    return m + n if graph.Gz.nnz else max(m, n)


@draws
def plot_graph(graph: CausalGraph, ax: Axes | None = None) -> Axes:
    """Draw the graph in two layers, edges from parent to child.

    Actions (squares) stand above the past latents (filled circles) on the left; the latents (open circles) on
    the right, level with their own past. The past is drawn when it has an edge. Where not all names fit,
    those with most edges have theirs.

    Args:
        graph: The causal graph; with more than 300 latents or actions the blocks are drawn instead.
        ax: Where to draw; new axes when left out.

    Returns:
        The axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = plot_graph(CausalGraph(Ga=[[1, 0], [1, 1]]), ax=Figure().add_subplot())
        >>> [text.get_text() for text in ax.texts][:4]
        ['a0', 'a1', 'actions', 'z0']
    """
    if max(graph.n_latents, graph.n_actions) > MAX_LATENTS:
        return plot_blocks_instead(graph, ax)
    ax = ax or new_axes(*layers_size(graph))
    graph = reorder(graph, order_layers(graph))
    width, height = size_in_points(ax)
    outside = _outside(graph)
    row = max(min((height - outside) / layer_rows(graph), _HIGHEST_ROW), 0.2)
    left, right = _layers(graph, row)
    size = min(LARGEST_TEXT, max(0.8 * row, SMALLEST_TEXT))
    tall = outside + row * layer_rows(graph)
    x = _columns(width, left, right, size, tall)
    spare = (height - tall) / 2
    ax.set(xlim=(0, width), ylim=(height - spare, -spare), xticks=[], yticks=[])
    ax.set_axis_off()
    _edges(ax, graph, left, right, x)
    for layer in left:
        _nodes(ax, x[0], layer, row, size, "right")
    _nodes(ax, x[1], right, row, size, "left")
    note = _NOTE if graph.n_edges else "no edges"
    ax.annotate(
        note, (sum(x) / 2, tall - _BELOW), (0, -6), textcoords="offset points", ha="center", va="top",
        fontsize=7.5, color=INK, style="italic",
    )  # fmt: skip
    return ax


def layers_size(graph: CausalGraph) -> tuple[float, float]:
    """Width and height in inches that suit the drawing in layers."""
    row = pitch(layer_rows(graph), 11.0) * 72
    tall = row * layer_rows(graph) + _outside(graph)
    return (sum(_margins(*_layers(graph, row), LARGEST_TEXT, 24)) + _apart(tall)) / 72, tall / 72


def _outside(graph: CausalGraph) -> float:
    """Points that headings and the note take."""
    return _ABOVE + _BELOW + (_BETWEEN if graph.n_actions and graph.Gz.nnz else 0)


def _layers(graph: CausalGraph, row: float) -> tuple[list[_Layer], _Layer]:
    """The layers of parents, and that of children; heights in points from the top."""
    n, m, past = graph.n_latents, graph.n_actions, bool(graph.Gz.nnz)
    # without a past, the side with fewer nodes is spread beside the other
    actions = np.arange(m) if past else _spread(m, max(m, n))
    latents = np.arange(n) + m if past else _spread(n, max(m, n))
    first = _ABOVE + row / 2
    lower = first + latents * row + (_BETWEEN if m and past else 0)
    into = np.diff(graph.Gz.indptr) + np.diff(graph.Ga.indptr)
    left = []
    if m:
        upper = first + actions * row
        left.append(_Layer(graph.actions, upper, _out_degrees(graph.Ga), "actions", "s", ACTION))
    if past:
        heading = "past latents (time t−1)"
        left.append(_Layer(graph.latents, lower, _out_degrees(graph.Gz), heading, "o", PAST))
    return left, _Layer(graph.latents, lower, into, "latents (time t)", "o", "white")


def _out_degrees(matrix: Any) -> NDArray[Any]:
    return np.bincount(matrix.indices, minlength=matrix.shape[1])


def _spread(count: int, rows: int) -> NDArray[Any]:
    step = min(rows / max(count, 1), 2.0)
    return (np.arange(count) - (count - 1) / 2) * step + (rows - 1) / 2


def _columns(
    width: float, left: Sequence[_Layer], right: _Layer, size: float, tall: float
) -> tuple[float, float]:
    """Where the two layers stand, so that names have room on both sides and the whole is centred."""
    margins = _margins(left, right, size, _most_letters(width, size))
    between = min(width - sum(margins), _apart(tall))
    start = (width - sum(margins) - between) / 2 + margins[0]
    return start, start + between


def _margins(left: Sequence[_Layer], right: _Layer, size: float, most: int) -> tuple[float, float]:
    """Points that names and headings take outside the layers."""

    def margin(layers: Sequence[_Layer]) -> float:
        names = widest([shorten(name, most) for layer in layers for name in layer.names], size)
        return max(names, *(widest([layer.heading], _HEADING * 1.15) for layer in layers), 0.0) + 12

    return margin(left), margin([right])


def _apart(tall: float) -> float:
    return min(max(0.9 * tall, _NEAREST), _FARTHEST)


def _most_letters(width: float, size: float) -> int:
    return int(min(24, max(6, 0.3 * width / (0.6 * size))))


def _nodes(ax: Axes, x: float, layer: _Layer, row: float, size: float, side: str) -> None:
    mark = max(1.5, min(8.0, 0.6 * row))
    ax.plot(
        np.full(len(layer.heights), x), layer.heights, layer.marker, markersize=mark,
        markerfacecolor=layer.face, markeredgecolor=INK, markeredgewidth=min(0.8, mark / 6), linestyle="none",
        zorder=3,
    )  # fmt: skip
    away = mark / 2 + 3
    offset = -away if side == "right" else away
    most = _most_letters(size_in_points(ax)[0], size)
    for k in thinned(layer.heights.tolist(), size / 0.8, -layer.degrees):
        ax.annotate(
            shorten(layer.names[k], most), (x, layer.heights[k]), (offset, 0), textcoords="offset points",
            ha=side, va="center", **text_options(size),
        )  # fmt: skip
    # it reaches outwards only: edges run on the other side
    ax.annotate(
        layer.heading, (x, layer.heights[0]), (-offset, mark / 2 + 4), textcoords="offset points", ha=side,
        va="bottom", fontsize=_HEADING, fontweight="bold", color=INK, zorder=4,
    )  # fmt: skip


def _edges(
    ax: Axes, graph: CausalGraph, left: Sequence[_Layer], right: _Layer, x: tuple[float, float]
) -> None:
    from matplotlib.collections import LineCollection

    t = np.linspace(0, 1, 24)
    # a smooth step leaves and enters the marks level, so that edges which share an end stay apart
    step = t * t * (3 - 2 * t)
    across = x[0] + (x[1] - x[0]) * t
    number = max(graph.n_edges, 1)
    looks = {
        "linewidths": min(1.2, max(0.3, 9 / np.sqrt(number))),
        "alpha": min(0.95, max(0.25, 90 / number)),
    }
    for layer in left:
        row, column = (graph.Ga if layer.marker == "s" else graph.Gz).nonzero()
        start, end = layer.heights[column][:, None], right.heights[row][:, None]
        y = start + (end - start) * step
        curves = np.stack([np.broadcast_to(across, y.shape), y], axis=-1)
        ax.add_collection(LineCollection(list(curves), colors=layer.face, zorder=2, **looks))
