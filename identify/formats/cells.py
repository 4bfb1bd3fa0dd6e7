"""Cells of text tables: delimiters, comment lines, and the meaning of cells.

White space around a cell is never part of it, whether the cell is quoted or not. A name that begins or ends with a
space is therefore written with quotes that belong to the cell (``\"\"\" a \"\"\"`` in the file); text between such
quotes is read unchanged.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from identify.exceptions import FormatError
from identify.names import quoted
from identify.wording import plural

__all__ = [
    "Line",
    "Table",
    "align_names",
    "cell_of_name",
    "is_entry",
    "is_integer",
    "name_in",
    "parse_entry",
    "read_cells",
    "write_cells",
]

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_ENTRIES = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_WHOLE_FLOAT = re.compile(r"([+-]?[0-9]+)[.,]0+")
_RESERVED = ("parent", "child", "kind", "unnamed: 0")


class Line(NamedTuple):
    """A line's number and its trimmed cells."""

    number: int
    cells: list[str]


@dataclass
class Table:
    """A header and the lines below it, with notes on how the text was interpreted.

    Attributes:
        header: The header without empty cells at its end. The first cell may be empty.
        lines: The lines, each with the same number of cells as the header.
        notes: Notes on delimiters other than commas and on ignored comments.
    """

    header: Line
    lines: list[Line]
    notes: list[str] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """The header in lower case, with an empty title for the index column of pandas."""
        titles = [cell.lower() for cell in self.header.cells]
        return ["" if titles[0] == "unnamed: 0" else titles[0], *titles[1:]]

    def column(self, position: int) -> list[str]:
        """Return the cells of a column."""
        return [line.cells[position] for line in self.lines]

    def without_index(self) -> Table:
        """Return the table without its first column, which numbers the lines."""
        lines = [Line(line.number, line.cells[1:]) for line in self.lines]
        note = "ignored the first column, which has no name and numbers the lines"
        return Table(Line(self.header.number, self.header.cells[1:]), lines, [*self.notes, note])


def read_cells(text: str) -> Table:
    """Split a text into cells.

    The header determines the delimiter: commas, semicolons or tabs. Empty lines and lines that begin with ``#`` are
    ignored.

    Raises:
        FormatError: If there is no line, a quote is not closed, or a line is shorter or longer than the header.
    """
    lines, n_comments = _without_comments(text)
    delimiter, lines = _delimiter(lines)
    table: Table | None = None
    for line in _split(lines, delimiter):
        if table is None:
            table = Table(Line(line.number, _without_empty_end(line.cells)), [])
        else:
            table.lines.append(_fit_to_width(line, len(table.header.cells)))
    if table is None:
        raise FormatError("the file is empty")
    if delimiter != ",":
        table.notes.append(f"cells are separated by {_DELIMITERS.get(delimiter, quoted(delimiter))}")
    if n_comments:
        table.notes.append(f"ignored {plural(n_comments, 'comment line')} (#)")
    return table


def _without_comments(text: str) -> tuple[list[str], int]:
    """Return all lines, with comments replaced by empty lines to preserve line numbers, and the number of comments."""
    lines, n_comments, in_quotes = [], 0, False
    for line in io.StringIO(text, newline=""):
        if not in_quotes and line.lstrip().startswith("#"):
            n_comments += 1
            lines.append("\n")
            continue
        lines.append(_without_spaces_after_quotes(line, in_quotes))
        # a quoted cell may span several lines
        in_quotes ^= line.count('"') % 2 == 1
    return lines, n_comments


def _without_spaces_after_quotes(line: str, in_quotes: bool) -> str:
    """Remove spaces between a quoted cell and the next delimiter, which the csv module rejects."""
    if '" ' not in line:
        return line
    # every second part is outside of quotes; between the two quotes of an escaped quote it is empty
    parts = line.split('"')
    for k in range(2 - in_quotes, len(parts), 2):
        stripped = parts[k].lstrip(" ")
        if stripped[:1] in (",", ";", "\t", "\r", "\n") or (not stripped and k == len(parts) - 1):
            parts[k] = stripped
    return '"'.join(parts)


