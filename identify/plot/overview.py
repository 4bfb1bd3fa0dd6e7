"""A verdict in one figure: the graph and its predicted entanglement side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from identify.criterion import Verdict
from identify.entanglement import Entanglement
from identify.plot.blocks import blocks_size, plot_blocks
from identify.plot.layers import layer_rows, layers_size, plot_graph
from identify.plot.legend import block_legend, matrix_legend
from identify.plot.matrices import MAX_ACTIONS, block_order, matrix_columns, plot_entanglement, plot_matrix
from identify.plot.paper import draws
from identify.plot.style import INK, MAX_LATENTS, enlarged, pitch, without_glyph_warnings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["plot_verdict"]

# graphs with more edges or rows are drawn as matrices
_MAX_EDGES, _MAX_ROWS = 150, 90
# inches: margin of the figure, gap between panels, gap between legend and panels
_MARGIN, _PANEL_GAP, _LEGEND_GAP = 0.15, 0.5, 0.12
_TITLE_SIZE, _SUBTITLE_SIZE, _LEGEND_SIZE = 12.0, 10.0, 8.0

_Sides = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Panel:
    """Axes with their size in inches."""

    ax: Axes
    width: float
    height: float

    def outside(self) -> _Sides:
        """Return the space of names and titles outside the axes in inches: left, below, right, above."""
        inner, outer = self.ax.get_window_extent(), self.ax.get_tightbbox()
        if outer is None:
            return 0.0, 0.0, 0.0, 0.0
        dpi = self.ax.get_figure(root=True).dpi  # type: ignore[union-attr]
        left, below = (inner.x0 - outer.x0) / dpi, (inner.y0 - outer.y0) / dpi
        right, above = (outer.x1 - inner.x1) / dpi, (outer.y1 - inner.y1) / dpi
        return max(left, 0.0), max(below, 0.0), max(right, 0.0), max(above, 0.0)


@draws
def plot_verdict(verdict: Verdict, fig: Figure | None = None) -> Figure:
    """Draw the graph next to its predicted entanglement, with the verdict as title.

    Args:
        verdict: Verdict of `identify.criterion.check`.
        fig: Empty figure, which is resized to its content. By default a new one that pyplot doesn't manage.

    Returns:
        The figure. Up to 300 latents, it shows the graph and the entanglement matrix: the graph in two layers or, if it
        has many edges, as matrices with rows in the order of the entanglement matrix. Larger graphs are shown as
        blocks.

    Example:
        >>> from identify.criterion import check
        >>> from identify.graph import CausalGraph
        >>> plot_verdict(check(CausalGraph(Ga=[[1, 0], [1, 1]]))).get_suptitle()
        'Not completely disentangled: 1 of 2 latents, using actions'
    """
    from matplotlib.figure import Figure

    fig = fig or Figure()
    # positions are computed here from measured sizes
    fig.set_layout_engine("none")
    panels = _graph_panels(fig, verdict) if _shows_latents(verdict) else _blocks_only(fig, verdict)
    with without_glyph_warnings():
        _arrange(fig, verdict, panels)
    return fig


def _shows_latents(verdict: Verdict) -> bool:
    return verdict.graph.n_latents <= MAX_LATENTS


# Panels ---------------------------------------------------------------------------------------------


def _panel(fig: Figure, width: float, height: float) -> _Panel:
    figure_width, figure_height = fig.get_size_inches()
    ax = fig.add_axes((0, 0, width / figure_width, height / figure_height), label=f"panel {len(fig.axes)}")
    return _Panel(ax, width, height)


def _blocks_only(fig: Figure, verdict: Verdict) -> list[_Panel]:
    panel = _blocks_panel(fig, verdict)
    title = "Blocks of entangled latents" + (", as guaranteed" if _loses(verdict) else "")
    panel.ax.set_title(title, fontsize=_SUBTITLE_SIZE, color=INK, pad=8)
    return [panel]


def _blocks_panel(fig: Figure, verdict: Verdict) -> _Panel:
    panel = _panel(fig, *blocks_size(_shown(verdict)))
    plot_blocks(_shown(verdict), ax=panel.ax, legend=False)
    return panel


def _loses(verdict: Verdict) -> bool:
    """Return whether the figure shows what is guaranteed instead of what the graph predicts."""
    return verdict.guarantee is not None and verdict.guarantee.n_lost > 0


def _shown(verdict: Verdict) -> Entanglement:
    """Return the guaranteed entanglement if influence was decided, and the predicted one otherwise."""
    return verdict.entanglement if verdict.guarantee is None else verdict.guarantee.entanglement


def _graph_panels(fig: Figure, verdict: Verdict) -> list[_Panel]:
    graph = verdict.graph
    side = pitch(graph.n_latents) * graph.n_latents
    layered = graph.n_edges <= _MAX_EDGES and layer_rows(graph) <= _MAX_ROWS
    if layered:
        left, title = _layers_panel(fig, verdict), "Causal graph"
    elif graph.n_actions <= MAX_ACTIONS:
        left, title = _matrix_panel(fig, verdict), "Causal graph (rows are children)"
    else:
        left, title = _blocks_panel(fig, verdict), "Blocks of entangled latents"
    right = _panel(fig, side, side)
    plot_entanglement(verdict.guarantee or verdict.entanglement, ax=right.ax, legend=False)
    style: dict[str, Any] = {"fontsize": enlarged(_SUBTITLE_SIZE, left.width + side), "color": INK}
    style["pad"] = 10 if layered else 24
    left.ax.set_title(title, **style)
    right.ax.set_title("Guaranteed entanglement" if _loses(verdict) else "Predicted entanglement", **style)
    return [left, right]


def _layers_panel(fig: Figure, verdict: Verdict) -> _Panel:
    panel = _panel(fig, *layers_size(verdict.graph))
    plot_graph(verdict.graph, ax=panel.ax)
    return panel


def _matrix_panel(fig: Figure, verdict: Verdict) -> _Panel:
    graph, entanglement = verdict.graph, _shown(verdict)
    columns, row_height = matrix_columns(graph), pitch(graph.n_latents)
    column_width = min(row_height, 12.0 / columns)
    panel = _panel(fig, column_width * columns, min(row_height, 3 * column_width) * graph.n_latents)
    # rows are level with those of the entanglement matrix
    order = [i for b in block_order(entanglement) for i in entanglement.blocks[b]]
    plot_matrix(graph.permute(order), ax=panel.ax)
    return panel


# Layout ---------------------------------------------------------------------------------------------


def _arrange(fig: Figure, verdict: Verdict, panels: list[_Panel]) -> None:
    """Set the size of the figure and centre title, panels (aligned at the top) and legend in it."""
    outside = [panel.outside() for panel in panels]
    above = max(sides[3] for sides in outside)
    widths = [panel.width + sides[0] + sides[2] for panel, sides in zip(panels, outside, strict=True)]
    panel_height = max(panel.height + sides[1] for panel, sides in zip(panels, outside, strict=True))
    content = sum(widths) + _PANEL_GAP * (len(panels) - 1)
    size = enlarged(_TITLE_SIZE, content)
    title = fig.suptitle(verdict.headline, va="top", fontsize=size, fontweight="bold", color=INK)
    extent, title_height = title.get_window_extent(), size * 1.2 / 72
    # a bar chart needs no legend
    has_bars = any(panel.ax.containers for panel in panels)
    legend = None if has_bars else _legend(fig, verdict, max(content, extent.width / fig.dpi))
    legend_width, legend_height = _inches(legend) if legend else (0.0, 0.0)
    width = max(content, extent.width / fig.dpi, legend_width) + 2 * _MARGIN
    top = 2 * _MARGIN + legend_height + _LEGEND_GAP + panel_height
    height = top + above + _LEGEND_GAP + title_height
    fig.set_size_inches(width, height)
    title.set_y(1 - _MARGIN / height)
    if legend:
        legend.set_bbox_to_anchor((0.5, _MARGIN / height), transform=fig.transFigure)
    x = (width - content) / 2
    for panel, sides, outer_width in zip(panels, outside, widths, strict=True):
        corner = ((x + sides[0]) / width, (top - _MARGIN - panel.height) / height)
        panel.ax.set_position((*corner, panel.width / width, panel.height / height))
        x += outer_width + _PANEL_GAP


def _legend(fig: Figure, verdict: Verdict, max_width: float) -> Legend:
    """Add the legend in the fewest rows that fit the width."""
    if _shows_latents(verdict):
        handles, labels = matrix_legend(verdict.guarantee or verdict.entanglement)
    else:
        handles, labels = block_legend(_shown(verdict))
    for columns in range(len(labels), 0, -1):
        legend = fig.legend(
            handles, labels, loc="lower center", ncols=columns, fontsize=enlarged(_LEGEND_SIZE, max_width),
            frameon=False, borderaxespad=0, borderpad=0.2,
        )  # fmt: skip
        if columns == 1 or _inches(legend)[0] <= max_width:
            break
        legend.remove()
    return legend


def _inches(legend: Legend) -> tuple[float, float]:
    box = legend.get_window_extent()
    dpi = legend.get_figure(root=True).dpi  # type: ignore[union-attr]
    return box.width / dpi, box.height / dpi
