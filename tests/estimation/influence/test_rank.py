"""The rank test: uniform p-values if one direction is unmoved, power otherwise, and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.stats import binom, chi2, kstest, ncf

from estimation.influence import rank
from estimation.influence.latents import influence_of_action
from estimation.influence.rank import RankTest, partial_out, rank_test
from tests.estimation.influence.processes import problem
from tests.seeds import training_seed

N_PROBLEMS = 200


def p_values(
    n_children: int, rank: int, heteroskedastic: bool = False, n_problems: int = N_PROBLEMS
) -> np.ndarray:
    values = []
    for seed in range(n_problems):
        latents, causes, graph = problem(
            training_seed(1000 * n_children + seed), 600, n_children, rank, heteroskedastic
        )
        values.append(influence_of_action(latents, causes, graph, 0, effects="mean").p_value)
    return np.array(values)


@pytest.mark.parametrize(
    ("n_children", "heteroskedastic", "n_problems"),
    [(1, False, N_PROBLEMS), (2, False, N_PROBLEMS), (2, True, 60), (3, False, 60)],
)
def test_p_values_are_uniform_if_one_direction_is_unmoved(
    n_children: int, heteroskedastic: bool, n_problems: int
) -> None:
    values = p_values(n_children, n_children - 1, heteroskedastic, n_problems)
    assert kstest(values, "uniform").pvalue > 1e-4
    for level in (0.01, 0.05, 0.1):
        assert (values <= level).sum() <= binom.ppf(1 - 1e-4, n_problems, level)


def test_p_values_are_large_if_several_directions_are_unmoved() -> None:
    assert (p_values(3, 1, n_problems=40) <= 0.05).sum() <= binom.ppf(1 - 1e-4, 40, 0.05)


def test_the_test_has_power_if_all_directions_are_moved() -> None:
    assert (p_values(3, 3, n_problems=40) <= 0.01).mean() > 0.95


def test_the_number_of_moved_directions_is_a_lower_bound() -> None:
    counts = []
    for seed in range(30):
        latents, causes, graph = problem(training_seed(7000 + seed), 600, 3, 1)
        counts.append(influence_of_action(latents, causes, graph, 0, effects="mean").n_moved(0.1))
    assert min(counts) == 1
    assert (np.array(counts) > 1).sum() <= binom.ppf(1 - 1e-4, 30, 0.1)
    latents, causes, graph = problem(training_seed(8000), 600, 3, 3)
    assert influence_of_action(latents, causes, graph, 0, effects="mean").n_moved(0.01) == 3


def moments(seed: int, p: int = 4, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(training_seed(seed))
    features = rng.normal(size=(800, p))
    responses = features @ rng.normal(size=(p, k)) / 10 + rng.normal(size=(800, k))
    return features - features.mean(0), responses - responses.mean(0)


def test_invertible_maps_of_features_and_responses_change_nothing() -> None:
    features, responses = moments(1)
    rng = np.random.default_rng(training_seed(2))
    test = rank_test(features, responses)
    left, right = rng.normal(size=(4, 4)), rng.normal(size=(3, 3))
    mapped = rank_test(features @ left, responses @ right)
    assert mapped.statistic == pytest.approx(test.statistic, rel=1e-4)
    np.testing.assert_allclose(mapped.strengths, test.strengths, rtol=1e-6)
    # the direction is a linear functional of the responses
    direction = right @ mapped.direction
    assert (
        abs(direction @ test.direction) / np.linalg.norm(direction) / np.linalg.norm(test.direction) > 0.999
    )


def test_the_statistic_is_bartletts_for_homoskedastic_noise() -> None:
    """The smallest root of the canonical correlations, which estimates V(w) by a product of two covariances."""
    features, responses = moments(3)
    effects = np.linalg.lstsq(features, responses, rcond=None)[0]
    residuals = responses - features @ effects
    explained = (features @ effects).T @ (features @ effects)
    smallest = eigh(explained, residuals.T @ residuals, eigvals_only=True)[0]
    assert rank_test(features, responses).statistic == pytest.approx(800 * smallest, rel=0.25)


def test_the_minimum_is_not_above_any_direction() -> None:
    features, responses = moments(4)
    least = rank_test(features, responses).statistic
    rng = np.random.default_rng(training_seed(5))
    for _ in range(50):
        weights = rng.normal(size=3)
        # one response: J is the Wald statistic of that direction
        assert least <= rank_test(features, responses @ weights[:, None]).statistic * (1 + 1e-2)


def test_too_few_features_leave_a_direction_unmoved() -> None:
    features, responses = moments(6, p=2, k=3)
    test = rank_test(features, responses)
    assert (test.degrees, test.statistic, test.p_value, test.margin) == (0, 0.0, 1.0, 0.0)
    assert test.interval(0.1) == (0.0, 0.0)
    effect = features.T @ responses @ test.direction
    np.testing.assert_allclose(effect, 0, atol=1e-8)


def test_the_interval_of_the_margin_covers_it() -> None:
    covered = 0
    for seed in range(N_PROBLEMS):
        rng = np.random.default_rng(training_seed(seed))
        feature = rng.normal(size=(400, 1))
        response = 0.2 * feature + rng.normal(size=(400, 1))
        low, high = rank_test(feature - feature.mean(), response - response.mean()).interval(0.1)
        covered += low <= 0.2 <= high
    assert binom.ppf(1e-4, N_PROBLEMS, 0.9) <= covered <= binom.ppf(1 - 1e-4, N_PROBLEMS, 0.9)


def test_tails_are_those_of_the_chi_squared_distribution_for_many_rows() -> None:
    test = RankTest(12.0, 4, 1_000_000, np.ones(1), np.ones(1), 1.0, 1.0)
    assert test.p_value == pytest.approx(chi2.sf(12.0, 4), rel=1e-3)
    assert test.p_value_beyond(1e-3) > test.p_value
    assert test.margin == pytest.approx(np.sqrt(8e-6))


@pytest.mark.parametrize("quantile", [0.5, 0.05, 1e-3])
@pytest.mark.parametrize(("degrees", "n_rows"), [(1, 200), (7, 3_000), (40, 100_000)])
def test_tails_of_large_effects_agree_on_both_sides_of_the_limit(
    quantile: float, degrees: int, n_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = n_rows - degrees + 1
    statistic = ncf.isf(quantile, degrees, rest, 4_900) * n_rows * degrees / rest
    exact = rank._tail(statistic, degrees, n_rows, 4_900)
    monkeypatch.setattr(rank, "_MAX_NONCENTRALITY", 0.0)
    assert rank._tail(statistic, degrees, n_rows, 4_900) == pytest.approx(exact, rel=0.1)


def test_huge_effects_have_a_tail() -> None:
    """The series of the noncentral distribution does not converge here."""
    assert rank._tail(8_953.07 * 2_983 * 7 / 2_977, 7, 2_983, 17_976.39) < 1e-12


def test_partialling_out_removes_the_covariates_and_their_functions() -> None:
    rng = np.random.default_rng(training_seed(7))
    covariates = rng.normal(size=(300, 2))
    values = np.column_stack([covariates @ [1, 2], rng.normal(size=300)])
    residuals, n_parameters = partial_out(values, np.column_stack([covariates, covariates[:, 0]]))
    assert n_parameters == 3
    assert (residuals[:, 0] == 0).all()
    np.testing.assert_allclose(covariates.T @ residuals, 0, atol=1e-9)
