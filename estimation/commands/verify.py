"""``mechsparse verify``: several trained models held against what the best one's graph predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estimation.commands.options import (
    Actions,
    AllowConstant,
    Categorical,
    Density,
    Episode,
    GraphSeed,
    Images,
    Latents,
    Observations,
    Report,
    Samples,
    Split,
    SplitOf,
    Strict,
    Threshold,
    Time,
)
from estimation.commands.sources import Columns, Draw, fitting, read_data, require_place
from identify.commands.options import AsJson, print_json, show

if TYPE_CHECKING:
    from estimation.evaluation.verification import Verification
    from estimation.trained import TrainedModel

__all__ = ["verify"]


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
    samples: Samples = None,
    split: SplitOf = Split.test,
    density: Density = None,
    graph_seed: GraphSeed = None,
    observations: Observations = None,
    actions: Actions = None,
    latents: Latents = None,
    categorical: Categorical = None,
    episode: Episode = None,
    time: Time = None,
    images: Images = None,
    allow_constant: AllowConstant = False,
    as_json: AsJson = False,
) -> int:
    """Say which latents can be trusted, without knowing the truth: train with several seeds, and let them judge.

    The run with the best held-out ELBO is the reference. In every other run its latents may depend on those only that
    its learned graph allows. What all confirm can be trusted; what one contradicts is wrong in one of them.

    \b
    Examples:
      mechsparse verify seed1 seed2 seed3 --data cells.npz --report trust.html
    """
    from estimation.evaluation.verification import verify as hold_against

    require_place(report)
    models = _loaded(runs)
    first = next(iter(models.values()))
    columns = Columns(observations, actions, latents, categorical, episode, time, images, allow_constant)
    dataset = read_data(data, Draw(samples, split.value, density, graph_seed), columns, first)
    for name, model in models.items():
        fitting(dataset, model, Path(name))
    found = hold_against(models, dataset, threshold)
    _tell(found, as_json, aside=report is not None)
    if report is not None:
        from estimation.report import verification_page
        from identify.files import write_whole

        write_whole(report, verification_page(found))
    return int(strict and not found.confirmed)


def _loaded(folders: list[Path]) -> dict[str, TrainedModel]:
    from estimation.checkpoint import load
    from estimation.exceptions import DataError

    if len(folders) < 2:
        raise DataError(f"verify takes two runs or more; {len(folders)} given")
    twice = next((folder for folder in folders if folders.count(folder) > 1), None)
    if twice is not None:
        raise DataError(f"{twice} is given twice; a run can't confirm itself")
    return {f"{folder}": load(folder) for folder in folders}


def _tell(found: Verification, as_json: bool, aside: bool) -> None:
    if as_json:
        print_json(found.to_dict())
        return
    from estimation.report.terminal import show_verification

    show(show_verification(found), aside)
