"""Companions: files written together with the content of a folder, and removed when that content is replaced.

They are listed by name and digest. Only files that were written here and have not changed since are removed, never
files of the user.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from estimation.exceptions import CheckpointError
from estimation.storage.schema import Fields, Many, Maybe, Text, check
from identify.exceptions import FileAccessError, FormatError
from identify.files import make_folder, read_bytes, write_whole
from identify.json_files import parse_json

__all__ = [
    "COMPANIONS",
    "announce",
    "forget_written",
    "list_companions",
    "remove_companions",
    "write_companions",
]

#: Form of a list of companions.
COMPANIONS = Many(Fields({"name": Text(), "sha256": Maybe(Text())}))

_LIST = "written.json"
_MAX_BYTES = 1 << 20


def list_companions(files: Mapping[str, bytes], announced: Iterable[str] = ()) -> list[dict[str, str | None]]:
    """Return names and digests of files, for JSON.

    Args:
        files: Contents by name.
        announced: Names of files that the caller writes later; they have no digest.

    Example:
        >>> list_companions({}, ["report.html"])
        [{'name': 'report.html', 'sha256': None}]
    """
    companions: list[dict[str, str | None]] = [
        {"name": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    ]
    companions.extend({"name": name, "sha256": None} for name in announced)
    return companions


def remove_companions(
    folder: Path, companions: Iterable[Mapping[str, Any]], excluded: Iterable[str] = ()
) -> None:
    """Remove companions that have not changed since they were written.

    Args:
        folder: Their folder; a name that leads out of it is ignored.
        companions: List that `list_companions` returned.
        excluded: Names of files to keep.
    """
    names = set(excluded)
    for companion in companions:
        name, path = companion["name"], folder / companion["name"]
        if path.name != name or name in names or path.is_symlink() or not path.is_file():
            continue
        if companion["sha256"] in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
            path.unlink()


def write_companions(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files to a folder, each atomically, and remove other files that an earlier call wrote.

    Args:
        folder: Created if missing; the list of the files is written to ``written.json``.
        files: Contents by name.

    Returns:
        Paths of the files.

    Raises:
        FileAccessError: If a file can't be written.
    """
    make_folder(folder)
    remove_companions(folder, _read_list(folder), files)
    write_whole(folder / _LIST, json.dumps(list_companions(files), indent=1))
    for name, data in files.items():
        write_whole(folder / name, data)
    return [folder / name for name in files]


def forget_written(folder: Path) -> None:
    """Remove the files that earlier calls of `write_companions` or `announce` listed, unless they have changed."""
    remove_companions(folder, _read_list(folder))
    (folder / _LIST).unlink(missing_ok=True)


def announce(folder: Path, names: Iterable[str]) -> None:
    """Add files to the list of a folder that other code writes to it.

    Args:
        folder: Folder of the files.
        names: Names of the files.

    Raises:
        FileAccessError: If the list can't be written.
    """
    write_whole(folder / _LIST, json.dumps([*_read_list(folder), *list_companions({}, names)], indent=1))


def _read_list(folder: Path) -> list[dict[str, Any]]:
    try:
        companions: list[dict[str, Any]] = parse_json(read_bytes(folder / _LIST, _MAX_BYTES))
        check(companions, COMPANIONS)
    except (CheckpointError, FileAccessError, FormatError):
        # without a valid list, no file is known to be ours
        return []
    return companions
