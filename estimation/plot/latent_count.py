"""`plot_latent_count`: held-out ELBO and ratios of signal to noise against the number of latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from estimation.exceptions import DataError
from identify.plot.paper import draws
from identify.plot.style import ACTION, INK, ITSELF, PAST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from estimation.latent_count import LatentCount

__all__ = ["plot_latent_count"]

_LABEL_SIZE, _TEXT_SIZE = 9.0, 8.0


@draws
def plot_latent_count(count: LatentCount, axes: Sequence[Axes] | None = None) -> tuple[Axes, Axes]:
    """Draw the held-out negative ELBO and the ratios of signal to noise against the number of latents.

    Left: every short run as a point, and a line through the best of each number. Right: the ratios of the best run of
    each number; those of superfluous directions are small. A vertical band marks the number that was found.

    Args:
        count: The number that was found, with the runs behind it.
        axes: Two axes, side by side; None to create a figure.

    Returns:
        The two axes.

    Raises:
        DataError: If there are not two axes.
    """
    if axes is None:
        axes = _new_pair()
    if len(axes) != 2:
        raise DataError(f"got {len(axes)} axes; the ELBO and the ratios of signal to noise need two")
    left, right = axes
    best = count.best
    left.plot(
        [each.n_latents for each in count.candidates], [each.negative_elbo for each in count.candidates],
        linestyle="none", marker="o", markersize=4, markerfacecolor="white", markeredgecolor=PAST,
        label="each start",
    )  # fmt: skip
    left.plot(
        list(best), [each.negative_elbo for each in best.values()], color=INK, linewidth=1.6, marker="o",
        markersize=4, label="best start",
    )  # fmt: skip
    points = [(n, max(ratio, 1e-3)) for n, each in best.items() for ratio in each.signal_to_noise]
    right.plot(
        *zip(*points, strict=True), linestyle="none", marker="_", markersize=9, color=INK,
        label="directions of the latents",
    )  # fmt: skip
    right.axhline(1, color=ACTION, linewidth=1, linestyle=":", label="collapsed below")
    right.set_yscale("log")
    left.set_ylabel("held-out negative ELBO", fontsize=_LABEL_SIZE)
    right.set_ylabel("signal to noise", fontsize=_LABEL_SIZE)
    left.set_title(count.summary, fontsize=_LABEL_SIZE, loc="left", color=INK)
    for ax in (left, right):
        ax.axvline(count.n_latents, color=ITSELF, linewidth=6, alpha=0.25, zorder=0.5)
        ax.set_xticks(list(best))
        ax.set_xlabel("latents", fontsize=_LABEL_SIZE)
        ax.legend(fontsize=_TEXT_SIZE, frameon=False, loc="best")
        ax.tick_params(labelsize=_TEXT_SIZE)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    return left, right


def _new_pair() -> Sequence[Axes]:
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, figsize=(7.4, 3.2), layout="constrained")
    return tuple(axes)
