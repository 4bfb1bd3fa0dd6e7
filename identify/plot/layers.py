"""The causal graph in two layers: actions and past latents on the left, latents on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from identify.plot.blocks import plot_blocks
from identify.plot.style import (
    ACTION,
    INK,
    MOST_LATENTS,
    PAST,
    inches,
    new_axes,
    shorten,
    size_in_points,
    text_options,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_graph"]

_SMALLEST_TEXT = 4.5
_LARGEST_TEXT = 9.0
# rows between the actions and the past latents, for the heading
_BETWEEN = 2


def plot_graph(graph: CausalGraph, ax: Axes | None = None) -> Axes:
    """Draw the graph in two layers, edges from parent to child.

    Actions (squares) stand above the past latents (circles) on the left; the latents on the right, level with
    their own past. The past is drawn when it has an edge.

    Args:
        graph: the causal graph; with more than 300 latents or actions the blocks are drawn instead.
        ax: where to draw; new axes when left out.

    Returns:
        The axes.
    """
    if max(graph.n_latents, graph.n_actions) > MOST_LATENTS:
        return plot_blocks(predict_entanglement(graph), ax=ax)
    n, m, past = graph.n_latents, graph.n_actions, bool(graph.Gz.nnz)
    rows = (m + n + _BETWEEN if m and past else max(m, n)) + 1
    ax = ax or new_axes(6.0, inches(rows))
    latents = np.arange(n) + (m + _BETWEEN if m and past else (rows - 1 - n) / 2)
    actions = (
        np.linspace(0, rows - 2, m) if not past and m > 1 else np.arange(m) + (0 if past else (n - 1) / 2)
    )
    size = min(_LARGEST_TEXT, 0.8 * size_in_points(ax)[1] / (rows + 1))
    mark = max(1.5, min(8.0, 0.75 * size))
    _edges(ax, graph.Ga, actions, latents, ACTION)
    if past:
        _edges(ax, graph.Gz, latents, latents, PAST)
        _nodes(ax, 0, latents, graph.latents, "o", PAST, mark, size, "right")
    _nodes(ax, 0, actions, graph.actions, "s", ACTION, mark, size, "right")
    _nodes(ax, 1, latents, graph.latents, "o", "white", mark, size, "left")
    _headings(ax, m, past, bool(graph.n_edges), float(latents[0]), rows)
    ax.set(xlim=(-0.75, 1.75), ylim=(rows - 0.2, -1.8), xticks=[], yticks=[])
    ax.set_axis_off()
    return ax


def _headings(ax: Axes, m: int, past: bool, edges: bool, first_latent: float, rows: int) -> None:
    top = -0.9
    options: dict[str, Any] = {"fontsize": 9, "color": INK, "va": "bottom", "fontweight": "bold", "zorder": 4}
    # edges pass behind the headings
    options["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
    if m:
        ax.text(0, top, "actions", ha="center", **options)
    if past:
        ax.text(0, first_latent - 0.9 if m else top, "past latents (time t−1)", ha="center", **options)
    ax.text(1, first_latent - 0.9, "latents (time t)", ha="center", **options)
    note = "edges run from parents (left) to children (right)" if edges else "no edges"
    ax.text(0.5, rows - 0.3, note, ha="center", va="bottom", fontsize=7, color=INK, style="italic")


def _nodes(
    ax: Axes,
    x: float,
    heights: NDArray[Any],
    names: Sequence[str],
    marker: str,
    face: str,
    mark: float,
    size: float,
    side: str,
) -> None:
    ax.plot(
        np.full(len(heights), x), heights, marker, markersize=mark, markerfacecolor=face, markeredgecolor=INK,
        markeredgewidth=0.8, linestyle="none", zorder=3,
    )  # fmt: skip
    if size < _SMALLEST_TEXT:
        return
    offset = (-mark / 2 - 3, 0) if side == "right" else (mark / 2 + 3, 0)
    for y, name in zip(heights, names, strict=True):
        ax.annotate(
            shorten(name), (x, y), offset, textcoords="offset points", ha=side, va="center",
            **text_options(size),
        )  # fmt: skip


def _edges(ax: Axes, matrix: Any, parents: NDArray[Any], children: NDArray[Any], colour: str) -> None:
    from matplotlib.collections import LineCollection

    row, column = matrix.nonzero()
    t = np.linspace(0, 1, 24)
    # a smooth step leaves and enters the marks level, so that edges which share an end stay apart
    step = t * t * (3 - 2 * t)
    y = parents[column][:, None] + (children[row] - parents[column])[:, None] * step
    curves = np.stack([np.broadcast_to(t, y.shape), y], axis=-1)
    thin = min(1.3, max(0.35, 14 / np.sqrt(max(len(row), 1)) / 1.6))
    faint = min(0.9, max(0.3, 60 / max(len(row), 1)))
    ax.add_collection(LineCollection(list(curves), colors=colour, linewidths=thin, alpha=faint, zorder=2))
