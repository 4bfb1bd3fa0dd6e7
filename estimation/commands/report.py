"""``mechsparse report``: the results of a trained model as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from estimation.commands.data_options import DataOptions, takes_data_options
from estimation.commands.options import Model, Split
from estimation.commands.sources import aligned, read_data, require_folder_of
from identify.commands.options import show

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
    from identify.exceptions import RequestError
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
    page = results_page(trained, dataset, outcome, model.name)
    write_whole(out, page)
    diagnostics = trained.diagnostics
    if str(out) != "-":
        show("this run was not examined" if diagnostics is None else diagnostics.headline, optional=True)
        show(f"wrote {out}", optional=True)
    return 0
