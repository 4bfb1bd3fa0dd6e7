"""Codes by construction: block by block, from the smallest codes up. A latent's code is the set of its new actions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from identify.design.blocks import FreeChoice

__all__ = ["Code", "Codes", "construct", "dedicated_codes", "is_valid"]

Code = tuple[int, ...]
#: Codes of the latents of each block, in order; None for a latent that stays entangled.
Codes = list[list[Code | None]]

_Ints = NDArray[np.intp]

# limits for one block: codes of one size, and comparisons of actions in all
_MAX_CODES = 800_000
_MAX_COMPARISONS = 400_000_000
# limit where balanced numbers of targets are only a preference
_MAX_BALANCING_COMPARISONS = 10_000_000


def construct(problem: FreeChoice, m: int, partial: bool = False, balanced: bool = True) -> Codes | None:
    """Construct codes of m actions for all latents, or for as many as possible by this method.

    Blocks are processed from the top of their order down, because a code must not be contained in one above it. All
    codes of a block have the same size, the smallest that has enough codes.

    Args:
        problem: Latents that need codes.
        m: Number of actions.
        partial: Whether latents may stay without a code when codes run short. Such a latent gets the empty code and
            stays entangled.
        balanced: Whether to prefer actions with few targets so far over the first valid code.

    Returns:
        The codes, or None if some are missing and ``partial`` is false. Other methods may still find codes.
    """
    loads = np.zeros(m, dtype=np.int64)
    codes: Codes = [[] for _ in problem.blocks]
    for b in problem.top_first:
        above = [code for c in problem.above[b].tolist() for code in codes[c] if code]
        count = len(problem.blocks[b])
        block_codes = _block_codes(problem, b, sorted(set(above)), loads, balanced)
        if len(block_codes) < count and not partial:
            return None
        for code in block_codes:
            loads[list(code)] += 1
        codes[b] = [*block_codes, *[None] * (count - len(block_codes))]
    return codes


def dedicated_codes(problem: FreeChoice) -> Codes:
    """Return the plain design, in which every entangled latent has actions of its own."""
    codes: Codes = []
    n_actions = 0
    for block, entangled in zip(problem.blocks, problem.entangled, strict=True):
        size = problem.margin if entangled else 0
        codes.append(
            [tuple(range(n_actions + size * k, n_actions + size * (k + 1))) for k in range(len(block))]
        )
        n_actions += size * len(block)
    return codes


def is_valid(problem: FreeChoice, codes: Codes) -> bool:
    """Return whether the codes meet all conditions of the latents that have one, and the limit on targets."""
    loads: dict[int, int] = {}
    for b, block in enumerate(codes):
        present = [set(code) for code in block if code is not None]
        above = [set(code or ()) for c in problem.above[b].tolist() for code in codes[c]]
        above += [set()] if problem.ceiling[b] or len(present) < len(block) else []
        for k, code in enumerate(present):
            for action in code:
                loads[action] = loads.get(action, 0) + 1
            if any(len(code - other) < problem.margin for other in (*present[:k], *present[k + 1 :], *above)):
                return False
    return problem.max_targets is None or max(loads.values(), default=0) <= problem.max_targets


def _block_codes(
    problem: FreeChoice, b: int, above: Sequence[Code], loads: _Ints, balanced: bool
) -> list[Code]:
    """Return codes for a block, of the smallest size that suffices or else of the size that has most codes."""
    count = len(problem.blocks[b])
    if not problem.entangled[b]:
        return [()] * count
    best: list[Code] = []
    for size in range(problem.margin, len(loads) + 1):
        if comb(len(loads), size) > _MAX_CODES:
            break
        codes = _codes_of_size(problem, size, count, above, loads, balanced)
        if len(codes) > len(best):
            best = codes
        if len(best) == count:
            break
    return best


def _codes_of_size(
    problem: FreeChoice, size: int, count: int, above: Sequence[Code], loads: _Ints, balanced: bool
) -> list[Code]:
    m = len(loads)
    number = comb(m, size)
    n_comparisons = count * number * size
    sequential = problem.margin > 1 or problem.max_targets is not None
    if problem.max_targets is not None and n_comparisons > _MAX_COMPARISONS:
        return _round_robin_codes(problem, size, count, above, loads)
    pool = np.fromiter(
        (action for code in combinations(range(m), size) for action in code), dtype=np.intp,
        count=number * size,
    ).reshape(number, size)  # fmt: skip
    allowed = _not_contained(pool, above, m, problem.margin)
    if not sequential and (not balanced or n_comparisons > _MAX_BALANCING_COMPARISONS):
        return [tuple(code) for code in pool[allowed][:count].tolist()]
    if n_comparisons > _MAX_COMPARISONS:
        return _constant_sum_codes(pool[allowed], m)[:count]
    return _greedy_codes(problem, pool, allowed, count, loads.copy(), balanced)


def _constant_sum_codes(pool: _Ints, m: int) -> list[Code]:
    """Return codes with equal sums modulo m; no two of them differ by the exchange of a single action.

    Source:
        R. Graham and N. Sloane, Lower bounds for constant weight codes, IEEE Transactions on Information
        Theory 26, 1980.
    """
    remainders = pool.sum(axis=1) % m
    commonest = np.bincount(remainders, minlength=m).argmax()
    return [tuple(code) for code in pool[remainders == commonest].tolist()]


def _round_robin_codes(
    problem: FreeChoice, size: int, count: int, above: Sequence[Code], loads: _Ints
) -> list[Code]:
    """Return codes of one or two actions for a very large block, with all actions used equally often."""
    m = len(loads)
    limit = problem.max_targets
    if problem.margin > 1 or size > 2 or limit is None:
        return []
    by_load = np.argsort(loads, kind="stable")
    steps = [0] if size == 1 else range(1, (m + 1) // 2)
    taken = {code for code in above if len(code) == size}
    room, codes = limit - loads, list[Code]()
    for step in steps:
        for a, b in zip(by_load.tolist(), np.roll(by_load, -step).tolist(), strict=True):
            code = (a,) if size == 1 else (min(a, b), max(a, b))
            if len(codes) < count and room[a] > 0 and room[b] > 0 and code not in taken:
                codes.append(code)
                room[list(code)] -= 1
        if len(codes) == count:
            break
    return codes


def _not_contained(pool: _Ints, above: Sequence[Code], m: int, margin: int) -> NDArray[np.bool_]:
    """Return which codes of the pool have at least ``margin`` actions more than their overlap with each code above."""
    size = pool.shape[1]
    allowed = np.ones(len(pool), dtype=bool)
    for code in above:
        # a smaller code satisfies the condition by its size
        if size - len(code) < margin:
            member = np.zeros(m, dtype=np.int64)
            member[list(code)] = 1
            allowed &= size - member[pool].sum(axis=1) >= margin
    return allowed


def _greedy_codes(
    problem: FreeChoice, pool: _Ints, allowed: NDArray[np.bool_], count: int, loads: _Ints, balanced: bool
) -> list[Code]:
    """Pick codes one by one; each excludes the codes that are too close to it or contain a fully used action."""
    size, margin = pool.shape[1], problem.margin
    limit = len(allowed) * len(loads) if problem.max_targets is None else problem.max_targets
    allowed = allowed & (loads[pool] < limit).all(axis=1)
    total_loads = loads[pool].sum(axis=1)
    codes: list[Code] = []
    while len(codes) < count and allowed.any():
        ranking = np.where(allowed, total_loads, np.iinfo(np.int64).max)
        code = pool[int(ranking.argmin() if balanced else allowed.argmax())]
        codes.append(tuple(code.tolist()))
        loads[code] += 1
        member = np.zeros(len(loads), dtype=np.int64)
        member[code] = 1
        common = member[pool].sum(axis=1)
        total_loads += common
        allowed &= size - common >= margin
        for action in code[loads[code] >= limit].tolist():
            allowed &= (pool != action).all(axis=1)
    return codes
