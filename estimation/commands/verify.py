"""``mechsparse verify``: several trained models compared with the prediction from the best model's graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.commands.data_options import DataOptions, takes_data_options
from estimation.commands.options import Latex, Report, Split, Strict, Threshold
from estimation.commands.sources import aligned, read_for_models, require_folder_of
from identify.commands.options import AsJson, print_json, show

if TYPE_CHECKING:
    from estimation.evaluation.verification import Verification
    from estimation.trained import TrainedModel

__all__ = ["verify"]


@takes_data_options(Split.test)
def verify(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN_A RUN_B ...", help="Folders that 'mechsparse train' wrote, two or more."),
    ],
    data: Annotated[
        str,
        typer.Option("--data", metavar="DATA", help="Held-out data: a file or a published process."),
    ],
    threshold: Threshold = 0.1,
    strict: Strict = False,
    report: Report = None,
    latex: Latex = None,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> int:
    """Find out which latents can be trusted, without ground truth: train with several seeds, and compare the models.

    The run with the best held-out ELBO is the reference. Its latents may depend only on those latents of another run
    that its learned graph allows. A latent that all runs confirm can be trusted; if a run contradicts a latent, one of
    the two models is wrong.

    \b
    Examples:
      mechsparse verify seed1 seed2 seed3 --data cells.npz --report trust.html
    """
    from estimation.evaluation.verification import verify as verify_models

    require_folder_of(report)
    require_folder_of(latex)
    models = _load_models(runs)
    dataset = read_for_models(data, options, models)
    for name, model in models.items():
        # raises an error that names the folder
        aligned(dataset, model, Path(name))
    verification = verify_models(models, dataset, threshold)
    _print(verification, as_json, optional=report is not None or latex is not None)
    _write(verification, report, latex)
    return int(strict and not verification.confirmed)


def _write(verification: Verification, report: Path | None, latex: Path | None) -> None:
    from identify.files import write_whole

    if report is not None:
        from estimation.report import verification_page

        write_whole(report, verification_page(verification))
    if latex is not None:
        from estimation.report.latex import verification_latex

        write_whole(latex, verification_latex(verification))


def _load_models(folders: list[Path]) -> dict[str, TrainedModel]:
    from estimation.checkpoint import load
    from estimation.exceptions import DataError

    if len(folders) < 2:
        raise DataError(f"verify takes two runs or more; {len(folders)} given")
    duplicate = next((folder for folder in folders if folders.count(folder) > 1), None)
    if duplicate is not None:
        raise DataError(f"{duplicate} is given twice; a run can't confirm itself")
    return {f"{folder}": load(folder) for folder in folders}


def _print(verification: Verification, as_json: bool, optional: bool) -> None:
    if as_json:
        print_json(verification.to_dict())
        return
    from estimation.report.terminal import show_verification

    show(show_verification(verification), optional)
