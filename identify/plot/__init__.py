"""Figures of a causal graph and of its predicted entanglement; the only package that imports matplotlib.

Every function takes an ``ax`` and returns it. Labels, marks and level of detail follow the size of the graph:
up to 300 latents each one is drawn, beyond that their blocks are. Kinds are told apart by lightness, marks
and outlines, never by hue alone. New figures are dark on white in any style of matplotlib; on axes that are given,
the ink fits their paper.
"""

from __future__ import annotations

from identify.plot.blocks import plot_blocks
from identify.plot.design import plot_design
from identify.plot.layers import plot_graph
from identify.plot.matrices import plot_entanglement, plot_matrix
from identify.plot.overview import plot_verdict
from identify.plot.save import figure_svg, save_figure

__all__ = [
    "figure_svg",
    "plot_blocks",
    "plot_design",
    "plot_entanglement",
    "plot_graph",
    "plot_matrix",
    "plot_verdict",
    "save_figure",
]
