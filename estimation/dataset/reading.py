"""`ReadingMethods`: datasets from files and AnnData objects, as methods of `estimation.dataset.dataset.Dataset`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, Unpack

from estimation.dataset.readers import read_raw_data
from estimation.dataset.readers.files import shown_path
from estimation.dataset.readers.options import MemoryMap, Names, ReadOptions
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import HasRoles, roles_of
from estimation.dataset.readers.single_cell.options import AnnDataKeywords, AnnDataOptions
from estimation.dataset.readers.single_cell.reader import raw_data_of_anndata
from estimation.exceptions import DataError

__all__ = ["ReadingMethods"]


class ReadingMethods:
    """Datasets from files, and from AnnData objects in memory or on disk."""

    if TYPE_CHECKING:

        @classmethod
        def from_raw_data(cls, raw: RawData) -> Self: ...

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        observations: Names | None = None,
        actions: Names | None = None,
        categorical: Names | Mapping[str, Sequence[Any]] = (),
        episode: str | None = None,
        time: str | None = None,
        latents: Names | None = None,
        window: int = 2,
        images: str | None = None,
        memory_map: MemoryMap = False,
        like: HasRoles | None = None,
        allow_constant: bool = False,
        covariates: Names | None = None,
        **anndata: Unpack[AnnDataKeywords],
    ) -> Self:
        """Read a dataset from a file; the suffix gives the format. Nothing in a file is ever executed.

        `estimation.dataset.readers.read_raw_data` describes what each option does for each kind of file.

        Args:
            path: An NPZ, NPY, CSV, Parquet or AnnData file, or a folder of images with a table.
            observations: Observed columns, arrays or files.
            actions: Action columns, arrays or files.
            categorical: Action columns that become one action per category.
            episode: Column that identifies sequences.
            time: Column that orders the rows of an episode.
            latents: Columns, arrays or files of true latents.
            window: Steps per row of the dataset, when the rows of the table form sequences.
            images: Column of image file names.
            memory_map: Whether an NPY file stays on disk; for AnnData also the file to write.
            like: A dataset or a trained model. Columns of a table or of AnnData that aren't named get the roles that
                they had there, with the same categories, and a column may be constant.
            allow_constant: Whether columns may be constant.
            covariates: Columns of covariates, of a table or of ``.obs``; an array or file of them. A column of text
                becomes one covariate per category, and so does one that is also ``categorical``.
            **anndata: Options of AnnData, as for `from_anndata`.

        Raises:
            DataError: If the content is damaged or can't be used; one line with the file and the position.
            FileAccessError: If a file can't be opened.
        """
        options = ReadOptions(
            observations=observations,
            actions=actions,
            latents=latents,
            categorical=categorical,
            episode=episode,
            time=time,
            window=window,
            images=images,
            memory_map=memory_map,
            allow_constant=allow_constant,
            covariates=covariates,
            anndata=AnnDataOptions(**anndata) if anndata else None,
        )
        return cls.read_with(path, options, like)

    @classmethod
    def from_anndata(
        cls,
        adata: Any,
        *,
        memory_map: MemoryMap | None = None,
        like: HasRoles | None = None,
        allow_constant: bool = False,
        covariates: Names | None = None,
        **options: Unpack[AnnDataKeywords],
    ) -> Self:
        """Return a dataset of an AnnData object: cells are rows, genes are columns, perturbations are actions.

        Args:
            adata: The object, in memory or backed.
            memory_map: NPY file to keep the matrix in; None is a temporary one for a backed object, else no file.
            like: A dataset or a trained model, whose genes and perturbations become the columns. Options that aren't
                given are what they were there.
            allow_constant: Whether columns may be constant.
            covariates: Columns of ``.obs`` that are covariates: numbers, or categories, which become one column each.
            **options: Fields of `estimation.dataset.readers.single_cell.options.AnnDataOptions`.

        Raises:
            DataError: If a layer, column, label or number is missing or can't be used.
        """
        roles = None if like is None else roles_of(like)
        return cls.from_raw_data(
            raw_data_of_anndata(
                adata, AnnDataOptions(**options), memory_map, allow_constant, roles, covariates
            )
        )

    @classmethod
    def read_with(
        cls, path: str | os.PathLike[str], options: ReadOptions, like: HasRoles | None = None
    ) -> Self:
        """Read a dataset from a file, like ``read``, with the options in one record.

        Args:
            path: The file or folder.
            options: Options of reading it.
            like: A dataset or a trained model, as in ``read``.

        Raises:
            DataError: If the content is damaged or can't be used; one line with the file and the position.
            FileAccessError: If a file can't be opened.
        """
        raw = read_raw_data(path, options, None if like is None else roles_of(like))
        allow_constant = raw.allow_constant or options.allow_constant or like is not None
        try:
            return cls.from_raw_data(replace(raw, allow_constant=allow_constant))
        except DataError as error:
            raise DataError(f"{shown_path(path)}: {error}") from error
