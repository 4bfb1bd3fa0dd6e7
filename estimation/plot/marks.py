"""Marks in the cells of a matrix, and what they mean: a ring where something is missing, a cross where it is extra."""

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
    "sign_entry",
    "two_axes",
]

#: Of cells that are extra; they bear a cross too, so that the colour may go. CIE L* 89.
EXTRA_COLOUR = "#F0E442"

_TEXT = 8.0
# inches: titles above and below, the legend, a title at the side, and one that lies flat beside few rows
_HEADS, _LEGEND, _SIDE, _FLAT_SIDE = 1.6, 2.9, 0.7, 1.5
_FEW = 1.9
_POINTS = 72

Entries = list[tuple[Any, str]]


def mark_one_way(ax: Axes, where: NDArray[np.bool_]) -> None:
    """A dot, as in the matrix of predicted entanglement."""
    _ovals(ax, where, 0, 0.11, "one way", facecolor=ON_FILL, linewidth=0)


def mark_missing(ax: Axes, where: NDArray[np.bool_], start: int = 0) -> None:
    """A ring in the cells, from column ``start`` on."""
    _ovals(ax, where, start, 0.22, "missing", facecolor="none", edgecolor=ON_FILL, linewidth=1.1)


def mark_extra(
    ax: Axes, where: NDArray[np.bool_], start: int = 0, strength: NDArray[np.float64] | None = None
) -> None:
    """A cross in the cells, from column ``start`` on; the larger, the stronger (0 to 1) where that is given."""
    from matplotlib.collections import LineCollection

    lines = []
    for row, column in np.argwhere(where).tolist():
        x, y = column + start, row
        across, down = _half(ax, 0.22 if strength is None else 0.1 + 0.3 * float(strength[row, column]))
        lines += [[(x - across, y - sign * down), (x + across, y + sign * down)] for sign in (-1, 1)]
    if lines:
        ax.add_collection(LineCollection(lines, colors=ON_FILL, linewidths=1.4, zorder=3, label="extra"))


def _ovals(ax: Axes, where: NDArray[np.bool_], start: int, share: float, label: str, **looks: Any) -> None:
    """In units of the cells, so that marks keep their size in a cell whatever the layout does to it."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Ellipse

    across, down = _half(ax, share)
    places = np.argwhere(where).tolist()
    if places:
        ovals = [Ellipse((column + start, row), 2 * across, 2 * down) for row, column in places]
        ax.add_collection(PatchCollection(ovals, zorder=3, label=label, **looks))


def _half(ax: Axes, share: float) -> tuple[float, float]:
    """Half the width and height of a mark that looks as wide as high, in cells."""
    aspect = float(ax.get_aspect())
    return share * min(aspect, 1.0), share / max(aspect, 1.0)


def patch(face: str) -> Any:
    """A sample of a colour for the legend."""
    from matplotlib.patches import Patch

    return Patch(facecolor=face, edgecolor=INK, linewidth=0.8)


def one_way_entry(colour: str, text: str) -> tuple[Any, str]:
    """A line of the legend for dots on a colour."""
    return (patch(colour), _sign("o", 2.5, ON_FILL, ON_FILL)), text


def sign_entry(sign: str, text: str) -> tuple[Any, str]:
    """A line of the legend for a sign beside a name."""
    return _sign(f"${sign}$", 6, INK, INK), text


def missing_entry(text: str) -> tuple[Any, str]:
    """A line of the legend for rings."""
    return (patch("white"), _sign("o", 6, "none", ON_FILL)), text


def extra_entry(text: str) -> tuple[Any, str]:
    """A line of the legend for crosses."""
    return (patch(EXTRA_COLOUR), _sign("x", 5, ON_FILL, ON_FILL)), text


def _sign(marker: str, size: float, face: str, edge: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], marker=marker, markersize=size, markerfacecolor=face, markeredgecolor=edge, linestyle="none"
    )


def add_legend(ax: Axes, entries: Entries) -> None:
    """The legend beside the axes, if there is anything to explain."""
    if entries:
        ax.legend(
            [handle for handle, _ in entries], [text for _, text in entries], loc="upper left",
            bbox_to_anchor=(1.02, 1), borderaxespad=0, frameon=False, fontsize=_TEXT,
        )  # fmt: skip


def two_axes(
    axes: Sequence[Axes] | None, rows: Sequence[str], left: Sequence[str], right: Sequence[str], legend: bool
) -> tuple[Axes, Axes]:
    """The axes given, or new ones beside each other with room for two matrices and their names.

    Args:
        axes: two, or None.
        rows: names of the rows of both.
        left: names of the columns of the first.
        right: names of the columns of the second.
        legend: make room for it.

    Raises:
        DataError: there are not two axes.
    """
    if axes is None:
        axes = _new_pair(rows, left, right, legend)
    if len(axes) != 2:
        raise DataError(f"{len(axes)} axes are given; two matrices need two")
    return axes[0], axes[1]


def _new_pair(rows: Sequence[str], left: Sequence[str], right: Sequence[str], legend: bool) -> list[Axes]:
    from matplotlib import pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    cell = pitch(max(len(rows), len(left), len(right)))
    names, upright = (_inches(texts) for texts in (rows, [*left, *right]))
    widths, height = [cell * len(columns) for columns in (left, right)], cell * len(rows)
    side = names + (_FLAT_SIDE if height < _FEW else _SIDE)
    size = (sum(widths) + 2 * side + _LEGEND * legend, height + upright + _HEADS)
    # the layout takes names and legend from both alike, so that cells come out alike; its own margin cuts letters
    layout = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, 0.98))
    _, made = plt.subplots(1, 2, figsize=size, layout=layout, width_ratios=widths)
    return list(made)


def _inches(texts: Sequence[str]) -> float:
    return widest([shorten(text) for text in texts], LARGEST_TEXT) / _POINTS
