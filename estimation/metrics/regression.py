"""R and R_con: multiple correlation of each true latent with all learned latents, or with the allowed ones.

R is near 1 if the latents are identified up to a linear map, R_con if they are identified up to the entanglement that
the theory predicts (Lachapelle et al., arXiv 2401.04890, the section on experiments).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics.inputs import (
    as_samples,
    checked_matching,
    constant_columns,
    split_halves,
    standardise,
)
from estimation.metrics.matching import mean_correlation
from identify.binary import to_binary
from identify.entanglement import Entanglement
from identify.exceptions import GraphError

__all__ = ["MultipleCorrelation", "multiple_correlation"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# relative cutoff of singular values: learned latents that are multiples of each other, with an origin far from 0,
# differ by rounding errors of this size relative to their standard deviation, which must not explain anything
_RELATIVE_CUTOFF = 1e-10


@dataclass(frozen=True, eq=False)
class MultipleCorrelation:
    """R or R_con.

    Attributes:
        score: Mean of ``per_latent``, 0 to 1.
        per_latent: Root sqrt(max(R^2, 0)) of each true latent, shape (n,); 0 for a constant latent, and for a latent
            without regressors.
        regressors: Learned latents that each true latent was regressed on, bool, shape (n, n_hat).
        held_out: Whether regression and score were computed on different rows.
    """

    score: float
    per_latent: Floats
    regressors: Bools
    held_out: bool


@default_errors
def multiple_correlation(
    z: ArrayLike,
    z_hat: ArrayLike,
    allowed: ArrayLike | sparse.sparray | Entanglement | None = None,
    matching: ArrayLike | None = None,
    held_out: bool = False,
    seed: int = 0,
) -> MultipleCorrelation:
    """Compute R or R_con: regress each true latent on learned latents and average sqrt(max(R^2, 0)).

    The regressions are linear with intercept. Without ``allowed`` the score is R. With the predicted entanglement as
    ``allowed`` it is R_con: the regressors of true latent i are the learned latents matched to {j : allowed[i, j]}.
    In-sample scores increase with the number of regressors: with one regressor per row they are 1 for any data.

    Args:
        z: True latents, shape (N, n) or (N, T, n); all time steps count as rows.
        z_hat: Learned latents of the same rows, shape (N, n_hat) or (N, T, n_hat).
        allowed: Predicted entanglement, binary, shape (n, n), rows and columns TRUE latents: dense, scipy sparse, or an
            `Entanglement`.
        matching: Learned latent of each true one, shape (n,), -1 for none; None for the matching of `mean_correlation`
            on the fitted rows. Used only together with ``allowed``.
        held_out: Whether to fit to a random half of the N rows and score on the other half. The published numbers are
            in-sample.
        seed: Seed of the split into halves.

    Returns:
        Score, scores per latent, and regressors.

    Raises:
        DataError: If an array has a wrong shape or an entry that is not finite, if there are too few rows, if
            ``allowed`` is not binary or has a wrong shape, or if ``matching`` is not one-to-one.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(100, 2))
        >>> mixed = z @ [[1.0, 1.0], [0.0, 1.0]]
        >>> round(multiple_correlation(z, mixed).score, 6)
        1.0
        >>> multiple_correlation(z, mixed, allowed=np.eye(2)).score < 0.9
        True
    """
    true, learned = as_samples(z, z_hat)
    n, n_hat = true.shape[-1], learned.shape[-1]
    permutation = None if matching is None else checked_matching(matching, n, n_hat, "matching")
    regressors = np.ones((n, n_hat), dtype=bool)
    if allowed is not None:
        allowed_matrix = _as_matrix(allowed, n)
        if permutation is None:
            permutation = mean_correlation(true, learned, held_out=held_out, seed=seed).permutation
        regressors = _allowed_regressors(allowed_matrix, permutation, n_hat)
    (fit_true, fit_learned), (score_true, score_learned) = split_halves(true, learned, held_out, seed)
    fit_targets, score_targets = standardise(fit_true, score_true)
    fit_inputs, score_inputs = standardise(fit_learned, score_learned)
    predicted = score_inputs @ _coefficients(fit_targets, fit_inputs, regressors)
    per_latent = np.sqrt(_explained_variance(score_targets, predicted))
    for array in (per_latent, regressors):
        array.flags.writeable = False
    return MultipleCorrelation(float(per_latent.mean()), per_latent, regressors, held_out)


def _as_matrix(allowed: Any, n: int) -> Bools:
    if isinstance(allowed, Entanglement):
        allowed = allowed.matrix
    try:
        matrix: Bools = to_binary(allowed, "allowed").toarray()
    except GraphError as error:
        raise DataError(str(error)) from error
    if matrix.shape != (n, n):
        raise DataError(
            f"allowed has shape {matrix.shape}; rows and columns are the {n} true latents, so it must be ({n}, {n})"
        )
    return matrix


def _allowed_regressors(allowed: Bools, permutation: NDArray[np.intp], n_hat: int) -> Bools:
    """Replace the columns, which are true latents, by the learned latents matched to them."""
    regressors = np.zeros((len(allowed), n_hat), dtype=bool)
    has_match = permutation >= 0
    regressors[:, permutation[has_match]] = allowed[:, has_match]
    return regressors


def _coefficients(targets: Floats, inputs: Floats, regressors: Bools) -> Floats:
    """Return least-squares coefficients, shape (n_hat, n), 0 without a regressor; centred columns need no intercept."""
    n_hat = inputs.shape[1]
    # one QR decomposition keeps all inner products in n + n_hat rows: the cost of each regression is independent of N
    compressed: Floats = np.asarray(np.linalg.qr(np.hstack([inputs, targets]), mode="r"))
    compressed_inputs, compressed_targets = compressed[:, :n_hat], compressed[:, n_hat:]
    coefficients = np.zeros((n_hat, targets.shape[1]))
    for pattern, members in _distinct_rows(regressors):
        if pattern.any():
            solution = np.linalg.lstsq(
                compressed_inputs[:, pattern], compressed_targets[:, members], rcond=_RELATIVE_CUTOFF
            )[0]
            coefficients[np.ix_(np.flatnonzero(pattern), members)] = solution
    return coefficients


def _distinct_rows(matrix: Bools) -> list[tuple[Bools, NDArray[np.intp]]]:
    """Return each distinct row and the indices of its copies, so that the latents of a block share a regression."""
    patterns, pattern_of_row = np.unique(matrix, axis=0, return_inverse=True)
    pattern_of_row = pattern_of_row.reshape(-1)
    return [(pattern, np.flatnonzero(pattern_of_row == k)) for k, pattern in enumerate(patterns)]


def _explained_variance(targets: Floats, predicted: Floats) -> Floats:
    """Return R^2 of each column, at least 0; 0 for a constant column."""
    constant = constant_columns(targets)
    total = np.square(targets - targets.mean(axis=0)).sum(axis=0)
    residual = np.square(targets - predicted).sum(axis=0)
    r_squared = 1.0 - residual / np.where(constant, 1.0, total)
    return np.where(constant, 0.0, np.maximum(r_squared, 0.0))
