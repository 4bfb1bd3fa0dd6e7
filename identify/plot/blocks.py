"""The blocks of entangled latents and their order, as boxes and arrows; or, of very many, as counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from identify.entanglement import Entanglement, predict_entanglement
from identify.graph import CausalGraph
from identify.plot.counts import draw_counts
from identify.plot.legend import block_legend
from identify.plot.packing import GAP_X, GAP_Y, Box, layers_of_parts, pack
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

# boxes drawn one by one; more are counted instead, and so are boxes whose text would be smaller
_MAX_BOXES = 300
_SMALLEST_TEXT, _LARGEST_TEXT = 4.0, 10.0
# beyond this the order of the blocks is not even looked at
_MAX_BLOCKS = 3_000
# disentangled latents without arrows that have a box each
_MAX_ALONE = 24
# arrows out of one box; a box with more says in words how many latents it is entangled with
_MAX_ARROWS = 8
_INSTEAD = "{:,} latents and {:,} actions are too many to draw;\nhere are the blocks of entangled latents"


@dataclass(frozen=True)
class _Plan:
    """What is drawn: the boxes of blocks, the arrows between them, and boxes without arrows or notes."""

    dag: nx.DiGraph[int]
    boxes: dict[int, Box]
    notes: list[Box]

    @property
    def everything(self) -> list[Box]:
        return [*self.boxes.values(), *self.notes]


@draws
def plot_blocks(entanglement: Entanglement, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw the blocks and the order between them.

    An arrow from one box to another says that the latents of the first stay entangled with those of the
    second, and not the other way round; arrows that follow from others are left out. Twins share a dark box;
    a latent that is alone but entangled one way has a light, dashed one; a disentangled latent a white one
    with a thick outline; latents that nothing constrains a grey, dotted one. Disentangled latents without
    arrows are counted when there are many. More than 300 boxes, or boxes too small to read, are counted by
    kind and size.

    Args:
        entanglement: The prediction.
        ax: Where to draw; new axes when left out.
        legend: Explain boxes and arrows below the drawing.

    Returns:
        The axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> found = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]]))
        >>> ax = plot_blocks(found, ax=Figure().add_subplot())
        >>> [text.get_text().split() for text in ax.texts]
        [['z0', 'z1'], ['z2']]
    """
    plan = _plan(entanglement)
    ax = ax or new_axes(*_size(plan))
    size = _arrange(plan, *size_in_points(ax)) if plan else 0.0
    if plan is None or not size:
        return draw_counts(ax, entanglement)
    _draw(ax, entanglement, plan, size)
    if legend:
        handles, labels = block_legend(entanglement)
        ax.legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=0, ncols=2,
            frameon=False, fontsize=8,
        )  # fmt: skip
    return ax


def plot_blocks_instead(graph: CausalGraph, ax: Axes | None) -> Axes:
    """Draw the blocks of a graph that is too large to be drawn itself, and say so."""
    ax = plot_blocks(predict_entanglement(graph), ax=ax)
    ax.set_title(_INSTEAD.format(graph.n_latents, graph.n_actions), fontsize=9, color=INK)
    return ax


def blocks_size(entanglement: Entanglement) -> tuple[float, float]:
    """Width and height in inches that suit the drawing of the blocks."""
    return _size(_plan(entanglement))


def _size(plan: _Plan | None) -> tuple[float, float]:
    if plan is None:
        return 5.5, 2.4
    # at 9 points a unit, and three units of width to two of height
    area = sum((box.width + GAP_X) * (box.height + GAP_Y) for box in plan.everything) * 1.3
    width = float(np.clip(np.sqrt(area * 1.6) * 9 / 72, 5.0, 15.0))
    height = float(np.clip(area * (9 / 72) ** 2 / width, 1.0, 11.0))
    return max(width, max(box.width for box in plan.everything) * 9 / 72 + 0.4), height


# What is drawn --------------------------------------------------------------------------------------


def _plan(entanglement: Entanglement) -> _Plan | None:
    """The boxes and arrows, or None for too many."""
    # latents that are disentangled, with whom nothing is entangled, need no box each
    single = (entanglement.sizes == 1) & (np.diff(entanglement.above.indptr) == 0)
    touched = np.zeros(entanglement.n_blocks, dtype=bool)
    touched[entanglement.above.indices] = True
    if (~single | touched).sum() > _MAX_BLOCKS:
        return None
    dag = entanglement.order(reduced=True)
    more = _cut_hubs(entanglement, dag)
    alone = [b for b in dag if single[b] and not dag.degree(b)]
    dag.remove_nodes_from(alone)
    if len(dag) > _MAX_BOXES or (not dag and len(alone) > _MAX_BOXES):
        return None
    boxes = {b: Box(_words(entanglement, b) + more.get(b, ""), b) for b in dag}
    return _Plan(dag, boxes, _notes(entanglement, alone, bool(boxes)))


