"""`plot_scores`: scores against the number of edges, with the settings that selection rules choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estimation.exceptions import DataError
from identify.plot.paper import draws
from identify.plot.style import ACTION, INK, ITSELF, PAST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estimation.selection import Selection

__all__ = ["plot_scores"]

_LABEL_SIZE, _TEXT_SIZE = 9.0, 8.0
# by key: label, colour, marker, line style
_SCORES = {
    "mcc": ("MCC", INK, "o", "-"),
    "r_con": ("R_con", PAST, "s", "--"),
    "r": ("R", ITSELF, "^", ":"),
}


@draws
def plot_scores(
    rows: Sequence[Mapping[str, Any]],
    choices: Mapping[str, Selection | None] | None = None,
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw MCC, R_con and R (top) and SHD (bottom) against the number of edges in the learned graph.

    Every point is a run; the lines connect the means of the settings.

    Args:
        rows: Rows of one data set and method, with scores against ground truth; see
            `estimation.sweep.results.Results.groups`.
        choices: Selections by the name of their rule, each drawn as a vertical line.
        axes: Two axes, one above the other; None to create a figure.

    Returns:
        The two axes.

    Raises:
        DataError: If no row has scores and edges, or there are not two axes.
    """
    scored = [row for row in rows if row["mcc"] is not None and row["edges"] is not None]
    if not scored:
        raise DataError(
            "no run has both scores and edges: the data have no true latents, or the method learns no graph"
        )
    if axes is None:
        axes = _new_pair()
    if len(axes) != 2:
        raise DataError(f"got {len(axes)} axes; the scores and the SHD need two")
    top, bottom = axes
    for key, (label, colour, marker, style) in _SCORES.items():
        _draw_score(top, scored, key, label, colour, marker, style)
    _draw_score(bottom, scored, "shd", "SHD", INK, "o", "-")
    for number, (rule, choice) in enumerate((choices or {}).items()):
        if choice is not None:
            edges = choice.settings[choice.chosen].edges
            style = ("-", "--", ":", "-.")[number % 4]
            for ax in axes:
                ax.axvline(edges, color=ACTION, linewidth=1.4, linestyle=style, label=f"selected by {rule!r}")
    top.set_ylabel("score", fontsize=_LABEL_SIZE)
    bottom.set_ylabel("SHD", fontsize=_LABEL_SIZE)
    bottom.set_xlabel("edges of the learned graph", fontsize=_LABEL_SIZE)
    top.legend(fontsize=_TEXT_SIZE, frameon=False, loc="best")
    for ax in axes:
        ax.tick_params(labelsize=_TEXT_SIZE)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    return top, bottom


def _draw_score(
    ax: Axes,
    rows: Sequence[Mapping[str, Any]],
    key: str,
    label: str,
    colour: str,
    marker: str,
    style: str,
) -> None:
    scored = [row for row in rows if row[key] is not None]
    if not scored:
        return
    ax.plot(
        [row["edges"] for row in scored], [row[key] for row in scored], linestyle="none", marker=marker,
        markersize=4, markerfacecolor="white", markeredgecolor=colour,
    )  # fmt: skip
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in scored:
        groups.setdefault(str(row["setting"]), []).append(row)
    means = sorted(
        (float(np.mean([row["edges"] for row in group])), float(np.mean([row[key] for row in group])))
        for group in groups.values()
    )
    ax.plot(
        *zip(*means, strict=True),
        color=colour,
        linestyle=style,
        linewidth=1.5,
        marker=marker,
        markersize=4,
        label=label,
    )


def _new_pair() -> Sequence[Axes]:
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(2, 1, figsize=(6.2, 5.4), sharex=True, layout="constrained")
    return tuple(axes)
