"""`plot_reproduction`: our scores and the published ones, one line per data set and method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from estimation.exceptions import DataError
from identify.plot.paper import draws
from identify.plot.style import INK, ITSELF, PAST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estimation.reproduction import SideBySide

__all__ = ["plot_reproduction"]

_LABEL_SIZE, _TEXT_SIZE = 9.0, 8.0
# key, label, colour, marker, vertical shift
_SCORES = (("mcc", "MCC", INK, "o", -0.16), ("r_con", "R_con", PAST, "s", 0.16))


@draws
def plot_reproduction(lines: Sequence[SideBySide], ax: Axes | None = None) -> Axes:
    """Draw MCC and R_con: filled markers for our means, hollow ones for the published means.

    A bar extends from our lowest seed to our highest.

    Args:
        lines: Rows of the table; see `estimation.reproduction.side_by_side.side_by_side`.
        ax: Where to draw; None to create a figure.

    Returns:
        The axes.

    Raises:
        DataError: If there are no lines.
    """
    if not lines:
        raise DataError("no run of the table is done")
    ax = ax or _new_axes(len(lines))
    for key, label, colour, marker, shift in _SCORES:
        style: dict[str, Any] = {"linestyle": "none", "marker": marker, "markeredgecolor": colour}
        _draw_ours(ax, lines, key, f"{label}, ours", colour, shift, style)
        _draw_published(ax, lines, key, f"{label}, published", shift, style)
    several_methods = len({line.method for line in lines}) > 1
    names = [f"{line.data}, {line.method}" if several_methods else line.data for line in lines]
    ax.set_yticks(range(len(lines)), names, fontsize=_TEXT_SIZE)
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.set_xlabel("score, mean over seeds", fontsize=_LABEL_SIZE)
    ax.tick_params(labelsize=_TEXT_SIZE)
    ax.grid(axis="x", color=ITSELF, alpha=0.3, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.legend(fontsize=_TEXT_SIZE, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
    return ax


def _draw_ours(
    ax: Axes,
    lines: Sequence[SideBySide],
    key: str,
    label: str,
    colour: str,
    shift: float,
    style: dict[str, Any],
) -> None:
    points = [(score, row + shift) for row, line in enumerate(lines) if (score := line.ours[key]) is not None]
    for row, line in enumerate(lines):
        if (score_range := line.ranges[key]) is not None:
            y = [row + shift, row + shift]
            ax.plot(score_range, y, color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
    ax.plot(
        [score for score, _ in points],
        [height for _, height in points],
        markerfacecolor=colour,
        markersize=6,
        label=label,
        **style,
    )


def _draw_published(
    ax: Axes, lines: Sequence[SideBySide], key: str, label: str, shift: float, style: dict[str, Any]
) -> None:
    points = [
        (line.published[key], row + shift)
        for row, line in enumerate(lines)
        if line.published[key] is not None
    ]
    if points:
        ax.plot(
            *zip(*points, strict=True),
            markerfacecolor="white",
            markersize=8,
            zorder=1.5,
            label=label,
            **style,
        )


def _new_axes(n_lines: int) -> Axes:
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(7.2, 1.2 + 0.34 * n_lines), layout="constrained")
    return ax
