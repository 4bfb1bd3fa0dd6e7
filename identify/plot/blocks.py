"""The blocks of entangled latents and their order, as boxes and arrows; or, of very many, as counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from identify.entanglement import Entanglement
from identify.plot.style import INK, ITSELF, ONE_WAY, TWINS, new_axes, shorten, size_in_points, text_options

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

__all__ = ["plot_blocks"]

# boxes drawn one by one; more are counted instead
_MOST_BOXES = 120
# beyond this the order of the blocks is not even looked at
_MOST_BLOCKS = 3_000
_MOST_ALONE = 24
# arrows out of one box; a box with more says in words how many latents it is entangled with
_MOST_ARROWS = 8
_LARGEST_TEXT = 10.0
# sizes in units of the text's height
_LETTER, _LINE, _MARGIN, _GAP_X, _GAP_Y = 0.6, 1.25, 0.9, 1.1, 2.0


@dataclass
class _Box:
    """A block, or a note, in the layout; sizes and places in units of the text's height."""

    text: str
    block: int
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        return max(map(len, self.text.split("\n"))) * _LETTER + _MARGIN

    @property
    def height(self) -> float:
        return (self.text.count("\n") + 1) * _LINE + _MARGIN * 0.6


def plot_blocks(entanglement: Entanglement, ax: Axes | None = None) -> Axes:
    """Draw the blocks and the order between them.

    An arrow from one box to another says that the latents of the first stay entangled with those of the second, and not
    the other way round; arrows that follow from others are left out. Twins share a dark box; a latent that is alone but
    entangled one way has a light, dashed one; a disentangled latent a white one with a thick outline. Disentangled
    latents without arrows are counted when there are many, and with more than 120 boxes everything is.

    Args:
        entanglement: the prediction.
        ax: where to draw; new axes when left out.

    Returns:
        The axes.
    """
    ax = ax or new_axes(8.0, 5.0)
    # latents that are disentangled, with whom nothing is entangled, need no box each
    single = (entanglement.sizes == 1) & (np.diff(entanglement.above.indptr) == 0)
    touched = np.zeros(entanglement.n_blocks, dtype=bool)
    touched[entanglement.above.indices] = True
    if (~single | touched).sum() > _MOST_BLOCKS:
        return _draw_counts(ax, entanglement)
    dag = entanglement.order(reduced=True)
    more = _cut_hubs(entanglement, dag)
    alone = [b for b in dag if single[b] and not dag.degree(b)]
    dag.remove_nodes_from(alone)
    if len(dag) > _MOST_BOXES or (not dag and len(alone) > _MOST_ALONE):
        return _draw_counts(ax, entanglement)
    boxes = {b: _Box(_words(entanglement, b) + more.get(b, ""), b) for b in dag}
    notes = _notes(entanglement, alone)
    _place(ax, boxes, _parts(dag), notes)
    _draw(ax, entanglement, dag, boxes, notes)
    return ax


def _cut_hubs(entanglement: Entanglement, dag: nx.DiGraph[int]) -> dict[int, str]:
    """Take out the arrows of boxes that have too many of them; returns the words that replace them."""
    words = {}
    for hub in [b for b in dag if dag.out_degree(b) > _MOST_ARROWS]:
        others = entanglement.sizes[entanglement.blocks_above(hub)].sum()
        words[hub] = f"\n→ {others:,} others"
        dag.remove_edges_from(list(dag.out_edges(hub)))
    return words


def _words(entanglement: Entanglement, block: int) -> str:
    latents = entanglement.blocks[block]
    if len(latents) > 4:
        return f"{len(latents):,} latents"
    return "\n".join(shorten(entanglement.graph.latents[i], 18) for i in latents)


def _notes(entanglement: Entanglement, alone: Sequence[int]) -> list[_Box]:
    if len(alone) > _MOST_ALONE:
        return [_Box(f"{len(alone):,} latents, each disentangled,\nnot drawn one by one", -1)]
    return [_Box(_words(entanglement, b), b) for b in alone]


