"""How training went: the loss on held-out data, the edges under their budget, and each edge's probability."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from estimation.exceptions import DataError
from estimation.history import History
from identify.plot.paper import draws
from identify.plot.style import ACTION, INK, ITSELF, PAST, TWINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_edge_probabilities", "plot_training"]

_COLOURS = {"past": PAST, "actions": ACTION}
_WORDS = {"past": "$G^z$: past latents", "actions": "$G^a$: actions"}
_TEXT = 8.0
_LABEL = 9.0
# the first looks are far above the rest; the axis starts from where all but this share lie
_ABOVE = 0.1
# height of the rows of a few edges among many, and of the space between two kinds; all of a matrix has 1
_LEAST_SHARE, _BETWEEN = 0.3, 0.06


@draws
def plot_training(history: History, axes: Sequence[Axes] | None = None) -> tuple[Axes, Axes]:
    """Draw the terms of the loss, and the expected number of edges with its budget, over the steps.

    Args:
        history: of a trained model.
        axes: two, one above or beside the other; new ones when left out.

    Returns:
        The axes.

    Raises:
        DataError: the history is empty, or there are not two axes.
    """
    _require_records(history)
    if axes is None:
        axes = _new_pair()
    if len(axes) != 2:
        raise DataError(f"{len(axes)} axes are given; the loss and the edges need two")
    _draw_losses(axes[0], history)
    _draw_edges(axes[1], history)
    for ax in axes:
        spec = ax.get_subplotspec()
        if spec is not None and not spec.is_last_row():
            # the axes below say it
            ax.set_xlabel("")
    return axes[0], axes[1]


@draws
def plot_edge_probabilities(history: History, ax: Axes | None = None) -> Axes:
    """Draw one row per possible edge: its probability over the steps, from white (0) to dark (1).

    Edges that are there at the end come first; in each group, those that were probable for longer. An edge is a place
    in the matrix: where unmixing changes the latents, the same place means another edge from there on.

    Args:
        history: of a trained model.
        ax: where to draw; new axes when left out.

    Returns:
        The axes.

    Raises:
        DataError: the history is empty.
    """
    _require_records(history)
    ax = ax or _new(8.0, 3.6)
    ends = np.array([0, *_steps(history)])
    top = 0.0
    ticks: dict[float, str] = {}
    for name in history.records[-1].probabilities:
        paths = np.array([np.ravel(record.probabilities[name]) for record in history.records]).T
        kept = paths[:, -1] > 0.5
        for chosen, what in ((kept, "there at the end"), (~kept, "gone")):
            if not chosen.any():
                continue
            height = max(float(chosen.mean()), _LEAST_SHARE)
            _draw_rows(ax, ends, paths[chosen], top, height, _COLOURS.get(name, INK))
            ticks[top + height / 2] = f"{_WORDS.get(name, name)}\n{np.count_nonzero(chosen)} {what}"
            top += height + _BETWEEN
    ax.set_yticks(list(ticks), list(ticks.values()))
    ax.set_ylim(top - _BETWEEN, 0)
    _finish(ax, history, "probability of each edge")
    ax.tick_params(axis="y", length=0)
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    return ax


def _draw_rows(
    ax: Axes, ends: NDArray[np.int64], paths: NDArray[np.float64], top: float, height: float, colour: str
) -> None:
    """Rows of equal height, sorted by how long the edge was probable."""
    from matplotlib.colors import LinearSegmentedColormap

    order = np.argsort(-paths.sum(axis=1), kind="stable")
    shades = LinearSegmentedColormap.from_list("probability", ["white", colour])
    ax.pcolormesh(
        ends, top + np.linspace(0, height, len(paths) + 1), paths[order], cmap=shades, vmin=0, vmax=1,
        rasterized=True, zorder=0.5,
    )  # fmt: skip
    across, down = ends[[0, -1, -1, 0, 0]], top + height * np.array([0, 0, 1, 1, 0])
    # a frame: white rows on white paper have no end
    ax.plot(across, down, color=ITSELF, linewidth=0.7, clip_on=False)


def _draw_losses(ax: Axes, history: History) -> None:
    steps = _steps(history)
    terms = {
        "negative ELBO": ([record.negative_elbo for record in history.records], INK, "-", 1.8),
        "reconstruction": ([record.reconstruction for record in history.records], TWINS, "--", 1.2),
        "divergence": ([record.divergence for record in history.records], PAST, ":", 1.6),
    }
    for label, (values, colour, style, width) in terms.items():
        ax.plot(steps, values, color=colour, linestyle=style, linewidth=width, label=label)
    _cut_the_start(ax, [values for values, *_ in terms.values()])
    _finish(ax, history, "held-out loss per\nobserved dimension")
    _legend(ax)


def _cut_the_start(ax: Axes, series: Sequence[Sequence[float]]) -> None:
    """Limits that leave out the high values that training starts from."""
    values = np.array(series)
    values = values[np.isfinite(values).all(axis=1)] if np.isfinite(values).all(axis=1).any() else values
    later = values[:, int(_ABOVE * values.shape[1]) :]
    low, high = float(np.nanmin(values)), float(np.nanmax(later))
    margin = 0.06 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)


def _draw_edges(ax: Axes, history: History) -> None:
    if not history.records[-1].edges:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "this method learns no graph", ha="center", fontsize=_TEXT, transform=ax.transAxes)
        return
    steps = _steps(history)
    for name in history.records[-1].edges:
        colour = _COLOURS.get(name, INK)
        edges = [record.edges[name] for record in history.records]
        budget = [record.budget.get(name, np.nan) for record in history.records]
        ax.plot(steps, edges, color=colour, linewidth=1.8, label=_WORDS.get(name, name), zorder=3)
        if not np.isnan(budget).all():
            ax.plot(steps, budget, color=INK, linestyle="--", linewidth=1.0, label="budget", zorder=4)
    ax.set_ylim(bottom=0)
    _finish(ax, history, "expected edges")
    _legend(ax)


def _finish(ax: Axes, history: History, title: str) -> None:
    steps = _steps(history)
    ax.set_xlim(0, max(steps[-1], 1))
    ax.set_xlabel("steps", fontsize=_LABEL, color=INK)
    ax.set_ylabel(title, fontsize=_LABEL, color=INK)
    ax.tick_params(labelsize=_TEXT, colors=INK)
    ax.spines[["top", "right"]].set_visible(False)
    _mark_stages(ax, history)


def _mark_stages(ax: Axes, history: History) -> None:
    """A line where a stage begins, and its name above."""
    bounds = [0]
    names = [history.records[0].stage]
    for before, after in pairwise(history.records):
        if after.stage != before.stage:
            bounds.append(before.step)
            names.append(after.stage)
    end = history.records[-1].step
    for start, stop, name in zip(bounds, [*bounds[1:], end], names, strict=True):
        if start:
            ax.axvline(start, color=ITSELF, linewidth=0.8, zorder=1)
        ax.text(
            (start + stop) / 2, 1.01, name, transform=ax.get_xaxis_transform(), ha="center", va="bottom",
            fontsize=_TEXT, color=INK,
        )  # fmt: skip


def _legend(ax: Axes) -> None:
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, fontsize=_TEXT, frameon=False)


def _steps(history: History) -> list[int]:
    return [record.step for record in history.records]


def _require_records(history: History) -> None:
    if not history.records:
        raise DataError("the history has no record; train longer than config.validate_every steps")


def _new(width: float, height: float) -> Axes:
    from identify.plot.style import new_axes

    return new_axes(width, height)


def _new_pair() -> Sequence[Axes]:
    from matplotlib import pyplot as plt

    _, axes = plt.subplots(2, 1, figsize=(8.4, 5.0), layout="constrained", sharex=True)
    return list(axes)
