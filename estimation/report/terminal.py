"""Results of training, evaluation, comparison and verification on a terminal, as rich renderables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from estimation.report.diagnostics import (
    CONFIDENCE_COLUMNS,
    LATENT_CONFIDENCE_COLUMNS,
    confidence_rows,
    diagnostic_facts,
    interval_facts,
    latent_confidence_rows,
)
from estimation.report.rows import (
    INFLUENCE_COLUMNS,
    LATENT_COLUMNS,
    TRUST_COLUMNS,
    Facts,
    dense_facts,
    distance_facts,
    elbo_facts,
    influence_facts,
    influence_rows,
    latent_rows,
    score_facts,
    training_facts,
    trust_rows,
    verification_facts,
)
from estimation.report.sentences import UNKNOWN, certified_sentences
from identify.report.line import Line
from identify.report.sentences import CONDITION_COLUMNS, condition_cells

if TYPE_CHECKING:
    from estimation.config.sparse_columns import SparseColumns
    from estimation.diagnostics import Diagnostics
    from estimation.evaluation.certified import CertifiedEntanglement
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
    from estimation.influence.result import InfluenceTest
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel
    from identify.graph import CausalGraph

__all__ = [
    "show_certified",
    "show_comparison",
    "show_evaluation",
    "show_influence",
    "show_training",
    "show_verification",
]

_MAX_ROWS, _MAX_EDGES = 30, 8
_MIN_DOUBT = 0.05


def show_training(
    name: str, model: TrainedModel, outcome: Evaluation | None, where: str, notes: Iterable[str] = ()
) -> RenderableType:
    """Return the result of training, with scores where ground truth is known.

    Args:
        name: Folder of the model.
        model: The trained model.
        outcome: The evaluation; None without ground truth.
        where: Description of the data that the outcome was measured on, for instance ``"the training data"``.
        notes: Notes, each on a line.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> model = fit(data, TrainingConfig(max_edges_actions=10, **tiny))
        >>> from rich import print
        >>> print(show_training("out/model", model, None, "", ["made up"]).renderables[0])
        out/model: TrainedModel(20 observed, 10 latents, 5 actions, 10 edges)
    """
    parts: list[RenderableType] = [Line(f"{name}: {model!r}", style="dim")]
    facts = training_facts(model)
    if outcome is not None:
        facts += [
            (f"{fact} on {where}" if fact == "MCC" else fact, value) for fact, value in score_facts(outcome)
        ]
        parts += _verdict(outcome.comparison)
    parts.append(_facts_table(facts))
    parts += _uncertain(model.graph, model.sparse_graph, model.diagnostics)
    return Group(*parts, *(Line(note, style="dim") for note in (*notes, *model.history.notes)))


def show_evaluation(
    name: str,
    outcome: Evaluation,
    diagnostics: Diagnostics | None = None,
    learned_graph: CausalGraph | None = None,
) -> RenderableType:
    """Return the verdict, the scores, and the predicted and learned mixing of every latent.

    Args:
        name: Description of the evaluated model and data.
        outcome: Result of `estimation.evaluation.evaluate`.
        diagnostics: Diagnostics of the run, or None.
        learned_graph: The model's graph, with its own names of the latents, under which the least certain edges are
            listed; None lists none.

    Example:
        >>> from estimation.evaluation.scores import Evaluation
        >>> from identify.graph import CausalGraph
        >>> from rich import print
        >>> terms = {"total": -1.5, "reconstruction": -2.0, "divergence": 0.5}
        >>> print(show_evaluation("a model", Evaluation(terms, CausalGraph(Ga=[[1]]))).renderables[0])
        a model
    """
    parts: list[RenderableType] = [Line(name, style="dim"), *_verdict(outcome.comparison)]
    facts = [*elbo_facts(outcome.negative_elbo), *score_facts(outcome)]
    facts += [*interval_facts(diagnostics), *diagnostic_facts(diagnostics)]
    parts.append(_facts_table(facts))
    if learned_graph is not None:
        sparse_graph = outcome.sparse_columns.part_of(learned_graph)
        parts += _uncertain(learned_graph, sparse_graph, diagnostics)
    if outcome.scores is None:
        parts.append(Line(UNKNOWN))
    if outcome.comparison is not None:
        parts += _latent_table(outcome.comparison)
    return Group(*parts)


def show_certified(certified: CertifiedEntanglement) -> RenderableType:
    """Return what is proved to be guaranteed, its conditions, and whether the learned entanglement agrees.

    Args:
        certified: Result of `estimation.evaluation.certified.certify`.
    """
    parts: list[RenderableType] = [Line("")]
    parts += [Line(text, style="bold") for text in certified_sentences(certified)[:1]]
    parts += [Line(text) for text in certified_sentences(certified)[1:]]
    table = Table(header_style="bold")
    for column in CONDITION_COLUMNS:
        table.add_column(column, overflow="fold")
    for row in condition_cells(certified.verdict):
        table.add_row(*(Line(cell) for cell in row))
    return Group(*parts, table)


def show_comparison(
    names: tuple[str, str],
    comparison: Comparison,
    distance: GraphDistance,
    columns: Mapping[str, SparseColumns] | None = None,
) -> RenderableType:
    """Return the comparison of two models: verdict, graphs, and the predicted and learned mixing of every latent.

    Args:
        names: Names of the models.
        comparison: Comparison of the entanglement between the models with the prediction from the first one's graph.
        distance: Distance between their graphs.
        columns: The columns that are sparse in each model and those that are dense, by name of the model.

    Example:
        >>> import numpy as np
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"]))
        >>> strengths = np.array([[0.2, 1.0], [0.9, 0.0]])
        >>> learned = LearnedEntanglement(strengths, 0.1, "jacobian", ("speed", "mass"), ("v0", "v1"))
        >>> from estimation.metrics import structural_hamming
        >>> from rich import print
        >>> distance = structural_hamming(predicted.graph, predicted.graph)
        >>> print(show_comparison(("one", "two"), compare(predicted, learned), distance).renderables[1])
        ✓ Confirmed: the 2 latents mix exactly as predicted, in 2 blocks.
    """
    return Group(
        Line(f"{names[0]} compared with {names[1]}", style="dim"),
        *_verdict(comparison),
        _facts_table([*distance_facts(names, distance), *dense_facts(columns or {})]),
        *_latent_table(comparison),
    )


def show_verification(verification: Verification) -> RenderableType:
    """Return the verification of several runs: summary, runs, and how far every latent is confirmed."""
    mark, style = ("✓", "bold green") if verification.confirmed else ("◑", "bold yellow")
    return Group(
        Line(f"{mark} {verification.summary}", style=style),
        _facts_table(verification_facts(verification)),
        *_table(TRUST_COLUMNS, trust_rows(verification)),
    )


def show_influence(name: str, test: InfluenceTest) -> RenderableType:
    """Return the test of influence: summary, and the verdict on every action.

    Args:
        name: Names of model and data.
        test: Result of `estimation.influence.test_influence`.
    """
    holds = len(test.sufficient) == len(test)
    mark, style = ("✓", "bold green") if holds else ("◑", "bold yellow")
    return Group(
        Line(name),
        Line(f"{mark} {test.summary}", style=style),
        _facts_table(influence_facts(test)),
        *_table(INFLUENCE_COLUMNS, influence_rows(test), "actions"),
        *(Line(f"note: {note}") for note in test.notes),
    )


def _verdict(comparison: Comparison | None) -> list[RenderableType]:
    if comparison is None:
        return []
    mark, style = ("✓", "bold green") if comparison.confirmed else ("◑", "bold yellow")
    return [Line(f"{mark} {comparison.verdict}", style=style)]


def _facts_table(facts: Facts) -> Table:
    table = Table(show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for fact, value in facts:
        # Line, not str: rich would read square brackets in a name as markup
        table.add_row(Line(fact), Line(value))
    return table


def _latent_table(comparison: Comparison) -> list[RenderableType]:
    return _table(LATENT_COLUMNS, [row.cells() for row in latent_rows(comparison)])


def _uncertain(
    graph: CausalGraph, sparse_graph: CausalGraph, diagnostics: Diagnostics | None
) -> list[RenderableType]:
    """Return tables of the edges and of the latents that are least certain."""
    edges = confidence_rows(graph, diagnostics)
    latents = latent_confidence_rows(sparse_graph, diagnostics, _MIN_DOUBT)
    tables = _table(CONFIDENCE_COLUMNS, edges, "uncertain edges", _MAX_EDGES) if edges else []
    if latents:
        tables += _table(LATENT_CONFIDENCE_COLUMNS, latents, "uncertain latents", _MAX_EDGES)
    return tables


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], what: str = "latents", max_rows: int = _MAX_ROWS
) -> list[RenderableType]:
    """Return a table of the first rows and, if it omits some, a line with their number."""
    table = Table(header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows[:max_rows]:
        table.add_row(*(Line(cell) for cell in row))
    n_omitted = len(rows) - max_rows
    if n_omitted <= 0:
        return [table]
    note = f"{n_omitted} more {what} are omitted here; --json contains them all."
    return [table, Line(note, style="dim")]
