"""Cells of a matrix as an image with a grid, and names along its sides."""

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

# letters of a name; names along the bottom are vertical and reduce the height of the matrix
_MAX_LETTERS = {"x": 18, "y": 26}
# matrices with more rows have no grid
_MAX_GRID_ROWS = 60
# cells are square, except that those of a long, narrow matrix may have up to this aspect ratio
_MAX_ASPECT = 3.0
_TITLE_SIZE = 9.0
# points for a title along one side, including its margins
_TITLE_SPACE = 26.0


def shape_cells(ax: Axes, rows: int, columns: int) -> None:
    """Set the limits, with row 0 on top, and the aspect ratio of a cell."""
    width, height = size_in_points(ax)
    aspect = 1.0
    if not 1 / 3 <= columns / rows <= 3:
        aspect = float(np.clip(height / rows / (width / columns), 1 / _MAX_ASPECT, _MAX_ASPECT))
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect=aspect)


def draw_cells(ax: Axes, kinds: NDArray[Any], start: int, colours: Sequence[str]) -> None:
    """Draw a matrix of kinds from column `start` on: kind 0 is white, kind k has the k-th colour."""
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
        _draw_grid(ax, rows, columns, start)
    _draw_border(ax, extent)


def _draw_grid(ax: Axes, rows: int, columns: int, start: int) -> None:
    style: dict[str, Any] = {"colors": GRID, "linewidth": 0.6, "zorder": 2}
    ax.hlines(np.arange(1, rows) - 0.5, start - 0.5, start + columns - 0.5, **style)
    ax.vlines(start + np.arange(1, columns) - 0.5, -0.5, rows - 0.5, **style)


def _draw_border(ax: Axes, extent: tuple[float, float, float, float]) -> None:
    left, right, bottom, top = extent
    ax.plot(
        [left, right, right, left, left], [bottom, bottom, top, top, bottom],
        color="#999999", linewidth=0.8, zorder=2.5, clip_on=False,
    )  # fmt: skip


def frame(ax: Axes) -> None:
    """Remove frame, grid and ticks of the axes, because the cells have their own border."""
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
    """Draw names along one side, as large as their spacing allows, and a title.

    Args:
        ax: Axes with limits.
        side: Axis along which to draw.
        places: Positions of the names in data units.
        names: Names.
        title: Title of the axis.
        rank: Priority of the names if not all fit (small first). Infinite: shown only if all fit.
    """
    short_names = [shorten(name, _MAX_LETTERS[side]) for name in names]
    spacing, length = _spacing(ax, side, short_names)
    size = min(LARGEST_TEXT, max(0.82 * spacing, SMALLEST_TEXT))
    indices = thinned(places, size / 0.82 / spacing, rank)
    rotation = 90 if side == "x" and widest(short_names, size) > 0.9 * spacing else 0
    axis = ax.xaxis if side == "x" else ax.yaxis
    axis.set_ticks([places[k] for k in indices], [short_names[k] for k in indices])
    for text in axis.get_ticklabels():
        text.update(text_options(size, rotation=rotation))
    title_size = _TITLE_SIZE * min(max(length / 500, 1), 1.3)
    _set_title(axis, side, title, title_size, length)


def _set_title(axis: Any, side: str, title: str, size: float, length: float) -> None:
    """Set the title of an axis, wrapped to the available space; a title at the side is horizontal if it is too long."""
    horizontal = side == "y" and widest([title], size) > length + 10
    space = max(length + 20, 150.0) if side == "x" else 90.0 if horizontal else length + 20
    axis.set_label_text(_wrap(title, size, space), fontsize=size, color=INK)
    if horizontal:
        axis.label.set(rotation=0, ha="right", va="center")


def _wrap(title: str, size: float, space: float) -> str:
    """Break the title into the fewest lines that fit into the space."""
    n_lines = np.ceil(widest([title], size) / space)
    return "\n".join(textwrap.wrap(title, int(len(title) / n_lines) + 6, break_long_words=False))


def _spacing(ax: Axes, side: str, names: Sequence[str]) -> tuple[float, float]:
    """Return the distance between neighbouring names in points, and the length of the side."""
    width, height = size_in_points(ax)
    columns, rows = (float(abs(np.subtract(*limits))) for limits in (ax.get_xlim(), ax.get_ylim()))
    aspect = float(ax.get_aspect())
    figure = ax.get_figure(root=True)
    if figure is not None and figure.get_layout_engine() is not None:
        # the layout engine will shrink the matrix to make space for names and titles
        size = min(LARGEST_TEXT, max(height / rows, SMALLEST_TEXT))
        outside = widest(names, size) + _TITLE_SPACE
        width, height = max(width - outside, width / 2), max(height - outside, height / 2)
    cell_width = min(width / columns, height / rows / aspect)
    spacing, count = (cell_width, columns) if side == "x" else (cell_width * aspect, rows)
    return spacing, spacing * count
