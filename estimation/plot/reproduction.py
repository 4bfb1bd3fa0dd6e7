"""Our scores beside the published ones, a line for each data set and method."""

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

_LABEL, _TEXT = 9.0, 8.0
_SCORES = (("mcc", "MCC", INK, "o", -0.16), ("r_con", "R_con", PAST, "s", 0.16))


@draws
def plot_reproduction(lines: Sequence[SideBySide], ax: Axes | None = None) -> Axes:
    """Draw MCC and R_con: filled for ours, hollow for the published means, a bar from our lowest seed to our highest.

    Args:
        lines: of `estimation.reproduction.side_by_side.side_by_side`.
        ax: where; a new figure when left out.

    Raises:
        DataError: there is no line.
    """
    if not lines:
        raise DataError("no run of the table is done")
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(7.2, 1.2 + 0.34 * len(lines)), layout="constrained")
    for key, label, colour, marker, shift in _SCORES:
        ours = [
            (value, place + shift, line.spread[key])
            for place, line in enumerate(lines)
            if (value := line.ours[key]) is not None
        ]
        for _, place, spread in ours:
            assert spread is not None
            ax.plot(spread, [place, place], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
        style: dict[str, Any] = {"linestyle": "none", "marker": marker, "markeredgecolor": colour}
        ax.plot(
            [value for value, _, _ in ours],
            [place for _, place, _ in ours],
            markerfacecolor=colour,
            markersize=6,
            label=f"{label}, ours",
            **style,
        )
        theirs = [
            (line.published[key], place + shift)
            for place, line in enumerate(lines)
            if line.published[key] is not None
        ]
        if theirs:
            ax.plot(
                *zip(*theirs, strict=True),
                markerfacecolor="white",
                markersize=8,
                zorder=1.5,
                label=f"{label}, published",
                **style,
            )
    several = len({line.method for line in lines}) > 1
    names = [f"{line.data}, {line.method}" if several else line.data for line in lines]
    ax.set_yticks(range(len(lines)), names, fontsize=_TEXT)
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.set_xlabel("score, mean over seeds", fontsize=_LABEL)
    ax.tick_params(labelsize=_TEXT)
    ax.grid(axis="x", color=ITSELF, alpha=0.3, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.legend(fontsize=_TEXT, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
    return ax
