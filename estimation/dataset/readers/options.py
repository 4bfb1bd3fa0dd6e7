"""`ReadOptions`: the options of reading a file, one record for Python, the readers and the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from estimation.dataset.readers.single_cell.options import AnnDataOptions

__all__ = ["Categories", "MemoryMap", "Names", "ReadOptions"]

Names = str | Sequence[str]
#: Categorical columns by name or pattern, or each with its categories (None: those that occur in the data).
Categories = Names | Mapping[str, Sequence[Any] | None]

#: Whether observations stay on disk; for AnnData also the NPY file to keep them in.
MemoryMap = bool | str | os.PathLike[str]


@dataclass(frozen=True)
class ReadOptions:
    """Options of reading a file; ``Dataset.read`` takes the same options as keyword arguments.

    None, or an empty collection, means the default of the kind of file.

    Attributes:
        observations: Observed columns, or the array of observations.
        actions: Action columns, or the array or file of actions.
        latents: Columns of true latents, or the array or file of latents.
        categorical: Columns that become one action per category, named like ``drug=ibuprofen`` and sorted, or one
            covariate per category if they are covariates. A mapping gives the categories of each column, so that two
            files get the same actions.
        episode: Column that identifies sequences.
        time: Column that orders the rows of a sequence: numbers, or dates like 2024-05-31.
        window: Steps per window when rows form sequences.
        images: Column of image file names.
        memory_map: Whether an NPY file stays on disk. For AnnData: the NPY file to write the matrix to, in single
            precision, or True for a temporary file.
        allow_constant: Whether columns may be constant.
        covariates: Columns of covariates, of a table or of ``.obs``, or the array or file of covariates. A column of
            text becomes one covariate per category, named like ``batch=b1``.
        anndata: Options of AnnData, which apply to ``.h5ad`` files only.
    """

    observations: Names | None = None
    actions: Names | None = None
    latents: Names | None = None
    categorical: Categories = ()
    episode: str | None = None
    time: str | None = None
    window: int = 2
    images: str | None = None
    memory_map: MemoryMap = False
    allow_constant: bool = False
    covariates: Names | None = None
    anndata: AnnDataOptions | None = None
