"""Tables in CSV and Parquet files: the names of their columns, and cells as numbers, categories, times or text.

The cells of a CSV file are read as text and parsed here, so that an error message gives the position of a bad cell.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.cells import (
    LARGEST_EXACT_INTEGER,
    MISSING,
    BadCellError,
    is_missing,
    parse_number,
    trimmed,
)
from estimation.dataset.readers.files import (
    import_optional,
    parsing,
    require_plausible_size,
    require_readable,
    shortened,
    shown_path,
)
from estimation.dataset.readers.frames import require_exact_integers
from estimation.exceptions import DataError
from identify.wording import listed

__all__ = ["SUFFIXES", "Table", "open_table"]

Array = NDArray[np.float64]
ColumnReader = Callable[[list[str]], Any]

SUFFIXES = (".csv", ".parquet")

# pandas' name for a column without a name, and for an index stored in a Parquet file
_INDEX = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__")
_TIME_UNITS = ("ns", "us", "s")
_MAX_BLOCK_SIZE = 1 << 26


@dataclass(frozen=True, eq=False)
class Table:
    """An open table, whose columns are read on demand.

    Attributes:
        path: Its file.
        names: Names of all columns, in file order.
    """

    path: Path
    names: tuple[str, ...]
    _read: ColumnReader

    def read(self, columns: Sequence[str]) -> Any:
        """Return the pyarrow table of some columns.

        Raises:
            DataError: If the file is damaged, or has no rows.
        """
        with _parsing_table(self.path):
            content = self._read(list(dict.fromkeys(columns)))
            if content.num_rows == 0:
                raise DataError("has no rows below the names of the columns")
        return content

    def numbers(self, content: Any, columns: Sequence[str], allow_missing: bool = False) -> Array:
        """Return columns as numbers, shape (rows, columns); true and false are 1 and 0.

        Args:
            content: The pyarrow table.
            columns: Names of the columns.
            allow_missing: Whether cells may be empty, or hold a word for missing; they become NaN.

        Raises:
            DataError: If a cell is empty or isn't a number; the message gives the column and the row.
        """
        result = np.empty((content.num_rows, len(columns)))
        for position, name in enumerate(columns):
            result[:, position] = self._column_numbers(content, name, allow_missing)
            with np.errstate(over="ignore", invalid="ignore"):
                single = result[:, position].astype(np.float32)
            bad_rows = np.flatnonzero(~np.isfinite(single) & ~(allow_missing & np.isnan(single)))
            if bad_rows.size:
                value = single[bad_rows[0]]
                raise self.error(
                    name, int(bad_rows[0]), f"{value} as float32; every cell must be a finite number"
                )
        return result

    def codes(self, content: Any, column: str) -> tuple[NDArray[np.int64], list[Any]]:
        """Encode cells as positions in the list of distinct values, which come in file order.

        Args:
            content: The pyarrow table.
            column: Name of the column.

        Raises:
            DataError: If a cell is empty.
        """
        encoded = _plain_cells(content.column(column)).dictionary_encode()
        # a null has no position: append one missing value after the others
        values = [*(trimmed(value) for value in encoded.dictionary.to_pylist()), None]
        codes = encoded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False).astype(np.int64)
        missing = np.flatnonzero(np.array([is_missing(value) for value in values])[codes])
        if missing.size:
            value = values[codes[missing[0]]]
            description = f"{shortened(value)}, which means missing" if value else "empty"
            raise self.error(column, int(missing[0]), f"{description}; every row needs a value")
        # values that differ in surrounding white space only are the same
        first_position = {value: position for position, value in reversed(list(enumerate(values)))}
        positions = sorted(set(first_position.values()) - {first_position[None]})
        new_position = {values[position]: k for k, position in enumerate(positions)}
        recode = np.array([new_position.get(value, -1) for value in values], dtype=np.int64)
        return recode[codes], [values[position] for position in positions]

    def holds_categories(self, content: Any, column: str) -> bool:
        """Return whether the cells of a column are categories rather than numbers.

        They are in a column of text, and in one of a categorical type, as in data frames. The cells of a CSV file have
        no type: one that isn't a number makes its column one of text.

        Args:
            content: The pyarrow table.
            column: Name of the column.
        """
        arrow = _pyarrow()
        cells = content.column(column)
        if arrow.types.is_dictionary(cells.type):
            return True
        plain = _plain_cells(cells)
        if not arrow.types.is_string(plain.type):
            return False
        if self.path.suffix.lower() != ".csv":
            return True
        return any(_is_text(text) for text in plain.unique().to_pylist())

    def text_among_numbers(self, content: Any, column: str) -> tuple[int, str] | None:
        """Return the first cell of text, with its row from 0, of a column that also holds numbers; else None.

        Args:
            content: The pyarrow table.
            column: Name of the column.
        """
        texts = [trimmed(cell) for cell in _plain_cells(content.column(column)).to_pylist()]
        known = [(row, text) for row, text in enumerate(texts) if not is_missing(text)]
        found = next(((row, text) for row, text in known if _is_text(text)), None)
        return None if all(_is_text(text) for _, text in known) else found

    def times(self, content: Any, column: str) -> NDArray[Any]:
        """Return cells that can be sorted: numbers, or dates and times like 2024-05-31T12:00:00.

        Args:
            content: The pyarrow table.
            column: Name of the column.

        Raises:
            DataError: If a cell is empty, or is neither a number nor a time.
        """
        arrow, compute = _pyarrow(), _pyarrow_compute()
        cells = _plain_cells(content.column(column))
        if arrow.types.is_string(cells.type):
            cells = _parse_times(compute.utf8_trim_whitespace(cells))
        missing = np.flatnonzero(cells.is_null().to_numpy(zero_copy_only=False))
        if missing.size:
            raise self.error(column, int(missing[0]), "empty; every row needs a time")
        if arrow.types.is_time(cells.type):
            cells = cells.cast(arrow.int32() if arrow.types.is_time32(cells.type) else arrow.int64())
        if arrow.types.is_temporal(cells.type) or arrow.types.is_integer(cells.type):
            return np.asarray(cells.to_numpy(zero_copy_only=False))
        try:
            return self._require_finite(column, self._column_numbers(content, column))
        except DataError as error:
            raise DataError(
                f"{error}; or a time like 2024-05-31T12:00:00, with a time zone in every row or in none"
            ) from error

    def texts(self, content: Any, column: str) -> list[str]:
        """Return cells as text.

        Args:
            content: The pyarrow table.
            column: Name of the column.

        Raises:
            DataError: If a cell is empty or isn't text.
        """
        values = [trimmed(value) for value in _plain_cells(content.column(column)).to_pylist()]
        for row, value in enumerate(values):
            if not isinstance(value, str) or is_missing(value):
                raise self.error(column, row, f"{shortened(value)}; it must be the name of a file")
        return [str(value) for value in values]

    def error(self, column: str, row: int, problem: str) -> DataError:
        """Return the error of a bad cell; ``row`` counts from 0."""
        return DataError(f"{self.where(column, row)} is {problem}")

    def where(self, column: str, row: int | None = None) -> str:
        """Return the file and the column, with the row if there is one (from 0), as an error message shows them."""
        place = "" if row is None else f", {self.place(row)}"
        return f"{shown_path(self.path)}: column {shortened(column)}{place}"

    def place(self, row: int) -> str:
        """Return the name of a row (from 0) in error messages, by which it can be found in the file."""
        if self.path.suffix.lower() == ".csv":
            return f"row {row + 2} (the names are row 1)"
        return f"row {row} (counted from 0)"

    def _column_numbers(self, content: Any, name: str, allow_missing: bool = False) -> NDArray[np.float64]:
        arrow, compute = _pyarrow(), _pyarrow_compute()
        cells = _plain_cells(content.column(name))
        if arrow.types.is_string(cells.type):
            return self._parse_texts(cells, name, allow_missing)
        if not (arrow.types.is_primitive(cells.type) or arrow.types.is_decimal(cells.type)) or (
            arrow.types.is_temporal(cells.type)
        ):
            raise DataError(f"{self.where(name)} holds {cells.type}; it must hold numbers")
        missing = np.flatnonzero(cells.is_null().to_numpy(zero_copy_only=False))
        if missing.size and not allow_missing:
            raise self.error(name, int(missing[0]), "empty; every cell must be a finite number")
        if arrow.types.is_boolean(cells.type):
            cells = compute.cast(cells, arrow.uint8())
        if arrow.types.is_integer(cells.type):
            known = cells.drop_null() if missing.size else cells
            require_exact_integers(np.asarray(known.to_numpy(zero_copy_only=False)), self.where(name))
        return np.asarray(compute.cast(cells, arrow.float64(), safe=False).to_numpy(zero_copy_only=False))

    def _parse_texts(self, cells: Any, name: str, allow_missing: bool) -> NDArray[np.float64]:
        arrow, compute = _pyarrow(), _pyarrow_compute()
        texts = compute.utf8_trim_whitespace(cells)
        if allow_missing:
            words = arrow.array(sorted(MISSING), type=texts.type)
            texts = compute.if_else(compute.is_in(texts, value_set=words), None, texts)
        missing = texts.is_null().to_numpy(zero_copy_only=False)
        try:
            values = np.array(compute.cast(texts, arrow.float64()).to_numpy(zero_copy_only=False))
        except arrow.ArrowInvalid:
            rows = enumerate(texts.to_pylist())
            return np.array([self._parse_cell(text, name, row, allow_missing) for row, text in rows])
        unusual = ~(np.abs(values) < LARGEST_EXACT_INTEGER) & ~(allow_missing & missing)
        for row in np.flatnonzero(unusual).tolist():
            # a word for missing, an infinity, or a whole number that is too large
            values[row] = self._parse_cell(texts[row].as_py(), name, row, allow_missing)
        return values

    def _parse_cell(self, text: str | None, name: str, row: int, allow_missing: bool) -> float:
        if allow_missing and is_missing(text):
            return np.nan
        try:
            return parse_number(text)
        except BadCellError as error:
            raise self.error(name, row, str(error)) from error

    def _require_finite(self, column: str, times: NDArray[np.float64]) -> NDArray[np.float64]:
        bad_rows = np.flatnonzero(~np.isfinite(times))
        if bad_rows.size:
            raise self.error(column, int(bad_rows[0]), f"{times[bad_rows[0]]}; every row needs a time")
        return times


def open_table(path: str | os.PathLike[str]) -> Table:
    """Open a CSV or Parquet file, by its suffix, and read the names of its columns.

    Raises:
        DataError: If the file is damaged, or two columns have the same name.
        FileAccessError: If the file can't be opened.
    """
    path = Path(path)
    require_readable(path)
    _pyarrow()
    with _parsing_table(path):
        names, read = _open_csv(path) if path.suffix.lower() == ".csv" else _open_parquet(path)
        usable = _usable_names([name.strip() for name in names])
    return Table(path, tuple(usable), _by_stripped_name(read, names))


def _parsing_table(path: Path) -> Any:
    """Report pyarrow's errors: its own exceptions, OSError for damaged Parquet pages, text that isn't UTF-8."""
    what = "a CSV table in UTF-8" if path.suffix.lower() == ".csv" else "a Parquet table"
    return parsing(path, what, (_pyarrow().ArrowException, OSError, UnicodeDecodeError))


def _open_csv(path: Path) -> tuple[list[str], ColumnReader]:
    arrow, csv = _pyarrow(), import_optional("pyarrow.csv", "pyarrow", "a CSV file")
    # only with one thread does an error message give its row; and a row must fit into a block
    block_size = min(max(path.stat().st_size, 1 << 20), _MAX_BLOCK_SIZE)
    options = csv.ReadOptions(use_threads=False, block_size=block_size)
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


def _open_parquet(path: Path) -> tuple[list[str], ColumnReader]:
    parquet = import_optional("pyarrow.parquet", "pyarrow", "a Parquet file")
    with parquet.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        n_cells = file.metadata.num_rows * file.metadata.num_columns
    require_plausible_size(8 * n_cells, path.stat().st_size)

    def read(columns: list[str]) -> Any:
        with parquet.ParquetFile(path) as file:
            return file.read(columns=columns, use_threads=False)

    return names, read


def _usable_names(names: list[str]) -> list[str]:
    """Return the names of all columns but those of an index, which pandas writes at the left."""
    usable = list(names)
    while usable and (usable[0] == "" or _INDEX.fullmatch(usable[0])):
        del usable[0]
    usable = [name for name in usable if not _INDEX.fullmatch(name)]
    counts = Counter(usable)
    duplicate = next((name for name in usable if counts[name] > 1), None)
    if "" in usable:
        position = names.index("", len(names) - len(usable))
        raise DataError(f"column {position} has no name; the first row must name every column")
    if duplicate is not None:
        raise DataError(f"two columns are named {shortened(duplicate)}; names must be unique")
    if all(_is_number(name) for name in usable):
        first_row = listed([shortened(name)[1:-1] for name in names], 3)
        raise DataError(f"the first row is {first_row}; it must be the names of the columns")
    return usable


def _by_stripped_name(read: ColumnReader, names: list[str]) -> ColumnReader:
    """Return a reader that takes names of columns without surrounding white space."""
    original = {name.strip(): name for name in reversed(names)}

    def reader(columns: list[str]) -> Any:
        originals = [original[name] for name in columns]
        return read(originals).select(originals).rename_columns(columns)

    return reader


def _parse_times(cells: Any) -> Any:
    """Convert texts to whole numbers, or to dates and times with or without a time zone; else return the texts."""
    arrow, compute = _pyarrow(), _pyarrow_compute()
    types = [arrow.int64(), *(arrow.timestamp(unit, zone) for zone in (None, "UTC") for unit in _TIME_UNITS)]
    for time_type in types:
        try:
            return compute.cast(cells, time_type)
        except arrow.ArrowInvalid:
            continue
    return cells


def _plain_cells(column: Any) -> Any:
    """Return the cells as one array: chunks joined, dictionaries decoded, all kinds of text as string."""
    arrow = _pyarrow()
    cells = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if arrow.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if arrow.types.is_large_string(cells.type) or arrow.types.is_string_view(cells.type):
        cells = cells.cast(arrow.string())
    return cells


def _pyarrow() -> Any:
    return import_optional("pyarrow", "pyarrow", "a table")


def _pyarrow_compute() -> Any:
    return import_optional("pyarrow.compute", "pyarrow", "a table")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_text(cell: Any) -> bool:
    """Return whether a cell is a text that is neither a word for missing, a number nor a truth value."""
    text = trimmed(cell)
    is_cell = isinstance(text, str) and not is_missing(text)
    return is_cell and not _is_number(text) and text.lower() not in ("true", "false")
