"""``mechsparse influence``: whether the actions of a trained model move their latents independently."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.commands.data_options import DataOptions, takes_data_options
from estimation.commands.options import Data, Latex, Model, Report, Split
from estimation.commands.sources import aligned, read_data, require_folder_of
from identify.commands.options import AsJson, print_json, show

if TYPE_CHECKING:
    from pathlib import Path

    from estimation.dataset.dataset import Dataset
    from estimation.influence import InfluenceTest

__all__ = ["EffectsOption", "influence"]


class EffectsOption(StrEnum):
    """Which effects count, as in `estimation.influence.test_influence`."""

    mean = "mean"
    any = "any"


@takes_data_options(Split.test)
def influence(
    model: Model,
    data: Data,
    level: Annotated[float, typer.Option(help="Level of the verdicts and of the intervals.")] = 0.05,
    tolerance: Annotated[
        float,
        typer.Option(
            help="Effects that are proportional up to this fraction count as proportional, because a trained model "
            "distorts its latents."
        ),
    ] = 0.05,
    effects: Annotated[
        EffectsOption, typer.Option(help="Test effects on means only, or also those on variances and shapes.")
    ] = EffectsOption.any,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 unless influence holds for every action.")
    ] = False,
    report: Report = None,
    latex: Latex = None,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> int:
    """Test sufficient influence: does every action of a trained model move its latents in enough different ways?

    The theory promises nothing for an action that moves its latents in proportion. DATA must be rows that the model
    was not trained on. A small p-value is evidence that influence holds. The margin is the effect on the direction of
    the latents that is moved least, in units of its noise.

    \b
    Examples:
      mechsparse simulate ActionNonDiag -n 20000 --split test -o test.npz
      mechsparse influence model test.npz
      mechsparse influence model test.npz --report influence.html
      mechsparse influence model test.npz --tolerance 0.1 --strict --json
    """
    from estimation.checkpoint import load
    from estimation.influence import test_influence

    require_folder_of(report)
    require_folder_of(latex)
    trained = load(model)
    dataset = aligned(read_data(data, options, trained), trained, model)
    result = test_influence(trained, dataset, level=level, tolerance=tolerance, effects=effects.value)
    _print(model, dataset, result, as_json, optional=report is not None or latex is not None)
    _write(f"{model}", result, report, latex)
    return int(strict and len(result.sufficient) < len(result))


def _write(name: str, result: InfluenceTest, report: Path | None, latex: Path | None) -> None:
    from identify.files import write_whole

    if report is not None:
        from estimation.report import influence_page

        write_whole(report, influence_page(name, result))
    if latex is not None:
        from estimation.report.latex import influence_latex

        write_whole(latex, influence_latex(result))


def _print(folder: Path, dataset: Dataset, result: InfluenceTest, as_json: bool, optional: bool) -> None:
    if as_json:
        print_json({"model": str(folder), "data": dataset.name, **result.to_dict()})
        return
    from estimation.report.terminal import show_influence

    show(show_influence(f"{folder} on {dataset!r}", result), optional)
