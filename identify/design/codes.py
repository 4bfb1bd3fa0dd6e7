"""Codes by construction: the new actions that target each latent, block by block, smallest codes first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from identify.design.blocks import FreeChoice

__all__ = ["Code", "Codes", "construct", "one_each", "separated"]

Code = tuple[int, ...]
#: For each block the codes of its latents in order; None for a latent that is left entangled.
Codes = list[list[Code | None]]

_Ints = NDArray[np.intp]

# codes of one size that are looked at, and looks in all, for one block
_MOST_CODES = 800_000
_MOST_LOOKS = 400_000_000
# as many to spread targets evenly where nothing asks for it
_MOST_LOOKS_FOR_NEATNESS = 10_000_000


def construct(problem: FreeChoice, m: int, partial: bool = False, spread: bool = True) -> Codes | None:
    """Give codes of m actions to all latents, or to as many as this way finds.

    Blocks are taken from the top of their order down, since their codes must not contain those below. A
    block gets codes of one size, the smallest that has enough of them.

    Args:
        problem: what the codes must do.
        m: number of actions.
        partial: leave latents out where codes run short; they get the empty code and stay entangled.
        spread: prefer actions with few targets so far, instead of the first code that fits.

    Returns:
        The codes, or None when some are missing and ``partial`` is false; others may exist all the same.
    """
    loads = np.zeros(m, dtype=np.int64)
    codes: Codes = [[] for _ in problem.blocks]
    for b in problem.top_first:
        above = [code for c in problem.above[b].tolist() for code in codes[c] if code]
        count = len(problem.blocks[b])
        found = _place(problem, b, sorted(set(above)), loads, spread)
        if len(found) < count and not partial:
            return None
        for code in found:
            loads[list(code)] += 1
        codes[b] = [*found, *[None] * (count - len(found))]
    return codes


def one_each(problem: FreeChoice) -> Codes:
    """The plain design: actions of its own for every latent that has something to be separated from."""
    codes: Codes = []
    used = 0
    for block, entangled in zip(problem.blocks, problem.entangled, strict=True):
        size = problem.margin if entangled else 0
        codes.append([tuple(range(used + size * k, used + size * (k + 1))) for k in range(len(block))])
        used += size * len(block)
    return codes


def separated(problem: FreeChoice, codes: Codes) -> bool:
    """Whether the codes do all that the problem asks of those that have one, within the limit."""
    loads: dict[int, int] = {}
    for b, block in enumerate(codes):
        given = [set(code) for code in block if code is not None]
        over = [set(code or ()) for c in problem.above[b].tolist() for code in codes[c]]
        over += [set()] if problem.ceiling[b] or len(given) < len(block) else []
        for k, code in enumerate(given):
            for action in code:
                loads[action] = loads.get(action, 0) + 1
            if any(len(code - other) < problem.margin for other in (*given[:k], *given[k + 1 :], *over)):
                return False
    return problem.max_targets is None or max(loads.values(), default=0) <= problem.max_targets


def _place(problem: FreeChoice, b: int, above: Sequence[Code], loads: _Ints, spread: bool) -> list[Code]:
    """Codes for the latents of a block, of the size that serves most of them."""
    count = len(problem.blocks[b])
    if not problem.entangled[b]:
        return [()] * count
    best: list[Code] = []
    for size in range(problem.margin, len(loads) + 1):
        if comb(len(loads), size) > _MOST_CODES:
            break
        found = _of_size(problem, size, count, above, loads, spread)
        if len(found) > len(best):
            best = found
        if len(best) == count:
            break
    return best


def _of_size(
    problem: FreeChoice, size: int, count: int, above: Sequence[Code], loads: _Ints, spread: bool
) -> list[Code]:
    m = len(loads)
    number = comb(m, size)
    looks = count * number * size
    sequential = problem.margin > 1 or problem.max_targets is not None
    if problem.max_targets is not None and looks > _MOST_LOOKS:
        return _in_turn(problem, size, count, above, loads)
    every = np.fromiter(
        (action for code in combinations(range(m), size) for action in code), dtype=np.intp,
        count=number * size,
    ).reshape(number, size)  # fmt: skip
    alive = _free_of(every, above, m, problem.margin)
    if not sequential and (not spread or looks > _MOST_LOOKS_FOR_NEATNESS):
        return [tuple(code) for code in every[alive][:count].tolist()]
    if looks > _MOST_LOOKS:
        return _of_one_sum(every[alive], m)[:count]
    return _one_by_one(problem, every, alive, count, loads.copy(), spread)


def _of_one_sum(every: _Ints, m: int) -> list[Code]:
    """Codes whose sum leaves the same remainder: two of them never differ by one exchange of actions.

    Source:
        R. Graham and N. Sloane, Lower bounds for constant weight codes, IEEE Transactions on Information
        Theory 26, 1980.
    """
    remainders = every.sum(axis=1) % m
    most = np.bincount(remainders, minlength=m).argmax()
    return [tuple(code) for code in every[remainders == most].tolist()]


def _in_turn(problem: FreeChoice, size: int, count: int, above: Sequence[Code], loads: _Ints) -> list[Code]:
    """Codes of one or two actions for very many latents, so that every action has its turn equally often."""
    m = len(loads)
    limit = problem.max_targets
    if problem.margin > 1 or size > 2 or limit is None:
        return []
    first = np.argsort(loads, kind="stable")
    steps = [0] if size == 1 else range(1, (m + 1) // 2)
    taken = {code for code in above if len(code) == size}
    left, found = limit - loads, list[Code]()
    for step in steps:
        for a, b in zip(first.tolist(), np.roll(first, -step).tolist(), strict=True):
            code = (a,) if size == 1 else (min(a, b), max(a, b))
            if len(found) < count and left[a] > 0 and left[b] > 0 and code not in taken:
                found.append(code)
                left[list(code)] -= 1
        if len(found) == count:
            break
    return found


def _free_of(every: _Ints, above: Sequence[Code], m: int, margin: int) -> NDArray[np.bool_]:
    """Which codes have at least ``margin`` actions that each of the given ones lacks."""
    size = every.shape[1]
    alive = np.ones(len(every), dtype=bool)
    for code in above:
        # one with fewer actions can't contain it
        if size - len(code) < margin:
            member = np.zeros(m, dtype=np.int64)
            member[list(code)] = 1
            alive &= size - member[every].sum(axis=1) >= margin
    return alive


def _one_by_one(
    problem: FreeChoice, every: _Ints, alive: NDArray[np.bool_], count: int, loads: _Ints, spread: bool
) -> list[Code]:
    """Pick codes in turn; each takes those away that are too close to it, or whose actions are full."""
    size, margin = every.shape[1], problem.margin
    limit = len(alive) * len(loads) if problem.max_targets is None else problem.max_targets
    alive = alive & (loads[every] < limit).all(axis=1)
    burden = loads[every].sum(axis=1)
    found: list[Code] = []
    while len(found) < count and alive.any():
        pick = int(np.where(alive, burden, np.iinfo(np.int64).max).argmin() if spread else alive.argmax())
        code = every[pick]
        found.append(tuple(code.tolist()))
        loads[code] += 1
        member = np.zeros(len(loads), dtype=np.int64)
        member[code] = 1
        common = member[every].sum(axis=1)
        burden += common
        alive &= size - common >= margin
        for action in code[loads[code] >= limit].tolist():
            alive &= (every != action).all(axis=1)
    return found
