"""``mechsparse evaluate``: a trained model held against the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    Model,
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
    from pathlib import Path

    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.scores import Evaluation
    from estimation.trained import TrainedModel

__all__ = ["evaluate"]

_TRAINED_ON = "these are the data that the model was trained on; other rows show how well it generalises"


def evaluate(
    model: Model,
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
    """Hold a trained model against the truth: scores, the learned graph, predicted beside learned entanglement.

    Data that know their true latents and graph, as simulated ones do, give all of it; others give the negative ELBO
    and the graph, and for them there is 'mechsparse compare'.
    MCC: each learned latent correlates with one true latent. R: all learned ones together give the true ones.
    R_con: so do those that the prediction allows. SHD: edges that are missing or too many in the learned graph.

    \b
    Examples:
      mechsparse simulate ActionBlockDiag -n 2000 --split test -o test.npz
      mechsparse evaluate model test.npz --report report.html
      mechsparse evaluate model TimeDiag -n 2000 --strict --json
    """
    from estimation.checkpoint import load
    from estimation.dataset.fingerprint import fingerprint
    from estimation.evaluation.scores import evaluate as hold_against
    from estimation.exceptions import DataError

    require_place(report)
    trained = load(model)
    columns = Columns(observations, actions, latents, categorical, episode, time, images, allow_constant)
    draw = Draw(samples, split.value, density, graph_seed)
    dataset = read_data(data, draw, columns, trained)
    dataset = fitting(dataset, trained, model)
    outcome = hold_against(trained, dataset, threshold=threshold)
    if strict and outcome.comparison is None:
        raise DataError(f"{data}: lacks true latents or the true graph, which --strict needs; leave it out")
    notes = [_TRAINED_ON] if fingerprint(dataset) == trained.data_fingerprint else []
    _tell(model, trained, dataset, outcome, notes, as_json, aside=report is not None)
    if report is not None:
        from estimation.report import evaluation_page
        from identify.files import write_whole

        write_whole(report, evaluation_page(trained, dataset, outcome))
    return int(strict and not outcome.comparison)


def _tell(
    folder: Path,
    model: TrainedModel,
    dataset: Dataset,
    outcome: Evaluation,
    notes: list[str],
    as_json: bool,
    aside: bool,
) -> None:
    if as_json:
        from estimation.report.rows import graph_record

        record = {"model": str(folder), "data": dataset.name, "graph": graph_record(model.graph)}
        print_json({**record, **outcome.to_dict(), "notes": notes})
        return
    from estimation.report.terminal import show_evaluation

    show(show_evaluation(f"{folder} on {dataset!r}", outcome), aside)
    for note in notes:
        show(f"note: {note}", aside)
