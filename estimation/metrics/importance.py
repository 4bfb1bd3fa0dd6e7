"""DCI: disentanglement, completeness and informativeness of a learned representation.

Source: Eastwood and Williams, "A framework for the quantitative evaluation of disentangled representations", ICLR
2018. Each true latent is predicted from all learned ones by a regression with importances of its inputs. The scores
measure how concentrated the rows and columns of the importance matrix are.

In the paper, learned latents are called "codes" and true latents "factors"; its matrix R has codes as rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics.inputs import as_samples, constant_columns, split_halves, standardise

__all__ = ["DCI", "dci"]

Floats = NDArray[np.float64]
Regression = Literal["lasso", "forest"]

_MIN_ROWS = 10
_N_TREES = 50


@dataclass(frozen=True, eq=False)
class DCI:
    """The three scores, 0 to 1, where larger is better, and the importances and errors behind them.

    Attributes:
        disentanglement: Near 1 if each learned latent is important for only one true latent; the mean over learned
            latents, weighted by their total importance.
        completeness: Near 1 if only one learned latent is important for each true latent; the mean over true latents.
        informativeness: One minus the mean of ``errors``, each clipped at 1.
        importance: Importance of each learned latent (row) for the prediction of each true latent (column), shape
            (n_hat, n), 0 or more.
        errors: Root mean square error of the prediction of each true latent on held-out rows, divided by the error of
            always predicting their mean, shape (n,). The paper reports these errors.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: Floats
    errors: Floats


@default_errors
def dci(z: ArrayLike, z_hat: ArrayLike, seed: int = 0, importance: Regression = "lasso") -> DCI:
    """Compute disentanglement, completeness and informativeness of a representation.

    The regressions are fitted to a random half of the N rows, and their errors are computed on the other half. Requires
    scikit-learn.

    Args:
        z: True latents, shape (N, n) or (N, T, n); all time steps count as rows.
        z_hat: Learned latents of the same rows, shape (N, n_hat) or (N, T, n_hat).
        seed: Seed of the split into halves and of the random forest.
        importance: Regression. ``"lasso"``: absolute coefficients on standardised latents, with the penalty chosen by
            cross-validation. ``"forest"``: impurity decrease in a random forest, for nonlinear relations; slower.

    Returns:
        Scores, importances and errors.

    Raises:
        DataError: If an array has a wrong shape or an entry that is not finite, if there are too few rows, or if
            ``importance`` is unknown.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(200, 2))
        >>> scores = dci(z, 2 * z[:, [1, 0]])
        >>> scores.disentanglement > 0.95, scores.informativeness > 0.95, scores.importance.argmax(axis=1).tolist()
        (True, True, [1, 0])
    """
    if importance not in ("lasso", "forest"):
        raise DataError(f"importance is {importance!r}; it must be 'lasso' or 'forest'")
    fit, score = split_halves(*as_samples(z, z_hat), True, seed, min_rows=_MIN_ROWS)
    matrix, errors = _importances_and_errors(fit, score, importance, seed)
    for array in (matrix, errors):
        array.flags.writeable = False
    per_code, per_factor = _concentration(matrix), _concentration(matrix.T)
    weights = matrix.sum(axis=1)
    return DCI(
        disentanglement=float(per_code @ weights / weights.sum()) if weights.any() else 0.0,
        completeness=float(per_factor.mean()),
        informativeness=float(1.0 - np.minimum(errors, 1.0).mean()),
        importance=matrix,
        errors=errors,
    )


def _importances_and_errors(
    fit: tuple[Floats, Floats], score: tuple[Floats, Floats], importance: str, seed: int
) -> tuple[Floats, Floats]:
    """Return importances, shape (n_hat, n), and errors, shape (n,)."""
    n, n_hat = fit[0].shape[1], fit[1].shape[1]
    inputs, held_out_inputs = standardise(fit[1], score[1])
    targets, held_out_targets = standardise(fit[0], score[0])
    constant = constant_columns(held_out_targets)
    matrix, errors = np.zeros((n_hat, n)), np.ones(n)
    for j in np.flatnonzero(~constant_columns(fit[0])):
        regression, matrix[:, j] = _fitted_regression(inputs, targets[:, j], importance, seed)
        if not constant[j]:
            residual = held_out_targets[:, j] - regression.predict(held_out_inputs)
            errors[j] = np.sqrt(np.square(residual).mean()) / held_out_targets[:, j].std()
    return matrix, errors


def _fitted_regression(inputs: Floats, target: Floats, importance: str, seed: int) -> tuple[Any, Floats]:
    """Return a fitted regression, and the importance of each input."""
    if importance == "forest":
        from sklearn.ensemble import RandomForestRegressor

        # our seeds are any whole numbers, those of scikit-learn have 32 bits
        seed_32_bits = int(np.random.default_rng(seed).integers(2**32))
        forest = RandomForestRegressor(n_estimators=_N_TREES, random_state=seed_32_bits, n_jobs=1)
        forest.fit(inputs, target)
        return forest, forest.feature_importances_
    from sklearn.linear_model import LassoCV

    # nearly collinear latents without noise need thousands of iterations, which are cheap
    lasso = LassoCV(cv=5, max_iter=100_000)
    lasso.fit(inputs, target)
    return lasso, np.abs(lasso.coef_)


def _concentration(rows: Floats) -> Floats:
    """Return one minus the entropy of each row's shares, relative to the maximum entropy; 0 for a row of zeros.

    With a single column the result is 1, since there is nothing to be entangled with.
    """
    totals = rows.sum(axis=1, keepdims=True)
    shares = rows / np.where(totals > 0, totals, 1.0)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    max_entropy = np.log(rows.shape[1]) if rows.shape[1] > 1 else 1.0
    return np.where(totals[:, 0] > 0, 1.0 + (shares * logs).sum(axis=1) / max_entropy, 0.0)
