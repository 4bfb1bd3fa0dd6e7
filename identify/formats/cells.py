"""Tables in text: which delimiter, which lines are comments, and what the cells say.

One rule for all cells: white space around them is no part of them, quoted or not. A name that begins or ends with a
space is therefore written with quotes that belong to the cell (``\"\"\" a \"\"\"`` in the file): what stands between
such quotes is taken as it is.
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
    "aligned",
    "entry",
    "is_entry",
    "is_integer",
    "name_in",
    "read_cells",
    "write_cells",
]

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_ENTRIES = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_WHOLE_FLOAT = re.compile(r"([+-]?[0-9]+)[.,]0+")
_RESERVED = ("parent", "child", "kind", "unnamed: 0")


class Line(NamedTuple):
    """The trimmed cells of a line, and its number."""

    number: int
    cells: list[str]


@dataclass
class Table:
    """A header, the lines below it, and what had to be decided.

    Attributes:
        header: Its cells, as many as have a title at the end (the first may be empty).
        lines: Each with as many cells as the header.
        notes: Delimiters other than commas, comments left out.
    """

    header: Line
    lines: list[Line]
    notes: list[str] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """The header in lower case; the name that pandas gives to a column without one is empty."""
        found = [cell.lower() for cell in self.header.cells]
        return ["" if found[0] == "unnamed: 0" else found[0], *found[1:]]

    def column(self, position: int) -> list[str]:
        return [line.cells[position] for line in self.lines]

    def without_index(self) -> Table:
        """The table without its first column, which numbers the lines."""
        lines = [Line(line.number, line.cells[1:]) for line in self.lines]
        note = "left out the first column, which has no name and numbers the lines"
        return Table(Line(self.header.number, self.header.cells[1:]), lines, [*self.notes, note])


def read_cells(text: str) -> Table:
    """Split a text into cells.

    Commas, semicolons or tabs stand between cells, as the header tells. Lines without a filled cell and lines that
    begin with ``#`` are left out.

    Raises:
        FormatError: If there is no line, quotes don't match, or a line is shorter or longer than the header.
    """
    lines, comments = _without_comments(text)
    delimiter, lines = _delimiter(lines)
    table: Table | None = None
    for line in _split(lines, delimiter):
        if table is None:
            table = Table(Line(line.number, _without_empty_end(line.cells)), [])
        else:
            table.lines.append(_fitted(line, len(table.header.cells)))
    if table is None:
        raise FormatError("the file is empty")
    if delimiter != ",":
        table.notes.append(f"cells are separated by {_DELIMITERS.get(delimiter, quoted(delimiter))}")
    if comments:
        table.notes.append(f"left out {plural(comments, 'comment line')} (#)")
    return table


def _without_comments(text: str) -> tuple[list[str], int]:
    """All lines, those that begin with ``#`` emptied (so that numbers stay right), and how many these are."""
    lines, comments, inside = [], 0, False
    for line in io.StringIO(text, newline=""):
        if not inside and line.lstrip().startswith("#"):
            comments += 1
            lines.append("\n")
            continue
        lines.append(_without_spaces_after_quotes(line, inside))
        # a quoted cell may hold the end of a line
        inside ^= line.count('"') % 2 == 1
    return lines, comments


def _without_spaces_after_quotes(line: str, inside: bool) -> str:
    """Spaces between a quoted cell and what separates it from the next, which the csv module would not have."""
    if '" ' not in line:
        return line
    # every second part stands outside of quotes; between two quotes that stand for one it is empty
    parts = line.split('"')
    for k in range(2 - inside, len(parts), 2):
        rest = parts[k].lstrip(" ")
        if rest[:1] in (",", ";", "\t", "\r", "\n") or (not rest and k == len(parts) - 1):
            parts[k] = rest
    return '"'.join(parts)


