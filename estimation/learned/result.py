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

# relative to the strongest of its row; below it, which of two entries is larger says nothing
_NOISE = 1e-3
# a true latent whose strongest entry is weaker was hardly learned
_FAINT = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class LearnedEntanglement:
    """How strongly every learned latent enters every true one. Made by `learned_entanglement`.

    Attributes:
        strengths: shape (n, n_learned), 0 or more, without unit. Rows are TRUE latents (with the method ``"models"``,
            those of the first model), columns are LEARNED ones.
        threshold: from which share of the strongest entry of its row an entry counts as an edge.
        method: ``"jacobian"``, ``"regression"`` or ``"models"``.
        latents: n names of the rows.
        learned: names of the columns.

    Example:
        >>> found = LearnedEntanglement(np.array([[0.02, 1.0], [0.8, 0.4]]), 0.1, "jacobian", ("x", "y"), ("v0", "v1"))
        >>> found.matrix.astype(int).tolist(), found.permutation.tolist()
        ([[0, 1], [1, 1]], [1, 0])
        >>> found.at(0.6).matrix.astype(int).tolist()
        [[0, 1], [1, 0]]
        >>> found.curve([0.01, 0.1, 0.6]).tolist()
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

        Where that is below 0.1 they are divided by 0.1: of such a latent not even a hundredth of the variance comes
        from any one learned latent, and its row is mostly noise.
        """
        return np.asarray(self.strengths / np.maximum(self.strengths.max(axis=1, keepdims=True), _FAINT))

    @cached_property
    def matrix(self) -> NDArray[np.bool_]:
        """The entanglement graph, shape (n, n_learned): true where the relative strength exceeds the threshold."""
        return np.asarray(self.relative > self.threshold)

    @property
    def n_edges(self) -> int:
        """The number of edges."""
        return int(self.matrix.sum())

    @cached_property
    def permutation(self) -> NDArray[np.int64]:
        """Shape (n,): the learned latent matched to each true one; -1 where no learned latent is left.

        The matching with the largest product of relative strengths. It is the largest term of the determinant of Dv:
        the theory promises a term that is not zero, and that any such term carries the true graph to the learned one.
        It does not change with the scale of a latent.
        """
        rows, columns = linear_sum_assignment(np.log(np.maximum(self.relative, _NOISE)), maximize=True)
        result = np.full(len(self.strengths), -1, dtype=np.int64)
        result[rows] = columns
        return result

    def at(self, threshold: float) -> LearnedEntanglement:
        """The same strengths with another threshold.

        Raises:
            ConfigError: it is not from 0 to below 1.
        """
        return replace(self, threshold=checked_threshold(threshold))

    def curve(self, thresholds: ArrayLike) -> NDArray[np.int64]:
        """The number of edges at each threshold; a flat stretch says that the threshold hardly matters.

        Raises:
            ConfigError: a threshold is not from 0 to below 1.
        """
        checked = [
            checked_threshold(value) for value in np.atleast_1d(np.asarray(thresholds, float)).tolist()
        ]
        return np.array([np.count_nonzero(self.relative > value) for value in checked], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
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
    if not 0 <= threshold < 1:
        raise ConfigError(
            f"the threshold is {threshold}; it is from 0 to below 1, a share of the row's strongest"
        )
    return float(threshold)
