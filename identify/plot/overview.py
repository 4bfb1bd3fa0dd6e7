"""The graph and its predicted entanglement side by side, with the verdict as title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from identify.criterion import Verdict
from identify.plot.blocks import plot_blocks
from identify.plot.layers import plot_graph
from identify.plot.matrices import plot_entanglement, plot_matrix
from identify.plot.style import INK, ITSELF, MOST_LATENTS, ONE_WAY, TWINS, inches

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_verdict"]

# more edges than this are easier to read as matrices
_MOST_EDGES = 150


def plot_verdict(verdict: Verdict, fig: Figure | None = None) -> Figure:
    """Draw the graph, what of it stays entangled, and the verdict.

    Args:
        verdict: the answer of `identify.criterion.check`.
        fig: an empty figure to draw into; its size is set to fit. A new one, unknown to pyplot, when left out.

    Returns:
        The figure. Up to 300 latents it shows the graph (as two layers, or as matrices when it has many
        edges) beside the entanglement matrix; of larger graphs it shows the blocks.
    """
    from matplotlib.figure import Figure

    fig = fig or Figure()
    fig.set_layout_engine("constrained", h_pad=0.1, w_pad=0.15)
    fig.suptitle(verdict.headline, fontsize=12, fontweight="bold", color=INK)
    graph = verdict.graph
    if max(graph.n_latents, graph.n_actions) > MOST_LATENTS:
        fig.set_size_inches(9.5, 6.5)
        _titled(plot_blocks(verdict.entanglement, ax=fig.add_subplot()), "Blocks of entangled latents")
    else:
        _side_by_side(fig, verdict)
    _legend(fig, verdict)
    return fig


def _side_by_side(fig: Figure, verdict: Verdict) -> None:
    graph = verdict.graph
    layered = graph.n_edges <= _MOST_EDGES and graph.n_latents + graph.n_actions <= 90
    rows = graph.n_latents + (graph.n_actions + 2 if layered and graph.Gz.nnz else 0)
    height = inches(rows, each=0.19 if rows > 30 else 0.24, least=3.6, most=14.0)
    square = min(height, inches(graph.n_latents, each=0.19 if rows > 30 else 0.24, least=3.6, most=14.0))
    width = (
        5.6 if layered else min(16.0, square * (1 + _columns(verdict) / max(graph.n_latents, 1)) / 2 + 1.2)
    )
    fig.set_size_inches(width + square + 1.2, height + 1.1)
    left, right = fig.subplots(1, 2, width_ratios=[width, square + 1.0])
    if layered:
        _titled(plot_graph(graph, ax=left), "Causal graph")
    else:
        _titled(plot_matrix(graph, ax=left), "Causal graph (rows are children)", pad=20)
    _titled(plot_entanglement(verdict.entanglement, ax=right), "Predicted entanglement")
    for ax in (left, right):
        ax.set_anchor("N")


def _columns(verdict: Verdict) -> int:
    graph = verdict.graph
    return (graph.n_latents if graph.Gz.nnz else 0) + (graph.n_actions if graph.Ga.nnz else 0)


def _titled(ax: Axes, title: str, pad: float = 8) -> None:
    ax.set_title(title, fontsize=10, color=INK, pad=pad)


def _legend(fig: Figure, verdict: Verdict) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    found = verdict.entanglement
    cells = max(verdict.graph.n_latents, verdict.graph.n_actions) <= MOST_LATENTS
    entries: list[tuple[Artist, str]] = []
    if found.disentangled.any():
        tick = Line2D([], [], marker="$✓$", color=INK, linestyle="none")
        outline = Patch(facecolor="white", edgecolor=INK, linewidth=1.6)
        entries.append((tick if cells else outline, "disentangled"))
    if (found.sizes > 1).any():
        entries.append((Patch(facecolor=TWINS, edgecolor=INK), "entangled with each other (a block)"))
    if found.above.nnz:
        direction = "row with column" if cells else "along the arrow"
        light = Patch(facecolor=ONE_WAY, edgecolor=INK, linestyle="-" if cells else "--")
        entries.append((light, f"entangled one way: {direction}"))
    if not found.constrained.all() and found.n_latents > 1:
        ring = Line2D([], [], marker="$○$", color=INK, linestyle="none")
        dotted = Patch(facecolor="#EEEEEE", edgecolor=INK, linestyle=":")
        entries.append((ring if cells else dotted, "nothing constrains it"))
    if cells:
        entries.append((Patch(facecolor=ITSELF, edgecolor=INK), "itself"))
    handles, labels = zip(*entries, strict=True)
    fig.legend(handles, labels, loc="outside lower center", ncols=len(entries), fontsize=8, frameon=False)
