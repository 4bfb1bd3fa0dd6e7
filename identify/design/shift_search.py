"""On/off actions with freely chosen targets: a greedy search with restarts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from identify.design.screens import Screen, TargetLimits
from identify.influence.joint.expansion import Shortfall

__all__ = ["GreedyScreen", "search_screen"]

Matrix = NDArray[np.bool_]
# restarts without a better screen after which the search ends
_MAX_FAILURES = 10
# numbers of targets that are tried on their own, from the smallest
_N_SIZES = 4


@dataclass(frozen=True, eq=False)
class GreedyScreen:
    """Actions found by the search.

    Attributes:
        actions: Which new action targets which latent, shape (n, m_new).
        kept: Positions of the latents for which joint influence holds, among themselves.
    """

    actions: Matrix
    kept: tuple[int, ...]

    @property
    def n_actions(self) -> int:
        """Number of new actions."""
        return int(self.actions.shape[1])


def search_screen(
    screen: Screen, limits: TargetLimits, bound: int, max_actions: int, deadline: float, seed: int
) -> GreedyScreen:
    """Find few actions that give joint influence for as many latents as possible.

    Args:
        screen: The graph.
        limits: Target sets that new actions may have.
        bound: Lower bound on the number of actions, at which the search ends.
        max_actions: Largest number of actions.
        deadline: Time on the monotonic clock after which no restart begins.
        seed: Seed of the ties.
    """
    rng = np.random.default_rng(seed)
    best = _greedy(screen, limits, max_actions, rng)
    failures = 0
    sizes = _sizes(limits)
    for plan in cycle([*sizes, limits]):
        if best.n_actions <= bound and len(best.kept) == screen.n_latents:
            break
        if failures == _MAX_FAILURES or time.monotonic() > deadline:
            break
        attempt = _greedy(screen, plan, max_actions, rng)
        failures += 1
        if (len(attempt.kept), -attempt.n_actions) > (len(best.kept), -best.n_actions):
            best, failures = attempt, 0
    return best


def _sizes(limits: TargetLimits) -> list[TargetLimits]:
    """Return the limits with one number of targets each, the smallest first."""
    largest = min(limits.largest, len(limits.allowed), limits.smallest + _N_SIZES - 1)
    return [TargetLimits(limits.allowed, k, k) for k in range(limits.smallest, largest + 1)]


def _greedy(screen: Screen, limits: TargetLimits, max_actions: int, rng: np.random.Generator) -> GreedyScreen:
    """Add the action that helps most sets of latents until none is short of actions; leave out latents beyond help."""
    n = screen.n_latents
    kept = np.arange(n)
    actions = np.zeros((n, 0), dtype=bool)
    while True:
        part = screen.only(kept)
        short = [
            Shortfall(
                tuple(int(kept[i]) for i in found.support),
                None if found.latent is None else int(kept[found.latent]),
                found.missing,
            )
            for found in part.shortfalls(actions[kept])
        ]
        if not short:
            break
        action = None
        if actions.shape[1] < max_actions:
            action = _helpful_action(np.hstack([screen.existing, actions]), short, limits, rng)
        if action is None:
            kept = np.setdiff1d(kept, _beyond_help(short, limits, n))
            continue
        actions = np.hstack([actions, action[:, None]])
    order = rng.permutation(actions.shape[1]).tolist()
    return GreedyScreen(
        actions[:, screen.only(kept).without_redundant(actions[kept], order)], tuple(kept.tolist())
    )


def _helpful_action(
    matrix: Matrix, short: list[Shortfall], limits: TargetLimits, rng: np.random.Generator
) -> Matrix | None:
    """Return the targets of an action that helps many sets of latents, shape (n,), or None if none helps.

    Targets are added one by one: those that help most, then those with fewest actions and fewest in common.
    """
    n = len(matrix)
    touches, replaced, missing = _as_arrays(short, n)
    weights = matrix.sum(axis=1)
    common = matrix.astype(np.int64) @ matrix.T
    action = np.zeros(n, dtype=bool)
    touched, spoiled = np.zeros(len(short), dtype=bool), np.zeros(len(short), dtype=bool)
    value = 0
    while action.sum() < min(limits.largest, len(limits.allowed)):
        # helped sets are touched, and the latent that can be replaced in them is not a target
        after = (touched[:, None] | touches) & ~(spoiled[:, None] | replaced)
        values = missing @ after
        order = sorted(
            (i for i in limits.allowed if not action[i]),
            key=lambda i: (
                -values[i],
                weights[i] + (n + 1) * int(common[i][action].sum()),
                rng.random(),
            ),
        )
        best = order[0]
        if action.sum() >= limits.smallest and values[best] <= value:
            break
        if not action.any() and values[best] <= 0:
            return None
        action[best] = True
        touched |= touches[:, best]
        spoiled |= replaced[:, best]
        value = int(values[best])
    return action if value > 0 and action.sum() >= limits.smallest else None


def _as_arrays(short: list[Shortfall], n: int) -> tuple[Matrix, Matrix, NDArray[np.int64]]:
    touches = np.zeros((len(short), n), dtype=bool)
    replaced = np.zeros((len(short), n), dtype=bool)
    for row, found in enumerate(short):
        touches[row, list(found.support)] = True
        if found.latent is not None:
            replaced[row, found.latent] = True
    return touches, replaced, np.array([found.missing for found in short])


def _beyond_help(short: list[Shortfall], limits: TargetLimits, n: int) -> list[int]:
    """Return the latents to leave out: those of a set that no action may target, or the latent in most sets."""
    not_allowed = np.setdiff1d(np.arange(n), limits.allowed)
    forbidden = np.intersect1d(short[0].support, not_allowed).tolist()
    if forbidden:
        return [int(i) for i in forbidden]
    touches, _, missing = _as_arrays(short, n)
    return [int((missing @ touches).argmax())]
