"""Figures of what was learned, beside what is predicted and true. In the style of `identify.plot`.

Every function takes axes and returns them. Kinds are told apart by lightness and marks, never by hue alone.
"""

from __future__ import annotations

from estimation.plot.entanglement import plot_comparison
from estimation.plot.graphs import plot_graphs
from estimation.plot.latents import plot_latents
from estimation.plot.reproduction import plot_reproduction
from estimation.plot.selection import plot_selection
from estimation.plot.sweep import plot_scores
from estimation.plot.training import plot_edge_probabilities, plot_training
from estimation.plot.verification import plot_verification

__all__ = [
    "plot_comparison",
    "plot_edge_probabilities",
    "plot_graphs",
    "plot_latents",
    "plot_reproduction",
    "plot_scores",
    "plot_selection",
    "plot_training",
    "plot_verification",
]
