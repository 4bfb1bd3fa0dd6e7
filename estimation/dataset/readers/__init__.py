"""Files of a person's own data, read into the parts of a dataset: NPZ, NPY, CSV, Parquet, images with a table.

========================  ====================================================
file                      read in
========================  ====================================================
one or several arrays     ``numpy_files``
columns of a table        ``columns``, ``categories``, ``roles``, ``table_files``
rows that form sequences  ``episodes``
images named in a table   ``images``
========================  ====================================================

`estimation.dataset.Dataset.read` checks the parts against each other. Tables need pyarrow and images need Pillow, which
are imported when such a file is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from estimation.dataset.readers.numpy_files import read_npy, read_npz
from estimation.dataset.readers.raw_data import Parts, shown_path
from estimation.dataset.readers.roles import Asked, Roles
from estimation.dataset.readers.table import SUFFIXES
from estimation.dataset.readers.table_files import read_table
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError

__all__ = ["read_parts"]

Names = str | Sequence[str]


def read_parts(
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
    memory_map: bool = False,
    like: Roles | None = None,
) -> Parts:
    """Read a file, by its suffix.

    - ``.npz``: a dataset that was written, or any arrays. ``observations``, ``actions``, ``latents``, ``episode`` and
      ``time`` name arrays; observations are called ``observations`` or ``x`` when left out, and so on.
    - ``.npy``: one array of observations. ``actions`` and ``latents`` name other NPY files in its folder. With
      ``memory_map`` the observations (float32) stay on disk.
    - ``.csv`` (commas, UTF-8, names in the first row) and ``.parquet``: ``observations``, ``actions`` and ``latents``
      are names or shell patterns of columns; when left out, ``x``, ``a`` and ``z`` with a number, where there are any.
      ``images`` is the column of file names, relative to the table, of images to observe instead.
    - a folder: the one table in it, with images. The column is ``images``, ``image``, ``file`` or ``filename`` when
      ``images`` is left out.

    With ``episode`` or ``time`` the rows are steps of sequences, of any lengths, which are cut into windows that
    never cross from one to another. The action of a row is the one that led to it: a window of length 2 has the
    action of its later row. Shorter episodes are left out, which a note says. With ``time`` alone all is one
    sequence. Gaps in time are not looked for.

    Args:
        path: the file or folder.
        observations: which columns or arrays are observed.
        actions: which are actions.
        categorical: which columns become one action per value, named like ``drug=ibuprofen`` and sorted; a mapping
            gives the values of each, so that two files get the same columns.
        episode: which column tells sequences apart.
        time: which column orders the rows of a sequence: numbers, or dates like 2024-05-31.
        latents: which are the true latents.
        window: steps per window.
        images: which column names files of images.
        memory_map: leave an NPY file on disk.
        like: the parts that the columns of an earlier table played: what isn't said above is read as there, with the
            same categories.

    Raises:
        DataError: the content isn't what it should be, or an option doesn't go with the file; one line with the
            file and the place.
        FileAccessError: a file can't be read.
    """
    path = Path(path)
    chosen = {"observations": observations, "actions": actions, "latents": latents}
    order = {"episode": episode, "time": time}
    only_tables = {"categorical": categorical, "images": images}
    kind = "folder" if os.path.isdir(path) else path.suffix.lower()
    if kind == ".npz":
        _refuse(path, only_tables | {"memory_map": memory_map})
        return read_npz(path, **_single(path, chosen | order), window=window)
    if kind == ".npy":
        _refuse(path, only_tables | order | {"observations": observations})
        return read_npy(
            path, **_single(path, {"actions": actions, "latents": latents}), memory_map=memory_map
        )
    if kind not in ("folder", *SUFFIXES):
        raise DataError(
            f"{shown_path(path)}: a file ending in {kind!r} is not known; use .npz, .npy, .csv, .parquet or a folder "
            "of images with a table"
        )
    _refuse(path, {"memory_map": memory_map})
    table, any_images = (_table_in(path), True) if kind == "folder" else (path, False)
    asked = Asked(observations, actions, latents, categorical, episode, time, images)
    return read_table(table, asked, like=like, find_images=any_images, window=window)


def _refuse(path: Path, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if value:
            raise DataError(
                f"{shown_path(path)}: the option {name} doesn't go with this kind of file; leave it out"
            )


def _single(path: Path, options: Mapping[str, Names | None]) -> dict[str, str | None]:
    result: dict[str, str | None] = {}
    for name, value in options.items():
        if value is not None and not isinstance(value, str):
            raise DataError(f"{shown_path(path)}: {name} is {value!r}; it must be one name")
        result[name] = value
    return result


def _table_in(folder: Path) -> Path:
    try:
        tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise FileAccessError(f"{shown_path(folder)}: {error.strerror or 'cannot be read'}") from error
    if len(tables) != 1:
        there = ", ".join(path.name for path in tables) or "none"
        raise DataError(
            f"{shown_path(folder)}: a folder of images has one table (.csv or .parquet) that names them; it has {there}"
        )
    return tables[0]
