"""A self-contained HTML page with verdict, figures and tables, which can be sent as one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from identify.criterion import Verdict
from identify.report.joint import DIRECTION_COLUMNS, direction_cells, directions_title
from identify.report.page import template, with_prefix
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
    CONVENTION,
    assumptions,
    condition_cells,
    guarantee_sentences,
    influence_sentence,
    summary,
)
from identify.wording import plural

__all__ = ["to_html"]

_TEMPLATE = "report.html.jinja"
# rows beyond this number are only counted, to keep the page readable
_MAX_ROWS = 100


def to_html(
    verdicts: Verdict | Mapping[str, Verdict],
    *,
    title: str | None = None,
    notes: Mapping[str, str] | None = None,
    figure: Callable[[Verdict], str] | None = None,
    after_each: Callable[[], None] = lambda: None,
) -> str:
    """Write one or several verdicts as one HTML page without external links.

    Args:
        verdicts: Verdict, or mapping from names of graphs to verdicts.
        title: Heading of the page.
        notes: Notes to print under the headings, by name of the graph: source, licence.
        figure: Returns the figure of a verdict as SVG source; `identify.plot.plot_verdict` by default.
        after_each: Called after each graph, for a progress bar.

    Returns:
        The page. Names and notes are escaped, so an untrusted graph can't add markup.
    """
    named = {"": verdicts} if isinstance(verdicts, Verdict) else dict(verdicts)
    draw = figure or _draw
    sections = []
    for number, (name, verdict) in enumerate(named.items()):
        sections.append(_section(number, name, verdict, (notes or {}).get(name, ""), draw(verdict)))
        after_each()
    page: str = template(_TEMPLATE, Path(__file__).parent).render(
        title=title or "What can be disentangled",
        answer=_answer(named),
        graph_columns=GRAPH_COLUMNS,
        graphs=list(zip(graph_rows(named), sections, strict=True)) if len(named) > 1 else [],
        block_columns=BLOCK_COLUMNS,
        condition_columns=CONDITION_COLUMNS,
        loss_columns=LOSS_COLUMNS,
        direction_columns=DIRECTION_COLUMNS,
        sections=sections,
        convention=CONVENTION,
        assumptions=assumptions(named.values()),
    )
    return page


def _section(number: int, name: str, verdict: Verdict, note: str, figure: str) -> dict[str, Any]:
    entanglement = verdict.entanglement
    n_entangled = len(set(entanglement.labels[~entanglement.disentangled].tolist()))
    n_losses = 0 if verdict.guarantee is None else len(verdict.guarantee.lost)
    return {
        "anchor": f"graph-{number}",
        "name": name,
        "note": note,
        "complete": verdict.guaranteed,
        "headline": verdict.headline,
        "summary": summary(verdict),
        "graph": repr(verdict.graph),
        "figure": with_prefix(figure, f"graph-{number}-"),
        "influence_sentence": influence_sentence(verdict),
        "conditions": condition_cells(verdict),
        "guarantee": guarantee_sentences(verdict),
        "losses": loss_cells(verdict, _MAX_ROWS),
        "n_hidden_losses": max(0, n_losses - _MAX_ROWS),
        "influence_title": "Sufficient influence" if verdict.joint is None else "Joint influence",
        "directions_title": directions_title(verdict),
        "directions": direction_cells(verdict, _MAX_ROWS),
        "n_hidden_directions": 0
        if verdict.joint is None
        else max(0, len(verdict.joint.directions) - _MAX_ROWS),
        "rows": [row.cells() for row in block_rows(verdict, _MAX_ROWS)],
        "n_hidden": max(0, n_entangled - _MAX_ROWS),
    }


def _answer(named: Mapping[str, Verdict]) -> str:
    if len(named) == 1:
        return next(iter(named.values())).headline
    complete = sum(verdict.complete for verdict in named.values())
    return f"{complete} of {plural(len(named), 'graph')} are completely disentangled."


def _draw(verdict: Verdict) -> str:
    from identify.plot import figure_svg, plot_verdict

    return figure_svg(plot_verdict(verdict))
