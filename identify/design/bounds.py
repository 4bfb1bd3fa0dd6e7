"""How many actions are needed at least: conditions that every set of codes meets.

A latent's code is the set of new actions that target it. The code of i must have at least ``margin`` actions
that the code of j lacks, for every pair (i, j) to be separated: 1, or 2 when the loss of any one action must do
no harm.
"""

from __future__ import annotations

from functools import cache
from math import ceil, comb, inf

import numpy as np

from identify.design.blocks import FreeChoice

__all__ = ["capacity", "fewest_actions", "lower_bound", "most_recoverable"]

# with more actions than this, codes don't run short for any number of latents
_MANY = 62

# the longest chain of blocks looked at block by block; longer ones as a whole
_MOST_LINKS = 48


def lower_bound(problem: FreeChoice) -> int:
    """A number of actions below which no codes exist.

    Args:
        problem: what free choice has to do.

    Returns:
        The smallest number that meets all conditions below; often, not always, it is enough.
    """
    if not problem.n_entangled:
        return 0
    chains = _heaviest_chains(problem)
    m = problem.margin
    if problem.max_targets is not None:
        m = max(m, -(-problem.margin * problem.n_entangled // problem.max_targets))
    while not _possible(problem, chains, m):
        m += 1
    return m


@cache
def fewest_actions(n: int) -> int:
    """The fewest actions that separate n latents which nothing else separates.

    Source:
        E. Sperner, Ein Satz über Untermengen einer endlichen Menge, Mathematische Zeitschrift 27, 1928: an
        antichain of subsets of m things has at most binomial(m, floor(m / 2)) members.

    Example:
        >>> [fewest_actions(n) for n in (3, 6, 10, 20, 70)]
        [3, 4, 5, 6, 8]
    """
    return 0 if n < 2 else next(m for m in range(2, n + 2) if capacity(m, 1) >= n)


@cache
def capacity(m: int, margin: int) -> int:
    """At most so many codes of m actions have pairwise, in both directions, ``margin`` actions of difference.

    For margin 2, take any one action away from a code in all ways: what is left of different codes is
    never contained in each other, so these sets form an antichain, and so do those with one more action.
    The LYM inequality bounds the number of both.

    Source:
        D. Lubell, A short proof of Sperner's lemma, Journal of Combinatorial Theory 1, 1966 (for the inequality).

    Example:
        >>> [capacity(m, 2) for m in (3, 4, 6, 8)]
        [1, 2, 5, 14]
    """
    if m > _MANY:
        return 1 << _MANY
    if margin == 1:
        return comb(m, m // 2)
    if m < 4:
        return 1
    down = [k / comb(m, k - 1) for k in range(2, m + 1)]
    both = [(d + (m - k) / max(comb(m, k + 1), 1)) / 2 for k, d in zip(range(2, m + 1), down, strict=True)]
    # a code alone may be anything
    return max(1, int(min(1 / min(down), 1 / min(both)) + 1e-9))


def most_recoverable(problem: FreeChoice, m: int) -> int:
    """At most so many of the latents with something to separate can be separated by m actions."""
    if m < problem.margin:
        return 0
    count = sum(
        min(len(block), capacity(m, problem.margin) if len(block) > 1 else 1)
        for block, entangled in zip(problem.blocks, problem.entangled, strict=True)
        if entangled
    )
    if problem.max_targets is not None:
        count = min(count, m * problem.max_targets // problem.margin)
    return count


def _possible(problem: FreeChoice, chains: list[int], m: int) -> bool:
    margin, limit = problem.margin, problem.max_targets
    # the margin of one: a code with an action lost is still a code
    m_plain = m - (margin - 1)
    if m_plain <= _MANY:
        layers = sorted((comb(m_plain, k) for k in range(m_plain + 1)), reverse=True)
        if any(weight > sum(layers[:links]) for links, weight in enumerate(chains)):
            return False
    sizes = [len(block) for block, needed in zip(problem.blocks, problem.entangled, strict=True) if needed]
    if any(not _block_fits(size, m, margin, limit) for size in sizes if size > 1):
        return False
    if limit is None:
        return True
    total = sum(_least_entries(size, m, margin) if size > 1 else margin for size in sizes)
    return total <= m * limit


def _heaviest_chains(problem: FreeChoice) -> list[int]:
    """For k = 0, 1, ...: at most so many latents in k blocks of which each is entangled with the next.

    In such a chain all codes differ, and each block's form an antichain. k antichains of subsets of m things
    have at most as many members as the k largest layers (Greene and Kleitman, 1976; Erdos, 1945).
    """
    n = len(problem.blocks)
    links = min(problem.n_links, _MOST_LINKS)
    # heaviest[b, k]: of the chains with k links that start at block b
    heaviest = np.zeros((n, links + 1), dtype=np.int64)
    whole = np.zeros(n, dtype=np.int64)
    for b in problem.top_first:
        above, size = problem.above[b], len(problem.blocks[b])
        best = heaviest[above].max(axis=0) if len(above) else np.zeros(links + 1, dtype=np.int64)
        ceiling = int(problem.ceiling[b])
        best = np.maximum(best, ceiling)
        best[0] = 0
        heaviest[b, 1:] = size + best[:-1]
        whole[b] = size + max(int(whole[above].max()) if len(above) else 0, ceiling)
    chains = [int(weight) for weight in heaviest.max(axis=0)]
    # as one with so many links that every layer counts
    return chains + [0] * (_MOST_LINKS + 1 - len(chains)) + [int(whole.max())] * 64


def _block_fits(size: int, m: int, margin: int, limit: int | None) -> bool:
    """Whether codes of a block of latents, entangled with each other, can exist by counting.

    A code of the least size, ``margin``, has its actions to itself within the block. Say x latents have
    such codes; the others need one action more each, out of those that are left.
    """
    for x in range(min(size, m // margin) + 1):
        rest, left = size - x, m - margin * x
        if not rest:
            return True
        if capacity(left, margin) < rest or left <= margin:
            continue
        if limit is None or (margin + 1) * rest <= left * limit:
            return True
    return False


def _least_entries(size: int, m: int, margin: int) -> float:
    """Codes of a block have at least so many entries together."""
    best = inf
    for x in range(min(size, m // margin) + 1):
        rest, left = size - x, m - margin * x
        if rest and (left <= margin or capacity(left, margin) < rest):
            continue
        best = min(best, margin * x + _least_of_larger(rest, left, margin))
    return best


@cache
def _least_of_larger(size: int, m: int, margin: int) -> int:
    """The same where every code has more than ``margin`` actions: the smallest sizes that LYM lets in."""
    if not size:
        return 0
    for k in range(margin + 1, m + 1):
        share, next_share = _share(m, k, margin), _share(m, k + 1, margin) if k < m else inf
        if size * share <= 1 + 1e-9:
            return k * size
        if size * next_share <= 1:
            # n_k of size k and the rest of size k + 1
            n_k = (1 - size * next_share) / (share - next_share)
            return ceil((k + 1) * size - n_k - 1e-9)
    return m * size


def _share(m: int, k: int, margin: int) -> float:
    return 1 / comb(m, k) if margin == 1 else k / comb(m, k - 1)
