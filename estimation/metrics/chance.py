"""Chance level of the scores: those of the true latents after a random rotation.

A method that identifies the latents only up to a rotation returns an arbitrary one. Its MCC is far from 0, since the
matching chooses the best of all pairs: 0.59 for ten uncorrelated latents. A score near or below this baseline carries
no evidence of identification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import DataError
from estimation.metrics.inputs import as_samples, require_seed
from estimation.metrics.matching import mean_correlation
from estimation.metrics.regression import multiple_correlation

__all__ = ["Chance", "chance_level"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chance:
    """Scores of the random rotation baseline.

    Attributes:
        mcc: MCC of every rotation, shape (draws,), 0 to 1.
        r_con: R_con of every rotation, shape (draws,); None without ``allowed``.
    """

    mcc: Floats
    r_con: Floats | None

    def __str__(self) -> str:
        """Return mean and standard deviation of each score."""
        scores = {"MCC": self.mcc, "R_con": self.r_con}
        return ", ".join(
            f"{name} {score.mean():.3f} (sd {score.std():.3f})"
            for name, score in scores.items()
            if score is not None
        )


@default_errors
def chance_level(z: ArrayLike, allowed: Any = None, draws: int = 100, seed: int = 0) -> Chance:
    """Score the random rotation baseline: the true latents, whitened and randomly rotated.

    The rotated latents are Q S z, where S is the inverse square root of the covariance of z and Q is uniform over all
    rotations and reflections (Haar measure, ``scipy.stats.ortho_group``). Their R is 1. MCC and R_con, as computed by
    `mean_correlation` and `multiple_correlation`, depend only on the covariance, so the number of rows costs nothing.

    Args:
        z: True latents, shape (N, n) or (N, T, n); all time steps count as rows.
        allowed: Predicted entanglement, for R_con; see `multiple_correlation`.
        draws: Number of random rotations.
        seed: Seed of the rotations.

    Returns:
        Scores of every rotation.

    Raises:
        DataError: If ``z`` or ``allowed`` is invalid (see `multiple_correlation`), if ``draws`` is not a whole number
            of 1 or more, or if ``seed`` is not a whole number of 0 or more.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(1000, 10))
        >>> print(chance_level(z, allowed=np.eye(10)))
        MCC 0.588 (sd 0.031), R_con 0.588 (sd 0.031)
    """
    from scipy.stats import ortho_group

    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise DataError(f"draws is {draws!r}; it must be a whole number, 1 or more")
    require_seed(seed)
    true, _ = as_samples(z, z)
    representative, white = _rows_with_equal_covariance(true.reshape(-1, true.shape[-1]))
    generator = np.random.default_rng(seed)
    mcc, r_con = [], []
    for _ in range(draws):
        rotated = white
        # scipy has no orthogonal group of dimension 1
        if white.shape[1] > 1:
            rotated = white @ ortho_group.rvs(white.shape[1], random_state=generator)
        correlation = mean_correlation(representative, rotated)
        mcc.append(correlation.score)
        if allowed is not None:
            regression = multiple_correlation(representative, rotated, allowed, correlation.permutation)
            r_con.append(regression.score)
    return Chance(np.array(mcc), np.array(r_con) if allowed is not None else None)


def _rows_with_equal_covariance(z: Floats) -> tuple[Floats, Floats]:
    """Return 2 n rows with the covariance of z up to a factor, which determines the scores; and the same, whitened."""
    variances, directions = np.linalg.eigh(np.cov(z, rowvar=False).reshape(z.shape[1], -1))
    square_root = directions * np.sqrt(np.maximum(variances, 0)) @ directions.T
    identity = np.eye(len(square_root))
    return np.vstack([square_root, -square_root]), np.vstack([identity, -identity])
