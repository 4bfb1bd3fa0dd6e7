"""Networks fitted to latents that stay as they are.

Latents are encoded once: the networks are small, and many passes over fewer rows are cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from estimation.config.training import TrainingConfig
from estimation.models.sparse_vae import SparseVAE
from estimation.training.optimisers import build
from estimation.training.schedules import warmup

__all__ = ["Fitting"]

# a third of the steps of the run, if that is less
_FEWEST_STEPS = 20
_BATCH = 1_024
_WARMUP = 30
_TINY = 1e-12


@dataclass(frozen=True)
class Fitting:
    """Fits transition networks.

    Attributes:
        model: whose networks.
        actions: of the rows, shape (rows, m), or None.
        step: where training stands; picks weights and batches.
    """

    model: SparseVAE
    actions: Tensor | None
    step: int

    def fit_(self, latents: Tensor, config: TrainingConfig, most_steps: int) -> None:
        """Fit networks of this configuration to these latents, shape (rows, T, n)."""
        self.model.fresh_transition_(config, torch.Generator().manual_seed(config.seed + self.step))

        def misfit(chosen: Tensor) -> Tensor:
            loss: Tensor = (
                0.5 * self.left_over(latents[chosen], chosen).square().mean(0).clamp_min(_TINY).log().sum()
            )
            return loss

        self.minimise_(misfit, self.model.networks.parameters(), len(latents), config, most_steps)

    def left_over(self, latents: Tensor, chosen: Tensor) -> Tensor:
        """What the transition misses of the latents of these rows, shape (B, n)."""
        past = latents[:, 0] if self.model.shape.past else None
        mean = self.model.transition(past, None if self.actions is None else self.actions[chosen]).loc
        return latents[:, -1] - mean

    def minimise_(
        self,
        misfit: Callable[[Tensor], Tensor],
        parameters: Iterable[nn.Parameter],
        n_rows: int,
        config: TrainingConfig,
        most_steps: int,
        batch: int = _BATCH,
    ) -> None:
        """Change the parameters until the misfit of rows is small; at most for a third of the run's steps.

        Args:
            misfit: of the rows of these numbers, a scalar.
            parameters: what changes.
            n_rows: how many rows there are.
            config: optimiser, learning rate and seed.
            most_steps: how many, at most.
            batch: rows in a step.
        """
        optimiser = build(parameters, config.optimizer, config.learning_rate)
        steps = min(max(config.steps // 3, _FEWEST_STEPS), most_steps)
        draw = np.random.default_rng([config.seed, self.step, 1])
        for k in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * warmup(k, _WARMUP) * (1 - k / steps)
            chosen = torch.from_numpy(draw.integers(n_rows, size=min(batch, n_rows)))
            loss = misfit(chosen.to(self.model.x_mean.device))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
