"""Which latents can be trusted: for every latent and run, the strongest latent that may not enter it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from identify.plot.paper import draws
from identify.plot.style import INK, ITSELF, ON_DARK, ON_FILL, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estimation.evaluation.verification import Verification

__all__ = ["plot_verification"]

_LABEL, _TEXT = 9.0, 8.0
_LONGEST = 18
# past so many rows and columns the numbers don't fit
_MOST_NUMBERS = 25
_DARK = 0.55


@draws
def plot_verification(verification: Verification, ax: Axes | None = None) -> Axes:
    """Draw a cell for every latent of the best run (rows) and every other run (columns).

    A cell is the darker the more strongly a latent enters that the prediction keeps out, and holds the number; a cross
    says that it exceeds the threshold. Rows that every run confirms have a tick.

    Args:
        verification: of `estimation.evaluation.verification.verify`.
        ax: where to draw; new axes when left out.

    Returns:
        The axes.
    """
    strengths = verification.extra_strengths
    n, runs = strengths.shape
    ax = ax or _new(n, runs)
    threshold = next(iter(verification.comparisons.values())).learned.threshold
    ax.imshow(strengths, cmap="Greys", vmin=0, vmax=1, aspect="auto", origin="upper", interpolation="nearest")
    for i, k in np.argwhere(np.ones_like(strengths, dtype=bool)).tolist():
        value = strengths[i, k]
        cross = "✗ " if value > threshold else ""
        if max(n, runs) <= _MOST_NUMBERS:
            ax.text(
                k, i, f"{cross}{value:.2f}", ha="center", va="center", fontsize=_TEXT,
                color=ON_DARK if value > _DARK else ON_FILL,
            )  # fmt: skip
        elif cross:
            ax.plot(k, i, marker="x", markersize=3, color=ON_DARK if value > _DARK else ON_FILL)
    rows = [
        f"{shorten(each.latent, _LONGEST)} {'✓' if each.trusted else '✗'}" for each in verification.latents
    ]
    ax.set_yticks(range(n), rows, fontsize=_TEXT, parse_math=False)
    names = [shorten(name, _LONGEST) for name in verification.comparisons]
    ax.set_xticks(range(runs), names, fontsize=_TEXT, rotation=30, ha="right", parse_math=False)
    ax.set_xticks(np.arange(runs + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    ax.grid(False)
    ax.grid(which="minor", color=ITSELF, linewidth=0.6)
    ax.tick_params(which="both", length=0)
    reference = shorten(verification.reference, _LONGEST)
    ax.set_ylabel(f"latent of {reference}", fontsize=_LABEL, parse_math=False)
    ax.set_title(
        # in two lines: with one other run the figure is narrow
        f"strongest latent that\nmay not enter (✗: above {threshold:g})",
        fontsize=_LABEL,
        loc="left",
        color=INK,
    )
    return ax


def _new(n: int, runs: int) -> Axes:
    import matplotlib.pyplot as plt

    size = (min(2.6 + 0.75 * runs, 14), min(1.4 + 0.3 * n, 14))
    axes: Axes = plt.subplots(figsize=size, layout="constrained")[1]
    return axes
