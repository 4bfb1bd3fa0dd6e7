"""MCC: laws of the matching and of correlations, and the halves of held-out scores."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.metrics import mean_correlation, multiple_correlation
from estimation.metrics.inputs import as_samples, split_halves
from tests.builders import permutations
from tests.estimation.latent_pairs import normal, pairs, quick

# --- MCC -------------------------------------------------------------------------------------------------------------


@quick
@given(pairs())
def test_the_matching_is_optimal_among_all_matchings(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    z, z_hat = arrays
    n, n_hat = z.shape[1], z_hat.shape[1]
    correlations = np.zeros((n, n_hat))
    for i, j in itertools.product(range(n), range(n_hat)):
        if np.ptp(z[:, i]) and np.ptp(z_hat[:, j]):
            correlations[i, j] = abs(np.corrcoef(z[:, i], z_hat[:, j])[0, 1])
    mcc = mean_correlation(z, z_hat)
    np.testing.assert_allclose(mcc.correlations, correlations, atol=1e-12)
    if n <= n_hat:
        best = max(
            sum(correlations[i, j] for i, j in enumerate(matching))
            for matching in itertools.permutations(range(n_hat), n)
        )
    else:
        best = max(
            sum(correlations[i, j] for j, i in enumerate(matching))
            for matching in itertools.permutations(range(n), n_hat)
        )
    assert mcc.score == pytest.approx(best / n, abs=1e-12)
    matched = mcc.permutation[mcc.permutation >= 0]
    assert len(set(matched.tolist())) == len(matched) == min(n, n_hat)
    assert mcc.score == pytest.approx(mcc.per_latent.mean(), abs=1e-15)
    assert 0 <= mcc.score <= 1


@quick
@given(pairs(), st.data())
def test_mcc_is_invariant_under_order_sign_scale_and_origin(
    arrays: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    z, z_hat = arrays
    order = data.draw(permutations(z_hat.shape[1]))
    scale = data.draw(
        st.lists(st.sampled_from([-1e6, -1.0, 1e-6, 3.0]), min_size=len(order), max_size=len(order))
    )
    one = mean_correlation(z, z_hat)
    other = mean_correlation(z, z_hat[:, order] * scale + 5.0)
    # adding 5 to numbers of the order of 1e-6 loses fewer digits than double precision has
    assert other.score == pytest.approx(one.score, abs=1e-8)
    np.testing.assert_allclose(other.correlations, one.correlations[:, order], atol=1e-8)


@quick
@given(pairs(), st.data())
def test_spearman_is_invariant_under_monotone_maps_of_single_latents(
    arrays: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    z, z_hat = arrays
    maps = [np.exp, lambda x: -(x**3), np.tanh, lambda x: x]
    transformed = np.column_stack([data.draw(st.sampled_from(maps))(column) for column in (z_hat / 30).T])
    one, other = (mean_correlation(z, learned, method="spearman") for learned in (z_hat, transformed))
    assert other.score == pytest.approx(one.score, abs=1e-12)
    assert mean_correlation(transformed, z, method="spearman").score <= 1


def test_mcc_by_hand() -> None:
    # x and y: covariance 1, variances 2 and 2; x and u: covariance 0
    x, y, u = [-1.0, 0.0, 1.0], [-1.0, 1.0, 0.0], [1.0, -2.0, 1.0]
    mcc = mean_correlation(np.column_stack([x, u]), np.column_stack([u, y]))
    np.testing.assert_allclose(mcc.correlations, [[0, 0.5], [1, np.sqrt(3) / 2]], atol=1e-15)
    assert mcc.permutation.tolist() == [1, 0]
    assert mcc.score == pytest.approx(0.75)


def test_the_matching_maximises_the_sum_and_is_not_greedy() -> None:
    z = normal(4000, 2)
    # learned 0 correlates with both, learned 1 only with the first: a greedy matching would match learned 0 to true 0
    z_hat = np.column_stack([z[:, 0] + 0.9 * z[:, 1], z[:, 0] + 2 * normal(4000, seed=1)])
    mcc = mean_correlation(z, z_hat)
    assert mcc.correlations[0].argmax() == 0
    assert mcc.permutation.tolist() == [1, 0]


def test_a_correlation_never_exceeds_one() -> None:
    # some of these sums are rounded up
    for seed in range(40):
        z = normal(11, 3, seed=seed)
        assert mean_correlation(z, -2 * z).correlations.max() <= 1


def test_with_fewer_learned_latents_some_true_ones_have_no_match() -> None:
    z = normal(50, 3)
    mcc = mean_correlation(z, z[:, [2]])
    assert mcc.permutation.tolist() == [-1, -1, 0]
    assert mcc.score == pytest.approx(1 / 3)
    np.testing.assert_allclose(mcc.per_latent, [0, 0, 1])
    assert np.issubdtype(mcc.permutation.dtype, np.integer)


def test_additional_learned_latents_do_not_change_the_score() -> None:
    z = normal(50, 2)
    mcc = mean_correlation(z, np.column_stack([normal(50, 3, seed=1), -z]))
    assert mcc.permutation.tolist() == [3, 4]
    assert mcc.score == pytest.approx(1)


def test_a_constant_latent_correlates_with_nothing() -> None:
    z = normal(50, 2)
    # the mean of fifty times 0.1 is not 0.1
    mcc = mean_correlation(z, np.column_stack([z[:, 0], np.full(50, 0.1)]))
    assert mcc.correlations[:, 1].tolist() == [0, 0]
    assert mcc.score == pytest.approx(0.5)
    ranked = mean_correlation(np.full((50, 1), 0.1), z, method="spearman")
    assert ranked.score == 0


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e200, 1e307])
def test_huge_and_tiny_numbers_keep_their_correlation(size: float) -> None:
    z = np.abs(normal(50, 2)) + 0.1
    assert mean_correlation(z, z[:, ::-1] * size).score == pytest.approx(1, abs=1e-3)
    assert multiple_correlation(z * size, z).score == pytest.approx(1, abs=1e-3)


def test_all_time_steps_count_as_rows() -> None:
    z, z_hat = normal(20, 3, 2), normal(20, 3, 4, seed=1)
    flat = z.reshape(60, 2), z_hat.reshape(60, 4)
    for score in (mean_correlation, multiple_correlation):
        assert score(z, z_hat).score == score(*flat).score


def test_held_out_correlations_come_from_the_other_half() -> None:
    z, z_hat = normal(200, 3), normal(200, 4, seed=1)
    fit, score = split_halves(*as_samples(z, z_hat), True, 7)
    mcc = mean_correlation(z, z_hat, held_out=True, seed=7)
    assert mcc.permutation.tolist() == mean_correlation(*fit).permutation.tolist()
    np.testing.assert_allclose(mcc.correlations, mean_correlation(*score).correlations)
    assert mcc.held_out


def test_held_out_correlations_have_no_optimism_of_the_matching() -> None:
    """In-sample, the matching selects the largest chance correlations of unrelated latents."""
    draws = [(normal(60, 4, seed=2 * k), normal(60, 8, seed=2 * k + 1)) for k in range(20)]
    scores = {
        held_out: np.mean([mean_correlation(z, z_hat, held_out=held_out, seed=7).score for z, z_hat in draws])
        for held_out in (True, False)
    }
    assert scores[True] < scores[False]


# --- halves ----------------------------------------------------------------------------------------------------------


@quick
@given(st.integers(4, 30), st.integers(1, 3), st.integers(0, 99))
def test_whole_sequences_are_assigned_to_halves(n: int, steps: int, seed: int) -> None:
    sequence = np.repeat(np.arange(n, dtype=float), steps).reshape(n, steps, 1)
    (fit, _), (score, learned) = split_halves(sequence, -sequence, True, seed)
    assert sorted([*fit[:, 0], *score[:, 0]]) == sorted(sequence.reshape(-1))
    assert not set(fit[:, 0]) & set(score[:, 0])
    assert 0 <= len(score) - len(fit) <= steps
    np.testing.assert_array_equal(score, -learned)


def test_the_seed_determines_the_halves() -> None:
    z, z_hat = normal(40, 2), normal(40, 2, seed=1)
    scores = [mean_correlation(z, z_hat, held_out=True, seed=seed).score for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]
