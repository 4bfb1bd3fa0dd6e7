"""`raw_data_of_anndata` and `read_h5ad`: single-cell data as raw data of a dataset."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.column_matching import quoted_names
from estimation.dataset.readers.files import parsing, shortened
from estimation.dataset.readers.frames import frame_columns
from estimation.dataset.readers.options import Names, ReadOptions
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import Roles
from estimation.dataset.readers.single_cell.covariates import covariates_of
from estimation.dataset.readers.single_cell.matrix import Selection, read_in_memory, read_on_disk
from estimation.dataset.readers.single_cell.obs_columns import obs_column
from estimation.dataset.readers.single_cell.options import AnnDataOptions
from estimation.dataset.readers.single_cell.perturbations import perturbations_of
from estimation.dataset.readers.single_cell.sources import FILE_ERRORS, Source, opened_h5ad, source_of
from estimation.exceptions import DataError
from identify.wording import plural

__all__ = ["raw_data_of_anndata", "read_h5ad", "selected_genes"]

Indices = NDArray[np.intp]

# `estimation.dataset.holdout` holds out the last rows of data on disk
_HELD_OUT_SHARE, _MAX_HELD_OUT = 0.05, 10_000


def read_h5ad(
    path: str | os.PathLike[str], options: ReadOptions, training_roles: Roles | None = None
) -> RawData:
    """Read an ``.h5ad`` file; its matrix is never in memory twice.

    Args:
        path: The file.
        options: Options of AnnData; columns of covariates; whether the matrix is kept on disk; whether genes may be
            constant.
        training_roles: Genes and perturbations of the training data, which become the columns in their order. Options
            that aren't given are those of the training data.

    Raises:
        DataError: If the file is damaged, a layer or column is missing, or its content can't be used.
        FileAccessError: If the file can't be opened.
    """
    with opened_h5ad(path) as source, parsing(path, "an .h5ad file", FILE_ERRORS):
        return _raw_data(source, options, Path(path).stem, training_roles)


def raw_data_of_anndata(
    adata: Any,
    options: AnnDataOptions,
    memory_map: Any = None,
    allow_constant: bool = False,
    like: Roles | None = None,
    covariates: Names | None = None,
) -> RawData:
    """Return the raw data of an AnnData object.

    Args:
        adata: The object, in memory or backed.
        options: Options of AnnData.
        memory_map: The NPY file to keep the matrix in, or True for a temporary file. None keeps the matrix of a backed
            object in a temporary file, and any other in memory.
        allow_constant: Whether genes and perturbations may be constant.
        like: Genes and perturbations of the training data, which become the columns in their order. Options that
            aren't given are those of the training data.
        covariates: Columns of ``.obs`` that are covariates; None for those of ``like``.

    Raises:
        DataError: If it is no AnnData object, a layer or column is missing, or its content can't be used.
    """
    source = source_of(adata)
    memory_map = source.is_backed if memory_map is None else memory_map
    read_options = ReadOptions(
        memory_map=memory_map, allow_constant=allow_constant, covariates=covariates, anndata=options
    )
    return _raw_data(source, read_options, "", like)


def _raw_data(source: Source, options: ReadOptions, name: str, training: Roles | None) -> RawData:
    settings = (options.anndata or AnnDataOptions()).completed(None if training is None else training.anndata)
    matrix = source.matrix(settings.layer)
    genes = None if training is None or settings.genes is not None else training.observations
    columns, names, notes = selected_genes(source, settings.genes, genes or None)
    # actions of categories have other names than the columns of their table
    known = training.actions if training is not None and not training.categorical else ()
    perturbations = perturbations_of(source.obs, source.cells, settings, known or None)
    actions = None if perturbations is None else perturbations.actions
    order = None
    if settings.shuffle_seed is not None:
        order = np.random.default_rng(settings.shuffle_seed).permutation(len(source.cells))
        notes += (f"the cells are in random order, drawn with the seed {settings.shuffle_seed}",)
    allow_constant = options.allow_constant or training is not None
    columns_of_covariates = _covariate_columns(source, options.covariates, training)
    covariates = covariates_of(source.obs, source.cells, columns_of_covariates, allow_constant)
    notes += (() if perturbations is None else perturbations.notes) + (
        () if covariates is None else covariates.notes
    )
    selection = Selection(source.cells, names, columns, order, allow_constant)
    if options.memory_map:
        target = None if options.memory_map is True else options.memory_map
        observations, notes_on_disk = read_on_disk(matrix, selection, target)
        notes += notes_on_disk
        if order is None and actions is not None:
            notes += _notes_on_order(actions)
    else:
        observations = read_in_memory(matrix, selection)
    rows = slice(None) if order is None else order
    action_names = None if perturbations is None else perturbations.names
    return RawData(
        observations,
        actions=None if actions is None else actions[rows],
        action_names=action_names,
        observation_names=names,
        roles=Roles(names, action_names or (), anndata=replace(settings, genes=None, shuffle_seed=None)),
        name=name,
        notes=notes,
        covariates=None if covariates is None else covariates.values[rows],
        covariate_names=None if covariates is None else covariates.names,
        covariate_categories=None if covariates is None else covariates.categories,
        allow_constant=allow_constant,
    )


def _covariate_columns(source: Source, given: Names | None, training: Roles | None) -> tuple[str, ...]:
    """Return the columns of ``.obs`` that are covariates: those given by name or pattern, else as in training."""
    if given is None:
        return () if training is None else training.covariates
    names = [str(label) for label in frame_columns(source.obs) or ()]
    selected: list[str] = []
    for pattern in (given,) if isinstance(given, str) else given:
        matches = [] if pattern in names else fnmatch.filter(names, pattern)
        # a name without a column is reported with all columns
        selected += matches or [pattern]
    return tuple(selected)


def selected_genes(
    source: Source, mask: str | None, wanted: Sequence[str] | None
) -> tuple[Indices, tuple[str, ...], tuple[str, ...]]:
    """Return the positions of the genes to read, their names, and notes.

    Args:
        source: The data.
        mask: Boolean column of ``.var`` that selects genes, or None.
        wanted: Genes to read, in this order, or None for all.

    Raises:
        DataError: If two genes have the same name, there is no such column, it isn't boolean, or a gene is missing.
    """
    names = [str(name).strip() for name in source.genes]
    positions = {name: k for k, name in enumerate(names)}
    if len(positions) < len(names):
        twice = next(name for k, name in enumerate(names) if positions[name] != k)
        raise DataError(
            f"gene {shortened(twice)} occurs {names.count(twice)} times; make the names unique, for instance with "
            "adata.var_names_make_unique()"
        )
    if wanted is not None:
        missing = [name for name in wanted if name not in positions]
        if missing:
            raise DataError(
                f"{plural(len(missing), 'gene')} of the training data {'is' if len(missing) == 1 else 'are'} missing: "
                f"{quoted_names(missing, '')}"
            )
        return np.array([positions[name] for name in wanted], dtype=np.intp), tuple(wanted), ()
    if mask is None:
        return np.arange(len(names)), tuple(names), ()
    column = obs_column(source.var, mask, "genes", ".var")
    is_selected = np.asarray(column)
    if is_selected.dtype.kind != "b":
        raise DataError(
            f"genes: column {shortened(mask)} of .var is {column.dtype}; it must hold true and false"
        )
    if not is_selected.any():
        raise DataError(f"genes: column {shortened(mask)} of .var selects no gene")
    chosen = np.flatnonzero(is_selected)
    note = f"{len(chosen):,} of {plural(len(names), 'gene')}, selected by {mask!r}"
    return chosen, tuple(names[k] for k in chosen), (note,)


def _notes_on_order(actions: NDArray[np.float32]) -> tuple[str, ...]:
    """Return a note if the last cells, which training holds out, have few of the perturbations."""
    n_cells = len(actions)
    n_held_out = min(max(int(n_cells * _HELD_OUT_SHARE), 1), _MAX_HELD_OUT)
    counts, last = (actions != 0).sum(axis=0), (actions[-n_held_out:] != 0).any(axis=0)
    # the number of perturbations among as many cells drawn at random
    expected = (1 - (1 - n_held_out / n_cells) ** counts).sum()
    if last.sum() >= expected / 2:
        return ()
    return (
        f"the last {n_held_out:,} cells, which training holds out of data on disk, have "
        f"{plural(int(last.sum()), 'perturbation')}, where {expected:.0f} are expected of cells in random order; "
        "shuffle the cells (shuffle_seed)",
    )
