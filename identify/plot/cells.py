"""Cells of a matrix as an image with a grid, and the names along its sides."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from identify.plot.style import (
    GRID,
    INK,
    LARGEST_TEXT,
    SMALLEST_TEXT,
    shorten,
    size_in_points,
    text_options,
    thinned,
    widest,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["draw_cells", "frame", "label", "shape_cells"]

# letters of a name; those along the bottom stand upright and take height from the matrix
_LONGEST = {"x": 18, "y": 26}
# a matrix of more rows than this has no grid
_MAX_GRID_ROWS = 60
# cells are square, but those of a long, narrow matrix may be this much longer than wide
_LONGEST_CELL = 3.0
_TITLE = 9.0
# points that a title along one side takes, and the gaps around it
_TITLE_ROOM = 26.0


def shape_cells(ax: Axes, rows: int, columns: int) -> None:
    """Limits for so many rows and columns, row 0 on top, and the shape of a cell."""
    width, height = size_in_points(ax)
    shape = 1.0
    if not 1 / 3 <= columns / rows <= 3:
        shape = float(np.clip(height / rows / (width / columns), 1 / _LONGEST_CELL, _LONGEST_CELL))
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect=shape)


def draw_cells(ax: Axes, kinds: NDArray[Any], start: int, colours: Sequence[str]) -> None:
    """Draw a matrix of small numbers: 0 is white, k has the k-th colour; from column `start` on."""
    from matplotlib.colors import to_rgb

    palette = np.array([to_rgb(colour) for colour in ("#FFFFFF", *colours)])
    rows, columns = kinds.shape
    if not rows * columns:
        return
    extent = (start - 0.5, start + columns - 0.5, rows - 0.5, -0.5)
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(
        palette[kinds.astype(int)],
        extent=extent,
        interpolation="nearest",
        origin="upper",
        zorder=1,
        aspect=ax.get_aspect(),
    )
    ax.set(xlim=limits[0], ylim=limits[1])
    if rows <= _MAX_GRID_ROWS:
        _grid(ax, rows, columns, start)
    _border(ax, extent)


def _grid(ax: Axes, rows: int, columns: int, start: int) -> None:
    looks: dict[str, Any] = {"colors": GRID, "linewidth": 0.6, "zorder": 2}
    ax.hlines(np.arange(1, rows) - 0.5, start - 0.5, start + columns - 0.5, **looks)
    ax.vlines(start + np.arange(1, columns) - 0.5, -0.5, rows - 0.5, **looks)


def _border(ax: Axes, extent: tuple[float, float, float, float]) -> None:
    left, right, bottom, top = extent
    ax.plot(
        [left, right, right, left, left], [bottom, bottom, top, top, bottom],
        color="#999999", linewidth=0.8, zorder=2.5, clip_on=False,
    )  # fmt: skip


def frame(ax: Axes) -> None:
    """No frame, no grid and no ticks: the cells have their own border."""
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, pad=3)


def label(
    ax: Axes,
    side: Literal["x", "y"],
    places: Sequence[float],
    names: Sequence[str],
    title: str,
    rank: NDArray[Any] | None = None,
) -> None:
    """Names along one side, as large as their room allows, and a title.

    Args:
        ax: The axes, limits set.
        side: Along which axis.
        places: Where the names stand, in data units.
        names: The names.
        title: Of the axis.
        rank: Which names come first where not all fit; infinite: only where all fit.
    """
    shown = [shorten(name, _LONGEST[side]) for name in names]
    room, along = _room(ax, side, shown)
    size = min(LARGEST_TEXT, max(0.82 * room, SMALLEST_TEXT))
    chosen = thinned(places, size / 0.82 / room, rank)
    rotation = 90 if side == "x" and widest(shown, size) > 0.9 * room else 0
    axis = ax.xaxis if side == "x" else ax.yaxis
    axis.set_ticks([places[k] for k in chosen], [shown[k] for k in chosen])
    for text in axis.get_ticklabels():
        text.update(text_options(size, rotation=rotation))
    title_size = _TITLE * min(max(along / 500, 1), 1.3)
    _title(axis, side, title, title_size, along)


def _title(axis: Any, side: str, title: str, size: float, along: float) -> None:
    """Below a small matrix there is room to both sides; beside one, a title that is too long lies flat."""
    flat = side == "y" and widest([title], size) > along + 10
    space = max(along + 20, 150.0) if side == "x" else 90.0 if flat else along + 20
    axis.set_label_text(_folded(title, size, space), fontsize=size, color=INK)
    if flat:
        axis.label.set(rotation=0, ha="right", va="center")


def _folded(title: str, size: float, space: float) -> str:
    """The title in as few lines as don't exceed the space."""
    lines = np.ceil(widest([title], size) / space)
    return "\n".join(textwrap.wrap(title, int(len(title) / lines) + 6, break_long_words=False))


def _room(ax: Axes, side: str, shown: Sequence[str]) -> tuple[float, float]:
    """Points between two neighbours along the side, and the length of all of it."""
    width, height = size_in_points(ax)
    columns, rows = (float(abs(np.subtract(*limits))) for limits in (ax.get_xlim(), ax.get_ylim()))
    shape = float(ax.get_aspect())
    figure = ax.get_figure(root=True)
    if figure is not None and figure.get_layout_engine() is not None:
        # the layout will take the room of names and titles from the matrix itself
        size = min(LARGEST_TEXT, max(height / rows, SMALLEST_TEXT))
        outside = widest(shown, size) + _TITLE_ROOM
        width, height = max(width - outside, width / 2), max(height - outside, height / 2)
    cell = min(width / columns, height / rows / shape)
    room, count = (cell, columns) if side == "x" else (cell * shape, rows)
    return room, room * count
