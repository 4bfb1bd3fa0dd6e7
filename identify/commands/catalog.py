"""``mechsparse catalog``: the graphs that come with the package."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from identify.commands.options import AsJson, UseWhat, print_json, show
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
    using: UseWhat = None,
    as_json: AsJson = False,
) -> None:
    """List the graphs that come with the package, or show one with its source and licence.

    Published: the synthetic data sets of the paper. Textbook: small cases that each teach one thing. Real:
    gene regulation and signalling networks, and the interventions of Sachs et al.

    \b
    Examples:
      mechsparse catalog --group textbook
      mechsparse catalog "Lac Operon"
      mechsparse check catalog:published
    """
    from identify.catalog import entry, names

    if name is not None:
        found = entry(name)
        if as_json:
            print_json(_record(found, using))
        else:
            show(_details(found, using))
        return
    entries = [entry(each) for each in names(group)]
    if as_json:
        print_json([_record(each, using) for each in entries])
    else:
        show(_listing(entries, using))


def _record(found: Entry, using: str | None) -> dict[str, Any]:
    from identify.criterion import check

    graph, expected, verdict = found.graph, found.expected, check(found.graph, using)
    return {
        "name": found.name,
        "group": found.group,
        "description": found.description,
        "source": found.source,
        "licence": found.licence,
        "note": found.note,
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
    for found in entries:
        graph = found.graph
        sizes = (graph.n_latents, graph.n_actions, graph.n_edges, check(graph, using).n_disentangled)
        table.add_row(Line(found.name), found.group, *(f"{size:,}" for size in sizes))
    return table


def _details(found: Entry, using: str | None) -> RenderableType:
    from rich.console import Group as Lines

    from identify.criterion import check
    from identify.report.line import Line

    lines = [(f"{found.name} ({found.group})", "bold"), (repr(found.graph), "dim"), (found.description, "")]
    lines += [(f"{check(found.graph, using).headline}.", "")]
    lines += [(f"Source: {found.source}.", ""), (f"Licence: {found.licence}.", ""), (found.note, "")]
    return Lines(*(Line(text, style=style) for text, style in lines if text))
