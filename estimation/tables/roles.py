"""Which column of a table plays which part: observed, action, category, latent, episode, time, image."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.tables.categories import one_hot
from estimation.tables.columns import Table, choose, open_table
from estimation.tables.episodes import cut_episodes
from estimation.tables.images import read_images
from estimation.tables.parts import Parts, shown_path

__all__ = ["Roles", "assign", "read_table"]

Array = NDArray[np.float32]
Names = str | Sequence[str]

# how the columns of a table are called when nobody says
_USUAL = {"observations": "x[0-9]*", "actions": "a[0-9]*", "latents": "z[0-9]*"}
_USUAL_IMAGES = ("images", "image", "file", "filename")


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are used for.

    Attributes:
        observations: observed numbers; empty when images are observed.
        actions: all actions, the categorical ones among them.
        categorical: the categorical ones, and their values where those are given.
        latents: true latents.
        episode: what tells sequences apart, or None.
        time: what orders their rows, or None.
        images: names of files, or None.
    """

    observations: tuple[str, ...]
    actions: tuple[str, ...]
    categorical: Mapping[str, Sequence[Any] | None]
    latents: tuple[str, ...]
    episode: str | None
    time: str | None
    images: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are used."""
        single = [name for name in (self.episode, self.time, self.images) if name is not None]
        return (*self.observations, *self.actions, *self.latents, *single)


def read_table(
    path: Path,
    chosen: Mapping[str, Names | None],
    order: Mapping[str, str | None],
    categorical: Names | Mapping[str, Sequence[Any]] = (),
    images: str | None = None,
    *,
    find_images: bool = False,
    window: int = 2,
) -> Parts:
    """Read a CSV or Parquet table.

    Args:
        path: the file.
        chosen: names or patterns of ``observations``, ``actions``, ``latents``.
        order: the columns of ``episode`` and ``time``.
        categorical: which columns are categorical actions, or their values by column.
        images: the column of file names.
        find_images: look for that column when it isn't named.
        window: steps per window.

    Raises:
        DataError: a column is missing, or a cell is not what it should be.
        FileAccessError: a file can't be read.
    """
    table = open_table(path)
    try:
        roles = assign(table.names, chosen, order, categorical, _images(table.names, images, find_images))
    except DataError as error:
        raise DataError(f"{shown_path(path)}: {error}") from error
    content = table.read(roles.columns)
    actions, names = _actions(table, content, roles)
    shape, observations = None, None
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
    )
    return _cut(table, content, roles, parts, window)


def assign(
    names: Sequence[str],
    chosen: Mapping[str, Names | None],
    order: Mapping[str, str | None],
    categorical: Names | Mapping[str, Sequence[Any]] = (),
    images: str | None = None,
) -> Roles:
    """Give every column that is asked for its part.

    Raises:
        DataError: a pattern selects nothing, a column would play two parts, or nothing is observed.

    Example:
        >>> roles = assign(["x0", "x1", "drug"], {}, {}, categorical="drug")
        >>> roles.observations, roles.actions
        (('x0', 'x1'), ('drug',))
    """
    given = categorical if isinstance(categorical, Mapping) else {}
    categories = choose(names, list(given) if given else _listed(categorical), "categorical")
    single = {what: order.get(what) for what in ("episode", "time")} | {"images": images}
    for what, name in single.items():
        if name is not None and name not in names:
            choose(names, name.replace("[", "[[]"), what)
    if images is not None and chosen.get("observations") is not None:
        raise DataError("observations and images are both given; images are what is observed")
    found = {what: _found(names, chosen.get(what), what) for what in _USUAL}
    if images is not None:
        found["observations"] = []
    elif not found["observations"]:
        choose(names, _USUAL["observations"], "observations (name them)")
    found["actions"] += [name for name in categories if name not in found["actions"]]
    roles = Roles(
        observations=tuple(found["observations"]),
        actions=tuple(found["actions"]),
        categorical={name: given.get(name) for name in categories},
        latents=tuple(found["latents"]),
        **single,
    )
    _require_one_part_each(found | {what: [name] for what, name in single.items() if name is not None})
    return roles


def _images(names: Sequence[str], images: str | None, find: bool) -> str | None:
    if images is not None or not find:
        return images
    found = next((name for name in _USUAL_IMAGES if name in names), None)
    if found is None:
        choose(names, _USUAL_IMAGES[0], "images (name the column)")
    return found


def _listed(names: Names | Mapping[str, Sequence[Any]]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _found(names: Sequence[str], patterns: Names | None, what: str) -> list[str]:
    if patterns is not None:
        return choose(names, patterns, what)
    return choose(names, _USUAL[what], what) if _any_match(names, _USUAL[what]) else []


def _any_match(names: Sequence[str], pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def _require_one_part_each(found: Mapping[str, Sequence[str]]) -> None:
    taken: dict[str, str] = {}
    for what, names in found.items():
        for name in names:
            if name in taken:
                raise DataError(f"column {name!r} is chosen for {taken[name]} and for {what}; choose it once")
            taken[name] = what


def _actions(table: Table, content: Any, roles: Roles) -> tuple[Array | None, tuple[str, ...] | None]:
    """The action columns, those of one category in place of the column that held it."""
    blocks: list[Array] = []
    names: list[str] = []
    for column in roles.actions:
        if column in roles.categorical:
            codes, values = table.codes(content, column)
            block, called = one_hot(
                codes, values, column, roles.categorical[column], partial(table.where, column)
            )
        else:
            block, called = table.numbers(content, [column]), [column]
        blocks.append(block)
        names += called
    return (np.concatenate(blocks, axis=1), tuple(names)) if blocks else (None, None)


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
