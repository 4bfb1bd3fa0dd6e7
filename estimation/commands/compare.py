"""``mechsparse compare``: two trained models held against each other, with nothing known of the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estimation.commands.options import (
    Actions,
    AllowConstant,
    Categorical,
    Data,
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
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.comparison import Comparison
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel

__all__ = ["compare"]

_FOLDER = "A folder that 'mechsparse train' wrote."


def compare(
    model_a: Annotated[Path, typer.Argument(metavar="MODEL_A", help=_FOLDER)],
    model_b: Annotated[
        Path, typer.Argument(metavar="MODEL_B", help=f"{_FOLDER} For instance with another seed.")
    ],
    data: Data,
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
    """Check a representation without knowing the truth: train twice, and hold one model against the other.

    If both models found the truth, then a latent of A depends on those latents of B only that the graph learned by A
    allows. The more seeds agree, the better; a disagreement says that at least one of the two is wrong.

    \b
    Examples:
      mechsparse train cells.npz -o a --max-edges-actions 9 --set n_latents=6 --seed 1
      mechsparse train cells.npz -o b --max-edges-actions 9 --set n_latents=6 --seed 2
      mechsparse compare a b cells.npz --report comparison.html
    """
    from estimation.checkpoint import load

    require_place(report)
    ours, theirs = load(model_a), load(model_b)
    columns = Columns(observations, actions, latents, categorical, episode, time, images, allow_constant)
    dataset = read_data(data, Draw(samples, split.value, density, graph_seed), columns, ours)
    for trained, folder in ((ours, model_a), (theirs, model_b)):
        fitting(dataset, trained, folder)
        # without a graph everything would be allowed, and anything confirmed
        trained.require_graph(f"{folder}")
    comparison, distance = _compared(ours, theirs, dataset, threshold)
    names = (f"{model_a}", f"{model_b}")
    _tell(names, dataset, comparison, distance, as_json, aside=report is not None)
    if report is not None:
        from estimation.report import comparison_page
        from identify.files import write_whole

        write_whole(report, comparison_page(names, (ours, theirs), comparison, distance))
    return int(strict and not comparison.confirmed)


def _compared(
    ours: TrainedModel, theirs: TrainedModel, dataset: Dataset, threshold: float
) -> tuple[Comparison, GraphDistance]:
    from estimation.dataset.alignment import with_actions_of
    from estimation.evaluation.comparison import compare as hold_against
    from estimation.learned import learned_entanglement
    from estimation.metrics import structural_hamming
    from identify.entanglement import predict_entanglement

    learned = learned_entanglement(ours, dataset, other=theirs, threshold=threshold)
    comparison = hold_against(predict_entanglement(ours.graph), learned)
    graph = with_actions_of(theirs.graph, ours.graph, "the other model")
    return comparison, structural_hamming(ours.graph, graph, learned.permutation)


def _tell(
    names: tuple[str, str],
    dataset: Dataset,
    comparison: Comparison,
    distance: GraphDistance,
    as_json: bool,
    aside: bool,
) -> None:
    if as_json:
        record: dict[str, Any] = {"model": names[0], "other": names[1], "data": dataset.name}
        edges = {"common": distance.common, "only_model": distance.missing, "only_other": distance.extra}
        print_json({**record, "edges": edges, **comparison.to_dict()})
        return
    from estimation.report.terminal import show_comparison

    show(show_comparison(names, comparison, distance), aside)
