"""``mechsparse sweep``: many runs from one file, resumable, with a live table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estimation.commands.worker_options import (
    Jobs,
    RetryFailed,
    Scheduler,
    Slurm,
    live_progress,
    select_workers,
)
from identify.commands.options import AsJson, print_json, show

if TYPE_CHECKING:
    from estimation.sweep import Outcome, Results

__all__ = ["sweep"]


def sweep(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="Data sets, methods, grids and seeds.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the runs and their tables.")
    ],
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    retry_failed: RetryFailed = False,
    as_json: AsJson = False,
) -> int:
    """Train every combination of data set, method, setting and seed.

    A sweep may be stopped at any time and started again with the same arguments: finished runs are not repeated, and
    an interrupted run is resumed. A failed run is recorded and does not stop the others.

    \b
    Example of a file:
      seeds = [0, 1, 2]
      [data.pairs]
      source = "ActionBlockDiag"
      grid.max_edges_actions = [5, 10, 20]
      [method.sparse]
      settings.steps = 2000
    """
    from estimation.storage.companions import write_companions
    from estimation.sweep import collect, read_plan, run_sweep

    plan = read_plan(config)
    workers = select_workers(scheduler, slurm)
    with live_progress(plan) as on_change:
        outcome = run_sweep(plan, out, jobs, workers, retry_failed, on_change)
    results = collect(out, plan)
    paths = write_companions(out, {**results.files(), **_figures(results)})
    _print(outcome, results, paths, as_json)
    return int(bool(outcome.failed))


def _figures(results: Results) -> dict[str, bytes]:
    from matplotlib.figure import Figure

    from estimation.plot import plot_scores
    from identify.plot import figure_svg
    from identify.plot.paper import own_style

    files = {}
    for (data, method), rows in results.groups.items():
        # there is nothing to draw without ground truth, and no number of edges without a graph
        if all(row["mcc"] is None or row["edges"] is None for row in rows):
            continue
        with own_style():
            figure = Figure(figsize=(6.2, 5.4), layout="constrained")
            axes = figure.subplots(2, 1, sharex=True)
            plot_scores(rows, _choices(results, data, method), axes)
            axes[0].set_title(f"{data}, {method}", fontsize=10, loc="left", parse_math=False)
            files[f"{data}-{method}.svg"] = figure_svg(figure, f"{data}-{method}").encode()
    return files


def _choices(results: Results, data: str, method: str) -> dict[str, Any]:
    """Return the settings chosen without ground truth, also by the agreement of seeds where there are several."""
    from estimation.selection.rules import DEFAULT_RULE

    rows = results.groups[data, method]
    rules = [DEFAULT_RULE, "udr"] if all(row["udr"] is not None for row in rows) else [DEFAULT_RULE]
    return {rule: results.select(data, method, rule) for rule in rules}


def _print(outcome: Outcome, results: Results, paths: list[Path], as_json: bool) -> None:
    chosen = {key: results.select(*key) for key in results.groups}
    if as_json:
        print_json(
            {
                "done": list(outcome.done),
                "failed": list(outcome.failed),
                "seconds": outcome.seconds,
                "written": [str(path) for path in paths],
                "rows": [dict(row) for row in results.rows],
                "chosen": [
                    {"data": data, "method": method, "setting": choice.setting, "reason": choice.reason}
                    for (data, method), choice in chosen.items()
                    if choice is not None
                ],
            }
        )
        return
    from estimation.report.sweep import show_results

    show(show_results(results, chosen, [str(path) for path in paths]), optional=True)
