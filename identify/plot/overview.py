"""The graph and its predicted entanglement side by side, with the verdict as title."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from identify.criterion import Verdict
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

# more edges, or more rows, are easier to read as matrices
_MAX_EDGES, _MAX_ROWS = 150, 90
# inches
_MARGIN, _BETWEEN, _GAP = 0.15, 0.5, 0.12
_TITLE, _SUBTITLE, _LEGEND = 12.0, 10.0, 8.0

_Sides = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Panel:
    """Axes of a size in inches; what they hold outside themselves is measured once it is drawn."""

    ax: Axes
    width: float
    height: float

    def outside(self) -> _Sides:
        """Inches that names and titles take on the left, below, on the right and above."""
        inner, outer = self.ax.get_window_extent(), self.ax.get_tightbbox()
        if outer is None:
            return 0.0, 0.0, 0.0, 0.0
        dpi = self.ax.get_figure(root=True).dpi  # type: ignore[union-attr]
        left, below = (inner.x0 - outer.x0) / dpi, (inner.y0 - outer.y0) / dpi
        right, above = (outer.x1 - inner.x1) / dpi, (outer.y1 - inner.y1) / dpi
        return max(left, 0.0), max(below, 0.0), max(right, 0.0), max(above, 0.0)


@draws
def plot_verdict(verdict: Verdict, fig: Figure | None = None) -> Figure:
    """Draw the graph, what of it stays entangled, and the verdict.

    Args:
        verdict: The answer of `identify.criterion.check`.
        fig: An empty figure to draw into; its size is set to fit. A new one when left out, unknown to pyplot.

    Returns:
        The figure. Up to 300 latents it shows the graph (as two layers; or, when it has many edges, as
        matrices with rows in the order of the entanglement matrix) beside the entanglement matrix; of
        larger graphs it shows the blocks.

    Example:
        >>> from identify.criterion import check
        >>> from identify.graph import CausalGraph
        >>> plot_verdict(check(CausalGraph(Ga=[[1, 0], [1, 1]]))).get_suptitle()
        'Not completely disentangled: 1 of 2 latents, using actions'
    """
    from matplotlib.figure import Figure

    fig = fig or Figure()
    # places are computed here, from what is measured
    fig.set_layout_engine("none")
    panels = _side_by_side(fig, verdict) if _drawn_one_by_one(verdict) else _blocks_alone(fig, verdict)
    with without_glyph_warnings():
        _arrange(fig, verdict, panels)
    return fig


def _drawn_one_by_one(verdict: Verdict) -> bool:
    return verdict.graph.n_latents <= MAX_LATENTS


# Panels ---------------------------------------------------------------------------------------------


def _panel(fig: Figure, width: float, height: float) -> _Panel:
    across, down = fig.get_size_inches()
    ax = fig.add_axes((0, 0, width / across, height / down), label=f"panel {len(fig.axes)}")
    return _Panel(ax, width, height)


def _blocks_alone(fig: Figure, verdict: Verdict) -> list[_Panel]:
    panel = _blocks_panel(fig, verdict)
    panel.ax.set_title("Blocks of entangled latents", fontsize=_SUBTITLE, color=INK, pad=8)
    return [panel]


def _blocks_panel(fig: Figure, verdict: Verdict) -> _Panel:
    panel = _panel(fig, *blocks_size(verdict.entanglement))
    plot_blocks(verdict.entanglement, ax=panel.ax, legend=False)
    return panel


def _side_by_side(fig: Figure, verdict: Verdict) -> list[_Panel]:
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
    plot_entanglement(verdict.entanglement, ax=right.ax, legend=False)
    looks: dict[str, Any] = {"fontsize": enlarged(_SUBTITLE, left.width + side), "color": INK}
    looks["pad"] = 10 if layered else 24
    left.ax.set_title(title, **looks)
    right.ax.set_title("Predicted entanglement", **looks)
    return [left, right]


def _layers_panel(fig: Figure, verdict: Verdict) -> _Panel:
    panel = _panel(fig, *layers_size(verdict.graph))
    plot_graph(verdict.graph, ax=panel.ax)
    return panel


def _matrix_panel(fig: Figure, verdict: Verdict) -> _Panel:
    graph, found = verdict.graph, verdict.entanglement
    columns, step = matrix_columns(graph), pitch(graph.n_latents)
    across = min(step, 12.0 / columns)
    panel = _panel(fig, across * columns, min(step, 3 * across) * graph.n_latents)
    # rows stand level with those of the entanglement matrix
    plot_matrix(graph.permute([i for b in block_order(found) for i in found.blocks[b]]), ax=panel.ax)
    return panel


# Places ---------------------------------------------------------------------------------------------


def _arrange(fig: Figure, verdict: Verdict, panels: list[_Panel]) -> None:
    """Size of the figure and places in it: title, panels with their tops level, legend; each is centred."""
    outside = [panel.outside() for panel in panels]
    above = max(sides[3] for sides in outside)
    taken = [panel.width + sides[0] + sides[2] for panel, sides in zip(panels, outside, strict=True)]
    tall = max(panel.height + sides[1] for panel, sides in zip(panels, outside, strict=True))
    content = sum(taken) + _BETWEEN * (len(panels) - 1)
    size = enlarged(_TITLE, content)
    title = fig.suptitle(verdict.headline, va="top", fontsize=size, fontweight="bold", color=INK)
    extent, line = title.get_window_extent(), size * 1.2 / 72
    # bars bear their own names
    counted = any(panel.ax.containers for panel in panels)
    legend = None if counted else _legend(fig, verdict, max(content, extent.width / fig.dpi))
    legend_width, legend_height = _inches(legend) if legend else (0.0, 0.0)
    width = max(content, extent.width / fig.dpi, legend_width) + 2 * _MARGIN
    top = 2 * _MARGIN + legend_height + _GAP + tall
    height = top + above + _GAP + line
    fig.set_size_inches(width, height)
    title.set_y(1 - _MARGIN / height)
    if legend:
        legend.set_bbox_to_anchor((0.5, _MARGIN / height), transform=fig.transFigure)
    x = (width - content) / 2
    for panel, sides, space in zip(panels, outside, taken, strict=True):
        corner = ((x + sides[0]) / width, (top - _MARGIN - panel.height) / height)
        panel.ax.set_position((*corner, panel.width / width, panel.height / height))
        x += space + _BETWEEN


def _legend(fig: Figure, verdict: Verdict, room: float) -> Legend:
    """The legend in as many rows as the room asks for."""
    entries = matrix_legend if _drawn_one_by_one(verdict) else block_legend
    handles, labels = entries(verdict.entanglement)
    for columns in range(len(labels), 0, -1):
        legend = fig.legend(
            handles, labels, loc="lower center", ncols=columns, fontsize=enlarged(_LEGEND, room),
            frameon=False, borderaxespad=0, borderpad=0.2,
        )  # fmt: skip
        if columns == 1 or _inches(legend)[0] <= room:
            break
        legend.remove()
    return legend


def _inches(legend: Legend) -> tuple[float, float]:
    box = legend.get_window_extent()
    dpi = legend.get_figure(root=True).dpi  # type: ignore[union-attr]
    return box.width / dpi, box.height / dpi
