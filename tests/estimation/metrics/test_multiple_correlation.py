"""R and R_con: laws, and comparison with one scikit-learn regression per latent."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from estimation.metrics import mean_correlation, multiple_correlation
from estimation.metrics.inputs import as_samples, split_halves
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from tests.estimation.latent_pairs import CLOSE, normal, pairs, quick, random_allowed
from tests.seeds import training_seed

# --- R and R_con -----------------------------------------------------------------------------------------------------


@quick
@given(pairs(), st.integers(0, 999))
def test_mcc_is_at_most_r_con_and_r_con_at_most_r(arrays: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    z, z_hat = arrays
    rng = np.random.default_rng(training_seed(seed))
    small = random_allowed(rng, z.shape[1])
    large = small | random_allowed(rng, z.shape[1])
    increasing = [
        mean_correlation(z, z_hat).per_latent,
        multiple_correlation(z, z_hat, allowed=small).per_latent,
        multiple_correlation(z, z_hat, allowed=large).per_latent,
        multiple_correlation(z, z_hat).per_latent,
        np.ones(z.shape[1]),
    ]
    for less, more in itertools.pairwise(increasing):
        assert (less <= more + CLOSE).all()


@quick
@given(pairs())
def test_r_con_of_the_identity_is_mcc(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    z, z_hat = arrays
    diagonal = multiple_correlation(z, z_hat, allowed=np.eye(z.shape[1]))
    np.testing.assert_allclose(diagonal.per_latent, mean_correlation(z, z_hat).per_latent, atol=CLOSE)


@quick
@given(pairs(), st.integers(0, 999))
def test_r_is_invariant_under_invertible_linear_maps(
    arrays: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    z, z_hat = arrays
    rng = np.random.default_rng(training_seed(seed))
    n_hat = z_hat.shape[1]
    rotation, other_rotation = (np.linalg.qr(rng.normal(size=(n_hat, n_hat)))[0] for _ in range(2))
    mixed = z_hat @ (rotation * rng.uniform(0.2, 5, n_hat) @ other_rotation) + rng.normal(size=n_hat)
    one, other = multiple_correlation(z, z_hat), multiple_correlation(z, mixed)
    np.testing.assert_allclose(other.per_latent, one.per_latent, atol=1e-6)


@quick
@given(pairs(min_rows=16), st.integers(0, 999), st.booleans())
def test_r_con_equals_separate_regressions(
    arrays: tuple[np.ndarray, np.ndarray], seed: int, held_out: bool
) -> None:
    z, z_hat = arrays
    allowed = np.random.default_rng(training_seed(seed)).random((z.shape[1], z.shape[1])) < 0.5
    (fit_z, fit_hat), (score_z, score_hat) = split_halves(*as_samples(z, z_hat), held_out, seed)
    matching = mean_correlation(fit_z, fit_hat).permutation
    expected = np.zeros(z.shape[1])
    for i in range(z.shape[1]):
        columns = [matching[j] for j in range(z.shape[1]) if allowed[i, j] and matching[j] >= 0]
        if columns and np.ptp(z[:, i]):
            model = LinearRegression().fit(fit_hat[:, columns], fit_z[:, i])
            expected[i] = np.sqrt(max(r2_score(score_z[:, i], model.predict(score_hat[:, columns])), 0))
    r_con = multiple_correlation(z, z_hat, allowed=allowed, held_out=held_out, seed=seed)
    np.testing.assert_allclose(r_con.per_latent, expected, atol=1e-6)
    assert r_con.score == pytest.approx(expected.mean(), abs=1e-6)


def test_r_by_hand() -> None:
    # x on y: slope 1/2, residuals -1/2, -1/2, 1, so R^2 = 1 - 1.5 / 2 = 1/4; on both y and u the fit is exact
    x, y, u = [-1.0, 0.0, 1.0], [-1.0, 1.0, 0.0], [1.0, -2.0, 1.0]
    z, z_hat = np.column_stack([x, u]), np.column_stack([u, y])
    free = multiple_correlation(z, z_hat)
    np.testing.assert_allclose(free.per_latent, [1, 1])
    bound = multiple_correlation(z, z_hat, allowed=[[1, 0], [1, 1]])
    np.testing.assert_allclose(bound.per_latent, [0.5, 1])
    assert bound.score == pytest.approx(0.75)
    # true 0 is matched to learned 1, true 1 to learned 0
    assert bound.regressors.tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_array, np.ndarray.tolist])
def test_allowed_may_be_dense_sparse_or_a_list(form: Any) -> None:
    z, z_hat = normal(60, 3), normal(60, 3, seed=1)
    allowed = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)
    expected = multiple_correlation(z, z_hat, allowed=allowed).per_latent
    np.testing.assert_array_equal(multiple_correlation(z, z_hat, allowed=form(allowed)).per_latent, expected)


def test_a_block_mixed_as_predicted_has_an_r_con_of_one() -> None:
    predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]]))
    z = normal(300, 3)
    # learned latents in another order; the two latents of the block rotated by 45 degrees
    z_hat = np.column_stack([z[:, 2], z[:, 0] + z[:, 1], z[:, 0] - z[:, 1]])
    assert mean_correlation(z, z_hat).score < 0.85
    assert multiple_correlation(z, z_hat, allowed=predicted).score == pytest.approx(1)
    leaking = z_hat + 0.5 * z_hat[:, [1, 0, 0]]
    assert multiple_correlation(z, leaking, allowed=predicted).score < 0.98
    assert multiple_correlation(z, leaking).score == pytest.approx(1)


def test_a_given_matching_is_used() -> None:
    z = normal(100, 2)
    swapped = multiple_correlation(z, z, allowed=np.eye(2), matching=[1, 0])
    assert swapped.score < 0.5
    partial = multiple_correlation(z, z, allowed=np.eye(2), matching=[0, -1])
    np.testing.assert_allclose(partial.per_latent, [1, 0])


def test_held_out_r_of_unrelated_latents_is_small() -> None:
    z, z_hat = normal(30, 2), normal(30, 14, seed=1)
    assert multiple_correlation(z, z_hat).score > 0.5
    assert multiple_correlation(z, z_hat, held_out=True).score < 0.3


def test_collinear_learned_latents_are_handled() -> None:
    z = normal(100, 2)
    # far from 0, the second is a multiple of the first only up to twelve digits
    z_hat = np.column_stack([z[:, 0], 3 * z[:, 0] + 1000, np.full(100, 0.1)])
    r = multiple_correlation(z, z_hat)
    expected = abs(np.corrcoef(z.T)[0, 1])
    np.testing.assert_allclose(r.per_latent, [1, expected], atol=1e-9)
