"""Centring in double precision, before numbers become float32, so that a large offset costs no digits.

A column of times in seconds since 1970 varies by some seconds around 1.7e9, where float32 numbers are 128 apart.
Columns with heavy tails are compressed in the same place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError

__all__ = ["Centring", "centred", "centring_of", "first_known", "undone"]

Array = NDArray[np.float64]

_CHUNK = 65_536
# a deviation above 2^40 or below 2^-40 is scaled by a power of two, so that squared distances fit float32
_MAX_EXPONENT = 40
# the shift is a multiple of 2^3 deviations
_GRID_EXPONENT = 3


@dataclass(frozen=True, eq=False)
class Centring:
    """An offset that is subtracted from every column, and a unit that it is then divided by; arcsinh may follow.

    Attributes:
        shift: Offsets, shape (d,).
        unit: Units, shape (d,). Without arcsinh they are powers of two: 1 except for columns with a very large or small
            deviation.
        is_arcsinh: Whether arcsinh is applied to the result, which compresses heavy tails.
    """

    shift: Array
    unit: Array
    is_arcsinh: bool = False

    def apply(self, values: NDArray[Any]) -> Array:
        """Return values (..., d) as the model uses them.

        Example:
            >>> Centring(np.array([1e9]), np.array([1.0])).apply(np.array([[1e9 + 0.5]]))
            array([[0.5]])
            >>> Centring(np.array([1.0]), np.array([2.0]), is_arcsinh=True).apply(np.array([[1.0], [2001.0]])).round(2)
            array([[0. ],
                   [7.6]])
        """
        linear = (np.asarray(values, dtype=np.float64) - self.shift) / self.unit
        return np.arcsinh(linear) if self.is_arcsinh else linear

    def undo(self, values: NDArray[Any]) -> Array:
        """Return values (..., d) in the original units: the inverse of `apply`."""
        values = np.asarray(values, dtype=np.float64)
        return (np.sinh(values) if self.is_arcsinh else values) * self.unit + self.shift

    def slope(self, values: NDArray[Any]) -> Array:
        """Return the derivative of `undo` at values (..., d), which broadcasts with them.

        Example:
            >>> Centring(np.array([1.0]), np.array([2.0]), is_arcsinh=True).slope(np.zeros((1, 1)))
            array([[2.]])
        """
        return self.unit * np.cosh(np.asarray(values, dtype=np.float64)) if self.is_arcsinh else self.unit

    def of_columns(self, columns: list[int]) -> Centring:
        """Return the centring of some of the columns."""
        return Centring(self.shift[columns], self.unit[columns], self.is_arcsinh)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON, which keeps every digit."""
        linear = {"shift": self.shift.tolist(), "unit": self.unit.tolist()}
        return {**linear, "is_arcsinh": True} if self.is_arcsinh else linear

    @classmethod
    def from_dict(cls, content: Any, count: int) -> Centring:
        """Return the centring that `to_dict` wrote.

        Args:
            content: Content of the dictionary.
            count: Number of columns.

        Raises:
            DataError: If the content is damaged.
        """
        if not isinstance(content, dict) or set(content) - {"is_arcsinh"} != {"shift", "unit"}:
            raise DataError("the centring is damaged; its keys must be shift and unit")
        if (is_arcsinh := content.get("is_arcsinh", False)) not in (True, False):
            raise DataError("the centring is damaged; is_arcsinh is neither true nor false")
        for name in ("shift", "unit"):
            values = content[name]
            is_list = isinstance(values, list) and all(type(value) in (int, float) for value in values)
            if not is_list or len(values) != count or not np.isfinite(np.array(values, dtype=float)).all():
                raise DataError(
                    f"the centring is damaged; its {name} is not a list of {count} finite numbers"
                )
        if min(content["unit"], default=1) <= 0:
            raise DataError("the centring is damaged; a unit is not positive")
        shift, unit = (np.array(content[name], dtype=float) for name in ("shift", "unit"))
        return cls(shift, unit, bool(is_arcsinh))


def centring_of(values: NDArray[Any]) -> Centring | None:
    """Return the centring of the columns of an array.

    Args:
        values: Shape (..., d), float32 or float64.

    Returns:
        The centring; None for float32, whose columns the model standardises directly.

    Example:
        >>> centring_of(np.array([[1e9 - 1], [1e9 + 1]])).shift
        array([1.e+09])
    """
    if values.dtype != np.float64:
        return None
    rows = values.reshape(-1, values.shape[-1])
    # relative to the first row, so that sums of large numbers lose no digits
    origin = first_known(rows).astype(np.float64)
    total, distances, count = np.zeros(len(origin)), np.zeros(len(origin)), np.zeros(len(origin))
    starts = range(0, len(rows), _CHUNK)
    for start in starts:
        part = rows[start : start + _CHUNK]
        total += np.nansum(part - origin, axis=0)
        count += len(part) - np.isnan(part).sum(0)
    shift = origin + total / count
    for start in starts:
        distances += np.nansum(np.abs(rows[start : start + _CHUNK] - shift), axis=0)
    deviation = distances / count
    exponent = np.zeros(len(origin))
    varies = deviation > 0
    exponent[varies] = np.round(np.log2(deviation[varies]))
    # rounded to a multiple of 8 deviations: columns near zero, and the same columns plus a round offset, then give the
    # same numbers; the standardisation in the model removes the rest of the mean
    grid = 2.0 ** (exponent + _GRID_EXPONENT)
    shift = np.where(varies, np.round(shift / grid) * grid, shift)
    return Centring(shift, np.where(np.abs(exponent) > _MAX_EXPONENT, 2.0**exponent, 1.0))


def first_known(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the first entry of every column that isn't missing, shape (d,), of rows (N, d); NaN if there is none.

    Example:
        >>> first_known(np.array([[np.nan, 1.0], [2.0, 3.0]]))
        array([2., 1.])
    """
    first = np.array(rows[0])
    for start in range(0, len(rows), _CHUNK):
        if not (missing := np.isnan(first)).any():
            break
        part = rows[start : start + _CHUNK]
        known = ~np.isnan(part)
        first = np.where(missing, part[known.argmax(0), np.arange(part.shape[1])], first)
    return first


def centred(values: NDArray[Any], centring: Centring | None) -> NDArray[Any]:
    """Return values (..., d) as a model uses them: centred, or unchanged without a centring."""
    return values if centring is None else centring.apply(values)


def undone(values: NDArray[Any], centring: Centring | None) -> NDArray[Any]:
    """Return what a model has decoded, values (..., d), in the user's units: the inverse of `centred`.

    Raises:
        DataError: If a value is beyond the largest number.
    """
    if centring is None:
        return values
    with np.errstate(over="ignore"):
        result = centring.undo(values)
    if not np.isfinite(result).all():
        raise DataError(
            "the model maps these latents to numbers that are not finite; give latents nearer to the data"
        )
    return result
