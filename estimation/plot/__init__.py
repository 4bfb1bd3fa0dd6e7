"""Figures of trained models, sweeps and training runs, in the style of `identify.plot`.

Every function takes axes and returns them. Categories differ in lightness and marks, never in hue alone.

================  ===================================================================================
module            contents
================  ===================================================================================
``marks``         marks in the cells of a matrix and their legend, shared by two modules
``entanglement``  `plot_comparison`: predicted and learned entanglement
``graphs``        `plot_graphs`: the true and the learned graph
``confidence``    `plot_edge_confidence`: the learned graph, with the confidence in each edge
``influence``     `plot_influence`: the margin of every action, with its interval
``latents``       `plot_latents`: true against learned latents
``latent_count``  `plot_latent_count`: held-out ELBO against the number of latents
``training``      `plot_training`, `plot_edge_probabilities`: loss and edges over the training steps
``selection``     `plot_selection`: ELBO, stability and score of every setting
``sweep``         `plot_scores`: scores against the number of edges
``verification``  `plot_verification`: which latents the other runs confirm
``reproduction``  `plot_reproduction`: our scores and the published ones
================  ===================================================================================
"""

from __future__ import annotations

from estimation.plot.confidence import plot_edge_confidence
from estimation.plot.entanglement import plot_comparison
from estimation.plot.graphs import plot_graphs
from estimation.plot.influence import plot_influence
from estimation.plot.latent_count import plot_latent_count
from estimation.plot.latents import plot_latents
from estimation.plot.reproduction import plot_reproduction
from estimation.plot.selection import plot_selection
from estimation.plot.sweep import plot_scores
from estimation.plot.training import plot_edge_probabilities, plot_training
from estimation.plot.verification import plot_verification

__all__ = [
    "plot_comparison",
    "plot_edge_confidence",
    "plot_edge_probabilities",
    "plot_graphs",
    "plot_influence",
    "plot_latent_count",
    "plot_latents",
    "plot_reproduction",
    "plot_scores",
    "plot_selection",
    "plot_training",
    "plot_verification",
]
