"""Random starts: several initialisations are trained a little, and the best of them goes on.

A start can end in a chart of the data in which latents are curved, and no later part of training leaves it: encoder and
decoder would have to change together. The held-out loss shows it after a few hundred steps (docs/experiments.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
import torch

from estimation.history import History
from estimation.training.plan import Plan
from estimation.training.progress import progress_line

__all__ = ["RACE_STEPS", "Run", "best_start", "weights_of"]

# fewer don't tell a bad start from one that is slow
RACE_STEPS = 500
# per observed dimension: starts that end alike differ by up to 0.07 at that point, bad ones by 0.13 to 0.65
_MARGIN = 0.1


class Run(Protocol):
    """What a race needs of a run."""

    plan: Plan
    step: int
    seconds: float
    history: History

    def advance(self) -> object:
        """Take one step."""

    def held_out_loss(self) -> float:
        """The negative ELBO of the held-out data, as the model stands."""


R = TypeVar("R", bound=Run)


def weights_of(seed: int, start: int) -> torch.Generator:
    """The generator that draws the initial weights of a start; the first start is that of a run with one.

    Example:
        >>> weights_of(3, 0).initial_seed(), weights_of(3, 1).initial_seed() != weights_of(4, 1).initial_seed()
        (3, True)
    """
    word = int(np.random.SeedSequence([seed, start]).generate_state(1, np.uint64)[0] >> 1) if start else seed
    return torch.Generator().manual_seed(word)


def best_start(first: R, begin: Callable[[int], R], count: int, progress: bool | None) -> R:
    """Train every start for `RACE_STEPS` steps, and keep the one with the lowest held-out negative ELBO.

    The first start is kept unless another is better by a margin: smaller differences don't last. There is no race where
    the dense part is shorter than that, or with one start.

    Args:
        first: the run of start 0, at step 0.
        begin: makes the run of another start, given its number.
        count: how many starts.
        progress: show a bar on standard error; None: on a terminal only.

    Returns:
        the best run, as it stands after the race, with a note in its history and the time of all starts; or ``first``.
    """
    if count < 2 or first.plan.dense_end < RACE_STEPS:
        return first
    begun = time.monotonic()
    best, kept, losses = first, 0, list[float]()
    with progress_line(count * RACE_STEPS, 0, progress) as advance:
        for start in range(count):
            run = begin(start) if start else first
            while run.step < RACE_STEPS:
                run.advance()
                advance(start * RACE_STEPS + run.step, f"start {start + 1} of {count}")
            losses.append(run.held_out_loss())
            if losses[-1] == min(losses) and losses[-1] < losses[0] - _MARGIN:
                best, kept = run, start
    shown = ", ".join(f"{loss:.3g}" for loss in losses)
    best.history.notes.append(
        f"start {kept + 1} of {count} kept after {RACE_STEPS} steps: the held-out negative ELBOs were {shown}"
    )
    best.seconds = time.monotonic() - begun
    return best
