"""``mechsparse reproduce``: the published table, made again, ours beside the published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.commands.running import Jobs, RetryFailed, Scheduler, Slurm, watching, workers_of
from estimation.config.baselines import BASELINES
from estimation.config.training import SPARSE_VAE
from identify.commands.options import AsJson, print_json, show

if TYPE_CHECKING:
    from estimation.reproduction import SideBySide
    from estimation.sweep import Outcome

__all__ = ["reproduce"]

# as published
SEEDS = 5


def reproduce(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Gets a folder per run.")],
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
        typer.Option(metavar="N", min=1, help="How many model seeds, from 0.", show_default=str(SEEDS)),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One seed.")] = False,
    true_edges: Annotated[
        bool,
        typer.Option("--true-edges", help="The true number of edges as the budget, not the published one."),
    ] = False,
    samples: Annotated[int, typer.Option("-n", metavar="N", min=1, help="To train on.")] = 200_000,
    test_samples: Annotated[int, typer.Option(metavar="N", min=1, help="To score on.")] = 100_000,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting; may be repeated. preset=published trains the sparse VAE the authors' way, for days.",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    retry_failed: RetryFailed = False,
    as_json: AsJson = False,
) -> int:
    """Make the published table again: eight data sets, published budgets, five seeds; ours beside theirs.

    A run takes about 4 minutes on one core, the whole table 2 hours 40 minutes; --quick needs a fifth. It may be
    stopped at any moment and started again with the same words.

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
    workers = workers_of(scheduler, slurm)
    with watching(plan) as on_change:
        outcome = run_sweep(plan, out, jobs, workers, retry_failed, on_change)
    results = collect(out, plan)
    lines = side_by_side(results)
    paths = write_companions(out, {**results.files(), **_figure(lines)})
    _tell(lines, outcome, paths, as_json)
    return int(bool(outcome.failed))


def _seeds(seeds: int | None, quick: bool) -> int:
    from estimation.exceptions import ConfigError

    if quick and seeds is not None:
        raise ConfigError(f"--quick and --seeds {seeds} are both given; --quick is --seeds 1")
    return 1 if quick else seeds or SEEDS


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
        drawn = figure_svg(figure, "ours beside the published numbers")
    return {"reproduction.svg": drawn.encode()}


def _tell(lines: tuple[SideBySide, ...], outcome: Outcome, paths: list[Path], as_json: bool) -> None:
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

    show(show_reproduction(lines, outcome.failed, [str(path) for path in paths]), aside=True)