def _delimiter(lines: list[str]) -> tuple[str, list[str]]:
    """Return the delimiter, declared by Excel's line ``sep=;`` or else the first in the header, and the other lines."""
    for number, line in enumerate(lines):
        declared = re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n "), re.IGNORECASE)
        if declared:
            return declared[1], [*lines[:number], "\n", *lines[number + 1 :]]
        if line.strip(" ,;\t\r\n"):
            unquoted = re.sub(r'"[^"]*"', "", line)
            # a tab next to a comma is white space around a cell
            match = re.search(r"[ \t]*([,;])|\t", unquoted)
            return (match[1] or "\t" if match else ","), lines
    return ",", lines


def _split(lines: list[str], delimiter: str) -> Iterator[Line]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            trimmed = [cell.strip() for cell in cells]
            if any(trimmed):
                yield Line(reader.line_num, trimmed)
    except csv.Error as error:
        raise FormatError(f"line {reader.line_num}: is not valid CSV: {error}") from error


def _without_empty_end(cells: list[str]) -> list[str]:
    """Remove the empty cells with which spreadsheets pad lines."""
    end = len(cells)
    while end > 1 and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _fit_to_width(line: Line, width: int) -> Line:
    cells = (
        line.cells
        if len(line.cells) <= width
        else line.cells[:width] + _without_empty_end(["", *line.cells[width:]])[1:]
    )
    if len(cells) == width:
        return line if cells is line.cells else Line(line.number, cells)
    raise FormatError(f"line {line.number}: has {len(cells)} cells; the header has {width}")


# Meaning of cells -----------------------------------------------------------------------------------


def parse_entry(cell: str) -> bool | None:
    """Return the entry of a matrix (0 or 1, true or false, also 1.0 or 1,0), or None if the cell is none of these."""
    entry = _ENTRIES.get(cell.lower())
    if entry is not None:
        return entry
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return bool(value) if value in (0, 1) else None


def is_entry(cell: str) -> bool:
    """Return whether the cell is an entry of a matrix.

    Example:
        >>> is_entry("1,0"), is_entry("speed")
        (True, False)
    """
    return parse_entry(cell) is not None


def is_integer(cell: str) -> bool:
    """Return whether the cell is an integer, as in a column that numbers the lines."""
    return _INTEGER.fullmatch(cell) is not None


def name_in(cell: str) -> str:
    """Return the name in a cell, without quotes that belong to the cell."""
    return cell[1:-1] if len(cell) > 2 and cell[0] == cell[-1] == '"' else cell


def align_names(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Align two lists of names of the same nodes, of which pandas may have written integers as floats (1.0 for 1).

    Returns:
        Both lists, with floats replaced by integers if only this makes names of the two lists match, and then a note.

    Example:
        >>> align_names(["0", "1"], ["0.0", "1.0"])[:2]
        (['0', '1'], ['0', '1'])
        >>> align_names(["0.0", "1.5"], ["a", "b"])[:2]
        (['0.0', '1.5'], ['a', 'b'])
    """
    if not any(map(_WHOLE_FLOAT.fullmatch, {*first, *second})):
        return list(first), list(second), []
    as_integers = [
        [_WHOLE_FLOAT.sub(r"\1", name) if _WHOLE_FLOAT.fullmatch(name) else name for name in names]
        for names in (first, second)
    ]
    unmatched = set(first) ^ set(second)
    matched = {name for name in set(as_integers[0]) & set(as_integers[1]) if name in unmatched}
    if not matched:
        return list(first), list(second), []
    example = min(matched)
    return as_integers[0], as_integers[1], [f"read names like {example}.0 as {example}"]


def write_cells(header: Sequence[str], rows: Iterable[Sequence[object]], n_names: int) -> bytes:
    """Write comma-separated values, with names written so that reading returns them unchanged.

    Args:
        header: Cells of the header.
        rows: Rows below the header.
        n_names: Number of cells at the beginning of each row that are names.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    cell = cache(cell_of_name)
    writer.writerows((*(cell(str(name)) for name in row[:n_names]), *row[n_names:]) for row in rows)
    return out.getvalue().encode()


def cell_of_name(name: str) -> str:
    """Return the cell for a name, with quotes of its own if reading would change the name otherwise."""
    needs_quotes = name and (
        name != name.strip()
        or (name[0] == name[-1] == '"')
        or name.startswith("#")
        or _WHOLE_FLOAT.fullmatch(name)
        or name.lower() in _RESERVED
    )
    return f'"{name}"' if needs_quotes else name
