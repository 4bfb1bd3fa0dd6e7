"""``X`` or a layer, dense or sparse, read in blocks: into memory, or into a file on disk.

A matrix of cells and genes is stored dense, or by rows (CSR) or columns (CSC). Blocks of rows are read, or of columns
for CSC, so that no more than a block is in memory besides the result. The result on disk is an NPY file of float32,
which `numpy.memmap` reads; it is written through short-lived memory maps, whose pages the system can reclaim.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.column_matching import quoted_names
from estimation.dataset.readers.files import shortened, shown_path
from estimation.dataset.readers.frames import require_exact_integers
from estimation.dataset.readers.single_cell.obs_columns import cell_name
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError
from identify.wording import plural

__all__ = ["Selection", "blocks_of", "read_in_memory", "read_on_disk"]

Indices = NDArray[np.intp]
Block = tuple[slice, Indices, NDArray[Any]]

_BLOCK_ENTRIES = 1 << 23
_KINDS = {"c": "complex numbers", "O": "Python objects", "U": "text", "S": "text", "V": "records"}
# types that float32 holds exactly
_NARROW = (np.float32, np.float16, np.bool_, np.int8, np.uint8, np.int16, np.uint16)


@dataclass(frozen=True, eq=False)
class Selection:
    """What is read of a matrix, with the names for messages.

    Attributes:
        cells: Names of all cells.
        genes: Names of the selected genes.
        columns: Positions of the selected genes in the matrix, in the order of ``genes``.
        order: Position of each row of the result in the matrix, or None for the order of the matrix.
        allow_constant: Whether genes may be constant.
    """

    cells: Sequence[Any]
    genes: Sequence[str]
    columns: Indices
    order: Indices | None
    allow_constant: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of cells and genes of the result."""
        return len(self.cells), len(self.columns)


def read_in_memory(matrix: Any, selection: Selection) -> NDArray[Any]:
    """Return the selected part of a matrix, dense: float32, or float64 for numbers that float32 may round.

    Args:
        matrix: Dense array, sparse matrix, or a dataset on disk of either kind.
        selection: What to read.

    Raises:
        DataError: If an entry is not a finite real number, a gene is constant, or the result is larger than the memory.
    """
    dtype = np.dtype(np.float32 if _first_dtype(matrix) in _NARROW else np.float64)
    size = dtype.itemsize * selection.shape[0] * selection.shape[1]
    if size > _physical_memory():
        raise DataError(
            f"the matrix of {plural(selection.shape[0], 'cell')} and {plural(selection.shape[1], 'gene')} takes "
            f"{size / 1e9:.3g} GB, more than the memory; keep it on disk with memory_map, or select genes"
        )
    result = np.empty(selection.shape, dtype=dtype)

    def write(rows: Indices | slice, columns: Indices, block: NDArray[Any]) -> None:
        result[_index(rows, columns)] = block

    _copy(matrix, selection, write)
    return result


