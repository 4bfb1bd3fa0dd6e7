"""The figures of a page, as SVG source. Drawn on bare figures: nothing is left open, no display is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from identify.plot import figure_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from estimation.comparison import Comparison
    from estimation.dataset import Dataset
    from estimation.evaluation import Evaluation
    from estimation.history import History
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel
    from identify.graph import CausalGraph

__all__ = [
    "Picture",
    "draw_comparison",
    "draw_edges",
    "draw_graph",
    "draw_graphs",
    "draw_latents",
    "draw_models",
    "draw_training",
]

# inches: names at the left, the space between two panels, and the legend beside them
_NAMES, _HEADS, _LEGEND = 1.3, 1.6, 2.6
_PANEL = 1.35
_WIDEST_GRID = 5


@dataclass(frozen=True)
class Picture:
    """A figure on a page.

    Attributes:
        svg: the source.
        label: what it shows, for those who can't see it.
        wide: it needs room: on a narrow screen it is scrolled, not shrunk.
        caption: below it.
    """

    svg: str
    label: str
    wide: bool = True
    caption: str = ""


def draw_comparison(comparison: Comparison, models: tuple[str, str] | None = None) -> Picture:
    """Predicted beside learned entanglement; of two models when they are named."""
    from estimation.plot import plot_comparison

    n = len(comparison.latents)
    figure = _figure(n, n + (len(comparison.surplus) + 1) * bool(comparison.surplus))
    axes = plot_comparison(comparison, axes=figure.subplots(1, 2))
    if models is not None:
        for ax in axes:
            ax.set_ylabel(f"latent of {models[0]} …")
        axes[1].set_xlabel(f"… is a function of latent of {models[1]}")
    label = f"Predicted beside learned entanglement. {comparison.verdict}"
    return Picture(figure_svg(figure, "comparison"), label)


def draw_graphs(graph: CausalGraph, learned: CausalGraph) -> Picture:
    """The learned graph beside the true one."""
    from estimation.plot import plot_graphs

    figure = _figure(learned.n_latents, _columns(learned))
    plot_graphs(graph, learned, axes=figure.subplots(1, 2))
    return Picture(figure_svg(figure, "graphs"), "The true graph beside the learned one")


def draw_models(
    models: tuple[str, str], ours: CausalGraph, theirs: CausalGraph, distance: GraphDistance
) -> Picture:
    """The learned graphs of two models; latents of the second in the order of the first."""
    from estimation.plot import plot_graphs

    figure = _figure(ours.n_latents, _columns(ours))
    left, right = plot_graphs(ours, theirs, axes=figure.subplots(1, 2), legend=False)
    left.set_title(models[0], fontsize=10, pad=8, parse_math=False)
    right.set_title(
        f"{models[1]}: {distance.missing} missing, {distance.extra} extra",
        fontsize=10,
        pad=8,
        parse_math=False,
    )
    return Picture(figure_svg(figure, "models"), "The learned graphs of the two models")


def draw_graph(graph: CausalGraph) -> Picture:
    """The learned graph alone."""
    from identify.plot import plot_matrix

    figure = _figure(graph.n_latents, _columns(graph), panels=1)
    plot_matrix(graph, ax=figure.subplots())
    return Picture(figure_svg(figure, "graph"), "The learned graph", wide=False)


def draw_latents(model: TrainedModel, dataset: Dataset, outcome: Evaluation) -> Picture:
    """True against learned latents; the 36 that match worst when there are more."""
    from matplotlib.figure import Figure

    from estimation.plot import plot_latents
    from estimation.plot.latents import MOST_PANELS

    assert outcome.learned is not None
    assert dataset.latents is not None
    assert outcome.permutation is not None
    rows = slice(0, 5_000)
    z = dataset.latents[rows].reshape(-1, dataset.latents.shape[-1])
    z_hat = model.encode(dataset.observations[rows]).reshape(len(z), -1)
    chosen = _worst(z, z_hat, outcome.permutation, MOST_PANELS)
    columns = min(len(chosen), _WIDEST_GRID)
    lines = -(-len(chosen) // columns)
    size = (_PANEL * columns + 0.5, (_PANEL + 0.25) * lines + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for ax in grid[len(chosen) :]:
        ax.set_axis_off()
    names = [outcome.learned.latents[i] for i in chosen]
    plot_latents(z[:, chosen], z_hat, outcome.permutation[chosen], axes=grid[: len(chosen)], names=names)
    caption = (
        "Across: the true latent. Up: the learned latent matched to it. Above: their absolute correlation."
    )
    return Picture(figure_svg(figure, "latents"), "True against learned latents", wide=False, caption=caption)


def draw_training(history: History) -> Picture:
    """Loss and edges over the steps."""
    from matplotlib.figure import Figure

    from estimation.plot import plot_training

    figure = Figure(figsize=(7.0, 5.4), layout="constrained")
    plot_training(history, axes=figure.subplots(2, 1, sharex=True))
    return Picture(
        figure_svg(figure, "training"), "Loss on held-out data and number of edges over the steps", wide=False
    )


def draw_edges(history: History) -> Picture:
    """The probability of every edge over the steps."""
    from matplotlib.figure import Figure

    from estimation.plot import plot_edge_probabilities

    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
    plot_edge_probabilities(history, ax=figure.subplots())
    return Picture(figure_svg(figure, "edges"), "The probability of every edge over the steps", wide=False)


def _figure(rows: int, columns: int, panels: int = 2) -> Figure:
    """Room for matrices beside each other, with names around them."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from identify.plot.style import pitch

    width = panels * (pitch(columns) * columns + _NAMES) + _LEGEND * (panels > 1)
    size = (width, max(pitch(rows) * rows + _HEADS, 2.4))
    # a margin: the engine's own leaves a pixel, and letters get cut
    return Figure(figsize=size, layout=ConstrainedLayoutEngine(rect=(0.015, 0.015, 0.97, 0.97)))


def _columns(graph: CausalGraph) -> int:
    parts = [graph.n_actions * bool(graph.Ga.nnz), graph.n_latents * bool(graph.Gz.nnz)]
    return max(sum(parts) + all(parts), 1)


def _worst(
    z: NDArray[np.float32], z_hat: NDArray[np.float32], permutation: NDArray[np.int64], most: int
) -> list[int]:
    """The true latents to show, in order: all, or those that correlate least with their match."""
    if z.shape[1] <= most:
        return list(range(z.shape[1]))
    from estimation.metrics import mean_correlation

    found = mean_correlation(z, z_hat).correlations
    matched = np.where(permutation >= 0, found[np.arange(len(permutation)), permutation], 0.0)
    return sorted(np.argsort(matched, kind="stable")[:most].tolist())
