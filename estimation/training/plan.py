"""The stages of training, and the learning rate and the edge budget at every step.

======  ===================================================================================================
stage   what happens
======  ===================================================================================================
dense   all edges are present; autoencoder and transition find the latents up to a nearly linear mixing
sparse  edges are removed: by sampling under a falling budget, or by ranking in rounds of unmixing
frozen  the best edges stay fixed, all others are absent
======  ===================================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from estimation.config.training import TrainingConfig
from estimation.training.schedules import half_cosine, warmup

__all__ = ["Plan"]

# factor of the learning rate at the end of the dense stage, if another stage follows
_DENSE_FLOOR = 0.05


@dataclass(frozen=True)
class Plan:
    """The steps at which stages of training begin.

    Attributes:
        dense_end: First step with sampled edges.
        budget_end: First step at which the budget has its final value.
        frozen_start: First step with frozen edges.
        steps: Number of all steps.
        warmup: Steps over which the learning rate rises, at the start and after each round of unmixing.
        unmixing_steps: Steps before which the latents are unmixed.
    """

    dense_end: int
    budget_end: int
    frozen_start: int
    steps: int
    warmup: int
    unmixing_steps: tuple[int, ...] = ()

    @classmethod
    def of(cls, config: TrainingConfig) -> Plan:
        """Return the plan of a configuration.

        Example:
            >>> plan = Plan.of(TrainingConfig(steps=1000, dense_share=0.4, budget_share=0.6, frozen_share=0.2))
            >>> plan.dense_end, plan.budget_end, plan.frozen_start, plan.unmixing_steps
            (400, 600, 800, (400, 800))
        """
        if config.sparsity == "none":
            return cls(config.steps, config.steps, config.steps, config.steps, config.warmup)
        dense_end = round(config.dense_share * config.steps)
        budget_end = max(round(config.budget_share * config.steps), dense_end)
        frozen_start = config.steps - round(config.frozen_share * config.steps)
        unmixing_steps = _unmixing_steps(dense_end, frozen_start, config) if config.unmixing else ()
        return cls(dense_end, budget_end, frozen_start, config.steps, config.warmup, unmixing_steps)

    def stage(self, step: int) -> str:
        """Return the stage that a step belongs to."""
        if step < self.dense_end:
            return "dense"
        return "sparse" if step < self.frozen_start else "frozen"

    def progress(self, step: int) -> float:
        """Return how far the budget has fallen: 0 at its start, 1 at its end."""
        return (step - self.dense_end + 1) / max(self.budget_end - self.dense_end, 1)

    def rate(self, step: int) -> float:
        """Return the factor of the learning rate: warm-up and half a cosine, for the dense stage and for the rest."""
        first = step < self.dense_end
        start, end = (0, self.dense_end) if first else (self.dense_end, self.steps)
        floor = _DENSE_FLOOR if first and self.dense_end < self.steps else 0.0
        progress = (step - start) / max(end - start, 1)
        since = max((begin for begin in (0, start, *self.unmixing_steps) if begin <= step), default=0)
        return warmup(step - since, self.warmup) * half_cosine(math.pi * progress, floor)


def _unmixing_steps(dense_end: int, frozen_start: int, config: TrainingConfig) -> tuple[int, ...]:
    """Spread the rounds of unmixing evenly from the end of the dense stage to the start of the frozen one."""
    gaps = max(config.rounds - 1, 1)
    steps = {dense_end + round(k * (frozen_start - dense_end) / gaps) for k in range(config.rounds)}
    return tuple(sorted(step for step in steps if step < config.steps))
