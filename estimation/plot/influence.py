"""`plot_influence`: the margin of every action, with its confidence interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from identify.plot.paper import draws
from identify.plot.style import ACTION, INK, ITSELF, TWINS, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estimation.influence.result import InfluenceTest

__all__ = ["plot_influence"]

_LABEL_SIZE, _TEXT_SIZE = 9.0, 8.0
_MAX_NAME_LENGTH = 18
# verdict -> marker, colour, filled
_MARKS = {"holds": ("o", ACTION, True), "undecided": ("D", ITSELF, False), "fails": ("X", TWINS, True)}


@draws
def plot_influence(test: InfluenceTest, ax: Axes | None = None) -> Axes:
    """Draw the margin of every action on a logarithmic scale: a mark for the verdict, and a line for the interval.

    A dash shows tolerance or leakage, the larger of the two: effects below it count as proportional. Actions without
    children have no margin, and are left out.

    Args:
        test: The result of `estimation.influence.test_influence`.
        ax: Where to draw; None to create a figure.

    Returns:
        The axes.
    """
    actions = [action for action in test.values() if action.tests]
    ax = ax or _new_axes(len(actions))
    floor = 0.5 * min((action.interval[1] for action in actions if action.interval[1] > 0), default=1.0)
    shown = dict.fromkeys(_MARKS, False)
    for row, action in enumerate(actions):
        marker, colour, filled = _MARKS[action.verdict]
        low, high = (max(bound, floor) for bound in action.interval)
        ax.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        ax.plot(
            max(action.margin, floor),
            row,
            marker=marker,
            color=colour,
            markerfacecolor=colour if filled else "none",
            linestyle="none",
            markersize=6,
            label=None if shown[action.verdict] else action.verdict,
        )
        shown[action.verdict] = True
        if action.tolerated > floor:
            ax.plot(action.tolerated, row, marker="|", color=INK, markersize=9, linestyle="none")
    ax.set_xscale("log")
    ax.set_yticks(
        range(len(actions)),
        [shorten(action.action, _MAX_NAME_LENGTH) for action in actions],
        fontsize=_TEXT_SIZE,
        parse_math=False,
    )
    ax.set_ylim(max(len(actions), 1) - 0.5, -0.5)
    ax.tick_params(labelsize=_TEXT_SIZE)
    ax.set_xlabel("margin: smallest effect / noise", fontsize=_LABEL_SIZE)
    ax.grid(axis="y", visible=False)
    if actions:
        ax.legend(fontsize=_TEXT_SIZE, frameon=False, loc="best", title=None)
    return ax


def _new_axes(n_rows: int) -> Axes:
    import matplotlib.pyplot as plt

    axes: Axes = plt.subplots(figsize=(5.2, min(1.2 + 0.28 * max(n_rows, 1), 14)), layout="constrained")[1]
    return axes
