"""What training and comparing found, on a terminal, as rich renderables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from estimation.report.rows import (
    LATENT_COLUMNS,
    Facts,
    distance_facts,
    elbo_fact,
    latent_rows,
    score_facts,
    training_facts,
)
from estimation.report.words import UNKNOWN

if TYPE_CHECKING:
    from estimation.comparison import Comparison
    from estimation.evaluation import Evaluation
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel

__all__ = ["show_comparison", "show_evaluation", "show_training"]

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
    """
    parts: list[RenderableType] = [Text(f"{name}: {model!r}", style="dim")]
    facts = training_facts(model)
    if outcome is not None:
        facts += [
            (f"{what} on {where}" if what == "MCC" else what, value) for what, value in score_facts(outcome)
        ]
        parts += _verdict(outcome.comparison)
    parts.append(_facts(facts))
    return Group(*parts, *(Text(note, style="dim") for note in (*notes, *model.history.notes)))


def show_evaluation(name: str, outcome: Evaluation) -> RenderableType:
    """Verdict, scores, and for every latent the predicted mixing beside the learned one."""
    parts: list[RenderableType] = [Text(name, style="dim"), *_verdict(outcome.comparison)]
    parts.append(_facts([elbo_fact(outcome.negative_elbo), *score_facts(outcome)]))
    if outcome.scores is None:
        parts.append(Text(UNKNOWN))
    if outcome.comparison is not None:
        parts += _latents(outcome.comparison)
    return Group(*parts)


def show_comparison(
    names: tuple[str, str], comparison: Comparison, distance: GraphDistance
) -> RenderableType:
    """Two models: verdict, their graphs, and for every latent of the first what it depends on in the second."""
    return Group(
        Text(f"{names[0]} against {names[1]}", style="dim"),
        *_verdict(comparison),
        _facts(distance_facts(names, distance)),
        *_latents(comparison),
    )


def _verdict(comparison: Comparison | None) -> list[RenderableType]:
    if comparison is None:
        return []
    mark, style = ("✓", "bold green") if comparison.confirmed else ("◑", "bold yellow")
    return [Text(f"{mark} {comparison.verdict}", style=style)]


def _facts(facts: Facts) -> Table:
    table = Table(show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for what, value in facts:
        # Text, not str: a name with square brackets is no markup
        table.add_row(Text(what), Text(value))
    return table


def _latents(comparison: Comparison) -> list[RenderableType]:
    table = Table(header_style="bold")
    for column in LATENT_COLUMNS:
        table.add_column(column, overflow="fold")
    rows = latent_rows(comparison)
    for row in rows[:_MOST_ROWS]:
        table.add_row(*(Text(cell) for cell in row.cells()))
    more = len(rows) - _MOST_ROWS
    return (
        [table, Text(f"{more} more latents are left out; --json has them all.", style="dim")]
        if more > 0
        else [table]
    )
