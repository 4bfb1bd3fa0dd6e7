"""``mechsparse convert``: convert a graph between file formats."""

from __future__ import annotations

from typing import Annotated

import typer

from identify.commands.options import AsJson, Form, Graph, UsingOption, print_json
from identify.commands.sources import print_readings, read_one, reading_of

__all__ = ["convert"]


def convert(
    graph: Graph,
    out: Annotated[str, typer.Argument(metavar="OUT", help="File to write, or - for standard output.")],
    form: Form = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="Format to write, if the suffix doesn't imply it.",
            show_default=False,
        ),
    ] = None,
    using: UsingOption = None,
    as_json: AsJson = False,
) -> None:
    """Convert a graph between file formats without loss (--using keeps only some of its edges).

    \b
    Formats, by suffix or by name with --from and --to:
      .json             json        documented schema of this package
      .graphml          graphml     GraphML
      .gml              gml         GML
      .dot .gv          dot         Graphviz DOT
      .csv              edges       edge list: parent,child,kind
      .adjacency.csv    adjacency   one row per child, one column per parent
      .npz              npz         numpy, for large graphs

    \b
    Examples:
      mechsparse convert network.graphml network.json
      mechsparse convert "Lac Operon" - --to dot
    """
    from identify.formats import write_graph
    from identify.neighbourhoods import restricted

    source = read_one(graph, form)
    converted = source.graph if using is None else restricted(source.graph, using)
    write_graph(converted, out, to)
    # with -, standard output holds the graph itself
    if out == "-" or not as_json:
        print_readings([source], stdout_taken=out == "-", optional=True)
    if as_json and out != "-":
        print_json(
            {
                "graph": source.name,
                **reading_of(source),
                "written": out,
                "n_latents": converted.n_latents,
                "n_actions": converted.n_actions,
                "n_edges": converted.n_edges,
            }
        )
