"""Networks fitted to latents that stay as they are.

Latents are encoded once: the networks are small, and many passes over fewer rows are cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from estimation.config import TrainingConfig
from estimation.model import SparseVAE
from estimation.training.optimisers import build

__all__ = ["Fitting"]

# a third of the steps of the run, if that is less
_FEWEST_STEPS = 20
_BATCH = 1_024
_STRAIGHTENING_STEPS = 1_000
_STRAIGHTENING_BATCH = 512
_TINY = 1e-12


@dataclass(frozen=True)
class Fitting:
    """Fits transition networks, and the flow.

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
        self._minimise(latents, config, most_steps, self.model.networks.parameters(), self._misfit)

    def straighten_(self, latents: Tensor, config: TrainingConfig) -> None:
        """Fit the flow and the transition networks, from where they are, to latents before the flow."""
        moving = [*self.model.flow.parameters(), *self.model.networks.parameters()]
        self._minimise(latents, config, _STRAIGHTENING_STEPS, moving, self._bent_misfit, _STRAIGHTENING_BATCH)

    def _minimise(
        self,
        latents: Tensor,
        config: TrainingConfig,
        most_steps: int,
        parameters: Iterable[nn.Parameter],
        misfit: Callable[[Tensor, Tensor | None], Tensor],
        batch: int = _BATCH,
    ) -> None:
        device = latents.device
        assert config.optimizer is not None
        optimiser = build(parameters, config.optimizer, config.learning_rate or 0)
        steps = min(max((config.steps or 0) // 3, _FEWEST_STEPS), most_steps)
        draw = np.random.default_rng([config.seed, self.step, 1])
        size = min(batch, len(latents))
        for k in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = (config.learning_rate or 0) * min(1.0, (k + 1) / 30) * (1 - k / steps)
            chosen = torch.from_numpy(draw.integers(len(latents), size=size)).to(device)
            loss = misfit(latents[chosen], None if self.actions is None else self.actions[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    def _misfit(self, latents: Tensor, actions: Tensor | None) -> Tensor:
        mean = self.model.transition(latents[:, 0] if self.model.shape.past else None, actions).loc
        loss: Tensor = 0.5 * (latents[:, -1] - mean).square().mean(0).clamp_min(_TINY).log().sum()
        return loss

    def _bent_misfit(self, latents: Tensor, actions: Tensor | None) -> Tensor:
        """The negative log-likelihood of latents as they were before the flow, up to a constant."""
        straight, log_det = self.model.flow(latents.flatten(0, 1))
        straight = straight.view_as(latents)
        loss: Tensor = self._misfit(straight, actions) - latents.shape[1] * log_det.mean()
        if self.model.shape.past:
            loss = loss + 0.5 * straight[:, 0].square().sum(1).mean()
        return loss
