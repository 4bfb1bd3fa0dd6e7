"""Colours, text options and sizes that all figures share."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from identify.terminal import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "ACTION",
    "FREE",
    "GRID",
    "INK",
    "ITSELF",
    "LARGEST_TEXT",
    "LOST",
    "MAX_LATENTS",
    "ONE_WAY",
    "ON_DARK",
    "ON_FILL",
    "PAST",
    "SMALLEST_TEXT",
    "TWINS",
    "enlarged",
    "new_axes",
    "pitch",
    "shorten",
    "size_in_points",
    "text_options",
    "thinned",
    "widest",
    "without_glyph_warnings",
]

# Okabe-Ito hues, chosen so that the kinds in one figure differ in lightness (CIE L* after each): cool colours for
# parents, warm ones for entanglement
INK = "#222222"  # 13
PAST = "#00568A"  # 35
ACTION = "#2FAE87"  # 64
TWINS = "#A63B00"  # 40
ONE_WAY = "#F7C59B"  # 83
ITSELF = "#8C8C8C"  # 58
LOST = "#D2A800"  # 71
FREE = "#EEEEEE"  # 94
GRID = "#DDDDDD"  # 88
# marks on cells and boxes of these colours: slightly different from INK and white, because dark backgrounds change INK
# but must not change these (see `identify.plot.paper`)
ON_FILL = "#222221"
ON_DARK = "#FFFFFE"

#: Figures of more latents show blocks instead.
MAX_LATENTS = 300

#: Font sizes in points. If names need a smaller size, only some of them are shown.
SMALLEST_TEXT = 4.5
LARGEST_TEXT = 9.0

POINTS_PER_INCH = 72

# fonts of common systems for scripts that matplotlib's fonts lack
_OTHER_SCRIPTS = ("Noto Sans CJK JP", "Hiragino Sans", "Microsoft YaHei", "WenQuanYi Zen Hei", "Noto Sans")


def new_axes(width: float, height: float) -> Axes:
    """Return axes of a new pyplot figure, which notebooks display; sizes are in inches."""
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    return ax


def pitch(rows: int, max_length: float = 8.4) -> float:
    """Return the distance between rows in inches: larger for few rows, and limited by the total length."""
    return min(0.36, max(0.2, 3.0 / max(rows, 1)), max_length / max(rows, 1))


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Return the current width and height of the axes in points."""
    box = ax.get_window_extent()
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return box.width / dpi * POINTS_PER_INCH, box.height / dpi * POINTS_PER_INCH


def enlarged(size: float, inches: float) -> float:
    """Return the font size of a heading on a figure of this width, because large figures are displayed scaled down."""
    return size * min(max(inches / 11, 1.0), 1.5)


def shorten(name: str, max_letters: int = 24) -> str:
    """Return a name as figures show it: printable and abbreviated.

    Example:
        >>> shorten("Forkhead box transcription factor O3", 20)
        'Forkhead b…factor O3'
    """
    name = printable(name)
    if len(name) <= max_letters:
        return name
    head = max_letters // 2
    tail = max_letters - head - 1
    return f"{name[:head]}…{name[len(name) - tail :]}"


def text_options(size: float, **options: Any) -> dict[str, Any]:
    """Return the options of texts with names, in which a dollar sign doesn't start a formula."""
    return {"fontsize": size, "fontfamily": list(_families()), "parse_math": False, "color": INK, **options}


def widest(texts: Iterable[str], size: float) -> float:
    """Return the width of the widest text at a font size, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=list(_families()), size=size)
    lines = {line for text in texts for line in text.split("\n") if line}
    # letters differ in width, but the widest line is practically always among the lines with most letters
    longest = sorted(lines, key=len)[-40:]
    with without_glyph_warnings():
        widths = [text_to_path.get_text_width_height_descent(text, font, False)[0] for text in longest]
    return max(widths, default=0.0)


@contextlib.contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Suppress warnings about characters that no font has while text is measured; saving the figure warns once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .*missing from")
        yield


def thinned(places: Sequence[float], distance: float, rank: NDArray[Any] | None = None) -> list[int]:
    """Return the indices of labels with a minimum distance, chosen greedily.

    Args:
        places: Positions of all labels.
        distance: Minimum distance in the same unit.
        rank: Priority of the labels (small first, equals in order). Infinite: never chosen.
    """
    if distance <= 1:
        return list(range(len(places)))
    order = np.zeros(len(places)) if rank is None else rank
    indices: list[int] = []
    for k in np.argsort(order, kind="stable").tolist():
        if np.isfinite(order[k]) and all(abs(places[k] - places[other]) >= distance for other in indices):
            indices.append(k)
    return sorted(indices)


def _families() -> tuple[str, ...]:
    from matplotlib import rcParams

    return (*rcParams["font.family"], *_other_scripts())


@cache
def _other_scripts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in _OTHER_SCRIPTS if name in installed)
