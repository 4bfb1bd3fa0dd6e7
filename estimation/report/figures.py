"""The figures of a page, as SVG source. Drawn on bare figures: nothing is left open, no display is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from identify.plot import figure_svg
from identify.plot.paper import own_style
from identify.plot.style import LARGEST_TEXT, pitch, shorten, widest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
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
    "draw_verification",
]

# inches beside the names: titles at the left (flat beside few rows), headings above and titles below, and the legend
_TITLES, _HEADS, _LEGEND = 1.4, 1.6, 2.6
# letters of the name of a model, and of a latent or action
_LONGEST, _MOST_SHOWN = 16, 28
_PANEL, _LEAST = 1.35, 1.6
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


@own_style()
def draw_comparison(comparison: Comparison, models: tuple[str, str] | None = None) -> Picture:
    """Predicted beside learned entanglement; of two models when they are named.

    Example:
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"]))
        >>> strengths = np.array([[0.2, 1.0], [0.9, 0.0]])
        >>> found = compare(predicted, LearnedEntanglement(strengths, 0.1, "jacobian", ("speed", "mass"), ("v0", "v1")))
        >>> draw_comparison(found).label
        'Predicted beside learned entanglement. Confirmed: the 2 latents mix exactly as predicted, in 2 blocks.'
    """
    from estimation.plot import plot_comparison

    n, surplus = len(comparison.latents), comparison.surplus
    below = [*comparison.latents, *comparison.columns, *surplus]
    figure = _figure(comparison.latents, n, n + (len(surplus) + 1) * bool(surplus), below)
    axes = plot_comparison(comparison, axes=figure.subplots(1, 2))
    if models is not None:
        for ax in axes:
            ax.set_ylabel(f"latent of {shorten(models[0], _LONGEST)} …", parse_math=False)
        axes[1].set_xlabel(f"… is a function of latent of {shorten(models[1], _LONGEST)}", parse_math=False)
    label = f"Predicted beside learned entanglement. {comparison.verdict}"
    return Picture(figure_svg(figure, "comparison"), label)


@own_style()
def draw_graphs(graph: CausalGraph, learned: CausalGraph) -> Picture:
    """The learned graph beside the true one.

    Example:
        >>> from identify.graph import CausalGraph
        >>> picture = draw_graphs(CausalGraph(Ga=[[1], [1]]), CausalGraph(Ga=[[1], [0]]))
        >>> picture.svg[:4], picture.label
        ('<svg', 'The true graph beside the learned one')
    """
    from estimation.plot import plot_graphs

    figure = _figure_of(graph, learned)
    plot_graphs(graph, learned, axes=figure.subplots(1, 2))
    return Picture(figure_svg(figure, "graphs"), "The true graph beside the learned one")


@own_style()
def draw_models(
    models: tuple[str, str], ours: CausalGraph, theirs: CausalGraph, distance: GraphDistance
) -> Picture:
    """The learned graphs of two models; latents of the second in the order of the first.

    Args:
        models: their names.
        ours: the graph of the first.
        theirs: that of the second.
        distance: between them.

    Example:
        >>> from estimation.metrics import structural_hamming
        >>> from identify.graph import CausalGraph
        >>> one, two = CausalGraph(Ga=[[1], [1]]), CausalGraph(Ga=[[1], [0]])
        >>> picture = draw_models(("one", "two"), one, two, structural_hamming(one, two))
        >>> picture.svg[:4], picture.label
        ('<svg', 'The learned graphs of the two models')
    """
    from estimation.plot import plot_graphs

    figure = _figure_of(ours, theirs)
    left, right = plot_graphs(ours, theirs, axes=figure.subplots(1, 2), legend=False)
    left.set_title(shorten(models[0], _LONGEST), fontsize=10, pad=8, parse_math=False)
    right.set_title(
        f"{shorten(models[1], _LONGEST)}: {distance.missing} missing, {distance.extra} extra",
        fontsize=10,
        pad=8,
        parse_math=False,
    )
    return Picture(figure_svg(figure, "models"), "The learned graphs of the two models")


@own_style()
def draw_graph(graph: CausalGraph) -> Picture:
    """The learned graph alone.

    Example:
        >>> from identify.graph import CausalGraph
        >>> picture = draw_graph(CausalGraph(Ga=[[1], [0]]))
        >>> picture.svg[:4], picture.label
        ('<svg', 'The learned graph')
    """
    from identify.plot import plot_matrix

    figure = _figure_of(graph, panels=1)
    plot_matrix(graph, ax=figure.subplots())
    return Picture(figure_svg(figure, "graph"), "The learned graph", wide=False)


@own_style()
def draw_latents(model: TrainedModel, dataset: Dataset, outcome: Evaluation) -> Picture:
    """True against learned latents; the 36 that match worst when there are more.

    Args:
        model: the trained model.
        dataset: with true latents.
        outcome: of `estimation.evaluation.evaluate` on that dataset.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> model = fit(data, TrainingConfig(max_edges_actions=10, **tiny))
        >>> from estimation.evaluation.scores import evaluate
        >>> picture = draw_latents(model, data, evaluate(model, data, n_samples=50))
        >>> picture.svg[:4], picture.label
        ('<svg', 'True against learned latents')
    """
    from matplotlib.figure import Figure

    from estimation.dataset.alignment import align_observed
    from estimation.plot import plot_latents
    from estimation.plot.latents import MOST_PANELS

    assert outcome.learned is not None
    assert dataset.latents is not None
    assert outcome.permutation is not None
    rows = slice(0, 5_000)
    z = dataset.latents[rows].reshape(-1, dataset.latents.shape[-1])
    z_hat = model.encode(align_observed(dataset, model).observations[rows]).reshape(len(z), -1)
    chosen = _worst(z, z_hat, outcome.permutation, MOST_PANELS)
    columns = min(len(chosen), _WIDEST_GRID)
    lines = -(-len(chosen) // columns)
    size = (_PANEL * columns + 0.5, (_PANEL + 0.25) * lines + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for ax in grid[len(chosen) :]:
        ax.remove()
    names = [outcome.learned.latents[i] for i in chosen]
    plot_latents(z[:, chosen], z_hat, outcome.permutation[chosen], axes=grid[: len(chosen)], names=names)
    caption = (
        "Across: the true latent. Up: the learned latent matched to it. Above: their absolute correlation."
    )
    return Picture(figure_svg(figure, "latents"), "True against learned latents", wide=False, caption=caption)


@own_style()
def draw_training(history: History) -> Picture:
    """Loss and edges over the steps.

    Example:
        >>> from estimation.history import History, Record
        >>> record = Record(2, "dense", 1.0, 0.5, 0.5, {"past": 4.0}, {}, {"past": [[1.0, 1.0], [1.0, 1.0]]}, 0.1)
        >>> picture = draw_training(History([record]))
        >>> picture.svg[:4], picture.label
        ('<svg', 'Loss on held-out data and number of edges over the steps')
    """
    from matplotlib.figure import Figure

    from estimation.plot import plot_training

    figure = Figure(figsize=(7.0, 5.4), layout="constrained")
    plot_training(history, axes=figure.subplots(2, 1, sharex=True))
    return Picture(
        figure_svg(figure, "training"), "Loss on held-out data and number of edges over the steps", wide=False
    )


@own_style()
def draw_edges(history: History) -> Picture:
    """The probability of every edge over the steps.

    Example:
        >>> from estimation.history import History, Record
        >>> record = Record(2, "dense", 1.0, 0.5, 0.5, {"past": 4.0}, {}, {"past": [[1.0, 1.0], [1.0, 1.0]]}, 0.1)
        >>> picture = draw_edges(History([record]))
        >>> picture.svg[:4], picture.label
        ('<svg', 'The probability of every edge over the steps')
    """
    from matplotlib.figure import Figure

    from estimation.plot import plot_edge_probabilities

    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
    plot_edge_probabilities(history, ax=figure.subplots())
    return Picture(figure_svg(figure, "edges"), "The probability of every edge over the steps", wide=False)


@own_style()
def draw_verification(verification: Verification) -> Picture:
    """For every latent of the best run and every other run, the strongest latent that may not enter."""
    from matplotlib.figure import Figure

    from estimation.plot import plot_verification

    n, runs = verification.extra_strengths.shape
    size = (min(2.6 + 0.75 * runs, 14.0), min(1.6 + 0.3 * n, 14.0))
    figure = Figure(figsize=size, layout="constrained")
    plot_verification(verification, ax=figure.subplots())
    return Picture(figure_svg(figure, "verification"), verification.summary, wide=runs > 8)


def _figure_of(*graphs: CausalGraph, panels: int = 2) -> Figure:
    """Room for the matrices of graphs beside each other, the last of which is the largest."""
    last = graphs[-1]
    counts = [
        len(names) for names, matrix in ((last.actions, last.Ga), (last.latents, last.Gz)) if matrix.nnz
    ]
    rows = [name for graph in graphs for name in graph.latents]
    below = [name for graph in graphs for name in graph.actions] + rows * bool(last.Gz.nnz)
    return _figure(rows, last.n_latents, max(sum(counts) + len(counts) - 1, 1), below, panels)


def _figure(
    rows: Sequence[str], n_rows: int, n_columns: int, below: Sequence[str], panels: int = 2
) -> Figure:
    """Room for matrices beside each other, with names at the left and, upright if they are long, below."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    width = panels * (max(pitch(n_columns) * n_columns, _LEAST) + _TITLES + _inches(rows)) + _LEGEND * (
        panels > 1
    )
    size = (width, max(pitch(n_rows) * n_rows + _HEADS + _inches(below), 2.4))
    # a margin: the engine's own leaves a pixel, and letters get cut
    return Figure(figsize=size, layout=ConstrainedLayoutEngine(rect=(0.015, 0.015, 0.97, 0.97)))


def _inches(names: Sequence[str]) -> float:
    """The room that the widest name takes."""
    return widest([shorten(name, _MOST_SHOWN) for name in names], LARGEST_TEXT) / 72


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
