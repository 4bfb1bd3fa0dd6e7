"""Boxes of text in layers, packed on shelves: where each stands. Sizes in units of the text's height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from identify.plot.style import widest

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["GAP_X", "GAP_Y", "Box", "layers_of_parts", "pack"]

#: Between two boxes of a row, and between two rows.
GAP_X, GAP_Y = 1.0, 1.8
_LINE, _MARGIN = 1.25, 1.2
# widths are measured at this size and scaled
_MEASURED = 10.0


@dataclass
class Box:
    """A block, or a note, in the layout.

    Attributes:
        text: What it says, one line per name.
        block: The block's number; -1 for a note.
        x, y: Its middle; y grows downwards.
        width: From the text.
    """

    text: str
    block: int
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    def __post_init__(self) -> None:
        self.width = widest([self.text], _MEASURED) / _MEASURED + _MARGIN

    @property
    def height(self) -> float:
        return (self.text.count("\n") + 1) * _LINE + _MARGIN * 0.5


def layers_of_parts(dag: nx.DiGraph[int]) -> list[list[list[int]]]:
    """For each connected part, largest first, its layers; the sources of arrows come before their ends."""
    import networkx as nx

    parts = []
    for part in sorted(nx.weakly_connected_components(dag), key=lambda found: (-len(found), min(found))):
        layers = [sorted(layer) for layer in nx.topological_generations(dag.subgraph(part))]
        _sink(dag, layers)
        for _ in range(6):
            _untangle(dag, layers)
        parts.append(layers)
    return parts


def _sink(dag: nx.DiGraph[int], layers: list[list[int]]) -> None:
    """Move each box down to just above the first it points at, so that arrows are short."""
    level = {b: k for k, layer in enumerate(layers) for b in layer}
    for b in [b for layer in reversed(layers) for b in layer]:
        below = [level[c] for c in dag.successors(b)]
        if below and min(below) - 1 > level[b]:
            layers[level[b]].remove(b)
            level[b] = min(below) - 1
            layers[level[b]].append(b)


def _untangle(dag: nx.DiGraph[int], layers: list[list[int]]) -> None:
    """Sort every layer by the mean place of the neighbours (the barycentre heuristic)."""
    place = {b: (i + 0.5) / len(layer) for layer in layers for i, b in enumerate(layer)}
    for layer in layers:
        layer.sort(key=lambda b: (_mean([place[c] for c in (*dag.predecessors(b), *dag.successors(b))]), b))
        place |= {b: (i + 0.5) / len(layer) for i, b in enumerate(layer)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def pack(pieces: list[list[list[Box]]], limit: float) -> tuple[float, float]:
    """Place the pieces from left to right, on as many shelves as the limit asks for; width and height."""
    x = y = shelf = broadest = 0.0
    for layers in pieces:
        members, width, height = _place_part(_wrapped(layers, limit))
        if x and x + width > limit:
            x, y, shelf = 0.0, y + shelf + GAP_Y, 0.0
        for box in members:
            box.x += x
            box.y += y
        x += width + GAP_X * 2
        shelf = max(shelf, height)
        broadest = max(broadest, x - GAP_X * 2)
    return broadest, y + shelf


def _wrapped(layers: list[list[Box]], limit: float) -> list[list[Box]]:
    """Break layers that are wider than the limit into several rows, about equally long."""
    rows: list[list[Box]] = []
    for layer in layers:
        total = sum(box.width + GAP_X for box in layer)
        even = total / max(np.ceil(total / limit), 1)
        rows.append([])
        width = 0.0
        for box in layer:
            if rows[-1] and (width + box.width > limit or width + box.width / 2 > even):
                rows.append([])
                width = 0.0
            rows[-1].append(box)
            width += box.width + GAP_X
    return rows


def _place_part(layers: list[list[Box]]) -> tuple[list[Box], float, float]:
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