def _cut_hubs(entanglement: Entanglement, dag: nx.DiGraph[int]) -> dict[int, str]:
    """Take out the arrows of boxes that have too many of them; returns the words that replace them."""
    words = {}
    for hub in [b for b in dag if dag.out_degree(b) > _MAX_ARROWS]:
        others = entanglement.sizes[entanglement.blocks_above(hub)].sum()
        words[hub] = f"\n→ {others:,} others"
        dag.remove_edges_from(list(dag.out_edges(hub)))
    return words


def _words(entanglement: Entanglement, block: int) -> str:
    latents = entanglement.blocks[block]
    if len(latents) > 4:
        return f"{len(latents):,} latents"
    return "\n".join(shorten(entanglement.graph.latents[i], 18) for i in latents)


def _notes(entanglement: Entanglement, alone: Sequence[int], others: bool) -> list[Box]:
    if len(alone) > _MAX_ALONE:
        rest = "more " if others else ""
        return [Box(f"{len(alone):,} {rest}latents, each disentangled,\nnot drawn one by one", -1)]
    return [Box(_words(entanglement, b), b) for b in alone]


# Where it is drawn ----------------------------------------------------------------------------------


def _arrange(plan: _Plan, across: float, down: float) -> float:
    """Give every box its place; returns the size of the text that fits in, or 0 if it is unreadable."""
    parts = layers_of_parts(plan.dag)
    broadest = max(box.width for box in plan.everything)
    area = sum((box.width + GAP_X) * (box.height + GAP_Y) for box in plan.everything)
    limits = [max(broadest, float(np.sqrt(area * f))) for f in (0.3, 0.6, 1, 1.5, 2.2, 3.2, 4.5, 6.5, 10)]

    def placed(limit: float) -> float:
        pieces = [[[plan.boxes[b] for b in layer] for layer in layers] for layers in parts]
        width, height = pack([*pieces, *([[note]] for note in plan.notes)], limit)
        return min(_LARGEST_TEXT, across / (width + 0.5), down / (height + 1.0))

    # where the text has its full size anyway, wide is best: no layer is broken
    best = max(limits, key=lambda limit: (placed(limit), limit))
    size = placed(best)
    return size if size >= _SMALLEST_TEXT else 0.0


# Drawing --------------------------------------------------------------------------------------------


def _draw(ax: Axes, entanglement: Entanglement, plan: _Plan, size: float) -> None:
    width = max(box.x + box.width / 2 for box in plan.everything)
    height = max(box.y + box.height / 2 for box in plan.everything)
    across, down = size_in_points(ax)
    spare_x, spare_y = across / size - width, down / size - height
    ax.set(
        xlim=(-spare_x / 2, width + spare_x / 2),
        ylim=(height + spare_y / 2, -spare_y / 2),
        xticks=[],
        yticks=[],
    )
    ax.set_axis_off()
    for a, b in plan.dag.edges:
        _arrow(ax, plan.boxes[a], plan.boxes[b], size)
    for box in plan.everything:
        _draw_box(ax, entanglement, box, size)


def _arrow(ax: Axes, start: Box, end: Box, size: float) -> None:
    ax.annotate(
        "",
        xy=(end.x, end.y - end.height / 2),
        xytext=(start.x, start.y + start.height / 2),
        arrowprops={
            "arrowstyle": "-|>",
            "color": ITSELF,
            "linewidth": max(0.5, size / 10),
            "mutation_scale": size,
            "shrinkA": 0,
            "shrinkB": 1,
        },
        zorder=1,
    )


def _draw_box(ax: Axes, entanglement: Entanglement, box: Box, size: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    face, ink, line, width = _look(entanglement, box.block)
    corner = (box.x - box.width / 2 + 0.25, box.y - box.height / 2 + 0.25)
    ax.add_patch(
        FancyBboxPatch(
            corner, box.width - 0.5, box.height - 0.5, boxstyle="round,pad=0.25", facecolor=face,
            edgecolor=INK if box.block >= 0 else "none", linestyle=line, linewidth=width, zorder=2,
        )
    )  # fmt: skip
    options = text_options(size * 0.95, ha="center", va="center", zorder=3, linespacing=1.1)
    ax.text(box.x, box.y, box.text, **(options | {"color": ink}))


def _look(entanglement: Entanglement, block: int) -> tuple[str, str, str, float]:
    """Face, colour of the text, line style and line width."""
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
