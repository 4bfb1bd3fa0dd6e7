"""Distributional effects: the coefficients are what they are defined to be, and unmixing by them recovers mixings."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import hermite_e
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from estimation.exceptions import DataError
from estimation.unmixing import Samples, Unmixing, unmix
from estimation.unmixing.action_basis import ActionBasis
from estimation.unmixing.distributional import DistributionalEffects
from tests.seeds import training_seed

Array = NDArray[np.float64]
Generator = np.random.Generator

GRAPH = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 1, 0, 1]])
ROWS = 30_000


def effect(actions: Array, rng: Generator) -> Array:
    """Return sums of sines of the parents in GRAPH, shape (N, 4)."""
    frequencies, phases = rng.uniform(1, 3.5, GRAPH.shape), rng.uniform(0, 2 * math.pi, GRAPH.shape)
    return np.asarray((GRAPH * np.sin(frequencies * actions[:, None, :] + phases)).sum(-1))


def scaled(e: Array, rng: Generator) -> Array:
    """Sample normal variables whose standard deviations depend on the effects."""
    return np.exp(0.6 * e) * rng.normal(size=e.shape)


def separated(e: Array, rng: Generator) -> Array:
    """Sample mixtures of two normal variables with mean 0, variance 1, and a separation that depends on the effects."""
    separation = 0.98 / (1 + np.exp(-2 * e))
    signs = rng.choice([-1.0, 1.0], e.shape)
    return signs * separation + np.sqrt(1 - separation**2) * rng.normal(size=e.shape)


def skewed(e: Array, rng: Generator) -> Array:
    """Sample skew-normal variables with mean 0, variance 1, and a skewness that depends on the effects."""
    d = 3 * e / np.sqrt(1 + 9 * e**2)
    values = d * np.abs(rng.normal(size=e.shape)) + np.sqrt(1 - d**2) * rng.normal(size=e.shape)
    return (values - d * np.sqrt(2 / math.pi)) / np.sqrt(1 - 2 * d**2 / math.pi)


def mixed(
    latents: Array, actions: Array, rng: Generator, **options: object
) -> tuple[Unmixing, Array, Samples]:
    """Unmix a random mixing of latents whose means no action moves; return the result, the product, the samples."""
    n = latents.shape[1]
    rotations = [np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2)]
    mixing = rotations[0] @ np.diag(rng.uniform(0.5, 2, n)) @ rotations[1]
    values = (latents - latents.mean(0)) @ mixing.T
    samples = Samples(values, actions)
    covariance = np.cov(values.T)
    nothing = 1e-3 * rng.normal(size=(500, n, actions.shape[1]))
    result = unmix(nothing, None, covariance, residual=covariance, samples=samples, **options)  # type: ignore[arg-type]
    return result, result.matrix @ mixing * latents.std(0), samples


def matching(product: Array) -> tuple[Array, float]:
    """Return the row matched to every latent, and the mean share of the latent in its row."""
    shares = np.abs(product) / np.linalg.norm(product, axis=1, keepdims=True)
    rows, columns = linear_sum_assignment(-shares)
    return rows[np.argsort(columns)], float(shares[rows, columns].mean())


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_coefficients_are_hermite_moments(seed: int, n: int, n_actions: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    residual, actions = rng.normal(size=(400, n)) ** 3, rng.uniform(size=(400, n_actions))
    basis = ActionBasis.of(actions)
    effects = DistributionalEffects.of(residual, basis)
    w = rng.normal(size=n)
    w /= np.linalg.norm(w)
    expected = dict.fromkeys(effects.coefficients, np.zeros(n_actions))
    for order in expected:
        halves = []
        for rows in (slice(200), slice(200, None)):
            functions = basis.values[rows] - basis.values[rows].mean(0)
            gram = functions.T @ functions / 200
            powers = hermite_e.hermeval(residual[rows] @ w, np.eye(order + 1)[order])
            # the part of He_3 that is linear in the residual is left out, since its mean does not move
            powers = powers + 3 * residual[rows] @ w if order == 3 else powers
            halves.append(np.linalg.solve(gram + 1e-2 * np.eye(len(gram)), functions.T @ powers / 200))
        expected[order] = (halves[0] * halves[1]) @ basis.owners / math.factorial(order)
    sizes = effects.squared_sizes_by_order(torch.from_numpy(w[None]))
    for order, values in expected.items():
        np.testing.assert_allclose(sizes[order][0].numpy(), values, rtol=1e-6, atol=1e-9)


def test_without_effects_the_estimates_have_mean_zero() -> None:
    rng = np.random.default_rng(training_seed(1))
    totals = []
    for _ in range(40):
        residual, actions = rng.normal(size=(1000, 2)), rng.uniform(size=(1000, 2))
        sizes = DistributionalEffects.of(residual, ActionBasis.of(actions)).squared_sizes(
            torch.eye(2).double()
        )
        totals.append(float(sizes.sum()))
    assert abs(np.mean(totals)) < 5 * np.std(totals) / math.sqrt(len(totals))


def test_basis_functions_are_standardised_and_do_not_depend_on_the_unit() -> None:
    rng = np.random.default_rng(training_seed(2))
    actions = np.column_stack([rng.normal(size=300), rng.integers(0, 3, 300)])
    basis = ActionBasis.of(actions)
    np.testing.assert_allclose(basis.values.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(basis.values.std(0), 1)
    # eight cosines and two indicators, and the products of three cosines with two indicators
    assert basis.owners.sum(0).tolist() == [8 + 6, 2 + 6]
    other = ActionBasis.of(np.column_stack([np.exp(actions[:, 0]), 5 - actions[:, 1] * 0]))
    np.testing.assert_allclose(other.values[:, :8], basis.values[:, :8])


@pytest.mark.parametrize("sample", [scaled, separated, skewed])
def test_unmixing_by_what_actions_change(sample: Callable[[Array, Generator], Array]) -> None:
    rng = np.random.default_rng(training_seed(3))
    actions = rng.uniform(-2, 2, (ROWS, 4))
    unmixing, product, _ = mixed(sample(effect(actions, rng), rng), actions, rng)
    rows, share = matching(product)
    assert share > 0.98
    assert unmixing.information is not None
    strongest = np.zeros(GRAPH.shape, dtype=bool)
    strongest.flat[np.argsort(-unmixing.information[rows].ravel())[: GRAPH.sum()]] = True
    np.testing.assert_array_equal(strongest, GRAPH.astype(bool))
    # only the variance changes, or only what comes after it
    assert unmixing.variance_share > 0.9 if sample is scaled else unmixing.variance_share < 0.2


def test_latents_that_no_action_changes_are_set_aside() -> None:
    rng = np.random.default_rng(training_seed(4))
    actions = rng.uniform(-2, 2, (ROWS, 4))
    latents = np.column_stack([scaled(effect(actions, rng), rng), rng.normal(size=ROWS)])
    unmixing, product, _ = mixed(latents, actions, rng)
    rows, share = matching(product)
    assert unmixing.unconstrained == (4,)
    assert rows[4] == 4
    assert share > 0.97


def test_means_alone_are_used_where_nothing_else_changes() -> None:
    rng = np.random.default_rng(training_seed(5))
    actions = rng.uniform(-2, 2, (5000, 4))
    unmixing, _, _ = mixed(rng.laplace(size=(5000, 4)), actions, rng)
    assert unmixing.information is None


def test_directions_that_are_not_measured_well_are_left_out() -> None:
    rng = np.random.default_rng(training_seed(6))
    actions = rng.uniform(-2, 2, (5000, 4))
    latents = scaled(effect(actions, rng), rng)
    # the posterior is nearly as wide as the latents
    unmixing, _, samples = mixed(latents, actions, rng)
    assert unmixing.information is not None
    covariance = np.cov(samples.residuals.T)
    nothing = 1e-3 * rng.normal(size=(500, 4, 4))
    wide = unmix(nothing, None, covariance, residual=covariance, samples=samples, noise=0.5 * covariance)
    assert wide.information is None


def test_moved_means_are_searched_as_before() -> None:
    rng = np.random.default_rng(training_seed(7))
    actions = rng.uniform(-2, 2, (5000, 4))
    moved = effect(actions, rng)
    residuals = 0.1 * rng.laplace(size=moved.shape)
    effects = np.stack([GRAPH * (rng.normal(size=(4, 4)) + 1) for _ in range(500)])
    arguments = {
        "action_effects": effects,
        "covariance": np.cov((moved + residuals).T),
        "residual": np.cov(residuals.T),
    }
    without = unmix(**arguments)  # type: ignore[arg-type]
    both = unmix(**arguments, samples=Samples(residuals, actions))  # type: ignore[arg-type]
    np.testing.assert_array_equal(both.matrix, without.matrix)
    assert both.information is None


@pytest.mark.parametrize(
    ("samples", "changes", "message"),
    [
        (
            ((50, 3), (50, 2)),
            {},
            r"the samples' residuals have shape \(50, 3\); with .* and 50 residuals they must have shape \(50, 2\)",
        ),
        (((50, 2), (40, 2)), {}, r"actions have shape \(40, 2\); .* they must have shape \(50, 2\)"),
        (((50, 2), (50, 2)), {"residual": None}, "samples need the covariance of the residual"),
        (
            ((50, 2), (50, 2)),
            {"past_jacobians": np.ones((9, 2, 2))},
            r"past are None; .* they must have shape \(50, 2\)",
        ),
        (
            ((50, 2), (50, 2)),
            {"action_effects": None, "past_jacobians": np.ones((9, 2, 2))},
            r"actions have shape \(50, 2\); .* they must be None",
        ),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    samples: tuple[tuple[int, int], tuple[int, int]], changes: dict[str, object], message: str
) -> None:
    arguments = {
        "action_effects": np.ones((9, 2, 2)),
        "covariance": np.eye(2),
        "residual": np.eye(2),
    } | changes
    with pytest.raises(DataError, match=message):
        unmix(**arguments, samples=Samples(*map(np.ones, samples)))  # type: ignore[arg-type]


def test_samples_that_are_not_finite_are_refused() -> None:
    samples = Samples(np.full((50, 2), np.nan), np.ones((50, 2)))
    with pytest.raises(DataError, match="the samples' residuals hold an entry that is not finite"):
        unmix(np.ones((9, 2, 2)), None, np.eye(2), residual=np.eye(2), samples=samples)


def test_few_rows_leave_means_alone_and_lists_are_accepted() -> None:
    rng = np.random.default_rng(training_seed(12))
    effects = 1e-3 * rng.normal(size=(9, 2, 2))
    actions = rng.uniform(-2, 2, (1_000, 2))
    residuals = np.exp(1.2 * np.sin(actions)) * rng.normal(size=actions.shape)

    def information(n_rows: int) -> Array | None:
        lists = Samples(residuals[:n_rows].tolist(), actions[:n_rows].tolist())
        return unmix(effects, None, np.eye(2), residual=np.cov(residuals.T), samples=lists).information

    assert information(1_000) is not None
    assert information(999) is None
    assert information(1) is None


def test_functions_that_other_causes_predict_are_left_out() -> None:
    rng = np.random.default_rng(training_seed(13))
    others = rng.normal(size=(5_000, 2))
    noise = rng.normal(size=(5_000, 3))
    independent = ActionBasis.of(noise)
    assert independent.given(others) is independent
    follows = ActionBasis.of(np.column_stack([others[:, 0], others[:, 1] + 0.5 * noise[:, 1], noise[:, 2]]))
    rest = follows.given(others)
    # of the action that is a function of the others, hardly anything is left
    only_first = (rest.owners[:, 0]) & ~rest.owners[:, 1:].any(1)
    assert only_first.sum() < 8
    assert rest.owners.any(0)[1:].all()
    np.testing.assert_allclose(rest.values.std(0), 1)
    known = ActionBasis.of(others).singles().values
    assert np.abs(known.T @ rest.values / 5_000).max() < 0.05


def test_many_monomials_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(training_seed(8))
    residual, basis = rng.normal(size=(300, 3)), ActionBasis.of(rng.uniform(size=(300, 2)))
    whole = DistributionalEffects.of(residual, basis)
    monkeypatch.setattr("estimation.unmixing.distributional._MAX_CHUNK", 100)
    in_parts = DistributionalEffects.of(residual, basis)
    for order, coefficients in whole.coefficients.items():
        torch.testing.assert_close(in_parts.coefficients[order], coefficients)
