"""How well a basis explains the latents when only so many effects are kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from estimation.unmixing.moments import standard_deviations

__all__ = ["edges_at_elbow", "edges_at_penalty", "likelihood_curve", "negative_log_likelihood"]

Array = NDArray[np.float64]


def negative_log_likelihood(
    matrix: Array,
    sizes: tuple[Array | None, Array | None],
    residual: Array,
    edges: Mapping[str, int],
) -> float:
    """The negative log-likelihood of Gaussian noises of the latents matrix @ z, up to a constant.

    What a mechanism loses with an effect is added to what it leaves over.

    Args:
        matrix: shape (n, n), invertible.
        sizes: root mean square effects of actions, shape (n, m), and of the past, (n, n), on these latents, or None.
        residual: the covariance of what all effects leave over of z, shape (n, n).
        edges: how many effects of ``"actions"`` and of the ``"past"`` are kept, the strongest; all of one
            that is not named.

    Example:
        >>> effects = np.array([[1.0, 0.1], [0.1, 1.0]])
        >>> lost = [negative_log_likelihood(np.eye(2), (effects, None), np.eye(2), {"actions": k}) for k in (4, 2, 1)]
        >>> np.round(lost, 3).tolist()
        [0.0, 0.01, 0.354]
    """
    left = standard_deviations(matrix, residual)
    lost = np.zeros_like(left)
    actions, past = sizes
    for name, effects in (("actions", actions), ("past", past)):
        if effects is not None and name in edges:
            # as edges are picked: see `unmix`
            ranked = effects if past is not None else effects / left[:, None]
            weakest = ranked.ravel().argsort()[: max(effects.size - edges[name], 0)]
            gone = np.zeros(effects.size)
            gone[weakest] = effects.ravel()[weakest] ** 2
            lost += gone.reshape(effects.shape).sum(1)
    return float(0.5 * np.log(left**2 + lost).sum() - np.linalg.slogdet(matrix)[1])


def likelihood_curve(sizes: Array, left: Array, strengths: Array) -> Array:
    """The misfit when the strongest 0, 1, 2, ... effects of one kind are kept, and all of the other kind.

    Args:
        sizes: root mean square effects, shape (n, parents).
        left: what all effects leave over of each latent, standard deviations, shape (n,).
        strengths: what ranks them, shape (n, parents).

    Returns:
        shape (n * parents + 1,), never rising.
    """
    order = strengths.ravel().argsort(kind="stable")
    children = order // sizes.shape[1]
    lost = np.zeros((len(order) + 1, len(left)))
    lost[np.arange(1, len(order) + 1), children] = sizes.ravel()[order] ** 2
    found = 0.5 * np.log(left**2 + lost.cumsum(axis=0)).sum(axis=1)
    return np.asarray(found[::-1])


def edges_at_elbow(misfits: Array) -> int:
    """How many effects the data ask for: where the misfit is farthest below the line between none and all.

    Example:
        >>> edges_at_elbow(np.array([0.0, -2.0, -4.0, -4.1, -4.2, -4.3]))
        2
    """
    gain = misfits[0] - misfits
    if gain[-1] <= 0:
        return 0
    return int((gain / gain[-1] - np.linspace(0, 1, len(gain))).argmax())


def edges_at_penalty(misfits: Array, price: float) -> int:
    """How many effects are worth a price each: where the misfit with the price of all that are kept is least.

    Example:
        >>> [edges_at_penalty(np.array([0.0, -2.0, -4.0, -4.1, -4.2]), price) for price in (0.0, 0.05, 1.0, 3.0)]
        [4, 4, 2, 0]
    """
    return int((misfits + price * np.arange(len(misfits))).argmin())
