"""Numbers centred in double precision before they become float32, so that a large offset costs no digits.

A column of times in seconds since 1970 varies by some seconds around 1.7e9, where float32 knows every 128th only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError

__all__ = ["Centring", "centred", "centring_of"]

Array = NDArray[np.float64]

_CHUNK = 65_536
# deviations outside are scaled by a power of two, so that their distances are float32 numbers
_MOST_EXPONENT = 40
_FEW_DEVIATIONS = 3


@dataclass(frozen=True, eq=False)
class Centring:
    """What is taken from every column, and a power of two by which it is divided then.

    Attributes:
        shift: shape (d,).
        unit: shape (d,); 1 but for columns with a very large or small deviation.
    """

    shift: Array
    unit: Array

    def apply(self, values: NDArray[Any]) -> Array:
        """Values (..., d) in the units that the model knows.

        Example:
            >>> Centring(np.array([1e9]), np.array([1.0])).apply(np.array([[1e9 + 0.5]]))
            array([[0.5]])
        """
        return (np.asarray(values, dtype=np.float64) - self.shift) / self.unit

    def undo(self, values: NDArray[Any]) -> Array:
        """The inverse of `apply`."""
        return np.asarray(values, dtype=np.float64) * self.unit + self.shift

    def to_dict(self) -> dict[str, list[float]]:
        """Ready for JSON, which keeps every digit."""
        return {"shift": self.shift.tolist(), "unit": self.unit.tolist()}

    @classmethod
    def from_dict(cls, content: Any, count: int) -> Centring:
        """The inverse of `to_dict`, for so many columns.

        Raises:
            DataError: it isn't what `to_dict` gives.
        """
        if not isinstance(content, dict) or set(content) != {"shift", "unit"}:
            raise DataError("the centring is damaged; it holds shift and unit")
        for name, values in content.items():
            right = isinstance(values, list) and all(type(value) in (int, float) for value in values)
            if not right or len(values) != count or not np.isfinite(np.array(values, dtype=float)).all():
                raise DataError(f"the centring is damaged; its {name} is no list of {count} finite numbers")
        if min(content["unit"], default=1) <= 0:
            raise DataError("the centring is damaged; a unit is not above 0")
        return cls(np.array(content["shift"], dtype=float), np.array(content["unit"], dtype=float))


def centring_of(values: NDArray[Any]) -> Centring | None:
    """How to centre the columns of an array; None for float32, whose columns the model standardises as they are.

    Args:
        values: shape (..., d), float32 or float64.

    Example:
        >>> centring_of(np.array([[1e9 - 1], [1e9 + 1]])).shift
        array([1.e+09])
    """
    if values.dtype != np.float64:
        return None
    rows = values.reshape(-1, values.shape[-1])
    # about the first row, so that sums of large numbers lose nothing
    origin = rows[0].astype(np.float64)
    total, distances = np.zeros(len(origin)), np.zeros(len(origin))
    parts = range(0, len(rows), _CHUNK)
    for start in parts:
        total += (rows[start : start + _CHUNK] - origin).sum(0)
    shift = origin + total / len(rows)
    for start in parts:
        distances += np.abs(rows[start : start + _CHUNK] - shift).sum(0)
    deviation = distances / len(rows)
    exponent = np.zeros(len(origin))
    varies = deviation > 0
    exponent[varies] = np.round(np.log2(deviation[varies]))
    # to a multiple of a few deviations, so that columns near zero, and the same ones with a round offset, give the same
    # numbers; the model takes away the rest
    grid = 2.0 ** (exponent + _FEW_DEVIATIONS)
    shift = np.where(varies, np.round(shift / grid) * grid, shift)
    return Centring(shift, np.where(np.abs(exponent) > _MOST_EXPONENT, 2.0**exponent, 1.0))


def centred(values: NDArray[Any], centring: Centring | None) -> NDArray[Any]:
    """Values (..., d) as a model gets them: centred, or as they are without a centring."""
    return values if centring is None else centring.apply(values)
