"""Figures of a causal graph and of its predicted entanglement; the only package that imports matplotlib.

Every function takes an ``ax`` and returns it. Labels, marks and level of detail depend on the size of the graph: up to
300 latents are drawn one by one, and beyond that as blocks. Kinds differ by lightness, marks and outlines, never by hue
alone. New figures are dark on white in any style of matplotlib. On user-supplied axes, colours are adapted to the
background.

===============  =========================================
module           contents
===============  =========================================
``layers``       the graph in two layers
``layer_order``  the order of the nodes in the layers
``matrices``     the adjacency and entanglement matrices
``cells``        cells of a matrix as an image with a grid
``blocks``       blocks of entangled latents
``packing``      the layout of blocks
``counts``       bar charts, for very many latents
``overview``     a whole verdict in one figure
``design``       a design of interventions
``legend``       legends
``style``        colours, text and sizes
``contrast``     contrast of colours
``paper``        backgrounds, and figures dark on white
``save``         figures to files
===============  =========================================
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
