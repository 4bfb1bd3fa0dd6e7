"""Free choice of targets: the fewest actions that separate what some action can separate."""

from __future__ import annotations

import time
from dataclasses import dataclass

from identify.design.blocks import FreeChoice
from identify.design.bounds import lower_bound, most_recoverable
from identify.design.codes import Codes, construct, one_each, separated
from identify.design.exact_codes import affordable, solve_codes

__all__ = ["FreeAnswer", "choose_freely"]


@dataclass(frozen=True)
class FreeAnswer:
    """Target sets chosen freely.

    Attributes:
        targets: for each new action the positions of its latents, ascending.
        lower_bound: fewer actions than this can't separate everything.
        served: how many latents, of those with something to separate, are separated from all they should be.
        most: no design within the limits serves more.
        complete: whether all are.
        optimal: whether that is proved to be the best answer to what was asked.
    """

    targets: tuple[tuple[int, ...], ...]
    lower_bound: int
    served: int
    most: int
    complete: bool
    optimal: bool


def choose_freely(problem: FreeChoice, max_actions: int | None, time_limit: float) -> FreeAnswer:
    """The fewest actions, or the best that so many actions can do.

    Args:
        problem: what the actions must do.
        max_actions: how many there may be; None for as many as needed.
        time_limit: seconds for what is beyond construction.
    """
    deadline = time.monotonic() + time_limit
    bound = lower_bound(problem)
    if max_actions is not None and max_actions < bound:
        return _at_most(problem, max_actions, bound, deadline)
    codes, bound = _all(problem, bound, deadline, max_actions)
    m = _n_actions(codes)
    if max_actions is not None and m > max_actions:
        return _at_most(problem, max_actions, bound, deadline)
    every = problem.n_entangled
    return FreeAnswer(_targets(problem, codes), bound, every, every, True, m == bound)


def _all(problem: FreeChoice, bound: int, deadline: float, enough: int | None) -> tuple[Codes, int]:
    """Codes for all latents, and a proved lower bound on their number of actions."""
    codes = _by_construction(problem, bound, deadline)
    while (m := _n_actions(codes) - 1) >= bound and affordable(problem, m):
        if (left := deadline - time.monotonic()) <= 0:
            break
        answer = solve_codes(problem, m, left)
        if answer.codes is not None and separated(problem, answer.codes):
            codes = answer.codes
        elif answer.most < problem.n_entangled:
            return codes, m + 1
        else:
            break
    return codes, bound


def _by_construction(problem: FreeChoice, bound: int, deadline: float) -> Codes:
    plain = one_each(problem)
    for m in range(bound, _n_actions(plain)):
        for spread in (True, False):
            codes = construct(problem, m, spread=spread)
            if codes is not None:
                return codes
        if time.monotonic() > deadline:
            break
    return plain


def _at_most(problem: FreeChoice, m: int, bound: int, deadline: float) -> FreeAnswer:
    """As many latents as m actions separate."""
    tries = [construct(problem, m, partial=True, spread=spread) for spread in (True, False)]
    codes = max((found for found in tries if found is not None), key=lambda found: _served(problem, found))
    # that not all can be served is known where m is below the bound
    most = min(most_recoverable(problem, m), problem.n_entangled - (m < bound))
    left = deadline - time.monotonic()
    if _served(problem, codes) < most and left > 0 and affordable(problem, m):
        answer = solve_codes(problem, m, left, partial=True)
        most = min(most, answer.most)
        if (
            answer.codes is not None
            and separated(problem, answer.codes)
            and _served(problem, answer.codes) > _served(problem, codes)
        ):
            codes = answer.codes
    served = _served(problem, codes)
    return FreeAnswer(
        _targets(problem, codes), bound, served, most, served == problem.n_entangled, served == most
    )


def _served(problem: FreeChoice, codes: Codes) -> int:
    pairs = zip(codes, problem.entangled, strict=True)
    return sum(code is not None for block, entangled in pairs if entangled for code in block)


def _n_actions(codes: Codes) -> int:
    return len({action for block in codes for code in block if code for action in code})


def _targets(problem: FreeChoice, codes: Codes) -> tuple[tuple[int, ...], ...]:
    sets: dict[int, list[int]] = {}
    for block, given in zip(problem.blocks, codes, strict=True):
        for latent, code in zip(block, given, strict=True):
            for action in code or ():
                sets.setdefault(action, []).append(latent)
    return tuple(tuple(sorted(sets[action])) for action in sorted(sets))
