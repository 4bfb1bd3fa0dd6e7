"""The choice of the sparsity: held-out ELBO, agreement of seeds and score, against the number of edges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from estimation.exceptions import DataError
from estimation.selection.choosing import Selection
from estimation.selection.runs import key, read_runs
from identify.plot.paper import draws
from identify.plot.style import ACTION, INK, ITSELF, PAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = ["plot_selection"]

_LABEL = 9.0
_TEXT = 8.0


@draws
def plot_selection(
    selection: Selection, runs: Iterable[object] = (), axes: Sequence[Axes] | None = None
) -> tuple[Axes, Axes]:
    """Draw the held-out ELBO above and agreement with score below, over the edges; the choice is marked in both.

    Args:
        selection: what `estimation.selection.choosing.select` found.
        runs: those that it was chosen from; each becomes a point.
        axes: two, one above the other; new ones when left out.

    Returns:
        The axes.

    Raises:
        DataError: there are not two axes.
    """
    if axes is None:
        axes = _new_pair()
    if len(axes) != 2:
        raise DataError(f"{len(axes)} axes are given; the ELBO and the agreement need two")
    edges = [each.edges for each in selection.settings]
    _draw_elbo(axes[0], selection, edges, list(runs))
    _draw_scores(axes[1], selection, edges)
    for ax in axes:
        ax.axvline(edges[selection.chosen], color=ITSELF, linewidth=6, alpha=0.25, zorder=0.5)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        ax.tick_params(labelsize=_TEXT)
    axes[1].set_xlabel("edges of the learned graph", fontsize=_LABEL)
    spec = axes[0].get_subplotspec()
    if spec is not None and not spec.is_last_row():
        axes[0].tick_params(labelbottom=False)
    return axes[0], axes[1]


def _draw_elbo(ax: Axes, selection: Selection, edges: list[float], runs: list[object]) -> None:
    best = [each.negative_elbo for each in selection.settings]
    if runs:
        place = {key(each.setting): each.edges for each in selection.settings}
        found = [run for run in read_runs(runs) if np.isfinite(run.negative_elbo)]
        ax.plot(
            [place[key(run.setting)] for run in found],
            [run.negative_elbo for run in found],
            linestyle="none", marker="o", markersize=4, markerfacecolor="white", markeredgecolor=PAST,
            label="each seed",
        )  # fmt: skip
    ax.plot(edges, best, color=INK, linewidth=1.6, marker="o", markersize=4, label="best seed")
    ends = [0, len(edges) - 1]
    ax.plot(
        [edges[k] for k in ends], [best[k] for k in ends], color=ITSELF, linewidth=1, linestyle=":",
        label="nothing but more edges",
    )  # fmt: skip
    ax.set_ylabel("held-out\nnegative ELBO", fontsize=_LABEL)
    ax.legend(fontsize=_TEXT, frameon=False, loc="upper right")
    ax.set_title(
        f"chosen: {selection.setting}  (rule {selection.rule!r})", fontsize=_LABEL, loc="left", color=INK
    )


def _draw_scores(ax: Axes, selection: Selection, edges: list[float]) -> None:
    agreement = [np.nan if each.udr is None else each.udr for each in selection.settings]
    if not np.isnan(agreement).all():
        ax.plot(
            edges, agreement, color=ACTION, linewidth=1.4, linestyle="--", marker="s", markersize=4,
            label="agreement of seeds",
        )  # fmt: skip
    ax.plot(edges, selection.scores, color=INK, linewidth=1.6, marker="o", markersize=4, label="score")
    ax.plot(
        edges[selection.chosen], selection.scores[selection.chosen], linestyle="none", marker="*",
        markersize=13, color=INK,
    )  # fmt: skip
    ax.set_ylabel("agreement, score", fontsize=_LABEL)
    ax.legend(fontsize=_TEXT, frameon=False, loc="best")


def _new_pair() -> Sequence[Axes]:
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(2, 1, figsize=(6.2, 5.0), sharex=True, layout="constrained")
    return tuple(axes)
