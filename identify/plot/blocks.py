"""Blocks of entangled latents and their order, as boxes and arrows, or as bar charts if there are very many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from identify.entanglement import Entanglement, predict_entanglement
from identify.graph import CausalGraph
from identify.plot.counts import draw_counts
from identify.plot.legend import block_legend
from identify.plot.packing import GAP_X, GAP_Y, Box, component_layers, pack
from identify.plot.paper import draws
from identify.plot.style import (
    FREE,
    INK,
    ITSELF,
    ON_DARK,
    ON_FILL,
    ONE_WAY,
    TWINS,
    new_axes,
    shorten,
    size_in_points,
    text_options,
)

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

__all__ = ["blocks_size", "plot_blocks", "plot_blocks_instead"]

# more boxes, or boxes with smaller text, are replaced by a bar chart
_MAX_BOXES = 300
_MIN_FONT_SIZE, _MAX_FONT_SIZE = 4.0, 10.0
# more blocks are replaced by a bar chart without computing their order
_MAX_BLOCKS = 3_000
# disentangled latents without arrows that get a box each
_MAX_ISOLATED = 24
# arrows out of one box; more are replaced by the number of latents
_MAX_ARROWS = 8
_TITLE = "{:,} latents and {:,} actions are too many to draw;\nhere are the blocks of entangled latents"


@dataclass(frozen=True)
class _Plan:
    """Content of a figure.

    Attributes:
        dag: Arrows between blocks.
        boxes: Boxes of the blocks with arrows.
        isolated: Boxes without arrows, or one note with their number.
    """

    dag: nx.DiGraph[int]
    boxes: dict[int, Box]
    isolated: list[Box]

    @property
    def all_boxes(self) -> list[Box]:
        return [*self.boxes.values(), *self.isolated]


@draws
def plot_blocks(entanglement: Entanglement, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw the blocks and the order between them.

    An arrow from one box to another means that the latents of the first stay entangled with those of the second, but
    not vice versa; arrows implied by others are omitted. Twins share a dark box. A single latent that is entangled one
    way has a light, dashed box, a disentangled latent a white box with a thick outline, and latents that nothing
    constrains a grey, dotted box. Many disentangled latents without arrows are replaced by their number. More than 300
    boxes, or boxes too small to read, are replaced by a bar chart of kinds and sizes.

    Args:
        entanglement: Predicted entanglement.
        ax: Axes to draw on; new axes by default.
        legend: Whether to explain boxes and arrows below the drawing.

    Returns:
        The axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> entanglement = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]]))
        >>> ax = plot_blocks(entanglement, ax=Figure().add_subplot())
        >>> [text.get_text().split() for text in ax.texts]
        [['z0', 'z1'], ['z2']]
    """
    plan = _plan(entanglement)
    ax = ax or new_axes(*_size(plan))
    font_size = _arrange(plan, *size_in_points(ax)) if plan else 0.0
    if plan is None or not font_size:
        return draw_counts(ax, entanglement)
    _draw(ax, entanglement, plan, font_size)
    if legend:
        handles, labels = block_legend(entanglement)
        ax.legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=0, ncols=2,
            frameon=False, fontsize=8,
        )  # fmt: skip
    return ax


def plot_blocks_instead(graph: CausalGraph, ax: Axes | None) -> Axes:
    """Draw the blocks of a graph that is too large to draw, with a title that says so."""
    ax = plot_blocks(predict_entanglement(graph), ax=ax)
    ax.set_title(_TITLE.format(graph.n_latents, graph.n_actions), fontsize=9, color=INK)
    return ax


def blocks_size(entanglement: Entanglement) -> tuple[float, float]:
    """Return a suitable width and height of the figure in inches."""
    return _size(_plan(entanglement))


def _size(plan: _Plan | None) -> tuple[float, float]:
    if plan is None:
        return 5.5, 2.4
    # at 9 points a unit, and three units of width to two of height
    area = sum((box.width + GAP_X) * (box.height + GAP_Y) for box in plan.all_boxes) * 1.3
    width = float(np.clip(np.sqrt(area * 1.6) * 9 / 72, 5.0, 15.0))
    height = float(np.clip(area * (9 / 72) ** 2 / width, 1.0, 11.0))
    return max(width, max(box.width for box in plan.all_boxes) * 9 / 72 + 0.4), height


# Content --------------------------------------------------------------------------------------------


def _plan(entanglement: Entanglement) -> _Plan | None:
    """Return the boxes and arrows, or None if there are too many."""
    # a disentangled latent without arrows needs no box of its own
    is_disentangled = (entanglement.sizes == 1) & (np.diff(entanglement.above.indptr) == 0)
    is_target = np.zeros(entanglement.n_blocks, dtype=bool)
    is_target[entanglement.above.indices] = True
    if (~is_disentangled | is_target).sum() > _MAX_BLOCKS:
        return None
    dag = entanglement.order(reduced=True)
    hub_texts = _remove_hub_arrows(entanglement, dag)
    isolated = [b for b in dag if is_disentangled[b] and not dag.degree(b)]
    dag.remove_nodes_from(isolated)
    if len(dag) > _MAX_BOXES or (not dag and len(isolated) > _MAX_BOXES):
        return None
    boxes = {b: Box(_block_text(entanglement, b) + hub_texts.get(b, ""), b) for b in dag}
    return _Plan(dag, boxes, _isolated_boxes(entanglement, isolated, bool(boxes)))


