"""Row inclusion of sparse boolean matrices: the preorder "row i is contained in row j".

The one hot kernel of the package. The dense formula (``rows @ ~rows.T == 0``) costs n^2 * columns; here
nothing is enumerated that need not be:

1. Equal rows are grouped first (hash, then verified entry by entry), so twins cost nothing.
2. A row strictly contained in another is strictly shorter. So a row i looks for its supersets only among
   the LONGER rows that share one of its columns, namely the column where those are fewest. A hub column
   with 100,000 entries is never multiplied with itself.
3. Candidates pass a 64-bit signature, then an exact test.

The result is kept by groups of equal rows, so 50,000 equal rows are one number, not 2.5 * 10^9 pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.hashing import GOLDEN_GAMMA, mix64

__all__ = ["Preorder", "row_inclusion"]

Ints = NDArray[np.integer]
Words = NDArray[np.uint64]

# Bounds on temporary memory: pairs expanded at once, and bytes of the packed rows.
_PAIRS_AT_ONCE = 1 << 21
_PACKED_BYTES = 1 << 27
# from so many candidates on, a row is worth a step of Python: a listed candidate costs some thirty times as much
_MANY = 2048
_FULL_SIGNATURE = 56


@dataclass(frozen=True)
class Preorder:
    """The relation "row i is contained in row j", by groups of equal rows.

    Attributes:
        labels: Shape (n,); the group of each row. Groups are numbered by their first row.
        above: Boolean CSR of shape (n_groups, n_groups); ``above[a, b]`` is true when the rows of group
            a are strictly contained in those of group b. Its diagonal is empty.
    """

    labels: Ints
    above: scipy.sparse.csr_array

    @property
    def n_groups(self) -> int:
        return int(self.above.shape[0])


def row_inclusion(rows: scipy.sparse.csr_array) -> Preorder:
    """Decide for all pairs of rows which support is contained in which.

    Args:
        rows: Boolean CSR of shape (n, columns) with sorted indices, without duplicates or stored zeros.

    Returns:
        The inclusion preorder. An empty row is contained in every row.

    Example:
        >>> found = row_inclusion(scipy.sparse.csr_array([[1, 0], [1, 1], [1, 0]], dtype=bool))
        >>> found.labels.tolist(), found.above.toarray().tolist()
        ([0, 1, 0], [[False, True], [False, False]])
    """
    labels, first = _group_equal(rows)
    distinct = rows if len(first) == rows.shape[0] else rows[first]
    small, large = _strict_inclusions(distinct)
    shape = (len(first), len(first))
    above = scipy.sparse.csr_array((np.ones(len(small), dtype=bool), (small, large)), shape=shape)
    above.sort_indices()
    return Preorder(labels, above)


# Equal rows -----------------------------------------------------------------------------------------


def _group_equal(rows: scipy.sparse.csr_array) -> tuple[Ints, Ints]:
    """Label of each row's group of equal rows, and the first row of each group."""
    for seed in count():
        keys = _fold_rows(rows, seed, np.add)
        _, first, labels = np.unique(keys, return_index=True, return_inverse=True)
        by_appearance = np.argsort(first)
        rank = np.empty_like(by_appearance)
        rank[by_appearance] = np.arange(len(rank))
        first, labels = first[by_appearance], rank[labels]
        # a hash may collide; equality is verified, and another seed separates what collided
        if _rows_equal(rows, first[labels]):
            return labels, first
    raise AssertionError("unreachable")


def _rows_equal(rows: scipy.sparse.csr_array, representative: Ints) -> bool:
    followers = np.flatnonzero(representative != np.arange(len(representative)))
    if not len(followers):
        return True
    lengths = np.diff(rows.indptr)
    if not np.array_equal(lengths[followers], lengths[representative[followers]]):
        return False
    return all(
        np.array_equal(
            rows.indices[_entries(rows, followers[part])],
            rows.indices[_entries(rows, representative[followers[part]])],
        )
        for part in _slices(lengths[followers])
    )


def _fold_rows(rows: scipy.sparse.csr_array, seed: int, fold: np.ufunc) -> Words:
    """Fold a pseudo-random word per column over each row: a sum is a hash of the row, an OR a signature."""
    columns = np.arange(rows.shape[1], dtype=np.uint64) + np.uint64(seed << 40)
    words = mix64((columns + np.uint64(1)) * GOLDEN_GAMMA)
    if fold is np.bitwise_or:
        # up to 64 columns a signature is the row itself
        few = rows.shape[1] <= 64
        words = np.uint64(1) << (np.arange(rows.shape[1], dtype=np.uint64) if few else words >> np.uint64(58))
    result = np.zeros(rows.shape[0], dtype=np.uint64)
    filled = np.flatnonzero(np.diff(rows.indptr))
    for part in _slices(np.diff(rows.indptr)[filled]):
        group = filled[part]
        start = rows.indptr[group[0]]
        values = words[rows.indices[start : rows.indptr[group[-1] + 1]]]
        result[group] = fold.reduceat(values, rows.indptr[group] - start)
    return result


