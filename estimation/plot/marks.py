"""Marks in the cells of a matrix, and what they mean: a ring where something is missing, a cross where it is extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estimation.exceptions import DataError
from identify.plot.style import INK, pitch, size_in_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "EXTRA_COLOUR",
    "Entries",
    "add_legend",
    "extra_entry",
    "mark_extra",
    "mark_missing",
    "mark_one_way",
    "missing_entry",
    "one_way_entry",
    "patch",
    "two_axes",
]

#: Of cells that are extra; they bear a cross too, so that the colour may go. CIE L* 89.
EXTRA_COLOUR = "#F0E442"

_TEXT = 8.0
# the largest mark, in points
_LARGEST = 9.0

Entries = list[tuple[Any, str]]


def mark_one_way(ax: Axes, where: NDArray[np.bool_]) -> None:
    """A dot, as in the matrix of predicted entanglement."""
    _put(ax, where, 0, "o", 0.22, color=INK, linewidth=0)


def mark_missing(ax: Axes, where: NDArray[np.bool_], start: int = 0) -> None:
    """A ring in the cells, from column ``start`` on."""
    _put(ax, where, start, "o", 0.42, facecolor="none", edgecolor=INK, linewidth=1.1)


def mark_extra(ax: Axes, where: NDArray[np.bool_], start: int = 0) -> None:
    """A cross in the cells, from column ``start`` on."""
    _put(ax, where, start, "x", 0.42, color=INK, linewidth=1.4)


def _put(ax: Axes, where: NDArray[np.bool_], start: int, marker: str, share: float, **looks: Any) -> None:
    """Marks as large as a share of a cell."""
    rows, columns = np.nonzero(where)
    if not len(rows):
        return
    across, down = (abs(float(np.subtract(*limits))) for limits in (ax.get_xlim(), ax.get_ylim()))
    width, height = size_in_points(ax)
    size = min(share * min(width / across, height / down), _LARGEST)
    ax.scatter(columns + start, rows, s=max(size, 1.0) ** 2, marker=marker, zorder=3, **looks)


def patch(face: str) -> Any:
    """A sample of a colour for the legend."""
    from matplotlib.patches import Patch

    return Patch(facecolor=face, edgecolor=INK, linewidth=0.8)


def one_way_entry(colour: str, text: str) -> tuple[Any, str]:
    """A line of the legend for dots on a colour."""
    return (patch(colour), _sign("o", 2.5, INK)), text


def missing_entry(text: str) -> tuple[Any, str]:
    """A line of the legend for rings."""
    return (patch("white"), _sign("o", 6, "none")), text


def extra_entry(text: str) -> tuple[Any, str]:
    """A line of the legend for crosses."""
    return (patch(EXTRA_COLOUR), _sign("x", 5, INK)), text


def _sign(marker: str, size: float, face: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker=marker, markersize=size, markerfacecolor=face, markeredgecolor=INK, linestyle="none"
    )


def add_legend(ax: Axes, entries: Entries) -> None:
    """The legend beside the axes, if there is anything to explain."""
    if entries:
        ax.legend(
            [handle for handle, _ in entries], [text for _, text in entries], loc="upper left",
            bbox_to_anchor=(1.02, 1), borderaxespad=0, frameon=False, fontsize=_TEXT,
        )  # fmt: skip


def two_axes(axes: Sequence[Axes] | None, rows: int, columns: int) -> tuple[Axes, Axes]:
    """The axes given, or new ones beside each other for matrices of that size.

    Raises:
        DataError: there are not two.
    """
    if axes is None:
        from matplotlib import pyplot as plt

        size = (2 * (pitch(columns) * columns + 1.2) + 2.6, max(pitch(rows) * rows + 1.4, 2.4))
        _, made = plt.subplots(1, 2, figsize=size, layout="constrained")
        axes = list(made)
    if len(axes) != 2:
        raise DataError(f"{len(axes)} axes are given; two matrices need two")
    return axes[0], axes[1]
