"""`fit` for baselines: the steps of training, resumable."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from estimation.baselines.encoders import Baseline
from estimation.baselines.registry import fresh
from estimation.config.baselines import NEEDS, BaselineConfig
from estimation.config.size import require_affordable_batch
from estimation.dataset.dataset import Dataset
from estimation.dataset.holdout import hold_out, require_alike
from estimation.device import CPU_FLOAT32, default_modes, resolve_device, thread_count
from estimation.exceptions import ConfigError, DataError, TrainingError
from estimation.history import History, Record
from estimation.models.representation import Shape
from estimation.trained import TrainedModel
from estimation.training import checkpointing
from estimation.training.batches import Batches, generator_for, scales
from estimation.training.optimisers import build
from estimation.training.progress import progress_line

__all__ = ["fit"]

_STAGE = "baseline"
# rows that a look at the held-out data takes at most
_LOOKED_AT = 4_096
# rows that a turn is found for at most
_TURNED = 8_192


@default_modes
def fit(
    dataset: Dataset,
    config: BaselineConfig,
    *,
    validation: Dataset | None = None,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1000,
    progress: bool | None = None,
    on_record: Callable[[Record], None] | None = None,
) -> TrainedModel:
    """Train a baseline, as `estimation.training.fit` trains the sparse VAE.

    Args:
        dataset: what the method needs: actions for iVAE, sequences for SlowVAE and PCL, true latents for supervised.
        config: names the method.
        validation: held-out data; when left out, 5 % of the rows or sequences, which are then not trained on.
        encoder: a module of yours from (B, d_x) to (B, n), on standardised observations.
        decoder: a module of yours from (B, n) to (B, d_x), for methods that decode.
        checkpoint: a folder for the state of the run, from which it goes on when it was interrupted.
        checkpoint_every: steps between two states.
        progress: show a bar with the time left on standard error; None: on a terminal only.
        on_record: called with every record of the history. Of methods without an ELBO the reconstruction is the
            held-out loss, and the divergence 0.

    Returns:
        the trained model. It has no graph, and ``decode`` and ``negative_elbo`` only where the method has a decoder.

    Raises:
        ConfigError: settings at odds with the data.
        DataError: the data lack what the method needs.
        TrainingError: a number stopped being finite.
        CheckpointError: the folder holds a damaged state, or that of another run: with other settings, or on other
            data.

    Example:
        >>> from estimation.simulate.sampling import simulate
        >>> data = simulate("ActionBlockDiag", 300)
        >>> fit(data, BaselineConfig("ivae", steps=20, width=8, batch_size=64))
        TrainedModel(20 observed, 10 latents, 5 actions, ivae)
    """
    _require(dataset, config)
    if validation is None:
        pairs, held_out = (part.pairs() for part in hold_out(dataset, config.seed))
    else:
        pairs = dataset.pairs()
        held_out = require_alike(pairs, validation.pairs())
        _require(held_out, config)
    with thread_count(config.threads):
        run = _Run.start(pairs, held_out, config, encoder, decoder)
        run.data = checkpointing.fingerprints(dataset, validation)
        if checkpoint is not None:
            run.resume(Path(checkpoint))
        if run.model.trained:
            run.train(progress, on_record, None if checkpoint is None else Path(checkpoint), checkpoint_every)
    return TrainedModel.of(run.model, config, run.history, dataset, run.data["training"])


@dataclass
class _Run:
    model: Baseline
    config: BaselineConfig
    batches: Batches
    held_out: Batches
    device: torch.device
    optimiser: torch.optim.Optimizer
    history: History = field(default_factory=History)
    data: checkpointing.Fingerprints = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def start(
        cls,
        dataset: Dataset,
        held_out: Dataset,
        config: BaselineConfig,
        encoder: nn.Module | None,
        decoder: nn.Module | None,
    ) -> _Run:
        device, dtype = resolve_device(config.device), getattr(torch, config.dtype)
        model = fresh(Shape.of(dataset, config.n_latents), config, encoder, decoder)
        found = scales(dataset)
        model.set_scales_(found.x_mean, found.x_scale, found.a_mean, found.a_scale)
        model.x_centring, model.a_centring = found.x_centring, found.a_centring
        model.to(device, dtype).train()
        place = {
            "device": device,
            "dtype": dtype,
            "with_latents": NEEDS.get(config.method) == "latents",
            "like": model,
        }
        batches = Batches(dataset, config.batch_size, config.seed, **place)
        settings = {**config.to_dict(), "depth": config.layers}
        require_affordable_batch(settings, batches.size, model.shape.n_latents)
        looked_at = Batches(held_out, _LOOKED_AT, config.seed, **place)
        optimiser = build(model.parameters(), config.optimizer, config.learning_rate)
        return cls(model, config, batches, looked_at, device, optimiser)

    def resume(self, folder: Path) -> None:
        state = checkpointing.read(folder, self.config, self.data)
        if state is None:
            return
        checkpointing.restore_into(state, self.model, [self.optimiser], nn.Module())
        self.step, self.seconds, self.history = state.step, state.seconds, state.history

    def train(
        self,
        progress: bool | None,
        on_record: Callable[[Record], None] | None,
        folder: Path | None,
        every: int,
    ) -> None:
        begin, total = time.monotonic() - self.seconds, self.config.steps
        count = self.config.turns if self.model.turned else 0
        turns = {total * k // (count + 1) for k in range(1, count + 1)}
        with progress_line(total, self.step, progress) as advance:
            while self.step < total:
                # before a step, so that a run that goes on from its state turns no second time
                if self.step in turns:
                    self._turn()
                loss = self._step()
                self.step += 1
                self.seconds = time.monotonic() - begin
                if self.step % self.config.validate_every == 0 or self.step == total:
                    record = self._record(loss)
                    self.history.records.append(record)
                    if on_record is not None:
                        on_record(record)
                if folder is not None and (self.step % every == 0 or self.step == total):
                    state = checkpointing.State(self.step, self.seconds, self.history, 0)
                    checkpointing.write(
                        folder, self.config, self.data, state, self.model, [self.optimiser], nn.Module()
                    )
                advance(self.step, f"{self.config.method}, loss {loss:.3f}")

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * _rate(self.step, self.config)
        noise = generator_for(self.config.seed, self.step, self.device)
        loss = self.model.loss(self.batches.at(self.step), noise)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {self.step}; try learning_rate={self.config.learning_rate / 3:.2g}, or "
                "look for outliers in the data"
            )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return value

    def _turn(self) -> None:
        x = self.model.standardise(self.batches.some(_TURNED, self.step).observations)
        self.model.eval()
        with torch.no_grad():
            parts = [self.model.mean_latents(part) for part in torch.split(x.flatten(0, 1), _LOOKED_AT)]
        latents = torch.cat(parts).view(*x.shape[:2], -1)
        self.model.train().improve_turn_(latents)

    @torch.no_grad()
    def _record(self, loss: float) -> Record:
        self.model.eval()
        batch = self.held_out.rows(np.arange(self.held_out.size))
        noise = generator_for(self.config.seed, 0, self.device)
        if self.model.has_bound:
            terms = self.model.bound(batch, noise)
        else:
            terms = self.model.loss(batch, noise), torch.zeros((), **CPU_FLOAT32)
        self.model.train()
        reconstruction, divergence = map(float, terms)
        has_bound = self.model.has_bound
        return Record(
            self.step, _STAGE, loss, reconstruction, divergence, {}, {}, {}, self.seconds, has_bound
        )


def _rate(step: int, config: BaselineConfig) -> float:
    """A rise, then half a cosine."""
    rise = min(1.0, (step + 1) / max(config.warmup, 1))
    return rise * (0.5 + 0.5 * math.cos(math.pi * step / config.steps))


def _require(dataset: Dataset, config: BaselineConfig) -> None:
    method, needed = config.method, NEEDS.get(config.method)
    if needed == "actions" and not dataset.n_actions:
        raise DataError(f"{method} conditions its prior on actions, and the data have none")
    if needed == "past" and dataset.n_steps == 1:
        raise DataError(f"{method} learns from what follows what, and the data have one step per row")
    if needed != "latents":
        return
    if dataset.latents is None:
        raise DataError(f"{method} learns from the true latents, and the data hold none")
    if config.n_latents not in (None, dataset.n_latents):
        raise ConfigError(
            f"n_latents is {config.n_latents}; {method} learns the {dataset.n_latents} true ones: leave it out"
        )
