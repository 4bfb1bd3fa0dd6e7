"""FastICA, safe to run in several threads.

scikit-learn's FastICA warns when it stops early, and silencing that warning changes the filters of the whole process.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["fast_ica"]

Array = NDArray[np.float64]

# smaller variances are raised to this one; the components of a degenerate distribution are arbitrary
_MIN_VARIANCE = 10 * float(np.finfo(np.float64).eps)


def fast_ica(rows: Array, seed: int, max_iterations: int, tolerance: float) -> Array:
    """Compute the linear map to uncorrelated components of unit variance with the largest negentropy.

    Hyvarinen and Oja, Neural Networks 13, 2000: the symmetric algorithm with the logarithm of cosh, on white data.

    Args:
        rows: Data, shape (N, n), with more rows than columns.
        seed: Seed of the initial map.
        max_iterations: Largest number of iterations; the map is returned whether or not the search has converged.
        tolerance: The search ends when no component rotates by more than this (one minus the cosine).

    Returns:
        The map, shape (n, n); the components are rows @ result.T.

    Example:
        >>> true = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
        >>> mixed = true @ [[1.0, 0.5], [0.5, 1.0]]
        >>> components = mixed @ fast_ica(mixed, 0, 100, 1e-4).T
        >>> bool((np.abs(np.corrcoef(true.T, components.T)[:2, 2:]).max(0) > 0.99).all())
        True
    """
    centred = (rows - rows.T.mean(axis=-1)).T
    n_rows = len(rows)
    # one centred factor suffices for the covariance
    whitening = _whitening(centred.dot(rows))
    white = np.dot(whitening, centred) * np.sqrt(n_rows)
    size = len(whitening)
    rotation = _orthogonal(np.random.RandomState(seed % 2**32).normal(size=(size, size)))
    for _ in range(max_iterations):
        scores = np.tanh(np.dot(rotation, white))
        slopes = (1 - scores**2).mean(axis=-1)
        updated = _orthogonal(np.dot(scores, white.T) / n_rows - slopes[:, np.newaxis] * rotation)
        change = np.abs(np.abs(np.einsum("ij,ij->i", updated, rotation)) - 1).max()
        rotation = updated
        if change < tolerance:
            break
    components: Array = np.linalg.multi_dot([rotation, whitening, centred]).T
    deviations = components.std(axis=0, keepdims=True)
    return np.asarray(np.dot(rotation / deviations.T, whitening))


def _whitening(covariance: Array) -> Array:
    variances, directions = linalg.eigh(covariance)
    order = np.argsort(variances)[::-1]
    scales = np.sqrt(np.maximum(variances, _MIN_VARIANCE))[order]
    directions = directions[:, order]
    return np.asarray((directions * np.sign(directions[0]) / scales).T)


def _orthogonal(matrix: Array) -> Array:
    """Return the orthogonal matrix nearest to a matrix."""
    variances, directions = linalg.eigh(np.dot(matrix, matrix.T))
    scales = np.sqrt(np.clip(variances, np.finfo(np.float64).tiny, None))
    return np.asarray(np.linalg.multi_dot([directions * (1.0 / scales), directions.T, matrix]))
