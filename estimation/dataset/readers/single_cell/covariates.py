"""Batches, donors and other covariates of cells as columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.files import shortened
from estimation.dataset.readers.frames import absent_category_notes, cells_as_numbers
from estimation.dataset.readers.single_cell.obs_columns import cell_name, labels_of, obs_column
from estimation.exceptions import DataError
from identify.wording import listed

__all__ = ["Covariates", "covariates_of"]

_MAX_CATEGORIES = 1000


@dataclass(frozen=True, eq=False)
class Covariates:
    """Covariates of the cells.

    Attributes:
        values: Indicators of categories, and numbers, shape (N, d_c), float32.
        names: Names like ``batch=b1`` for an indicator; the name of the column for numbers.
        notes: Remarks for the user.
        categories: Categories of the columns that aren't numbers.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]


def covariates_of(
    obs: Any, cells: Sequence[Any], columns: Sequence[str], allow_constant: bool = False
) -> Covariates | None:
    """Return the covariates in columns of ``.obs``; None if no column is named.

    Text and categories become one indicator per value, in the order of the values as text; numbers stay as they are,
    and true and false are 1 and 0, as in tables. `estimation.dataset.covariates` matches them by name with those of the
    training data.

    Args:
        obs: The table of the cells.
        cells: Names of the cells.
        columns: Names of the columns.
        allow_constant: Whether a covariate may be the same in all cells.

    Raises:
        DataError: If a column or a value is missing, or a column has the same value in all cells.
    """
    if not columns:
        return None
    if len(set(columns)) < len(columns):
        raise DataError(f"covariates are {listed(columns)}; name each column once")
    by_name: dict[str, NDArray[np.float32]] = {}
    categories: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for name in columns:
        column = obs_column(obs, name, "covariates")
        if _is_numeric(column):
            by_name[name] = _numbers(column, name, cells)
            if np.asarray(column).dtype.kind in "iu":
                notes.append(
                    f"covariate {name!r} is taken as a number; make it categorical if it numbers categories"
                )
        else:
            notes += absent_category_notes(name, column)
            indicators = _indicators(column, name, cells)
            categories[name] = tuple(indicator.removeprefix(f"{name}=") for indicator in indicators)
            by_name |= indicators
    if not allow_constant:
        for name, values in by_name.items():
            _require_varying(values, name)
    return Covariates(np.stack(list(by_name.values()), axis=1), tuple(by_name), tuple(notes), categories)


def _is_numeric(column: Any) -> bool:
    if hasattr(column, "cat"):
        return False
    if column.dtype == object:
        return all(isinstance(cell, bool | np.bool_) for cell in column)
    return str(column.dtype).lower().startswith(("int", "uint", "float", "bool"))


def _numbers(column: Any, name: str, cells: Sequence[Any]) -> NDArray[np.float32]:
    where = f"column {shortened(name)} of .obs"
    array = np.asarray(
        column.to_numpy(dtype=np.float64, na_value=np.nan) if hasattr(column, "to_numpy") else column
    )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise DataError(
            f"{where}, {cell_name(cells, bad[0])}, is {array[bad[0]]:g}; every covariate must be a finite number"
        )
    return cells_as_numbers(array, where).astype(np.float32)


def _indicators(column: Any, name: str, cells: Sequence[Any]) -> dict[str, NDArray[np.float32]]:
    labels = labels_of(column, f"column {shortened(name)} of .obs", cells)
    if len(labels.texts) > _MAX_CATEGORIES:
        raise DataError(
            f"covariate {shortened(name)} has {len(labels.texts):,} categories; the limit is {_MAX_CATEGORIES:,}"
        )
    return {
        f"{name}={text}": (labels.codes == labels.texts.index(text)).astype(np.float32)
        for text in sorted(labels.texts)
    }


def _require_varying(values: NDArray[np.float32], name: str) -> None:
    if len(values) > 1 and (values == values[0]).all():
        column, equals, category = name.partition("=")
        value = shortened(category) if equals else f"{values[0]:g}"
        raise DataError(
            f"covariate {shortened(column)} is {value} in all cells; a constant covariate explains nothing, so leave "
            "it out"
        )
