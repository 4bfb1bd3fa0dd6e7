"""The likelihood of the latents in a given basis, as a function of the edges that are kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from estimation.unmixing.moments import standard_deviations

__all__ = ["TOGETHER", "edges_at_elbow", "edges_at_penalty", "likelihood_curve", "negative_log_likelihood"]

Array = NDArray[np.float64]

#: Instead of a kind of edges: those of all kinds, of which the strongest are kept whatever their kind is.
TOGETHER = "together"


def negative_log_likelihood(
    matrix: Array,
    sizes: tuple[Array | None, Array | None],
    residual: Array,
    n_edges: Mapping[str, int],
) -> float:
    """Return the Gaussian negative log-likelihood of the latents matrix @ z with few edges, up to a constant.

    Removing an edge adds the mean square of its effect to the residual variance of the child.

    Args:
        matrix: Basis M, an invertible matrix of shape (n, n).
        sizes: Root mean square effects of actions, shape (n, m), and of the past, shape (n, n), on the latents of this
            basis, or None.
        residual: Covariance of the residual of z with all edges, shape (n, n).
        n_edges: Number of edges to keep by kind, ``"actions"`` or ``"past"``. The strongest are kept, and all edges of
            a kind that is not given. Or the number of both, ``"together"``: bases with different shares of actions and
            past can be compared by nothing else.

    Example:
        >>> sizes = np.array([[1.0, 0.1], [0.1, 1.0]]), None
        >>> [
        ...     round(negative_log_likelihood(np.eye(2), sizes, np.eye(2), {"actions": n_edges}), 3)
        ...     for n_edges in (4, 2, 1)
        ... ]
        [0.0, 0.01, 0.354]
    """
    residual_scale = standard_deviations(matrix, residual)
    removed_variance = np.zeros_like(residual_scale)
    actions, past = sizes
    kinds = {"actions": actions, "past": past}
    if TOGETHER in n_edges:
        kinds = {TOGETHER: np.concatenate([each for each in sizes if each is not None], axis=1)}
    for kind, effects in kinds.items():
        if effects is not None and kind in n_edges:
            # the same order as that in which `unmix` ranks edges
            strengths = effects if past is not None else effects / residual_scale[:, None]
            weakest = strengths.ravel().argsort()[: max(effects.size - n_edges[kind], 0)]
            removed = np.zeros(effects.size)
            removed[weakest] = effects.ravel()[weakest] ** 2
            removed_variance += removed.reshape(effects.shape).sum(1)
    return float(0.5 * np.log(residual_scale**2 + removed_variance).sum() - np.linalg.slogdet(matrix)[1])


def likelihood_curve(sizes: Array, residual_scale: Array, strengths: Array) -> Array:
    """Return the negative log-likelihood with 0, 1, 2, ... edges of one kind, and all edges of the other kind.

    Args:
        sizes: Root mean square effects of one kind, shape (n, parents).
        residual_scale: Standard deviation of each latent's residual with all edges, shape (n,).
        strengths: Strengths that rank the edges, shape (n, parents).

    Returns:
        A nonincreasing curve, shape (n * parents + 1,).
    """
    order = strengths.ravel().argsort(kind="stable")
    children = order // sizes.shape[1]
    removed_variance = np.zeros((len(order) + 1, len(residual_scale)))
    removed_variance[np.arange(1, len(order) + 1), children] = sizes.ravel()[order] ** 2
    curve = 0.5 * np.log(residual_scale**2 + removed_variance.cumsum(axis=0)).sum(axis=1)
    return np.asarray(curve[::-1])


def edges_at_elbow(curve: Array) -> int:
    """Return the number of edges at the elbow of a likelihood curve.

    The elbow is where the curve is farthest below the straight line between its ends.

    Args:
        curve: Negative log-likelihood with 0, 1, 2, ... edges, as `likelihood_curve` returns it.

    Example:
        >>> edges_at_elbow(np.array([0.0, -2.0, -4.0, -4.1, -4.2, -4.3]))
        2
    """
    gain = curve[0] - curve
    if gain[-1] <= 0:
        return 0
    return int((gain / gain[-1] - np.linspace(0, 1, len(gain))).argmax())


def edges_at_penalty(curve: Array, penalty: float) -> int:
    """Return the number of edges that minimises the negative log-likelihood plus a penalty per edge.

    Args:
        curve: Negative log-likelihood with 0, 1, 2, ... edges, as `likelihood_curve` returns it.
        penalty: Penalty per edge, in nats.

    Example:
        >>> curve = np.array([0.0, -2.0, -4.0, -4.1, -4.2])
        >>> [edges_at_penalty(curve, penalty) for penalty in (0.0, 0.05, 1.0, 3.0)]
        [4, 4, 2, 0]
    """
    return int((curve + penalty * np.arange(len(curve))).argmin())
