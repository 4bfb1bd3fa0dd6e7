"""Readers of files: NPZ, NPY, CSV, Parquet, folders of images with a table, and AnnData, read into `RawData`.

===================  ==============================================================================
module               contents
===================  ==============================================================================
``files``            access to files and one-line errors
``options``          `ReadOptions`: the options of reading a file
``column_matching``  columns selected by name or pattern, and in the order of the training data
``cells``            one rule for cells: what is missing, what is a number
``categories``       categorical actions as indicator columns
``frames``           data frames as numbers
``labelled_arrays``  arrays of xarray, whose last dimension may name the columns
``arrays``           arrays as numbers: precision, finite entries, constant columns
``roles``            roles of the columns of a table
``raw_data``         `RawData`: the arrays and names of a dataset before they are checked
``episodes``         windows of consecutive steps, cut from sequences of any lengths
``images``           images named in a table
``table``            cells of CSV and Parquet tables
``table_files``      CSV and Parquet files
``numpy_files``      NPZ and NPY files
``single_cell``      AnnData: objects in memory or on disk, and ``.h5ad`` files
===================  ==============================================================================

Tables need pyarrow, images need Pillow, and ``.h5ad`` files need anndata; they are imported when such a file is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from estimation.dataset.readers.files import shown_path
from estimation.dataset.readers.numpy_files import read_npy, read_npz
from estimation.dataset.readers.options import ReadOptions
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import Roles
from estimation.dataset.readers.single_cell.options import AnnDataOptions
from estimation.dataset.readers.single_cell.reader import read_h5ad
from estimation.dataset.readers.table import SUFFIXES
from estimation.dataset.readers.table_files import read_table
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError

__all__ = ["RawData", "ReadOptions", "read_raw_data"]

_TABLE_OPTIONS = ("categorical", "images")
_SEQUENCE_OPTIONS = ("episode", "time")
_ARRAY_OPTIONS = ("observations", "actions", "latents")


def read_raw_data(
    path: str | os.PathLike[str], options: ReadOptions, training_roles: Roles | None = None
) -> RawData:
    """Read a file; its suffix gives the format.

    - ``.npz``: A dataset that was written, or any arrays. ``observations``, ``actions``, ``latents``, ``covariates``,
      ``episode`` and ``time`` name arrays. By default, observations are the array ``observations`` or ``x``, and so on.
    - ``.npy``: One array of observations. ``actions``, ``latents`` and ``covariates`` name other NPY files in its
      folder. With ``memory_map`` the observations (float32) stay on disk.
    - ``.csv`` (commas, UTF-8, names in the first row) and ``.parquet``: ``observations``, ``actions`` and ``latents``
      are names or shell patterns of columns; by default ``x``, ``a`` and ``z`` with a number, where there are any.
      ``covariates`` are names or patterns too: a column of text has one covariate per category, as has one that is also
      ``categorical``.
      ``images`` is a column of file names, relative to the table, of images to observe instead.
    - ``.h5ad``: A file of anndata, with the options of `estimation.dataset.readers.single_cell.options.AnnDataOptions`:
      the columns of ``.obs`` with the perturbations, doses and covariates of the cells, and so on. With ``memory_map``
      the matrix is kept on disk.
    - a folder: The only table in it, with images. ``images`` is by default the column ``images``, ``image``, ``file``
      or ``filename``.

    With ``episode`` or ``time``, the rows are steps of sequences, of any lengths, which are cut into windows that
    never cross from one sequence to another. The action of a row leads to that row: a window of length 2 has the
    action of its second row. Shorter episodes are left out, and a note says so. With ``time`` alone, all rows are one
    sequence. Gaps in time are not detected.

    Args:
        path: The file or folder.
        options: Options of reading it.
        training_roles: Roles of the columns of the training table. Where the options select nothing, columns have
            the roles and categories that they had there.

    Raises:
        DataError: If the file is damaged, or an option doesn't apply to this kind of file; one line with the file and
            the position.
        FileAccessError: If a file can't be opened.
    """
    path = Path(path)
    kind = "folder" if os.path.isdir(path) else path.suffix.lower()
    if kind == ".h5ad":
        _refuse_options(path, options, (*_ARRAY_OPTIONS, *_TABLE_OPTIONS, *_SEQUENCE_OPTIONS))
        return read_h5ad(path, options, training_roles)
    _refuse_anndata(path, options)
    if kind == ".npz":
        _refuse_options(path, options, (*_TABLE_OPTIONS, "memory_map"))
        return read_npz(path, options)
    if kind == ".npy":
        _refuse_options(path, options, (*_TABLE_OPTIONS, *_SEQUENCE_OPTIONS, "observations"))
        return read_npy(path, options)
    if kind not in ("folder", *SUFFIXES):
        raise DataError(
            f"{shown_path(path)}: the suffix {kind!r} is unknown; use .npz, .npy, .csv, .parquet, .h5ad or a "
            "folder of images with a table"
        )
    _refuse_options(path, options, ("memory_map",))
    is_folder = kind == "folder"
    table = _only_table_in(path) if is_folder else path
    return read_table(table, options, training_roles=training_roles, has_images=is_folder)


def _refuse_options(path: Path, options: ReadOptions, names: Iterable[str]) -> None:
    for name in names:
        if getattr(options, name):
            raise DataError(
                f"{shown_path(path)}: the option {name} doesn't apply to this kind of file; leave it out"
            )


def _refuse_anndata(path: Path, options: ReadOptions) -> None:
    """Refuse the options of AnnData for a file of another kind."""
    if options.anndata is not None:
        values = asdict(options.anndata)
        defaults = asdict(AnnDataOptions())
        names = ", ".join(name for name, value in values.items() if value != defaults[name]) or "anndata"
        raise DataError(f"{shown_path(path)}: {names} is for .h5ad files; leave it out")
    if not isinstance(options.memory_map, bool):
        raise DataError(
            f"{shown_path(path)}: memory_map names a file, {shown_path(options.memory_map)}, which is for .h5ad files"
        )


def _only_table_in(folder: Path) -> Path:
    try:
        tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise FileAccessError(f"{shown_path(folder)}: {error.strerror or 'cannot be read'}") from error
    if len(tables) != 1:
        names = ", ".join(path.name for path in tables) or "none"
        raise DataError(
            f"{shown_path(folder)}: a folder of images has one table (.csv or .parquet) that names them; it has {names}"
        )
    return tables[0]
