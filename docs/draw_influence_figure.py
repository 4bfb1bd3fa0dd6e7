"""Draw MCC against the margin of influence, from stored results: ``make figures``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from stored_runs import FOLDER

from identify.plot import save_figure
from identify.plot.style import ACTION, TWINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_RESULTS = FOLDER / "influence_models.jsonl"
_IMAGE = Path(__file__).parent / "images" / "influence_margin.png"


def draw(ax: Axes) -> Axes:
    """Draw MCC and R of the ring processes against the smallest true margin.

    Args:
        ax: Where to draw.

    Returns:
        The axes.
    """
    records = [json.loads(line) for line in _RESULTS.read_text(encoding="utf-8").splitlines()]
    rings = [record for record in records if record["problem"]["process"] == "ring"]
    margins = [record["true_margin"] for record in rings]
    for name, label, marker, colour in (("r", "R", "^", ACTION), ("mcc", "MCC", "o", TWINS)):
        scores = [record["scores"][name] for record in rings]
        ax.plot(margins, scores, linestyle="none", marker=marker, color=colour, label=label, alpha=0.8)
    ax.set_xscale("log")
    ax.set_xlabel("smallest margin: effect on the direction moved least / noise", fontsize=9)
    ax.set_ylabel("score", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.legend(frameon=False, fontsize=9)
    return ax


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5.6, 3.0), layout="constrained")
    draw(axes)
    save_figure(figure, _IMAGE, dpi=100)
