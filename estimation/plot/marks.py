"""Marks in the cells of a matrix, and their legend: a ring for a missing entry, a cross for an extra one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estimation.exceptions import DataError
from identify.plot.style import INK, LARGEST_TEXT, ON_FILL, pitch, shorten, widest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "DENSE_COLOUR",
    "EXTRA_COLOUR",
    "Entries",
    "add_legend",
    "dense_entry",
    "draw_headings",
    "extra_entry",
    "mark_dense",
    "mark_extra",
    "mark_missing",
    "mark_one_way",
    "missing_entry",
    "one_way_entry",
    "patch",
    "possible_entry",
    "sign_entry",
    "two_axes",
]

#: Colour of extra cells. They have a cross as well, so the figure is readable without colour. CIE L* 89.
EXTRA_COLOUR = "#F0E442"
#: Colour of columns that are dense by the settings. They are hatched as well. CIE L* 92.
DENSE_COLOUR = "#E8E8E8"

_TEXT_SIZE, _HEADING_SIZE = 8.0, 9.0
_DENSE_STYLE: dict[str, Any] = {"facecolor": "none", "edgecolor": "#8A8A8A", "hatch": "////", "linewidth": 0}
# inches for the titles above and below, and for the legend
_TITLES_INCHES, _LEGEND_INCHES = 1.6, 2.9
# inches for the title of the rows, which is upright unless the matrix is lower than this
_UPRIGHT_INCHES, _FLAT_INCHES, _FLAT_BELOW_INCHES = 0.7, 1.5, 1.9
_POINTS_PER_INCH = 72

Entries = list[tuple[Any, str]]


def draw_headings(ax: Axes, headings: Sequence[tuple[float, str]]) -> None:
    """Draw headings above matrices, at positions of the horizontal axis."""
    # as tick labels of an axis, so that the title goes above them
    top = ax.secondary_xaxis("top")
    top.set_ticks([x for x, _ in headings], [heading for _, heading in headings])
    top.tick_params(length=0, pad=3, labelsize=_HEADING_SIZE, labelcolor=INK)
    top.spines[:].set_visible(False)


def mark_one_way(ax: Axes, where: NDArray[np.bool_]) -> None:
    """Draw a dot in the cells, as in the matrix of predicted entanglement."""
    _draw_ovals(ax, where, 0, 0.11, "one way", facecolor=ON_FILL, linewidth=0)


def mark_missing(ax: Axes, where: NDArray[np.bool_], start: int = 0) -> None:
    """Draw a ring in the cells of a matrix whose first column is at ``start``."""
    _draw_ovals(ax, where, start, 0.22, "missing", facecolor="none", edgecolor=ON_FILL, linewidth=1.1)


def mark_dense(ax: Axes, dense: NDArray[np.bool_], n_rows: int, start: int = 0) -> None:
    """Hatch the dense columns of a matrix whose first column is at ``start``.

    Args:
        ax: Where to draw.
        dense: Whether each column is dense.
        n_rows: Number of rows.
        start: Position of the first column.
    """
    from matplotlib.patches import Rectangle

    for column in np.flatnonzero(dense).tolist():
        ax.add_patch(
            Rectangle((column + start - 0.5, -0.5), 1, n_rows, zorder=2.2, label="dense", **_DENSE_STYLE)
        )


def mark_extra(
    ax: Axes, where: NDArray[np.bool_], start: int = 0, strength: NDArray[np.float64] | None = None
) -> None:
    """Draw a cross in the cells of a matrix whose first column is at ``start``.

    Args:
        ax: Where to draw.
        where: The cells.
        start: Position of the first column.
        strength: Strength of every cell, 0 to 1, which determines the size of the cross; None for equal sizes.
    """
    from matplotlib.collections import LineCollection

    lines = []
    for row, column in np.argwhere(where).tolist():
        x, y = column + start, row
        radius = 0.22 if strength is None else 0.1 + 0.3 * float(strength[row, column])
        half_width, half_height = _half_size(ax, radius)
        lines += [
            [(x - half_width, y - sign * half_height), (x + half_width, y + sign * half_height)]
            for sign in (-1, 1)
        ]
    if lines:
        ax.add_collection(LineCollection(lines, colors=ON_FILL, linewidths=1.4, zorder=3, label="extra"))


def _draw_ovals(
    ax: Axes, where: NDArray[np.bool_], start: int, radius: float, label: str, **style: Any
) -> None:
    """Draw ovals in units of the cells, so that they scale with the cells when the layout changes."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Ellipse

    half_width, half_height = _half_size(ax, radius)
    cells = np.argwhere(where).tolist()
    if cells:
        ovals = [Ellipse((column + start, row), 2 * half_width, 2 * half_height) for row, column in cells]
        ax.add_collection(PatchCollection(ovals, zorder=3, label=label, **style))


