"""MCC, R and R_con: laws, a brute force and another library's answers, and examples worked out by hand."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from estimation.exceptions import DataError
from estimation.metrics import dci, mean_correlation, multiple_correlation, structural_hamming
from estimation.metrics.inputs import as_samples, halves
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from tests.builders import permutations

ROOT = Path(__file__).parents[2]
quick = settings(max_examples=60, deadline=None)

# sqrt(1 - (1 - c^2)) for a small c has an error of eps / c
CLOSE = 1e-7


@st.composite
def pairs(draw: st.DrawFn, least_rows: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """True and learned latents, related or not, as many or not, sometimes with a constant column."""
    n, n_hat = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    z = rng.normal(size=(draw(st.integers(least_rows, 40)), n))
    noise = rng.normal(size=(len(z), n_hat))
    z_hat = z @ rng.normal(size=(n, n_hat)) + draw(st.sampled_from([0.0, 0.1, 10.0])) * noise
    if draw(st.booleans()):
        z_hat[:, rng.integers(n_hat)] = 0.1
    if draw(st.booleans()):
        z[:, rng.integers(n)] = 0.1
    return z, z_hat


def random_allowed(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random((n, n)) < rng.random()) | np.eye(n, dtype=bool)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


# --- MCC -------------------------------------------------------------------------------------------------------------


@quick
@given(pairs())
def test_no_matching_does_better_than_the_one_found(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    z, z_hat = arrays
    n, n_hat = z.shape[1], z_hat.shape[1]
    correlations = np.zeros((n, n_hat))
    for i, j in itertools.product(range(n), range(n_hat)):
        if np.ptp(z[:, i]) and np.ptp(z_hat[:, j]):
            correlations[i, j] = abs(np.corrcoef(z[:, i], z_hat[:, j])[0, 1])
    found = mean_correlation(z, z_hat)
    np.testing.assert_allclose(found.correlations, correlations, atol=1e-12)
    if n <= n_hat:
        best = max(
            sum(correlations[i, j] for i, j in enumerate(chosen))
            for chosen in itertools.permutations(range(n_hat), n)
        )
    else:
        best = max(
            sum(correlations[i, j] for j, i in enumerate(chosen))
            for chosen in itertools.permutations(range(n), n_hat)
        )
    assert found.score == pytest.approx(best / n, abs=1e-12)
    matched = found.permutation[found.permutation >= 0]
    assert len(set(matched.tolist())) == len(matched) == min(n, n_hat)
    assert found.score == pytest.approx(found.per_latent.mean(), abs=1e-15)
    assert 0 <= found.score <= 1


@quick
@given(pairs(), st.data())
def test_mcc_does_not_see_order_sign_scale_and_origin(
    arrays: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    z, z_hat = arrays
    order = data.draw(permutations(z_hat.shape[1]))
    scale = data.draw(
        st.lists(st.sampled_from([-1e6, -1.0, 1e-6, 3.0]), min_size=len(order), max_size=len(order))
    )
    one = mean_correlation(z, z_hat)
    other = mean_correlation(z, z_hat[:, order] * scale + 5.0)
    # adding 5 to what is of the order of 1e-6 costs ten digits less than there are
    assert other.score == pytest.approx(one.score, abs=1e-8)
    np.testing.assert_allclose(other.correlations, one.correlations[:, order], atol=1e-8)


@quick
@given(pairs(), st.data())
def test_spearman_does_not_see_monotone_maps_of_single_latents(
    arrays: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    z, z_hat = arrays
    maps = [np.exp, lambda x: -(x**3), np.tanh, lambda x: x]
    bent = np.column_stack([data.draw(st.sampled_from(maps))(column) for column in (z_hat / 30).T])
    one, other = (mean_correlation(z, given, method="spearman") for given in (z_hat, bent))
    assert other.score == pytest.approx(one.score, abs=1e-12)
    assert mean_correlation(bent, z, method="spearman").score <= 1


def test_mcc_by_hand() -> None:
    # x and y: covariance 1, variances 2 and 2; x and u: covariance 0
    x, y, u = [-1.0, 0.0, 1.0], [-1.0, 1.0, 0.0], [1.0, -2.0, 1.0]
    found = mean_correlation(np.column_stack([x, u]), np.column_stack([u, y]))
    np.testing.assert_allclose(found.correlations, [[0, 0.5], [1, np.sqrt(3) / 2]], atol=1e-15)
    assert found.permutation.tolist() == [1, 0]
    assert found.score == pytest.approx(0.75)


def test_matching_gives_up_a_best_pair_where_the_sum_gains() -> None:
    z = normal(4000, 2)
    # learned 0 is close to both, learned 1 to the first only: greedy would match learned 0 to true 0
    z_hat = np.column_stack([z[:, 0] + 0.9 * z[:, 1], z[:, 0] + 2 * normal(4000, seed=1)])
    found = mean_correlation(z, z_hat)
    assert found.correlations[0].argmax() == 0
    assert found.permutation.tolist() == [1, 0]


def test_a_correlation_is_never_more_than_one() -> None:
    # sums round up for some of these
    for seed in range(40):
        z = normal(11, 3, seed=seed)
        assert mean_correlation(z, -2 * z).correlations.max() <= 1


def test_fewer_learned_latents_leave_some_true_ones_without_a_match() -> None:
    z = normal(50, 3)
    found = mean_correlation(z, z[:, [2]])
    assert found.permutation.tolist() == [-1, -1, 0]
    assert found.score == pytest.approx(1 / 3)
    np.testing.assert_allclose(found.per_latent, [0, 0, 1])
    assert np.issubdtype(found.permutation.dtype, np.integer)


def test_more_learned_latents_do_no_harm() -> None:
    z = normal(50, 2)
    found = mean_correlation(z, np.column_stack([normal(50, 3, seed=1), -z]))
    assert found.permutation.tolist() == [3, 4]
    assert found.score == pytest.approx(1)


def test_a_constant_latent_correlates_with_nothing() -> None:
    z = normal(50, 2)
    # the mean of fifty times 0.1 is not 0.1
    found = mean_correlation(z, np.column_stack([z[:, 0], np.full(50, 0.1)]))
    assert found.correlations[:, 1].tolist() == [0, 0]
    assert found.score == pytest.approx(0.5)
    ranked = mean_correlation(np.full((50, 1), 0.1), z, method="spearman")
    assert ranked.score == 0


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e200, 1e307])
def test_huge_and_tiny_numbers_keep_their_correlation(size: float) -> None:
    z = np.abs(normal(50, 2)) + 0.1
    assert mean_correlation(z, z[:, ::-1] * size).score == pytest.approx(1, abs=1e-3)
    assert multiple_correlation(z * size, z).score == pytest.approx(1, abs=1e-3)


def test_all_steps_count_as_rows() -> None:
    z, z_hat = normal(20, 3, 2), normal(20, 3, 4, seed=1)
    flat = z.reshape(60, 2), z_hat.reshape(60, 4)
    for score in (mean_correlation, multiple_correlation):
        assert score(z, z_hat).score == score(*flat).score


def test_held_out_correlations_come_from_the_other_half() -> None:
    z, z_hat = normal(200, 3), normal(200, 4, seed=1)
    fit, score = halves(*as_samples(z, z_hat), True, 7)
    found = mean_correlation(z, z_hat, held_out=True, seed=7)
    assert found.permutation.tolist() == mean_correlation(*fit).permutation.tolist()
    np.testing.assert_allclose(found.correlations, mean_correlation(*score).correlations)
    # of unrelated latents the best matching flatters itself
    assert found.score < mean_correlation(z, z_hat).score
    assert found.held_out


# --- halves ----------------------------------------------------------------------------------------------------------


@quick
@given(st.integers(4, 30), st.integers(1, 3), st.integers(0, 99))
def test_halves_share_out_whole_sequences(n: int, steps: int, seed: int) -> None:
    place = np.repeat(np.arange(n, dtype=float), steps).reshape(n, steps, 1)
    (fit, _), (score, learned) = halves(place, -place, True, seed)
    assert sorted([*fit[:, 0], *score[:, 0]]) == sorted(place.reshape(-1))
    assert not set(fit[:, 0]) & set(score[:, 0])
    assert 0 <= len(score) - len(fit) <= steps
    np.testing.assert_array_equal(score, -learned)


def test_the_seed_says_which_halves() -> None:
    z, z_hat = normal(40, 2), normal(40, 2, seed=1)
    scores = [mean_correlation(z, z_hat, held_out=True, seed=seed).score for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]


# --- R and R_con -----------------------------------------------------------------------------------------------------


@quick
@given(pairs(), st.integers(0, 999))
def test_mcc_then_r_con_then_r(arrays: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    z, z_hat = arrays
    rng = np.random.default_rng(seed)
    small = random_allowed(rng, z.shape[1])
    large = small | random_allowed(rng, z.shape[1])
    rising = [
        mean_correlation(z, z_hat).per_latent,
        multiple_correlation(z, z_hat, allowed=small).per_latent,
        multiple_correlation(z, z_hat, allowed=large).per_latent,
        multiple_correlation(z, z_hat).per_latent,
        np.ones(z.shape[1]),
    ]
    for less, more in itertools.pairwise(rising):
        assert (less <= more + CLOSE).all()


@quick
@given(pairs())
def test_r_con_that_allows_only_itself_is_mcc(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    z, z_hat = arrays
    diagonal = multiple_correlation(z, z_hat, allowed=np.eye(z.shape[1]))
    np.testing.assert_allclose(diagonal.per_latent, mean_correlation(z, z_hat).per_latent, atol=CLOSE)


@quick
@given(pairs(), st.integers(0, 999))
def test_r_does_not_see_invertible_linear_maps(arrays: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    z, z_hat = arrays
    rng = np.random.default_rng(seed)
    n_hat = z_hat.shape[1]
    turn, other_turn = (np.linalg.qr(rng.normal(size=(n_hat, n_hat)))[0] for _ in range(2))
    mixed = z_hat @ (turn * rng.uniform(0.2, 5, n_hat) @ other_turn) + rng.normal(size=n_hat)
    one, other = multiple_correlation(z, z_hat), multiple_correlation(z, mixed)
    np.testing.assert_allclose(other.per_latent, one.per_latent, atol=1e-6)


@quick
@given(pairs(least_rows=16), st.integers(0, 999), st.booleans())
def test_r_con_equals_one_regression_after_the_other(
    arrays: tuple[np.ndarray, np.ndarray], seed: int, held_out: bool
) -> None:
    z, z_hat = arrays
    allowed = np.random.default_rng(seed).random((z.shape[1], z.shape[1])) < 0.5
    (fit_z, fit_hat), (score_z, score_hat) = halves(*as_samples(z, z_hat), held_out, seed)
    matching = mean_correlation(fit_z, fit_hat).permutation
    expected = np.zeros(z.shape[1])
    for i in range(z.shape[1]):
        columns = [matching[j] for j in range(z.shape[1]) if allowed[i, j] and matching[j] >= 0]
        if columns and np.ptp(z[:, i]):
            model = LinearRegression().fit(fit_hat[:, columns], fit_z[:, i])
            expected[i] = np.sqrt(max(r2_score(score_z[:, i], model.predict(score_hat[:, columns])), 0))
    found = multiple_correlation(z, z_hat, allowed=allowed, held_out=held_out, seed=seed)
    np.testing.assert_allclose(found.per_latent, expected, atol=1e-6)
    assert found.score == pytest.approx(expected.mean(), abs=1e-6)


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
def test_allowed_comes_in_any_form(form: Any) -> None:
    z, z_hat = normal(60, 3), normal(60, 3, seed=1)
    allowed = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)
    expected = multiple_correlation(z, z_hat, allowed=allowed).per_latent
    np.testing.assert_array_equal(multiple_correlation(z, z_hat, allowed=form(allowed)).per_latent, expected)


def test_a_block_that_the_theory_leaves_mixed_scores_full_r_con() -> None:
    predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 0], [0, 1]]))
    z = normal(300, 3)
    # learned latents in another order; the twins turned by 45 degrees
    z_hat = np.column_stack([z[:, 2], z[:, 0] + z[:, 1], z[:, 0] - z[:, 1]])
    assert mean_correlation(z, z_hat).score < 0.85
    assert multiple_correlation(z, z_hat, allowed=predicted).score == pytest.approx(1)
    leaking = z_hat + 0.5 * z_hat[:, [1, 0, 0]]
    assert multiple_correlation(z, leaking, allowed=predicted).score < 0.98
    assert multiple_correlation(z, leaking).score == pytest.approx(1)


def test_a_matching_given_is_used() -> None:
    z = normal(100, 2)
    swapped = multiple_correlation(z, z, allowed=np.eye(2), matching=[1, 0])
    assert swapped.score < 0.5
    partial = multiple_correlation(z, z, allowed=np.eye(2), matching=[0, -1])
    np.testing.assert_allclose(partial.per_latent, [1, 0])


def test_held_out_r_of_unrelated_latents_is_not_flattered() -> None:
    z, z_hat = normal(30, 2), normal(30, 14, seed=1)
    assert multiple_correlation(z, z_hat).score > 0.5
    assert multiple_correlation(z, z_hat, held_out=True).score < 0.3


def test_collinear_learned_latents_are_no_obstacle() -> None:
    z = normal(100, 2)
    # far from 0, the second is a multiple of the first up to twelve digits only
    z_hat = np.column_stack([z[:, 0], 3 * z[:, 0] + 1000, np.full(100, 0.1)])
    found = multiple_correlation(z, z_hat)
    expected = abs(np.corrcoef(z.T)[0, 1])
    np.testing.assert_allclose(found.per_latent, [1, expected], atol=1e-9)


# --- what is refused, and what is left alone -------------------------------------------------------------------------

GOOD = normal(30, 2)
WITH_NAN = np.where(np.arange(60).reshape(30, 2) == 5, np.nan, GOOD)
SCORES = [mean_correlation, multiple_correlation, dci]


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("z", "z_hat", "message"),
    [
        (
            GOOD,
            GOOD[:29],
            r"z has shape \(30, 2\) and z_hat \(29, 2\); all but the last number must be the same",
        ),
        (GOOD, GOOD[:, None], r"z has shape \(30, 2\) and z_hat \(30, 1, 2\); all but the last"),
        (GOOD[:1], GOOD[:1], r"z has shape \(1, 2\), which is 1 rows; at least 2 are needed"),
        (GOOD[:, 0], GOOD, r"z has shape \(30,\); it must be \(N, n\) or \(N, T, n\), with none of them 0"),
        (GOOD, GOOD[:, :0], r"z_hat has shape \(30, 0\); it must be \(N, n\)"),
        (WITH_NAN, GOOD, r"z\[2, 1\] is nan; latents must be finite"),
        (GOOD[:, None], WITH_NAN[:, None], r"z_hat\[2, 0, 1\] is nan; latents must be finite"),
        (GOOD * 1j, GOOD, r"z has entries of type complex128; they must be real numbers"),
        (GOOD, GOOD.astype(str), r"z_hat has entries of type <U\d+; they must be real numbers"),
        (GOOD, [[1.0], [1.0, 2.0]], r"z_hat is no array of numbers: setting an array element"),
        (np.ma.masked_less(GOOD, 0), GOOD, r"z has masked entries; fill them or leave those rows out"),
    ],
)
def test_arrays_that_are_refused(score: Any, z: Any, z_hat: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        score(z, z_hat)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("score", [mean_correlation, multiple_correlation])
def test_halves_that_are_refused(score: Any) -> None:
    with pytest.raises(DataError, match=r"3 rows can't be cut into two halves; at least 4 are needed"):
        score(GOOD[:3], GOOD[:3], held_out=True)
    one_long = GOOD.reshape(1, 30, 2)
    with pytest.raises(DataError, match=r"1 sequences of 30 steps can't be cut .* at least 2 are needed"):
        score(one_long, one_long, held_out=True)
    for seed in (-1, 0.5, True):
        with pytest.raises(DataError, match=rf"seed is {seed}; it must be a whole number, 0 or more"):
            score(GOOD, GOOD, held_out=True, seed=seed)
    assert score(GOOD[:4], GOOD[:4], held_out=True).score <= 1


def test_a_method_that_is_refused() -> None:
    method: Any = "kendall"
    with pytest.raises(DataError, match=r"method is 'kendall'; it must be 'pearson' or 'spearman'"):
        mean_correlation(GOOD, GOOD, method=method)


def test_allowed_that_is_refused() -> None:
    with pytest.raises(DataError, match=r"allowed has shape \(3, 3\); .* the 2 true latents.* \(2, 2\)"):
        multiple_correlation(GOOD, GOOD, allowed=np.eye(3))
    with pytest.raises(DataError, match=r"allowed\[0, 0\] is 0.5; entries must be 0 or 1"):
        multiple_correlation(GOOD, GOOD, allowed=[[0.5, 0], [0, 1]])


@pytest.mark.parametrize(
    ("matching", "message"),
    [
        ([0], r"has shape \(1,\) and type int64; it must hold 2 whole numbers, one per true latent"),
        ([0.0, 1.0], r"has shape \(2,\) and type float64; it must hold 2 whole numbers"),
        ([0, 2], r"\[1\] is 2; it must be a learned latent, 0 to 1, or -1 for none"),
        ([-2, 0], r"\[0\] is -2; it must be a learned latent"),
        ([1, 1], r"uses learned latent 1 more than once; it must be one-to-one"),
        ([[0], [0, 1]], r"is no array of numbers"),
    ],
)
def test_matchings_that_are_refused(matching: Any, message: str) -> None:
    graph = CausalGraph(Ga=np.eye(2))
    with pytest.raises(DataError, match="matching ?" + message):
        multiple_correlation(GOOD, GOOD, matching=matching)
    with pytest.raises(DataError, match="permutation ?" + message):
        structural_hamming(graph, graph, matching)


def test_arguments_and_global_randomness_are_left_alone() -> None:
    z, z_hat = normal(40, 2), normal(40, 2, seed=1)
    before = z.copy(), z_hat.copy()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not move
    mean_correlation(z, z_hat, method="spearman", held_out=True)
    multiple_correlation(z, z_hat, allowed=np.eye(2), held_out=True)
    dci(z, z_hat, importance="forest")
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002 - the state that must not move
    np.testing.assert_array_equal(z, before[0])
    np.testing.assert_array_equal(z_hat, before[1])


def test_results_are_read_only() -> None:
    found = mean_correlation(GOOD, GOOD)
    for array in (found.permutation, found.correlations, multiple_correlation(GOOD, GOOD).per_latent):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_scores_need_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; from estimation.metrics import mean_correlation, multiple_correlation\n"
        "z = [[0., 1.], [1., 0.], [2., 5.]]\n"
        "mean_correlation(z, z, method='spearman'), multiple_correlation(z, z)\n"
        "print(sorted({'numpy', 'torch', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "['numpy']"
