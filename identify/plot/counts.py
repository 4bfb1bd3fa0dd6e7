"""How many latents are disentangled, entangled one way, or in a block of what size: for very many of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from identify.entanglement import Entanglement
from identify.plot.style import FREE, INK, ONE_WAY, TWINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_counts", "share"]

# (face, line style, line width), as the boxes of blocks
_Look = tuple[str, str, float]
_WHITE: _Look = ("white", "-", 1.6)
# a few bars keep the height that they have among many
_MIN_ROWS = 5


def draw_counts(ax: Axes, entanglement: Entanglement) -> Axes:
    """Draw one bar per kind of latent, with number and share."""
    counts = _counts(entanglement)
    total = entanglement.n_latents
    for place, (_, number, (face, style, width)) in enumerate(counts):
        ax.barh(place, number, height=0.6, color=face, edgecolor=INK, linestyle=style, linewidth=width)
        ax.annotate(
            f"{number:,} ({share(number, total)})", (number, place), (5, 0), textcoords="offset points",
            va="center", fontsize=9, color=INK,
        )  # fmt: skip
    ax.set_yticks(range(len(counts)), [label for label, *_ in counts], fontsize=9, color=INK)
    ax.set_xlim(0, max(number for _, number, _ in counts) * 1.22)
    ax.set_xticks([])
    blocks = f"{entanglement.n_blocks:,} block{'' if entanglement.n_blocks == 1 else 's'}"
    ax.set_xlabel(f"latents ({total:,} in {blocks})", fontsize=9, color=INK)
    ax.set_ylim(max(len(counts), _MIN_ROWS) - 0.4, -0.6)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    ax.grid(False)
    return ax


def share(number: int, total: int) -> str:
    """Per cent; never "100 %" of what is not all.

    Example:
        >>> share(999_999, 1_000_000)
        '99.9999 %'
    """
    percent = 100 * number / total
    if percent < 10:
        return f"{percent:.2g} %"
    digits = next(d for d in range(20) if number == total or float(f"{percent:.{d}f}") < 100)
    return f"{percent:.{max(digits, 1) if 99 < percent < 100 else 0}f} %"


def _counts(entanglement: Entanglement) -> list[tuple[str, int, _Look]]:
    size = entanglement.sizes[entanglement.labels]
    free = ~entanglement.constrained & ~entanglement.disentangled
    alone = (size == 1) & ~free & ~entanglement.disentangled
    found = [
        ("disentangled", entanglement.disentangled, _WHITE),
        ("alone, entangled one way", alone, (ONE_WAY, "--", 0.8)),
    ]
    for low, high in ((2, 2), (3, 5), (6, 20), (21, 100), (101, None)):
        inside = (size >= low) & (size <= (high or size.max())) & ~free
        span = f"{low}" if low == high else f"{low} to {high}" if high else f"over {low - 1}"
        found.append((f"in a block of {span}", inside, (TWINS, "-", 0.8)))
    found.append(("nothing constrains it", free, (FREE, ":", 1.2)))
    counted = [(label, int(np.count_nonzero(mask)), look) for label, mask, look in found]
    return [row for row in counted if row[1]]
