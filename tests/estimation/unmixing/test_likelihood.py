"""The likelihood of a basis as a function of the number of edges, and its elbow."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from estimation.unmixing import TOGETHER, edges_at_elbow, likelihood_curve
from estimation.unmixing.likelihood import negative_log_likelihood
from tests.seeds import training_seed


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000))
def test_the_likelihood_curve_agrees_with_single_likelihoods(n: int, m: int, seed: int) -> None:
    """It equals one negative log-likelihood per number of edges, and never increases."""
    rng = np.random.default_rng(training_seed(seed))
    sizes, residual_scale = rng.exponential(size=(n, m)), rng.uniform(0.1, 1, n)
    curve = likelihood_curve(sizes, residual_scale, sizes / residual_scale[:, None])
    one_by_one = [
        negative_log_likelihood(np.eye(n), (sizes, None), np.diag(residual_scale**2), {"actions": k})
        for k in range(n * m + 1)
    ]
    np.testing.assert_allclose(curve, one_by_one, atol=1e-9)
    assert (np.diff(curve) <= 1e-12).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 8), st.integers(2, 8), st.integers(0, 10_000))
def test_the_elbow_is_at_the_number_of_effects(n: int, m: int, seed: int) -> None:
    """True effects are at least five times the noise, spurious ones at most a tenth of it."""
    rng = np.random.default_rng(training_seed(seed))
    true_edges = rng.random((n, m)) < 0.4
    assume(true_edges.any())
    sizes = np.where(true_edges, rng.uniform(5, 20, (n, m)), rng.uniform(0, 0.1, (n, m)))
    n_edges = edges_at_elbow(likelihood_curve(sizes, np.ones(n), sizes))
    # among many large effects on one latent, the first one removed costs most, and the others little
    if true_edges.sum(axis=1).max(initial=0) <= 1:
        assert n_edges == true_edges.sum()
    assert n_edges <= true_edges.sum()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 40), st.integers(0, 10_000))
def test_edges_of_both_kinds_are_kept_in_one_ranking(n: int, m: int, count: int, seed: int) -> None:
    """It equals the numbers of each kind that the strongest of all edges have."""
    rng = np.random.default_rng(training_seed(seed))
    actions, past = rng.exponential(size=(n, m)), rng.exponential(size=(n, n))
    residual = np.diag(rng.uniform(0.1, 1, n))
    limit = np.sort(np.concatenate([actions.ravel(), past.ravel()]))[::-1][:count].min(initial=np.inf)
    shares = {"actions": int((actions >= limit).sum()), "past": int((past >= limit).sum())}
    assert sum(shares.values()) == min(count, actions.size + past.size)
    both, each = (
        negative_log_likelihood(np.eye(n), (actions, past), residual, edges)
        for edges in ({TOGETHER: count}, shares)
    )
    np.testing.assert_allclose(both, each, atol=1e-12)
    for shift in (-1, 1):
        other = {"actions": shares["actions"] + shift, "past": shares["past"] - shift}
        if count and 0 <= other["actions"] <= actions.size and 0 <= other["past"] <= past.size and n == 1:
            assert negative_log_likelihood(np.eye(n), (actions, past), residual, other) >= both


def test_without_effects_the_elbow_is_at_zero_edges() -> None:
    assert edges_at_elbow(likelihood_curve(np.zeros((2, 3)), np.ones(2), np.zeros((2, 3)))) == 0
