"""Effects beyond the mean: a test that lets each latent be moved in its mean, its variance or its shape.

Sufficient influence concerns h_i(z_i, c) = d/da_l d/dz_i log q(z_i | c) as functions of the causes c. Child i offers
the space S_i that they span as z_i varies. A determinant is multilinear in its columns, so influence holds if and only
if one function can be chosen from each S_i such that all are independent, that is, if the spaces of any r children span
r dimensions or more (Rado's theorem). For normal distributions, S_i is spanned by the
effect on the mean if the variance is constant, by the effect on 1 / variance if the mean is constant, and otherwise by
two functions, for which these two effects stand. Skewness and kurtosis are added to first order. (Ours,
docs/influence_test.md.)

So the test chooses one parameter for each child on one half of the rows, and tests the rank of the effects on the
chosen parameters on the other half. However they are chosen, the rank is deficient if influence fails. Precisions are
regressed on features through pseudo-outcomes, whose conditional mean is the precision up to the square of the error of
the variance that was fitted to the other half.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.influence.rank import RankTest, partial_out, rank_test, smallest_root

__all__ = ["STATISTICS", "ShapeTest", "shape_test"]

Array = NDArray[np.float64]

#: Statistics of the residual that effects are measured on, after the mean itself.
STATISTICS = ("mean", "variance", "skewness", "kurtosis")
# a trained model's distortions change variances and shapes by about as much, in standard deviations of the statistic
_MIN_SHAPE_EFFECT = 0.25
# beyond it, residuals are replaced by the bound, because estimates of the noise of fourth powers need many rows
_MAX_RESIDUAL = 4.0
# relative to the mean over rows
_MAX_LOG_VARIANCE = 3.0
_N_SCORING_STEPS = 8
# more choices are searched one child at a time
_MAX_CHOICES = 64


@dataclass(frozen=True, eq=False)
class ShapeTest:
    """The rank test of one statistic for each child.

    Attributes:
        statistics: The statistic of each child, one of ``STATISTICS``.
        test: The rank test, on rows that were not used in choosing the statistics.
    """

    statistics: tuple[str, ...]
    test: RankTest


def shape_test(
    features: Array,
    responses: Array,
    covariates: Array,
    fine: Array,
    tolerance: float,
    rng: np.random.Generator,
) -> ShapeTest:
    """Choose a statistic for each child on half of the rows, and test the rank of the effects on the other half.

    Args:
        features: Features of the action, shape (N, p).
        responses: Latents of the children, shape (N, k).
        covariates: Functions of the other causes, shape (N, q).
        fine: Functions of all causes for the mean, shape (N, r), of `estimation.influence.features.fine_functions`.
        tolerance: Tolerance of the verdict. Above 0, effects beyond the mean below 0.25 standard deviations of the
            statistic count as none.
        rng: Generator that splits the rows.
    """
    design = _standardised(np.concatenate([features, covariates], axis=1))
    mean_design = np.concatenate([design, _standardised(fine)[:, 1:]], axis=1)
    order = rng.permutation(len(responses))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    choice = _choose(
        partial_out(features[first], covariates[first])[0],
        _pseudo_outcomes(mean_design, design, responses, second, first, covariates)[0],
    )
    outcomes, n_parameters, scale = _pseudo_outcomes(
        mean_design, design, responses, first, second, covariates
    )
    chosen = outcomes[:, np.arange(len(choice)), choice]
    floor = _MIN_SHAPE_EFFECT / tolerance if tolerance else 0.0
    floors = np.where(choice > 0, floor, 0.0) * chosen.std(0)
    columns, _ = partial_out(features[second], covariates[second])
    # as in the test of means, effects on means are relative to the latents before anything was partialled out
    units = np.where(choice > 0, chosen.std(0), responses.std(0) / scale)
    test = rank_test(columns, chosen, n_parameters, units, floors)
    return ShapeTest(tuple(STATISTICS[index] for index in choice), test)


def _pseudo_outcomes(
    mean_design: Array,
    design: Array,
    responses: Array,
    fitted: NDArray[np.intp],
    rows: NDArray[np.intp],
    covariates: Array,
) -> tuple[Array, int, Array]:
    """Return pseudo-outcomes with the covariates partialled out, the number of parameters, and the residuals' scale.

    The outcomes have the shape (rows, k, S), and the scale (k,); outcomes of the mean are divided by it.

    Args:
        mean_design: Functions of all causes, shape (N, r), on which the mean is regressed.
        design: Functions of all causes, shape (N, q), on which the log-variance is regressed.
        responses: Latents of the children, shape (N, k).
        fitted: Rows that mean and variance are fitted to.
        rows: Rows of the outcomes.
        covariates: Functions of the other causes.
    """
    inverse, of_means = (
        np.asarray(np.linalg.pinv(each[fitted], rcond=1e-6), dtype=float) for each in (design, mean_design)
    )
    means = mean_design @ (of_means @ responses[fitted])
    residuals = responses - means
    scale = residuals[fitted].std(0)
    scale = np.where(scale > 0, scale, 1)
    residuals = residuals / scale
    variances = _fitted_variances(design, inverse, residuals, fitted)[rows]
    residual = residuals[rows]
    # for the precision, one Newton step from the fitted to the true variance
    excess = (residual**2 - variances) / variances**2
    unit = np.clip(residual / np.sqrt(variances), -_MAX_RESIDUAL, _MAX_RESIDUAL)
    outcomes = [
        responses[rows] / scale,
        1 / variances - excess,
        # Hermite polynomials, so that each is uncorrelated with the lower ones for normal residuals
        unit**3 - 3 * unit,
        unit**4 - 6 * unit**2,
    ]
    parts = [partial_out(outcome, covariates[rows]) for outcome in outcomes]
    return np.stack([part for part, _ in parts], axis=2), parts[0][1], scale


def _fitted_variances(design: Array, inverse: Array, residuals: Array, fitted: NDArray[np.intp]) -> Array:
    """Return variances in a log-linear model (a gamma regression), by Fisher scoring from constant variance.

    A constant variance is kept where the model is no better by Akaike's criterion, because the square of its error
    would bias the outcomes.
    """
    squares = residuals[fitted] ** 2
    constant = squares.mean(0)
    coefficients = np.zeros((design.shape[1], residuals.shape[1]))
    for _ in range(_N_SCORING_STEPS):
        log_variances = np.clip(design[fitted] @ coefficients, -_MAX_LOG_VARIANCE, _MAX_LOG_VARIANCE)
        coefficients = inverse @ (log_variances + squares * np.exp(-log_variances) - 1)
    log_variances = np.clip(design @ coefficients, -_MAX_LOG_VARIANCE, _MAX_LOG_VARIANCE)
    variances = np.exp(log_variances)
    ratios = squares / variances[fitted]
    gain = (np.log(constant) + 1 - log_variances[fitted] - ratios).sum(0)
    return np.where(gain > ratios.var(0) * design.shape[1], variances, constant)


def _standardised(values: Array) -> Array:
    """Return standardised columns and a constant."""
    scale = values.std(0)
    columns = (values - values.mean(0))[:, scale > 0] / scale[scale > 0]
    return np.concatenate([np.ones((len(values), 1)), columns], axis=1)


def _choose(features: Array, values: Array) -> NDArray[np.intp]:
    """Return the statistic of each child for which the smallest effect is clearest."""
    k, n_statistics = values.shape[1:]
    children = np.arange(k)

    def root(choice: NDArray[np.intp]) -> float:
        return smallest_root(features, values[:, children, choice])

    if n_statistics**k <= _MAX_CHOICES:
        choices = [np.array(choice) for choice in itertools.product(range(n_statistics), repeat=k)]
        return max(choices, key=root)
    choice = np.zeros(k, dtype=np.intp)
    for _ in range(2):
        for child in range(k):
            options = [np.where(children == child, index, choice) for index in range(n_statistics)]
            choice = max(options, key=root)
    return choice
