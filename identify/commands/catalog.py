"""``mechsparse catalog``: list the graphs of the catalogue, or show one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from identify.commands.options import AsJson, UsingOption, print_json, show
from identify.commands.sources import complete_graph

if TYPE_CHECKING:
    from rich.console import RenderableType

    from identify.catalog import Entry

__all__ = ["catalog"]


class Group(StrEnum):
    """The groups of the catalogue."""

    published = "published"
    textbook = "textbook"
    real = "real"


def catalog(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Show this entry.", autocompletion=complete_graph, show_default=False
        ),
    ] = None,
    group: Annotated[Group | None, typer.Option(help="List one group only.", show_default=False)] = None,
    using: UsingOption = None,
    as_json: AsJson = False,
) -> None:
    """List the graphs of the catalogue, or show one with its source and licence.

    Published: synthetic data sets of the paper. Textbook: small graphs that illustrate one point each. Real: gene
    regulation and signalling networks, and the interventions of Sachs et al.

    \b
    Examples:
      mechsparse catalog --group textbook
      mechsparse catalog "Lac Operon"
      mechsparse check catalog:published
    """
    from identify.catalog import entry, names

    if name is not None:
        named_entry = entry(name)
        if as_json:
            print_json(_record(named_entry, using))
        else:
            show(_details(named_entry, using))
        return
    entries = [entry(name) for name in names(group)]
    if as_json:
        print_json([_record(listed_entry, using) for listed_entry in entries])
    else:
        show(_listing(entries, using))


def _record(entry: Entry, using: str | None) -> dict[str, Any]:
    from identify.criterion import check

    graph, expected, verdict = entry.graph, entry.expected, check(entry.graph, using)
    return {
        "name": entry.name,
        "group": entry.group,
        "description": entry.description,
        "source": entry.source,
        "licence": entry.licence,
        "note": entry.note,
        "n_latents": graph.n_latents,
        "n_actions": graph.n_actions,
        "n_edges": graph.n_edges,
        "n_disentangled": verdict.n_disentangled,
        "complete": verdict.complete,
        "expected": None
        if expected is None
        else {
            "complete": expected.complete,
            "blocks": [list(block) for block in expected.blocks],
            "entangled": {latent: list(others) for latent, others in expected.entangled.items()},
        },
    }


def _listing(entries: list[Entry], using: str | None) -> RenderableType:
    from rich.table import Table

    from identify.criterion import check
    from identify.report.line import Line

    table = Table(header_style="bold")
    for column in ("name", "group", "latents", "actions", "edges", "disentangled"):
        table.add_column(column, justify="left" if column in ("name", "group") else "right", overflow="fold")
    for entry in entries:
        graph = entry.graph
        sizes = (graph.n_latents, graph.n_actions, graph.n_edges, check(graph, using).n_disentangled)
        table.add_row(Line(entry.name), entry.group, *(f"{size:,}" for size in sizes))
    return table


def _details(entry: Entry, using: str | None) -> RenderableType:
    from rich.console import Group as Lines

    from identify.criterion import check
    from identify.report.line import Line

    lines = [(f"{entry.name} ({entry.group})", "bold"), (repr(entry.graph), "dim"), (entry.description, "")]
    lines += [(f"{check(entry.graph, using).headline}.", "")]
    lines += [(f"Source: {entry.source}.", ""), (f"Licence: {entry.licence}.", ""), (entry.note, "")]
    return Lines(*(Line(text, style=style) for text, style in lines if text))
