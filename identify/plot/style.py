"""Colours, text and sizes that all figures share."""

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

# Okabe-Ito hues, chosen so that kinds which meet in one figure differ in lightness (CIE L* behind each):
# parents are cool, entanglement is warm
INK = "#222222"  # 13
PAST = "#00568A"  # 35
ACTION = "#2FAE87"  # 64
TWINS = "#A63B00"  # 40
ONE_WAY = "#F7C59B"  # 83
ITSELF = "#8C8C8C"  # 58
FREE = "#EEEEEE"  # 94
GRID = "#DDDDDD"  # 88
# what stands on cells and boxes of these colours; a shade beside INK and white, because on dark paper INK is made
# light, and these must stay (see `identify.plot.paper`)
ON_FILL = "#222221"
ON_DARK = "#FFFFFE"

#: Beyond this many latents, figures show blocks instead of latents.
MAX_LATENTS = 300

#: Points; names that would have to be smaller are thinned out.
SMALLEST_TEXT = 4.5
LARGEST_TEXT = 9.0

POINTS_PER_INCH = 72

# fonts with the scripts that matplotlib's own lacks, on the common systems
_OTHER_SCRIPTS = ("Noto Sans CJK JP", "Hiragino Sans", "Microsoft YaHei", "WenQuanYi Zen Hei", "Noto Sans")


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure that notebooks show; sizes in inches."""
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    return ax


def pitch(rows: int, most: float = 8.4) -> float:
    """Inches from one row to the next, so that few rows are roomy and many stay within `most`."""
    return min(0.36, max(0.2, 3.0 / max(rows, 1)), most / max(rows, 1))


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Width and height that the axes have now, in points."""
    box = ax.get_window_extent()
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return box.width / dpi * POINTS_PER_INCH, box.height / dpi * POINTS_PER_INCH


def enlarged(size: float, inches: float) -> float:
    """Font size of a heading on a figure of that size: large figures are shown scaled down."""
    return size * min(max(inches / 11, 1.0), 1.5)


def shorten(name: str, most: int = 24) -> str:
    """A name as a figure shows it: nothing in it that can't be printed, and not too long.

    Example:
        >>> shorten("Forkhead box transcription factor O3", 20)
        'Forkhead b…factor O3'
    """
    name = printable(name)
    if len(name) <= most:
        return name
    head = most // 2
    tail = most - head - 1
    return f"{name[:head]}…{name[len(name) - tail :]}"


def text_options(size: float, **more: Any) -> dict[str, Any]:
    """Options of every text that holds a name: a dollar sign in it starts no formula."""
    return {"fontsize": size, "fontfamily": list(_families()), "parse_math": False, "color": INK, **more}


def widest(texts: Iterable[str], size: float) -> float:
    """Width of the widest of the texts at a font size, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=list(_families()), size=size)
    lines = {line for text in texts for line in text.split("\n") if line}
    # letters differ in width, but no text is more than twice as wide as one with as many letters
    longest = sorted(lines, key=len)[-40:]
    with without_glyph_warnings():
        widths = [text_to_path.get_text_width_height_descent(text, font, False)[0] for text in longest]
    return max(widths, default=0.0)


@contextlib.contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Measure text without a word about characters that no font has; saving the figure says it once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .*missing from")
        yield


def thinned(places: Sequence[float], distance: float, rank: NDArray[Any] | None = None) -> list[int]:
    """Positions of as many places as can stand at least so far apart.

    Args:
        places: Where the labels would stand.
        distance: What they need, in the same unit.
        rank: Who goes first (small numbers; equals in order); infinite: never.
    """
    if distance <= 1:
        return list(range(len(places)))
    order = np.zeros(len(places)) if rank is None else rank
    taken: list[int] = []
    for k in np.argsort(order, kind="stable").tolist():
        if np.isfinite(order[k]) and all(abs(places[k] - places[other]) >= distance for other in taken):
            taken.append(k)
    return sorted(taken)


def _families() -> tuple[str, ...]:
    from matplotlib import rcParams

    return (*rcParams["font.family"], *_other_scripts())


@cache
def _other_scripts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in _OTHER_SCRIPTS if name in installed)
