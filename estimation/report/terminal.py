"""What training and comparing found, on a terminal, as rich renderables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from estimation.report.rows import (
    LATENT_COLUMNS,
    TRUST_COLUMNS,
    Facts,
    distance_facts,
    elbo_facts,
    latent_rows,
    score_facts,
    training_facts,
    trust_rows,
    verification_facts,
)
from estimation.report.sentences import UNKNOWN
from identify.report.line import Line

if TYPE_CHECKING:
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel

__all__ = ["show_comparison", "show_evaluation", "show_training", "show_verification"]

_MOST_ROWS = 30


def show_training(
    name: str, model: TrainedModel, outcome: Evaluation | None, where: str, notes: Iterable[str] = ()
) -> RenderableType:
    """What came out of training, and how right it is where the truth is known.

    Args:
        name: where the model is.
        model: the trained model.
        outcome: None when the truth isn't known.
        where: what the outcome was measured on, for instance ``"the training data"``.
        notes: one line each.

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
            (f"{what} on {where}" if what == "MCC" else what, value) for what, value in score_facts(outcome)
        ]
        parts += _verdict(outcome.comparison)
    parts.append(_facts(facts))
    return Group(*parts, *(Line(note, style="dim") for note in (*notes, *model.history.notes)))


def show_evaluation(name: str, outcome: Evaluation) -> RenderableType:
    """Verdict, scores, and for every latent the predicted mixing beside the learned one.

    Args:
        name: what was evaluated.
        outcome: of `estimation.evaluation.evaluate`.

    Example:
        >>> from estimation.evaluation.scores import Evaluation
        >>> from identify.graph import CausalGraph
        >>> from rich import print
        >>> terms = {"total": -1.5, "reconstruction": -2.0, "divergence": 0.5}
        >>> print(show_evaluation("a model", Evaluation(terms, CausalGraph(Ga=[[1]]))).renderables[0])
        a model
    """
    parts: list[RenderableType] = [Line(name, style="dim"), *_verdict(outcome.comparison)]
    parts.append(_facts([*elbo_facts(outcome.negative_elbo), *score_facts(outcome)]))
    if outcome.scores is None:
        parts.append(Line(UNKNOWN))
    if outcome.comparison is not None:
        parts += _latents(outcome.comparison)
    return Group(*parts)


def show_comparison(
    names: tuple[str, str], comparison: Comparison, distance: GraphDistance
) -> RenderableType:
    """Two models: verdict, their graphs, and for every latent of the first what it depends on in the second.

    Args:
        names: of the models.
        comparison: the entanglement between them beside that predicted from the first one's graph.
        distance: between their graphs.

    Example:
        >>> import numpy as np
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"]))
        >>> strengths = np.array([[0.2, 1.0], [0.9, 0.0]])
        >>> found = compare(predicted, LearnedEntanglement(strengths, 0.1, "jacobian", ("speed", "mass"), ("v0", "v1")))
        >>> from estimation.metrics import structural_hamming
        >>> from rich import print
        >>> same = structural_hamming(predicted.graph, predicted.graph)
        >>> print(show_comparison(("one", "two"), found, same).renderables[1])
        ✓ Confirmed: the 2 latents mix exactly as predicted, in 2 blocks.
    """
    return Group(
        Line(f"{names[0]} against {names[1]}", style="dim"),
        *_verdict(comparison),
        _facts(distance_facts(names, distance)),
        *_latents(comparison),
    )


def show_verification(verification: Verification) -> RenderableType:
    """Several runs: the outcome, the runs, and for every latent of the best one what the others say of it."""
    mark, style = ("✓", "bold green") if verification.confirmed else ("◑", "bold yellow")
    table = Table(header_style="bold")
    for column in TRUST_COLUMNS:
        table.add_column(column, overflow="fold")
    rows = trust_rows(verification)
    for row in rows[:_MOST_ROWS]:
        table.add_row(*(Line(cell) for cell in row))
    parts: list[RenderableType] = [
        Line(f"{mark} {verification.summary}", style=style),
        _facts(verification_facts(verification)),
        table,
    ]
    if len(rows) > _MOST_ROWS:
        parts.append(
            Line(f"{len(rows) - _MOST_ROWS} more latents are left out; --json has them all.", style="dim")
        )
    return Group(*parts)


def _verdict(comparison: Comparison | None) -> list[RenderableType]:
    if comparison is None:
        return []
    mark, style = ("✓", "bold green") if comparison.confirmed else ("◑", "bold yellow")
    return [Line(f"{mark} {comparison.verdict}", style=style)]


def _facts(facts: Facts) -> Table:
    table = Table(show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for what, value in facts:
        # Line, not str: a name with square brackets is no markup
        table.add_row(Line(what), Line(value))
    return table


def _latents(comparison: Comparison) -> list[RenderableType]:
    table = Table(header_style="bold")
    for column in LATENT_COLUMNS:
        table.add_column(column, overflow="fold")
    rows = latent_rows(comparison)
    for row in rows[:_MOST_ROWS]:
        table.add_row(*(Line(cell) for cell in row.cells()))
    more = len(rows) - _MOST_ROWS
    return (
        [table, Line(f"{more} more latents are left out; --json has them all.", style="dim")]
        if more > 0
        else [table]
    )
