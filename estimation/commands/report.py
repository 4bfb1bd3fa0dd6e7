"""``mechsparse report``: the results of a trained model as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.commands.data_options import DataOptions, takes_data_options
from estimation.commands.options import Model, Split
from estimation.commands.sources import aligned, read_data, require_folder_of
from identify.commands.options import AsJson, print_json, say, writes_to_stdout
from identify.exceptions import RequestError

if TYPE_CHECKING:
    from estimation.diagnostics import Diagnostics

__all__ = ["report"]


@takes_data_options(Split.test)
def report(
    model: Model,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="Data with the model's columns, for the latents under each condition, and for scores if they have "
            "ground truth.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.html", help="The page to write.", show_default=False),
    ] = None,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> int:
    """Write what a trained model has learned and what it predicts as one self-contained page.

    The page says whether there is a reason to doubt the run, and shows the learned graph with the columns that each
    latent moves, which latents may be mixed, the latents under each condition, and predictions for single actions and
    pairs with what the training data cover of them. It needs no ground truth.

    \b
    Examples:
      mechsparse report model -o results.html
      mechsparse report model cells.csv -o results.html
    """
    from estimation.checkpoint import load
    from estimation.report import results_page
    from identify.files import write_whole

    if out is None:
        raise RequestError("the file of the page is missing; give it as -o results.html")
    require_folder_of(out)
    trained = load(model)
    dataset, outcome = None, None
    if data is not None:
        from estimation.evaluation.scores import evaluate

        dataset = aligned(read_data(data, options, trained), trained, model)
        outcome = evaluate(trained, dataset)
    write_whole(out, results_page(trained, dataset, outcome, model.resolve().name))
    if not writes_to_stdout(out):
        _print(model, data, out, trained.diagnostics, as_json)
    return 0


def _print(model: Path, data: str | None, out: Path, diagnostics: Diagnostics | None, as_json: bool) -> None:
    from estimation.report.diagnostics import diagnostics_record

    headline = "This run was not examined." if diagnostics is None else diagnostics.headline
    if as_json:
        record = {"model": str(model), "data": data, "page": str(out), "headline": headline}
        print_json({**record, "diagnostics": diagnostics_record(diagnostics)})
        return
    for line in (headline, f"wrote {out}"):
        say(line, optional=True)
