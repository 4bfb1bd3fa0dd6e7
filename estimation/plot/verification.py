"""`plot_verification`: for every latent and run, the strongest dependency that the prediction excludes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from identify.plot.paper import draws
from identify.plot.style import INK, ITSELF, ON_DARK, ON_FILL, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estimation.evaluation.verification import Verification

__all__ = ["plot_verification"]

_LABEL_SIZE, _TEXT_SIZE = 9.0, 8.0
_MAX_NAME_LENGTH = 18
# with more rows or columns, the numbers do not fit
_MAX_ROWS_WITH_NUMBERS = 25
# cells with a larger strength are dark
_DARK_ABOVE = 0.55


@draws
def plot_verification(verification: Verification, ax: Axes | None = None) -> Axes:
    """Draw a cell for every latent of the best run (rows) and every other run (columns).

    A cell shows the relative strength of the strongest dependency that the prediction excludes, as a number and as a
    shade of grey. A cross marks strengths above the threshold, and a tick marks latents that every run confirms.

    Args:
        verification: The result of `estimation.evaluation.verification.verify`.
        ax: Where to draw; None to create a figure.

    Returns:
        The axes.
    """
    strengths = verification.extra_strengths
    n, runs = strengths.shape
    ax = ax or _new_axes(n, runs)
    threshold = next(iter(verification.comparisons.values())).learned.threshold
    ax.imshow(strengths, cmap="Greys", vmin=0, vmax=1, aspect="auto", origin="upper", interpolation="nearest")
    for i, k in np.ndindex(n, runs):
        strength = strengths[i, k]
        cross = "✗ " if strength > threshold else ""
        colour = ON_DARK if strength > _DARK_ABOVE else ON_FILL
        if max(n, runs) <= _MAX_ROWS_WITH_NUMBERS:
            ax.text(
                k, i, f"{cross}{strength:.2f}", ha="center", va="center", fontsize=_TEXT_SIZE, color=colour
            )
        elif cross:
            ax.plot(k, i, marker="x", markersize=3, color=colour)
    rows = [
        f"{shorten(latent.latent, _MAX_NAME_LENGTH)} {'✓' if latent.trusted else '✗'}"
        for latent in verification.latents
    ]
    ax.set_yticks(range(n), rows, fontsize=_TEXT_SIZE, parse_math=False)
    names = [shorten(name, _MAX_NAME_LENGTH) for name in verification.comparisons]
    ax.set_xticks(range(runs), names, fontsize=_TEXT_SIZE, rotation=30, ha="right", parse_math=False)
    ax.set_xticks(np.arange(runs + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    ax.grid(False)
    ax.grid(which="minor", color=ITSELF, linewidth=0.6)
    ax.tick_params(which="both", length=0)
    reference = shorten(verification.reference, _MAX_NAME_LENGTH)
    ax.set_ylabel(f"latent of {reference}", fontsize=_LABEL_SIZE, parse_math=False)
    ax.set_title(
        # two lines: with one other run, the figure is narrow
        f"strongest extra dependency\n(✗: above {threshold:g})",
        fontsize=_LABEL_SIZE,
        loc="left",
        color=INK,
    )
    return ax


def _new_axes(n: int, runs: int) -> Axes:
    import matplotlib.pyplot as plt

    size = (min(2.6 + 0.75 * runs, 14), min(1.4 + 0.3 * n, 14))
    axes: Axes = plt.subplots(figsize=size, layout="constrained")[1]
    return axes
