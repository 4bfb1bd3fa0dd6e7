"""The figures of a page, as SVG source. Drawn without pyplot, they leave no figure open and need no display."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from estimation.report.section import Picture
from identify.plot import figure_svg
from identify.plot.paper import own_style
from identify.plot.style import LARGEST_TEXT, pitch, shorten, widest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from estimation.config.sparse_columns import SparseColumns
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
    from estimation.history import History
    from estimation.influence.result import InfluenceTest
    from estimation.latent_count import LatentCount
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel
    from identify.graph import CausalGraph

__all__ = [
    "draw_comparison",
    "draw_confidence",
    "draw_edges",
    "draw_graph",
    "draw_graphs",
    "draw_influence",
    "draw_latent_count",
    "draw_latents",
    "draw_models",
    "draw_training",
    "draw_verification",
]

# inches for the title of the rows on the left, for headings and titles above and below, and for the legend
_ROW_TITLE_INCHES, _TITLES_INCHES, _LEGEND_INCHES = 1.4, 1.6, 2.6
# number of letters shown of the name of a model, and of the name of a latent or action
_MAX_MODEL_NAME, _MAX_NAME = 16, 28
_PANEL_INCHES, _MIN_MATRIX_INCHES = 1.35, 1.6
_MAX_GRID_COLUMNS = 5
_MAX_ENCODED_ROWS = 5_000
# with more runs, the figure of a verification is wide
_MAX_NARROW_RUNS = 8


@own_style()
def draw_comparison(comparison: Comparison, models: tuple[str, str] | None = None) -> Picture:
    """Draw predicted and learned entanglement side by side.

    Args:
        comparison: The comparison.
        models: Names of two models that were compared with each other; None for a model against the truth.

    Example:
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"]))
        >>> strengths = np.array([[0.2, 1.0], [0.9, 0.0]])
        >>> learned = LearnedEntanglement(strengths, 0.1, "jacobian", ("speed", "mass"), ("v0", "v1"))
        >>> draw_comparison(compare(predicted, learned)).label
        'Predicted and learned entanglement. Confirmed: the 2 latents mix exactly as predicted, in 2 blocks.'
    """
    from estimation.plot import plot_comparison

    n, unmatched = len(comparison.latents), comparison.unmatched
    columns = [*comparison.latents, *comparison.matched_names, *unmatched]
    figure = _new_figure(comparison.latents, n, n + (len(unmatched) + 1) * bool(unmatched), columns)
    axes = plot_comparison(comparison, axes=figure.subplots(1, 2))
    if models is not None:
        first, second = (shorten(name, _MAX_MODEL_NAME) for name in models)
        for ax in axes:
            ax.set_ylabel(f"latent of {first} …", parse_math=False)
        axes[1].set_xlabel(f"… is a function of latent of {second}", parse_math=False)
    label = f"Predicted and learned entanglement. {comparison.verdict}"
    return Picture(figure_svg(figure, "comparison"), label)


@own_style()
def draw_graphs(graph: CausalGraph, learned: CausalGraph, columns: SparseColumns | None = None) -> Picture:
    """Draw the true and the learned graph side by side.

    Args:
        graph: The true graph.
        learned: The learned graph.
        columns: The columns that are sparse and those that are dense; None if all are sparse.

    Example:
        >>> from identify.graph import CausalGraph
        >>> picture = draw_graphs(CausalGraph(Ga=[[1], [1]]), CausalGraph(Ga=[[1], [0]]))
        >>> picture.svg[:4], picture.label
        ('<svg', 'The true graph and the learned graph')
    """
    from estimation.plot import plot_graphs

    figure = _figure_of_graphs(graph, learned)
    plot_graphs(graph, learned, axes=figure.subplots(1, 2), sparse_columns=columns)
    return Picture(figure_svg(figure, "graphs"), "The true graph and the learned graph")


@own_style()
def draw_models(
    models: tuple[str, str], first: CausalGraph, second: CausalGraph, distance: GraphDistance
) -> Picture:
    """Draw the learned graphs of two models side by side.

    Args:
        models: Names of the models.
        first: Learned graph of the first model.
        second: Learned graph of the second model, with its latents in the order of the first.
        distance: Distance between the graphs.

    Example:
        >>> from estimation.metrics import structural_hamming
        >>> from identify.graph import CausalGraph
        >>> one, two = CausalGraph(Ga=[[1], [1]]), CausalGraph(Ga=[[1], [0]])
        >>> picture = draw_models(("one", "two"), one, two, structural_hamming(one, two))
        >>> picture.svg[:4], picture.label
        ('<svg', 'The learned graphs of the two models')
    """
    from estimation.plot import plot_graphs

    figure = _figure_of_graphs(first, second)
    left, right = plot_graphs(first, second, axes=figure.subplots(1, 2), legend=False)
    left.set_title(shorten(models[0], _MAX_MODEL_NAME), fontsize=10, pad=8, parse_math=False)
    right.set_title(
        f"{shorten(models[1], _MAX_MODEL_NAME)}: {distance.missing} missing, {distance.extra} extra",
        fontsize=10,
        pad=8,
        parse_math=False,
    )
    return Picture(figure_svg(figure, "models"), "The learned graphs of the two models")


@own_style()
def draw_graph(graph: CausalGraph, columns: SparseColumns | None = None) -> Picture:
    """Draw the learned graph.

    Args:
        graph: The learned graph without the edges in dense columns.
        columns: The columns that are sparse and those that are dense; None if all are sparse.

    Example:
        >>> from identify.graph import CausalGraph
        >>> picture = draw_graph(CausalGraph(Ga=[[1], [0]]))
        >>> picture.svg[:4], picture.label
        ('<svg', 'The learned graph')
    """
    from identify.plot import plot_matrix

    figure = _figure_of_graphs(graph, panels=1)
    plot_matrix(graph, ax=figure.subplots())
    caption = "" if columns is None or columns.complete else f"Left blank, since not learned: {columns}."
    return Picture(figure_svg(figure, "graph"), "The learned graph", wide=False, caption=caption)


@own_style()
def draw_confidence(graph: CausalGraph, confidence: Mapping[str, NDArray[np.float64]]) -> Picture:
    """Draw the learned graph with the confidence in each edge.

    Args:
        graph: The learned graph.
        confidence: Confidence by ``"actions"`` and ``"past"``, such as `TrainedModel.edge_confidence`.

    Example:
        >>> from identify.graph import CausalGraph
        >>> picture = draw_confidence(CausalGraph(Ga=[[1], [0]]), {"actions": np.array([[0.9], [0.1]])})
        >>> picture.svg[:4], picture.label
        ('<svg', 'The learned graph, with the confidence in each edge')
    """
    from estimation.plot import plot_edge_confidence

    columns = sum(values.shape[1] for values in confidence.values()) + len(confidence) - 1
    names = [*graph.actions, *graph.latents]
    figure = _new_figure(graph.latents, graph.n_latents, columns, names, panels=1, legend=True)
    plot_edge_confidence(graph, confidence, ax=figure.subplots())
    return Picture(figure_svg(figure, "confidence"), "The learned graph, with the confidence in each edge")


@own_style()
def draw_latents(model: TrainedModel, dataset: Dataset, outcome: Evaluation) -> Picture:
    """Draw true against learned latents; of more than 36 latents, the 36 with the lowest correlations.

    Args:
        model: The trained model.
        dataset: Data with true latents.
        outcome: Result of `estimation.evaluation.evaluate` on these data.

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

    from estimation.plot import plot_latents
    from estimation.plot.latents import MAX_PANELS

    assert outcome.learned is not None
    assert dataset.latents is not None
    assert outcome.permutation is not None
    rows = slice(0, _MAX_ENCODED_ROWS)
    z = dataset.latents[rows].reshape(-1, dataset.latents.shape[-1])
    z_hat = model.encode_dataset(dataset.take(rows)).reshape(len(z), -1)
    panels = _least_correlated(z, z_hat, outcome.permutation, MAX_PANELS)
    n_columns = min(len(panels), _MAX_GRID_COLUMNS)
    n_rows = -(-len(panels) // n_columns)
    size = (_PANEL_INCHES * n_columns + 0.5, (_PANEL_INCHES + 0.25) * n_rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = list(figure.subplots(n_rows, n_columns, squeeze=False).ravel())
    for ax in grid[len(panels) :]:
        ax.remove()
    names = [outcome.learned.latents[i] for i in panels]
    plot_latents(z[:, panels], z_hat, outcome.permutation[panels], axes=grid[: len(panels)], names=names)
    caption = (
        "Horizontal axis: the true latent. Vertical axis: the learned latent matched to it. "
        "The number is their absolute correlation."
    )
    return Picture(figure_svg(figure, "latents"), "True against learned latents", wide=False, caption=caption)


@own_style()
def draw_training(history: History) -> Picture:
    """Draw loss and number of edges over the training steps.

    Example:
        >>> from estimation.history import History, Record
        >>> record = Record(2, "dense", 1.0, 0.5, 0.5, {"past": 4.0}, {}, {"past": [[1.0, 1.0], [1.0, 1.0]]}, 0.1)
        >>> picture = draw_training(History([record]))
        >>> picture.svg[:4], picture.label
        ('<svg', 'Loss on held-out data and number of edges over the training steps')
    """
    from matplotlib.figure import Figure

    from estimation.plot import plot_training

    figure = Figure(figsize=(7.0, 5.4), layout="constrained")
    plot_training(history, axes=figure.subplots(2, 1, sharex=True))
    label = "Loss on held-out data and number of edges over the training steps"
    return Picture(figure_svg(figure, "training"), label, wide=False)


@own_style()
def draw_latent_count(count: LatentCount) -> Picture:
    """Draw held-out ELBO and ratios of signal to noise against the number of latents.

    Example:
        >>> from estimation.latent_count import Candidate, LatentCount
        >>> tried = [Candidate(n, 0, -float(n > 1), 0.1, (99.0,) * n) for n in (1, 2, 3)]
        >>> draw_latent_count(LatentCount.of(tried, 10, 1.5)).label
        'How many latents: 2 latents'
    """
    from matplotlib.figure import Figure

    from estimation.plot import plot_latent_count

    figure = Figure(figsize=(7.4, 3.2), layout="constrained")
    plot_latent_count(count, axes=figure.subplots(1, 2))
    return Picture(figure_svg(figure, "latent-count"), f"How many latents: {count.summary}", wide=False)


@own_style()
def draw_edges(history: History, sparse: Mapping[str, Sequence[bool]] | None = None) -> Picture:
    """Draw the probability of every edge over the training steps.

    Args:
        history: History of a trained model.
        sparse: Whether each column is sparse, by mask; a mask that is left out has sparse columns only.

    Example:
        >>> from estimation.history import History, Record
        >>> record = Record(2, "dense", 1.0, 0.5, 0.5, {"past": 4.0}, {}, {"past": [[1.0, 1.0], [1.0, 1.0]]}, 0.1)
        >>> picture = draw_edges(History([record]))
        >>> picture.svg[:4], picture.label
        ('<svg', 'The probability of every edge over the training steps')
    """
    from matplotlib.figure import Figure

    from estimation.plot import plot_edge_probabilities

    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
    plot_edge_probabilities(history, ax=figure.subplots(), sparse=sparse)
    label = "The probability of every edge over the training steps"
    return Picture(figure_svg(figure, "edges"), label, wide=False)


@own_style()
def draw_verification(verification: Verification) -> Picture:
    """Draw, for every latent of the best run and every other run, the strongest dependency that is not allowed."""
    from matplotlib.figure import Figure

    from estimation.plot import plot_verification

    n, runs = verification.extra_strengths.shape
    size = (min(2.6 + 0.75 * runs, 14.0), min(1.6 + 0.3 * n, 14.0))
    figure = Figure(figsize=size, layout="constrained")
    plot_verification(verification, ax=figure.subplots())
    return Picture(figure_svg(figure, "verification"), verification.summary, wide=runs > _MAX_NARROW_RUNS)


@own_style()
def draw_influence(test: InfluenceTest) -> Picture:
    """Draw the margin of every action with its confidence interval."""
    from matplotlib.figure import Figure

    from estimation.plot import plot_influence

    figure = Figure(figsize=(6.4, min(1.4 + 0.28 * len(test), 14.0)), layout="constrained")
    plot_influence(test, ax=figure.subplots())
    return Picture(figure_svg(figure, "influence"), test.summary, wide=False)


def _figure_of_graphs(*graphs: CausalGraph, panels: int = 2) -> Figure:
    """Create a figure for the matrices of graphs side by side, of which the last is the largest."""
    last = graphs[-1]
    counts = [
        len(names) for names, matrix in ((last.actions, last.Ga), (last.latents, last.Gz)) if matrix.nnz
    ]
    rows = [name for graph in graphs for name in graph.latents]
    columns = [name for graph in graphs for name in graph.actions] + rows * bool(last.Gz.nnz)
    return _new_figure(rows, last.n_latents, max(sum(counts) + len(counts) - 1, 1), columns, panels)


def _new_figure(
    rows: Sequence[str],
    n_rows: int,
    n_columns: int,
    columns: Sequence[str],
    panels: int = 2,
    legend: bool = False,
) -> Figure:
    """Create a figure for matrices side by side, with room for the names of rows and (long, upright) columns."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    matrix_width = max(pitch(n_columns) * n_columns, _MIN_MATRIX_INCHES)
    width = panels * (matrix_width + _ROW_TITLE_INCHES + _widest_inches(rows)) + _LEGEND_INCHES * (
        legend or panels > 1
    )
    height = max(pitch(n_rows) * n_rows + _TITLES_INCHES + _widest_inches(columns), 2.4)
    # the engine's default margin is one pixel, which cuts off letters
    layout = ConstrainedLayoutEngine(rect=(0.015, 0.015, 0.97, 0.97))
    return Figure(figsize=(width, height), layout=layout)


def _widest_inches(names: Sequence[str]) -> float:
    return widest([shorten(name, _MAX_NAME) for name in names], LARGEST_TEXT) / 72


def _least_correlated(
    z: NDArray[np.float32], z_hat: NDArray[np.float32], permutation: NDArray[np.int64], n_max: int
) -> list[int]:
    """Return at most ``n_max`` true latents, in order: those with the lowest correlation with their match."""
    if z.shape[1] <= n_max:
        return list(range(z.shape[1]))
    from estimation.metrics import mean_correlation

    correlations = mean_correlation(z, z_hat).correlations
    matched = np.where(permutation >= 0, correlations[np.arange(len(permutation)), permutation], 0.0)
    return sorted(np.argsort(matched, kind="stable")[:n_max].tolist())
