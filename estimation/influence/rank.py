"""The statistical core: do all directions of some responses depend on some features, or is one left unmoved?

Let B be p features of an action and R the k latents that the action targets, both with the other causes partialled out,
and M = E[B R^T] their cross-moments. The action leaves some direction w of the latents unmoved if M w = 0, so that M
has rank below k. The statistic is the smallest distance of M w from zero in units of its sampling noise,

    J = min over w of N (M w)^T V(w)^-1 (M w),    V(w) = Cov(B w^T E),

where E are the residuals of R given B: the test of overidentifying restrictions with continuous updating (Hansen,
Heaton and Yaron 1996), or a rank test (Cragg and Donald 1997; Kleibergen and Paap 2006). If one direction is unmoved,
J is asymptotically chi-squared with p - k + 1 degrees of freedom; if several are, J is smaller (Guggenberger,
Kleibergen, Mavroeidis and Chen 2012, for homoskedastic residuals). V(w) allows for residuals whose variance depends on
the features. With homoskedastic residuals, J is the smallest root of the canonical correlations (Bartlett 1947).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.stats import f, ncf

__all__ = ["LowerRank", "RankTest", "partial_out", "rank_test", "smallest_root"]

Array = NDArray[np.float64]

# features whose variance is below this share of the largest are functions of the others
_MIN_VARIANCE = 1e-9
_MAX_LEVERAGE = 0.9
# relative to much smaller effects, noise would decide whether effects are proportional
_MIN_SIZE = 0.1
# with a larger noncentrality the tail is approximated, by a fifth at most where it is one in a million
_MAX_NONCENTRALITY = 5_000.0


@dataclass(frozen=True)
class LowerRank:
    """The test of the hypothesis that no more than q directions are moved (Kleibergen and Paap 2006).

    Attributes:
        statistic: The statistic, asymptotically chi-squared if q directions are moved.
        degrees: Its degrees of freedom, (p - q) (k - q).
        scale: Length of the other directions, as `RankTest.scale`.
    """

    statistic: float
    degrees: int
    scale: float


@dataclass(frozen=True, eq=False)
class RankTest:
    """The result of a rank test of k responses.

    Attributes:
        statistic: J, or 0 if there are fewer features than responses.
        degrees: Degrees of freedom of J if one direction is unmoved: p - k + 1. Not positive if there are fewer
            independent features than responses, so that some direction is unmoved whatever the data are.
        n_rows: Number of rows, less the number of fitted parameters.
        direction: Weights of the direction that is moved least, shape (k,), scaled to residual variance 1.
        strengths: Root mean square of the effects on k uncorrelated directions, in residual standard deviations, in
            descending order.
        scale: The margin relative to which effects are proportional or not: the effect on the direction if that on
            every latent were as large as the largest one, in standard deviations of the latents. A faint effect may be
            the distorted image of a large one on another latent, so it isn't relative to itself.
        own_scale: The same with the effect on every latent itself, or a tenth of the largest one if it is smaller. It
            is at most ``scale``: what is small relative to it may be called proportional.
        lower_ranks: The tests that no more than 0, 1, ..., k - 2 directions are moved.
    """

    statistic: float
    degrees: int
    n_rows: int
    direction: Array
    strengths: Array
    scale: float
    own_scale: float
    lower_ranks: tuple[LowerRank, ...] = ()

    @property
    def p_value(self) -> float:
        """The p-value of the hypothesis that some direction is unmoved."""
        return self.p_value_beyond(0.0)

    def p_value_beyond(self, margin: float) -> float:
        """Return the p-value of the hypothesis that some direction is moved by no more than a margin.

        Args:
            margin: Root mean square of the effect on the direction, in its residual standard deviations.
        """
        if self.degrees <= 0:
            return 1.0
        return _tail(self.statistic, self.degrees, self.n_rows, self.n_rows * margin**2)

    def n_moved(self, level: float, tolerance: float = 0.0) -> int:
        """Return the number of directions that are moved, a lower bound at confidence 1 - level.

        Args:
            level: Level of the tests of 0, 1, ... directions, of which each is made only if the one before rejects.
            tolerance: Directions that are moved by less than this, relative to their scale, don't count.
        """
        for count, test in enumerate(self.lower_ranks):
            noncentrality = self.n_rows * (tolerance * test.scale) ** 2
            if _tail(test.statistic, test.degrees, self.n_rows, noncentrality) > level:
                return count
        return len(self.lower_ranks) + int(self.p_value_beyond(tolerance * self.scale) <= level)

    @property
    def margin(self) -> float:
        """The smallest effect in units of noise.

        It is the root mean square of the effect on the direction that is moved least, in residual standard deviations,
        corrected for the bias of sampling; 0 if noise alone explains it.
        """
        return math.sqrt(max(self.statistic - self.degrees, 0) / self.n_rows) if self.degrees > 0 else 0.0

    def interval(self, level: float) -> tuple[float, float]:
        """Return the confidence interval of the margin, by inverting the noncentral chi-squared distribution.

        Args:
            level: Probability that the margin is outside, half of it on each side.
        """
        if self.degrees <= 0:
            return 0.0, 0.0
        low, high = (
            _noncentrality(self.statistic, self.degrees, self.n_rows, tail)
            for tail in (level / 2, 1 - level / 2)
        )
        return math.sqrt(low / self.n_rows), math.sqrt(high / self.n_rows)


def _tail(statistic: float, degrees: int, n_rows: int, noncentrality: float) -> float:
    """Return the probability of a larger statistic: that of Hotelling's T-squared, as V(w) is estimated."""
    rest = max(n_rows - degrees + 1, 1)
    scaled = statistic * rest / (n_rows * degrees)
    if noncentrality == 0:
        return float(f.sf(scaled, degrees, rest))
    if noncentrality <= _MAX_NONCENTRALITY:
        return float(ncf.sf(scaled, degrees, rest, noncentrality))
    # the series need not converge; two moments of the numerator are enough here (Patnaik 1949, Biometrika 36)
    total = degrees + noncentrality
    return float(f.sf(scaled * degrees / total, total**2 / (total + noncentrality), rest))


