"""A verdict as markdown, for an issue, a notebook or a README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from identify.criterion import Verdict
from identify.report.joint import DIRECTION_COLUMNS, direction_cells, directions_title
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
    assumptions,
    condition_cells,
    guarantee_sentences,
    influence_sentence,
    summary,
)
from identify.terminal import printable

__all__ = ["to_markdown"]


def to_markdown(verdicts: Verdict | Mapping[str, Verdict]) -> str:
    """Write one or several verdicts as GitHub-flavoured markdown.

    Args:
        verdicts: Verdict, or mapping from names of graphs to verdicts. Several verdicts begin with a table.

    Returns:
        Text that ends with a newline. Names are escaped, so ``z_1`` and ``a|b`` appear as written.

    Example:
        >>> from identify.catalog import load
        >>> from identify.criterion import check
        >>> print(to_markdown(check(load("ActionDiag"))).splitlines()[0])
        **Completely disentangled: all 10 latents, using actions**
    """
    if isinstance(verdicts, Verdict):
        body = _single(verdicts)
    else:
        sections = [f"## {_escape(name)}\n\n{_single(verdict)}" for name, verdict in verdicts.items()]
        body = "\n\n".join([_overview(verdicts), *sections] if len(verdicts) > 1 else sections)
    return f"{body}\n\n{_conditions([verdicts] if isinstance(verdicts, Verdict) else verdicts.values())}\n"


def _single(verdict: Verdict) -> str:
    text = f"**{verdict.headline}**\n\n{summary(verdict)}"
    rows = [row.cells() for row in block_rows(verdict)]
    parts = [text, _table(BLOCK_COLUMNS, rows)] if rows else [text]
    directions = direction_cells(verdict)
    if directions:
        parts += [f"{directions_title(verdict)}:", _table(DIRECTION_COLUMNS, directions)]
    if verdict.influence is not None or verdict.joint is not None:
        parts += [
            _escape(influence_sentence(verdict)),
            _table(CONDITION_COLUMNS, list(condition_cells(verdict))),
        ]
    guarantee = guarantee_sentences(verdict)
    if guarantee:
        parts.append(_escape(" ".join(guarantee)))
    losses = loss_cells(verdict)
    if losses:
        parts.append(_table(LOSS_COLUMNS, losses))
    return "\n\n".join(parts)


def _overview(verdicts: Mapping[str, Verdict]) -> str:
    return _table(GRAPH_COLUMNS, [row.cells() for row in graph_rows(verdicts)])


def _conditions(verdicts: Iterable[Verdict]) -> str:
    lines = "\n".join(f"- {assumption}, {purpose}." for assumption, purpose in assumptions(verdicts))
    return f"The verdict holds under these assumptions:\n\n{lines}"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *(tuple(_escape(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(text: str) -> str:
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|~" else letter for letter in printable(text))
