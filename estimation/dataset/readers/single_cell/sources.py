"""One view of an AnnData object, in memory or backed, and of an open ``.h5ad`` file."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from estimation.dataset.readers.column_matching import quoted_names
from estimation.dataset.readers.files import import_optional, parsing, require_readable, shortened
from estimation.exceptions import DataError
from identify.wording import plural

__all__ = ["FILE_ERRORS", "Source", "opened_h5ad", "source_of"]

# what h5py and anndata raise on damaged files
FILE_ERRORS = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError)


@dataclass(frozen=True, eq=False)
class Source:
    """The tables and matrices of single-cell data.

    Attributes:
        obs: The table of the cells.
        var: The table of the genes.
        cells: Names of the cells.
        genes: Names of the genes.
        layers: Names of the layers.
        is_backed: Whether ``X`` is on disk.
        read: Returns the matrix of a layer, or ``X`` for None, without loading it if it is on disk; None if there is
            none.
    """

    obs: Any
    var: Any
    cells: Sequence[Any]
    genes: Sequence[Any]
    layers: tuple[str, ...]
    is_backed: bool
    read: Callable[[str | None], Any]

    def matrix(self, layer: str | None) -> Any:
        """Return ``X``, also called so if no layer is, or a layer: dense or sparse, of shape (cells, genes).

        Raises:
            DataError: If there is no such layer, no cell or gene, or the matrix has another shape.
        """
        layers = quoted_names(self.layers, "layer", 8) if self.layers else "no layers"
        layer = None if layer == "X" and layer not in self.layers else layer
        if layer is not None and layer not in self.layers:
            raise DataError(f"layer: there is no layer {shortened(layer)}; the data have X and {layers}")
        matrix, name = self.read(layer), "X" if layer is None else f"layer {shortened(layer)}"
        if matrix is None:
            raise DataError(f"X is missing; choose a layer (the data have {layers})")
        shape = (len(self.cells), len(self.genes))
        if 0 in shape:
            raise DataError(
                f"the data have {plural(shape[0], 'cell')} and {plural(shape[1], 'gene')}; there must be at least one "
                "of each"
            )
        if tuple(matrix.shape) != shape:
            raise DataError(
                f"{name} has the shape {tuple(matrix.shape)} for {shape[0]} cells and {shape[1]} genes"
            )
        return matrix


def source_of(adata: Any) -> Source:
    """Return the view of an AnnData object.

    Args:
        adata: An object with the attributes of `anndata.AnnData`.

    Raises:
        DataError: If it is another object.
    """
    attributes = ("obs", "var", "obs_names", "var_names", "layers", "isbacked")
    if not all(hasattr(adata, name) for name in attributes):
        advice = "; take one of its modalities, mdata.mod[NAME]" if hasattr(adata, "mod") else ""
        raise DataError(f"adata is {type(adata).__name__}; it must be an AnnData object{advice}")
    is_backed = bool(adata.isbacked)

    def read(layer: str | None) -> Any:
        if layer is not None:
            return adata.layers[layer]
        # the X of a view of a backed object is a copy in memory
        return _RowsOfView(adata) if is_backed and adata.is_view else adata.X

    return Source(
        adata.obs,
        adata.var,
        list(adata.obs_names),
        list(adata.var_names),
        tuple(adata.layers.keys()),
        is_backed,
        read,
    )


class _RowsOfView:
    """The matrix of a view of a backed object, of which slices of rows are read.

    A view has no view of its own and loads all of its matrix, so that rows are read through the object behind it.
    """

    def __init__(self, adata: Any) -> None:
        parent = adata._adata_ref
        self.shape, self._parent = adata.shape, parent
        self._rows = np.arange(parent.n_obs)[adata._oidx]
        self._columns = np.arange(parent.n_vars)[adata._vidx]

    def __getitem__(self, rows: slice) -> Any:
        return self._parent[self._rows[rows], self._columns].X


@contextlib.contextmanager
def opened_h5ad(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Open an ``.h5ad`` file for reading; its matrices stay on disk.

    Raises:
        DataError: If the file is damaged, or of another kind; or if anndata isn't installed.
        FileAccessError: If the file can't be opened.
    """
    require_readable(path)
    h5py = import_optional("h5py", "h5py", "an .h5ad file", "anndata")
    io = import_optional("anndata.io", "anndata", "an .h5ad file", "anndata")
    with parsing(path, "an .h5ad file", FILE_ERRORS):
        file = h5py.File(path, "r")
    with file:
        with parsing(path, "an .h5ad file", FILE_ERRORS):
            missing = [name for name in ("obs", "var") if not isinstance(file.get(name), h5py.Group)]
            if missing:
                raise DataError(
                    f"is not an .h5ad file that anndata 0.7 or newer wrote: it has no table {missing[0]!r}"
                )
            with warnings.catch_warnings():
                # about how later versions of anndata will read strings; names are compared as text here
                warnings.simplefilter("ignore", FutureWarning)
                obs, var = io.read_elem(file["obs"]), io.read_elem(file["var"])
            layers = tuple(file["layers"]) if "layers" in file else ()

        def read(layer: str | None) -> Any:
            element = file.get("X") if layer is None else file["layers"][layer]
            if isinstance(element, h5py.Group):
                return io.sparse_dataset(element)
            return None if element is None or element.shape is None or element.shape == () else element

        yield Source(obs, var, list(obs.index), list(var.index), layers, True, read)
