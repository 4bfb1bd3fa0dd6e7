"""FastICA, without what scikit-learn's shares between threads: a search that stops early warns, and to silence that
warning is to change the filters of the whole process.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["fast_ica"]

Array = NDArray[np.float64]

# variances below count as this; the components of what is degenerate are nobody's
_TINY = 10 * float(np.finfo(np.float64).eps)


def fast_ica(rows: Array, seed: int, rounds: int, tolerance: float) -> Array:
    """The linear map to the components of most negentropy, each of unit variance and uncorrelated with the others.

    Hyvarinen and Oja, Neural Networks 13, 2000: the symmetric algorithm with the logarithm of cosh, on white data.

    Args:
        rows: shape (N, n), more rows than columns.
        seed: of the map that the search starts from.
        rounds: at most so many; a map that could be a little better is returned all the same.
        tolerance: the search ends when no component turns by more (one minus the cosine).

    Returns:
        shape (n, n); components are rows @ result.T.

    Example:
        >>> true = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
        >>> found = true @ [[1.0, 0.5], [0.5, 1.0]] @ fast_ica(true @ [[1.0, 0.5], [0.5, 1.0]], 0, 100, 1e-4).T
        >>> bool((np.abs(np.corrcoef(true.T, found.T)[:2, 2:]).max(0) > 0.99).all())
        True
    """
    centred = (rows - rows.T.mean(axis=-1)).T
    n_rows = len(rows)
    # that of uncentred rows is the same where the other factor is centred
    whitening = _whitening(centred.dot(rows))
    white = np.dot(whitening, centred) * np.sqrt(n_rows)
    size = len(whitening)
    rotation = _orthogonal(np.random.RandomState(seed % 2**32).normal(size=(size, size)))
    for _ in range(rounds):
        bent = np.tanh(np.dot(rotation, white))
        slopes = (1 - bent**2).mean(axis=-1)
        following = _orthogonal(np.dot(bent, white.T) / n_rows - slopes[:, np.newaxis] * rotation)
        change = np.abs(np.abs(np.einsum("ij,ij->i", following, rotation)) - 1).max()
        rotation = following
        if change < tolerance:
            break
    components: Array = np.linalg.multi_dot([rotation, whitening, centred]).T
    deviations = components.std(axis=0, keepdims=True)
    return np.asarray(np.dot(rotation / deviations.T, whitening))


def _whitening(covariance: Array) -> Array:
    variances, directions = linalg.eigh(covariance)
    order = np.argsort(variances)[::-1]
    scales = np.sqrt(np.maximum(variances, _TINY))[order]
    directions = directions[:, order]
    return np.asarray((directions * np.sign(directions[0]) / scales).T)


def _orthogonal(matrix: Array) -> Array:
    """The orthogonal matrix nearest to one."""
    variances, directions = linalg.eigh(np.dot(matrix, matrix.T))
    scales = np.sqrt(np.clip(variances, np.finfo(np.float64).tiny, None))
    return np.asarray(np.linalg.multi_dot([directions * (1.0 / scales), directions.T, matrix]))
