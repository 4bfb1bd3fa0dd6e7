"""MCC, the mean correlation coefficient: mean absolute correlation under the best one-to-one matching of latents.

The score was introduced for nonlinear ICA by Hyvarinen and Morioka (arXiv 1605.06336). It is invariant under
permutations and element-wise rescaling of the learned latents (with Spearman's correlation: under monotone maps of
single latents), which are the indeterminacies of complete disentanglement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics.inputs import as_samples, split_halves, standardise

__all__ = ["MeanCorrelation", "mean_correlation"]

Floats = NDArray[np.float64]
Method = Literal["pearson", "spearman"]


@dataclass(frozen=True, eq=False)
class MeanCorrelation:
    """MCC and the matching behind it.

    Attributes:
        score: Mean over the true latents of the absolute correlation with their match, 0 to 1; a latent without a match
            counts as 0.
        permutation: Matching, int, shape (n,). ``permutation[i]`` is the learned latent matched to true latent i, or -1
            if there are fewer learned latents and none is left.
        correlations: Absolute correlations on the scored rows, shape (n, n_hat). Rows are true latents, columns learned
            ones; 0 where one of the two is constant.
        method: Correlation, ``"pearson"`` or ``"spearman"``.
        held_out: Whether matching and score were computed on different rows.
    """

    score: float
    permutation: NDArray[np.intp]
    correlations: Floats
    method: str
    held_out: bool

    @property
    def per_latent(self) -> Floats:
        """The absolute correlation of each true latent with its match, shape (n,); 0 without a match."""
        return _matched(self.correlations, self.permutation)


@default_errors
def mean_correlation(
    z: ArrayLike, z_hat: ArrayLike, method: Method = "pearson", held_out: bool = False, seed: int = 0
) -> MeanCorrelation:
    """Compute MCC: match learned to true latents so that their mean absolute correlation is maximal.

    The matching is exact (the Hungarian algorithm). If the numbers of latents differ, some have no match; the mean is
    always over the true latents.

    Args:
        z: True latents, shape (N, n) or (N, T, n); all time steps count as rows.
        z_hat: Learned latents of the same rows, shape (N, n_hat) or (N, T, n_hat).
        method: Correlation, ``"pearson"``, or ``"spearman"`` for the correlation of ranks.
        held_out: Whether to match on a random half of the N rows and score on the other half. The published numbers are
            in-sample.
        seed: Seed of the split into halves.

    Returns:
        Score, matching and correlations.

    Raises:
        DataError: If an array has a wrong shape or an entry that is not finite, if there are too few rows, or if
            ``method`` is unknown.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(100, 2))
        >>> mcc = mean_correlation(z, -3 * z[:, [1, 0]])
        >>> round(mcc.score, 6), mcc.permutation.tolist()
        (1.0, [1, 0])
    """
    if method not in ("pearson", "spearman"):
        raise DataError(f"method is {method!r}; it must be 'pearson' or 'spearman'")
    fit, score = split_halves(*as_samples(z, z_hat), held_out, seed)
    fit_correlations = _absolute_correlations(*fit, method)
    correlations = _absolute_correlations(*score, method) if held_out else fit_correlations
    permutation = _best_matching(fit_correlations)
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
    permutation = np.full(weights.shape[0], -1, dtype=np.intp)
    permutation[rows] = columns
    return permutation


def _matched(correlations: Floats, permutation: NDArray[np.intp]) -> Floats:
    has_match = permutation >= 0
    matched = np.zeros(len(permutation))
    matched[has_match] = correlations[np.flatnonzero(has_match), permutation[has_match]]
    return matched


def _absolute_correlations(true: Floats, learned: Floats, method: str) -> Floats:
    if method == "spearman":
        from scipy.stats import rankdata

        true, learned = rankdata(true, axis=0), rankdata(learned, axis=0)
    # a constant column becomes 0, so that all its correlations are 0
    (true,), (learned,) = standardise(true), standardise(learned)
    correlations: Floats = np.abs(true.T @ learned) / len(true)
    # the correlation of exact multiples may be rounded to 1 + 2e-16
    return np.minimum(correlations, 1.0)