def _remove_hub_arrows(entanglement: Entanglement, dag: nx.DiGraph[int]) -> dict[int, str]:
    """Remove the arrows of boxes that have too many; return the texts that replace them."""
    texts = {}
    for hub in [b for b in dag if dag.out_degree(b) > _MAX_ARROWS]:
        n_others = entanglement.sizes[entanglement.blocks_above(hub)].sum()
        texts[hub] = f"\n→ {n_others:,} others"
        dag.remove_edges_from(list(dag.out_edges(hub)))
    return texts


def _block_text(entanglement: Entanglement, block: int) -> str:
    latents = entanglement.blocks[block]
    if len(latents) > 4:
        return f"{len(latents):,} latents"
    return "\n".join(shorten(entanglement.graph.latents[i], 18) for i in latents)


def _isolated_boxes(entanglement: Entanglement, blocks: Sequence[int], has_others: bool) -> list[Box]:
    if len(blocks) > _MAX_ISOLATED:
        more = "more " if has_others else ""
        return [Box(f"{len(blocks):,} {more}latents, each disentangled,\nnot drawn one by one", -1)]
    return [Box(_block_text(entanglement, b), b) for b in blocks]


# Layout ---------------------------------------------------------------------------------------------


def _arrange(plan: _Plan, available_width: float, available_height: float) -> float:
    """Place all boxes; return the font size that fits, or 0 if it is too small to read."""
    components = component_layers(plan.dag)
    broadest = max(box.width for box in plan.all_boxes)
    area = sum((box.width + GAP_X) * (box.height + GAP_Y) for box in plan.all_boxes)
    widths = [max(broadest, float(np.sqrt(area * f))) for f in (0.3, 0.6, 1, 1.5, 2.2, 3.2, 4.5, 6.5, 10)]

    def place(max_width: float) -> float:
        pieces = [[[plan.boxes[b] for b in layer] for layer in layers] for layers in components]
        width, height = pack([*pieces, *([[box]] for box in plan.isolated)], max_width)
        return min(_MAX_FONT_SIZE, available_width / (width + 0.5), available_height / (height + 1.0))

    # among layouts with the largest text, the widest breaks the fewest layers
    best = max(widths, key=lambda max_width: (place(max_width), max_width))
    font_size = place(best)
    return font_size if font_size >= _MIN_FONT_SIZE else 0.0


# Drawing --------------------------------------------------------------------------------------------


def _draw(ax: Axes, entanglement: Entanglement, plan: _Plan, font_size: float) -> None:
    width = max(box.x + box.width / 2 for box in plan.all_boxes)
    height = max(box.y + box.height / 2 for box in plan.all_boxes)
    available_width, available_height = size_in_points(ax)
    margin_x = (available_width / font_size - width) / 2
    margin_y = (available_height / font_size - height) / 2
    ax.set(xlim=(-margin_x, width + margin_x), ylim=(height + margin_y, -margin_y), xticks=[], yticks=[])
    ax.set_axis_off()
    for a, b in plan.dag.edges:
        _draw_arrow(ax, plan.boxes[a], plan.boxes[b], font_size)
    for box in plan.all_boxes:
        _draw_box(ax, entanglement, box, font_size)


def _draw_arrow(ax: Axes, start: Box, end: Box, font_size: float) -> None:
    ax.annotate(
        "",
        xy=(end.x, end.y - end.height / 2),
        xytext=(start.x, start.y + start.height / 2),
        arrowprops={
            "arrowstyle": "-|>",
            "color": ITSELF,
            "linewidth": max(0.5, font_size / 10),
            "mutation_scale": font_size,
            "shrinkA": 0,
            "shrinkB": 1,
        },
        zorder=1,
    )


def _draw_box(ax: Axes, entanglement: Entanglement, box: Box, font_size: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    face, text_colour, line_style, line_width = _box_style(entanglement, box.block)
    corner = (box.x - box.width / 2 + 0.25, box.y - box.height / 2 + 0.25)
    ax.add_patch(
        FancyBboxPatch(
            corner, box.width - 0.5, box.height - 0.5, boxstyle="round,pad=0.25", facecolor=face,
            edgecolor=INK if box.block >= 0 else "none", linestyle=line_style, linewidth=line_width, zorder=2,
        )
    )  # fmt: skip
    options = text_options(font_size * 0.95, ha="center", va="center", zorder=3, linespacing=1.1)
    ax.text(box.x, box.y, box.text, **(options | {"color": text_colour}))


def _box_style(entanglement: Entanglement, block: int) -> tuple[str, str, str, float]:
    """Return face colour, text colour, line style and line width."""
    if block < 0:
        return "white", ON_FILL, "-", 0.0
    first = entanglement.blocks[block][0]
    if entanglement.disentangled[first]:
        return "white", ON_FILL, "-", 1.6
    if not entanglement.constrained[first]:
        return FREE, ON_FILL, ":", 1.2
    if entanglement.sizes[block] > 1:
        return TWINS, ON_DARK, "-", 0.8
    return ONE_WAY, ON_FILL, "--", 0.8
