"""Predictions for the terminal: what the training data cover, and means with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from identify.report.line import Line
from identify.wording import plural

__all__ = ["show_forecast"]

_MAX_ROWS, _MAX_ENTRIES = 10, 30


def show_forecast(
    name: str, explained: Sequence[Sequence[str]], rows: Sequence[Mapping[str, Any]]
) -> RenderableType:
    """Return what the learned graph says about every row, and the predictions if they are few.

    Args:
        name: Description of the model.
        explained: Sentences on the coverage of every row; empty for a model without actions.
        rows: Predictions: ``row``, ``column``, ``mean``, ``low`` and ``high``.
    """
    parts: list[RenderableType] = [Line(name, style="dim")]
    for row, sentences in enumerate(explained[:_MAX_ROWS]):
        prefix = f"row {row}: " if len(explained) > 1 else ""
        parts += [Line(f"{prefix}{sentence}") for sentence in sentences]
    if len(explained) > _MAX_ROWS:
        parts.append(Line(f"and {plural(len(explained) - _MAX_ROWS, 'row')} more"))
    for entry in rows[:_MAX_ENTRIES]:
        prefix = f"row {entry['row']}, " if len(explained) > 1 else ""
        interval = f"{entry['low']:.4g} to {entry['high']:.4g}"
        parts.append(Line(f"{prefix}{entry['column']}: {entry['mean']:.4g}  ({interval})"))
    if len(rows) > _MAX_ENTRIES:
        parts.append(
            Line(f"and {plural(len(rows) - _MAX_ENTRIES, 'entry')} more; -o FILE.csv writes all of them")
        )
    return Group(*parts)
