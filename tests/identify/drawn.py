"""Content of a figure, read back from its axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Annotation, Text

from identify.graph import CausalGraph

__all__ = ["arrows", "axes", "drawn_boxes", "lightness", "random_graph", "words"]


def axes(width: float = 8, height: float = 6) -> Axes:
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def random_graph(n: int, m: int = 3, degree: float = 1.5, seed: int = 0) -> CausalGraph:
    rng = np.random.default_rng(seed)
    return CausalGraph(rng.random((n, n)) < degree / n, rng.random((n, m)) < 0.2)


def lightness(colour: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return float(116 * np.cbrt(luminance) - 16)


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.findobj(Text) if text.get_visible() and text.get_text()]


def drawn_boxes(ax: Axes) -> list[FancyBboxPatch]:
    return [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


def arrows(ax: Axes) -> list[Annotation]:
    return [text for text in ax.texts if isinstance(text, Annotation) and text.arrow_patch is not None]
