"""Scores against the number of edges, seeds as points, with what would be chosen without the truth."""

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

_LABEL, _TEXT = 9.0, 8.0
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
    """Draw MCC, R_con and R above, SHD below, against the edges of the learned graph.

    A point is a run; lines go through the means of each setting.

    Args:
        rows: of one data set and method (`estimation.sweep.results.Results.groups`), with the truth known.
        choices: what rules would take, by name; a vertical line each.
        axes: two; new ones when left out.

    Returns:
        The axes.

    Raises:
        DataError: there is no row with scores, or there are not two axes.
    """
    scored = [row for row in rows if row["mcc"] is not None and row["edges"] is not None]
    if not scored:
        raise DataError(
            "no run has scores and edges: the data hold no true latents, or the method learns no graph"
        )
    if axes is None:
        axes = _new_pair()
    if len(axes) != 2:
        raise DataError(f"{len(axes)} axes are given; the scores and the SHD need two")
    above, below = axes
    for key, (label, colour, marker, style) in _SCORES.items():
        _draw(above, scored, key, label, colour, marker, style)
    _draw(below, scored, "shd", "SHD", INK, "o", "-")
    for number, (name, choice) in enumerate((choices or {}).items()):
        if choice is not None:
            edges = choice.settings[choice.chosen].edges
            style = ("-", "--", ":", "-.")[number % 4]
            for ax in axes:
                ax.axvline(edges, color=ACTION, linewidth=1.4, linestyle=style, label=f"chosen by {name!r}")
    above.set_ylabel("score", fontsize=_LABEL)
    below.set_ylabel("SHD", fontsize=_LABEL)
    below.set_xlabel("edges of the learned graph", fontsize=_LABEL)
    above.legend(fontsize=_TEXT, frameon=False, loc="best")
    for ax in axes:
        ax.tick_params(labelsize=_TEXT)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    return above, below


def _draw(
    ax: Axes,
    rows: Sequence[Mapping[str, Any]],
    key: str,
    label: str,
    colour: str,
    marker: str,
    style: str,
) -> None:
    known = [row for row in rows if row[key] is not None]
    if not known:
        return
    ax.plot(
        [row["edges"] for row in known], [row[key] for row in known], linestyle="none", marker=marker,
        markersize=4, markerfacecolor="white", markeredgecolor=colour,
    )  # fmt: skip
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in known:
        groups.setdefault(str(row["setting"]), []).append(row)
    means = sorted(
        (float(np.mean([row["edges"] for row in each])), float(np.mean([row[key] for row in each])))
        for each in groups.values()
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
