"""Strengths from a regression of the true latents on the learned ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.learned.points import Points, standard_deviations

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["from_regression"]

Array = NDArray[np.float64]

_MIN_POINTS = 40
_N_PERMUTATIONS = 3


def from_regression(model: TrainedModel, points: Points, seed: int) -> Array:
    """Measure strengths by permutation importance, shape (n, n_learned).

    The strength is the square root of half the rise in mean squared error when z_hat_j is permuted, as a share of the
    variance of z_i. For a linear v and permuted values independent of the others, the mean squared error rises by twice
    the variance of the term of z_hat_j; hence the half, and hence the same scale as for derivatives. The rise is
    measured on rows that the regression was not fitted on, so that an irrelevant latent has none on average.

    Args:
        model: Trained model.
        points: Points with true latents.
        seed: Seed of regressions and permutations.

    Raises:
        DataError: If there are too few points for a regression.
    """
    assert points.latents is not None
    z = points.latents.astype(np.float64)
    z_hat = model.encode(points.observations, points.covariates_of(model)).astype(np.float64)
    if len(z) < _MIN_POINTS:
        raise DataError(f"{len(z)} points are too few for a regression; give {_MIN_POINTS} or more")
    scale = standard_deviations(z_hat)
    z_hat = np.divide(z_hat - z_hat.mean(0), scale, out=np.zeros_like(z_hat), where=scale > 0)
    half = len(z) // 2
    generator = np.random.default_rng([seed, 1])
    permutations = [generator.permutation(len(z) - half) for _ in range(_N_PERMUTATIONS)]
    rises = np.zeros((z.shape[1], z_hat.shape[1]))
    # one thread: with a few hundred rows several are no faster, and since the threads of the trees wait for each other
    # by spinning, they take minutes for a second's work on a machine whose cores are busy
    with _thread_pools().limit(limits=1, user_api="openmp"):
        for i in np.flatnonzero(standard_deviations(z) > 0):
            target = (z[:, i] - z[:, i].mean()) / z[:, i].std()
            predict = _fitted_regression(z_hat[:half], target[:half], seed)
            rises[i] = _permutation_importance(predict, z_hat[half:], target[half:], permutations)
    return np.sqrt(rises / 2)


def _fitted_regression(inputs: Array, target: Array, seed: int) -> Callable[[Array], Array]:
    """Fit a linear regression, and gradient boosting to its residual."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression

    linear = LinearRegression().fit(inputs, target)
    trees = HistGradientBoostingRegressor(early_stopping=False, random_state=seed)
    trees.fit(inputs, target - linear.predict(inputs))
    return lambda rows: np.asarray(linear.predict(rows) + trees.predict(rows))


@functools.cache
def _thread_pools() -> Any:
    """Return the controller of the libraries' thread pools.

    It is cached, since the search for libraries is slow and blocks other threads that load one.
    """
    # load the libraries whose pools are to be found
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _permutation_importance(
    predict: Callable[[Array], Array], inputs: Array, target: Array, permutations: list[NDArray[np.int64]]
) -> Array:
    """Return the rise in mean squared error when each input is permuted; 0 where the error falls."""
    baseline = np.mean((predict(inputs) - target) ** 2)
    rises = np.zeros(inputs.shape[1])
    for j in range(inputs.shape[1]):
        permuted = inputs.copy()
        for permutation in permutations:
            permuted[:, j] = inputs[permutation, j]
            rises[j] += np.mean((predict(permuted) - target) ** 2) - baseline
    return np.maximum(rises / len(permutations), 0.0)
