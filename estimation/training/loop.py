"""`fit`: train a model of any method, step by step, resumable after any step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from estimation.config.baselines import BaselineConfig
from estimation.config.training import TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.dataset.holdout import training_pairs
from estimation.device import default_modes, thread_count
from estimation.diagnostics import Diagnostics
from estimation.exceptions import CheckpointError, ConfigError, TrainingError
from estimation.history import History, Record
from estimation.latent_count import LatentCount
from estimation.trained import TrainedModel
from estimation.training import checkpointing
from estimation.training.baseline_procedure import BaselineProcedure
from estimation.training.distributional_change import VARYING_NOTE
from estimation.training.gaps import gap_notes
from estimation.training.latent_search import (
    find_latent_count,
    with_latents,
    with_superfluous,
    without_superfluous,
)
from estimation.training.procedure import Initialisation, Procedure, StepLoss
from estimation.training.progress import Advance, progress_line
from estimation.training.requirements import require_finite
from estimation.training.restart_states import StoredRestarts
from estimation.training.restarts import MAX_ROWS, Restarts, is_doubtful, restart_seed
from estimation.training.sparse_vae_procedure import SparseVAEProcedure
from estimation.training.starts import best_start

__all__ = ["Run", "fit", "short_run"]


@default_modes
def fit(
    dataset: Dataset,
    config: TrainingConfig | BaselineConfig | None = None,
    *,
    validation: Dataset | None = None,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1000,
    progress: bool | None = None,
    on_record: Callable[[Record], None] | None = None,
    latent_count: LatentCount | None = None,
) -> TrainedModel:
    """Train a model: a `SparseVAE`, or a baseline if the settings are a `BaselineConfig`.

    The same seed gives the same numbers on the same machine with the same number of threads, from any number of
    Python threads at once, and whatever the caller has set as torch's defaults and modes. torch's global state is not
    changed.

    Args:
        dataset: Observations with a past, actions, or both. Sequences longer than two steps are cut into pairs. Among
            the baselines, iVAE needs actions, SlowVAE and PCL need sequences, and the supervised encoder needs the true
            latents.
        config: Settings. The default `TrainingConfig` has no edge budgets, which is an error: set one, or
            ``sparsity="adaptive"`` or ``"none"``.
        validation: Held-out data. When left out, `estimation.dataset.holdout.hold_out` takes 5 % of the rows or
            sequences of ``dataset``, which are then not trained on.
        encoder: User-supplied module from standardised observations (B, d_x) to (B, n). It is trained in place, once
            (``restarts="auto"`` repeats no run with it); with two restarts or more, each trains a copy.
        decoder: User-supplied module from (B, n) to (B, d_x), for methods that decode.
        checkpoint: Folder for the state of the run. A run that finds its own state there resumes from it, and ends with
            the numbers of an uninterrupted run.
        checkpoint_every: Steps between two checkpoints.
        progress: Whether to show a progress bar with the time left on standard error; None shows it on a terminal only.
        on_record: Called with every record of the history; with restarts, with those of each of them in turn.
        latent_count: Result of `estimation.training.counting.count_latents` on the same data, which
            ``n_latents="auto"`` then does not repeat.

    Returns:
        The trained model. That of a baseline has no graph, and ``decode`` and ``negative_elbo`` only where the method
        has a decoder.

    Raises:
        ConfigError: If settings contradict the data or each other.
        DataError: If the data lack what the method needs, if validation data hold an action value that the training
            data do not, if an action has the name of a learned latent (``v0``), or if there are too few data to hold
            some out.
        TrainingError: If the loss is not finite; the message names the step and the likely cause. With restarts, if
            this happens in all of them.
        CheckpointError: If the folder holds a damaged state, or that of a run with other settings or on other data, as
            `estimation.dataset.fingerprint.fingerprint` distinguishes them.

    Example:
        >>> from estimation.simulate import simulate
        >>> data = simulate("ActionBlockDiag", 300)
        >>> config = TrainingConfig(max_edges_actions=10, steps=20, width=8, transition_width=4, batch_size=64)
        >>> fit(data, config)
        TrainedModel(20 observed, 10 latents, 5 actions, 10 edges)
        >>> fit(data, BaselineConfig("ivae", steps=20, width=8, batch_size=64))
        TrainedModel(20 observed, 10 latents, 5 actions, ivae)
    """
    given = config or TrainingConfig()
    if latent_count is not None and getattr(given, "n_latents", None) != "auto":
        raise ConfigError(f"latent_count is given, and n_latents is {given.n_latents}, not 'auto'; keep one")
    settings = with_latents(given, None)
    kind = BaselineProcedure if isinstance(settings, BaselineConfig) else SparseVAEProcedure
    kind.require_data(dataset, settings)  # type: ignore[arg-type]
    pairs, held_out = training_pairs(dataset, validation, settings.seed)
    if validation is not None:
        kind.require_data(held_out, settings)  # type: ignore[arg-type]
    folder = None if checkpoint is None else Path(checkpoint)
    fingerprints = checkpointing.fingerprints(dataset, validation)

    with thread_count(settings.threads):
        inputs = Initialisation(pairs, held_out, encoder, decoder)
        inputs = replace(inputs, scales=inputs.measured_scales(settings, dataset))
        run = _Training(
            kind, given, inputs, dataset, fingerprints, progress, on_record, folder, checkpoint_every
        )
        return run.best(latent_count)


@dataclass(frozen=True)
class _Training:
    """Everything that the restarts of a run share."""

    kind: type[BaselineProcedure] | type[SparseVAEProcedure]
    settings: TrainingConfig | BaselineConfig
    inputs: Initialisation
    dataset: Dataset
    fingerprints: checkpointing.Fingerprints
    progress: bool | None
    on_record: Callable[[Record], None] | None
    folder: Path | None
    checkpoint_every: int
    count: LatentCount | None = None

    def best(self, count: LatentCount | None = None) -> TrainedModel:
        """Train every restart, from the stored state if there is one, and return the best model."""
        state = None
        if self.folder is not None:
            state = checkpointing.read(self.folder, self.settings, self.fingerprints)
        if isinstance(self.settings, BaselineConfig):
            return self._train(0, state, None)
        count = count or (None if state is None else state.latent_count)
        if count is None and self.settings.n_latents == "auto":
            count = find_latent_count(self.settings, self.inputs, short_run, self.progress)
        return self._with_count(count)._best_restart(state)

    def _with_count(self, count: LatentCount | None) -> _Training:
        """Return the training of models with the number of latents that was found, if there is one."""
        self.kind.require_data(self.dataset, with_latents(self.settings, count))  # type: ignore[arg-type]
        return replace(self, count=count)

    def _best_restart(self, state: checkpointing.State | None) -> TrainedModel:
        assert isinstance(self.settings, TrainingConfig)
        restarts = Restarts.of(self.settings, self.inputs.has_own_networks)
        if restarts.count == 1:
            return self._train(0, state, None)
        training = self
        if state is not None:
            training._restore(restarts, state)
        while (number := restarts.next) is not None:
            try:
                model = training._train(number, state, restarts)
            except TrainingError as error:
                if restarts.only_if_doubtful and not number:
                    raise
                restarts.add_failure(error)
            else:
                if restarts.only_if_doubtful and not number and not is_doubtful(model.diagnostics):
                    return model
                restarts.add(model, self.inputs.held_out, self.settings.seed)
                # all restarts have the number of latents of the first
                training = replace(training, count=model.history.latent_count)
            state = None
        return restarts.conclude()

    def _begin(self, number: int, restarts: Restarts | None, start: int = 0, varying: bool = False) -> Run:
        """Return a restart before its first step, with the weights of one of its random starts."""
        settings, inputs = with_latents(self.settings, self.count), self.inputs
        inputs = replace(inputs, start=start, varying_variances=varying)
        if number:
            settings = settings.replace(seed=restart_seed(settings.seed, number))
        if restarts is not None:
            # restarts share the initial weights of user-supplied networks, so none may train them in place
            inputs = inputs.with_copied_networks()
        procedure = self.kind(settings, inputs)  # type: ignore[arg-type]
        return Run(procedure, self.settings, self.fingerprints, restart=number, restarts=restarts)

    def _train(
        self, number: int, state: checkpointing.State | None, restarts: Restarts | None
    ) -> TrainedModel:
        """Train one restart to its end."""
        varying_variances, training, started = False, self, time.monotonic()

        def begin(start: int) -> Run:
            return training._begin(number, restarts, start, varying_variances)

        def revise(run: Run) -> Run | None:
            nonlocal varying_variances
            varying_variances = run.procedure.variances_change(run.step)
            return begin(0) if varying_variances else None

        run = begin(0)
        if state is not None and state.step:
            run.restore(state)
        else:
            run.history.latent_count = self.count
            if self.folder is not None and number:
                run.save_checkpoint(self.folder)
            can_vary = run.procedure.can_vary_variances
            run = best_start(
                run, begin, run.procedure.n_starts, self.progress, revise if can_vary else None, run.title
            )
            if not number and self.count is None:
                count = without_superfluous(run, self.settings, self.inputs, short_run)
                if count is not None:
                    training = self._with_count(count)
                    run = best_start(begin(0), begin, run.procedure.n_starts, self.progress, None, run.title)
                    run.seconds = time.monotonic() - started
            if training.count is not None:
                run.note_latents(training.count)
            if varying_variances:
                run.history.notes.append(VARYING_NOTE)
            for record in run.history.records if self.on_record else ():
                self.on_record(record)  # type: ignore[misc]
        run.train(self.progress, self.on_record, self.folder, self.checkpoint_every)
        diagnostics, notes = run.procedure.diagnose(run.step)
        run.history.notes.extend([*notes, *gap_notes(run.procedure.model, self.dataset)])
        return self._model_of(run, with_superfluous(diagnostics, training.count))

    def _model_of(self, run: Run, diagnostics: Diagnostics | None) -> TrainedModel:
        digest = self.fingerprints["training"]
        return TrainedModel.of(
            run.procedure.model, self.settings, run.history, self.dataset, digest, diagnostics
        )

    def _restore(self, restarts: Restarts, state: checkpointing.State) -> None:
        """Add the finished restarts of a stored state, with the model of the best of them."""
        stored = state.restarts
        if stored is None:
            raise CheckpointError("the state of the run is damaged (its restarts are missing)")
        restarts.finished.extend(stored.finished)
        best = restarts.best
        run = self._begin(best or 0, restarts)
        n_rows = min(MAX_ROWS, len(self.inputs.held_out))
        stored.require_consistent(restarts.count, best, n_rows, run.procedure.model.shape.n_latents)
        if best is not None and stored.history is not None:
            stored.load_into(run.procedure.model)
            run.history = stored.history
            restarts.kept = self._model_of(run, stored.finished[best].diagnostics)


def short_run(config: TrainingConfig, inputs: Initialisation) -> Run:
    """Return a run before its first step that is not stored, for the search for the number of latents."""
    return Run(SparseVAEProcedure(config, inputs), config, {})


@dataclass
class Run:
    """A training run: the steps that it has taken, and what was recorded of them.

    Attributes:
        procedure: Procedure of the method.
        config: Settings of the run.
        fingerprints: Digests of the data.
        history: Records and notes so far.
        step: Number of steps taken.
        seconds: Time spent.
        stale: Number of evaluations since held-out data were fitted best.
        restart: Number of the restart, from 0.
        restarts: The finished restarts; None in a run without restarts.
    """

    procedure: Procedure
    config: TrainingConfig | BaselineConfig
    fingerprints: checkpointing.Fingerprints
    history: History = field(default_factory=History)
    step: int = 0
    seconds: float = 0.0
    stale: int = 0
    restart: int = 0
    restarts: Restarts | None = None

    @property
    def title(self) -> str:
        """The restart, as the progress bar shows it."""
        return "" if self.restarts is None else self.restarts.title(self.restart)

    @property
    def n_dense_steps(self) -> int:
        """Number of steps before edges are removed."""
        return self.procedure.n_dense_steps

    def note_latents(self, count: LatentCount) -> None:
        """Put the search for the number of latents first in the history, before the first step of the run."""
        self.history.latent_count = count
        self.history.notes.insert(0, count.note)

    def restore(self, state: checkpointing.State) -> None:
        """Continue from a stored state."""
        checkpointing.restore_into(state, self.procedure)
        self.step, self.seconds = state.step, state.seconds
        self.history, self.stale = state.history, state.stale

    def advance(self) -> tuple[StepLoss, Record | None]:
        """Take one step; return its loss, and a record where one is due."""
        start = time.monotonic() - self.seconds
        # before a step, so that a run that resumes from its state does not repeat it
        self.history.notes.extend(self.procedure.before_step(self.step))
        loss = self._take_step()
        self.step += 1
        self.seconds = time.monotonic() - start
        record = None
        if self.step % self.config.validate_every == 0 or self.step == self.procedure.n_steps:
            record = self.procedure.record(self.step, loss, self.seconds)
            record = replace(record, restart=self.restart)
            self.history.records.append(record)
        self.seconds = time.monotonic() - start
        return loss, record

    def train(
        self,
        progress: bool | None,
        on_record: Callable[[Record], None] | None,
        folder: Path | None,
        checkpoint_every: int,
    ) -> None:
        """Take all remaining steps, and complete the model."""
        total = self.procedure.n_steps
        with progress_line(total, self.step, progress, self.title) as advance:
            while self.step < total:
                loss, record = self.advance()
                if record is not None and on_record is not None:
                    on_record(record)
                if record is not None and self._should_stop():
                    break
                if folder is not None and (self.step % checkpoint_every == 0 or self.step == total):
                    self.save_checkpoint(folder)
                label = self.procedure.label(self.step - 1)
                advance(self.step, f"{label}, loss {float(loss.reported.detach()):.3f}")
            self._finish(advance)

    def save_checkpoint(self, folder: Path) -> None:
        """Write the state of the run."""
        restarts = None if self.restarts is None else StoredRestarts.of(self.restarts)
        state = checkpointing.State(self.step, self.seconds, self.history, self.stale, restarts)
        checkpointing.write(folder, self.config, self.fingerprints, state, self.procedure)

    def held_out_loss(self) -> float:
        """Return the loss on held-out data, by which random starts are compared."""
        return self.procedure.held_out_loss()

    def _take_step(self) -> StepLoss:
        self.procedure.set_rates(self.step)
        loss = self.procedure.loss(self.step)
        stage = self.procedure.stage(self.step)
        require_finite(loss.objective, self.config.learning_rate, self.step, stage)
        for optimiser in self.procedure.optimisers:
            optimiser.zero_grad()
        loss.objective.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.procedure.optimisers:
            optimiser.step()
        self.procedure.after_step(self.step, loss)
        return loss

    def _should_stop(self) -> bool:
        patience = self.procedure.patience_at(self.step)
        if patience is None:
            return False
        stage = self.procedure.stage(self.step - 1)
        losses = [record.negative_elbo for record in self.history.records if record.stage == stage]
        self.stale = 0 if losses[-1] <= min(losses) else self.stale + 1
        return self.stale >= patience

    def _finish(self, advance: Advance) -> None:
        start = time.monotonic() - self.seconds
        notes, terms = self.procedure.finish(self.step, lambda text: advance(self.step, text))
        self.history.notes.extend(notes)
        if terms is not None and self.history.records:
            # the last record describes the model as it ends
            self.history.records[-1] = replace(
                self.history.records[-1],
                reconstruction=terms["reconstruction"],
                divergence=terms["divergence"],
                seconds=time.monotonic() - start,
                **self.procedure.edge_record(),
            )
