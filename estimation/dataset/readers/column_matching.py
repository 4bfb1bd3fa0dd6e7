"""Columns selected by name: by pattern within one table, and in the order of the training data."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.files import shortened
from estimation.exceptions import DataError
from identify.names import shown
from identify.wording import listed

__all__ = [
    "ABSENT",
    "categories_in_names",
    "match_actions",
    "match_columns",
    "quoted_names",
    "select_columns",
    "unique_names",
]

Indices = NDArray[np.intp]
Categories = Mapping[str, Sequence[Any] | None]

# position of a category that doesn't occur in the data: a column of zeros
ABSENT = -1
_MAX_NAME_LENGTH = 60


def quoted_names(names: Sequence[str], noun: str, limit: int = 3) -> str:
    """Return the first names in quotes and the number of the others.

    Args:
        names: Names, at least one.
        noun: What they name, or an empty string.
        limit: Number of names to write out.

    Example:
        >>> quoted_names(["a", "b", "c", "d"], "column")
        "columns 'a', 'b', 'c' and 1 more"
    """
    text = ", ".join(repr(_abbreviated(name)) for name in names[:limit])
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    plural = noun + "s" if noun and len(names) > 1 else noun
    return f"{plural} {text}{more}".strip()


def select_columns(names: Sequence[str], patterns: str | Sequence[str], role: str) -> list[str]:
    """Return the columns that exact names or shell patterns select, each once, by pattern and then in file order.

    Args:
        names: Names of all columns.
        patterns: One or several names or patterns, like ``"x*"`` or ``"pixel_[0-9]*"``.
        role: Role that they are selected for, for the error message.

    Raises:
        DataError: If a pattern selects nothing; the message lists the columns.

    Example:
        >>> select_columns(["time", "x1", "x0"], ["x0", "x*"], "observations")
        ['x0', 'x1']
    """
    selected: dict[str, None] = {}
    known = set(names)
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matches = (
            [pattern] if pattern in known else [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        )
        if not matches:
            columns = quoted_names(names, "", 8)
            raise DataError(
                f"{role}: no column is called or matches {shortened(pattern)}; the columns are {columns}"
            )
        selected |= dict.fromkeys(matches)
    return list(selected)


def categories_in_names(action_names: Sequence[str], patterns: Sequence[str]) -> dict[str, list[str]]:
    """Return the categories of categorical columns, as the names of their actions give them.

    Args:
        action_names: Names of actions, like ``drug=ibuprofen`` for a category.
        patterns: Names or patterns of categorical columns.

    Example:
        >>> categories_in_names(["dose", "drug=a", "drug=b"], ["d*"])
        {'drug': ['a', 'b']}
    """
    categories: dict[str, list[str]] = {}
    for name in action_names:
        column, separator, category = name.partition("=")
        if separator and any(fnmatch.fnmatchcase(column, pattern) for pattern in patterns):
            categories.setdefault(column, []).append(category)
    return categories


def unique_names(labels: Sequence[str], what: str) -> tuple[str, ...]:
    """Return labels of columns without surrounding white space.

    Args:
        labels: The labels.
        what: Name of the values in error messages.

    Raises:
        DataError: If two columns have the same name.

    Example:
        >>> unique_names([" x", "y"], "observations")
        ('x', 'y')
    """
    names = tuple(label.strip() for label in labels)
    duplicates = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if duplicates:
        raise DataError(
            f"{what} have two columns called {quoted_names(duplicates[:1], '')}; names must be unique"
        )
    return names


def match_columns(
    names: Sequence[str], count: int, wanted: Sequence[str], n_wanted: int, label: str
) -> Indices | None:
    """Return the positions of the observed columns that a model needs; None when they are all, in this order.

    With names on both sides, columns are matched by name, in any order, and further columns are left out. If either
    side has no names, columns are matched by position, and their numbers must be equal.

    Args:
        names: Names of the columns of the data; empty without names.
        count: Number of columns of the data.
        wanted: Names of the columns that the model needs; empty without names.
        n_wanted: Number of columns that the model needs.
        label: Name of the model in error messages.

    Raises:
        DataError: If a column is missing, or the numbers differ.

    Example:
        >>> match_columns(["y", "x", "z"], 3, ["x", "y"], 2, "the model")
        array([1, 0])
    """
    if not names or not wanted:
        _require_equal_number(count, n_wanted, "observed dimensions", label)
        return None
    positions = {name: k for k, name in enumerate(names)}
    missing = [name for name in wanted if name not in positions]
    if missing:
        raise DataError(
            f"the data lack the observed {quoted_names(missing, 'column')}, on which {shown(label)} was trained; "
            f"they have {quoted_names(names, '', 10)}"
        )
    return _none_if_identity([positions[name] for name in wanted], count)


def match_actions(
    names: Sequence[str],
    wanted: Sequence[str],
    categories: Categories,
    wanted_categories: Categories,
    unnamed: bool,
    label: str,
) -> Indices | None:
    """Return the positions of the actions that a model needs; None when they are all, in this order.

    Works like `match_columns`, with two differences: action names may be default names on one side, and a category
    that doesn't occur in the data is `ABSENT`.

    Args:
        names: Names of the actions of the data.
        wanted: Names of the actions that the model needs.
        categories: Categories of the categorical columns of the data.
        wanted_categories: Categories of the categorical columns that the model was trained on.
        unnamed: Whether the names of one side are default names.
        label: Name of the model in error messages.

    Raises:
        DataError: If an action is missing, or the numbers differ.

    Example:
        >>> kinds = {"drug": ["a", "b"]}
        >>> match_actions(["drug=a"], ["drug=a", "drug=b"], kinds, kinds, False, "the model")
        array([ 0, -1])
    """
    if tuple(names) == tuple(wanted):
        return None
    positions = {name: k for k, name in enumerate(names)}
    absent = {
        f"{column}={value}"
        for column, values in wanted_categories.items()
        if column in categories
        for value in values or ()
    } - set(positions)
    missing = [name for name in wanted if name not in positions and name not in absent]
    if unnamed and set(names) != set(wanted):
        _require_equal_number(len(names), len(wanted), "actions", label)
        return None
    if missing or not wanted:
        in_data, in_model = (
            listed([_abbreviated(name) for name in side], 8) or "none" for side in (names, wanted)
        )
        lack = f"; the data lack {quoted_names(missing, '')}" if missing else ""
        raise DataError(
            f"the data have the actions {in_data}; {shown(label)} was trained on {in_model}{lack}"
        )
    return _none_if_identity([positions.get(name, ABSENT) for name in wanted], len(names))


def _none_if_identity(positions: list[int], count: int) -> Indices | None:
    return None if positions == list(range(count)) else np.array(positions, dtype=np.intp)


def _require_equal_number(count: int, wanted: int, what: str, label: str) -> None:
    if count != wanted:
        raise DataError(f"the data have {count} {what}; {shown(label)} was trained on {wanted}")


def _abbreviated(name: str) -> str:
    text = shown(name)
    return text if len(text) <= _MAX_NAME_LENGTH else f"{text[: _MAX_NAME_LENGTH - 3]}..."
