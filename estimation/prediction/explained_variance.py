"""How much of the observations' variance few latents explain: the curve that principal components have, for a decoder.

With a set of latents known, the others are predicted linearly from them, and all are decoded. Latents are ordered
greedily: each next one is that which explains most together with those before it. (Ours. For a linear decoder and
latents without correlation these are the shares of the variance that the latents explain.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExplainedVariance", "explained_variance"]

Array = NDArray[np.float64]

# ridge of the linear predictions, relative to the variance of a latent
_RIDGE = 1e-6


@dataclass(frozen=True, eq=False)
class ExplainedVariance:
    """Shares of the variance of standardised observations that latents explain, in a greedy order.

    Attributes:
        order: Positions of the latents in that order, shape (n,).
        ratio: How much the explained share of the variance grows with each of them, shape (n,). The sum is the share
            that all latents explain.
    """

    order: NDArray[np.intp]
    ratio: Array

    @property
    def cumulative(self) -> Array:
        """The share that the first k latents of the order explain together, for k = 1 to n, shape (n,)."""
        total: Array = np.cumsum(self.ratio)
        return total


def explained_variance(
    latents: Array, observations: Array, decode: Callable[[Array], Array]
) -> ExplainedVariance:
    """Return the shares of the variance that latents explain.

    Args:
        latents: Latents of some rows, shape (N, n).
        observations: Standardised observations of the rows, shape (N, d_x); NaN entries are missing.
        decode: Function from latents (N, n) to standardised observations (N, d_x).

    Example:
        >>> z = np.random.default_rng(0).normal(size=(2000, 3))
        >>> weights = np.array([[1.0, 0, 0], [0, 3.0, 0]])
        >>> result = explained_variance(z, z @ weights.T, lambda z: z @ weights.T)
        >>> result.order.tolist(), result.ratio.round(1).tolist()
        ([1, 0, 2], [0.9, 0.1, 0.0])
    """
    known = ~np.isnan(observations)
    centred = latents - latents.mean(0)
    covariance = centred.T @ centred / len(latents)
    ridge = _RIDGE * np.diag(covariance).max() * np.eye(len(covariance))
    total = np.where(known, observations - np.nanmean(observations, axis=0), 0)
    variance = float((total**2).sum())

    def share(chosen: list[int]) -> float:
        inverse = np.linalg.pinv((covariance + ridge)[np.ix_(chosen, chosen)], hermitian=True)
        predicted = covariance[:, chosen] @ inverse
        completed = latents.mean(0) + centred[:, chosen] @ predicted.T
        completed[:, chosen] = latents[:, chosen]
        error = np.where(known, decode(completed) - observations, 0)
        return 1 - float((error**2).sum()) / variance if variance else 0.0

    order: list[int] = []
    shares = [0.0]
    while len(order) < latents.shape[1]:
        candidates = [k for k in range(latents.shape[1]) if k not in order]
        values = [share([*order, k]) for k in candidates]
        best = int(np.argmax(values))
        order.append(candidates[best])
        shares.append(values[best])
    return ExplainedVariance(np.array(order, dtype=np.intp), np.diff(shares))