def read_on_disk(
    matrix: Any, selection: Selection, target: str | os.PathLike[str] | None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Write the selected part of a matrix to an NPY file of float32, and return it as a memory map, with notes.

    Args:
        matrix: As for `read_in_memory`.
        selection: What to read.
        target: The file, replaced as a whole; None for a temporary file, which is removed together with the array.

    Raises:
        DataError: If the name of the file doesn't end in ``.npy``, an entry is not a finite real number, or a gene is
            constant.
        FileAccessError: If the file can't be written.
    """
    if target is not None and Path(target).suffix.lower() != ".npy":
        raise DataError(
            f"memory_map is {shown_path(target)}; the matrix is written as NPY, so end the name in .npy"
        )
    _first_dtype(matrix)
    folder = tempfile.mkdtemp(prefix="mechsparse-") if target is None else None
    path = Path(os.path.realpath(target)) if target is not None else Path(str(folder), "matrix.npy")
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        was_rounded = _write_npy(partial, matrix, selection)
        os.replace(partial, path)
        # mode "c" (copy on write): changes stay in memory, and torch doesn't warn about a read-only array
        array: NDArray[np.float32] = np.lib.format.open_memmap(path, mode="c")
    except BaseException as error:
        partial.unlink(missing_ok=True)
        _remove(folder, os.getpid())
        if isinstance(error, _WriteError):
            raise FileAccessError(f"{shown_path(path)}: {error}; nothing was written") from error
        raise
    if folder is not None:
        # views share the memory map, which is the base of the array
        weakref.finalize(array.base, _remove, folder, os.getpid())
    kept = f"the matrix ({array.nbytes / 1e6:,.3g} MB) is kept on disk in {shown_path(path)}"
    notes = [kept if target is not None else f"{kept}, which is removed when the data are no longer used"]
    if was_rounded:
        notes.append("the numbers on disk are rounded to single precision")
    return array, tuple(notes)


class _WriteError(Exception):
    """The reason why a file can't be written; reading the source may fail with the same classes of errors."""


def _write_npy(path: Path, matrix: Any, selection: Selection) -> bool:
    """Write the selected part to a new file; return whether numbers were rounded."""
    was_rounded = False
    try:
        with open(path, "xb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": selection.shape}
            np.lib.format.write_array_header_2_0(file, header)
            end = file.tell() + 4 * selection.shape[0] * selection.shape[1]
            if hasattr(os, "posix_fallocate"):
                # on a full disk, writing to a memory map would end the process
                os.posix_fallocate(file.fileno(), 0, end)
            file.truncate(end)
    except OSError as error:
        raise _WriteError(error.strerror or "cannot be written") from error
    n_rows = max(1, _BLOCK_ENTRIES // selection.shape[1])

    def write(rows: Indices | slice, columns: Indices, block: NDArray[Any]) -> None:
        nonlocal was_rounded
        narrow = block.astype(np.float32, copy=False)
        was_rounded = was_rounded or bool((narrow != block).any())
        positions = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        for start in range(0, len(positions), n_rows):
            part = slice(start, start + n_rows)
            target = np.lib.format.open_memmap(path, mode="r+")
            index = rows if isinstance(rows, slice) and n_rows >= len(positions) else positions[part]
            target[_index(index, columns)] = narrow[part]
            del target

    _copy(matrix, selection, write)
    return was_rounded


def _copy(
    matrix: Any, selection: Selection, write: Callable[[Indices | slice, Indices, NDArray[Any]], None]
) -> None:
    """Read all blocks, check them, and write each to its rows and columns of the result."""
    low, high = np.full(selection.shape[1], np.inf), np.full(selection.shape[1], -np.inf)
    destination: Indices | None = None
    if selection.order is not None:
        destination = np.empty(len(selection.order), dtype=np.intp)
        destination[selection.order] = np.arange(len(selection.order))
    for rows, columns, block in blocks_of(matrix, selection.columns):
        _require_finite(block, rows, columns, selection)
        if block.dtype.kind in "iu":
            require_exact_integers(block, "the matrix")
        low[columns] = np.minimum(low[columns], block.min(axis=0))
        high[columns] = np.maximum(high[columns], block.max(axis=0))
        write(rows if destination is None else destination[rows], columns, block)
    constant = np.flatnonzero(low >= high)
    if constant.size and selection.shape[0] > 1 and not selection.allow_constant:
        zero = bool((high[constant] == 0).all())
        kind = "zero" if zero else "constant"
        genes = quoted_names([selection.genes[k] for k in constant.tolist()], "", 5)
        number = f"{plural(constant.size, 'gene')} {'is' if constant.size == 1 else 'are'}"
        raise DataError(
            f"{number} {kind} in all cells: {genes}; select genes by a boolean column of .var (genes), or pass "
            "allow_constant"
        )


def blocks_of(matrix: Any, columns: Indices) -> Iterator[Block]:
    """Yield the columns of a matrix in dense blocks.

    Args:
        matrix: Dense array, sparse matrix, or a dataset on disk of either kind.
        columns: Positions of the columns, in the order of the result.

    Yields:
        Rows of the block, its columns in the result, and its entries.

    Example:
        >>> list(blocks_of(np.array([[1, 2, 3]]), np.array([2, 0])))
        [(slice(0, 1, None), array([0, 1]), array([[3, 1]]))]
    """
    n_rows, n_columns = matrix.shape
    if getattr(matrix, "format", None) == "csc":
        sorted_positions = np.argsort(columns, kind="stable")
        width = max(1, 4 * _BLOCK_ENTRIES // n_rows)
        for start in range(0, len(columns), width):
            part = sorted_positions[start : start + width]
            first, last = columns[part[0]], columns[part[-1]]
            # a range is one read; of a sparse result, the columns in between take little memory
            values = matrix[:, int(first) : int(last) + 1][:, columns[part] - first]
            yield slice(0, n_rows), part, _dense(values)
        return
    step = max(1, _BLOCK_ENTRIES // n_columns)
    is_complete = np.array_equal(columns, np.arange(n_columns))
    positions = np.arange(len(columns))
    for start in range(0, n_rows, step):
        values = matrix[start : start + step]
        yield (
            slice(start, start + values.shape[0]),
            positions,
            _dense(values if is_complete else values[:, columns]),
        )


def _dense(values: Any) -> NDArray[Any]:
    # dask arrays are computed, block by block
    values = values.compute() if hasattr(values, "compute") else values
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)


def _index(rows: Indices | slice, columns: Indices) -> Any:
    """Return an index of rows and columns; a range of columns is a slice, which is faster."""
    is_range = len(columns) > 0 and np.array_equal(columns, np.arange(columns[0], columns[0] + len(columns)))
    chosen: Any = slice(int(columns[0]), int(columns[0]) + len(columns)) if is_range else columns
    return (rows, chosen) if is_range or isinstance(rows, slice) else np.ix_(rows, columns)


def _first_dtype(matrix: Any) -> np.dtype[Any]:
    """Return the type of the entries.

    Raises:
        DataError: If they are not real numbers.
    """
    dtype = np.dtype(matrix.dtype if hasattr(matrix, "dtype") else _dense(matrix[0:1]).dtype)
    if dtype.kind not in "biuf":
        raise DataError(f"the matrix holds {_KINDS.get(dtype.kind, str(dtype))}; it must hold real numbers")
    return dtype


def _require_finite(block: NDArray[Any], rows: slice, columns: Indices, selection: Selection) -> None:
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(block.astype(np.float32, copy=False))
    if is_finite.all():
        return
    row, column = (int(k) for k in np.argwhere(~is_finite)[0])
    raise DataError(
        f"gene {shortened(str(selection.genes[int(columns[column])]))} is {block[row, column]:g} in "
        f"{cell_name(selection.cells, rows.start + row)}; every entry must be a finite number"
    )


def _physical_memory() -> float:
    """Return the bytes of memory of this machine; infinity where the system doesn't say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")


def _remove(folder: str | None, process: int) -> None:
    """Remove a temporary folder, unless this is another process, which has inherited the array."""
    if folder is not None and os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
