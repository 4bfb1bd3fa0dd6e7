"""How well a basis explains the latents when only so many effects are kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from estimation.unmixing.moments import deviations

__all__ = ["misfit"]

Array = NDArray[np.float64]


def misfit(
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
        >>> lost = [misfit(np.eye(2), (effects, None), np.eye(2), {"actions": k}) for k in (4, 2, 1)]
        >>> np.round(lost, 3).tolist()
        [0.0, 0.01, 0.352]
    """
    left = deviations(matrix, residual)
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
