"""Which part of training a step belongs to, and the learning rate and budget there.

dense    every edge is there; autoencoder and transition find the latents up to a linear mixing
sparse   edges become few: sampled while the budget comes down, or picked anew in rounds of unmixing
frozen   the best edges stay, the others are gone
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from estimation.config.training import TrainingConfig

__all__ = ["Plan"]

# what is left of the learning rate at the end of a part that another one follows
_REST = 0.05


@dataclass(frozen=True)
class Plan:
    """The steps at which parts of training begin.

    Attributes:
        dense_end: the first step with sampled edges.
        budget_end: from here on the budget is at its end.
        frozen_start: the first step with frozen edges.
        steps: all.
        warmup: steps over which the learning rate rises, at the start and after each unmixing.
        rebases: before these steps the latents are unmixed.
    """

    dense_end: int
    budget_end: int
    frozen_start: int
    steps: int
    warmup: int
    rebases: tuple[int, ...] = ()

    @classmethod
    def of(cls, config: TrainingConfig) -> Plan:
        """The plan of a configuration.

        Example:
            >>> plan = Plan.of(TrainingConfig(steps=1000, dense_share=0.4, budget_share=0.6, frozen_share=0.2))
            >>> plan.dense_end, plan.budget_end, plan.frozen_start, plan.rebases
            (400, 600, 800, (400, 800))
        """
        assert config.steps is not None
        assert config.dense_share is not None
        assert config.budget_share is not None
        assert config.frozen_share is not None
        assert config.warmup is not None
        if config.sparsity == "none":
            return cls(config.steps, config.steps, config.steps, config.steps, config.warmup)
        dense_end = round(config.dense_share * config.steps)
        budget_end = max(round(config.budget_share * config.steps), dense_end)
        frozen_start = config.steps - round(config.frozen_share * config.steps)
        rebases = _rebases(dense_end, frozen_start, config) if config.unmixing else ()
        return cls(dense_end, budget_end, frozen_start, config.steps, config.warmup, rebases)

    def stage(self, step: int) -> str:
        """The part that a step belongs to."""
        if step < self.dense_end:
            return "dense"
        return "sparse" if step < self.frozen_start else "frozen"

    def progress(self, step: int) -> float:
        """How far the budget has come down, 0 to 1."""
        return (step - self.dense_end + 1) / max(self.budget_end - self.dense_end, 1)

    def rate(self, step: int) -> float:
        """The factor of the learning rate: a rise and half a cosine, once for the dense part and once for the rest."""
        first = step < self.dense_end
        start, end = (0, self.dense_end) if first else (self.dense_end, self.steps)
        least = _REST if first and self.dense_end < self.steps else 0.0
        along = (step - start) / max(end - start, 1)
        since = max((begin for begin in (0, start, *self.rebases) if begin <= step), default=0)
        rise = min(1.0, (step - since + 1) / max(self.warmup, 1))
        return rise * (least + (1 - least) * (0.5 + 0.5 * math.cos(math.pi * along)))


def _rebases(dense_end: int, frozen_start: int, config: TrainingConfig) -> tuple[int, ...]:
    """The rounds of unmixing, evenly from the end of the dense part to the start of the frozen one."""
    assert config.steps is not None
    assert config.rounds is not None
    gaps = max(config.rounds - 1, 1)
    steps = {dense_end + round(k * (frozen_start - dense_end) / gaps) for k in range(config.rounds)}
    return tuple(sorted(step for step in steps if step < config.steps))
