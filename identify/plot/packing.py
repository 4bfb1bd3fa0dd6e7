"""Layout of text boxes in layers, packed on shelves. Lengths are in units of the font size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from identify.plot.style import widest

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["GAP_X", "GAP_Y", "Box", "component_layers", "pack"]

#: Gaps between two boxes of a row, and between two rows.
GAP_X, GAP_Y = 1.0, 1.8
_LINE, _MARGIN = 1.25, 1.2
# font size at which widths are measured before they are scaled
_MEASURING_SIZE = 10.0


@dataclass
class Box:
    """Box of a block or a note.

    Attributes:
        text: Text, one line per name.
        block: Number of the block; -1 for a note.
        x, y: Centre of the box; y increases downwards.
        width: Width, computed from the text.
    """

    text: str
    block: int
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    def __post_init__(self) -> None:
        self.width = widest([self.text], _MEASURING_SIZE) / _MEASURING_SIZE + _MARGIN

    @property
    def height(self) -> float:
        """Height of the box, in units of the font size."""
        return (self.text.count("\n") + 1) * _LINE + _MARGIN * 0.5


def component_layers(dag: nx.DiGraph[int]) -> list[list[list[int]]]:
    """Return the layers of each connected component, largest component first; arrows point to later layers."""
    import networkx as nx

    components = sorted(nx.weakly_connected_components(dag), key=lambda blocks: (-len(blocks), min(blocks)))
    result = []
    for component in components:
        layers = [sorted(layer) for layer in nx.topological_generations(dag.subgraph(component))]
        _shorten_arrows(dag, layers)
        for _ in range(6):
            _reduce_crossings(dag, layers)
        result.append(layers)
    return result


def _shorten_arrows(dag: nx.DiGraph[int], layers: list[list[int]]) -> None:
    """Move each box down to the layer just above its first target."""
    level = {b: k for k, layer in enumerate(layers) for b in layer}
    for b in [b for layer in reversed(layers) for b in layer]:
        below = [level[c] for c in dag.successors(b)]
        if below and min(below) - 1 > level[b]:
            layers[level[b]].remove(b)
            level[b] = min(below) - 1
            layers[level[b]].append(b)


def _reduce_crossings(dag: nx.DiGraph[int], layers: list[list[int]]) -> None:
    """Sort every layer by the mean position of the neighbours (barycentre heuristic)."""
    position = {b: (i + 0.5) / len(layer) for layer in layers for i, b in enumerate(layer)}
    for layer in layers:
        layer.sort(
            key=lambda b: (_mean([position[c] for c in (*dag.predecessors(b), *dag.successors(b))]), b)
        )
        position |= {b: (i + 0.5) / len(layer) for i, b in enumerate(layer)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def pack(pieces: list[list[list[Box]]], max_width: float) -> tuple[float, float]:
    """Place the pieces from left to right on shelves of limited width; return the total width and height."""
    x = y = shelf_height = total_width = 0.0
    for layers in pieces:
        boxes, width, height = _place_piece(_wrap(layers, max_width))
        if x and x + width > max_width:
            x, y, shelf_height = 0.0, y + shelf_height + GAP_Y, 0.0
        for box in boxes:
            box.x += x
            box.y += y
        x += width + GAP_X * 2
        shelf_height = max(shelf_height, height)
        total_width = max(total_width, x - GAP_X * 2)
    return total_width, y + shelf_height


def _wrap(layers: list[list[Box]], max_width: float) -> list[list[Box]]:
    """Break layers that are too wide into several rows of about equal width."""
    rows: list[list[Box]] = []
    for layer in layers:
        total = sum(box.width + GAP_X for box in layer)
        row_width = total / max(np.ceil(total / max_width), 1)
        rows.append([])
        width = 0.0
        for box in layer:
            if rows[-1] and (width + box.width > max_width or width + box.width / 2 > row_width):
                rows.append([])
                width = 0.0
            rows[-1].append(box)
            width += box.width + GAP_X
    return rows


def _place_piece(layers: list[list[Box]]) -> tuple[list[Box], float, float]:
    """Centre the layers below each other; return the boxes, the width and the height."""
    widths = [sum(box.width for box in layer) + GAP_X * (len(layer) - 1) for layer in layers]
    y = 0.0
    for layer, width in zip(layers, widths, strict=True):
        x = (max(widths) - width) / 2
        tallest = max(box.height for box in layer)
        for box in layer:
            box.x, box.y = x + box.width / 2, y + tallest / 2
            x += box.width + GAP_X
        y += tallest + GAP_Y
    return [box for layer in layers for box in layer], max(widths), y - GAP_Y
