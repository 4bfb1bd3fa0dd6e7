"""R and R_con: how well the true latents are linear functions of the learned ones, of all or of the allowed ones.

R is near 1 when the representation is right up to a linear map; R_con when it is right up to the entanglement that
the theory predicts (Lachapelle et al., arXiv 2401.04890, section on experiments).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics.inputs import as_samples, checked_matching, constant_columns, halves, standardised
from estimation.metrics.matching import mean_correlation
from identify.binary import to_binary
from identify.entanglement import Entanglement
from identify.exceptions import GraphError

__all__ = ["MultipleCorrelation", "multiple_correlation"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# learned latents that are multiples of each other, with an origin far from 0, differ by rounding errors of this size
# relative to their spread; nothing may be explained by those
_SMALLEST_DIRECTION = 1e-10


@dataclass(frozen=True, eq=False)
class MultipleCorrelation:
    """R, or R_con.

    Attributes:
        score: mean of ``per_latent``; 0 to 1.
        per_latent: shape (n,); sqrt(max(R^2, 0)) of each true latent. 0 for a constant one, and for one that may
            use no learned latent.
        regressors: boolean, shape (n, n_hat); the learned latents that each true latent was regressed on.
        held_out: whether the regression comes from other rows than the score.
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
    """Regress each true latent on learned ones, linearly and with intercept, and average sqrt(max(R^2, 0)).

    Without ``allowed`` this is R. With the predicted entanglement as ``allowed`` it is R_con: true latent i may use
    the learned latents that are matched to {j : allowed[i, j]}, and no others. In-sample scores rise with the number
    of regressors: with as many as rows they are 1 whatever the data.

    Args:
        z: true latents, shape (N, n) or (N, T, n); all steps count as rows.
        z_hat: learned latents of the same rows, shape (N, n_hat) or (N, T, n_hat).
        allowed: boolean, shape (n, n), rows and columns TRUE latents: dense, scipy sparse, or an `Entanglement`.
        matching: shape (n,), the learned latent of each true one, -1 for none; by default the best one of
            `mean_correlation`, on the rows that are fitted. Only used together with ``allowed``.
        held_out: fit on a random half of the N rows and score on the other. The published numbers are in-sample.
        seed: which halves.

    Raises:
        DataError: an array has another shape or a number that is not finite, there are too few rows, ``allowed`` is
            not binary or of another size, or ``matching`` is not one-to-one.

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
    matched = None if matching is None else checked_matching(matching, n, n_hat, "matching")
    regressors = np.ones((n, n_hat), dtype=bool)
    if allowed is not None:
        within = _as_matrix(allowed, n)
        if matched is None:
            matched = mean_correlation(true, learned, held_out=held_out, seed=seed).permutation
        regressors = _through(within, matched, n_hat)
    (fit_true, fit_learned), (score_true, score_learned) = halves(true, learned, held_out, seed)
    outputs, truth = standardised(fit_true, score_true)
    inputs, scored_inputs = standardised(fit_learned, score_learned)
    predicted = scored_inputs @ _coefficients(outputs, inputs, regressors)
    per_latent = np.sqrt(_explained(truth, predicted))
    for array in (per_latent, regressors):
        array.flags.writeable = False
    return MultipleCorrelation(float(per_latent.mean()), per_latent, regressors, held_out)


def _as_matrix(allowed: Any, n: int) -> Bools:
    if isinstance(allowed, Entanglement):
        allowed = allowed.matrix
    try:
        result: Bools = to_binary(allowed, "allowed").toarray()
    except GraphError as error:
        raise DataError(str(error)) from error
    if result.shape != (n, n):
        raise DataError(
            f"allowed has shape {result.shape}; rows and columns are the {n} true latents, so it must be ({n}, {n})"
        )
    return result


def _through(allowed: Bools, matching: NDArray[np.intp], n_hat: int) -> Bools:
    """Columns that are true latents become columns that are learned latents."""
    result = np.zeros((len(allowed), n_hat), dtype=bool)
    found = matching >= 0
    result[:, matching[found]] = allowed[:, found]
    return result


def _coefficients(outputs: Floats, inputs: Floats, regressors: Bools) -> Floats:
    """Least squares, shape (n_hat, n), 0 where there is no regressor; columns are centred, so the intercept is 0."""
    n_hat = inputs.shape[1]
    # one QR of everything keeps all inner products in a few rows: each regression then costs nothing in N
    compressed: Floats = np.asarray(np.linalg.qr(np.hstack([inputs, outputs]), mode="r"))
    few_inputs, few_outputs = compressed[:, :n_hat], compressed[:, n_hat:]
    result = np.zeros((n_hat, outputs.shape[1]))
    for pattern, members in _distinct_rows(regressors):
        if pattern.any():
            solution = np.linalg.lstsq(
                few_inputs[:, pattern], few_outputs[:, members], rcond=_SMALLEST_DIRECTION
            )[0]
            result[np.ix_(np.flatnonzero(pattern), members)] = solution
    return result


def _distinct_rows(matrix: Bools) -> list[tuple[Bools, NDArray[np.intp]]]:
    """Each different row, with the positions of all rows like it: latents of one block are regressed together."""
    patterns, which = np.unique(matrix, axis=0, return_inverse=True)
    which = which.reshape(-1)
    return [(pattern, np.flatnonzero(which == k)) for k, pattern in enumerate(patterns)]


def _explained(truth: Floats, predicted: Floats) -> Floats:
    """R^2 of each column, at least 0; 0 for a constant column."""
    constant = constant_columns(truth)
    total = np.square(truth - truth.mean(axis=0)).sum(axis=0)
    left = np.square(truth - predicted).sum(axis=0)
    result = 1.0 - left / np.where(constant, 1.0, total)
    return np.where(constant, 0.0, np.maximum(result, 0.0))
