"""Bar chart of very many latents: numbers of disentangled and one-way entangled latents, and of blocks by size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from identify.entanglement import Entanglement
from identify.plot.style import FREE, INK, ONE_WAY, TWINS
from identify.wording import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_counts", "share"]

# (face colour, line style, line width), as for the boxes of blocks
_Style = tuple[str, str, float]
_DISENTANGLED: _Style = ("white", "-", 1.6)
# height of the axes in rows, so that a few bars are not too thick
_MIN_ROWS = 5


def draw_counts(ax: Axes, entanglement: Entanglement) -> Axes:
    """Draw one bar per kind of latent, with their number and share."""
    counts = _counts(entanglement)
    total = entanglement.n_latents
    for row, (_, number, (face, style, width)) in enumerate(counts):
        ax.barh(row, number, height=0.6, color=face, edgecolor=INK, linestyle=style, linewidth=width)
        ax.annotate(
            f"{number:,} ({share(number, total)})", (number, row), (5, 0), textcoords="offset points",
            va="center", fontsize=9, color=INK,
        )  # fmt: skip
    ax.set_yticks(range(len(counts)), [label for label, *_ in counts], fontsize=9, color=INK)
    ax.set_xlim(0, max(number for _, number, _ in counts) * 1.22)
    ax.set_xticks([])
    blocks = plural(entanglement.n_blocks, "block")
    ax.set_xlabel(f"latents ({total:,} in {blocks})", fontsize=9, color=INK)
    ax.set_ylim(max(len(counts), _MIN_ROWS) - 0.4, -0.6)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    ax.grid(False)
    return ax


def share(number: int, total: int) -> str:
    """Format a share in per cent; less than all is never "100 %".

    Example:
        >>> share(999_999, 1_000_000)
        '99.9999 %'
    """
    percent = 100 * number / total
    if percent < 10:
        return f"{percent:.2g} %"
    digits = next(d for d in range(20) if number == total or float(f"{percent:.{d}f}") < 100)
    return f"{percent:.{max(digits, 1) if 99 < percent < 100 else 0}f} %"


def _counts(entanglement: Entanglement) -> list[tuple[str, int, _Style]]:
    size = entanglement.sizes[entanglement.labels]
    unconstrained = ~entanglement.constrained & ~entanglement.disentangled
    single = (size == 1) & ~unconstrained & ~entanglement.disentangled
    kinds = [
        ("disentangled", entanglement.disentangled, _DISENTANGLED),
        ("alone, entangled one way", single, (ONE_WAY, "--", 0.8)),
    ]
    for low, high in ((2, 2), (3, 5), (6, 20), (21, 100), (101, None)):
        in_range = (size >= low) & (size <= (high or size.max())) & ~unconstrained
        text = f"{low}" if low == high else f"{low} to {high}" if high else f"over {low - 1}"
        kinds.append((f"in a block of {text}", in_range, (TWINS, "-", 0.8)))
    kinds.append(("nothing constrains it", unconstrained, (FREE, ":", 1.2)))
    counts = [(label, int(np.count_nonzero(mask)), style) for label, mask, style in kinds]
    return [row for row in counts if row[1]]