def _noncentrality(statistic: float, degrees: int, n_rows: int, tail: float) -> float:
    """Return the noncentrality at which the statistic is exceeded with this probability; 0 if there is none."""
    if _tail(statistic, degrees, n_rows, 0.0) >= tail:
        return 0.0
    high = 4 * (statistic + 10 * math.sqrt(statistic + degrees) + 10)
    return float(brentq(lambda value: _tail(statistic, degrees, n_rows, value) - tail, 1e-12, high))


def partial_out(values: Array, covariates: Array) -> tuple[Array, int]:
    """Return the residuals of a linear regression with intercept, and the number of fitted parameters.

    Args:
        values: Shape (N, k).
        covariates: Shape (N, q); may be collinear.
    """
    centred = values - values.mean(0)
    if not covariates.shape[1]:
        return centred, 1
    white = _whiten(covariates - covariates.mean(0))
    residuals = centred - white @ (white.T @ centred / len(white))
    # functions of the covariates leave rounding errors
    residuals[:, (residuals**2).sum(0) < _MIN_VARIANCE * (centred**2).sum(0)] = 0
    return residuals, 1 + white.shape[1]


def rank_test(
    features: Array,
    responses: Array,
    n_parameters: int = 1,
    units: Array | None = None,
    floors: Array | float = 0.0,
) -> RankTest:
    """Test whether every direction of the responses depends on the features.

    Args:
        features: Shape (N, p), centred, with the other causes partialled out.
        responses: Shape (N, k), centred, with the other causes partialled out.
        n_parameters: Number of parameters that were fitted in partialling out.
        units: Standard deviations of the latents, before the other causes were partialled out, shape (k,); by default
            those of the responses.
        floors: Least sizes of the effects on the responses in `RankTest.scale`, shape (k,).

    Returns:
        The test, which doesn't change if features or responses are replaced by invertible linear combinations.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> a = rng.uniform(-1, 1, 2000)
        >>> features = np.column_stack([a, a**2 - 1 / 3])
        >>> moved = features + rng.normal(size=(2000, 2))
        >>> rank_test(features, moved).p_value < 0.01
        True
        >>> proportional = np.outer(a, [1, 2]) + rng.normal(size=(2000, 2))
        >>> rank_test(features, proportional).p_value < 0.01
        False
    """
    white = _whiten(features)
    k, p = responses.shape[1], white.shape[1]
    n_rows = max(len(responses) - n_parameters - p, 1)
    if not responses.any(0).all():
        return _constant(responses, p - k + 1, n_rows)
    effects = white.T @ responses / len(responses)
    residuals = responses - white @ effects
    root = _inverse_root(residuals.T @ residuals / n_rows)
    units = responses.std(0) if units is None else units
    own_sizes, sizes = (
        np.maximum(_effect_sizes(effects, units, min_size), floors) for min_size in (_MIN_SIZE, 1.0)
    )
    effects, residuals = effects @ root, residuals @ root
    _, singular_values, axes = np.linalg.svd(effects, full_matrices=True)
    strengths = np.zeros(k)
    strengths[: len(singular_values)] = singular_values
    # residuals are smaller than the noise where the features have leverage (HC3 of MacKinnon and White 1985)
    leverage = np.minimum((white**2).sum(1) / len(white), _MAX_LEVERAGE)
    noise = _noise_moments(white, residuals / (1 - leverage)[:, None], len(white) - n_parameters)
    lengths = np.linalg.norm(root @ axes.T * sizes[:, None], axis=0)
    lower_ranks = tuple(
        LowerRank(
            _kleibergen_paap(effects, noise, q, n_rows), (p - q) * (k - q), float(np.linalg.norm(lengths[q:]))
        )
        for q in range(min(p, k - 1))
    )
    statistic, weights = _minimum(effects, noise, axes[::-1], n_rows) if p >= k else (0.0, axes[-1])
    weights = root @ (weights / np.linalg.norm(weights))
    scale, own_scale = (float(np.linalg.norm(weights * each)) for each in (sizes, own_sizes))
    return RankTest(statistic, p - k + 1, n_rows, weights, strengths, scale, own_scale, lower_ranks)


