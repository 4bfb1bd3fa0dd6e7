"""Tables in CSV and Parquet files: which columns there are, and their content as numbers, categories or text.

The cells of a CSV file are read as text and turned into numbers here, so that a bad one is named with its place.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.cells import LARGEST_WHOLE, BadCellError, is_missing, number, trimmed
from estimation.dataset.readers.column_matching import named
from estimation.dataset.readers.frames import require_whole
from estimation.dataset.readers.raw_data import (
    need,
    parsing,
    require_file,
    require_plausible,
    shortened,
    shown_path,
)
from estimation.exceptions import DataError
from identify.wording import listed

__all__ = ["SUFFIXES", "Table", "choose", "open_table"]

Array = NDArray[np.float64]

SUFFIXES = (".csv", ".parquet")

# what pandas calls a column without a name, and an index that it keeps in a Parquet file
_INDEX = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__")
_DATES = ("ns", "us", "s")
_LARGEST_BLOCK = 1 << 26


@dataclass(frozen=True, eq=False)
class Table:
    """A table that was opened, whose columns are read on demand.

    Attributes:
        path: its file.
        names: of all columns, in the order of the file.
    """

    path: Path
    names: tuple[str, ...]
    _read: Callable[[list[str]], Any]

    def read(self, columns: Sequence[str]) -> Any:
        """The pyarrow table of these columns.

        Raises:
            DataError: the file is damaged, or has no rows.
        """
        with parsing(self.path, _what(self.path)):
            content = self._read(list(dict.fromkeys(columns)))
            if content.num_rows == 0:
                raise DataError("has no rows below the names of the columns")
        return content

    def numbers(self, content: Any, columns: Sequence[str]) -> Array:
        """Columns as numbers, shape (rows, columns); true and false are 1 and 0.

        Raises:
            DataError: a cell is empty or no number; the text gives the column and the row.
        """
        result = np.empty((content.num_rows, len(columns)))
        for position, name in enumerate(columns):
            result[:, position] = self._column(content, name)
            with np.errstate(over="ignore", invalid="ignore"):
                single = result[:, position].astype(np.float32)
            bad = np.flatnonzero(~np.isfinite(single))
            if bad.size:
                value = single[bad[0]]
                raise self.error(name, int(bad[0]), f"{value} as float32; every cell must be a finite number")
        return result

    def codes(self, content: Any, column: str) -> tuple[NDArray[np.int64], list[Any]]:
        """Cells as positions in the list of different values, which come in the order of the file.

        Raises:
            DataError: a cell is empty.
        """
        encoded = _flat(content.column(column)).dictionary_encode()
        # a null has no position; it gets that of a missing value after the others
        values = [*(trimmed(value) for value in encoded.dictionary.to_pylist()), None]
        codes = encoded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False).astype(np.int64)
        missing = np.flatnonzero(np.array([is_missing(value) for value in values])[codes])
        if missing.size:
            value = values[codes[missing[0]]]
            what = f"{shortened(value)}, which means that it is missing" if value else "empty"
            raise self.error(column, int(missing[0]), f"{what}; every row needs a value")
        # values that differ by white space are one
        first = {value: place for place, value in reversed(list(enumerate(values)))}
        kept = sorted(set(first.values()) - {first[None]})
        place_of = {values[place]: k for k, place in enumerate(kept)}
        places = np.array([place_of.get(value, -1) for value in values], dtype=np.int64)
        return places[codes], [values[place] for place in kept]

    def times(self, content: Any, column: str) -> NDArray[Any]:
        """Cells that can be sorted: numbers, or dates and times like 2024-05-31T12:00:00.

        Raises:
            DataError: a cell is empty or is neither.
        """
        arrow, compute = _arrow(), need("pyarrow.compute", "pyarrow", "a table")
        cells = _flat(content.column(column))
        if arrow.types.is_string(cells.type):
            cells = _dated(compute.utf8_trim_whitespace(cells))
        missing = np.flatnonzero(cells.is_null().to_numpy(zero_copy_only=False))
        if missing.size:
            raise self.error(column, int(missing[0]), "empty; every row needs a time")
        if arrow.types.is_time(cells.type):
            cells = cells.cast(arrow.int32() if arrow.types.is_time32(cells.type) else arrow.int64())
        if arrow.types.is_temporal(cells.type) or arrow.types.is_integer(cells.type):
            return np.asarray(cells.to_numpy(zero_copy_only=False))
        try:
            return self._finite(column, self._column(content, column))
        except DataError as error:
            raise DataError(
                f"{error}; or a time like 2024-05-31T12:00:00, each with a zone or none of them"
            ) from error

    def texts(self, content: Any, column: str) -> list[str]:
        """Cells as text.

        Raises:
            DataError: a cell is empty or no text.
        """
        values = [trimmed(value) for value in _flat(content.column(column)).to_pylist()]
        for row, value in enumerate(values):
            if not isinstance(value, str) or is_missing(value):
                raise self.error(column, row, f"{shortened(value)}; it must be the name of a file")
        return [str(value) for value in values]

    def error(self, column: str, row: int, what: str) -> DataError:
        """One line for a bad cell; ``row`` counts from 0."""
        return DataError(f"{self.where(column, row)} is {what}")

    def where(self, column: str, row: int | None = None) -> str:
        """The file and the column, and row ``row`` (from 0) of it."""
        place = "" if row is None else f", {self.place(row)}"
        return f"{shown_path(self.path)}: column {shortened(column)}{place}"

    def place(self, row: int) -> str:
        """Row ``row`` (from 0) as a person finds it in the file."""
        if self.path.suffix.lower() == ".csv":
            return f"row {row + 2} (the names are row 1)"
        return f"row {row} (counted from 0)"

    def _column(self, content: Any, name: str) -> NDArray[np.float64]:
        arrow, compute = _arrow(), need("pyarrow.compute", "pyarrow", "a table")
        cells = _flat(content.column(name))
        if arrow.types.is_string(cells.type):
            return self._from_text(cells, name)
        if not (arrow.types.is_primitive(cells.type) or arrow.types.is_decimal(cells.type)) or (
            arrow.types.is_temporal(cells.type)
        ):
            raise DataError(f"{self.where(name)} holds {cells.type}; it must hold numbers")
        missing = np.flatnonzero(cells.is_null().to_numpy(zero_copy_only=False))
        if missing.size:
            raise self.error(name, int(missing[0]), "empty; every cell must be a finite number")
        if arrow.types.is_boolean(cells.type):
            cells = compute.cast(cells, arrow.uint8())
        if arrow.types.is_integer(cells.type):
            require_whole(np.asarray(cells.to_numpy(zero_copy_only=False)), self.where(name))
        return np.asarray(compute.cast(cells, arrow.float64(), safe=False).to_numpy(zero_copy_only=False))

    def _from_text(self, cells: Any, name: str) -> NDArray[np.float64]:
        arrow, compute = _arrow(), need("pyarrow.compute", "pyarrow", "a table")
        texts = compute.utf8_trim_whitespace(cells)
        try:
            values = np.array(compute.cast(texts, arrow.float64()).to_numpy(zero_copy_only=False))
        except arrow.ArrowInvalid:
            return np.array([self._number(text, name, row) for row, text in enumerate(texts.to_pylist())])
        for row in np.flatnonzero(~(np.abs(values) < LARGEST_WHOLE)).tolist():
            # a word that means missing, infinity, or a whole number that is too large
            values[row] = self._number(texts[row].as_py(), name, row)
        return values

    def _number(self, text: str | None, name: str, row: int) -> float:
        try:
            return number(text)
        except BadCellError as error:
            raise self.error(name, row, str(error)) from error

    def _finite(self, column: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise self.error(column, int(bad[0]), f"{values[bad[0]]}; every row needs a time")
        return values


def open_table(path: str | os.PathLike[str]) -> Table:
    """Open a CSV or Parquet file, by its suffix, and read the names of its columns.

    Raises:
        DataError: it is no such file, or two columns have one name.
        FileAccessError: it can't be read.
    """
    path = Path(path)
    require_file(path)
    _arrow()
    with parsing(path, _what(path)):
        names, read = _open_csv(path) if path.suffix.lower() == ".csv" else _open_parquet(path)
        found = _named([name.strip() for name in names])
    return Table(path, tuple(found), _by_stripped_name(read, names))


def choose(names: Sequence[str], patterns: str | Sequence[str], what: str) -> list[str]:
    """The columns that exact names or shell patterns select, each once: by pattern, then in the order of the file.

    Args:
        names: of all columns.
        patterns: one or several, like ``"x*"`` or ``"pixel_[0-9]*"``.
        what: what they are chosen for, for the error message.

    Raises:
        DataError: a pattern selects nothing; the text lists what there is.

    Example:
        >>> choose(["time", "x1", "x0"], ["x0", "x*"], "observations")
        ['x0', 'x1']
    """
    chosen: dict[str, None] = {}
    known = set(names)
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = (
            [pattern] if pattern in known else [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        )
        if not found:
            there = named(names, "", 8)
            raise DataError(f"{what}: no column is called or matches {shortened(pattern)}; there are {there}")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _open_csv(path: Path) -> tuple[list[str], Callable[[list[str]], Any]]:
    arrow, csv = _arrow(), need("pyarrow.csv", "pyarrow", "a CSV file")
    # one thread, because only then does an error name its row
    # a row must fit into a block
    block = min(max(path.stat().st_size, 1 << 20), _LARGEST_BLOCK)
    options = csv.ReadOptions(use_threads=False, block_size=block)
    parse = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(path, read_options=options, parse_options=parse) as reader:
        names = list(reader.schema.names)

    def read(columns: list[str]) -> Any:
        convert = csv.ConvertOptions(
            include_columns=columns,
            column_types=dict.fromkeys(columns, arrow.string()),
            strings_can_be_null=False,
        )
        return csv.read_csv(path, read_options=options, parse_options=parse, convert_options=convert)

    return names, read


def _open_parquet(path: Path) -> tuple[list[str], Callable[[list[str]], Any]]:
    parquet = need("pyarrow.parquet", "pyarrow", "a Parquet file")
    with parquet.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        numbers = file.metadata.num_rows * file.metadata.num_columns
    require_plausible(8 * numbers, path.stat().st_size)

    def read(columns: list[str]) -> Any:
        with parquet.ParquetFile(path) as file:
            return file.read(columns=columns, use_threads=False)

    return names, read


def _named(names: list[str]) -> list[str]:
    """The names of the columns that can be used: all but those of an index at the left end, which pandas writes."""
    used = list(names)
    while used and (used[0] == "" or _INDEX.fullmatch(used[0])):
        del used[0]
    used = [name for name in used if not _INDEX.fullmatch(name)]
    counts = Counter(used)
    twice = next((name for name in used if counts[name] > 1), None)
    if "" in used:
        raise DataError(
            f"column {names.index('', len(names) - len(used))} has no name; the first row must name every column"
        )
    if twice is not None:
        raise DataError(f"two columns are named {shortened(twice)}; names must be unique")
    if all(_is_number(name) for name in used):
        first = listed([shortened(name)[1:-1] for name in names], 3)
        raise DataError(f"the first row is {first}; it must be the names of the columns")
    return used


def _by_stripped_name(read: Callable[[list[str]], Any], names: list[str]) -> Callable[[list[str]], Any]:
    """Reads columns called by names without white space around them."""
    exact = {name.strip(): name for name in reversed(names)}

    def reader(columns: list[str]) -> Any:
        content = read([exact[name] for name in columns])
        return content.select([exact[name] for name in columns]).rename_columns(columns)

    return reader


def _dated(cells: Any) -> Any:
    """Texts as dates and times if all of them are, with a zone or without, or as whole numbers; else as they are."""
    arrow, compute = _arrow(), need("pyarrow.compute", "pyarrow", "a table")
    kinds = [arrow.int64(), *(arrow.timestamp(unit, zone) for zone in (None, "UTC") for unit in _DATES)]
    for kind in kinds:
        try:
            return compute.cast(cells, kind)
        except arrow.ArrowInvalid:
            continue
    return cells


def _flat(column: Any) -> Any:
    """One array of plain cells: chunks joined, dictionaries and the several kinds of text resolved."""
    arrow = _arrow()
    cells = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if arrow.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if arrow.types.is_large_string(cells.type) or arrow.types.is_string_view(cells.type):
        cells = cells.cast(arrow.string())
    return cells


def _arrow() -> Any:
    return need("pyarrow", "pyarrow", "a table")


def _what(path: Path) -> str:
    return "CSV table in UTF-8" if path.suffix.lower() == ".csv" else "Parquet table"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
