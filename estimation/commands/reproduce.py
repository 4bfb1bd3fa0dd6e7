"""``mechsparse reproduce``: reproduce the published table, next to the published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.commands.worker_options import (
    Jobs,
    RetryFailed,
    Scheduler,
    Slurm,
    live_progress,
    select_workers,
)
from estimation.config.baselines import BASELINES
from estimation.config.training import SPARSE_VAE
from identify.commands.options import AsJson, print_json, show

if TYPE_CHECKING:
    from estimation.reproduction import SideBySide
    from estimation.sweep import Outcome

__all__ = ["reproduce"]

# as published
N_SEEDS = 5


def reproduce(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the runs and the table.")
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One of the eight data sets; may be repeated.", show_default="all"),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"The sparse VAE, or a baseline ({', '.join(BASELINES)}); may be repeated.",
            show_default=SPARSE_VAE,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Number of model seeds, counted from 0.", show_default=str(N_SEEDS)
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Use one seed.")] = False,
    true_edges: Annotated[
        bool,
        typer.Option(
            "--true-edges", help="Use the true number of edges as the budget, not the published one."
        ),
    ] = False,
    samples: Annotated[
        int, typer.Option("-n", metavar="N", min=1, help="Number of training samples.")
    ] = 200_000,
    test_samples: Annotated[int, typer.Option(metavar="N", min=1, help="Number of test samples.")] = 100_000,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting; may be repeated. preset=published: the authors' settings, which train for days.",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    retry_failed: RetryFailed = False,
    as_json: AsJson = False,
) -> int:
    """Reproduce the published table: eight data sets, published budgets, five seeds, next to the published numbers.

    A run takes about 4 minutes on one core, the whole table 2 hours 40 minutes; --quick takes a fifth. It may be
    stopped at any time and started again with the same arguments.

    \b
    Examples:
      mechsparse reproduce --quick -o table --jobs 2
      mechsparse reproduce -o others --only ActionBlockDiag --method ivae --method tcvae
    """
    from estimation.config.settings import read_changes
    from estimation.reproduction import reproduction_plan, side_by_side
    from estimation.storage.companions import write_companions
    from estimation.sweep import collect, run_sweep

    plan = reproduction_plan(
        only,
        method or (SPARSE_VAE,),
        _seeds(seeds, quick),
        true_edges=true_edges,
        samples=samples,
        test_samples=test_samples,
        settings=read_changes(settings or []),
    )
    workers = select_workers(scheduler, slurm)
    with live_progress(plan) as on_change:
        outcome = run_sweep(plan, out, jobs, workers, retry_failed, on_change)
    results = collect(out, plan)
    lines = side_by_side(results)
    paths = write_companions(out, {**results.files(), **_figure(lines)})
    _print(lines, outcome, paths, as_json)
    return int(bool(outcome.failed))


def _seeds(seeds: int | None, quick: bool) -> int:
    from estimation.exceptions import ConfigError

    if quick and seeds is not None:
        raise ConfigError(f"--quick and --seeds {seeds} are both given; --quick is --seeds 1")
    return 1 if quick else seeds or N_SEEDS


def _figure(lines: tuple[SideBySide, ...]) -> dict[str, bytes]:
    from matplotlib.figure import Figure

    from estimation.plot import plot_reproduction
    from identify.plot import figure_svg
    from identify.plot.paper import own_style

    if not lines:
        return {}
    with own_style():
        figure = Figure(figsize=(7.2, 1.2 + 0.34 * len(lines)), layout="constrained")
        plot_reproduction(lines, figure.subplots())
        svg = figure_svg(figure, "reproduced next to published numbers")
    return {"reproduction.svg": svg.encode()}


def _print(lines: tuple[SideBySide, ...], outcome: Outcome, paths: list[Path], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "table": [line.to_dict() for line in lines],
                "done": list(outcome.done),
                "failed": list(outcome.failed),
                "seconds": outcome.seconds,
                "written": [str(path) for path in paths],
            }
        )
        return
    from estimation.report.reproduction import show_reproduction

    show(show_reproduction(lines, outcome.failed, [str(path) for path in paths]), optional=True)
