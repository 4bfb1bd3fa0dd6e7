"""Columns of other data brought into the order of those before, by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from identify.names import shown
from identify.wording import listed

__all__ = ["ABSENT", "match_actions", "match_columns", "named"]

Indices = NDArray[np.intp]
Levels = Mapping[str, Sequence[Any] | None]

# the place of a category that other data don't show: a column of zeros
ABSENT = -1
_LONGEST = 60


def named(names: Sequence[str], noun: str, limit: int = 3) -> str:
    """The first names in quotes, and how many more there are.

    Args:
        names: the names, at least one.
        noun: what they name, or nothing.
        limit: how many to write out.

    Example:
        >>> named(["a", "b", "c", "d"], "column")
        "columns 'a', 'b', 'c' and 1 more"
    """
    text = ", ".join(repr(_short(name)) for name in names[:limit])
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    plural = noun + "s" if noun and len(names) > 1 else noun
    return f"{plural} {text}{more}".strip()


def match_columns(
    names: Sequence[str], count: int, wanted: Sequence[str], n_wanted: int, who: str
) -> Indices | None:
    """Where the observed columns that are wanted stand; None when they are all, in this order.

    With names on both sides columns go by name, in any order, and further ones are left out. Without names on one of
    the sides they go by position, and there must be as many.

    Args:
        names: of the columns there are; empty when they have none.
        count: how many there are.
        wanted: names of those wanted; empty when they have none.
        n_wanted: how many are wanted.
        who: wants them, for the error message.

    Raises:
        DataError: one is missing, or their number is wrong.

    Example:
        >>> match_columns(["y", "x", "z"], 3, ["x", "y"], 2, "the model")
        array([1, 0])
    """
    if not names or not wanted:
        _require_number(count, n_wanted, "observed dimensions", who)
        return None
    place = {name: k for k, name in enumerate(names)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise DataError(
            f"the data lack the observed {named(missing, 'column')}, on which {shown(who)} was trained; "
            f"they have {named(names, '', 10)}"
        )
    return _unless_all([place[name] for name in wanted], count)


def match_actions(
    names: Sequence[str], wanted: Sequence[str], levels: Levels, known: Levels, unnamed: bool, who: str
) -> Indices | None:
    """Where the actions that are wanted stand; None when they are all, in this order.

    As `match_columns`, but names may have been made up on one of the sides, and a category that the data don't show is
    `ABSENT`: nobody got it.

    Args:
        names: of the actions there are.
        wanted: names of those wanted.
        levels: the categorical columns of these data.
        known: those of the data before.
        unnamed: whether the names of one side were made up.
        who: wants them, for the error message.

    Raises:
        DataError: one is missing, or their number is wrong.

    Example:
        >>> kinds = {"drug": ["a", "b"]}
        >>> match_actions(["drug=a"], ["drug=a", "drug=b"], kinds, kinds, False, "the model")
        array([ 0, -1])
    """
    if tuple(names) == tuple(wanted):
        return None
    place = {name: k for k, name in enumerate(names)}
    absent = {
        f"{column}={value}" for column in known if column in levels for value in known[column] or ()
    } - set(place)
    missing = [name for name in wanted if name not in place and name not in absent]
    if unnamed and set(names) != set(wanted):
        _require_number(len(names), len(wanted), "actions", who)
        return None
    if missing or not wanted:
        there, ours = (listed([_short(name) for name in each], 8) or "none" for each in (names, wanted))
        lack = f"; the data lack {named(missing, '')}" if missing else ""
        raise DataError(f"the data have the actions {there}; {shown(who)} was trained on {ours}{lack}")
    return _unless_all([place.get(name, ABSENT) for name in wanted], len(names))


def _unless_all(places: list[int], count: int) -> Indices | None:
    return None if places == list(range(count)) else np.array(places, dtype=np.intp)


def _require_number(count: int, wanted: int, what: str, who: str) -> None:
    if count != wanted:
        raise DataError(f"the data have {count} {what}; {shown(who)} was trained on {wanted}")


def _short(text: str) -> str:
    text = shown(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
