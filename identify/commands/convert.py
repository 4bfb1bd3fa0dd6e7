"""``mechsparse convert``: from one file format to another."""

from __future__ import annotations

from typing import Annotated

import typer

from identify.commands.options import AsJson, Form, Graph, UseWhat, print_json
from identify.commands.sources import read_one, reading_of, tell

__all__ = ["convert"]


def convert(
    graph: Graph,
    out: Annotated[str, typer.Argument(metavar="OUT", help="The file to write, or - for standard output.")],
    form: Form = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="FORMAT", help="Format to write when the suffix doesn't tell.", show_default=False
        ),
    ] = None,
    using: UseWhat = None,
    as_json: AsJson = False,
) -> None:
    """Convert a graph between file formats, without loss (--using keeps some of its edges only).

    \b
    Formats, by suffix or by name with --from and --to:
      .json             json        our documented schema
      .graphml          graphml     GraphML
      .gml              gml         GML
      .dot .gv          dot         Graphviz DOT
      .csv              edges       edge list: parent,child,kind
      .adjacency.csv    adjacency   a row per child, a column per parent
      .npz              npz         numpy, for large graphs

    \b
    Examples:
      mechsparse convert network.graphml network.json
      mechsparse convert "Lac Operon" - --to dot
    """
    from identify.formats import write_graph
    from identify.neighbourhoods import restricted

    source = read_one(graph, form)
    found = source.graph if using is None else restricted(source.graph, using)
    write_graph(found, out, to)
    # with - the graph itself is on standard output
    if out == "-" or not as_json:
        tell([source], instead=out == "-", aside=True)
    if as_json and out != "-":
        print_json(
            {
                "graph": source.name,
                **reading_of(source),
                "written": out,
                "n_latents": found.n_latents,
                "n_actions": found.n_actions,
                "n_edges": found.n_edges,
            }
        )
