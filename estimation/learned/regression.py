"""Strengths from a regression of the true latents on the learned ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import DataError
from estimation.learned.points import Points, spread

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["from_regression"]

Array = NDArray[np.float64]

_LEAST_POINTS = 40
_REPEATS = 3


def from_regression(model: TrainedModel, points: Points, seed: int) -> Array:
    """The square root of half of what permuting z_hat_j costs, as a share of the variance of z_i.

    For v linear and permuted values independent of the others, the mean squared error rises by twice the variance of
    the term of z_hat_j: hence the half, and hence the same scale as that of derivatives. It is measured on rows that
    the regression has not seen, so that a latent that adds nothing costs nothing on average.
    """
    assert points.latents is not None
    z = points.latents.astype(np.float64)
    z_hat = model.encode(points.observations).astype(np.float64)
    if len(z) < _LEAST_POINTS:
        raise DataError(f"{len(z)} points are too few for a regression; give {_LEAST_POINTS} or more")
    unit = spread(z_hat)
    z_hat = np.divide(z_hat - z_hat.mean(0), unit, out=np.zeros_like(z_hat), where=unit > 0)
    half = len(z) // 2
    generator = np.random.default_rng([seed, 1])
    orders = [generator.permutation(len(z) - half) for _ in range(_REPEATS)]
    strengths = np.zeros((z.shape[1], z_hat.shape[1]))
    # the trees' threads wait for each other by spinning: with a few hundred rows they are no faster than one, and
    # where other work has the cores they take minutes for what one does in a second
    with _pools().limit(limits=1, user_api="openmp"):
        for i in np.flatnonzero(spread(z) > 0):
            target = (z[:, i] - z[:, i].mean()) / z[:, i].std()
            predict = _fitted(z_hat[:half], target[:half], seed)
            strengths[i] = _cost_of_losing(predict, z_hat[half:], target[half:], orders)
    return np.sqrt(strengths / 2)


def _fitted(inputs: Array, target: Array, seed: int) -> Callable[[Array], Array]:
    """A linear regression, and gradient boosting on what it leaves."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression

    linear = LinearRegression().fit(inputs, target)
    trees = HistGradientBoostingRegressor(early_stopping=False, random_state=seed)
    trees.fit(inputs, target - linear.predict(inputs))
    return lambda rows: np.asarray(linear.predict(rows) + trees.predict(rows))


@functools.cache
def _pools() -> Any:
    """The libraries whose threads are limited: looked for once, as it takes long and stops others that load one."""
    # loads what is to be found
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _cost_of_losing(
    predict: Callable[[Array], Array], inputs: Array, target: Array, orders: list[NDArray[np.int64]]
) -> Array:
    """How much the mean squared error rises when one input is permuted, for every input; 0 where it falls."""
    base = np.mean((predict(inputs) - target) ** 2)
    costs = np.zeros(inputs.shape[1])
    for j in range(inputs.shape[1]):
        changed = inputs.copy()
        for order in orders:
            changed[:, j] = inputs[order, j]
            costs[j] += np.mean((predict(changed) - target) ** 2) - base
    return np.maximum(costs / len(orders), 0.0)
