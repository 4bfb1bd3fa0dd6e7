"""``mechsparse train``: from data to a model in a folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
    Time,
)
from estimation.commands.sources import Columns, Draw, is_file, read_data, require_place
from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.config.training import PRESETS, SPARSE_VAE
from identify.commands.options import AsJson, print_json, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from estimation.config.training import TrainingConfig
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.scores import Evaluation
    from estimation.history import Record
    from estimation.trained import TrainedModel

__all__ = ["train"]

_STATE = "state"
_MANIFEST = "manifest.json"
_VALIDATION = 2_000


def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where to write the model.")],
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Settings of training.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting, over those of the file; may be repeated. "
            "Known are the fields of estimation.config.training.TrainingConfig, or BaselineConfig.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"The sparse VAE, or a baseline: {', '.join(BASELINES)}."),
    ] = SPARSE_VAE,
    max_edges_actions: Annotated[
        int | None, typer.Option(metavar="N", help="Budget: most edges of G^a.", show_default="no limit")
    ] = None,
    max_edges_past: Annotated[
        int | None, typer.Option(metavar="N", help="Budget: most edges of G^z.", show_default="no limit")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Optimisation steps.", show_default=str(PRESETS["fast"]["steps"])),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of weights, batches and noise.", show_default="0")
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--restart",
            help="An interrupted run left its state in FOLDER/state: go on from there, or begin anew.",
            show_default=False,
        ),
    ] = None,
    checkpoint_every: Annotated[
        int, typer.Option(metavar="N", min=1, help="Steps between two states to resume from.")
    ] = 1_000,
    convolutional: Annotated[
        bool,
        typer.Option("--convolutional", help="Encoder and decoder for images, instead of MLPs on long rows."),
    ] = False,
    validation: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Data to look at while training.", show_default="5% of the rows"),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the history for TensorBoard.", show_default=False),
    ] = None,
    report: Report = None,
    samples: Samples = None,
    split: SplitOf = Split.train,
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
) -> None:
    """Train a sparse-mechanism VAE: latents, and the graph of what acts on them.

    At least one edge budget is needed: G^a holds who is acted on by which action, G^z by which past latent.
    The folder gets the model, and the learned graph as graph.json for the other commands; of a model that was there
    before, nothing stays. Baselines, which learn no graph, need no budget.

    \b
    Examples:
      mechsparse simulate ActionBlockDiag -n 20000 -o train.npz
      mechsparse train train.npz -o model --max-edges-actions 10 --report report.html
      mechsparse train TimeDiag -n 50000 -o model --max-edges-past 10
      mechsparse train train.npz -o baseline --method ivae
      mechsparse train cells.csv -o model --observations 'gene*' --categorical drug \\
          --set n_latents=6 --max-edges-actions 9
      mechsparse train table.csv -o model --images file --actions push --convolutional \\
          --set n_latents=4 --max-edges-past 6 --set steps=3000
    """
    columns = Columns(observations, actions, latents, categorical, episode, time, images, allow_constant)
    draw = Draw(samples, split.value, density, graph_seed)
    flags = {
        "max_edges_actions": max_edges_actions,
        "max_edges_past": max_edges_past,
        "steps": steps,
        "seed": seed,
    }
    run = _Run(out, report, tensorboard, resume, checkpoint_every)
    chosen = _config(method, config, settings or [], flags)
    dataset = read_data(data, draw, columns)
    held_out = _validation(validation, draw, columns, dataset)
    _require_budgets(dataset, chosen)
    model = run.fit(dataset, held_out, chosen, _networks(dataset, chosen) if convolutional else {})
    where = "the training data" if held_out is None else "the validation data"
    measured = dataset if held_out is None else held_out
    run.tell(model, measured, run.evaluation(model, measured), where, as_json)


@dataclass(frozen=True)
class _Run:
    """The folders and files of a run."""

    out: Path
    report: Path | None
    tensorboard: Path | None
    resume: bool | None
    checkpoint_every: int

    def fit(
        self,
        dataset: Dataset,
        held_out: Dataset | None,
        config: TrainingConfig | BaselineConfig,
        networks: Mapping[str, nn.Module],
    ) -> TrainedModel:
        from estimation.storage.folders import forget_folder
        from estimation.training.loop import fit
        from identify.files import make_folder

        require_place(self.report)
        state = self.out / _STATE
        self._settle(state)
        goes_on = (state / _MANIFEST).exists()
        with _history_writer(self.tensorboard, goes_on) as on_record:
            make_folder(self.out)
            model = fit(
                dataset,
                config,
                validation=held_out,
                checkpoint=state,
                checkpoint_every=self.checkpoint_every,
                on_record=on_record,
                encoder=networks.get("encoder"),
                decoder=networks.get("decoder"),
            )
        model.save(self.out, self._announced())
        forget_folder(state)
        return model

    def _announced(self) -> tuple[str, ...]:
        """A report in the model's folder, which goes with the model when another takes its place."""
        if self.report is None or self.report.resolve().parent != self.out.resolve():
            return ()
        return (self.report.name,)

    def _settle(self, state: Path) -> None:
        """Never lose hours of an interrupted run because an option was left out."""
        from estimation.exceptions import CheckpointError
        from estimation.storage.folders import forget_folder

        if self.resume is False:
            forget_folder(state)
        elif self.resume is None and (state / _MANIFEST).exists():
            raise CheckpointError(
                f"{state}: holds an unfinished run; give --resume to go on with it, or --restart"
            )

    def evaluation(self, model: TrainedModel, dataset: Dataset) -> Evaluation | None:
        """What the model got right, when the truth is known."""
        if dataset.latents is None:
            return None
        from estimation.evaluation.scores import evaluate

        return evaluate(model, dataset)

    def tell(
        self, model: TrainedModel, dataset: Dataset, outcome: Evaluation | None, where: str, as_json: bool
    ) -> None:
        from estimation.report.rows import training_record

        record = {"data": dataset.name, "model": str(self.out), **training_record(model)}
        record["evaluated_on"] = None if outcome is None else where
        record["evaluation"] = None if outcome is None else outcome.to_dict()
        record["notes"] = [*dataset.notes, *model.history.notes]
        if as_json:
            print_json(record)
        else:
            from estimation.report.terminal import show_training

            show(show_training(f"{self.out}", model, outcome, where, dataset.notes), aside=True)
        if self.report is not None:
            from estimation.report import training_page
            from identify.files import write_whole

            write_whole(self.report, training_page(model, dataset, outcome, where))


