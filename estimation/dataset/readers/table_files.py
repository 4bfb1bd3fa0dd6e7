"""CSV and Parquet tables read into raw data, by the roles of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.categories import one_hot
from estimation.dataset.readers.column_matching import select_columns
from estimation.dataset.readers.episodes import cut_episodes
from estimation.dataset.readers.files import shown_path
from estimation.dataset.readers.images import read_images
from estimation.dataset.readers.options import ReadOptions
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import Roles, assign_roles, inherit_roles
from estimation.dataset.readers.table import Table, open_table
from estimation.exceptions import DataError

__all__ = ["read_table"]

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
    actions, action_names, categories = _actions(table, content, roles)
    image_shape: tuple[int, int, int] | None = None
    observations: Array
    if roles.images is None:
        observations = table.numbers(content, roles.observations, allow_missing=True)
    else:
        files = table.texts(content, roles.images)
        observations, image_shape = read_images(files, path.parent, partial(table.where, roles.images))
    raw = RawData(
        observations,
        actions=actions,
        latents=table.numbers(content, roles.latents) if roles.latents else None,
        action_names=action_names,
        observation_shape=image_shape,
        name=path.stem,
        observation_names=roles.observations,
        roles=replace(roles, categorical=categories),
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


def _actions(
    table: Table, content: Any, roles: Roles
) -> tuple[Array | None, tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """Return the actions, with the indicators of a categorical column in its place; their names; the categories."""
    blocks: list[Array] = []
    action_names: list[str] = []
    categories: dict[str, tuple[str, ...]] = {}
    for column in roles.actions:
        if column in roles.categorical:
            codes, values = table.codes(content, column)
            declared = roles.categorical[column]
            block: Array
            block, column_categories = one_hot(codes, values, declared, partial(table.where, column))
            block_names = [f"{column}={category}" for category in column_categories]
            categories[column] = tuple(column_categories)
        else:
            block, block_names = table.numbers(content, [column]), [column]
        blocks.append(block)
        action_names += block_names
    if not blocks:
        return None, None, categories
    return np.concatenate(blocks, axis=1), tuple(action_names), categories


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
