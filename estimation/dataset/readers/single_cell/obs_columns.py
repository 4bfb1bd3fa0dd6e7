"""Columns of ``.obs`` as labels, with the names of cells in messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.cells import is_missing, trimmed
from estimation.dataset.readers.column_matching import quoted_names
from estimation.dataset.readers.files import shortened
from estimation.dataset.readers.frames import frame_columns
from estimation.exceptions import DataError
from identify.wording import plural

__all__ = ["Labels", "cell_name", "labels_of", "obs_column"]


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of the cells, each distinct one stored once.

    Attributes:
        codes: Position in ``texts`` of each cell's label, shape (N,).
        texts: The distinct labels, without surrounding white space, all of which occur.
    """

    codes: NDArray[np.int64]
    texts: tuple[str, ...]


def obs_column(obs: Any, name: str, role: str, table: str = ".obs") -> Any:
    """Return a column of ``.obs`` or ``.var``.

    Args:
        obs: The table of the cells or genes.
        name: Name of the column.
        role: What it is needed for, for the error message.
        table: Name of the table, for the error message.

    Raises:
        DataError: If there is no such column; the message lists those that exist.
    """
    columns = [str(label) for label in frame_columns(obs) or ()]
    if name not in columns:
        existing = quoted_names(columns, "", 8) if columns else "none"
        raise DataError(f"{role}: {table} has no column called {shortened(name)}; the columns are {existing}")
    if columns.count(name) > 1:
        raise DataError(f"{role}: {table} has two columns called {shortened(name)}; names must be unique")
    return obs[name]


def labels_of(
    column: Any, where: str, cells: Sequence[Any], never_missing: Collection[str] = (), advice: str = ""
) -> Labels:
    """Return the labels in a column of any type: categorical (also with unused categories), text, numbers, objects.

    Args:
        column: A column of pandas, or of anything that can be iterated.
        where: Name of the column in error messages.
        cells: Names of the cells.
        never_missing: Words that are labels, even if they usually mean that a cell is empty, like ``"None"``.
        advice: What to do about missing labels, for the error message.

    Raises:
        DataError: If a label is missing; the message has the number of cells and the name of the first.

    Example:
        >>> labels_of(["b", " a", "b "], "column 'k'", ["c1", "c2", "c3"]).texts
        ('b', 'a')
    """
    values, value_codes = _distinct(column)
    texts = [
        None if is_missing(value) and str(value).strip() not in never_missing else str(trimmed(value))
        for value in values
    ]
    positions: dict[str, int] = {}
    code_of_value = np.full(len(texts) + 1, -1, dtype=np.int64)
    for code in dict.fromkeys(value_codes.tolist()):
        # in the order of their first cells; the last entry is that of a missing category
        text = texts[code] if code >= 0 else None
        if text is not None:
            code_of_value[code] = positions.setdefault(text, len(positions))
    codes = code_of_value[value_codes]
    missing = np.flatnonzero(codes < 0)
    if missing.size:
        raise DataError(
            f"{where} is empty in {plural(missing.size, 'cell')}, first in {cell_name(cells, missing[0])}; every cell "
            f"needs a value{advice}"
        )
    return Labels(codes, tuple(positions))


def cell_name(cells: Sequence[Any], row: int | np.integer[Any]) -> str:
    """Return the name of a cell as error messages show it.

    Example:
        >>> cell_name(["AAAC-1", "AAAG-1"], 1)
        "cell 'AAAG-1'"
    """
    return f"cell {shortened(str(cells[int(row)]))}"


def _distinct(column: Any) -> tuple[list[Any], NDArray[np.int64]]:
    """Return distinct values of a column, and the position of each cell's value among them, -1 if it is missing."""
    categorical = getattr(column, "cat", None)
    if categorical is not None and hasattr(categorical, "categories"):
        codes = np.asarray(categorical.codes, dtype=np.int64)
        return list(categorical.categories), codes
    positions: dict[tuple[type, str], int] = {}
    values: list[Any] = []
    codes = np.empty(len(column), dtype=np.int64)
    for row, cell in enumerate(column):
        # 1 and True are one key of a dictionary, and a list is none
        key = (type(cell), str(cell))
        if key not in positions:
            positions[key] = len(values)
            values.append(cell)
        codes[row] = positions[key]
    return values, codes
