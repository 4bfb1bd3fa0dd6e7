"""Predictions for single actions and pairs of actions, as a section of a page."""

from __future__ import annotations

from estimation.report.drawing import signed
from estimation.report.section import Cell, DataTable, Section
from estimation.report.sentences import COMBINATIONS, COVERAGE
from estimation.results import Change, Combination, Combinations
from identify.wording import plural

__all__ = ["combination_section"]

_HEADING = "Predictions for combinations of actions"
_N_NAMED = 4


def combination_section(combinations: Combinations | None, why_not: str) -> Section:
    """Return the section with the predictions.

    Args:
        combinations: The predictions; None if there are none.
        why_not: The reason if there are none.
    """
    if combinations is None:
        return Section(_HEADING, notes=(f"There are no predictions here: {why_not}.",))
    rows = tuple(
        (
            Cell(entry.name, number),
            Cell(entry.state, entry.state, details=entry.explained),
            *(_changes(entry)),
        )
        for number, entry in enumerate(combinations.entries)
    )
    notes: tuple[str, ...] = (COVERAGE,)
    if combinations.n_left_out:
        notes += (
            f"{plural(combinations.n_left_out, 'pair')} of actions with smaller effects left out; "
            "'mechsparse predict' predicts them.",
        )
    return Section(
        heading=_HEADING,
        paragraphs=(COMBINATIONS.format(control=combinations.control),),
        tables=(
            DataTable(
                "Predicted changes",
                ("actions", "training data", "columns that change most, in s.d.", "largest change"),
                rows,
                "Search actions and columns",
                notes,
            ),
            _mean_table(combinations),
        ),
    )


def _changes(entry: Combination) -> tuple[Cell, Cell]:
    named = ", ".join(f"{each.column} {signed(each.change, 1)}" for each in entry.changes[:_N_NAMED])
    largest = abs(entry.changes[0].change) if entry.changes else 0.0
    return Cell(named), Cell(f"{largest:.2f}", largest, numeric=True)


def _mean_table(combinations: Combinations) -> DataTable:
    rows = tuple(_mean_row(entry.name, change) for entry in combinations.entries for change in entry.changes)
    return DataTable(
        "Predicted values of these columns",
        ("actions", "column", "mean", "control", "change in s.d."),
        rows,
        "Search actions and columns",
        ("Below the mean: the interval that holds an observation with probability 0.9.",),
    )


def _mean_row(name: str, change: Change) -> tuple[str | Cell, ...]:
    interval = f"{_short(change.low)} to {_short(change.high)}"
    return (
        name,
        change.column,
        Cell(_short(change.mean), change.mean, interval, numeric=True),
        Cell(_short(change.control), change.control, numeric=True),
        Cell(signed(change.change), change.change, numeric=True),
    )


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
