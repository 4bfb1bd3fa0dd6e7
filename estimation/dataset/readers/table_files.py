"""CSV and Parquet tables read into the parts of a dataset, by the parts that their columns play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.categories import one_hot
from estimation.dataset.readers.episodes import cut_episodes
from estimation.dataset.readers.images import read_images
from estimation.dataset.readers.raw_data import Parts, shown_path
from estimation.dataset.readers.roles import Asked, Roles, assign, recalled
from estimation.dataset.readers.table import Table, choose, open_table
from estimation.exceptions import DataError

__all__ = ["read_table"]

Array = NDArray[np.floating]

_USUAL_IMAGES = ("images", "image", "file", "filename")


def read_table(
    path: Path, asked: Asked, *, like: Roles | None = None, find_images: bool = False, window: int = 2
) -> Parts:
    """Read a CSV or Parquet table.

    Args:
        path: the file.
        asked: which columns play which part.
        like: the parts that the columns of an earlier table played, for what is not asked.
        find_images: look for the column of images when it isn't named.
        window: steps per window.

    Raises:
        DataError: a column is missing, or a cell is not what it should be.
        FileAccessError: a file can't be read.
    """
    table = open_table(path)
    try:
        if like is not None:
            asked = recalled(table.names, asked, like)
        asked = replace(asked, images=_images(table.names, asked.images, find_images))
        roles = assign(table.names, asked)
    except DataError as error:
        raise DataError(f"{shown_path(path)}: {error}") from error
    content = table.read(roles.columns)
    actions, names, levels = _actions(table, content, roles)
    shape: tuple[int, int, int] | None = None
    observations: Array
    if roles.images is None:
        observations = table.numbers(content, roles.observations)
    else:
        files = table.texts(content, roles.images)
        observations, shape = read_images(files, path.parent, partial(table.where, roles.images))
    parts = Parts(
        observations,
        actions=actions,
        latents=table.numbers(content, roles.latents) if roles.latents else None,
        action_names=names,
        observation_shape=shape,
        name=path.stem,
        observation_names=roles.observations,
        roles=replace(roles, categorical=levels),
    )
    return _cut(table, content, roles, parts, window)


def _images(names: Sequence[str], images: str | None, find: bool) -> str | None:
    if images is not None or not find:
        return images
    found = next((name for name in _USUAL_IMAGES if name in names), None)
    if found is None:
        choose(names, _USUAL_IMAGES[0], "images (name the column)")
    return found


def _actions(
    table: Table, content: Any, roles: Roles
) -> tuple[Array | None, tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """The action columns, those of one category in place of the column that held it; their names; the categories."""
    blocks: list[Array] = []
    names: list[str] = []
    levels: dict[str, tuple[str, ...]] = {}
    for column in roles.actions:
        if column in roles.categorical:
            codes, values = table.codes(content, column)
            given = roles.categorical[column]
            block: Array
            block, categories = one_hot(codes, values, given, partial(table.where, column))
            called = [f"{column}={category}" for category in categories]
            levels[column] = tuple(categories)
        else:
            block, called = table.numbers(content, [column]), [column]
        blocks.append(block)
        names += called
    return (np.concatenate(blocks, axis=1), tuple(names), levels) if blocks else (None, None, levels)


def _cut(table: Table, content: Any, roles: Roles, parts: Parts, window: int) -> Parts:
    if roles.episode is None and roles.time is None:
        return parts
    times = None if roles.time is None else table.times(content, roles.time)
    codes, names = np.zeros(content.num_rows, dtype=np.int64), [parts.name]
    if roles.episode is not None:
        codes, names = table.codes(content, roles.episode)
    try:
        return cut_episodes(parts, codes, names, times, window, table.place)
    except DataError as error:
        raise DataError(f"{shown_path(table.path)}: {error}") from error
