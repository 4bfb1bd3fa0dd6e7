"""Files that a folder gets with its main content, listed by name and digest, so that they go when the content changes.

What is removed is only what was written here and is still as it was written: never a file of the user's own.
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

#: The form of a list of companions.
COMPANIONS = Many(Fields({"name": Text(), "sha256": Maybe(Text())}))

_LIST = "written.json"
_MOST_BYTES = 1 << 20


def list_companions(files: Mapping[str, bytes], announced: Iterable[str] = ()) -> list[dict[str, str | None]]:
    """Names and digests, ready for JSON.

    Args:
        files: contents by name.
        announced: names of files that are written later; they have no digest.

    Example:
        >>> list_companions({}, ["report.html"])
        [{'name': 'report.html', 'sha256': None}]
    """
    listed: list[dict[str, str | None]] = [
        {"name": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    ]
    listed.extend({"name": name, "sha256": None} for name in announced)
    return listed


def remove_companions(folder: Path, listed: Iterable[Mapping[str, Any]], kept: Iterable[str] = ()) -> None:
    """Remove listed files that are as they were written.

    Args:
        folder: where they lie; a name that leads out of it is passed over.
        listed: as `list_companions` gave it.
        kept: names of files to be left.
    """
    names = set(kept)
    for each in listed:
        path = folder / each["name"]
        if path.name != each["name"] or each["name"] in names or path.is_symlink() or not path.is_file():
            continue
        if each["sha256"] in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
            path.unlink()


def write_companions(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files into a folder, whole, and remove what an earlier call wrote that is not among them.

    Args:
        folder: made when missing; it gets the list ``written.json`` too.
        files: contents by name.

    Returns:
        where they lie.

    Raises:
        FileAccessError: one can't be written.
    """
    make_folder(folder)
    remove_companions(folder, _listed(folder), files)
    write_whole(folder / _LIST, json.dumps(list_companions(files), indent=1))
    for name, data in files.items():
        write_whole(folder / name, data)
    return [folder / name for name in files]


def forget_written(folder: Path) -> None:
    """Remove what an earlier `write_companions` or `announce` says, as far as it is as it was written."""
    remove_companions(folder, _listed(folder))
    (folder / _LIST).unlink(missing_ok=True)


def announce(folder: Path, names: Iterable[str]) -> None:
    """Add to the list of a folder what somebody else writes into it.

    Args:
        folder: that the files lie in.
        names: of the files.

    Raises:
        FileAccessError: the list can't be written.
    """
    write_whole(folder / _LIST, json.dumps([*_listed(folder), *list_companions({}, names)], indent=1))


def _listed(folder: Path) -> list[dict[str, Any]]:
    try:
        listed = parse_json(read_bytes(folder / _LIST, _MOST_BYTES))
        check(listed, COMPANIONS)
    except (CheckpointError, FileAccessError, FormatError):
        # nothing is known of what was there
        return []
    found: list[dict[str, Any]] = listed
    return found