# Strict inclusion among distinct rows ---------------------------------------------------------------


def _strict_inclusions(rows: scipy.sparse.csr_array) -> tuple[Ints, Ints]:
    """All pairs (i, j) of distinct rows with row i strictly contained in row j."""
    longest_first = np.argsort(-np.diff(rows.indptr), kind="stable")
    ranked = rows[longest_first]
    found = [_above_the_empty_row(ranked)]
    signatures = _fold_rows(ranked, 0, np.bitwise_or)
    for small, large in _likely(ranked, signatures):
        inside = _contained(ranked, small, large)
        found.append((small[inside], large[inside]))
    small, large = (longest_first[side] for side in _joined(found))
    return small, large


def _above_the_empty_row(ranked: scipy.sparse.csr_array) -> tuple[Ints, Ints]:
    """Pairs of the empty row, if there is one (the last, rows being distinct), with all others."""
    last = ranked.shape[0] - 1
    n = 0 if ranked.indptr[last + 1] > ranked.indptr[last] else last
    return np.full(n, last, dtype=np.intp), np.arange(n, dtype=np.intp)


def _likely(ranked: scipy.sparse.csr_array, signatures: Words) -> Iterator[tuple[Ints, Ints]]:
    """Pairs (i, j): row j is longer than row i, has the column of i in which such rows are fewest, and its signature.

    Args:
        ranked: Distinct rows, longest first, so the longer rows stand first in every column.
        signatures: Of the rows.
    """
    by_column = ranked.tocsc()
    number, column = _fewest_longer(ranked, by_column)
    # where nearly all bits are set a signature tells nothing, and what it lets through has to be listed anyway
    telling = ranked.shape[1] <= 64 or np.bitwise_count(signatures).mean() < _FULL_SIGNATURE
    many = (number >= _MANY) & telling
    yield from _likely_among_many(by_column, signatures, number, column, np.flatnonzero(many))
    rows_with = np.flatnonzero((number > 0) & ~many)
    for part in _slices(number[rows_with]):
        small = rows_with[part]
        start, length = by_column.indptr[column[small]], number[small]
        small = np.repeat(small, length)
        large = by_column.indices[_ranges(start, length)].astype(np.intp)
        likely = signatures[small] & ~signatures[large] == 0
        yield small[likely], large[likely]


def _likely_among_many(
    by_column: scipy.sparse.csc_array, signatures: Words, number: Ints, column: Ints, rows_with: Ints
) -> Iterator[tuple[Ints, Ints]]:
    """The same for rows with many candidates, which are compared where they stand, and never listed."""
    found: list[tuple[Ints, Ints]] = []
    n_found = 0
    for c in np.unique(column[rows_with]).tolist():
        along = by_column.indices[by_column.indptr[c] : by_column.indptr[c + 1]].astype(np.intp)
        lacking = ~signatures[along]
        for i in rows_with[column[rows_with] == c].tolist():
            large = along[: number[i]][lacking[: number[i]] & signatures[i] == 0]
            found.append((np.full(len(large), i, dtype=np.intp), large))
            n_found += len(large)
            if n_found >= _PAIRS_AT_ONCE:
                yield _joined(found)
                found, n_found = [], 0
    if found:
        yield _joined(found)


