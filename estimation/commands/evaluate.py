"""``mechsparse evaluate``: a trained model compared with the ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.commands.data_options import DataOptions, takes_data_options
from estimation.commands.options import Data, Latex, Model, Report, Split, Strict, Threshold
from estimation.commands.sources import aligned, read_data, require_folder_of
from identify.commands.check import Family, decide_influence
from identify.commands.options import AsJson, print_json, show
from identify.commands.sources import Source
from identify.names import shown

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.certified import CertifiedEntanglement
    from estimation.evaluation.scores import Evaluation
    from estimation.trained import TrainedModel

__all__ = ["evaluate"]

_TRAINING_DATA_NOTE = (
    "these are the data that the model was trained on; other rows show how well it generalises"
)


@takes_data_options(Split.test)
def evaluate(
    model: Model,
    data: Data,
    threshold: Threshold = 0.1,
    strict: Strict = False,
    report: Report = None,
    latex: Latex = None,
    mechanisms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Densities of the latents, a .toml or .py file (which is executed): decide sufficient influence, and "
            "compare the learned entanglement with what is then proved to be guaranteed.",
            show_default=False,
        ),
    ] = None,
    family: Annotated[
        Family, typer.Option(help="Family of the densities in --mechanisms.")
    ] = Family.nonparametric,
    time_limit: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="For all causes in --mechanisms; the rest stays undecided."),
    ] = 120.0,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> int:
    """Compare a trained model with the truth: scores, the learned graph, predicted and learned entanglement.

    Data with true latents and a true graph, such as simulated data, give all of these; other data give the negative
    ELBO and the graph, and for them there is 'mechsparse compare'.
    MCC: correlation of each learned latent with one true latent. R: correlation of the true latents with a regression
    on all learned ones. R_con: the same with the learned latents that the prediction allows. SHD: missing and extra
    edges of the learned graph.

    \b
    Examples:
      mechsparse simulate ActionBlockDiag -n 2000 --split test -o test.npz
      mechsparse evaluate model test.npz --report report.html
      mechsparse evaluate model TimeDiag -n 2000 --strict --json
      mechsparse evaluate model test.npz --mechanisms mechanisms.toml
    """
    from estimation.checkpoint import load
    from estimation.dataset.fingerprint import fingerprint
    from estimation.evaluation.scores import evaluate as evaluate_model
    from estimation.exceptions import DataError

    require_folder_of(report)
    require_folder_of(latex)
    trained = load(model)
    dataset = aligned(read_data(data, options, trained), trained, model)
    evaluation = evaluate_model(trained, dataset, threshold=threshold)
    if (strict or latex is not None) and evaluation.comparison is None:
        option = "--strict" if strict else "--latex"
        raise DataError(f"{data}: lacks true latents or the true graph, which {option} needs; leave it out")
    certified = None
    if mechanisms is not None:
        certified = _certified(evaluation, data, mechanisms, family, time_limit)
    notes = [_TRAINING_DATA_NOTE] if fingerprint(dataset) == trained.data_fingerprint else []
    _print(
        model,
        trained,
        dataset,
        evaluation,
        certified,
        notes,
        as_json,
        optional=report is not None or latex is not None,
    )
    _write(trained, dataset, evaluation, certified, report, latex)
    return int(strict and not evaluation.comparison)


def _write(
    model: TrainedModel,
    dataset: Dataset,
    evaluation: Evaluation,
    certified: CertifiedEntanglement | None,
    report: Path | None,
    latex: Path | None,
) -> None:
    from identify.files import write_whole

    if report is not None:
        from estimation.report import evaluation_page

        write_whole(report, evaluation_page(model, dataset, evaluation, certified))
    if latex is not None:
        from estimation.report.latex import evaluation_latex

        write_whole(latex, evaluation_latex(evaluation))


def _certified(
    evaluation: Evaluation, data: str, mechanisms: Path, family: Family, time_limit: float
) -> CertifiedEntanglement:
    from estimation.evaluation.certified import certify
    from estimation.exceptions import DataError

    if evaluation.graph is None:
        raise DataError(
            f"{shown(data)}: has no true graph, with which --mechanisms could be compared; leave it out"
        )
    source = Source(data, evaluation.graph)
    return certify(evaluation, decide_influence(mechanisms, [source], family, time_limit)[1])


def _print(
    folder: Path,
    model: TrainedModel,
    dataset: Dataset,
    evaluation: Evaluation,
    certified: CertifiedEntanglement | None,
    notes: list[str],
    as_json: bool,
    optional: bool,
) -> None:
    if as_json:
        from estimation.report.diagnostics import diagnostics_record
        from estimation.report.rows import graph_record

        record = {
            "model": str(folder),
            "data": dataset.name,
            "graph": graph_record(model.graph),
            "diagnostics": diagnostics_record(model.diagnostics),
        }
        # only with --mechanisms
        extra = {} if certified is None else {"certified": certified.to_dict()}
        print_json({**record, **evaluation.to_dict(), **extra, "notes": notes})
        return
    from estimation.report.terminal import show_certified, show_evaluation

    table = show_evaluation(f"{folder} on {dataset!r}", evaluation, model.diagnostics, model.graph)
    show(table, optional)
    if certified is not None:
        show(show_certified(certified), optional)
    for note in notes:
        show(f"note: {note}", optional)
