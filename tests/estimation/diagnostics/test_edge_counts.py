"""The number of true edges: the Poisson binomial distribution against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from estimation.diagnostics.edge_counts import count_distribution, count_interval

probabilities = st.lists(st.floats(0, 1), max_size=8)


@given(probabilities)
def test_the_distribution_is_the_sum_over_all_outcomes(values: list[float]) -> None:
    expected = np.zeros(len(values) + 1)
    for outcome in itertools.product((False, True), repeat=len(values)):
        chances = [value if happens else 1 - value for value, happens in zip(values, outcome, strict=True)]
        expected[sum(outcome)] += np.prod(chances)
    assert count_distribution(values) == pytest.approx(expected, abs=1e-12)


def test_equal_probabilities_give_the_binomial_distribution() -> None:
    assert count_distribution(np.full((4, 5), 0.3)) == pytest.approx(binom.pmf(range(21), 20, 0.3))


@given(probabilities, st.floats(0.1, 0.99))
def test_the_interval_has_its_coverage_and_its_tails_are_small(values: list[float], coverage: float) -> None:
    distribution = count_distribution(values)
    low, high = count_interval(values, coverage)
    tail = (1 - coverage) / 2 + 1e-9
    assert 0 <= low <= high <= len(values)
    assert distribution[:low].sum() <= tail
    assert distribution[high + 1 :].sum() <= tail


def test_certain_edges_give_one_number() -> None:
    assert count_interval(np.eye(4)) == (4, 4)
    assert count_interval([]) == (0, 0)
    assert count_interval([0.999] * 3 + [0.001] * 20) == (3, 3)


def test_pairs_that_were_not_measured_do_not_count() -> None:
    assert count_interval([1, np.nan, 0.5]) == count_interval([1, 0.5]) == (1, 2)
