"""Convert any matrix-like object to a validated, canonical, read-only boolean CSR array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from identify.exceptions import GraphError

__all__ = ["freeze", "to_binary"]


def to_binary(matrix: Any, name: str) -> scipy.sparse.csr_array:
    """Check that a matrix is binary and return it as a read-only boolean CSR array.

    Args:
        matrix: Matrix of shape (rows, columns): a dense array, nested lists or any scipy sparse format, with entries 0,
            1, True or False. It is copied and never changed.
        name: Name of the matrix in error messages, for instance ``"Gz"``.

    Returns:
        Boolean CSR array with sorted indices, no duplicates and no stored zeros.

    Raises:
        GraphError: If the matrix is not two-dimensional, is ragged, or contains an entry other than 0 and 1; the text
            names the first such entry.

    Example:
        >>> to_binary([[1, 0], [0, 1]], "Gz").nnz
        2
        >>> to_binary([[1, 2]], "Gz")
        Traceback (most recent call last):
        identify.exceptions.GraphError: Gz[0, 1] is 2; entries must be 0 or 1
    """
    return freeze(_from_sparse(matrix, name) if scipy.sparse.issparse(matrix) else _from_dense(matrix, name))


def freeze(matrix: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Make the three arrays of a CSR array read-only, and return it."""
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    return matrix


def _from_sparse(matrix: Any, name: str) -> scipy.sparse.csr_array:
    if matrix.ndim != 2:
        raise GraphError(f"{name} must be two-dimensional, got shape {matrix.shape}")
    # conversion to COO copies the caller's arrays; scipy sums duplicates, so an edge stored twice is the entry 2
    result = scipy.sparse.csr_array(scipy.sparse.coo_array(matrix, copy=True))
    if result.dtype != bool:
        _require_binary(result, name)
    result = result.astype(bool)
    result.sum_duplicates()
    result.eliminate_zeros()
    return result


def _from_dense(matrix: Any, name: str) -> scipy.sparse.csr_array:
    dense = matrix if isinstance(matrix, np.ndarray) else _as_array(matrix, name)
    if dense.ndim != 2:
        raise GraphError(f"{name} must be two-dimensional, got shape {dense.shape}")
    if dense.dtype != bool:
        if dense.dtype.kind not in "iufO" or dense.dtype.names is not None:
            raise GraphError(f"{name} has entries of type {dense.dtype}; entries must be 0 or 1")
        invalid = ~_is_binary(dense)
        if invalid.any():
            # only the first one: a list of all positions may be many times larger than the matrix
            position = np.unravel_index(int(invalid.argmax()), invalid.shape)
            _raise_entry(name, np.array(position), dense[position])
        dense = dense != 0
    return scipy.sparse.csr_array(np.asarray(dense))


def _as_array(matrix: Any, name: str) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(matrix)
    except (ValueError, TypeError) as error:
        raise GraphError(_describe_ragged(matrix, name)) from error


def _describe_ragged(matrix: Any, name: str) -> str:
    if isinstance(matrix, Sequence):
        lengths = [len(row) if isinstance(row, Sequence) else -1 for row in matrix]
        for index, length in enumerate(lengths):
            if length < 0 or length != lengths[0]:
                problem = "is not a list" if length < 0 else f"has {length} entries"
                return (
                    f"row {index} of {name} {problem}, row 0 has {lengths[0]}; all rows must be equally long"
                )
    return f"{name} is not a matrix of 0 and 1"


def _is_binary(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray((values == 0) | (values == 1), dtype=bool)


def _require_binary(matrix: scipy.sparse.csr_array, name: str) -> None:
    invalid = np.flatnonzero(~_is_binary(matrix.data))
    if invalid.size:
        row = np.searchsorted(matrix.indptr, invalid[0], side="right") - 1
        _raise_entry(name, np.array([row, matrix.indices[invalid[0]]]), matrix.data[invalid[0]])


def _raise_entry(name: str, position: np.ndarray[Any, Any], value: Any) -> None:
    shown = value.item() if isinstance(value, np.generic) else value
    raise GraphError(f"{name}[{position[0]}, {position[1]}] is {shown!r}; entries must be 0 or 1")
