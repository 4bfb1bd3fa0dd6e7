"""``mechsparse train``: train a model on data, and write it to a folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estimation.commands.data_options import DataOptions, takes_data_options
from estimation.commands.influence_options import (
    FamilyOption,
    InfluenceFile,
    MechanismsFile,
    TimeLimit,
    sparse_by_influence,
)
from estimation.commands.options import Data, Report, Split
from estimation.commands.sources import is_file, read_data, require_folder_of
from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.config.training import PRESETS, SPARSE_VAE
from estimation.exceptions import ConfigError
from identify.commands.check import Family
from identify.commands.options import AsJson, print_json, say, show

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
_N_VALIDATION_SAMPLES = 2_000


@takes_data_options(Split.train)
def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write the model to.")],
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Settings of training.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting, which overrides the file; may be repeated. "
            "The settings are the fields of estimation.config.TrainingConfig, or BaselineConfig.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"The sparse VAE, or a baseline: {', '.join(BASELINES)}."),
    ] = SPARSE_VAE,
    n_latents: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Number of latents; auto finds it.", show_default="the true one"),
    ] = None,
    max_edges_actions: Annotated[
        int | None,
        typer.Option(metavar="N", help="Budget: maximum number of edges of G^a.", show_default="no limit"),
    ] = None,
    max_edges_past: Annotated[
        int | None,
        typer.Option(metavar="N", help="Budget: maximum number of edges of G^z.", show_default="no limit"),
    ] = None,
    sparse_actions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Action whose column of G^a is sparse; may be repeated. The other columns keep all their edges, none "
            "of which counts.",
            show_default="all actions",
        ),
    ] = None,
    mechanisms: MechanismsFile = None,
    influence: InfluenceFile = None,
    family: FamilyOption = Family.nonparametric,
    time_limit: TimeLimit = 120.0,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Optimisation steps.", show_default=str(PRESETS["fast"]["steps"])),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of weights, batches and noise.", show_default="0")
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--restart",
            help="An interrupted run leaves its state in FOLDER/state: resume from there, or start from scratch.",
            show_default=False,
        ),
    ] = None,
    checkpoint_every: Annotated[
        int, typer.Option(metavar="N", min=1, help="Steps between two checkpoints to resume from.")
    ] = 1_000,
    convolutional: Annotated[
        bool,
        typer.Option(
            "--convolutional",
            help="Use a convolutional encoder and decoder for images, instead of MLPs on flattened pixels.",
        ),
    ] = False,
    validation: Annotated[
        str | None,
        typer.Option(
            metavar="DATA", help="Data for validation during training.", show_default="5% of the rows"
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the history for TensorBoard.", show_default=False),
    ] = None,
    report: Report = None,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> None:
    """Train a sparse-mechanism VAE: it learns latents, and the graph of the actions and past latents that affect them.

    At least one edge budget is required: G^a has the edges from actions to latents, G^z those from past latents.
    The command writes the model to the folder, and the learned graph as graph.json for the other commands; a previous
    model in the folder is removed. Baselines learn no graph and need no budget.

    \b
    Examples:
      mechsparse simulate ActionBlockDiag -n 20000 -o train.npz
      mechsparse train train.npz -o model --max-edges-actions 10 --report report.html
      mechsparse train TimeDiag -n 50000 -o model --max-edges-past 10
      mechsparse train train.npz -o baseline --method ivae
      mechsparse train cells.csv -o model --observations 'gene*' --categorical drug \\
          --n-latents auto --max-edges-actions 9
      mechsparse train table.csv -o model --images file --actions push --convolutional \\
          --n-latents 4 --max-edges-past 6 --set steps=3000
    """
    options, n_latents = options.with_latent_count(n_latents)
    overrides = {
        "n_latents": n_latents,
        "max_edges_actions": max_edges_actions,
        "max_edges_past": max_edges_past,
        # a list of JSON is one of TOML
        "sparse_actions": json.dumps(sparse_actions, ensure_ascii=False) if sparse_actions else None,
        "steps": steps,
        "seed": seed,
    }
    run = _Run(out, report, tensorboard, resume, checkpoint_every)
    resolved = _config(method, config, settings or [], overrides)
    dataset = read_data(data, options)
    held_out = _validation_data(validation, options, dataset)
    notes = []
    if mechanisms is not None or influence is not None:
        if isinstance(resolved, BaselineConfig):
            raise ConfigError(f"--method {method} learns no graph; leave --mechanisms and --influence out")
        resolved, line = sparse_by_influence(resolved, dataset, mechanisms, influence, family, time_limit)
        notes.append(line)
        if not as_json:
            say(line, optional=True)
    _require_budgets(dataset, resolved)
    networks = _convolutional_networks(dataset, resolved) if convolutional else {}
    model = run.fit(dataset, held_out, resolved, networks)
    evaluated_on = "the training data" if held_out is None else "the validation data"
    kept = () if held_out is None else tuple(dict.fromkeys((*dataset.notes, *held_out.notes)))
    evaluated = dataset if held_out is None else replace(held_out, notes=kept)
    run.print(model, evaluated, run.evaluation(model, evaluated), evaluated_on, as_json, notes)


@dataclass(frozen=True)
class _Run:
    """Folders and files of a run."""

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
        from identify.files import folder_if_successful

        require_folder_of(self.report)
        state = self.out / _STATE
        self._resume_or_forget(state)
        is_resumed = (state / _MANIFEST).exists()
        with folder_if_successful(self.out), _history_writer(self.tensorboard, is_resumed) as on_record:
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
        model.save(self.out, self._later_files())
        forget_folder(state)
        return model

    def _later_files(self) -> tuple[str, ...]:
        """Return the report if it is in the model's folder, so that it is removed together with the model."""
        if self.report is None or self.report.resolve().parent != self.out.resolve():
            return ()
        return (self.report.name,)

    def _resume_or_forget(self, state: Path) -> None:
        """Require --resume or --restart for an interrupted run, so that its hours are not lost by accident."""
        from estimation.exceptions import CheckpointError
        from estimation.storage.folders import forget_folder

        if self.resume is False:
            forget_folder(state)
        elif self.resume is None and (state / _MANIFEST).exists():
            raise CheckpointError(
                f"{state}: holds an unfinished run; give --resume to continue it, or --restart"
            )

    def evaluation(self, model: TrainedModel, dataset: Dataset) -> Evaluation | None:
        """Return the evaluation of the model, if the data have true latents."""
        if dataset.latents is None:
            return None
        from estimation.evaluation.scores import evaluate

        return evaluate(model, dataset)

    def print(
        self,
        model: TrainedModel,
        dataset: Dataset,
        evaluation: Evaluation | None,
        evaluated_on: str,
        as_json: bool,
        notes: list[str],
    ) -> None:
        """Print the result of the run, and write its report.

        Args:
            model: The trained model.
            dataset: The data that it was evaluated on.
            evaluation: The evaluation; None without ground truth.
            evaluated_on: Description of these data.
            as_json: Whether to print JSON.
            notes: Lines that were printed before training; JSON contains them.
        """
        from estimation.report.rows import training_record

        record = {"data": dataset.name, "model": str(self.out), **training_record(model)}
        record["evaluated_on"] = None if evaluation is None else evaluated_on
        record["evaluation"] = None if evaluation is None else evaluation.to_dict()
        record["notes"] = [*notes, *dataset.notes, *model.history.notes]
        if as_json:
            print_json(record)
        else:
            from estimation.report.terminal import show_training

            table = show_training(f"{self.out}", model, evaluation, evaluated_on, dataset.notes)
            show(table, optional=True)
        if self.report is not None:
            from estimation.report import training_page
            from identify.files import write_whole

            write_whole(self.report, training_page(model, dataset, evaluation, evaluated_on))


