"""``mechsparse design``: find the interventions to add so that every latent is disentangled."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from identify.commands.options import AsJson, Form, Graph, UsingOption, print_json, show, writes_to_stdout
from identify.commands.sources import print_readings, read_one, reading_of

if TYPE_CHECKING:
    from identify.design import Design

__all__ = ["design"]


class Effects(StrEnum):
    """What interventions do, as in `identify.design.design_interventions`."""

    shifts = "shifts"


def design(
    graph: Graph,
    candidates: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Candidate interventions: .csv with the column targets (names separated by semicolons), or .json. "
            "Without candidates, any target set may be chosen.",
            show_default=False,
        ),
    ] = None,
    max_targets: Annotated[
        int | None,
        typer.Option(metavar="K", help="Largest number of targets of an action.", show_default=False),
    ] = None,
    min_targets: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Smallest number of targets of an action; needs --candidates or --effects.",
            show_default=False,
        ),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Latent that no action may target; repeatable.", show_default=False
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Largest total cost, or number of actions without costs. If it is too small for all latents, as many "
            "as possible are disentangled.",
            show_default=False,
        ),
    ] = None,
    max_actions: Annotated[
        int | None,
        typer.Option(metavar="M", help="Largest number of actions at any cost.", show_default=False),
    ] = None,
    effects: Annotated[
        Effects | None,
        typer.Option(
            help="shifts: interventions are on or off, and each has one generic effect. Add interventions until joint "
            "influence holds.",
            show_default=False,
        ),
    ] = None,
    robust: Annotated[
        bool,
        typer.Option("--robust", help="Separate each pair by two new actions, so that any one may fail."),
    ] = False,
    time_limit: Annotated[
        float,
        typer.Option(metavar="S", help="Seconds until the best design so far is returned with its gap."),
    ] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of the search that runs if a proof takes too long.")] = 0,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw actions and targets to a .png, .svg or .pdf file.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="GRAPH", help="Write the graph with the new actions.", show_default=False
        ),
    ] = None,
    using: UsingOption = None,
    as_json: AsJson = False,
    form: Form = None,
) -> None:
    """Find the cheapest interventions to add so that every latent is disentangled.

    With candidates, finds the cheapest of them; with free choice, the fewest actions. Lists the pairs that no allowed
    action separates, with the reason, and separates all others.

    \b
    Examples:
      mechsparse design "T Cell Receptor Signaling"
      mechsparse design graph.json --max-targets 2 --forbid mek --figure design.png
      mechsparse design graph.json --candidates guides.csv --budget 20 -o planned.json
      mechsparse design screen.json --effects shifts --min-targets 2 --max-targets 3
    """
    from identify.design import design_interventions, read_candidates
    from identify.formats import format_of

    source = read_one(graph, form)
    if not as_json:
        print_readings(
            [source], stdout_taken=writes_to_stdout(out), optional=figure is not None or out is not None
        )
    if out is not None:
        # reject an unknown suffix before the search
        format_of(out)
    result = design_interventions(
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
        min_targets=min_targets,
        effects=None if effects is None else effects.value,
    )
    _write(result, figure, out)
    if writes_to_stdout(out):
        return
    if as_json:
        print_json({"graph": source.name, **reading_of(source), **result.to_dict()})
    else:
        from identify.report.design import show_design

        show(show_design(source.name, result), optional=figure is not None or out is not None)


def _write(design: Design, figure: Path | None, out: Path | None) -> None:
    if figure is not None:
        _draw(design, figure)
    if out is not None:
        from identify.formats import write_graph

        write_graph(design.graph, out)


def _draw(design: Design, path: Path) -> None:
    from matplotlib.figure import Figure

    from identify.plot import plot_design, save_figure
    from identify.plot.paper import own_style

    rows = max(len(design.actions), 2)
    columns = int((~design.disentangled_before).sum())
    size = (min(3.0 + 0.36 * columns, 14.0), min(1.8 + 0.3 * rows, 10.0))
    with own_style():
        figure = Figure(figsize=size, layout="constrained")
        plot_design(design, ax=figure.add_subplot())
        save_figure(figure, path)
