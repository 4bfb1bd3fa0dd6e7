"""Categorical actions as indicator columns: one column per category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.files import shortened
from estimation.exceptions import DataError
from identify.wording import listed

__all__ = ["one_hot"]

Array = NDArray[np.float32]

_MAX_CATEGORIES = 1000


def one_hot(
    codes: NDArray[np.int64],
    values: Sequence[Any],
    declared: Sequence[Any] | None,
    where: Callable[[int | None], str],
) -> tuple[Array, list[str]]:
    """Return the indicator columns of a categorical column, and its categories.

    Args:
        codes: Position in ``values`` of each row's value, shape (rows,).
        values: Distinct values.
        declared: Categories in order, so that two files get the same columns. By default the values that occur,
            sorted: as numbers if all of them are numbers, else as text.
        where: Returns the name in error messages of the column (for None), or of a row (for its number, from 0).

    Returns:
        Indicators, shape (rows, categories), and the categories.

    Raises:
        DataError: If there are more than 1000 categories, or a value is not a declared one.

    Example:
        >>> one_hot(np.array([0, 1, 0]), ["b", "a"], None, str)[1]
        ['a', 'b']
    """
    texts = [str(value) for value in values]
    categories = _sorted(texts) if declared is None else [str(value) for value in declared]
    if len(categories) > _MAX_CATEGORIES:
        raise DataError(
            f"{where(None)} has {len(categories)} categories; the limit is {_MAX_CATEGORIES}. "
            "Is it a number? Then don't declare it categorical"
        )
    positions = {category: position for position, category in enumerate(categories)}
    shown_categories = listed([shortened(category)[1:-1] for category in categories], 6)
    if len(positions) < len(categories):
        raise DataError(f"{where(None)}: the declared categories repeat: {shown_categories}")
    position_of_value = np.array([positions.get(text, -1) for text in texts], dtype=np.int64)
    unknown = np.flatnonzero(position_of_value[codes] < 0)
    if unknown.size:
        value = values[codes[unknown[0]]]
        raise DataError(
            f"{where(int(unknown[0]))} is {shortened(value)}; the categories are {shown_categories}"
        )
    indicators = np.zeros((len(codes), len(categories)), dtype=np.float32)
    indicators[np.arange(len(codes)), position_of_value[codes]] = 1
    return indicators, categories


def _sorted(texts: list[str]) -> list[str]:
    try:
        return sorted(texts, key=lambda text: (float(text), text))
    except ValueError:
        return sorted(texts)
