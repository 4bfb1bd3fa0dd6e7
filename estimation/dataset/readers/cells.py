"""One rule for the cells of every table: what is trimmed, what is missing, what is a number.

- White space around headers, numbers, categories, labels of episodes and file names doesn't count.
- A cell is missing when it is empty or one of the words that pandas takes for missing (`MISSING`), in that spelling.
- A number is written as Python writes it, with a point; true and false, in any case, are 1 and 0.
- Whole numbers above 2^53 are refused, since floating-point numbers don't tell them apart.
"""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
import re
from typing import Any

import numpy as np

from estimation.dataset.readers.raw_data import shortened

__all__ = ["LARGEST_WHOLE", "MISSING", "BadCellError", "is_missing", "number", "trimmed"]

# as pandas.read_csv
MISSING = frozenset(
    {
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
    }
    | {"NULL", "NaN", "None", "n/a", "nan", "null"}
)
LARGEST_WHOLE = 2**53

_BOOLEANS = {"true": 1.0, "false": 0.0}
_WHOLE = re.compile(r"[+-]?[0-9]+")
# a number with more digits is no number; Python refuses longer ones too
_MOST_DIGITS = 400


class BadCellError(ValueError):
    """A cell that isn't what it should be; the text says what it is, and what would be right."""


def trimmed(value: Any) -> Any:
    """Text without the white space around it; anything else as it is.

    Example:
        >>> trimmed(" a ")
        'a'
    """
    return value.strip() if isinstance(value, str) else value


def is_missing(value: Any) -> bool:
    """Whether a cell is missing: None, NaN, NaT, `pandas.NA`, or one of the words for it.

    Example:
        >>> [is_missing(value) for value in (" NA ", None, float("nan"), "none", 0)]
        [True, True, True, False, False]
    """
    if isinstance(value, str):
        return value.strip() in MISSING
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, float | decimal.Decimal):
        return math.isnan(value)
    return isinstance(value, np.generic) and bool(
        np.isnat(value) if value.dtype.kind in "mM" else _is_nan(value)
    )


def _is_nan(value: np.generic) -> bool:
    return value.dtype.kind in "fc" and bool(np.isnan(value))


def number(value: Any) -> float:
    """The number in a cell of a table or in a Python object.

    Raises:
        BadCellError: it is missing, or no finite real number that a floating-point number can be.

    Example:
        >>> number(" 1e3 "), number(True), number(decimal.Decimal("0.5"))
        (1000.0, 1.0, 0.5)
    """
    if is_missing(value):
        raise BadCellError("empty; every cell must be a finite number")
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, numbers.Integral) or type(value).__name__ in ("bool", "bool_"):
        if abs(int(value)) > LARGEST_WHOLE:
            # Python writes out no number of more than 4300 digits
            text = str(value) if int(value).bit_length() < 1000 else "a whole number of many digits"
            raise BadCellError(_too_large(text))
        return float(int(value))
    if isinstance(value, numbers.Real | decimal.Decimal):
        try:
            return _finite(float(value))
        except OverflowError as error:
            raise BadCellError("a number that is too large; every cell must be a finite number") from error
    if isinstance(value, numbers.Complex):
        raise BadCellError(f"{shortened(value)}, a complex number; it must be a real number")
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        raise BadCellError(f"{shortened(value)}, a date or time; make it a number, as seconds since a start")
    raise BadCellError(f"{shortened(value)}, a {type(value).__name__}; it must be a number")


def _from_text(text: str) -> float:
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if len(text) <= _MOST_DIGITS and _WHOLE.fullmatch(text) and abs(int(text)) > LARGEST_WHOLE:
        raise BadCellError(_too_large(text))
    try:
        if "_" not in text:
            return _finite(float(text))
    except ValueError as error:
        if isinstance(error, BadCellError):
            raise
    raise BadCellError(f"{shortened(text)}; it must be a number (with a point, not a comma)")


def _finite(result: float) -> float:
    if not math.isfinite(result):
        raise BadCellError(f"{result} as float32; every cell must be a finite number")
    return result


def _too_large(text: str) -> str:
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    return (
        f"{shown}; whole numbers above 2^53 can't be told apart as floating-point numbers, so count them from another "
        "start"
    )
