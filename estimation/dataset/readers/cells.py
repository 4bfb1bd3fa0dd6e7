"""One rule for the cells of every table: what is stripped, what is missing, and what is a number.

- White space around headers, numbers, categories, episode labels and file names is ignored.
- A cell is missing if it is empty or one of the words that pandas reads as missing (`MISSING`), in that spelling.
- A number is written as in Python, with a decimal point; true and false, in any case, are 1 and 0.
- Whole numbers above 2^53 are refused, because they are not exact in floating point.
"""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
import re
from typing import Any

import numpy as np

from estimation.dataset.readers.files import shortened

__all__ = ["LARGEST_EXACT_INTEGER", "MISSING", "BadCellError", "is_missing", "parse_number", "trimmed"]

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
LARGEST_EXACT_INTEGER = 2**53

_BOOLEANS = {"true": 1.0, "false": 0.0}
_INTEGER = re.compile(r"[+-]?[0-9]+")
# longer digit strings are not parsed as integers; Python's int() refuses very long ones too
_MAX_DIGITS = 400
# str() of an integer fails above 4300 digits
_MAX_SHOWN_BITS = 1000


class BadCellError(ValueError):
    """A cell that can't be read; the message says what it holds and what is required."""


def trimmed(value: Any) -> Any:
    """Return text without surrounding white space, and any other value unchanged.

    Example:
        >>> trimmed(" a ")
        'a'
    """
    return value.strip() if isinstance(value, str) else value


def is_missing(value: Any) -> bool:
    """Return whether a cell is missing: None, NaN, NaT, `pandas.NA`, or one of the words in `MISSING`.

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


def parse_number(value: Any) -> float:
    """Return the number in a cell of a table, or in a Python object.

    Raises:
        BadCellError: If the cell is missing, or isn't a finite real number that is exact in floating point.

    Example:
        >>> parse_number(" 1e3 "), parse_number(True), parse_number(decimal.Decimal("0.5"))
        (1000.0, 1.0, 0.5)
    """
    if is_missing(value):
        raise BadCellError("empty; every cell must be a finite number")
    if isinstance(value, str):
        return _parse_text(value.strip())
    if isinstance(value, numbers.Integral) or type(value).__name__ in ("bool", "bool_"):
        if abs(int(value)) > LARGEST_EXACT_INTEGER:
            text = (
                str(value) if int(value).bit_length() < _MAX_SHOWN_BITS else "a whole number of many digits"
            )
            raise BadCellError(_inexact(text))
        return float(int(value))
    if isinstance(value, numbers.Real | decimal.Decimal):
        try:
            return _require_finite(float(value))
        except OverflowError as error:
            raise BadCellError("a number that is too large; every cell must be a finite number") from error
    if isinstance(value, numbers.Complex):
        raise BadCellError(f"{shortened(value)}, a complex number; it must be a real number")
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        raise BadCellError(
            f"{shortened(value)}, a date or time; convert it to a number, such as elapsed seconds"
        )
    raise BadCellError(f"{shortened(value)}, a {type(value).__name__}; it must be a number")


def _parse_text(text: str) -> float:
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if len(text) <= _MAX_DIGITS and _INTEGER.fullmatch(text) and abs(int(text)) > LARGEST_EXACT_INTEGER:
        raise BadCellError(_inexact(text))
    try:
        if "_" not in text:
            return _require_finite(float(text))
    except ValueError as error:
        if isinstance(error, BadCellError):
            raise
    raise BadCellError(f"{shortened(text)}; it must be a number (with a point, not a comma)")


def _require_finite(number: float) -> float:
    if not math.isfinite(number):
        raise BadCellError(f"{number} as float32; every cell must be a finite number")
    return number


def _inexact(text: str) -> str:
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    return f"{shown}; whole numbers above 2^53 are not exact in floating point, so subtract an offset first"
