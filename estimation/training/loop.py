"""`fit`: the steps of training, one after the other, resumable at any of them."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from estimation.config.size import require_affordable_batch
from estimation.config.training import TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.dataset.holdout import hold_out, require_alike
from estimation.device import default_modes, resolve_device, thread_count
from estimation.exceptions import NotDifferentiableError
from estimation.history import History, Record
from estimation.models.elbo import LossTerms, training_loss
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.trained import TrainedModel, held_out_terms
from estimation.training import checkpointing
from estimation.training.batches import Batches, generator_for, scales
from estimation.training.optimisers import build
from estimation.training.plan import Plan
from estimation.training.post_training import NoActiveLatentsError, Polish, polishes
from estimation.training.progress import progress_line
from estimation.training.requirements import require_budgets, require_finite, require_new_names
from estimation.training.sparsity import EdgeConstraints, budget_at, budgets
from estimation.training.starts import best_start, weights_of
from estimation.training.unmixing_round import rebase_
from identify.exceptions import one_line

__all__ = ["fit"]

# the logits of the masks move faster than weights do
_MASK_RATE = 0.02
# how fast the profiled variances that the model keeps follow those of the batches
_FOLLOW = 0.05
# torch's own name for what has no solution
_SINGULAR: type[RuntimeError] = torch.linalg.LinAlgError  # type: ignore[attr-defined]
# the first of several rounds of unmixing keeps so many times the edges of the budget
_SPARE = 1.5


@default_modes
def fit(
    dataset: Dataset,
    config: TrainingConfig | None = None,
    *,
    validation: Dataset | None = None,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1000,
    progress: bool | None = None,
    on_record: Callable[[Record], None] | None = None,
) -> TrainedModel:
    """Train a SparseVAE.

    The same seed gives the same numbers on the same machine with the same number of threads, from any number of
    threads of Python's at once, and whatever the caller has set as torch's defaults and modes. Nothing of torch's
    global state is changed.

    Args:
        dataset: observations with a past, actions, or both. Sequences longer than two steps are cut into pairs.
        config: settings; the defaults of `TrainingConfig` with budgets from nowhere are an error: say how many
            edges, or ``sparsity="adaptive"`` or ``"none"``.
        validation: held-out data; when left out, `estimation.dataset.holdout.hold_out` takes 5 % of the rows or
            sequences of ``dataset``, which are then not trained on.
        encoder: a module of yours from (B, d_x) to (B, n), on standardised observations.
        decoder: a module of yours from (B, n) to (B, d_x).
        checkpoint: a folder. The state is kept there while training, and a run that finds its own state goes on
            from it, to the same numbers as an undisturbed one.
        checkpoint_every: steps between two states.
        progress: show a bar with the time left on standard error; None: on a terminal only.
        on_record: called with every record of the history.

    Returns:
        the trained model.

    Raises:
        ConfigError: settings at odds with the data or with each other.
        DataError: validation data show an action value that training never saw, an action is called like a
            learned latent (``v0``), or there is too little data to hold some out.
        TrainingError: a number stopped being finite; the text says at which step, and the likely cause.
        CheckpointError: the folder holds a damaged state, or that of another run: with other settings, or on other
            data, as `estimation.dataset.fingerprint.fingerprint` tells them apart.

    Example:
        >>> from estimation.simulate.sampling import simulate
        >>> data = simulate("ActionBlockDiag", 300)
        >>> config = TrainingConfig(max_edges_actions=10, steps=20, width=8, transition_width=4, batch_size=64)
        >>> fit(data, config)
        TrainedModel(20 observed, 10 latents, 5 actions, 10 edges)
    """
    settings = config or TrainingConfig()
    require_new_names(dataset.action_names, Shape.of(dataset, settings.n_latents).n_latents)
    if validation is None:
        pairs, held_out = (part.pairs() for part in hold_out(dataset, settings.seed))
    else:
        pairs = dataset.pairs()
        held_out = require_alike(pairs, validation.pairs())
    folder = None if checkpoint is None else Path(checkpoint)

    data = checkpointing.fingerprints(dataset, validation)

    def begin(start: int) -> _Run:
        return _Run.start(pairs, held_out, settings, encoder, decoder, start, data)

    with thread_count(settings.threads):
        run = begin(0)
        if not (folder is not None and run.resume(folder)):
            # networks of the user's begin as they are given: other starts would differ in little
            run = best_start(run, begin, 1 if encoder or decoder else settings.starts or 1, progress)
            for record in run.history.records if on_record else ():
                on_record(record)  # type: ignore[misc]
        run.train(progress, on_record, folder, checkpoint_every)
    return TrainedModel.of(run.model, settings, run.history, dataset, data["training"])


@dataclass
class _Run:
    model: SparseVAE
    config: TrainingConfig
    plan: Plan
    batches: Batches
    held_out: Dataset
    n_rows: int
    device: torch.device
    constraints: EdgeConstraints
    optimisers: list[torch.optim.Optimizer]
    data: checkpointing.Fingerprints
    history: History = field(default_factory=History)
    step: int = 0
    seconds: float = 0.0
    stale: int = 0

    @classmethod
    def start(
        cls,
        dataset: Dataset,
        held_out: Dataset,
        config: TrainingConfig,
        encoder: nn.Module | None,
        decoder: nn.Module | None,
        start: int,
        data: checkpointing.Fingerprints,
    ) -> _Run:
        assert config.batch_size is not None
        device, dtype = resolve_device(config.device), getattr(torch, config.dtype)
        shape = Shape.of(dataset, config.n_latents)
        require_budgets(shape, config)
        model = SparseVAE(shape, config, weights_of(config.seed, start), encoder, decoder)
        found = scales(dataset)
        model.set_scales_(found.x_mean, found.x_scale, found.a_mean, found.a_scale)
        model.x_centring, model.a_centring = found.x_centring, found.a_centring
        model.to(device, dtype).train()
        batches = Batches(dataset, config.batch_size, config.seed, device, dtype, like=model)
        require_affordable_batch(config.to_dict(), batches.size, shape.n_latents)
        constraints = EdgeConstraints(sorted(budgets(config))).to(device)
        run = cls(
            model, config, Plan.of(config), batches, held_out, len(dataset), device, constraints, [], data
        )
        run.optimisers = run._new_optimisers()
        return run

    def resume(self, folder: Path) -> bool:
        """Take up the state of a folder, if there is one, and say whether there was."""
        state = checkpointing.read(folder, self.config, self.data)
        if state is None:
            return False
        checkpointing.restore_into(state, self.model, self.optimisers, self.constraints)
        self.step, self.seconds = state.step, state.seconds
        self.history, self.stale = state.history, state.stale
        return True

    def advance(self) -> tuple[LossTerms, Record | None]:
        """One step, with a record where one is due."""
        begin = time.monotonic() - self.seconds
        self._enter_stage()
        terms = self._step()
        self.step += 1
        self.seconds = time.monotonic() - begin
        due = self.step % self.config.validate_every == 0 or self.step == self.plan.steps
        record = self._record(terms) if due else None
        self.seconds = time.monotonic() - begin
        return terms, record

    def train(
        self,
        progress: bool | None,
        on_record: Callable[[Record], None] | None,
        folder: Path | None,
        every: int,
    ) -> None:
        """All steps from where the run stands."""
        with progress_line(self.plan.steps, self.step, progress) as advance:
            while self.step < self.plan.steps:
                terms, record = self.advance()
                if record is not None and on_record is not None:
                    on_record(record)
                if record is not None and self._should_stop():
                    break
                if folder is not None and (self.step % every == 0 or self.step == self.plan.steps):
                    self._keep(folder)
                stage = self.plan.stage(self.step - 1)
                advance(self.step, f"{stage}, loss {float(terms.total.detach()):.3f}")
            self._freeze()
            self.model.eval()
            if polishing := polishes(self.config):
                begin = time.monotonic() - self.seconds
                found = self._held_out()
                for word, change in polishing.items():
                    advance(self.step, f"to be {word}")
                    found = self._polish(word, change, found)
                self._amend_last_record(found, time.monotonic() - begin)

    def _enter_stage(self) -> None:
        if self.step in self.plan.rebases:
            limits = self._round_limits(self.step)
            spare = self._spare(self.step) if self.config.sparsity in ("adaptive", "penalty") else None
            note = rebase_(self.model, self.batches, self.config, self.n_rows, self.step, limits, spare)
            self.history.notes.append(note)
            self.optimisers = self._new_optimisers()
        elif self.step == self.plan.dense_end and self.plan.dense_end < self.plan.steps:
            for name, masks in self.model.edges.items():
                if masks.dense and (name in budgets(self.config) or self.config.sparsity == "penalty"):
                    masks.start_sampling_()
            self.optimisers = self._new_optimisers()
        elif self.step == self.plan.frozen_start and self.plan.frozen_start < self.plan.steps:
            self._freeze()

    def _round_limits(self, start: int) -> dict[str, int]:
        """How many edges the round of unmixing that starts there keeps: more than the budget in early rounds."""
        edges = self.model.edges
        return {
            name: min(round(self._spare(start) * limit), edges[name].logits.numel())
            for name, limit in budgets(self.config).items()
            if name in edges
        }

    def _spare(self, start: int) -> float:
        """How many times the edges of the budget the round that starts there keeps."""
        rounds = len(self.plan.rebases)
        progress = self.plan.rebases.index(start) / (rounds - 1) if rounds > 1 else 1.0
        return budget_at(_SPARE, 1.0, progress)

    def _freeze(self) -> None:
        for name, masks in self.model.edges.items():
            if masks.sampled:
                masks.freeze_(budgets(self.config).get(name) if self.config.sparsity == "budget" else None)

    def _polish(self, word: str, change: Polish, before: dict[str, float]) -> dict[str, float]:
        """Change the model after the last step, unless that makes held-out data less likely, and note what came of it.

        Args:
            word: for the change.
            change: changes the model in place.
            before: the held-out terms of the model as it is.

        Returns:
            those of the model as it is then.
        """
        kept, after = copy.deepcopy(self.model.state_dict()), None
        try:
            change(self.model, self.batches, self.config, self.n_rows, self.step)
            after = self._held_out()
        # what a decoder or data can be like; whatever else goes wrong is no answer but a fault, and is raised
        except (NotDifferentiableError, NoActiveLatentsError, _SINGULAR) as error:
            reason = one_line(error, 200)
        else:
            reason = f"the held-out negative ELBO went from {before['total']:.4g} to {after['total']:.4g}"
        if after is None or not after["total"] <= before["total"]:
            self.model.load_state_dict(kept)
            word, after = f"not {word}", before
        self.history.notes.append(f"{word} after {self.step} steps: {reason}")
        return after

    def _amend_last_record(self, found: dict[str, float], seconds: float) -> None:
        """The last look is at the model as it ends, not at what it was before it was polished."""
        if self.history.records:
            self.history.records[-1] = replace(
                self.history.records[-1],
                reconstruction=found["reconstruction"],
                divergence=found["divergence"],
                seconds=seconds,
            )

    def held_out_loss(self) -> float:
        """The negative ELBO of the held-out data per observed dimension, as the model stands."""
        self.model.eval()
        loss = self._held_out()["total"]
        self.model.train()
        return loss

    def _held_out(self) -> dict[str, float]:
        return held_out_terms(self.model, self.held_out, self.config.seed)

    def _step(self) -> LossTerms:
        rate = self.plan.rate(self.step)
        for optimiser, highest in zip(
            self.optimisers, (self.config.learning_rate or 0, _MASK_RATE), strict=False
        ):
            for group in optimiser.param_groups:
                group["lr"] = highest * rate if optimiser is self.optimisers[0] else highest
        batch = self.batches.at(self.step)
        noise = generator_for(self.config.seed, self.step, self.device)
        masks = self.model.sample_masks(len(batch.observations), noise)
        terms = training_loss(self.model, batch, masks, noise, self.config.variance == "profiled")
        loss = self._with_sparsity(terms.total)
        require_finite(loss, self.config.learning_rate or 0, self.step, self.plan.stage(self.step))
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.optimisers:
            optimiser.step()
        self._after_step(terms)
        return terms

    def _with_sparsity(self, loss: Tensor) -> Tensor:
        if self.config.sparsity == "penalty":
            sampled = [masks.expected_edges() for masks in self.model.edges.values() if masks.sampled]
            return loss + self.config.penalty * sum(sampled, start=torch.zeros_like(loss))
        if self.config.sparsity == "constraint":
            return self.constraints.lagrangian(loss, self.model.edges, self._limits())
        return loss

    def _after_step(self, terms: LossTerms) -> None:
        if self.config.variance == "profiled":
            with torch.no_grad():
                weight = 1.0 if self.step == 0 else _FOLLOW
                self.model.log_variance_x.lerp_(terms.variance_x.log(), weight)
                self.model.log_variance_z.lerp_(terms.variance_z.log(), weight)
        limits = self._limits()
        if self.config.sparsity == "constraint":
            self.constraints.ascend_(self.model.edges, limits)
        elif self.config.sparsity == "budget":
            for name, limit in limits.items():
                if self.model.edges[name].sampled:
                    self.model.edges[name].project_(limit)

    def _limits(self) -> dict[str, float]:
        """The budget of every mask at this step."""
        edges = self.model.edges
        begun = [start for start in self.plan.rebases if start < self.step]
        if begun:
            return dict(self._round_limits(begun[-1]))
        limits = {name: limit for name, limit in budgets(self.config).items() if name in edges}
        return {
            name: budget_at(edges[name].logits.numel(), limit, self.plan.progress(self.step))
            for name, limit in limits.items()
        }

    def _new_optimisers(self) -> list[torch.optim.Optimizer]:
        logits = [masks.logits for masks in self.model.edges.values()]
        apart = {id(parameter) for parameter in logits}
        main = [p for p in self.model.parameters() if id(p) not in apart and p.requires_grad]
        assert self.config.optimizer is not None
        optimiser = build(main, self.config.optimizer, self.config.learning_rate or 0)
        return [optimiser, torch.optim.Adam(logits, lr=_MASK_RATE)]

    def _record(self, terms: LossTerms) -> Record:
        self.model.eval()
        held_out = held_out_terms(self.model, self.held_out, self.config.seed)
        self.model.train()
        edges = self.model.edges
        record = Record(
            step=self.step,
            stage=self.plan.stage(self.step - 1),
            loss=float(terms.total.detach()),
            reconstruction=held_out["reconstruction"],
            divergence=held_out["divergence"],
            edges={name: float(masks.expected_edges().detach()) for name, masks in edges.items()},
            budget=self._limits() if self.plan.stage(self.step - 1) != "dense" else {},
            probabilities={
                name: masks.probabilities().detach().double().tolist() for name, masks in edges.items()
            },
            seconds=self.seconds,
        )
        self.history.records.append(record)
        return record

    def _should_stop(self) -> bool:
        if self.config.patience is None or self.plan.stage(self.step - 1) != "frozen":
            return False
        frozen = [record.negative_elbo for record in self.history.records if record.stage == "frozen"]
        self.stale = 0 if frozen[-1] <= min(frozen) else self.stale + 1
        return self.stale >= self.config.patience

    def _keep(self, folder: Path) -> None:
        state = checkpointing.State(self.step, self.seconds, self.history, self.stale)
        checkpointing.write(
            folder, self.config, self.data, state, self.model, self.optimisers, self.constraints
        )