def _joined(pairs: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    small, large = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return small, large


def _fewest_longer(ranked: scipy.sparse.csr_array, by_column: scipy.sparse.csc_array) -> tuple[Ints, Ints]:
    """For each row: the least number of longer rows in any of its columns, and that column."""
    n_rows, n_columns = ranked.shape
    keys = _longer_before(np.diff(ranked.indptr), by_column)
    keys *= n_columns
    keys += np.repeat(np.arange(n_columns), np.diff(by_column.indptr))
    nobody = np.iinfo(np.int64).max
    least = np.full(n_rows, nobody)
    np.minimum.at(least, by_column.indices, keys)
    number, column = np.divmod(least, max(n_columns, 1))
    number[least == nobody] = 0
    return number, column


def _longer_before(lengths: Ints, by_column: scipy.sparse.csc_array) -> NDArray[np.int64]:
    """For each entry, in the order of the columns: how many rows above it in its column are longer."""
    place = np.arange(by_column.nnz, dtype=np.int64)
    along = lengths[by_column.indices]
    new_length = np.ones(by_column.nnz, dtype=bool)
    np.not_equal(along[1:], along[:-1], out=new_length[1:])
    starts = by_column.indptr[:-1][np.diff(by_column.indptr) > 0]
    new_length[starts] = True
    run_start = np.maximum.accumulate(np.where(new_length, place, 0))
    run_start -= np.repeat(by_column.indptr[:-1], np.diff(by_column.indptr))
    return run_start


# The exact test -------------------------------------------------------------------------------------


def _contained(rows: scipy.sparse.csr_array, small: Ints, large: Ints) -> NDArray[np.bool_]:
    """Whether row ``small[p]`` is contained in row ``large[p]``, for each pair p."""
    if not len(small):
        return np.zeros(0, dtype=bool)
    inner, inner_at = np.unique(small, return_inverse=True)
    outer, outer_at = np.unique(large, return_inverse=True)
    columns = np.unique(rows.indices[_entries(rows, inner)])
    n_words = -(-len(columns) // 64)
    lookups = int(np.diff(rows.indptr)[small].sum(dtype=np.int64))
    # a lookup is a binary search, some thirty times as costly as the comparison of two words
    if (len(inner) + len(outer)) * n_words * 8 <= _PACKED_BYTES and n_words * len(small) <= 32 * lookups:
        return _packed_contained(
            _packed(rows[inner], columns), _packed(rows[outer], columns), inner_at, outer_at
        )
    return _searched_contained(rows, small, outer, outer_at)


def _packed(rows: scipy.sparse.csr_array, columns: Ints) -> Words:
    """The chosen columns of the rows as bits, 64 a word; shape (words, rows)."""
    n_bytes = 8 * -(-len(columns) // 64)
    bits = np.zeros((rows.shape[0], n_bytes), dtype=np.uint8)
    for part in _slices(np.full(rows.shape[0], len(columns))):
        dense = rows[part][:, columns].toarray()
        packed = np.packbits(dense, axis=1)
        bits[part, : packed.shape[1]] = packed
    return np.ascontiguousarray(bits.view(np.uint64).T)


def _packed_contained(inner: Words, outer: Words, inner_at: Ints, outer_at: Ints) -> NDArray[np.bool_]:
    alive = np.arange(len(inner_at))
    for inner_word, outer_word in zip(inner, outer, strict=True):
        missing = inner_word[inner_at[alive]] & ~outer_word[outer_at[alive]]
        alive = alive[missing == 0]
    result = np.zeros(len(inner_at), dtype=bool)
    result[alive] = True
    return result


def _searched_contained(
    rows: scipy.sparse.csr_array, small: Ints, outer: Ints, outer_at: Ints
) -> NDArray[np.bool_]:
    n_columns = rows.shape[1]
    lengths = np.diff(rows.indptr)
    keys = np.repeat(np.arange(len(outer), dtype=np.int64) * n_columns, lengths[outer])
    keys += rows.indices[_entries(rows, outer)]
    result = np.zeros(len(small), dtype=bool)
    for part in _slices(lengths[small]):
        wanted = np.repeat(outer_at[part].astype(np.int64) * n_columns, lengths[small[part]])
        wanted += rows.indices[_entries(rows, small[part])]
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        starts = np.cumsum(lengths[small[part]]) - lengths[small[part]]
        result[part] = np.logical_and.reduceat(keys[place] == wanted, starts)
    return result


# Ranges ---------------------------------------------------------------------------------------------


def _entries(rows: scipy.sparse.csr_array, which: Ints) -> Ints:
    """Positions, in ``rows.indices``, of the entries of the chosen rows, row after row."""
    start = rows.indptr[which]
    return _ranges(start, rows.indptr[which + 1] - start)


def _ranges(start: Ints, length: Ints) -> Ints:
    """The ranges start[k], ..., start[k] + length[k] - 1, one after the other."""
    offset = start - (np.cumsum(length, dtype=np.int64) - length)
    return np.repeat(offset, length) + np.arange(int(length.sum(dtype=np.int64)))


def _slices(sizes: Ints) -> Iterator[slice]:
    """Consecutive slices whose sizes add up to at most `_PAIRS_AT_ONCE`, or hold a single item."""
    total = np.cumsum(sizes, dtype=np.int64)
    begin = 0
    while begin < len(total):
        done = total[begin - 1] if begin else 0
        end = int(np.searchsorted(total, done + _PAIRS_AT_ONCE, side="right"))
        end = max(end, begin + 1)
        yield slice(begin, end)
        begin = end
