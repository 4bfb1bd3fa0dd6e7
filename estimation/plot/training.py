"""Training curves: the loss on held-out data, the number of edges and its budget, and the edge probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
_MASK_LABELS = {"past": "$G^z$: past latents", "actions": "$G^a$: actions"}
_TEXT_SIZE, _LABEL_SIZE = 8.0, 9.0
# the loss of the first records is far above the rest: this fraction of them does not count for the upper axis limit
_IGNORED_START = 0.1
# heights, relative to a whole matrix, of the smallest group of edges and of the gap between two groups
_MIN_GROUP_HEIGHT, _GROUP_GAP = 0.3, 0.06


@draws
def plot_training(history: History, axes: Sequence[Axes] | None = None) -> tuple[Axes, Axes]:
    """Draw the terms of the loss, and the expected number of edges with its budget, over the training steps.

    Args:
        history: History of a trained model.
        axes: Two axes, one above the other or side by side; None to create a figure.

    Returns:
        The two axes.

    Raises:
        DataError: If the history is empty, or there are not two axes.
    """
    _require_records(history)
    if axes is None:
        axes = _new_pair()
    if len(axes) != 2:
        raise DataError(f"got {len(axes)} axes; the loss and the edges need two")
    _draw_losses(axes[0], history)
    _draw_edges(axes[1], history)
    for ax in axes:
        spec = ax.get_subplotspec()
        if spec is not None and not spec.is_last_row():
            # the axes below have the label
            ax.set_xlabel("")
    return axes[0], axes[1]


@draws
def plot_edge_probabilities(
    history: History, ax: Axes | None = None, sparse: Mapping[str, Sequence[bool]] | None = None
) -> Axes:
    """Draw one row per possible edge: its probability over the training steps, from white (0) to dark (1).

    The edges of the final graph come first, followed by the removed ones; in each group, the edges are sorted by their
    mean probability. An edge is an entry of the matrix: when unmixing changes the latents, the same entry stands for
    another edge from then on.

    Args:
        history: History of a trained model.
        ax: Where to draw; None to create a figure.
        sparse: Whether each column is sparse, by mask, as `SparseColumns.masks` returns it; edges in the other columns
            are not drawn, since they are not learned. A mask that is left out has sparse columns only, and an empty
            list stands for a mask without any.

    Returns:
        The axes.

    Raises:
        DataError: If the history is empty.
    """
    _require_records(history)
    ax = ax or _new_axes(8.0, 3.6)
    step_bounds = np.array([0, *_steps(history)])
    top = 0.0
    ticks: dict[float, str] = {}
    for name in history.records[-1].probabilities:
        kept = (sparse or {}).get(name)
        if kept is not None and not any(kept):
            continue
        columns = slice(None) if kept is None else np.flatnonzero(kept)
        curves = np.array(
            [np.array(record.probabilities[name])[:, columns].ravel() for record in history.records]
        ).T
        is_final = curves[:, -1] > 0.5
        for group, status in ((is_final, "in the final graph"), (~is_final, "removed")):
            if not group.any():
                continue
            height = max(float(group.mean()), _MIN_GROUP_HEIGHT)
            _draw_rows(ax, step_bounds, curves[group], top, height, _COLOURS.get(name, INK))
            ticks[top + height / 2] = f"{_MASK_LABELS.get(name, name)}\n{np.count_nonzero(group)} {status}"
            top += height + _GROUP_GAP
    ax.set_yticks(list(ticks), list(ticks.values()))
    ax.set_ylim(top - _GROUP_GAP, 0)
    _finish(ax, history, "probability of each edge")
    ax.tick_params(axis="y", length=0)
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    return ax


def _draw_rows(
    ax: Axes,
    step_bounds: NDArray[np.int64],
    curves: NDArray[np.float64],
    top: float,
    height: float,
    colour: str,
) -> None:
    """Draw rows of equal height, sorted by the sum of the probabilities over the steps."""
    from matplotlib.colors import LinearSegmentedColormap

    order = np.argsort(-curves.sum(axis=1), kind="stable")
    shades = LinearSegmentedColormap.from_list("probability", ["white", colour])
    ax.pcolormesh(
        step_bounds, top + np.linspace(0, height, len(curves) + 1), curves[order], cmap=shades, vmin=0, vmax=1,
        rasterized=True, zorder=0.5,
    )  # fmt: skip
    x, y = step_bounds[[0, -1, -1, 0, 0]], top + height * np.array([0, 0, 1, 1, 0])
    # the frame shows the extent of white rows on white paper
    ax.plot(x, y, color=ITSELF, linewidth=0.7, clip_on=False)


def _draw_losses(ax: Axes, history: History) -> None:
    steps = _steps(history)
    terms = {
        "negative ELBO": ([record.negative_elbo for record in history.records], INK, "-", 1.8),
        "reconstruction": ([record.reconstruction for record in history.records], TWINS, "--", 1.2),
        "divergence": ([record.divergence for record in history.records], PAST, ":", 1.6),
    }
    for label, (values, colour, style, width) in terms.items():
        ax.plot(steps, values, color=colour, linestyle=style, linewidth=width, label=label)
    _ignore_start(ax, [values for values, *_ in terms.values()])
    _finish(ax, history, "held-out loss per\nobserved dimension")
    _add_legend(ax)


def _ignore_start(ax: Axes, curves: Sequence[Sequence[float]]) -> None:
    """Set the limits of the y axis without regard to the high values at the start of training."""
    values = np.array(curves)
    is_finite = np.isfinite(values).all(axis=1)
    values = values[is_finite] if is_finite.any() else values
    later = values[:, int(_IGNORED_START * values.shape[1]) :]
    low, high = float(np.nanmin(values)), float(np.nanmax(later))
    margin = 0.06 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)


def _draw_edges(ax: Axes, history: History) -> None:
    if not history.records[-1].edges:
        ax.set_axis_off()
        ax.text(
            0.5, 0.5, "this method learns no graph", ha="center", fontsize=_TEXT_SIZE, transform=ax.transAxes
        )
        return
    steps = _steps(history)
    for name in history.records[-1].edges:
        colour = _COLOURS.get(name, INK)
        edges = [record.edges[name] for record in history.records]
        budget = [record.budget.get(name, np.nan) for record in history.records]
        ax.plot(steps, edges, color=colour, linewidth=1.8, label=_MASK_LABELS.get(name, name), zorder=3)
        if not np.isnan(budget).all():
            ax.plot(steps, budget, color=INK, linestyle="--", linewidth=1.0, label="budget", zorder=4)
    ax.set_ylim(bottom=0)
    _finish(ax, history, "expected number\nof edges")
    _add_legend(ax)


def _finish(ax: Axes, history: History, y_label: str) -> None:
    steps = _steps(history)
    ax.set_xlim(0, max(steps[-1], 1))
    ax.set_xlabel("training step", fontsize=_LABEL_SIZE, color=INK)
    ax.set_ylabel(y_label, fontsize=_LABEL_SIZE, color=INK)
    ax.tick_params(labelsize=_TEXT_SIZE, colors=INK)
    ax.spines[["top", "right"]].set_visible(False)
    _mark_stages(ax, history)


def _mark_stages(ax: Axes, history: History) -> None:
    """Draw a line at the start of every stage, and the name of the stage above."""
    starts = [0]
    names = [history.records[0].stage]
    for previous, record in pairwise(history.records):
        if record.stage != previous.stage:
            starts.append(previous.step)
            names.append(record.stage)
    end = history.records[-1].step
    for start, stop, name in zip(starts, [*starts[1:], end], names, strict=True):
        if start:
            ax.axvline(start, color=ITSELF, linewidth=0.8, zorder=1)
        ax.text(
            (start + stop) / 2, 1.01, name, transform=ax.get_xaxis_transform(), ha="center", va="bottom",
            fontsize=_TEXT_SIZE, color=INK,
        )  # fmt: skip


def _add_legend(ax: Axes) -> None:
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, fontsize=_TEXT_SIZE, frameon=False)


def _steps(history: History) -> list[int]:
    return [record.step for record in history.records]


def _require_records(history: History) -> None:
    if not history.records:
        raise DataError("the history has no records; train for more than config.validate_every steps")


def _new_axes(width: float, height: float) -> Axes:
    from identify.plot.style import new_axes

    return new_axes(width, height)


def _new_pair() -> Sequence[Axes]:
    from matplotlib import pyplot as plt

    _, axes = plt.subplots(2, 1, figsize=(8.4, 5.0), layout="constrained", sharex=True)
    return list(axes)
