"""`plot_selection`: held-out ELBO, stability and score of every setting, against the number of edges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from estimation.exceptions import DataError
from estimation.selection.choice import Selection
from estimation.selection.runs import read_runs, setting_key
from identify.plot.paper import draws
from identify.plot.style import ACTION, INK, ITSELF, PAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = ["plot_selection"]

_LABEL_SIZE, _TEXT_SIZE = 9.0, 8.0


@draws
def plot_selection(
    selection: Selection, runs: Iterable[object] = (), axes: Sequence[Axes] | None = None
) -> tuple[Axes, Axes]:
    """Draw the held-out negative ELBO (top), and stability and score (bottom), against the number of edges.

    A vertical band in both axes marks the selected setting.

    Args:
        selection: The result of `estimation.selection.choice.select`.
        runs: The runs that were compared, each drawn as a point.
        axes: Two axes, one above the other; None to create a figure.

    Returns:
        The two axes.

    Raises:
        DataError: If there are not two axes.
    """
    if axes is None:
        axes = _new_pair()
    if len(axes) != 2:
        raise DataError(f"got {len(axes)} axes; the ELBO and the stability need two")
    edges = [summary.edges for summary in selection.settings]
    _draw_elbo(axes[0], selection, edges, list(runs))
    _draw_scores(axes[1], selection, edges)
    for ax in axes:
        ax.axvline(edges[selection.chosen], color=ITSELF, linewidth=6, alpha=0.25, zorder=0.5)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        ax.tick_params(labelsize=_TEXT_SIZE)
    axes[1].set_xlabel("edges of the learned graph", fontsize=_LABEL_SIZE)
    spec = axes[0].get_subplotspec()
    if spec is not None and not spec.is_last_row():
        axes[0].tick_params(labelbottom=False)
    return axes[0], axes[1]


def _draw_elbo(ax: Axes, selection: Selection, edges: list[float], runs: list[object]) -> None:
    best = [summary.negative_elbo for summary in selection.settings]
    if runs:
        edges_of = {setting_key(summary.setting): summary.edges for summary in selection.settings}
        finite = [run for run in read_runs(runs) if np.isfinite(run.negative_elbo)]
        ax.plot(
            [edges_of[setting_key(run.setting)] for run in finite],
            [run.negative_elbo for run in finite],
            linestyle="none", marker="o", markersize=4, markerfacecolor="white", markeredgecolor=PAST,
            label="each seed",
        )  # fmt: skip
    ax.plot(edges, best, color=INK, linewidth=1.6, marker="o", markersize=4, label="best seed")
    ends = [0, len(edges) - 1]
    ax.plot(
        [edges[k] for k in ends], [best[k] for k in ends], color=ITSELF, linewidth=1, linestyle=":",
        label="chord",
    )  # fmt: skip
    ax.set_ylabel("held-out\nnegative ELBO", fontsize=_LABEL_SIZE)
    ax.legend(fontsize=_TEXT_SIZE, frameon=False, loc="upper right")
    title = f"selected: {selection.setting}  (rule {selection.rule!r})"
    ax.set_title(title, fontsize=_LABEL_SIZE, loc="left", color=INK)


def _draw_scores(ax: Axes, selection: Selection, edges: list[float]) -> None:
    stability = [np.nan if summary.udr is None else summary.udr for summary in selection.settings]
    if not np.isnan(stability).all():
        ax.plot(
            edges, stability, color=ACTION, linewidth=1.4, linestyle="--", marker="s", markersize=4,
            label="stability across seeds",
        )  # fmt: skip
    ax.plot(edges, selection.scores, color=INK, linewidth=1.6, marker="o", markersize=4, label="score")
    ax.plot(
        edges[selection.chosen], selection.scores[selection.chosen], linestyle="none", marker="*",
        markersize=13, color=INK,
    )  # fmt: skip
    ax.set_ylabel("stability, score", fontsize=_LABEL_SIZE)
    ax.legend(fontsize=_TEXT_SIZE, frameon=False, loc="best")


def _new_pair() -> Sequence[Axes]:
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(2, 1, figsize=(6.2, 5.0), sharex=True, layout="constrained")
    return tuple(axes)
