"""Row inclusion of sparse boolean matrices: the preorder "row i is contained in row j".

This is the one hot kernel of the package. The dense formula (``rows @ ~rows.T == 0``) costs n^2 * columns; the
algorithm here enumerates as little as possible:

1. Equal rows are grouped first (by hash, then verified entry by entry), so twins cost nothing.
2. A row strictly contained in another is strictly shorter. So the supersets of row i are sought only among the LONGER
   rows that share one of its columns, namely the column with the fewest such rows. A hub column with 100,000 entries is
   never multiplied with itself.
3. Where the rarest column of most rows is short, all its rows are listed, which is faster than to tell the longer ones.
4. Candidates pass a test of 64-bit signatures, then an exact test.

The result is stored by groups of equal rows, so 50,000 equal rows take one number, not 2.5 * 10^9 pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.hashing import GOLDEN_GAMMA, mix64

__all__ = ["Preorder", "row_inclusion"]

Ints = NDArray[np.integer]
Words = NDArray[np.uint64]

# limits for temporary memory: pairs expanded at once, and bytes of the packed rows
_PAIRS_AT_ONCE = 1 << 21
_PACKED_BYTES = 1 << 27
# with more candidates, a row is scanned in a step of Python, because a listed candidate costs some thirty times more
_MIN_CANDIDATES_SCANNED = 2048
_SATURATED_BITS = 56
# mean number of rows in the rarest column of each, up to which longer rows are not told from others before listing
_SHORT_LISTS = 8
# mean length of rows up to which that is found out
_SHORT_ROWS = 64


@dataclass(frozen=True)
class Preorder:
    """The relation "row i is contained in row j", by groups of equal rows.

    Attributes:
        labels: Group of each row, shape (n,). Groups are numbered by their first row.
        above: Boolean CSR of shape (n_groups, n_groups); ``above[a, b]`` is true if the rows of group a are strictly
            contained in those of group b. Its diagonal is empty.
    """

    labels: Ints
    above: scipy.sparse.csr_array

    @property
    def n_groups(self) -> int:
        """Number of groups of equal rows."""
        return int(self.above.shape[0])


def row_inclusion(
    rows: scipy.sparse.csr_array, by_column: Callable[[], scipy.sparse.csc_array] | None = None
) -> Preorder:
    """Decide for all pairs of rows whether one support is contained in the other.

    Args:
        rows: Boolean CSR of shape (n, columns) with sorted indices, without duplicates or stored zeros.
        by_column: Returns the same matrix as CSC, if that is faster than to convert it.

    Returns:
        The inclusion preorder. An empty row is contained in every row.

    Example:
        >>> preorder = row_inclusion(scipy.sparse.csr_array([[1, 0], [1, 1], [1, 0]], dtype=bool))
        >>> preorder.labels.tolist(), preorder.above.toarray().tolist()
        ([0, 1, 0], [[False, True], [False, False]])
    """
    labels, first = _group_equal(rows)
    # rows are long where columns are, unless the graph is extreme
    is_short = rows.nnz <= _SHORT_ROWS * rows.shape[0]
    least = _column_of_least_degree(rows) if is_short else None
    if least is not None and least[0].sum(dtype=np.int64) <= _SHORT_LISTS * rows.shape[0]:
        columns = rows.tocsc() if by_column is None else by_column()
        small, large = (labels[side] for side in _listed_inclusions(rows, columns, first, *least))
    else:
        small, large = _strict_inclusions(rows if len(first) == rows.shape[0] else rows[first])
    shape = (len(first), len(first))
    above = scipy.sparse.csr_array((np.ones(len(small), dtype=bool), (small, large)), shape=shape)
    above.sort_indices()
    return Preorder(labels, above)


# Equal rows -----------------------------------------------------------------------------------------


def _group_equal(rows: scipy.sparse.csr_array) -> tuple[Ints, Ints]:
    """Return the group of equal rows of each row, and the first row of each group."""
    for seed in count():
        first, labels = _group_equal_keys(_fold_rows(rows, seed, np.add))
        # hashes may collide: equality is verified, and another seed separates rows that collided
        if _rows_equal(rows, first[labels]):
            return labels, first
    raise AssertionError("unreachable")


def _group_equal_keys(keys: Words) -> tuple[Ints, Ints]:
    """Return the first position of each different key, ascending, and the number of the key at each position."""
    ordered = np.sort(keys)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    representative = np.arange(len(keys))
    if len(repeated):
        # to sort the positions of all keys takes longer than to find the few that are repeated
        place = np.minimum(np.searchsorted(repeated, keys), len(repeated) - 1)
        members = np.flatnonzero(repeated[place] == keys)
        _, first, labels = np.unique(place[members], return_index=True, return_inverse=True)
        representative[members] = members[first][labels]
    is_first = representative == np.arange(len(keys))
    return np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[representative]


def _rows_equal(rows: scipy.sparse.csr_array, representative: Ints) -> bool:
    followers = np.flatnonzero(representative != np.arange(len(representative)))
    if not len(followers):
        return True
    lengths = np.diff(rows.indptr)
    if not np.array_equal(lengths[followers], lengths[representative[followers]]):
        return False
    return all(
        np.array_equal(
            rows.indices[_entry_positions(rows, followers[chunk])],
            rows.indices[_entry_positions(rows, representative[followers[chunk]])],
        )
        for chunk in _slices(lengths[followers])
    )


def _fold_rows(rows: scipy.sparse.csr_array, seed: int, fold: np.ufunc) -> Words:
    """Reduce a pseudo-random word per column over each row: a sum is a hash of the row, an OR a signature."""
    columns = np.arange(rows.shape[1], dtype=np.uint64) + np.uint64(seed << 40)
    words = mix64((columns + np.uint64(1)) * GOLDEN_GAMMA)
    bits = None
    if fold is np.bitwise_or:
        # with up to 64 columns, the signature is the row itself; a byte per column stays in the processor's cache
        bits = (np.arange(rows.shape[1]) if rows.shape[1] <= 64 else words >> np.uint64(58)).astype(np.uint8)
    result = np.zeros(rows.shape[0], dtype=np.uint64)
    nonempty = np.flatnonzero(np.diff(rows.indptr))
    for chunk in _slices(np.diff(rows.indptr)[nonempty]):
        group = nonempty[chunk]
        start = rows.indptr[group[0]]
        indices = rows.indices[start : rows.indptr[group[-1] + 1]]
        values = words[indices] if bits is None else np.uint64(1) << bits[indices].astype(np.uint64)
        result[group] = fold.reduceat(values, rows.indptr[group] - start)
    return result


# Strict inclusion among distinct rows ---------------------------------------------------------------


def _listed_inclusions(
    rows: scipy.sparse.csr_array, by_column: scipy.sparse.csc_array, first: Ints, degree: Ints, column: Ints
) -> tuple[Ints, Ints]:
    """Return what `_strict_inclusions` does, from one column of each row, all of whose rows are listed.

    Rows are neither sorted by length nor counted in every column, which takes longer than to list a few of them.

    Args:
        rows: The rows.
        by_column: The same matrix as CSC.
        first: The first of each group of equal rows.
        degree: Number of rows in the column of each row.
        column: A column of each row.
    """
    lengths, signatures = np.diff(rows.indptr), _fold_rows(rows, 0, np.bitwise_or)
    is_first = np.zeros(len(lengths), dtype=bool)
    is_first[first] = True
    pairs = [_empty_row_pairs(lengths, first)]
    # a column with one row has no other
    listed = np.flatnonzero(is_first & (degree > 1))
    for chunk in _slices(degree[listed]):
        small = listed[chunk]
        n_listed = degree[small]
        large = by_column.indices[_concatenate_ranges(by_column.indptr[column[small]], n_listed)]
        small = np.repeat(small, n_listed)
        passes = lengths[large] > lengths[small]
        passes &= signatures[small] & ~signatures[large] == 0
        small, large = small[passes], large[passes].astype(np.intp)
        is_contained = is_first[large] & _contained(rows, small, large)
        pairs.append((small[is_contained], large[is_contained]))
    return _concatenate(pairs)


def _column_of_least_degree(rows: scipy.sparse.csr_array) -> tuple[Ints, Ints]:
    """Return for each row the least number of rows in any of its columns, and that column; 0 for an empty row."""
    n_rows, n_columns = rows.shape
    result = np.zeros(n_rows, dtype=np.int64)
    nonempty = np.flatnonzero(np.diff(rows.indptr))
    if len(nonempty):
        degrees = np.bincount(rows.indices, minlength=n_columns)
        keys = degrees.astype(np.int32)[rows.indices] * np.int64(n_columns)
        keys += rows.indices
        result[nonempty] = np.minimum.reduceat(keys, rows.indptr[nonempty])
    return np.divmod(result, max(n_columns, 1))


def _strict_inclusions(rows: scipy.sparse.csr_array) -> tuple[Ints, Ints]:
    """Return all pairs (i, j) of distinct rows with row i strictly contained in row j."""
    lengths = np.diff(rows.indptr)
    longest_first = np.argsort(-lengths, kind="stable")
    ranked = rows[longest_first]
    pairs = [_empty_row_pairs(lengths, np.arange(len(lengths)))]
    signatures = _fold_rows(ranked, 0, np.bitwise_or)
    for small, large in _candidate_pairs(ranked, signatures):
        is_contained = _contained(ranked, small, large)
        pairs.append((longest_first[small[is_contained]], longest_first[large[is_contained]]))
    return _concatenate(pairs)


def _empty_row_pairs(lengths: Ints, first: Ints) -> tuple[Ints, Ints]:
    """Return the pairs of the empty row, of which there is one at most, with all other rows among the first ones."""
    empty, others = first[lengths[first] == 0], first[lengths[first] > 0]
    return np.repeat(empty, len(others)), np.tile(others, len(empty))


def _candidate_pairs(ranked: scipy.sparse.csr_array, signatures: Words) -> Iterator[tuple[Ints, Ints]]:
    """Yield candidate pairs (i, j): row j is longer, and its signature contains that of row i.

    Only rows in the column of row i with the fewest longer rows are candidates.

    Args:
        ranked: Distinct rows, longest first, so that the longer rows come first in every column.
        signatures: Signatures of the rows.
    """
    by_column = ranked.tocsc()
    n_candidates, column = _rarest_column(ranked, by_column)
    # if nearly all bits are set, signatures exclude little, and the remaining pairs must be listed anyway
    are_selective = ranked.shape[1] <= 64 or np.bitwise_count(signatures).mean() < _SATURATED_BITS
    scanned = (n_candidates >= _MIN_CANDIDATES_SCANNED) & are_selective
    yield from _scan_candidates(by_column, signatures, n_candidates, column, np.flatnonzero(scanned))
    listed = np.flatnonzero((n_candidates > 0) & ~scanned)
    for chunk in _slices(n_candidates[listed]):
        small = listed[chunk]
        start, length = by_column.indptr[column[small]], n_candidates[small]
        small = np.repeat(small, length)
        large = by_column.indices[_concatenate_ranges(start, length)].astype(np.intp)
        passes = signatures[small] & ~signatures[large] == 0
        yield small[passes], large[passes]


def _scan_candidates(
    by_column: scipy.sparse.csc_array, signatures: Words, n_candidates: Ints, column: Ints, rows: Ints
) -> Iterator[tuple[Ints, Ints]]:
    """Yield the candidate pairs of rows with many candidates, which are scanned column by column and never listed."""
    pairs: list[tuple[Ints, Ints]] = []
    n_pairs = 0
    for c in np.unique(column[rows]).tolist():
        rows_of_column = by_column.indices[by_column.indptr[c] : by_column.indptr[c + 1]].astype(np.intp)
        missing_bits = ~signatures[rows_of_column]
        for i in rows[column[rows] == c].tolist():
            candidates = slice(n_candidates[i])
            large = rows_of_column[candidates][missing_bits[candidates] & signatures[i] == 0]
            pairs.append((np.full(len(large), i, dtype=np.intp), large))
            n_pairs += len(large)
            if n_pairs >= _PAIRS_AT_ONCE:
                yield _concatenate(pairs)
                pairs, n_pairs = [], 0
    if pairs:
        yield _concatenate(pairs)


def _concatenate(pairs: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    small, large = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return small, large


def _rarest_column(ranked: scipy.sparse.csr_array, by_column: scipy.sparse.csc_array) -> tuple[Ints, Ints]:
    """Return for each row the least number of longer rows in any of its columns, and that column."""
    n_rows, n_columns = ranked.shape
    keys = _count_longer_above(np.diff(ranked.indptr), by_column)
    keys *= n_columns
    keys += np.repeat(np.arange(n_columns), np.diff(by_column.indptr))
    no_column = np.iinfo(np.int64).max
    least = np.full(n_rows, no_column)
    np.minimum.at(least, by_column.indices, keys)
    n_longer, column = np.divmod(least, max(n_columns, 1))
    n_longer[least == no_column] = 0
    return n_longer, column


def _count_longer_above(lengths: Ints, by_column: scipy.sparse.csc_array) -> NDArray[np.int64]:
    """Return for each entry, in column order, the number of longer rows above it in its column."""
    position = np.arange(by_column.nnz, dtype=np.int64)
    entry_lengths = lengths[by_column.indices]
    starts_run = np.ones(by_column.nnz, dtype=bool)
    np.not_equal(entry_lengths[1:], entry_lengths[:-1], out=starts_run[1:])
    column_starts = by_column.indptr[:-1][np.diff(by_column.indptr) > 0]
    starts_run[column_starts] = True
    run_start = np.maximum.accumulate(np.where(starts_run, position, 0))
    run_start -= np.repeat(by_column.indptr[:-1], np.diff(by_column.indptr))
    return run_start


# The exact test -------------------------------------------------------------------------------------


def _contained(rows: scipy.sparse.csr_array, small: Ints, large: Ints) -> NDArray[np.bool_]:
    """Return whether row ``small[p]`` is contained in row ``large[p]``, for each pair p."""
    if not len(small):
        return np.zeros(0, dtype=bool)
    inner, inner_index = np.unique(small, return_inverse=True)
    outer, outer_index = np.unique(large, return_inverse=True)
    columns = np.unique(rows.indices[_entry_positions(rows, inner)])
    n_words = -(-len(columns) // 64)
    lookups = int(np.diff(rows.indptr)[small].sum(dtype=np.int64))
    # a lookup is a binary search, which costs some thirty times more than the comparison of two words
    if (len(inner) + len(outer)) * n_words * 8 <= _PACKED_BYTES and n_words * len(small) <= 32 * lookups:
        return _contained_by_words(
            _pack_bits(rows[inner], columns), _pack_bits(rows[outer], columns), inner_index, outer_index
        )
    return _contained_by_search(rows, small, outer, outer_index)


def _pack_bits(rows: scipy.sparse.csr_array, columns: Ints) -> Words:
    """Return some columns of the rows as bits, 64 per word; shape (words, rows)."""
    n_bytes = 8 * -(-len(columns) // 64)
    bits = np.zeros((rows.shape[0], n_bytes), dtype=np.uint8)
    for chunk in _slices(np.full(rows.shape[0], len(columns))):
        dense = rows[chunk][:, columns].toarray()
        packed = np.packbits(dense, axis=1)
        bits[chunk, : packed.shape[1]] = packed
    return np.ascontiguousarray(bits.view(np.uint64).T)


def _contained_by_words(
    inner: Words, outer: Words, inner_index: Ints, outer_index: Ints
) -> NDArray[np.bool_]:
    remaining = np.arange(len(inner_index))
    for inner_word, outer_word in zip(inner, outer, strict=True):
        missing = inner_word[inner_index[remaining]] & ~outer_word[outer_index[remaining]]
        remaining = remaining[missing == 0]
    result = np.zeros(len(inner_index), dtype=bool)
    result[remaining] = True
    return result


def _contained_by_search(
    rows: scipy.sparse.csr_array, small: Ints, outer: Ints, outer_index: Ints
) -> NDArray[np.bool_]:
    n_columns = rows.shape[1]
    lengths = np.diff(rows.indptr)
    keys = np.repeat(np.arange(len(outer), dtype=np.int64) * n_columns, lengths[outer])
    keys += rows.indices[_entry_positions(rows, outer)]
    result = np.zeros(len(small), dtype=bool)
    for chunk in _slices(lengths[small]):
        wanted = np.repeat(outer_index[chunk].astype(np.int64) * n_columns, lengths[small[chunk]])
        wanted += rows.indices[_entry_positions(rows, small[chunk])]
        position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        starts = np.cumsum(lengths[small[chunk]]) - lengths[small[chunk]]
        result[chunk] = np.logical_and.reduceat(keys[position] == wanted, starts)
    return result


# Ranges ---------------------------------------------------------------------------------------------


def _entry_positions(rows: scipy.sparse.csr_array, selected: Ints) -> Ints:
    """Return the positions in ``rows.indices`` of the entries of the selected rows, row by row."""
    start = rows.indptr[selected]
    return _concatenate_ranges(start, rows.indptr[selected + 1] - start)


def _concatenate_ranges(start: Ints, length: Ints) -> Ints:
    """Return the ranges start[k], ..., start[k] + length[k] - 1, concatenated."""
    offset = start - (np.cumsum(length, dtype=np.int64) - length)
    return np.repeat(offset, length) + np.arange(int(length.sum(dtype=np.int64)))


def _slices(sizes: Ints) -> Iterator[slice]:
    """Yield consecutive slices with a total size of at most `_PAIRS_AT_ONCE`, or with a single item."""
    total = np.cumsum(sizes, dtype=np.int64)
    begin = 0
    while begin < len(total):
        done = total[begin - 1] if begin else 0
        end = int(np.searchsorted(total, done + _PAIRS_AT_ONCE, side="right"))
        end = max(end, begin + 1)
        yield slice(begin, end)
        begin = end
