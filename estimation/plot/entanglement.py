"""Learned beside predicted entanglement, with every disagreement marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from estimation.evaluation.comparison import EXTRA, MISSING, Comparison
from estimation.plot.marks import (
    EXTRA_COLOUR,
    Entries,
    add_legend,
    extra_entry,
    mark_extra,
    mark_missing,
    mark_one_way,
    missing_entry,
    one_way_entry,
    patch,
    sign_entry,
    two_axes,
)
from identify.plot.cells import draw_cells, frame, label, shape_cells
from identify.plot.matrices import block_order, plot_entanglement
from identify.plot.paper import draws
from identify.plot.style import INK, ITSELF, ON_FILL, ONE_WAY, TWINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["plot_comparison"]

_TITLE = 10.0
# columns left empty before learned latents without a match
_GAP = 1
# kinds of cells; 0 is empty
_ONE_WAY, _TWINS, _ITSELF, _MISSING, _EXTRA = 1, 2, 3, 4, 5
_COLOURS = [ONE_WAY, TWINS, ITSELF, "white", EXTRA_COLOUR]


@draws
def plot_comparison(
    comparison: Comparison, axes: Sequence[Axes] | None = None, legend: bool = True
) -> tuple[Axes, Axes]:
    """Draw the predicted entanglement graph beside the learned one.

    Both have the true latents as rows, in the order of the predicted blocks, and column j stands for the learned
    latent matched to true latent j: where they agree they look alike. A ring marks a pair that is allowed and was not
    learned, which is harmless; a cross on yellow one that was learned and is not allowed, the larger the stronger. In
    the learned matrix a tick marks the rows of confirmed blocks. Learned latents without a match stand apart on the
    right.

    Args:
        comparison: of a prediction and a measured entanglement.
        axes: two, for the prediction and for what was learned; new ones when left out.
        legend: explain the marks beside the learned matrix.

    Returns:
        The axes.

    Raises:
        DataError: there are not two axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [0, 1]]))
        >>> learned = LearnedEntanglement(np.array([[0.5, 1.0], [1.0, 0.0]]), 0.1, "jacobian", ("x", "y"), ("v0", "v1"))
        >>> _, ax = plot_comparison(compare(predicted, learned), axes=Figure().subplots(1, 2))
        >>> [tick.get_text() for tick in ax.get_yticklabels()], [tick.get_text() for tick in ax.get_xticklabels()]
        (['z0 ✗', 'z1 ✓'], ['v1', 'v0'])
    """
    kinds = _kinds(comparison)
    surplus = _surplus_strengths(comparison) > comparison.learned.threshold
    apart = [""] * _GAP * bool(comparison.surplus)
    columns = [*comparison.columns, *apart, *comparison.surplus]
    rows = [f"{name} ✓" for name in comparison.latents]
    left, right = two_axes(axes, rows, comparison.latents, columns, legend)
    plot_entanglement(comparison.predicted, ax=left, legend=False)
    left.set_title("predicted", fontsize=_TITLE, color=INK, pad=8)
    _draw_learned(right, comparison, kinds, surplus)
    threshold = f"learned (threshold {comparison.learned.threshold:g})"
    right.set_title(threshold, fontsize=_TITLE, color=INK, pad=8)
    if legend:
        add_legend(right, _entries(comparison, kinds, surplus))
    return left, right


def _draw_learned(
    ax: Axes, comparison: Comparison, kinds: NDArray[np.int64], surplus: NDArray[np.bool_]
) -> None:
    predicted = comparison.predicted
    blocks = block_order(predicted)
    order = [i for b in blocks for i in predicted.blocks[b]]
    kinds, surplus = kinds[np.ix_(order, order)], surplus[order]
    start = len(order) + _GAP
    columns = [*range(len(order)), *range(start, start + surplus.shape[1])]
    shape_cells(ax, len(order), columns[-1] + 1)
    draw_cells(ax, kinds, 0, _COLOURS)
    draw_cells(ax, np.where(surplus, _EXTRA, 0), start, _COLOURS)
    mark_one_way(ax, kinds == _ONE_WAY)
    mark_missing(ax, kinds == _MISSING)
    mark_extra(ax, kinds == _EXTRA, strength=_matched_strengths(comparison)[np.ix_(order, order)])
    mark_extra(ax, surplus, start, strength=_surplus_strengths(comparison)[order])
    _outline(ax, [len(predicted.blocks[b]) for b in blocks])
    frame(ax)
    names = [comparison.columns[i] or "–" for i in order]
    label(ax, "x", columns, [*names, *comparison.surplus], "… is a function of learned latent")
    label(ax, "y", range(len(order)), _rows(comparison, order), "true latent …")


def _rows(comparison: Comparison, order: Sequence[int]) -> list[str]:
    confirmed = [comparison.blocks[b].confirmed for b in comparison.predicted.labels.tolist()]
    return [f"{comparison.latents[i]} {'✓' if confirmed[i] else '✗'}" for i in order]


def _kinds(comparison: Comparison) -> NDArray[np.int64]:
    """The kind of every cell, shape (n, n)."""
    labels = comparison.predicted.labels
    inside = np.where(labels[:, None] == labels[None, :], _TWINS, _ONE_WAY)
    np.fill_diagonal(inside, _ITSELF)
    learned = np.where(comparison.agreement == EXTRA, _EXTRA, inside)
    kinds: NDArray[np.int64] = np.where(comparison.matched, learned, 0)
    return np.where(comparison.agreement == MISSING, _MISSING, kinds)


def _matched_strengths(comparison: Comparison) -> NDArray[np.float64]:
    # a column of -1 is never marked, so that any strength will do there
    return comparison.learned.relative[:, comparison.permutation]


def _surplus_strengths(comparison: Comparison) -> NDArray[np.float64]:
    """Relative strengths of learned latents without a match, shape (n, number of them)."""
    chosen = np.isin(np.array(comparison.learned.learned), np.array(comparison.surplus, dtype=str))
    return comparison.learned.relative[:, chosen]


def _outline(ax: Axes, sizes: Iterable[int]) -> None:
    from matplotlib.patches import Rectangle

    start = 0
    for size in sizes:
        if size > 1:
            corner = (start - 0.5, start - 0.5)
            ax.add_patch(
                Rectangle(corner, size, size, fill=False, edgecolor=ON_FILL, linewidth=1.3, zorder=4)
            )
        start += size


def _entries(comparison: Comparison, kinds: NDArray[np.int64], surplus: NDArray[np.bool_]) -> Entries:
    every = {
        _ITSELF: (patch(ITSELF), "the latent matched to it"),
        _TWINS: (patch(TWINS), "predicted and learned, within a block"),
        _ONE_WAY: one_way_entry(ONE_WAY, "predicted and learned, one way"),
        _MISSING: missing_entry("allowed, not learned: harmless"),
        _EXTRA: extra_entry("learned, not allowed (larger: stronger)"),
    }
    present = {*np.unique(kinds).tolist(), *([_EXTRA] if surplus.any() else [])}
    entries = [entry for kind, entry in every.items() if kind in present]
    if any(block.confirmed for block in comparison.blocks) or comparison.predicted.disentangled.any():
        entries.append(sign_entry("✓", "left: disentangled; right: confirmed"))
    if not comparison.confirmed:
        entries.append(sign_entry("✗", "right: not confirmed"))
    return entries
