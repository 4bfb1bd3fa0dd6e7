"""Categories of covariates: which columns are indicators of the categories of one covariate.

An indicator has a name like ``batch=b1``. The name alone doesn't tell: a number may be called ``dose=high``. Data
frames, tables and AnnData say which of their columns are categories. In arrays, several columns with such names are
indicators if all their entries are 0 or 1 and every row has one 1; any others are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError

__all__ = [
    "Categories",
    "categories_in_names",
    "categories_of",
    "column_of_indicator",
    "covariate_columns_of",
    "found_categories",
    "indicator_columns",
    "stored_categories",
]

#: Categorical covariates, each with its categories.
Categories = Mapping[str, Sequence[str]]


def found_categories(
    values: NDArray[Any] | None, names: Sequence[str], given: Categories | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the categories of the categorical covariates of data.

    Args:
        values: Covariates, shape (N, d_c), or None.
        names: Their names.
        given: Categories of the columns that are known to be categorical.

    Returns:
        The given categories, and those of further columns whose names and values are those of indicators.

    Example:
        >>> rows = np.array([[1, 0, 0.5], [0, 1, 0.2]])
        >>> found_categories(rows, ["batch=b1", "batch=b2", "dose=high"])
        {'batch': ('b1', 'b2')}
    """
    if values is None:
        return {}
    known = categories_of(names, given or {})
    indicators = indicator_columns(known)
    others = categories_in_names([name for name in names if name not in indicators])
    for column, categories in others.items():
        block = values[:, [names.index(f"{column}={category}") for category in categories]]
        is_indicator = np.isin(block, (0, 1)).all() and (block.sum(axis=1) == 1).all()
        if len(categories) > 1 and is_indicator and column not in known:
            known[column] = categories
    return known


def categories_of(names: Sequence[str], stored: Categories | None) -> dict[str, tuple[str, ...]]:
    """Return the categories of covariates with these names.

    Args:
        names: Names of the covariates.
        stored: Categories as they are stored, of which those without a covariate are left out. None if they aren't
            known, as for models of earlier versions: every name like ``batch=b1`` is a category then.

    Example:
        >>> categories_of(["age", "batch=b1"], None), categories_of(["dose=high"], {"batch": ["b1"]})
        ({'batch': ('b1',)}, {})
    """
    if stored is None:
        return categories_in_names(names)
    existing = set(names)
    kept = {
        column: tuple(category for category in categories if f"{column}={category}" in existing)
        for column, categories in stored.items()
    }
    return {column: categories for column, categories in kept.items() if categories}


def categories_in_names(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the categories that names like ``batch=b1`` would have.

    Example:
        >>> categories_in_names(["age", "batch=b1", "batch=b2"])
        {'batch': ('b1', 'b2')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        column, equals, category = name.partition("=")
        if equals and column:
            found[column] = (*found.get(column, ()), category)
    return found


def indicator_columns(categories: Categories) -> dict[str, str]:
    """Return the categorical covariate of every indicator.

    Example:
        >>> indicator_columns({"batch": ["b1", "b2"]})
        {'batch=b1': 'batch', 'batch=b2': 'batch'}
    """
    return {f"{column}={category}": column for column, known in categories.items() for category in known}


def column_of_indicator(name: str, categories: Categories) -> str | None:
    """Return the categorical covariate whose category, known or not, a column is named after; None if there is none.

    Example:
        >>> column_of_indicator("batch=b9", {"batch": ["b1"]}), column_of_indicator("age", {"batch": ["b1"]})
        ('batch', None)
    """
    fitting = [column for column in categories if name.startswith(f"{column}=")]
    return max(fitting, key=len, default=None)


def covariate_columns_of(names: Sequence[str], categories: Categories | None) -> tuple[str, ...]:
    """Return the columns of a table that covariates come from, in the order of the covariates.

    Args:
        names: Names of the covariates.
        categories: Categories of the categorical covariates; None if they aren't known.

    Example:
        >>> covariate_columns_of(["batch=b1", "age", "batch=b2"], {"batch": ["b1", "b2"]})
        ('batch', 'age')
    """
    column_of = indicator_columns(categories_of(names, categories))
    return tuple(dict.fromkeys(column_of.get(name, name) for name in names))


def stored_categories(content: Any) -> dict[str, tuple[str, ...]] | None:
    """Return the categories of covariates from the content of a file; None for files that store none.

    Raises:
        DataError: If the content is damaged.

    Example:
        >>> stored_categories({"batch": ["b1", "b2"]})
        {'batch': ('b1', 'b2')}
    """
    if content is None:
        return None
    is_sound = isinstance(content, dict) and all(
        isinstance(known, list) and all(isinstance(category, str) for category in known)
        for known in content.values()
    )
    if not is_sound:
        raise DataError("covariate_categories are damaged; they must be a list of texts for each column")
    return {column: tuple(known) for column, known in content.items()}
