"""A self-contained HTML page: verdict, figures and tables in one file, fit to send to a colleague."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from identify.criterion import Verdict
from identify.report.rows import BLOCK_COLUMNS, GRAPH_COLUMNS, block_rows, graph_rows
from identify.report.sentences import (
    ASSUMPTIONS,
    CONDITION_COLUMNS,
    CONVENTION,
    condition_cells,
    promise,
    summary,
)
from identify.terminal import printable
from identify.wording import plural

__all__ = ["finalized", "to_html"]

_TEMPLATE = "report.html.jinja"
# a page is for reading: past this many rows it says how many are left out
_MAX_ROWS = 100


def to_html(
    verdicts: Verdict | Mapping[str, Verdict],
    *,
    title: str | None = None,
    notes: Mapping[str, str] | None = None,
    figure: Callable[[Verdict], str] | None = None,
    after_each: Callable[[], None] = lambda: None,
) -> str:
    """Write one verdict, or several by name, as one HTML page without outside links.

    Args:
        verdicts: A verdict, or a mapping from the graph's name to its verdict.
        title: Heading of the page.
        notes: For each graph's name, a note to print under its heading: source, licence.
        figure: Makes the figure of a verdict, as SVG source; by default `identify.plot.plot_verdict`.
        after_each: Called after each graph, for a progress bar.

    Returns:
        The page. Names and notes are escaped: a graph from a stranger can't put markup into it.
    """
    named = {"": verdicts} if isinstance(verdicts, Verdict) else dict(verdicts)
    draw = figure or _draw
    sections = []
    for number, (name, verdict) in enumerate(named.items()):
        sections.append(_section(number, name, verdict, (notes or {}).get(name, ""), draw(verdict)))
        after_each()
    page: str = _template().render(
        title=title or "What can be disentangled",
        answer=_answer(named),
        graph_columns=GRAPH_COLUMNS,
        graphs=list(zip(graph_rows(named), sections, strict=True)) if len(named) > 1 else [],
        block_columns=BLOCK_COLUMNS,
        condition_columns=CONDITION_COLUMNS,
        sections=sections,
        convention=CONVENTION,
        assumptions=ASSUMPTIONS,
    )
    return page


def _section(number: int, name: str, verdict: Verdict, note: str, figure: str) -> dict[str, Any]:
    found = verdict.entanglement
    n_tangled = len(set(found.labels[~found.disentangled].tolist()))
    return {
        "anchor": f"graph-{number}",
        "name": name,
        "note": note,
        "complete": verdict.complete,
        "headline": verdict.headline,
        "summary": summary(verdict),
        "graph": repr(verdict.graph),
        "figure": figure,
        "promise": promise(verdict),
        "conditions": condition_cells(verdict),
        "rows": [row.cells() for row in block_rows(verdict, _MAX_ROWS)],
        "left_out": max(0, n_tangled - _MAX_ROWS),
    }


def _answer(named: Mapping[str, Verdict]) -> str:
    if len(named) == 1:
        return next(iter(named.values())).headline
    complete = sum(verdict.complete for verdict in named.values())
    return f"{complete} of {plural(len(named), 'graph')} are completely disentangled."


def _draw(verdict: Verdict) -> str:
    from identify.plot import figure_svg, plot_verdict

    return figure_svg(plot_verdict(verdict))


def _template() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=finalized
    ).get_template(_TEMPLATE)


def finalized(value: Any) -> Any:
    r"""What a template puts on a page: of text no control characters, which no page may hold; all else as it is.

    Example:
        >>> finalized("raf\x1b.csv"), finalized(3)
        ('raf\\x1b.csv', 3)
    """
    # markup of ours, as of figures, is a subclass
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value
