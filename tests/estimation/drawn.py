"""Read the contents of a figure back from its axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from estimation.evaluation.comparison import Comparison, compare
from estimation.learned import LearnedEntanglement
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from tests.seeds import training_seed

__all__ = [
    "Array",
    "colours",
    "comparison_of",
    "crosses",
    "is_colour",
    "lightness",
    "marked",
    "pair",
    "rings",
    "texts",
]

Array = NDArray[np.float64]


def pair(width: float = 10, height: float = 5) -> list[Axes]:
    """Return two axes side by side."""
    return list(Figure(figsize=(width, height), layout="constrained").subplots(1, 2))


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.findobj(Text) if text.get_visible() and text.get_text()]


def marked(ax: Axes, kind: str) -> set[tuple[int, int]]:
    """Return the cells (row, column) with marks of a kind."""
    cells = set()
    for collection in ax.collections:
        if collection.get_label() == kind:
            for path in collection.get_paths():
                x, y = (path.vertices.min(axis=0) + path.vertices.max(axis=0)) / 2  # type: ignore[union-attr]
                cells.add((round(y), round(x)))
    return cells


def rings(ax: Axes) -> set[tuple[int, int]]:
    return marked(ax, "missing")


def crosses(ax: Axes) -> set[tuple[int, int]]:
    return marked(ax, "extra")


def colours(ax: Axes) -> list[Array]:
    return [np.asarray(image.get_array()) for image in ax.images]


def is_colour(cell: Array, colour: str) -> bool:
    return bool(np.allclose(cell[:3], to_rgb(colour)))


def lightness(colour: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return float(116 * np.cbrt(0.2126 * red + 0.7152 * green + 0.0722 * blue) - 16)


def comparison_of(graph: CausalGraph, seed: int, n_unmatched: int = 0) -> Comparison:
    """Return a comparison with random strengths, latents in the true order, and some unmatched learned latents."""
    rng = np.random.default_rng(training_seed(seed))
    n = graph.n_latents
    strengths = np.where(rng.random((n, n + n_unmatched)) < 0.4, 0.4, 0.0)
    strengths[np.diag_indices(n)] = 1.0
    learned = LearnedEntanglement(
        strengths, 0.1, "jacobian", graph.latents, tuple(f"v{k}" for k in range(n + n_unmatched))
    )
    return compare(predict_entanglement(graph), learned)
