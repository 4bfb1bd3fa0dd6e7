"""Random starts: several initialisations are trained for a few hundred steps, and the best of them is continued.

A start can end in a parametrisation in which the latents are curved. No later stage of training changes that,
since encoder and decoder would have to change together. The held-out ELBO identifies such starts after a few hundred
steps (docs/experiments.md, "Random starts"). Good starts end alike, so a best one that no other comes near may be the
least bad of bad ones; more starts follow then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch

from estimation.history import History
from estimation.training.progress import progress_line

__all__ = ["RACE_STEPS", "Run", "best_start", "weights_of"]

# after fewer steps a bad start looks like a slow one
RACE_STEPS = 500
# nats per observed dimension: equally good starts differ by up to 0.07 at that point, bad ones by 0.13 to 0.65
_MARGIN = 0.1
# from this difference on, starts are compared again later: that of a bad start grows, that of a good one shrinks
_DOUBT = _MARGIN / 2


class Run(Protocol):
    """The part of a run that the comparison of starts uses."""

    step: int
    seconds: float
    history: History

    @property
    def n_dense_steps(self) -> int:
        """Number of steps of the dense stage."""

    def advance(self) -> object:
        """Take one step."""

    def held_out_loss(self) -> float:
        """Return the negative ELBO on held-out data."""


R = TypeVar("R", bound=Run)


def weights_of(seed: int, start: int) -> torch.Generator:
    """Return the generator that draws the initial weights of a start; start 0 has those of a run with one start.

    Example:
        >>> weights_of(3, 0).initial_seed(), weights_of(3, 1).initial_seed() != weights_of(4, 1).initial_seed()
        (3, True)
    """
    seed_of_weights = seed
    if start:
        seed_of_weights = int(np.random.SeedSequence([seed, start]).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator().manual_seed(seed_of_weights)


def best_start(
    first: R,
    begin: Callable[[int], R],
    n_starts: int,
    progress: bool | None,
    revise: Callable[[R], R | None] | None = None,
    title: str = "",
) -> R:
    """Train every start for `RACE_STEPS` steps, and return the one with the lowest held-out negative ELBO.

    If no other start comes within a margin of the best, more starts follow until one does, as many again at most.

    The first start is preferred unless another is better by a margin: most smaller differences do not last. If the best
    is better by more than half the margin, both are trained for twice as many steps and compared again, as far as the
    dense stage allows. With one start, or a shorter dense stage, nothing is compared.

    Args:
        first: Run of start 0, before its first step.
        begin: Creates the run of another start, given its number.
        n_starts: Number of starts, without those that may follow.
        progress: Whether to show a progress bar on standard error; None shows it on a terminal only.
        revise: Called with the first run after these steps; returns a new run of start 0, before its first step, if the
            data call for another model, which ``begin`` then creates too. None never revises.
        title: Begins every text of the progress bar.

    Returns:
        The best run, with a note in its history and the time that all starts took; or ``first`` as it was.
    """
    if (n_starts < 2 and revise is None) or first.n_dense_steps < RACE_STEPS:
        return first
    start_time = time.monotonic()
    with progress_line(n_starts * RACE_STEPS, 0, progress, title) as advance:

        def race(run: R, number: int) -> R:
            while run.step < RACE_STEPS:
                run.advance()
                # the bar stays full during starts that follow
                done = min(number * RACE_STEPS + run.step, n_starts * RACE_STEPS)
                advance(done, f"start {number + 1} of {max(n_starts, number + 1)}")
            return run

        kept = race(first, 0)
        if revise is not None and (revised := revise(kept)) is not None:
            kept = race(revised, 0)
        if n_starts > 1:
            losses, rival = [kept.held_out_loss()], kept
            while len(losses) < n_starts or (len(losses) < 2 * n_starts and not _is_confirmed(losses)):
                run = race(begin(len(losses)), len(losses))
                losses.append(run.held_out_loss())
                if losses[-1] < min(losses[:-1]):
                    rival = run
            kept = _better(kept, rival, losses, n_starts)
    kept.seconds = time.monotonic() - start_time
    return kept


def _is_confirmed(losses: Sequence[float]) -> bool:
    """Return whether another start comes near the best one."""
    best, second = sorted(losses)[:2]
    return second - best <= _MARGIN


def _better(first: R, rival: R, losses: Sequence[float], n_starts: int) -> R:
    """Return the first start or its best rival, with a note in its history.

    Args:
        first: Run of start 0, after `RACE_STEPS` steps.
        rival: The best of all runs at that point, which may be the first.
        losses: Held-out negative ELBOs of all starts.
        n_starts: Number of starts that were asked for.
    """
    advantage, again = losses[0] - min(losses), ""
    if _DOUBT < advantage <= _MARGIN and first.n_dense_steps >= 2 * RACE_STEPS:
        for run in (first, rival):
            while run.step < 2 * RACE_STEPS:
                run.advance()
        both = first.held_out_loss(), rival.held_out_loss()
        advantage = both[0] - both[1]
        again = f"; those of starts 1 and {losses.index(min(losses)) + 1} after {2 * RACE_STEPS} steps "
        again += ", ".join(f"{loss:.3g}" for loss in both)
    kept, number = (rival, losses.index(min(losses))) if advantage > _MARGIN else (first, 0)
    texts = ", ".join(f"{loss:.3g}" for loss in losses)
    kept.history.notes.append(
        f"start {number + 1} of {len(losses)} kept after {kept.step} steps: the held-out negative ELBOs were {texts}"
        + (f" after {RACE_STEPS} steps{again}" if again else "")
        + (f"; none of the first {n_starts} came near the best of them" if len(losses) > n_starts else "")
    )
    return kept
