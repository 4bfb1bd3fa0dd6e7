"""What latents turned at random would score: below or near that, a score says nothing.

A method that finds the latents up to a rotation, and no better, leaves which rotation to luck. Matching picks the best
of all pairs, so that MCC is far from 0 then: 0.59 for ten uncorrelated latents.
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
    """Scores of latents that are the true ones, whitened and turned at random.

    Attributes:
        mcc: shape (draws,), one for every rotation drawn; 0 to 1.
        r_con: shape (draws,); None where nothing was said to be allowed.
    """

    mcc: Floats
    r_con: Floats | None

    def __str__(self) -> str:
        """Mean and standard deviation of what is there."""
        scores = {"MCC": self.mcc, "R_con": self.r_con}
        return ", ".join(
            f"{name} {score.mean():.3f} (sd {score.std():.3f})"
            for name, score in scores.items()
            if score is not None
        )


@default_errors
def chance_level(z: ArrayLike, allowed: Any = None, draws: int = 100, seed: int = 0) -> Chance:
    """What the scores of these true latents are when learned latents hold all of them, but turned at random.

    The learned latents are Q S z with S the inverse square root of the covariance and Q uniform over all rotations and
    reflections (Haar measure, ``scipy.stats.ortho_group``). R is 1 for all of them. MCC and R_con, as
    `mean_correlation` and `multiple_correlation` have them, depend on the covariance alone, so that rows cost nothing.

    Args:
        z: true latents, shape (N, n) or (N, T, n); all steps count as rows.
        allowed: as for `multiple_correlation`: the predicted entanglement, for R_con.
        draws: how many Q.
        seed: of the Q.

    Raises:
        DataError: ``z`` or ``allowed`` is not as `multiple_correlation` needs it, ``draws`` is not a whole number
            from 1, or ``seed`` not one from 0.

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
    few, white = _with_the_same_moments(true.reshape(-1, true.shape[-1]))
    generator = np.random.default_rng(seed)
    mcc, r_con = [], []
    for _ in range(draws):
        # scipy has no rotations of a line
        turned = (
            white @ ortho_group.rvs(white.shape[1], random_state=generator) if white.shape[1] > 1 else white
        )
        found = mean_correlation(few, turned)
        mcc.append(found.score)
        if allowed is not None:
            r_con.append(multiple_correlation(few, turned, allowed, found.permutation).score)
    return Chance(np.array(mcc), np.array(r_con) if allowed is not None else None)


def _with_the_same_moments(z: Floats) -> tuple[Floats, Floats]:
    """A few rows with the covariance of z, which is all that the scores ask for, and the same rows whitened."""
    scale, directions = np.linalg.eigh(np.cov(z, rowvar=False).reshape(z.shape[1], -1))
    half = directions * np.sqrt(np.maximum(scale, 0)) @ directions.T
    return np.vstack([half, -half]), np.vstack([np.eye(len(half)), -np.eye(len(half))])