def _config(
    method: str, file: Path | None, settings: list[str], overrides: dict[str, int | str | None]
) -> TrainingConfig | BaselineConfig:
    from estimation.config.settings import read_settings
    from estimation.config.training import read_config

    changes = [*settings, *(f"{name}={value}" for name, value in overrides.items() if value is not None)]
    if method == SPARSE_VAE:
        return read_config(file, changes)
    if method not in BASELINES:
        raise ConfigError(f"--method is {method!r}; it is one of {', '.join([SPARSE_VAE, *BASELINES])}")
    return read_settings(BaselineConfig, file, changes, method=method)


def _convolutional_networks(
    dataset: Dataset, config: TrainingConfig | BaselineConfig
) -> dict[str, nn.Module]:
    """Return a convolutional encoder and decoder for these images."""
    from estimation.models.convolutional import ConvDecoder, ConvEncoder
    from estimation.models.representation import Shape

    image = dataset.observation_shape
    if image is None:
        raise ConfigError("--convolutional is for images, and these data have none; leave it out")
    n_latents = Shape.of(dataset, config.n_latents).n_latents
    return {
        "encoder": ConvEncoder(image, n_latents, config.seed, n_covariates=dataset.n_covariates),
        "decoder": ConvDecoder(n_latents + dataset.n_covariates, image, config.seed),
    }


