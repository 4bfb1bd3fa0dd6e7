"""`plot_comparison`: predicted and learned entanglement, with every disagreement marked."""

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

_TITLE_SIZE = 10.0
# number of empty columns before the unmatched learned latents
_GAP = 1
# kinds of cells; 0 is empty
_ONE_WAY, _TWINS, _ITSELF, _MISSING, _EXTRA = 1, 2, 3, 4, 5
_COLOURS = [ONE_WAY, TWINS, ITSELF, "white", EXTRA_COLOUR]


@draws
def plot_comparison(
    comparison: Comparison, axes: Sequence[Axes] | None = None, legend: bool = True
) -> tuple[Axes, Axes]:
    """Draw the predicted entanglement graph and the learned one, side by side.

    The rows of both matrices are the true latents in the order of the predicted blocks. Column j stands for the learned
    latent matched to true latent j, so matrices that agree look alike. A ring marks a pair that is allowed but was not
    learned, which is harmless. A cross on yellow marks a pair that was learned but is not allowed; the larger the
    cross, the stronger the dependency. In the learned matrix, a tick marks the rows of confirmed blocks. Unmatched
    learned latents follow on the right, after a gap.

    Args:
        comparison: Comparison of a prediction and a measured entanglement.
        axes: Two axes, for the predicted and the learned matrix; None to create a figure.
        legend: Whether to explain the marks in a legend to the right of the learned matrix.

    Returns:
        The two axes.

    Raises:
        DataError: If there are not two axes.

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
    kinds = _cell_kinds(comparison)
    unmatched = _unmatched_strengths(comparison) > comparison.learned.threshold
    gap = [""] * _GAP * bool(comparison.unmatched)
    columns = [*comparison.matched_names, *gap, *comparison.unmatched]
    rows = [f"{name} ✓" for name in comparison.latents]
    left, right = two_axes(axes, rows, comparison.latents, columns, legend)
    plot_entanglement(comparison.predicted, ax=left, legend=False)
    left.set_title("predicted", fontsize=_TITLE_SIZE, color=INK, pad=8)
    _draw_learned(right, comparison, kinds, unmatched)
    title = f"learned (threshold {comparison.learned.threshold:g})"
    right.set_title(title, fontsize=_TITLE_SIZE, color=INK, pad=8)
    if legend:
        add_legend(right, _legend_entries(comparison, kinds, unmatched))
    return left, right


def _draw_learned(
    ax: Axes, comparison: Comparison, kinds: NDArray[np.int64], unmatched: NDArray[np.bool_]
) -> None:
    predicted = comparison.predicted
    blocks = block_order(predicted)
    order = [i for b in blocks for i in predicted.blocks[b]]
    kinds, unmatched = kinds[np.ix_(order, order)], unmatched[order]
    start = len(order) + _GAP
    columns = [*range(len(order)), *range(start, start + unmatched.shape[1])]
    shape_cells(ax, len(order), columns[-1] + 1)
    draw_cells(ax, kinds, 0, _COLOURS)
    draw_cells(ax, np.where(unmatched, _EXTRA, 0), start, _COLOURS)
    mark_one_way(ax, kinds == _ONE_WAY)
    mark_missing(ax, kinds == _MISSING)
    mark_extra(ax, kinds == _EXTRA, strength=_matched_strengths(comparison)[np.ix_(order, order)])
    mark_extra(ax, unmatched, start, strength=_unmatched_strengths(comparison)[order])
    _outline_blocks(ax, [len(predicted.blocks[b]) for b in blocks])
    frame(ax)
    names = [comparison.matched_names[i] or "–" for i in order]
    label(ax, "x", columns, [*names, *comparison.unmatched], "… is a function of learned latent")
    label(ax, "y", range(len(order)), _row_labels(comparison, order), "true latent …")


def _row_labels(comparison: Comparison, order: Sequence[int]) -> list[str]:
    confirmed = [comparison.blocks[b].confirmed for b in comparison.predicted.labels.tolist()]
    return [f"{comparison.latents[i]} {'✓' if confirmed[i] else '✗'}" for i in order]


def _cell_kinds(comparison: Comparison) -> NDArray[np.int64]:
    """Return the kind of every cell, shape (n, n)."""
    labels = comparison.predicted.labels
    predicted = np.where(labels[:, None] == labels[None, :], _TWINS, _ONE_WAY)
    np.fill_diagonal(predicted, _ITSELF)
    learned = np.where(comparison.agreement == EXTRA, _EXTRA, predicted)
    kinds: NDArray[np.int64] = np.where(comparison.matched, learned, 0)
    return np.where(comparison.agreement == MISSING, _MISSING, kinds)


def _matched_strengths(comparison: Comparison) -> NDArray[np.float64]:
    # the column of a latent without a match (index -1) is never marked: its values do not matter
    return comparison.learned.relative[:, comparison.permutation]


def _unmatched_strengths(comparison: Comparison) -> NDArray[np.float64]:
    """Return the relative strengths of the unmatched learned latents, shape (n, number of them)."""
    is_unmatched = np.isin(np.array(comparison.learned.learned), np.array(comparison.unmatched, dtype=str))
    return comparison.learned.relative[:, is_unmatched]


def _outline_blocks(ax: Axes, sizes: Iterable[int]) -> None:
    from matplotlib.patches import Rectangle

    start = 0
    for size in sizes:
        if size > 1:
            corner = (start - 0.5, start - 0.5)
            ax.add_patch(
                Rectangle(corner, size, size, fill=False, edgecolor=ON_FILL, linewidth=1.3, zorder=4)
            )
        start += size


def _legend_entries(
    comparison: Comparison, kinds: NDArray[np.int64], unmatched: NDArray[np.bool_]
) -> Entries:
    entry_of = {
        _ITSELF: (patch(ITSELF), "the matched learned latent"),
        _TWINS: (patch(TWINS), "predicted and learned, within a block"),
        _ONE_WAY: one_way_entry(ONE_WAY, "predicted and learned, one way"),
        _MISSING: missing_entry("allowed, not learned: harmless"),
        _EXTRA: extra_entry("learned, not allowed (larger: stronger)"),
    }
    present = {*np.unique(kinds).tolist(), *([_EXTRA] if unmatched.any() else [])}
    entries = [entry for kind, entry in entry_of.items() if kind in present]
    if any(block.confirmed for block in comparison.blocks) or comparison.predicted.disentangled.any():
        entries.append(sign_entry("✓", "left: disentangled; right: confirmed"))
    if not comparison.confirmed:
        entries.append(sign_entry("✗", "right: not confirmed"))
    return entries
