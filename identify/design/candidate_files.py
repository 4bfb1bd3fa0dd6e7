"""Read candidates from CSV files (one line per candidate) or JSON files; see the page "File formats" of the docs."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from identify.design.candidates import Candidate
from identify.exceptions import FormatError, RequestError
from identify.files import read_bytes
from identify.formats.base import MIB, decode
from identify.names import quoted, shown

__all__ = ["SEPARATOR", "read_candidates"]

#: Separator of the targets of a candidate in a CSV file.
SEPARATOR = ";"
_LIMIT = 64 * MIB
_COLUMNS = ("name", "targets", "cost")
_FORMAT = "mechsparse-candidates"
_KEYS = ("format", "version", "candidates", "metadata")


def read_candidates(path: str | os.PathLike[str]) -> list[Candidate]:
    """Read candidate interventions from a ``.csv`` or ``.json`` file.

    Args:
        path: Path of the file. CSV has the column ``targets`` (names separated by semicolons) and optionally ``name``
            and ``cost``. JSON has the key ``candidates``, a list of objects with the same keys.

    Raises:
        FormatError: If the content is invalid. The message gives the file, the position and what is valid.
        FileAccessError: If the file can't be read or is too large.
        RequestError: If the suffix is neither ``.csv`` nor ``.json``.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp(), "doses.csv")
        >>> _ = file.write_text("name,targets,cost\\nlow,raf,1\\nhigh,raf;mek,2.5\\n")
        >>> read_candidates(file)[1]
        Candidate(targets=('raf', 'mek'), name='high', cost=2.5)
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".json"):
        raise RequestError(f"{os.fspath(path)}: candidates are read from a .csv or a .json file")
    content = read_bytes(path, _LIMIT)
    try:
        text = decode(content)
        return _read_csv(text) if suffix == ".csv" else _read_json(text)
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error


def _read_csv(text: str) -> list[Candidate]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise FormatError(f"line {reader.line_num}: is not valid CSV: {error}") from error
    if not lines:
        raise FormatError("the file is empty")
    header = [cell.strip() for cell in lines[0][1]]
    unknown = [column for column in header if column not in _COLUMNS]
    if unknown or "targets" not in header or len(set(header)) < len(header):
        raise FormatError(
            f"line 1: is {','.join(header)[:60]!r}; it must have the column 'targets' and may have 'name' and 'cost'"
        )
    return [_from_cells(line, cells, header) for line, cells in lines[1:]]


def _from_cells(line: int, cells: list[str], header: list[str]) -> Candidate:
    if len(cells) != len(header):
        raise FormatError(f"line {line}: has {len(cells)} cells; the header has {len(header)}")
    record = dict(zip(header, cells, strict=True))
    targets = tuple(name.strip() for name in record["targets"].split(SEPARATOR) if name.strip())
    if not targets:
        raise FormatError(f"line {line}: has no target; separate the names of latents by '{SEPARATOR}'")
    price = record.get("cost", "").strip()
    try:
        cost = float(price) if price else 1.0
    except ValueError:
        raise FormatError(f"line {line}: has cost {price[:40]!r}; a cost is a number") from None
    return Candidate(targets, record.get("name", "").strip() or None, cost)


def _read_json(text: str) -> list[Candidate]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(
            f"line {error.lineno}, column {error.colno}: is not valid JSON: {error.msg}"
        ) from error
    except RecursionError as error:
        raise FormatError("line 1: is nested too deeply; candidates are a list of objects") from error
    except ValueError as error:
        # Python refuses integers of more than some thousand digits
        raise FormatError("contains a number of thousands of digits; a cost has a few") from error
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise FormatError(f"line 1: does not contain an object with 'format': '{_FORMAT}'")
    if record.get("version") != 1 or isinstance(record["version"], bool):
        raise FormatError(f"key 'version': is {quoted(record.get('version'))}; it must be 1")
    for key in record:
        if key not in _KEYS:
            raise FormatError(f"key {shown(key)!r}: is unknown; known are {', '.join(_KEYS)}")
    candidates = record.get("candidates")
    if not isinstance(candidates, list):
        raise FormatError("key 'candidates': must be a list of objects with 'targets'")
    return [_from_object(number, candidate) for number, candidate in enumerate(candidates)]


def _from_object(number: int, record: Any) -> Candidate:
    where = f"candidates[{number}]"
    if not isinstance(record, dict):
        raise FormatError(f"{where}: must be an object with 'targets' and optionally 'name' and 'cost'")
    for key in record:
        if key not in _COLUMNS:
            raise FormatError(f"{where}: has the unknown key {shown(key)!r}; known are {', '.join(_COLUMNS)}")
    targets = record.get("targets")
    if not isinstance(targets, list) or not targets or not all(isinstance(name, str) for name in targets):
        raise FormatError(f"{where}: 'targets' must be a non-empty list of names of latents")
    name, cost = record.get("name"), record.get("cost", 1.0)
    if name is not None and not isinstance(name, str):
        raise FormatError(f"{where}: has name {quoted(name)}; a name is a string")
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        raise FormatError(f"{where}: has cost {quoted(cost)}; a cost is a number")
    return Candidate(tuple(targets), name, cost)
