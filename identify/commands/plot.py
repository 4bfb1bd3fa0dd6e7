"""``mechsparse plot``: draw a graph and its predicted entanglement."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from identify.commands.options import AsJson, Form, Graph, UsingOption, print_json
from identify.commands.sources import print_readings, read_one, reading_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from identify.criterion import Verdict

__all__ = ["plot"]


class What(StrEnum):
    """Kinds of figures."""

    verdict = "verdict"
    graph = "graph"
    matrix = "matrix"
    entanglement = "entanglement"
    blocks = "blocks"


def plot(
    graph: Graph,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .png, .svg or .pdf.")],
    what: Annotated[
        What,
        typer.Option(
            help="verdict: graph next to entanglement; graph: in two layers; matrix: G^a and G^z; "
            "entanglement: V by blocks; blocks: their order."
        ),
    ] = What.verdict,
    using: UsingOption = None,
    as_json: AsJson = False,
    form: Form = None,
) -> None:
    """Draw a graph, its predicted entanglement, or both with the verdict.

    \b
    Examples:
      mechsparse plot graph.json figure.pdf
      mechsparse plot TimeBlockNonDiag blocks.svg --what blocks
    """
    from identify.criterion import check
    from identify.plot import save_figure
    from identify.plot.paper import own_style

    source = read_one(graph, form)
    if not as_json:
        print_readings([source], optional=True)
    verdict = check(source.graph, using)
    with own_style():
        save_figure(_draw(verdict, what), out)
    if as_json:
        print_json(
            {
                "graph": source.name,
                **reading_of(source),
                "figure": str(out),
                "what": what.value,
                "complete": verdict.complete,
            }
        )


def _draw(verdict: Verdict, what: What) -> Figure:
    from matplotlib.figure import Figure

    from identify.plot import plot_blocks, plot_entanglement, plot_graph, plot_matrix, plot_verdict

    if what is What.verdict:
        return plot_verdict(verdict)
    figure = Figure(figsize=(8, 8), layout="constrained")
    ax = figure.add_subplot()
    if what is What.graph:
        plot_graph(verdict.graph, ax=ax)
    elif what is What.matrix:
        plot_matrix(verdict.graph, ax=ax)
    elif what is What.entanglement:
        plot_entanglement(verdict.entanglement, ax=ax)
    else:
        plot_blocks(verdict.entanglement, ax=ax)
    return figure
