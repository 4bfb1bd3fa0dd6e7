"""``mechsparse design``: which interventions to add, so that every latent is disentangled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from identify.commands.options import AsJson, Form, Graph, UseWhat, print_json, printed_instead, show
from identify.commands.sources import read_one, reading_of, tell

if TYPE_CHECKING:
    from identify.design import Design

__all__ = ["design"]


def design(
    graph: Graph,
    candidates: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What could be done: .csv with the column targets (names between semicolons), or .json. "
            "Without it any target set may be chosen.",
            show_default=False,
        ),
    ] = None,
    max_targets: Annotated[
        int | None,
        typer.Option(metavar="K", help="An action may have at most K targets.", show_default=False),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A latent that no action may target; may be repeated.", show_default=False
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="The costs may not exceed N; where nothing is priced, at most N actions. Too little for all: as many "
            "latents as possible.",
            show_default=False,
        ),
    ] = None,
    max_actions: Annotated[
        int | None,
        typer.Option(metavar="M", help="At most M actions, whatever they cost.", show_default=False),
    ] = None,
    robust: Annotated[
        bool, typer.Option("--robust", help="Separate each pair by two new actions, so that one may fail.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option(metavar="S", help="Seconds; by then the best so far, with the gap left.")
    ] = 60.0,
    seed: Annotated[int, typer.Option(help="Of the search where a proof takes too long.")] = 0,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw actions and targets: .png, .svg or .pdf.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="GRAPH", help="Write the graph with the new actions.", show_default=False
        ),
    ] = None,
    using: UseWhat = None,
    as_json: AsJson = False,
    form: Form = None,
) -> None:
    """Find the interventions to add so that every latent is disentangled, at the least cost.

    Chosen from candidates, or freely: then the fewest actions. Pairs that no allowed action separates are
    listed with the reason, and the others are separated all the same.

    \b
    Examples:
      mechsparse design "T Cell Receptor Signaling"
      mechsparse design graph.json --max-targets 2 --forbid mek --figure design.png
      mechsparse design graph.json --candidates guides.csv --budget 20 -o planned.json
    """
    from identify.design import design_interventions, read_candidates
    from identify.formats import format_of

    source = read_one(graph, form)
    if not as_json:
        tell([source], instead=printed_instead(out), aside=figure is not None or out is not None)
    if out is not None:
        # a name that can't be written is told before the search, not after it
        format_of(out)
    found = design_interventions(
        source.graph,
        candidates=None if candidates is None else read_candidates(candidates),
        max_targets=max_targets,
        forbidden=forbid or (),
        using=using,
        budget=budget,
        max_actions=max_actions,
        robust=robust,
        time_limit=time_limit,
        seed=seed,
    )
    _write(found, figure, out)
    if printed_instead(out):
        return
    if as_json:
        print_json({"graph": source.name, **reading_of(source), **found.to_dict()})
    else:
        from identify.report.design import show_design

        show(show_design(source.name, found), aside=figure is not None or out is not None)


def _write(found: Design, figure: Path | None, out: Path | None) -> None:
    if figure is not None:
        _draw(found, figure)
    if out is not None:
        from identify.formats import write_graph

        write_graph(found.graph, out)


def _draw(found: Design, path: Path) -> None:
    from matplotlib.figure import Figure

    from identify.plot import plot_design, save_figure
    from identify.plot.paper import own_style

    rows = max(len(found.actions), 2)
    columns = int((~found.before.disentangled).sum())
    size = (min(3.0 + 0.36 * columns, 14.0), min(1.8 + 0.3 * rows, 10.0))
    with own_style():
        drawn = Figure(figsize=size, layout="constrained")
        plot_design(found, ax=drawn.add_subplot())
        save_figure(drawn, path)
