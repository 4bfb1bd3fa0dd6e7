"""Verdicts on a terminal, as rich renderables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from identify.criterion import Verdict
from identify.report.joint import DIRECTION_COLUMNS, direction_cells, directions_title
from identify.report.line import Line
from identify.report.rows import (
    BLOCK_COLUMNS,
    GRAPH_COLUMNS,
    LOSS_COLUMNS,
    block_rows,
    graph_rows,
    loss_cells,
)
from identify.report.sentences import (
    CONDITION_COLUMNS,
    condition_cells,
    guarantee_sentences,
    influence_sentence,
    summary,
)
from identify.wording import plural

__all__ = ["show_many", "show_one"]

_MAX_ROWS = 30


def show_one(name: str, verdict: Verdict) -> RenderableType:
    """Return headline, summary, and a table of the blocks that are not disentangled."""
    style = "bold green" if verdict.guaranteed else "bold yellow"
    mark = "✓" if verdict.guaranteed else "◑"
    parts: list[RenderableType] = [
        Line(f"{name}: {verdict.graph!r}", style="dim"),
        Line(f"{mark} {verdict.headline}", style=style),
        Line(summary(verdict)),
    ]
    rows = block_rows(verdict, _MAX_ROWS + 1)
    if rows:
        parts += [Line(""), _table(BLOCK_COLUMNS, [row.cells() for row in rows[:_MAX_ROWS]])]
    if len(rows) > _MAX_ROWS:
        parts.append(Line("More blocks are not shown; --json lists all.", style="dim"))
    if verdict.joint is not None:
        parts += _direction_parts(verdict)
    if verdict.influence is not None:
        style = "bold red" if verdict.refuted else ""
        parts += [
            Line(""),
            Line(influence_sentence(verdict), style=style),
            _table(CONDITION_COLUMNS, condition_cells(verdict)),
            *_guarantee_parts(verdict),
        ]
    return Group(*parts)


def _direction_parts(verdict: Verdict) -> list[RenderableType]:
    rows = direction_cells(verdict, _MAX_ROWS + 1)
    if not rows:
        return []
    parts: list[RenderableType] = [Line(""), Line(f"{directions_title(verdict)}:")]
    parts.append(_table(DIRECTION_COLUMNS, rows[:_MAX_ROWS]))
    if len(rows) > _MAX_ROWS:
        parts.append(Line("More combinations are not shown; --json lists all.", style="dim"))
    return parts


def _guarantee_parts(verdict: Verdict) -> list[RenderableType]:
    parts: list[RenderableType] = [Line(sentence) for sentence in guarantee_sentences(verdict)]
    rows = loss_cells(verdict, _MAX_ROWS + 1)
    if rows:
        parts += [Line(""), _table(LOSS_COLUMNS, rows[:_MAX_ROWS])]
    if len(rows) > _MAX_ROWS:
        parts.append(Line("More latents are not shown; --json lists all.", style="dim"))
    return parts


def show_many(verdicts: Mapping[str, Verdict]) -> RenderableType:
    """Return a table with one row per graph, and the number of complete ones."""
    n_complete = sum(verdict.complete for verdict in verdicts.values())
    table = _table(GRAPH_COLUMNS, [row.cells() for row in graph_rows(verdicts)], numbers=range(1, 6))
    return Group(table, Line(f"{n_complete} of {plural(len(verdicts), 'graph')} completely disentangled"))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> Table:
    table = Table(header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position in numbers else "left", overflow="fold")
    for row in rows:
        # Line and not str, because square brackets in a name are not markup
        table.add_row(*(Line(cell) for cell in row))
    return table
