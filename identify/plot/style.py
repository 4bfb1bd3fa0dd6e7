"""Colours, text and sizes that all figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "ACTION",
    "INK",
    "ITSELF",
    "MOST_LATENTS",
    "ONE_WAY",
    "PAST",
    "TWINS",
    "inches",
    "new_axes",
    "shorten",
    "size_in_points",
    "text_options",
]

# Okabe-Ito hues, chosen so that kinds which meet in one figure differ in lightness (CIE L* behind each)
INK = "#222222"  # 13
PAST = "#00568A"  # 34
ACTION = "#E69F00"  # 71
TWINS = "#A63B00"  # 40
ONE_WAY = "#F7C59B"  # 83
ITSELF = "#8C8C8C"  # 58

#: Beyond this many latents, figures show blocks instead of latents.
MOST_LATENTS = 300

POINTS_PER_INCH = 72


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure that notebooks show."""
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    return ax


def inches(rows: int, each: float = 0.24, least: float = 3.0, most: float = 14.0) -> float:
    """Height or width that gives each of so many rows its room, within reason."""
    return min(max(rows * each + 1.2, least), most)


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Width and height that the axes have now, in points."""
    box = ax.get_window_extent()
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return box.width / dpi * POINTS_PER_INCH, box.height / dpi * POINTS_PER_INCH


def shorten(name: str, most: int = 24) -> str:
    """Cut the middle out of a long name.

    Example:
        >>> shorten("Forkhead box transcription factor O3", 20)
        'Forkhead b…factor O3'
    """
    if len(name) <= most:
        return name
    head = most // 2
    tail = most - head - 1
    return f"{name[:head]}…{name[len(name) - tail :]}"


def text_options(size: float, **more: Any) -> dict[str, Any]:
    """Options of every text that holds a name: a dollar sign in it starts no formula."""
    return {"fontsize": size, "parse_math": False, "color": INK, **more}
