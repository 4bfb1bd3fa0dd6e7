"""DCI: disentanglement, completeness and informativeness of a learned representation.

Source: Eastwood and Williams, "A framework for the quantitative evaluation of disentangled representations", ICLR
2018. Each true latent is predicted from all learned ones by a regression that tells how much it relies on each; the
matrix of these importances is then read row by row and column by column.

The paper's own words: learned latents are "codes", true ones "factors"; its matrix R has codes as rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics.inputs import as_samples, constant_columns, halves, standardised

__all__ = ["DCI", "dci"]

Floats = NDArray[np.float64]
Regression = Literal["lasso", "forest"]

_FEWEST_ROWS = 10
_TREES = 50


@dataclass(frozen=True, eq=False)
class DCI:
    """The three scores, 0 to 1 and better when larger, and what they come from.

    Attributes:
        disentanglement: near 1 when each learned latent matters for one true latent only; the mean over learned
            latents, weighted by their total importance.
        completeness: near 1 when each true latent relies on one learned latent only; the mean over true latents.
        informativeness: one minus the mean of ``errors``, each of them cut at 1.
        importance: shape (n_hat, n), 0 or more; how much the prediction of true latent (column) relies on learned
            latent (row).
        errors: shape (n,); root-mean-square error of the prediction of each true latent on rows that it was not
            fitted on, divided by that of always predicting their mean. The paper reports this one.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: Floats
    errors: Floats


@default_errors
def dci(z: ArrayLike, z_hat: ArrayLike, seed: int = 0, importance: Regression = "lasso") -> DCI:
    """Score a representation by how each true latent is predicted from the learned ones.

    The regressions are fitted on a random half of the N rows and their errors are taken on the other. Needs
    scikit-learn.

    Args:
        z: true latents, shape (N, n) or (N, T, n); all steps count as rows.
        z_hat: learned latents of the same rows, shape (N, n_hat) or (N, T, n_hat).
        seed: which halves; with ``"forest"`` also the randomness of the trees.
        importance: ``"lasso"``: absolute coefficients on standardised latents, the penalty chosen by
            cross-validation. ``"forest"``: impurity decrease in a random forest, for nonlinear relations; slower.

    Raises:
        DataError: an array has another shape or a number that is not finite, there are too few rows, or
            ``importance`` is unknown.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(200, 2))
        >>> found = dci(z, 2 * z[:, [1, 0]])
        >>> found.disentanglement > 0.95, found.informativeness > 0.95, found.importance.argmax(axis=1).tolist()
        (True, True, [1, 0])
    """
    if importance not in ("lasso", "forest"):
        raise DataError(f"importance is {importance!r}; it must be 'lasso' or 'forest'")
    fit, score = halves(*as_samples(z, z_hat), True, seed, least=_FEWEST_ROWS)
    matrix, errors = _regressions(fit, score, importance, seed)
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


def _regressions(
    fit: tuple[Floats, Floats], score: tuple[Floats, Floats], importance: str, seed: int
) -> tuple[Floats, Floats]:
    """Importances, shape (n_hat, n), and errors, shape (n,)."""
    n, n_hat = fit[0].shape[1], fit[1].shape[1]
    inputs, scored_inputs = standardised(fit[1], score[1])
    outputs, truth = standardised(fit[0], score[0])
    still = constant_columns(truth)
    matrix, errors = np.zeros((n_hat, n)), np.ones(n)
    for j in np.flatnonzero(~constant_columns(fit[0])):
        model, matrix[:, j] = _fitted(inputs, outputs[:, j], importance, seed)
        if not still[j]:
            left = np.square(truth[:, j] - model.predict(scored_inputs)).mean()
            errors[j] = np.sqrt(left) / truth[:, j].std()
    return matrix, errors


def _fitted(inputs: Floats, output: Floats, importance: str, seed: int) -> tuple[Any, Floats]:
    """A fitted regression, and the importance of each input."""
    if importance == "forest":
        from sklearn.ensemble import RandomForestRegressor

        # any whole number is a seed here, scikit-learn takes 32 bits
        bits = int(np.random.default_rng(seed).integers(2**32))
        forest = RandomForestRegressor(n_estimators=_TREES, random_state=bits, n_jobs=1)
        forest.fit(inputs, output)
        return forest, forest.feature_importances_
    from sklearn.linear_model import LassoCV

    # latents without noise and nearly collinear take thousands of rounds; each costs next to nothing
    lasso = LassoCV(cv=5, max_iter=100_000)
    lasso.fit(inputs, output)
    return lasso, np.abs(lasso.coef_)


def _concentration(rows: Floats) -> Floats:
    """One minus the entropy of each row, shares taken, in units of the largest possible; 0 for a row of zeros.

    A single column is concentrated whatever it holds: 1, as there is nothing to be entangled with.
    """
    totals = rows.sum(axis=1, keepdims=True)
    shares = rows / np.where(totals > 0, totals, 1.0)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    most = np.log(rows.shape[1]) if rows.shape[1] > 1 else 1.0
    return np.where(totals[:, 0] > 0, 1.0 + (shares * logs).sum(axis=1) / most, 0.0)