def _delimiter(lines: list[str]) -> tuple[str, list[str]]:
    """What stands between cells: what Excel's line ``sep=;`` says, or the first that the header has."""
    for number, line in enumerate(lines):
        declared = re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n "), re.IGNORECASE)
        if declared:
            return declared[1], [*lines[:number], "\n", *lines[number + 1 :]]
        if line.strip(" ,;\t\r\n"):
            bare = re.sub(r'"[^"]*"', "", line)
            # a tab beside a comma is white space around a cell
            found = re.search(r"[ \t]*([,;])|\t", bare)
            return (found[1] or "\t" if found else ","), lines
    return ",", lines


def _split(lines: list[str], delimiter: str) -> Iterator[Line]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            trimmed = [cell.strip() for cell in cells]
            if any(trimmed):
                yield Line(reader.line_num, trimmed)
    except csv.Error as error:
        raise FormatError(f"line {reader.line_num}: is no CSV: {error}") from error


def _without_empty_end(cells: list[str]) -> list[str]:
    """Spreadsheets pad lines with empty cells."""
    end = len(cells)
    while end > 1 and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _fitted(line: Line, width: int) -> Line:
    cells = (
        line.cells
        if len(line.cells) <= width
        else line.cells[:width] + _without_empty_end(["", *line.cells[width:]])[1:]
    )
    if len(cells) == width:
        return line if cells is line.cells else Line(line.number, cells)
    raise FormatError(f"line {line.number}: has {len(cells)} cells; the header has {width}")


# What cells say -------------------------------------------------------------------------------------


def entry(cell: str) -> bool | None:
    """The entry of a matrix: 0 or 1, true or false, also as 1.0 or 1,0; None when the cell is none of these."""
    known = _ENTRIES.get(cell.lower())
    if known is not None:
        return known
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return bool(value) if value in (0, 1) else None


def is_entry(cell: str) -> bool:
    """Whether the cell is an entry of a matrix.

    Example:
        >>> is_entry("1,0"), is_entry("speed")
        (True, False)
    """
    return entry(cell) is not None


def is_integer(cell: str) -> bool:
    """Whether the cell is an integer, as the numbers of lines are."""
    return _INTEGER.fullmatch(cell) is not None


def name_in(cell: str) -> str:
    """The name in a cell: between quotes that belong to the cell, or all of it."""
    return cell[1:-1] if len(cell) > 2 and cell[0] == cell[-1] == '"' else cell


def aligned(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Two lists of names of the same nodes, where one may have floats for integers (1.0 for 1), as pandas writes them.

    Returns:
        Both lists, floats written as integers where only so the one list names what is in the other; and a note then.

    Example:
        >>> aligned(["0", "1"], ["0.0", "1.0"])[:2]
        (['0', '1'], ['0', '1'])
        >>> aligned(["0.0", "1.5"], ["a", "b"])[:2]
        (['0.0', '1.5'], ['a', 'b'])
    """
    if not any(map(_WHOLE_FLOAT.fullmatch, {*first, *second})):
        return list(first), list(second), []
    whole = [
        [_WHOLE_FLOAT.sub(r"\1", name) if _WHOLE_FLOAT.fullmatch(name) else name for name in names]
        for names in (first, second)
    ]
    strangers = set(first) ^ set(second)
    matched = {name for name in set(whole[0]) & set(whole[1]) if name in strangers}
    if not matched:
        return list(first), list(second), []
    example = min(matched)
    return whole[0], whole[1], [f"took names like {example}.0 for {example}"]


def write_cells(header: Sequence[str], rows: Iterable[Sequence[object]], names: int) -> bytes:
    """A table between commas; the first ``names`` cells of each row are names, and written so that they read back.

    Args:
        header: Titles, as they shall stand.
        rows: The rows below.
        names: How many cells of each row are names.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    keep = cache(kept)
    writer.writerows((*(keep(str(cell)) for cell in row[:names]), *row[names:]) for row in rows)
    return out.getvalue().encode()


def kept(name: str) -> str:
    """The cell for a name: between quotes of its own where reading would change it."""
    changed = name and (
        name != name.strip()
        or (name[0] == name[-1] == '"')
        or name.startswith("#")
        or _WHOLE_FLOAT.fullmatch(name)
        or name.lower() in _RESERVED
    )
    return f'"{name}"' if changed else name