def _half_size(ax: Axes, radius: float) -> tuple[float, float]:
    """Return half the width and half the height, in cells, of a mark with equal width and height on the figure."""
    aspect = float(ax.get_aspect())
    return radius * min(aspect, 1.0), radius / max(aspect, 1.0)


def dense_entry(text: str) -> tuple[Any, str]:
    """Return a legend entry for dense columns."""
    from matplotlib.patches import Patch

    return Patch(**{**_DENSE_STYLE, "facecolor": DENSE_COLOUR}), text


def patch(face: str) -> Any:
    """Return a patch of a colour for the legend."""
    from matplotlib.patches import Patch

    return Patch(facecolor=face, edgecolor=INK, linewidth=0.8)


def one_way_entry(colour: str, text: str) -> tuple[Any, str]:
    """Return the legend entry for dots on a colour."""
    return (patch(colour), _marker("o", 2.5, ON_FILL, ON_FILL)), text


def sign_entry(sign: str, text: str) -> tuple[Any, str]:
    """Return the legend entry for a sign that follows a name."""
    return _marker(f"${sign}$", 6, INK, INK), text


def missing_entry(text: str) -> tuple[Any, str]:
    """Return the legend entry for rings."""
    return (patch("white"), _marker("o", 6, "none", ON_FILL)), text


def extra_entry(text: str) -> tuple[Any, str]:
    """Return the legend entry for crosses."""
    return (patch(EXTRA_COLOUR), _marker("x", 5, ON_FILL, ON_FILL)), text


def possible_entry(text: str) -> tuple[Any, str]:
    """Return the legend entry for hatched cells."""
    from matplotlib.patches import Patch

    return Patch(facecolor="white", edgecolor=ON_FILL, hatch="/////", linewidth=0.6), text


def _marker(marker: str, size: float, face: str, edge: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker=marker, markersize=size, markerfacecolor=face, markeredgecolor=edge, linestyle="none"
    )


def add_legend(ax: Axes, entries: Entries) -> None:
    """Add a legend to the right of the axes, unless there are no entries."""
    if entries:
        ax.legend(
            [handle for handle, _ in entries], [text for _, text in entries], loc="upper left",
            bbox_to_anchor=(1.02, 1), borderaxespad=0, frameon=False, fontsize=_TEXT_SIZE,
        )  # fmt: skip


def two_axes(
    axes: Sequence[Axes] | None, rows: Sequence[str], left: Sequence[str], right: Sequence[str], legend: bool
) -> tuple[Axes, Axes]:
    """Return the given axes, or new ones side by side with room for two matrices and their names.

    Args:
        axes: Two axes, or None.
        rows: Names of the rows of both matrices.
        left: Names of the columns of the first matrix.
        right: Names of the columns of the second matrix.
        legend: Whether to leave room for a legend.

    Raises:
        DataError: If there are not two axes.
    """
    if axes is None:
        axes = _new_pair(rows, left, right, legend)
    if len(axes) != 2:
        raise DataError(f"got {len(axes)} axes; two matrices need two")
    return axes[0], axes[1]


def _new_pair(rows: Sequence[str], left: Sequence[str], right: Sequence[str], legend: bool) -> list[Axes]:
    from matplotlib import pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    cell = pitch(max(len(rows), len(left), len(right)))
    row_names, column_names = (_widest_inches(names) for names in (rows, [*left, *right]))
    widths, height = [cell * len(columns) for columns in (left, right)], cell * len(rows)
    side = row_names + (_FLAT_INCHES if height < _FLAT_BELOW_INCHES else _UPRIGHT_INCHES)
    size = (sum(widths) + 2 * side + _LEGEND_INCHES * legend, height + column_names + _TITLES_INCHES)
    # the layout takes the room for names and legend equally from both matrices, so their cells have the same size; its
    # default margin cuts off letters
    layout = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, 0.98))
    _, axes = plt.subplots(1, 2, figsize=size, layout=layout, width_ratios=widths)
    return list(axes)


def _widest_inches(names: Sequence[str]) -> float:
    return widest([shorten(name) for name in names], LARGEST_TEXT) / _POINTS_PER_INCH