def _config(
    method: str, file: Path | None, settings: list[str], flags: dict[str, int | None]
) -> TrainingConfig | BaselineConfig:
    from estimation.config.settings import read_settings
    from estimation.config.training import read_config

    changes = [*settings, *(f"{name}={value}" for name, value in flags.items() if value is not None)]
    if method == SPARSE_VAE:
        return read_config(file, changes)
    if method not in BASELINES:
        from estimation.exceptions import ConfigError

        raise ConfigError(f"--method is {method!r}; it is one of {', '.join([SPARSE_VAE, *BASELINES])}")
    return read_settings(BaselineConfig, file, changes, method=method)


def _networks(dataset: Dataset, config: TrainingConfig | BaselineConfig) -> dict[str, nn.Module]:
    """The convolutional pair for these images."""
    from estimation.exceptions import ConfigError
    from estimation.models.convolutional import ConvDecoder, ConvEncoder
    from estimation.models.representation import Shape

    image = dataset.observation_shape
    if image is None:
        raise ConfigError("--convolutional is for images, and these data have none; leave it out")
    n_latents = Shape.of(dataset, config.n_latents).n_latents
    return {
        "encoder": ConvEncoder(image, n_latents, config.seed),
        "decoder": ConvDecoder(n_latents, image, config.seed),
    }


def _validation(data: str | None, draw: Draw, columns: Columns, dataset: Dataset) -> Dataset | None:
    if data is None:
        return None
    if is_file(data):
        return read_data(data, Draw(None, Split.valid.value, None, None), columns, dataset)
    # of a published process other samples than those trained on
    drawn = replace(draw, split=Split.valid.value, samples=draw.samples or _VALIDATION)
    return read_data(data, drawn, Columns())


def _require_budgets(dataset: Dataset, config: TrainingConfig | BaselineConfig) -> None:
    from estimation.exceptions import ConfigError

    if isinstance(config, BaselineConfig):
        return
    if config.sparsity not in ("budget", "constraint"):
        return
    if config.max_edges_actions is not None or config.max_edges_past is not None:
        return
    wanted = []
    for present, kind, name in ((dataset.n_actions, "actions", "Ga"), (dataset.n_steps > 1, "past", "Gz")):
        if present:
            truth = (
                "" if dataset.graph is None else f" (the true graph has {getattr(dataset.graph, name).nnz})"
            )
            wanted.append(f"--max-edges-{kind} N{truth}")
    if not wanted:
        raise ConfigError("these data have no actions and no past, so that nothing can be sparse")
    raise ConfigError(
        f"no edge budget is set; give {' or '.join(wanted)}, or --set sparsity=adaptive, penalty or none"
    )


@contextlib.contextmanager
def _history_writer(folder: Path | None, goes_on: bool) -> Iterator[Callable[[Record], None] | None]:
    """Write every record of the history for TensorBoard, as it comes; of another run, nothing stays in the folder."""
    if folder is None:
        yield None
        return
    from torch.utils.tensorboard import SummaryWriter

    from estimation.storage.companions import announce, forget_written
    from identify.files import make_folder

    if not goes_on:
        forget_written(folder)
    before = {path.name for path in make_folder(folder).iterdir()}
    with SummaryWriter(str(folder)) as writer:
        announce(folder, sorted({path.name for path in folder.iterdir()} - before))
        yield lambda record: _write_record(writer, record)


def _write_record(writer: Any, record: Record) -> None:
    bound = {
        "negative_elbo/total": record.negative_elbo,
        "negative_elbo/reconstruction": record.reconstruction,
        "negative_elbo/divergence": record.divergence,
    }
    scalars = {
        "loss": record.loss,
        **(bound if record.has_bound else {"held_out_loss": record.reconstruction}),
        **{f"edges/{name}": count for name, count in record.edges.items()},
        **{f"budget/{name}": count for name, count in record.budget.items()},
    }
    for name, value in scalars.items():
        writer.add_scalar(name, value, record.step)
