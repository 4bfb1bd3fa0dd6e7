"""Nonzero minors modulo a prime, which prove that more actions than latents touch every set of certain latents.

Take a matrix with a row for each latent of R, in which column c has independent entries at the targets of action c. A
minor of it is a polynomial in these entries with integer coefficients. If it is nonzero for some entries modulo a
prime, it isn't the zero polynomial, so its rows and columns can be matched, each latent to an action on it. A nonzero
minor with all rows of R therefore proves |J| <= number of columns on J, for every set J of R. Now border it by a second
row for latent k, with entries of its own at the same actions, and by one more column. If the larger minor is nonzero
too, every J with k in it is touched by at least |J| + 1 columns, because J and the second row of k are matched as well.
(Ours, docs/theory.md.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from identify.influence.joint.fields import MACHINE_PRIME

__all__ = ["Minors", "are_nonzero", "find_minors"]

#: Residues are drawn this often; a minor that isn't the zero polynomial is zero by chance once in 2^31 / n draws.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Minors:
    """A square minor and its bordered minors.

    Attributes:
        rows: The latents of its rows, n of them.
        columns: The actions of its columns, one per row. An action with several columns may occur several times.
        borders: Pairs of a latent, whose row is repeated, and the action of the column that is added; each of them
            makes one bordered minor.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    borders: tuple[tuple[int, int], ...] = ()

    @property
    def count(self) -> int:
        """Number of minors."""
        return bool(self.rows) + len(self.borders)


def find_minors(
    matrix: NDArray[np.bool_], rows: Sequence[int], columns: Sequence[int], repeated: Sequence[int] = ()
) -> Minors | None:
    """Return minors that are not the zero polynomial.

    Args:
        matrix: Which action targets which latent, shape (n, m).
        rows: The latents whose rows the minors contain.
        columns: The actions whose columns they may contain, each as often as its column may be used.
        repeated: The latents whose row is repeated in a bordered minor, some of ``rows``.

    Returns:
        The minors, by a matching of the latents to the columns and alternating paths from the repeated rows; None if
        some set of latents has too few columns.

    Example:
        >>> matrix = np.array([[1, 1, 0], [0, 1, 1]], dtype=bool)
        >>> find_minors(matrix, [0, 1], [0, 1, 2], repeated=[1])
        Minors(rows=(0, 1), columns=(0, 1), borders=((1, 2),))
        >>> find_minors(matrix, [0, 1], [0, 1], repeated=[1]) is None
        True
    """
    on_rows = matrix[np.ix_(list(rows), list(columns))]
    # scipy loads its submodules on access
    matched = scipy.sparse.csgraph.maximum_bipartite_matching(scipy.sparse.csr_array(on_rows), "column")
    if (matched < 0).any():
        return None
    left = np.setdiff1d(np.arange(len(columns)), matched)
    found = _reachable(on_rows, matched, left)
    borders = []
    for k in repeated:
        column = found[list(rows).index(k)]
        if column < 0:
            return None
        borders.append((k, columns[column]))
    return Minors(tuple(rows), tuple(columns[c] for c in matched.tolist()), tuple(borders))


def _reachable(
    on_rows: NDArray[np.bool_], matched: NDArray[np.integer], left: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return for each row an unmatched column at the end of an alternating path from it; -1 if there is none."""
    result = np.full(len(on_rows), -1, dtype=np.int64)
    touching = on_rows[:, left]
    has_free = touching.any(axis=1)
    if len(left):
        result[has_free] = left[touching.argmax(axis=1)[has_free]]
    # entry [r, q]: row r may take the column of row q
    takes = on_rows[:, matched]
    while True:
        new = (result < 0) & takes[:, result >= 0].any(axis=1)
        if not new.any():
            return result
        owners = np.flatnonzero(result >= 0)
        result[new] = result[owners[takes[np.ix_(new, owners)].argmax(axis=1)]]


def are_nonzero(matrix: NDArray[np.bool_], minors: Minors, seed: int = 0) -> bool:
    """Return whether all of the minors are nonzero for random entries modulo a prime.

    Args:
        matrix: Which action targets which latent, shape (n, m).
        minors: The minors.
        seed: Seed of the entries.

    Example:
        >>> matrix = np.array([[1, 1, 0], [0, 1, 1]], dtype=bool)
        >>> are_nonzero(matrix, Minors((0, 1), (0, 1), ((1, 2),)))
        True
        >>> are_nonzero(matrix, Minors((0, 1), (0, 0)))
        False
    """
    rng = np.random.default_rng(seed)
    return any(_are_nonzero(matrix, minors, rng) for _ in range(_ATTEMPTS))


def _are_nonzero(matrix: NDArray[np.bool_], minors: Minors, rng: np.random.Generator) -> bool:
    """Compute the minor, and the bordered ones by the Schur complements of the added entries."""
    rows, columns = list(minors.rows), list(minors.columns)
    repeated, added = [k for k, _ in minors.borders], [a for _, a in minors.borders]
    if len(rows) != len(columns) or not set(repeated) <= set(rows):
        return False
    square = _entries(matrix[np.ix_(rows, columns)], rng)
    if not rows:
        return not repeated
    if int(square.det()) == 0:
        return False
    if not repeated:
        return True
    right = _entries(matrix[np.ix_(rows, added)], rng)
    below = _entries(matrix[np.ix_(repeated, columns)], rng)
    corner = _entries(matrix[np.ix_(repeated, added)], rng)
    complement = corner - below * square.solve(right)
    return all(int(complement[b, b]) != 0 for b in range(len(repeated)))


def _entries(support: NDArray[np.bool_], rng: np.random.Generator) -> Any:
    """Return a matrix with random residues at the entries of a support."""
    # imported here, because it is needed for certificates only
    import flint

    residues = support * rng.integers(1, MACHINE_PRIME, size=support.shape)
    return flint.nmod_mat(len(support), support.shape[1], residues.ravel().tolist(), MACHINE_PRIME)
