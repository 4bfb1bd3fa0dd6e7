"""Lower bounds on the number of actions, from necessary conditions on codes.

The code of a latent is the set of new actions that target it. For every pair (i, j) to be separated, the code of i must
have at least ``margin`` actions that the code of j lacks. The margin is 1, or 2 if the design must survive the loss of
any one action.
"""

from __future__ import annotations

from functools import cache
from math import ceil, comb, inf

import numpy as np

from identify.design.blocks import FreeChoice

__all__ = ["capacity", "fewest_actions", "lower_bound", "max_recoverable"]

# more actions than this have codes for any number of latents
_MAX_ACTIONS = 62

# longest chain of blocks that is checked block by block; longer chains are checked as a whole
_MAX_CHAIN_LENGTH = 48


def lower_bound(problem: FreeChoice) -> int:
    """Return a lower bound on the number of actions.

    Args:
        problem: Latents that need codes.

    Returns:
        The smallest number of actions that meets all necessary conditions below. It often suffices, but not always.
    """
    if not problem.n_entangled:
        return 0
    chains = _heaviest_chains(problem)
    m = problem.margin
    if problem.max_targets is not None:
        m = max(m, -(-problem.margin * problem.n_entangled // problem.max_targets))
    while not _is_feasible(problem, chains, m):
        m += 1
    return m


@cache
def fewest_actions(n: int) -> int:
    """Return the smallest number of actions that separate n latents without any other means.

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
    """Return an upper bound on the number of codes of m actions that differ by ``margin`` actions in both directions.

    For margin 2, remove one action from each code in every possible way. Sets from different codes don't contain each
    other, so all these sets form an antichain. Adding one action in every possible way gives another antichain. The LYM
    inequality bounds the size of both.

    Source:
        D. Lubell, A short proof of Sperner's lemma, Journal of Combinatorial Theory 1, 1966 (LYM inequality).

    Example:
        >>> [capacity(m, 2) for m in (3, 4, 6, 8)]
        [1, 2, 5, 14]
    """
    if m > _MAX_ACTIONS:
        return 1 << _MAX_ACTIONS
    if margin == 1:
        return comb(m, m // 2)
    if m < 4:
        return 1
    down = [k / comb(m, k - 1) for k in range(2, m + 1)]
    both = [(d + (m - k) / max(comb(m, k + 1), 1)) / 2 for k, d in zip(range(2, m + 1), down, strict=True)]
    # a single code has no condition to meet
    return max(1, int(min(1 / min(down), 1 / min(both)) + 1e-9))


def max_recoverable(problem: FreeChoice, m: int) -> int:
    """Return an upper bound on the number of entangled latents that m actions can separate from all others."""
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


def _is_feasible(problem: FreeChoice, chains: list[int], m: int) -> bool:
    """Return whether m actions meet the necessary conditions."""
    margin, limit = problem.margin, problem.max_targets
    # with margin 2, codes remain codes (of margin 1) when one action is lost
    m_plain = m - (margin - 1)
    if m_plain <= _MAX_ACTIONS:
        layers = sorted((comb(m_plain, k) for k in range(m_plain + 1)), reverse=True)
        if any(weight > sum(layers[:length]) for length, weight in enumerate(chains)):
            return False
    sizes = [
        len(block) for block, entangled in zip(problem.blocks, problem.entangled, strict=True) if entangled
    ]
    if any(not _block_fits(size, m, margin, limit) for size in sizes if size > 1):
        return False
    if limit is None:
        return True
    total = sum(_min_entries(size, m, margin) if size > 1 else margin for size in sizes)
    return total <= m * limit


def _heaviest_chains(problem: FreeChoice) -> list[int]:
    """Return, for k = 0, 1, ..., the largest number of latents in a chain of k blocks, each entangled with the next.

    All codes of a chain differ, and the codes of each block form an antichain. The union of k antichains of subsets of
    m elements is at most as large as the union of the k largest layers (Greene and Kleitman, 1976; Erdos, 1945).
    """
    n = len(problem.blocks)
    length = min(problem.chain_length, _MAX_CHAIN_LENGTH)
    # heaviest[b, k]: maximum over the chains of k blocks that start at block b
    heaviest = np.zeros((n, length + 1), dtype=np.int64)
    whole = np.zeros(n, dtype=np.int64)
    for b in problem.top_first:
        above, size = problem.above[b], len(problem.blocks[b])
        best = heaviest[above].max(axis=0) if len(above) else np.zeros(length + 1, dtype=np.int64)
        ceiling = int(problem.ceiling[b])
        best = np.maximum(best, ceiling)
        best[0] = 0
        heaviest[b, 1:] = size + best[:-1]
        whole[b] = size + max(int(whole[above].max()) if len(above) else 0, ceiling)
    chains = [int(weight) for weight in heaviest.max(axis=0)]
    # longer chains: the heaviest whole chain, at lengths for which all layers count
    return chains + [0] * (_MAX_CHAIN_LENGTH + 1 - len(chains)) + [int(whole.max())] * 64


def _block_fits(size: int, m: int, margin: int, limit: int | None) -> bool:
    """Return whether a counting argument leaves room for the codes of a block of mutually entangled latents.

    The actions of a code of minimal size, ``margin``, occur in no other code of the block. If x latents have such
    codes, the others need codes of at least one action more, from the remaining actions.
    """
    for x in range(min(size, m // margin) + 1):
        n_larger, m_left = size - x, m - margin * x
        if not n_larger:
            return True
        if capacity(m_left, margin) < n_larger or m_left <= margin:
            continue
        if limit is None or (margin + 1) * n_larger <= m_left * limit:
            return True
    return False


def _min_entries(size: int, m: int, margin: int) -> float:
    """Return a lower bound on the total size of the codes of a block."""
    best = inf
    for x in range(min(size, m // margin) + 1):
        n_larger, m_left = size - x, m - margin * x
        if n_larger and (m_left <= margin or capacity(m_left, margin) < n_larger):
            continue
        best = min(best, margin * x + _min_entries_of_larger_codes(n_larger, m_left, margin))
    return best


@cache
def _min_entries_of_larger_codes(size: int, m: int, margin: int) -> int:
    """Return the same bound for codes of more than ``margin`` actions: the smallest sizes that LYM permits."""
    if not size:
        return 0
    for k in range(margin + 1, m + 1):
        share, next_share = _lym_share(m, k, margin), _lym_share(m, k + 1, margin) if k < m else inf
        if size * share <= 1 + 1e-9:
            return k * size
        if size * next_share <= 1:
            # n_k of size k and the rest of size k + 1
            n_k = (1 - size * next_share) / (share - next_share)
            return ceil((k + 1) * size - n_k - 1e-9)
    return m * size


def _lym_share(m: int, k: int, margin: int) -> float:
    """Return the contribution of a code of k actions to the LYM sum."""
    return 1 / comb(m, k) if margin == 1 else k / comb(m, k - 1)