def _validation_data(data: str | None, options: DataOptions, dataset: Dataset) -> Dataset | None:
    if data is None:
        return None
    if is_file(data):
        unset = replace(options, samples=None, density=None, graph_seed=None, memory_map=None)
        return read_data(data, unset, dataset)
    # of a published process, another split than the training data
    process = DataOptions(
        samples=options.samples or _N_VALIDATION_SAMPLES,
        split=Split.valid,
        density=options.density,
        graph_seed=options.graph_seed,
    )
    return read_data(data, process)


def _require_budgets(dataset: Dataset, config: TrainingConfig | BaselineConfig) -> None:
    if isinstance(config, BaselineConfig):
        return
    if config.sparsity not in ("budget", "constraint"):
        return
    if config.max_edges_actions is not None or config.max_edges_past is not None:
        return
    columns = config.sparse_columns(dataset.action_names, dataset.n_steps > 1)
    has_sparse_past = dataset.n_steps > 1 and not columns.past_is_dense
    graph = None if dataset.graph is None else columns.part_of(dataset.graph)
    where = "" if columns.complete else " there"
    budgets = []
    for has_mask, kind, name in ((columns.actions, "actions", "Ga"), (has_sparse_past, "past", "Gz")):
        if has_mask:
            truth = "" if graph is None else f" (the true graph has {getattr(graph, name).nnz}{where})"
            budgets.append(f"--max-edges-{kind} N{truth}")
    if not budgets and not columns.complete:
        # training refuses it, and says which settings leave no column sparse
        return
    if not budgets:
        raise ConfigError("these data have no actions and no past, so there are no mechanisms to learn")
    raise ConfigError(
        f"no edge budget is set; give {' or '.join(budgets)}, or --set sparsity=adaptive, penalty or none"
    )


@contextlib.contextmanager
def _history_writer(folder: Path | None, is_resumed: bool) -> Iterator[Callable[[Record], None] | None]:
    """Write the records of the history for TensorBoard as they arrive; the history of another run is removed.

    Yields:
        A function to call with every record; None without a folder.
    """
    if folder is None:
        yield None
        return
    from torch.utils.tensorboard import SummaryWriter

    from estimation.storage.companions import announce, forget_written
    from identify.files import make_folder

    if not is_resumed:
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
    # without restarts, the names are those of earlier versions
    prefix = f"restart_{record.restart + 1}/" if record.restart else ""
    for name, value in scalars.items():
        writer.add_scalar(f"{prefix}{name}", value, record.step)