def _constant(responses: Array, degrees: int, n_rows: int) -> RankTest:
    """Return the test of responses one of which does not vary, so that nothing moves it."""
    direction = np.zeros(responses.shape[1])
    direction[int(np.argmin(responses.any(0)))] = 1.0
    return RankTest(0.0, degrees, n_rows, direction, np.zeros(len(direction)), 1.0, 1.0)


def smallest_root(features: Array, responses: Array) -> float:
    """Return the smallest squared canonical correlation, in units of the residual: a fast, homoskedastic margin.

    Args:
        features: As in `rank_test`.
        responses: As in `rank_test`.
    """
    white = _whiten(features)
    effects = white.T @ responses / len(responses)
    if len(effects) < responses.shape[1]:
        return 0.0
    explained = effects.T @ effects
    root = _inverse_root(responses.T @ responses / len(responses) - explained)
    return float(np.linalg.eigvalsh(root.T @ explained @ root)[0])


def _whiten(values: Array) -> Array:
    """Return uncorrelated linear combinations with mean square 1; collinear ones are left out."""
    scale = np.sqrt((values**2).mean(0))
    values = values[:, scale > 0] / scale[scale > 0]
    eigenvalues, vectors = np.linalg.eigh(values.T @ values / max(len(values), 1))
    kept = eigenvalues > _MIN_VARIANCE * max(eigenvalues.max(initial=0), 1)
    return np.asarray(values @ (vectors[:, kept] / np.sqrt(eigenvalues[kept])))


def _inverse_root(covariance: Array) -> Array:
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(np.maximum(eigenvalues, np.finfo(float).tiny)))


def _effect_sizes(effects: Array, units: Array, min_size: float) -> Array:
    """Return the root mean square of the effect on each response, at least a share of the largest one."""
    units = np.where(units > 0, units, 1)
    sizes = np.linalg.norm(effects, axis=0) / units
    return np.asarray(np.maximum(sizes, min_size * sizes.max()) * units)


def _noise_moments(white: Array, residuals: Array, n_rows: int) -> Array:
    """Return E[B_a E_i B_b E_j], shape (k, k, p, p)."""
    (n, p), k = white.shape, residuals.shape[1]
    products = (residuals[:, :, None] * white[:, None, :]).reshape(n, k * p)
    moments = products.T @ products / n_rows
    return np.ascontiguousarray(moments.reshape(k, p, k, p).transpose(0, 2, 1, 3))


def _kleibergen_paap(effects: Array, noise: Array, rank: int, n_rows: int) -> float:
    """Return the statistic of the hypothesis that the effects have this rank."""
    left, values, right = np.linalg.svd(effects)
    left, right = left[:, rank:], right[rank:].T
    moment = np.zeros((left.shape[1], right.shape[1]))
    np.fill_diagonal(moment, values[rank:])
    covariance = np.einsum("iu,ap,ijab,bq,jv->puqv", right, left, noise, left, right, optimize=True)
    size = moment.size
    return n_rows * float(moment.ravel() @ np.linalg.solve(covariance.reshape(size, size), moment.ravel()))


def _minimum(effects: Array, noise: Array, starts: Array, n_rows: int) -> tuple[float, Array]:
    """Return the minimum of J over directions, and the direction."""

    def statistic(weights: Array) -> tuple[float, Array]:
        norm = np.linalg.norm(weights)
        unit = weights / norm
        moment = effects @ unit
        half = np.einsum("i,ijab->jab", unit, noise)
        solved = np.linalg.solve(np.einsum("j,jab->ab", unit, half), moment)
        gradient = 2 * effects.T @ solved - 2 * np.einsum("a,jab,b->j", solved, half, solved)
        gradient -= unit * (unit @ gradient)
        return n_rows * float(moment @ solved), n_rows * gradient / norm

    if len(starts) == 1:
        return statistic(starts[0])[0], starts[0]
    results = [minimize(statistic, start, jac=True, method="BFGS") for start in starts[:3]]
    best = min(results, key=lambda result: float(result.fun))
    return float(best.fun), np.asarray(best.x)
