"""CSV and Parquet tables read into raw data, by the roles of their columns."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.categories import one_hot
from estimation.dataset.readers.column_matching import select_columns
from estimation.dataset.readers.episodes import cut_episodes
from estimation.dataset.readers.files import shortened, shown_path
from estimation.dataset.readers.images import read_images
from estimation.dataset.readers.options import ReadOptions
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import Roles, assign_roles, inherit_roles
from estimation.dataset.readers.table import Table, open_table
from estimation.exceptions import DataError

__all__ = ["encoded_columns", "read_table"]

Array = NDArray[np.floating]

_IMAGE_COLUMNS = ("images", "image", "file", "filename")


def read_table(
    path: Path, options: ReadOptions, *, training_roles: Roles | None = None, has_images: bool = False
) -> RawData:
    """Read a CSV or Parquet table.

    Args:
        path: The file.
        options: Options of reading it.
        training_roles: Roles of the columns of the training table, used where the options select nothing.
        has_images: Whether to observe images, whose column is found by its name if the options don't name it.

    Raises:
        DataError: If a column is missing, or a cell can't be read.
        FileAccessError: If a file can't be opened.
    """
    table = open_table(path)
    roles = _roles(table, options, training_roles, has_images)
    content = table.read(roles.columns)
    actions, action_names, categories = encoded_columns(table, content, roles.actions, roles.categorical)
    declared = _categorical_covariates(table, content, roles, training_roles)
    covariates, covariate_names, covariate_categories = encoded_columns(
        table, content, roles.covariates, declared
    )
    image_shape: tuple[int, int, int] | None = None
    observations: Array
    if roles.images is None:
        observations = table.numbers(content, roles.observations, allow_missing=True)
    else:
        files = table.texts(content, roles.images)
        observations, image_shape = read_images(files, path.parent, partial(table.where, roles.images))
    if training_roles is not None and covariates is not None:
        # as in training, where they were found to vary enough
        covariates = covariates.astype(np.float32)
    raw = RawData(
        observations,
        actions=actions,
        latents=table.numbers(content, roles.latents) if roles.latents else None,
        action_names=action_names,
        observation_shape=image_shape,
        name=path.stem,
        observation_names=roles.observations,
        roles=replace(roles, categorical=categories, covariates=(), covariate_categories={}),
        notes=() if training_roles is not None else _notes_on_covariates(table, content, roles, declared),
        covariates=covariates,
        covariate_names=covariate_names,
        covariate_categories=covariate_categories,
    )
    return _cut(table, content, roles, raw, options.window)


def _roles(table: Table, options: ReadOptions, training_roles: Roles | None, has_images: bool) -> Roles:
    try:
        if training_roles is not None:
            options = inherit_roles(table.names, options, training_roles)
        if has_images and options.images is None:
            options = replace(options, images=_image_column(table.names))
        return assign_roles(table.names, options)
    except DataError as error:
        raise DataError(f"{shown_path(table.path)}: {error}") from error


def _image_column(names: Sequence[str]) -> str:
    column = next((name for name in _IMAGE_COLUMNS if name in names), None)
    return column or select_columns(names, _IMAGE_COLUMNS[0], "images (name the column)")[0]


def encoded_columns(
    table: Table, content: Any, columns: Sequence[str], categorical: Mapping[str, Sequence[Any] | None]
) -> tuple[Array | None, tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """Return columns as numbers, with the indicators of a categorical column in its place; their names; the categories.

    Args:
        table: The table.
        content: The pyarrow table.
        columns: Names of the columns.
        categorical: Those among them that are categorical, with their categories, or None for those that occur.

    Returns:
        The numbers, shape (rows, columns), or None without columns; the names; the categories of each categorical
        column.

    Raises:
        DataError: If a cell is missing, no number, or not one of the categories.
    """
    blocks: list[Array] = []
    names: list[str] = []
    categories: dict[str, tuple[str, ...]] = {}
    for column in columns:
        if column in categorical:
            codes, values = table.codes(content, column)
            block: Array
            block, known = one_hot(codes, values, categorical[column], partial(table.where, column))
            block_names = [f"{column}={category}" for category in known]
            categories[column] = tuple(known)
        else:
            block, block_names = table.numbers(content, [column]), [column]
        blocks.append(block)
        names += block_names
    if not blocks:
        return None, None, categories
    return np.concatenate(blocks, axis=1), tuple(names), categories


def _categorical_covariates(
    table: Table, content: Any, roles: Roles, training: Roles | None
) -> dict[str, Sequence[Any] | None]:
    """Return the covariates that are categorical, with the categories that are declared.

    They are declared to be, or their cells say so, unless they were numbers in the training data.
    """
    numbers = set() if training is None else set(training.covariates) - set(training.covariate_categories)
    return {
        column: roles.covariate_categories.get(column)
        for column in roles.covariates
        if column in roles.covariate_categories
        or (column not in numbers and table.holds_categories(content, column))
    }


def _notes_on_covariates(
    table: Table, content: Any, roles: Roles, categorical: Container[str]
) -> tuple[str, ...]:
    """Return a note for every covariate that may be meant otherwise: whole numbers, or numbers and texts in a column.

    Args:
        table: The table.
        content: The pyarrow table.
        roles: Roles of the columns, with the covariates that were declared to be categorical.
        categorical: Covariates that were read as categories.
    """
    notes = []
    for column in roles.covariates:
        if column not in categorical:
            distinct = np.unique(table.numbers(content, [column]))
            if len(distinct) > 2 and (distinct == np.round(distinct)).all():
                notes.append(
                    f"covariate {column!r} is taken as a number; declare it categorical if it numbers categories"
                )
        elif column not in roles.covariate_categories and (
            found := table.text_among_numbers(content, column)
        ):
            where = f"{table.place(found[0])} holds {shortened(found[1])}"
            notes.append(f"covariate {column!r} is taken as categories, because {where}")
    return tuple(notes)


def _cut(table: Table, content: Any, roles: Roles, raw: RawData, window: int) -> RawData:
    if roles.episode is None and roles.time is None:
        return raw
    times = None if roles.time is None else table.times(content, roles.time)
    codes, names = np.zeros(content.num_rows, dtype=np.int64), [raw.name]
    if roles.episode is not None:
        codes, names = table.codes(content, roles.episode)
    try:
        return cut_episodes(raw, codes, names, times, window, table.place)
    except DataError as error:
        raise DataError(f"{shown_path(table.path)}: {error}") from error
