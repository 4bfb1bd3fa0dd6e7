"""Draw the rate of kept promises against rows, noise and latents, from stored results: ``make figures``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promise_tables import BINS, MANY_ROWS, in_bin, rate_of, read_records

from identify.plot import save_figure
from identify.plot.style import ACTION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_IMAGE = Path(__file__).parent / "images" / "kept_promises.png"
_LABELS = {"n_samples": "training rows", "variance": "noise variance", "n_latents": "latents"}


def draw(axes: Sequence[Axes]) -> Sequence[Axes]:
    """Draw the share of kept promises in each bin with its 95 % interval.

    Args:
        axes: Three axes, for rows, noise and latents.

    Returns:
        The axes.
    """
    records = read_records(first=True)
    many = [record for record in records if record["problem"]["n_samples"] >= MANY_ROWS]
    for ax, (name, limits) in zip(axes, BINS.items(), strict=True):
        of_bins = [
            (low, high, in_bin(records if name == "n_samples" else many, name, low, high))
            for low, high in pairwise(limits)
        ]
        _draw_bins(ax, [each for each in of_bins if each[2]], name)
        ax.set_ylim(0, 1.03)
        ax.set_xlabel(_LABELS[name], fontsize=9)
        ax.tick_params(labelsize=8)
    axes[0].set_ylabel("share of promises kept", fontsize=9)
    return axes


def _draw_bins(ax: Axes, bins: list[tuple[float, float, list[Any]]], name: str) -> None:
    rates = [rate_of(inside, lambda record: bool(record["kept"])) for *_, inside in bins]
    if name == "n_latents":
        centres = [(low + high - 1) / 2 for low, high, _ in bins]
    else:
        centres = [(low * high) ** 0.5 for low, high, _ in bins]
        ax.set_xscale("log")
    first, *_, last = BINS[name]
    ax.set_xlim(first, last)
    below = [rate - low for rate, low, _ in rates]
    above = [high - rate for rate, _, high in rates]
    ax.errorbar(
        centres, [rate for rate, *_ in rates], yerr=[below, above], marker="o", color=ACTION, capsize=3
    )


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(8.4, 2.6), layout="constrained", sharey=True)
    draw(panels)
    save_figure(figure, _IMAGE, dpi=100)
