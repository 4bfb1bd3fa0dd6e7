"""Any matrix-like object -> one validated, canonical, read-only boolean CSR array."""

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
        matrix: Shape (rows, columns); a dense array, nested lists or any scipy sparse format, with
            entries 0, 1, True or False. It is copied, never changed.
        name: What error messages call the matrix, for instance ``"Gz"``.

    Returns:
        Boolean CSR array with sorted indices, no duplicates and no stored zeros.

    Raises:
        GraphError: If the matrix is not two-dimensional, is ragged, or holds anything but 0 and 1; the
            text names the first offending entry.

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
    # through COO, so that nothing is shared with the caller's arrays; duplicates are summed as scipy defines
    # them, so an edge stored twice is the entry 2
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
        odd = ~_is_binary(dense)
        if odd.any():
            # the first one; a list of all may be many times as large as the matrix
            place = np.unravel_index(int(odd.argmax()), odd.shape)
            _raise_entry(name, np.array(place), dense[place])
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
                what = "is not a list" if length < 0 else f"has {length} entries"
                return f"row {index} of {name} {what}, row 0 has {lengths[0]}; all rows must be equally long"
    return f"{name} is not a matrix of 0 and 1"


def _is_binary(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray((values == 0) | (values == 1), dtype=bool)


def _require_binary(matrix: scipy.sparse.csr_array, name: str) -> None:
    odd = np.flatnonzero(~_is_binary(matrix.data))
    if odd.size:
        row = np.searchsorted(matrix.indptr, odd[0], side="right") - 1
        _raise_entry(name, np.array([row, matrix.indices[odd[0]]]), matrix.data[odd[0]])


def _raise_entry(name: str, place: np.ndarray[Any, Any], value: Any) -> None:
    shown = value.item() if isinstance(value, np.generic) else value
    raise GraphError(f"{name}[{place[0]}, {place[1]}] is {shown!r}; entries must be 0 or 1")
