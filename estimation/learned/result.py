"""`LearnedEntanglement`: strengths, the graph at a threshold, and the matching of learned to true latents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from estimation.exceptions import ConfigError

__all__ = ["METHODS", "LearnedEntanglement", "Method", "checked_threshold"]

Method = Literal["jacobian", "regression", "models"]
Array = NDArray[np.float64]

METHODS: tuple[Method, ...] = ("jacobian", "regression", "models")

# relative strengths below this are noise, which must not decide the matching
_NOISE_LEVEL = 1e-3
# a true latent whose strongest entry is weaker was hardly learned
_MIN_ROW_STRENGTH = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class LearnedEntanglement:
    """Strengths with which learned latents enter true latents; the result of `learned_entanglement`.

    Attributes:
        strengths: Strengths, shape (n, n_learned), 0 or more, without unit. Rows are TRUE latents (or the latents of
            the first model, with the method ``"models"``), columns are LEARNED ones.
        threshold: Threshold of an edge, relative to the strongest entry of its row.
        method: Method, ``"jacobian"``, ``"regression"`` or ``"models"``.
        latents: Names of the rows.
        learned: Names of the columns.

    Example:
        >>> strengths = np.array([[0.02, 1.0], [0.8, 0.4]])
        >>> entanglement = LearnedEntanglement(strengths, 0.1, "jacobian", ("x", "y"), ("v0", "v1"))
        >>> entanglement.matrix.astype(int).tolist(), entanglement.permutation.tolist()
        ([[0, 1], [1, 1]], [1, 0])
        >>> entanglement.at(0.6).matrix.astype(int).tolist()
        [[0, 1], [1, 0]]
        >>> entanglement.curve([0.01, 0.1, 0.6]).tolist()
        [4, 3, 2]
    """

    strengths: Array
    threshold: float
    method: Method
    latents: tuple[str, ...]
    learned: tuple[str, ...]

    @cached_property
    def relative(self) -> Array:
        """Strengths divided by the strongest of their row, 0 to 1.

        If the strongest is below 0.1, the row is divided by 0.1: no single learned latent accounts for even a hundredth
        of the variance of such a latent, and its row is mostly noise.
        """
        row_strengths = self.strengths.max(axis=1, keepdims=True)
        return np.asarray(self.strengths / np.maximum(row_strengths, _MIN_ROW_STRENGTH))

    @cached_property
    def matrix(self) -> NDArray[np.bool_]:
        """The entanglement graph, bool, shape (n, n_learned): whether the relative strength exceeds the threshold."""
        return np.asarray(self.relative > self.threshold)

    @property
    def n_edges(self) -> int:
        """The number of edges."""
        return int(self.matrix.sum())

    @cached_property
    def permutation(self) -> NDArray[np.int64]:
        """The learned latent matched to each true one, shape (n,); -1 for a true latent without a match.

        The matching maximises the product of relative strengths, and does not change with the scale of a latent. The
        product is the largest term of the determinant of Dv. According to the theory, some term is not zero, and the
        permutation of any such term maps the true graph to the learned one.
        """
        scores = np.log(np.maximum(self.relative, _NOISE_LEVEL))
        rows, columns = linear_sum_assignment(scores, maximize=True)
        permutation = np.full(len(self.strengths), -1, dtype=np.int64)
        permutation[rows] = columns
        return permutation

    def at(self, threshold: float) -> LearnedEntanglement:
        """Return the same strengths with another threshold.

        Raises:
            ConfigError: If the threshold is not in [0, 1).
        """
        return replace(self, threshold=checked_threshold(threshold))

    def curve(self, thresholds: ArrayLike) -> NDArray[np.int64]:
        """Return the number of edges at each threshold; where the curve is flat, the threshold hardly matters.

        Raises:
            ConfigError: If a threshold is not in [0, 1).
        """
        values = [checked_threshold(value) for value in np.atleast_1d(np.asarray(thresholds, float)).tolist()]
        return np.array([np.count_nonzero(self.relative > value) for value in values], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "method": self.method,
            "threshold": self.threshold,
            "latents": list(self.latents),
            "learned": list(self.learned),
            "strengths": self.strengths.tolist(),
            "permutation": self.permutation.tolist(),
        }

    def __repr__(self) -> str:
        rows, columns = self.strengths.shape
        return (
            f"LearnedEntanglement({rows} latents, {columns} learned, {self.n_edges} edges at threshold "
            f"{self.threshold:g}, by {self.method})"
        )


def checked_threshold(threshold: float) -> float:
    """Return the threshold as a float.

    Raises:
        ConfigError: If the threshold is not in [0, 1).
    """
    if not 0 <= threshold < 1:
        raise ConfigError(
            f"the threshold is {threshold}; it must be at least 0 and below 1, relative to the strongest entry of a row"
        )
    return float(threshold)
