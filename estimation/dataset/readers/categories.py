"""Categorical actions: one column per value, 1 where the row has that value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.raw_data import shortened
from estimation.exceptions import DataError
from identify.wording import listed

__all__ = ["one_hot"]

Array = NDArray[np.float32]

_MOST_CATEGORIES = 1000


def one_hot(
    codes: NDArray[np.int64],
    values: Sequence[Any],
    given: Sequence[Any] | None,
    where: Callable[[int | None], str],
) -> tuple[Array, list[str]]:
    """Indicator columns of a categorical column, and their categories.

    Args:
        codes: position in ``values`` of each row's value, shape (rows,).
        values: the different values.
        given: the categories in order, so that two files make the same columns. When left out, those that occur,
            sorted: as numbers when all of them are, else as text.
        where: how to call the column in an error message, and with a number (from 0) a row of it.

    Returns:
        Shape (rows, categories), and the categories.

    Raises:
        DataError: there are more than 1000 categories, or a value is not one of those given.

    Example:
        >>> one_hot(np.array([0, 1, 0]), ["b", "a"], None, str)[1]
        ['a', 'b']
    """
    texts = [str(value) for value in values]
    categories = _sorted(texts) if given is None else [str(value) for value in given]
    if len(categories) > _MOST_CATEGORIES:
        raise DataError(
            f"{where(None)} has {len(categories)} categories; the limit is {_MOST_CATEGORIES}. "
            "Is it a number? Then leave it out of the categorical ones"
        )
    position = {category: number for number, category in enumerate(categories)}
    if len(position) < len(categories):
        raise DataError(
            f"{where(None)}: the categories given repeat: {listed([shortened(each)[1:-1] for each in categories], 6)}"
        )
    of_value = np.array([position.get(text, -1) for text in texts], dtype=np.int64)
    unknown = np.flatnonzero(of_value[codes] < 0)
    if unknown.size:
        value = values[codes[unknown[0]]]
        known = listed([shortened(each)[1:-1] for each in categories], 6)
        raise DataError(f"{where(int(unknown[0]))} is {shortened(value)}; the categories are {known}")
    result = np.zeros((len(codes), len(categories)), dtype=np.float32)
    result[np.arange(len(codes)), of_value[codes]] = 1
    return result, categories


def _sorted(texts: list[str]) -> list[str]:
    try:
        return sorted(texts, key=lambda text: (float(text), text))
    except ValueError:
        return sorted(texts)
