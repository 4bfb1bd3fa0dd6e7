"""Free choice of targets: the fewest actions that separate all pairs that some action can separate."""

from __future__ import annotations

import time
from dataclasses import dataclass

from identify.design.blocks import FreeChoice
from identify.design.bounds import lower_bound, max_recoverable
from identify.design.codes import Codes, construct, dedicated_codes, is_valid
from identify.design.exact_codes import is_tractable, solve_codes

__all__ = ["FreeAnswer", "choose_freely"]


@dataclass(frozen=True)
class FreeAnswer:
    """Freely chosen target sets.

    Attributes:
        targets: Positions of the targets of each new action, in ascending order.
        lower_bound: Proved lower bound on the number of actions that separate all pairs.
        n_separated: Number of entangled latents that are separated from all latents that they must be separated from.
        upper_bound: Proved upper bound on this number within the limits.
        complete: Whether all entangled latents are separated.
        optimal: Whether the target sets are proved optimal.
    """

    targets: tuple[tuple[int, ...], ...]
    lower_bound: int
    n_separated: int
    upper_bound: int
    complete: bool
    optimal: bool


def choose_freely(problem: FreeChoice, max_actions: int | None, time_limit: float) -> FreeAnswer:
    """Find the fewest actions that separate all latents, or the target sets that separate most latents within a limit.

    Args:
        problem: Latents that need codes.
        max_actions: Largest number of actions; None for any number.
        time_limit: Time limit in seconds for integer programming.
    """
    deadline = time.monotonic() + time_limit
    bound = lower_bound(problem)
    if max_actions is not None and max_actions < bound:
        return _best_with(problem, max_actions, bound, deadline)
    codes, bound = _complete_codes(problem, bound, deadline)
    m = _n_actions(codes)
    if max_actions is not None and m > max_actions:
        return _best_with(problem, max_actions, bound, deadline)
    n = problem.n_entangled
    return FreeAnswer(_targets(problem, codes), bound, n, n, True, m == bound)


def _complete_codes(problem: FreeChoice, bound: int, deadline: float) -> tuple[Codes, int]:
    """Return codes for all latents, and a proved lower bound on their number of actions."""
    codes = _constructed_codes(problem, bound, deadline)
    while (m := _n_actions(codes) - 1) >= bound and is_tractable(problem, m):
        if (time_left := deadline - time.monotonic()) <= 0:
            break
        solution = solve_codes(problem, m, time_left)
        if solution.codes is not None and is_valid(problem, solution.codes):
            codes = solution.codes
        elif solution.upper_bound < problem.n_entangled:
            return codes, m + 1
        else:
            break
    return codes, bound


def _constructed_codes(problem: FreeChoice, bound: int, deadline: float) -> Codes:
    plain = dedicated_codes(problem)
    for m in range(bound, _n_actions(plain)):
        for balanced in (True, False):
            codes = construct(problem, m, balanced=balanced)
            if codes is not None:
                return codes
        if time.monotonic() > deadline:
            break
    return plain


def _best_with(problem: FreeChoice, m: int, bound: int, deadline: float) -> FreeAnswer:
    """Separate as many latents as possible with m actions."""
    attempts = [construct(problem, m, partial=True, balanced=balanced) for balanced in (True, False)]
    codes = max(
        (attempt for attempt in attempts if attempt is not None),
        key=lambda attempt: _n_separated(problem, attempt),
    )
    # below the bound, at least one latent stays entangled
    upper_bound = min(max_recoverable(problem, m), problem.n_entangled - (m < bound))
    time_left = deadline - time.monotonic()
    if _n_separated(problem, codes) < upper_bound and time_left > 0 and is_tractable(problem, m):
        solution = solve_codes(problem, m, time_left, partial=True)
        upper_bound = min(upper_bound, solution.upper_bound)
        if (
            solution.codes is not None
            and is_valid(problem, solution.codes)
            and _n_separated(problem, solution.codes) > _n_separated(problem, codes)
        ):
            codes = solution.codes
    n_separated = _n_separated(problem, codes)
    return FreeAnswer(
        targets=_targets(problem, codes),
        lower_bound=bound,
        n_separated=n_separated,
        upper_bound=upper_bound,
        complete=n_separated == problem.n_entangled,
        optimal=n_separated == upper_bound,
    )


def _n_separated(problem: FreeChoice, codes: Codes) -> int:
    blocks = zip(codes, problem.entangled, strict=True)
    return sum(code is not None for block, entangled in blocks if entangled for code in block)


def _n_actions(codes: Codes) -> int:
    return len({action for block in codes for code in block if code for action in code})


def _targets(problem: FreeChoice, codes: Codes) -> tuple[tuple[int, ...], ...]:
    sets: dict[int, list[int]] = {}
    for block, block_codes in zip(problem.blocks, codes, strict=True):
        for latent, code in zip(block, block_codes, strict=True):
            for action in code or ():
                sets.setdefault(action, []).append(latent)
    return tuple(tuple(sorted(sets[action])) for action in sorted(sets))
