"""The causal graph in two layers, with actions and past latents on the left and latents on the right."""

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

# all lengths are in points
# space between the actions and the past latents, for the heading
_HEADING_SPACE = 30.0
_MAX_ROW_HEIGHT, _MIN_DISTANCE, _MAX_DISTANCE = 30.0, 130.0, 300.0
# space above the first row for headings, and below the last row for the note
_ABOVE, _BELOW = 24.0, 24.0
_HEADING_SIZE = 9.0
_NOTE = "edges run from parents (left) to children (right)"


@dataclass(frozen=True)
class _Layer:
    """Nodes of one kind in a column, from top to bottom."""

    names: Sequence[str]
    heights: NDArray[Any]
    degrees: NDArray[Any]
    heading: str
    marker: str
    face: str


def layer_rows(graph: CausalGraph) -> int:
    """Return the number of rows of the two-layer drawing."""
    n, m = graph.n_latents, graph.n_actions
    return m + n if graph.Gz.nnz else max(m, n)


@draws
def plot_graph(graph: CausalGraph, ax: Axes | None = None) -> Axes:
    """Draw the graph in two layers, with edges from parents to children.

    Actions (squares) are on the left above the past latents (filled circles), and latents (open circles) are on the
    right, level with their own past. The past is drawn if it has an edge. Latents and actions are ordered so that few
    edges cross, and the latents of a block are next to each other. If not all names fit, the nodes with most edges are
    named.

    Args:
        graph: Causal graph; with more than 300 latents or actions, its blocks are drawn instead.
        ax: Axes to draw on; new axes by default.

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
    outside = _outside_height(graph)
    row_height = max(min((height - outside) / layer_rows(graph), _MAX_ROW_HEIGHT), 0.2)
    left, right = _layers(graph, row_height)
    font_size = min(LARGEST_TEXT, max(0.8 * row_height, SMALLEST_TEXT))
    total_height = outside + row_height * layer_rows(graph)
    x = _column_positions(width, left, right, font_size, total_height)
    margin = (height - total_height) / 2
    ax.set(xlim=(0, width), ylim=(height - margin, -margin), xticks=[], yticks=[])
    ax.set_axis_off()
    _draw_edges(ax, graph, left, right, x)
    for layer in left:
        _draw_nodes(ax, x[0], layer, row_height, font_size, "right")
    _draw_nodes(ax, x[1], right, row_height, font_size, "left")
    note = _NOTE if graph.n_edges else "no edges"
    ax.annotate(
        note, (sum(x) / 2, total_height - _BELOW), (0, -6), textcoords="offset points", ha="center", va="top",
        fontsize=7.5, color=INK, style="italic",
    )  # fmt: skip
    return ax


def layers_size(graph: CausalGraph) -> tuple[float, float]:
    """Return a suitable width and height of the two-layer drawing in inches."""
    row_height = pitch(layer_rows(graph), 11.0) * 72
    height = row_height * layer_rows(graph) + _outside_height(graph)
    margins = _margins(*_layers(graph, row_height), LARGEST_TEXT, 24)
    return (sum(margins) + _distance(height)) / 72, height / 72


def _outside_height(graph: CausalGraph) -> float:
    """Return the height of headings and note."""
    return _ABOVE + _BELOW + (_HEADING_SPACE if graph.n_actions and graph.Gz.nnz else 0)


def _layers(graph: CausalGraph, row_height: float) -> tuple[list[_Layer], _Layer]:
    """Return the layers of parents and the layer of children, with heights measured from the top."""
    n, m, has_past = graph.n_latents, graph.n_actions, bool(graph.Gz.nnz)
    # without a past, the side with fewer nodes is spread over the height of the other
    actions = np.arange(m) if has_past else _spread(m, max(m, n))
    latents = np.arange(n) + m if has_past else _spread(n, max(m, n))
    first = _ABOVE + row_height / 2
    latent_heights = first + latents * row_height + (_HEADING_SPACE if m and has_past else 0)
    in_degrees = np.diff(graph.Gz.indptr) + np.diff(graph.Ga.indptr)
    left = []
    if m:
        action_heights = first + actions * row_height
        left.append(_Layer(graph.actions, action_heights, _out_degrees(graph.Ga), "actions", "s", ACTION))
    if has_past:
        heading = "past latents (time t−1)"
        left.append(_Layer(graph.latents, latent_heights, _out_degrees(graph.Gz), heading, "o", PAST))
    return left, _Layer(graph.latents, latent_heights, in_degrees, "latents (time t)", "o", "white")


def _out_degrees(matrix: Any) -> NDArray[Any]:
    return np.bincount(matrix.indices, minlength=matrix.shape[1])


def _spread(count: int, rows: int) -> NDArray[Any]:
    """Return evenly spaced, centred rows."""
    step = min(rows / max(count, 1), 2.0)
    return (np.arange(count) - (count - 1) / 2) * step + (rows - 1) / 2


def _column_positions(
    width: float, left: Sequence[_Layer], right: _Layer, font_size: float, height: float
) -> tuple[float, float]:
    """Return the x-positions of the layers, centred, with space for names on both sides."""
    margins = _margins(left, right, font_size, _max_letters(width, font_size))
    distance = min(width - sum(margins), _distance(height))
    start = (width - sum(margins) - distance) / 2 + margins[0]
    return start, start + distance


def _margins(
    left: Sequence[_Layer], right: _Layer, font_size: float, max_letters: int
) -> tuple[float, float]:
    """Return the widths of names and headings outside the layers."""

    def margin(layers: Sequence[_Layer]) -> float:
        names = widest([shorten(name, max_letters) for layer in layers for name in layer.names], font_size)
        return max(names, *(widest([layer.heading], _HEADING_SIZE * 1.15) for layer in layers), 0.0) + 12

    return margin(left), margin([right])


def _distance(height: float) -> float:
    """Return the preferred distance between the layers."""
    return min(max(0.9 * height, _MIN_DISTANCE), _MAX_DISTANCE)


def _max_letters(width: float, font_size: float) -> int:
    return int(min(24, max(6, 0.3 * width / (0.6 * font_size))))


def _draw_nodes(ax: Axes, x: float, layer: _Layer, row_height: float, font_size: float, side: str) -> None:
    marker_size = max(1.5, min(8.0, 0.6 * row_height))
    ax.plot(
        np.full(len(layer.heights), x), layer.heights, layer.marker, markersize=marker_size,
        markerfacecolor=layer.face, markeredgecolor=INK, markeredgewidth=min(0.8, marker_size / 6),
        linestyle="none", zorder=3,
    )  # fmt: skip
    distance = marker_size / 2 + 3
    offset = -distance if side == "right" else distance
    max_letters = _max_letters(size_in_points(ax)[0], font_size)
    for k in thinned(layer.heights.tolist(), font_size / 0.8, -layer.degrees):
        ax.annotate(
            shorten(layer.names[k], max_letters), (x, layer.heights[k]), (offset, 0),
            textcoords="offset points", ha=side, va="center", **text_options(font_size),
        )  # fmt: skip
    # the heading extends outwards only, because the edges are on the other side
    ax.annotate(
        layer.heading, (x, layer.heights[0]), (-offset, marker_size / 2 + 4), textcoords="offset points", ha=side,
        va="bottom", fontsize=_HEADING_SIZE, fontweight="bold", color=INK, zorder=4,
    )  # fmt: skip


def _draw_edges(
    ax: Axes, graph: CausalGraph, left: Sequence[_Layer], right: _Layer, x: tuple[float, float]
) -> None:
    from matplotlib.collections import LineCollection

    t = np.linspace(0, 1, 24)
    # a smooth step is horizontal at its ends, so that edges with a common end stay apart
    step = t * t * (3 - 2 * t)
    curve_x = x[0] + (x[1] - x[0]) * t
    n_edges = max(graph.n_edges, 1)
    style = {
        "linewidths": min(1.2, max(0.3, 9 / np.sqrt(n_edges))),
        "alpha": min(0.95, max(0.25, 90 / n_edges)),
    }
    for layer in left:
        row, column = (graph.Ga if layer.marker == "s" else graph.Gz).nonzero()
        start, end = layer.heights[column][:, None], right.heights[row][:, None]
        curve_y = start + (end - start) * step
        curves = np.stack([np.broadcast_to(curve_x, curve_y.shape), curve_y], axis=-1)
        ax.add_collection(LineCollection(list(curves), colors=layer.face, zorder=2, **style))