# Layout ---------------------------------------------------------------------------------------------


def _parts(dag: nx.DiGraph[int]) -> list[list[list[int]]]:
    """For each connected part its layers, sources first; neighbours in the order of what they point at."""
    import networkx as nx

    parts = []
    for part in sorted(nx.weakly_connected_components(dag), key=lambda found: (-len(found), min(found))):
        layers = [sorted(layer) for layer in nx.topological_generations(dag.subgraph(part))]
        for _ in range(4):
            _untangle(dag, layers)
        parts.append(layers)
    return parts


def _untangle(dag: nx.DiGraph[int], layers: list[list[int]]) -> None:
    place = {b: i / max(len(layer) - 1, 1) for layer in layers for i, b in enumerate(layer)}
    for layer in layers:
        layer.sort(key=lambda b: (_mean([place[c] for c in (*dag.predecessors(b), *dag.successors(b))]), b))
        place |= {b: i / max(len(layer) - 1, 1) for i, b in enumerate(layer)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _place(ax: Axes, boxes: dict[int, _Box], parts: list[list[list[int]]], notes: Sequence[_Box]) -> None:
    """Give every box its place: parts packed on shelves, as wide as lets the text be largest."""
    pieces = [[[boxes[b] for b in layer] for layer in layers] for layers in parts] + [
        [[note]] for note in notes
    ]
    everything = (*boxes.values(), *notes)
    widest = max(box.width for box in everything)
    area = sum((box.width + _GAP_X) * (box.height + _GAP_Y) for box in everything)
    limits = [
        max(widest, float(np.sqrt(area * factor))) for factor in (0.3, 0.6, 1, 1.5, 2.2, 3.2, 4.5, 6.5, 10)
    ]
    # where the text has its full size anyway, wide is best: no layer is broken
    best = max(limits, key=lambda limit: (_text_size(ax, *_pack(pieces, limit)), limit))
    _pack(pieces, best)


def _text_size(ax: Axes, width: float, height: float) -> float:
    across, down = size_in_points(ax)
    return min(_LARGEST_TEXT, across / (width + 2), down / (height + 3))


def _pack(pieces: list[list[list[_Box]]], limit: float) -> tuple[float, float]:
    """Place the pieces from left to right, on as many shelves as the limit asks for; width and height."""
    x = y = shelf = widest = 0.0
    for layers in pieces:
        members, width, height = _place_part(_wrapped(layers, limit))
        if x and x + width > limit:
            x, y, shelf = 0.0, y + shelf + _GAP_Y, 0.0
        for box in members:
            box.x += x
            box.y += y
        x += width + _GAP_X * 2
        shelf = max(shelf, height)
        widest = max(widest, x - _GAP_X * 2)
    return widest, y + shelf


def _wrapped(layers: list[list[_Box]], limit: float) -> list[list[_Box]]:
    """Break layers that are wider than the limit into several rows."""
    rows: list[list[_Box]] = []
    for layer in layers:
        rows.append([])
        width = 0.0
        for box in layer:
            if rows[-1] and width + box.width > limit:
                rows.append([])
                width = 0.0
            rows[-1].append(box)
            width += box.width + _GAP_X
    return rows


def _place_part(layers: list[list[_Box]]) -> tuple[list[_Box], float, float]:
    widths = [sum(box.width for box in layer) + _GAP_X * (len(layer) - 1) for layer in layers]
    y = 0.0
    for layer, width in zip(layers, widths, strict=True):
        x = (max(widths) - width) / 2
        tallest = max(box.height for box in layer)
        for box in layer:
            box.x, box.y = x + box.width / 2, y + tallest / 2
            x += box.width + _GAP_X
        y += tallest + _GAP_Y
    return [box for layer in layers for box in layer], max(widths), y - _GAP_Y


# Drawing --------------------------------------------------------------------------------------------


def _draw(
    ax: Axes,
    entanglement: Entanglement,
    dag: nx.DiGraph[int],
    boxes: dict[int, _Box],
    notes: Sequence[_Box],
) -> None:
    everything = (*boxes.values(), *notes)
    width = max(box.x + box.width / 2 for box in everything)
    height = max(box.y + box.height / 2 for box in everything)
    size = _text_size(ax, width, height)
    across, down = size_in_points(ax)
    spare_x, spare_y = across / size - width, down / size - height
    ax.set(xlim=(-spare_x / 2, width + spare_x / 2), ylim=(height + spare_y / 2, -spare_y / 2))
    ax.set_axis_off()
    for a, b in dag.edges:
        _arrow(ax, boxes[a], boxes[b], size)
    for box in everything:
        _draw_box(ax, entanglement, box, size)


def _arrow(ax: Axes, start: _Box, end: _Box, size: float) -> None:
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


def _draw_box(ax: Axes, entanglement: Entanglement, box: _Box, size: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    face, ink, line, width = _look(entanglement, box.block)
    corner = (box.x - box.width / 2 + 0.25, box.y - box.height / 2 + 0.25)
    ax.add_patch(
        FancyBboxPatch(
            corner, box.width - 0.5, box.height - 0.5, boxstyle="round,pad=0.25", facecolor=face,
            edgecolor=INK if box.block >= 0 else "none", linestyle=line, linewidth=width, zorder=2,
        )
    )  # fmt: skip
    options = text_options(size * 0.92, ha="center", va="center", zorder=3, linespacing=1.1)
    ax.text(box.x, box.y, box.text, **(options | {"color": ink}))


def _look(entanglement: Entanglement, block: int) -> tuple[str, str, str, float]:
    """Face, colour of the text, line style and line width."""
    if block < 0:
        return "white", INK, "-", 0.0
    first = entanglement.blocks[block][0]
    if entanglement.disentangled[first]:
        return "white", INK, "-", 1.6
    if not entanglement.constrained[first]:
        return "#EEEEEE", INK, ":", 1.2
    if entanglement.sizes[block] > 1:
        return TWINS, "white", "-", 0.8
    return ONE_WAY, INK, "--", 0.8


def _draw_counts(ax: Axes, entanglement: Entanglement) -> Axes:
    """How many latents are disentangled, entangled one way, or in a block of what size."""
    counts = _counts(entanglement)
    places = np.arange(len(counts))
    numbers = [number for _, number, _ in counts]
    bars = ax.barh(places, numbers, color=[colour for *_, colour in counts], edgecolor=INK, linewidth=0.8)
    total = entanglement.n_latents
    for bar, number in zip(bars, numbers, strict=True):
        share = f" {number:,} ({100 * number / total:.3g} %)"
        ax.text(
            bar.get_width(), bar.get_y() + bar.get_height() / 2, share, va="center", fontsize=9, color=INK
        )
    ax.set_yticks(places, [label for label, *_ in counts])
    ax.set(xlim=(0, max(numbers) * 1.35), xlabel=f"latents ({total:,} in {entanglement.n_blocks:,} blocks)")
    # a few bars keep the height of a row
    ax.set_ylim(max(len(counts), 5) - 0.4, -0.6)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def _counts(entanglement: Entanglement) -> list[tuple[str, int, str]]:
    size = entanglement.sizes[entanglement.labels]
    free = ~entanglement.constrained & ~entanglement.disentangled
    alone = (size == 1) & ~free
    found = [
        ("disentangled", entanglement.disentangled, "white"),
        ("alone, entangled one way", alone & ~entanglement.disentangled, ONE_WAY),
    ]
    for low, high in ((2, 2), (3, 5), (6, 20), (21, None)):
        inside = (size >= low) & (size <= (high or size.max())) & ~free
        span = f"{low}" if low == high else f"{low} to {high}" if high else f"more than {low - 1}"
        found.append((f"in a block of {span}", inside, TWINS))
    found.append(("nothing constrains it", free, "#EEEEEE"))
    counted = [(label, int(mask.sum()), colour) for label, mask, colour in found]
    return [row for row in counted if row[1]]
