"""The distribution of the latents over the training data: a Gaussian copula.

Latents are rarely Gaussian: an action that moves one along a sine leaves it near both ends. Every coordinate u_i of the
input space of the decoder is a monotone function of a standard normal w_i, given by the quantiles of the encodings, and
w is Gaussian with the correlations of the normal scores (a nonparanormal distribution; Liu, Lafferty, Wasserman 2009,
JMLR 10, "The nonparanormal"). So u is a map of a Gaussian, with a diagonal Jacobian.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from estimation.exceptions import DataError
from estimation.storage.schema import Fields, Many, Real

__all__ = ["LATENT_MARGINALS", "LatentMarginals"]

Array = NDArray[np.float64]

#: The schema of stored distributions.
LATENT_MARGINALS = Fields({"quantiles": Many(Many(Real())), "correlations": Many(Many(Real()))}, closed=True)

# normal scores of the stored quantiles; the map continues as a line outside of them
_SCORES = np.linspace(-3, 3, 33)
# smallest slope of a map, relative to the range of its quantiles: a collapsed or discrete latent has none
_MIN_SLOPE, _MIN_SPREAD = 1e-4, 1e-6
# shrinkage of the correlations towards 0, so that their matrix can be inverted
_SHRINKAGE = 1e-4


@dataclass(frozen=True, eq=False)
class LatentMarginals:
    """The distribution of encodings.

    Attributes:
        quantiles: Quantiles of every coordinate at normal scores from -3 to 3, shape (n, 33).
        correlations: Correlations of the normal scores, shape (n, n).
    """

    quantiles: Array
    correlations: Array

    @classmethod
    def of(cls, encodings: NDArray[Any]) -> LatentMarginals:
        """Return the distribution of encodings, shape (rows, n).

        Example:
            >>> rows = np.random.default_rng(0).uniform(size=(5000, 2))
            >>> marginals = LatentMarginals.of(rows)
            >>> values, slopes = marginals.values(np.zeros((1, 2)))
            >>> values.round(1).tolist(), slopes.round(1).tolist()
            ([[0.5, 0.5]], [[0.4, 0.4]])
        """
        rows = encodings.astype(np.float64)
        quantiles = np.quantile(rows, ndtr(_SCORES), axis=0).T
        spread = np.ptp(quantiles, axis=1, keepdims=True)
        # a difference that double precision can tell
        floor = _MIN_SPREAD * np.maximum(np.abs(quantiles).max(1, keepdims=True), 1)
        rise = _MIN_SLOPE * np.maximum(spread, floor) * (_SCORES - _SCORES[0])
        scores = ndtri((rankdata(rows, axis=0) - 0.5) / len(rows))
        scale = np.sqrt((scores**2).mean(0))
        correlations = (scores.T @ scores) / len(rows) / np.outer(scale, scale).clip(1e-12)
        correlations = (1 - _SHRINKAGE) * (correlations + correlations.T) / 2
        np.fill_diagonal(correlations, 1.0)
        return cls(quantiles + rise, correlations)

    def values(self, scores: Array) -> tuple[Array, Array]:
        """Map normal scores (..., n) to coordinates.

        Returns:
            Coordinates, and the slopes of the map, both of shape (..., n).
        """
        inside = scores.clip(_SCORES[0], _SCORES[-1])
        result, slopes = np.empty_like(scores), np.empty_like(scores)
        for i, curve in enumerate(self._curves):
            result[..., i], slopes[..., i] = curve(inside[..., i]), curve(inside[..., i], 1)
        return result + (scores - inside) * slopes, slopes

    def scores(self, coordinates: Array) -> Array:
        """Return approximate normal scores of coordinates (..., n), by linear interpolation, within the quantiles."""
        result = np.empty_like(coordinates)
        for i, row in enumerate(self.quantiles):
            result[..., i] = np.interp(coordinates[..., i], row, _SCORES)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {"quantiles": self.quantiles.tolist(), "correlations": self.correlations.tolist()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], n_latents: int) -> LatentMarginals:
        """Return the distribution that `to_dict` wrote, of content with the schema ``LATENT_MARGINALS``.

        Raises:
            DataError: If the content doesn't fit a model with so many latents.
        """
        sizes = {"quantiles": len(_SCORES), "correlations": n_latents}
        for name, width in sizes.items():
            if len(content[name]) != n_latents or any(len(row) != width for row in content[name]):
                raise DataError(f"latent_marginals.{name} doesn't have {n_latents} rows of {width} numbers")
        quantiles, correlations = (np.array(content[name], dtype=float) for name in sizes)
        if not (np.diff(quantiles, axis=1) > 0).all():
            raise DataError("latent_marginals.quantiles has a row that doesn't ascend")
        symmetric = np.array_equal(correlations, correlations.T)
        if not symmetric or np.linalg.eigvalsh(correlations)[0] <= 0:
            raise DataError("latent_marginals.correlations is not a positive definite matrix")
        return cls(quantiles, correlations)

    @cached_property
    def _curves(self) -> list[PchipInterpolator]:
        return [PchipInterpolator(_SCORES, row) for row in self.quantiles]
