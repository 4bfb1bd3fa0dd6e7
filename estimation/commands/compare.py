"""``mechsparse compare``: two trained models compared with each other, without ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estimation.commands.data_options import DataOptions, takes_data_options
from estimation.commands.options import Data, Latex, Report, Split, Strict, Threshold
from estimation.commands.sources import aligned, read_for_models, require_folder_of
from identify.commands.options import AsJson, print_json, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estimation.config.sparse_columns import SparseColumns
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.comparison import Comparison
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel

__all__ = ["compare"]

_FOLDER = "A folder that 'mechsparse train' wrote."


@takes_data_options(Split.test)
def compare(
    model_a: Annotated[Path, typer.Argument(metavar="MODEL_A", help=_FOLDER)],
    model_b: Annotated[
        Path, typer.Argument(metavar="MODEL_B", help=f"{_FOLDER} For instance with another seed.")
    ],
    data: Data,
    threshold: Threshold = 0.1,
    strict: Strict = False,
    report: Report = None,
    latex: Latex = None,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> int:
    """Check a representation without ground truth: train twice, and compare one model with the other.

    If both models are correct, then a latent of A depends only on those latents of B that the learned graph of A
    allows. The more seeds agree, the better; a disagreement means that at least one of the two models is wrong.

    \b
    Examples:
      mechsparse train cells.npz -o a --max-edges-actions 9 --set n_latents=6 --seed 1
      mechsparse train cells.npz -o b --max-edges-actions 9 --set n_latents=6 --seed 2
      mechsparse compare a b cells.npz --report comparison.html
    """
    from estimation.checkpoint import load

    require_folder_of(report)
    require_folder_of(latex)
    model, other = load(model_a), load(model_b)
    dataset = read_for_models(data, options, {f"{model_a}": model, f"{model_b}": other})
    for trained, folder in ((model, model_a), (other, model_b)):
        # raises an error that names the folder
        aligned(dataset, trained, folder)
        # without a graph every dependency is allowed, so that any model would be confirmed
        trained.require_graph(f"{folder}")
    comparison, distance = _compare(model, other, dataset, threshold)
    names = (f"{model_a}", f"{model_b}")
    columns = {names[0]: model.sparse_columns, names[1]: other.sparse_columns}
    _print(
        names,
        dataset,
        comparison,
        distance,
        columns,
        as_json,
        optional=report is not None or latex is not None,
    )
    _write(names, (model, other), comparison, distance, report, latex)
    return int(strict and not comparison.confirmed)


def _write(
    names: tuple[str, str],
    models: tuple[TrainedModel, TrainedModel],
    comparison: Comparison,
    distance: GraphDistance,
    report: Path | None,
    latex: Path | None,
) -> None:
    from identify.files import write_whole

    if report is not None:
        from estimation.report import comparison_page

        write_whole(report, comparison_page(names, models, comparison, distance))
    if latex is not None:
        from estimation.report.latex import comparison_latex

        write_whole(latex, comparison_latex(comparison))


def _compare(
    model: TrainedModel, other: TrainedModel, dataset: Dataset, threshold: float
) -> tuple[Comparison, GraphDistance]:
    from estimation.evaluation.comparison import compare as compare_entanglement
    from estimation.evaluation.verification import distance_between
    from estimation.learned import learned_entanglement
    from identify.entanglement import predict_entanglement

    learned = learned_entanglement(model, dataset, other=other, threshold=threshold)
    comparison = compare_entanglement(predict_entanglement(model.graph), learned)
    return comparison, distance_between(model, other, learned.permutation)


def _print(
    names: tuple[str, str],
    dataset: Dataset,
    comparison: Comparison,
    distance: GraphDistance,
    columns: Mapping[str, SparseColumns],
    as_json: bool,
    optional: bool,
) -> None:
    if as_json:
        record: dict[str, Any] = {"model": names[0], "other": names[1], "data": dataset.name}
        edges = {"common": distance.common, "only_model": distance.missing, "only_other": distance.extra}
        dense = {name: held.to_dict() for name, held in columns.items()}
        print_json({**record, "edges": edges, "sparse_columns": dense, **comparison.to_dict()})
        return
    from estimation.report.terminal import show_comparison

    show(show_comparison(names, comparison, distance, columns), optional)
