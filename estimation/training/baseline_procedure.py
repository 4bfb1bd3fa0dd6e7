"""Training of a baseline: one loss, one optimiser, and a rotation of the latents at intervals."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from estimation.config.baselines import NEEDS, BaselineConfig
from estimation.dataset.dataset import Dataset
from estimation.dataset.heavy_tails import require_transformable
from estimation.dataset.readers.arrays import missing_entries
from estimation.device import CPU_FLOAT32
from estimation.exceptions import ConfigError, DataError
from estimation.history import Record
from estimation.models.baselines.encoders import Baseline
from estimation.training.batches import Batches, generator_for
from estimation.training.optimisers import build
from estimation.training.procedure import Initialisation, Procedure, StepLoss, prepare
from estimation.training.schedules import half_cosine, warmup
from identify.wording import listed

__all__ = ["BaselineProcedure"]

_STAGE = "baseline"
# rows of an evaluation, and rows that a rotation is computed from
_EVALUATION_ROWS = 4_096
_ROTATION_ROWS = 8_192


class BaselineProcedure(Procedure):
    """Trains a baseline.

    Args:
        config: Settings of the run, which name the method.
        initialisation: Data and user-supplied networks.
    """

    model: Baseline

    def __init__(self, config: BaselineConfig, initialisation: Initialisation) -> None:
        with_latents = NEEDS.get(config.method) == "latents"
        generator = torch.Generator().manual_seed(config.seed)
        self.model, self.batches = prepare(config, initialisation, generator, with_latents)
        self.config, self.kurtosis = config, initialisation.kurtosis
        self.n_steps = config.steps if self.model.trained else 0
        place = self.batches.device, self.batches.dtype
        self.held_out = Batches(
            initialisation.held_out, _EVALUATION_ROWS, config.seed, *place, with_latents, self.model
        )
        self.optimisers = [build(self.model.parameters(), config.optimizer, config.learning_rate)]
        self.constraints = nn.Module()
        count = config.rotations if self.model.rotates else 0
        self._rotation_steps = {config.steps * k // (count + 1) for k in range(1, count + 1)}

    @staticmethod
    def require_data(dataset: Dataset, config: BaselineConfig) -> None:
        require_transformable(dataset, config.observation_transform)
        method, needed = config.method, NEEDS.get(config.method)
        if missing_entries(dataset.observations).any():
            raise DataError(
                f"observations have missing entries, and {method} needs all of them; fill or drop them"
            )
        if dataset.covariates is not None:
            raise DataError(
                f"{method} takes no covariates, and the data have {listed(dataset.covariate_names)}; leave them out"
            )
        if needed == "actions" and not dataset.n_actions:
            raise DataError(f"{method} conditions its prior on actions, and the data have none")
        if needed == "past" and dataset.n_steps == 1:
            raise DataError(f"{method} learns from consecutive steps, and the data have one step per row")
        if needed != "latents":
            return
        if dataset.latents is None:
            raise DataError(f"{method} learns from the true latents, and the data hold none")
        if config.n_latents not in (None, dataset.n_latents):
            raise ConfigError(
                f"n_latents is {config.n_latents}; {method} learns the {dataset.n_latents} true ones: leave it out"
            )

    def stage(self, step: int) -> str:
        return _STAGE

    def label(self, step: int) -> str:
        return self.config.method

    def before_step(self, step: int) -> list[str]:
        if step in self._rotation_steps:
            self._rotate(step)
        return [] if step else self.transform_notes()

    def set_rates(self, step: int) -> None:
        factor = warmup(step, self.config.warmup) * half_cosine(math.pi * step / self.config.steps)
        for group in self.optimisers[0].param_groups:
            group["lr"] = self.config.learning_rate * factor

    def loss(self, step: int) -> StepLoss:
        noise = generator_for(self.config.seed, step, self.batches.device)
        loss = self.model.loss(self.batches.at(step), noise)
        return StepLoss(loss, loss)

    @torch.no_grad()
    def record(self, step: int, loss: StepLoss, seconds: float) -> Record:
        self.model.eval()
        batch = self.held_out.rows(np.arange(self.held_out.size))
        noise = generator_for(self.config.seed, 0, self.batches.device)
        if self.model.has_bound:
            terms = self.model.bound(batch, noise)
        else:
            terms = self.model.loss(batch, noise), torch.zeros((), **CPU_FLOAT32)
        self.model.train()
        reconstruction, divergence = map(float, terms)
        return Record(
            step=step,
            stage=_STAGE,
            loss=float(loss.reported.detach()),
            reconstruction=reconstruction,
            divergence=divergence,
            edges={},
            budget={},
            probabilities={},
            seconds=seconds,
            has_bound=self.model.has_bound,
        )

    def _rotate(self, step: int) -> None:
        x = self.model.standardise(self.batches.rows(self.batches.draw(_ROTATION_ROWS, step)).observations)
        self.model.eval()
        with torch.no_grad():
            parts = [self.model.mean_latents(part) for part in torch.split(x.flatten(0, 1), _EVALUATION_ROWS)]
        latents = torch.cat(parts).view(*x.shape[:2], -1)
        self.model.train().update_rotation_(latents)
