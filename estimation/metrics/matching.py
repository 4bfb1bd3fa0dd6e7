"""MCC: mean absolute correlation of true and learned latents under the best one-to-one matching.

Introduced for nonlinear ICA by Hyvarinen and Morioka (arXiv 1605.06336). Permutations and element-wise rescaling of
the learned latents don't change it (with Spearman's correlation: no monotone map of single latents does), which are
the indeterminacies that complete disentanglement leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics.inputs import as_samples, halves, standardised

__all__ = ["MeanCorrelation", "mean_correlation"]

Floats = NDArray[np.float64]
Method = Literal["pearson", "spearman"]


@dataclass(frozen=True, eq=False)
class MeanCorrelation:
    """MCC, and the matching behind it.

    Attributes:
        score: mean over the true latents of the absolute correlation with their match; 0 to 1, a latent without
            a match counts 0.
        permutation: shape (n,), int; ``permutation[i]`` is the learned latent matched to true latent i, or -1 when
            there are fewer learned latents and none is left for it.
        correlations: shape (n, n_hat); absolute correlations on the rows that are scored. Rows are true latents,
            columns learned ones; 0 where one of the two is constant.
        method: ``"pearson"`` or ``"spearman"``.
        held_out: whether the matching comes from other rows than the score.
    """

    score: float
    permutation: NDArray[np.intp]
    correlations: Floats
    method: str
    held_out: bool

    @property
    def per_latent(self) -> Floats:
        """Shape (n,): the absolute correlation of each true latent with its match, 0 without one."""
        return _matched(self.correlations, self.permutation)


@default_errors
def mean_correlation(
    z: ArrayLike, z_hat: ArrayLike, method: Method = "pearson", held_out: bool = False, seed: int = 0
) -> MeanCorrelation:
    """Match learned to true latents so that their mean absolute correlation is largest, and return it: MCC.

    The matching is exact (the Hungarian algorithm). When the numbers of latents differ, some stay without a match;
    the mean is always over the true latents.

    Args:
        z: true latents, shape (N, n) or (N, T, n); all steps count as rows.
        z_hat: learned latents of the same rows, shape (N, n_hat) or (N, T, n_hat).
        method: ``"pearson"``, or ``"spearman"`` for the correlation of ranks.
        held_out: match on a random half of the N rows and score on the other. The published numbers are in-sample.
        seed: which halves.

    Raises:
        DataError: an array has another shape or a number that is not finite, there are too few rows, or ``method``
            is unknown.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(100, 2))
        >>> found = mean_correlation(z, -3 * z[:, [1, 0]])
        >>> round(found.score, 6), found.permutation.tolist()
        (1.0, [1, 0])
    """
    if method not in ("pearson", "spearman"):
        raise DataError(f"method is {method!r}; it must be 'pearson' or 'spearman'")
    fit, score = halves(*as_samples(z, z_hat), held_out, seed)
    to_match = _absolute_correlations(*fit, method)
    correlations = _absolute_correlations(*score, method) if held_out else to_match
    permutation = _best_matching(to_match)
    for array in (correlations, permutation):
        array.flags.writeable = False
    return MeanCorrelation(
        score=float(_matched(correlations, permutation).mean()),
        permutation=permutation,
        correlations=correlations,
        method=method,
        held_out=held_out,
    )


def _best_matching(weights: Floats) -> NDArray[np.intp]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(weights, maximize=True)
    result = np.full(weights.shape[0], -1, dtype=np.intp)
    result[rows] = columns
    return result


def _matched(correlations: Floats, permutation: NDArray[np.intp]) -> Floats:
    found = permutation >= 0
    result = np.zeros(len(permutation))
    result[found] = correlations[np.flatnonzero(found), permutation[found]]
    return result


def _absolute_correlations(true: Floats, learned: Floats, method: str) -> Floats:
    if method == "spearman":
        from scipy.stats import rankdata

        true, learned = rankdata(true, axis=0), rankdata(learned, axis=0)
    # a constant column becomes 0, and correlates with nothing
    (true,), (learned,) = standardised(true), standardised(learned)
    result: Floats = np.abs(true.T @ learned) / len(true)
    # an exact multiple may come out as 1 + 2e-16
    return np.minimum(result, 1.0)
