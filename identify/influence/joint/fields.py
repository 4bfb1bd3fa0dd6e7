"""Linear algebra over the fields in which effects are given: rationals, integers modulo a prime, floating point.

A row of a matrix is a direction w; columns are what the actions do. All functions use Gaussian elimination, because the
search for light directions needs the pivots; the rank over a prime field is never higher than that of the integers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MACHINE_PRIME", "Field", "Matrix", "PrimeField", "Rationals", "Reals", "machine_primes"]

Matrix = NDArray[Any]

#: The largest prime for which products of residues fit in 64 bits.
MACHINE_PRIME = 2**31 - 1


def machine_primes() -> Iterator[int]:
    """Yield the primes from `MACHINE_PRIME` down.

    Example:
        >>> next(machine_primes())
        2147483647
    """
    import flint

    for candidate in range(MACHINE_PRIME, 2, -2):
        if flint.fmpz(candidate).is_prime():
            yield candidate


class Field(ABC):
    """A field with its numpy representation."""

    dtype: Any

    @abstractmethod
    def reduce(self, matrix: Matrix) -> Matrix:
        """Return the matrix with its entries in normal form."""

    @abstractmethod
    def inverse(self, value: Any) -> Any:
        """Return the inverse of a nonzero number."""

    def nonzero(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which entries are not zero."""
        return np.asarray(matrix != 0, dtype=bool)

    def support(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which columns of a matrix, or of each of many matrices, have a nonzero entry."""
        result: NDArray[np.bool_] = np.any(self.nonzero(matrix), axis=-2)
        return result

    def pivot(self, column: Matrix) -> int | None:
        """Return the position of a nonzero entry that suits as a pivot, or None."""
        nonzero = np.flatnonzero(self.nonzero(column))
        return int(nonzero[0]) if nonzero.size else None

    def best(self, matrix: Matrix) -> int:
        """Return the column with the best pivot, of columns that all have a nonzero entry."""
        return 0

    def best_rows(self, columns: Matrix) -> NDArray[np.integer]:
        """Return for each of many columns, shape (count, size), the position of the best pivot."""
        result: NDArray[np.integer] = self.nonzero(columns).argmax(axis=1)
        return result

    def inverses(self, values: Matrix) -> Matrix:
        """Return the inverses of many numbers; 0 for 0."""
        result = values.copy()
        for index in np.flatnonzero(self.nonzero(values)):
            result[index] = self.inverse(values[index])
        return result

    def array(self, rows: Any) -> Matrix:
        """Return numbers as a matrix over the field."""
        return self.reduce(np.array(rows, dtype=self.dtype))

    def eye(self, size: int) -> Matrix:
        """Return the identity."""
        return self.array([[int(i == j) for j in range(size)] for i in range(size)])

    def product(self, left: Matrix, right: Matrix) -> Matrix:
        """Return the matrix product."""
        # one term at a time, because a sum of products of residues would overflow
        result = np.zeros((left.shape[0], right.shape[1]), dtype=self.dtype)
        for k in range(left.shape[1]):
            result = self.reduce(result + left[:, k : k + 1] * right[k : k + 1])
        return result

    def eliminate(self, matrix: Matrix, row: int, column: int) -> None:
        """Scale a row in place so that its pivot is 1, and clear the rest of the pivot's column."""
        matrix[row] = self.reduce(matrix[row] * self.inverse(matrix[row, column]))
        factors = matrix[:, column].copy()
        factors[row] = 0
        if self.nonzero(factors).any():
            matrix[:] = self.reduce(matrix - factors[:, None] * matrix[row])

    def echelon(self, matrix: Matrix) -> tuple[Matrix, list[int]]:
        """Return the reduced row echelon form without zero rows, and its pivot columns.

        Example:
            >>> reduced, pivots = Rationals().echelon(Rationals().array([[0, 2, 4], [0, 1, 2]]))
            >>> [[int(x) for x in row] for row in reduced], pivots
            ([[0, 1, 2]], [1])
        """
        matrix = matrix.copy()
        pivots: list[int] = []
        for column in range(matrix.shape[1]):
            rank = len(pivots)
            if rank == len(matrix):
                break
            found = self.pivot(matrix[rank:, column])
            if found is None:
                continue
            if found:
                matrix[[rank, rank + found]] = matrix[[rank + found, rank]]
            self.eliminate(matrix, rank, column)
            pivots.append(column)
        return matrix[: len(pivots)], pivots

    def rank(self, matrix: Matrix) -> int:
        """Return the rank."""
        return len(self.echelon(matrix)[1])

    def left_null(self, matrix: Matrix) -> Matrix:
        """Return a basis of the vectors w with w^T matrix = 0, as rows."""
        reduced, pivots = self.echelon(matrix.T)
        n = matrix.shape[0]
        free = [k for k in range(n) if k not in pivots]
        basis = np.zeros((len(free), n), dtype=self.dtype)
        for row, k in enumerate(free):
            basis[row, k] = self.array([1])[0]
            basis[row, pivots] = self.reduce(-reduced[:, k])
        return basis


class PrimeField(Field):
    """The integers modulo a prime.

    Args:
        prime: A prime up to `MACHINE_PRIME`.
    """

    dtype = np.int64

    def __init__(self, prime: int) -> None:
        self.prime = prime

    def reduce(self, matrix: Matrix) -> Matrix:
        """Return the residues from 0 to the prime - 1."""
        return matrix % self.prime

    def inverse(self, value: Any) -> int:
        """Return the inverse modulo the prime."""
        return pow(int(value), -1, self.prime)

    def inverses(self, values: Matrix) -> Matrix:
        """Return the powers to the prime - 2, which are the inverses."""
        result, power = np.ones_like(values), values.copy()
        exponent = self.prime - 2
        while exponent:
            if exponent & 1:
                result = self.reduce(result * power)
            power = self.reduce(power * power)
            exponent >>= 1
        return self.reduce(result * self.nonzero(values))


class Rationals(Field):
    """The rational numbers, as fractions."""

    dtype = object

    def reduce(self, matrix: Matrix) -> Matrix:
        """Return the matrix itself."""
        return matrix

    def inverse(self, value: Any) -> Fraction:
        """Return the inverse."""
        return 1 / Fraction(value)

    def array(self, rows: Any) -> Matrix:
        """Return numbers as fractions."""
        values = np.array(rows, dtype=object)
        return np.array([Fraction(value) for value in values.ravel()], dtype=object).reshape(values.shape)


class Reals(Field):
    """Floating-point numbers of which the small ones count as zero.

    Args:
        tolerance: Largest magnitude that counts as zero. It suits matrices whose entries are of order 1.
    """

    dtype = np.float64

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance

    def reduce(self, matrix: Matrix) -> Matrix:
        """Return the matrix with small entries set to zero."""
        return np.where(np.abs(matrix) <= self.tolerance, 0.0, matrix)

    def inverse(self, value: Any) -> float:
        """Return the inverse."""
        return 1.0 / float(value)

    def pivot(self, column: Matrix) -> int | None:
        """Return the position of the largest entry, or None if all are zero."""
        if not column.size:
            return None
        largest = int(np.abs(column).argmax())
        return largest if abs(column[largest]) > self.tolerance else None

    def best_rows(self, columns: Matrix) -> NDArray[np.integer]:
        """Return the positions of the largest entries."""
        result: NDArray[np.integer] = np.abs(columns).argmax(axis=1)
        return result

    def inverses(self, values: Matrix) -> Matrix:
        """Return the inverses; 0 for numbers that count as zero."""
        is_zero = np.abs(values) <= self.tolerance
        return np.where(is_zero, 0.0, 1.0 / np.where(is_zero, 1.0, values))

    def best(self, matrix: Matrix) -> int:
        """Return the column with the largest entry."""
        return int(np.abs(matrix).max(axis=0).argmax())
