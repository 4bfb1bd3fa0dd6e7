"""Stability across seeds: `udr` and `partial_udr`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.exceptions import DataError
from estimation.selection import partial_udr, udr
from identify.graph import CausalGraph
from tests.seeds import training_seed


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), st.integers(1, 5), st.integers(0, 1000))
def test_stability_ignores_order_sign_and_scale(runs: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    z = rng.normal(size=(300, n))
    copies = [z[:, rng.permutation(n)] * rng.choice([-1, 1], n) * rng.uniform(0.1, 9, n) for _ in range(runs)]
    stability = udr(copies)
    assert stability.score == pytest.approx(1)
    np.testing.assert_allclose(stability.pairs, 1)
    np.testing.assert_array_equal(stability.pairs, stability.pairs.T)


def test_a_failed_run_has_the_lowest_agreement() -> None:
    rng = np.random.default_rng(training_seed())
    z = rng.normal(size=(500, 3))
    stability = udr([z, z + 0.01 * rng.normal(size=z.shape), rng.normal(size=z.shape), z])
    assert stability.per_run.argmin() == 2
    assert stability.score > 0.5


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_partial_udr_ignores_mixing_that_the_graphs_allow(seed: int) -> None:
    """Every run rotates the blocks randomly and reorders the latents: partial_udr is 1, udr is lower."""
    rng = np.random.default_rng(training_seed(seed))
    z = rng.normal(size=(500, 4))
    Ga = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    latents, graphs = [], []
    for _ in range(3):
        rotated = z.copy()
        for block in ([0, 1], [2, 3]):
            rotation = np.linalg.qr(rng.normal(size=(2, 2)))[0]
            rotated[:, block] = z[:, block] @ rotation
        order = rng.permutation(4)
        latents.append(rotated[:, order])
        graphs.append(CausalGraph(Ga=Ga[order]))
    assert partial_udr(latents, graphs).score == pytest.approx(1)
    assert udr(latents).score <= 1
    disentangled = [CausalGraph(Ga=np.eye(4, dtype=int))] * 3
    assert partial_udr(latents, disentangled).score == pytest.approx(udr(latents).score, abs=0.05)


def test_stability_of_time_series_and_of_different_numbers_of_latents() -> None:
    z = np.random.default_rng(training_seed()).normal(size=(200, 2, 3))
    assert udr([z, z[..., :2]]).score == pytest.approx((2 / 3 + 1) / 2, abs=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z: udr([z]), "stability needs two runs or more; got 1"),
        (
            lambda z: udr([z, z[:3]]),
            "run 0 has latents of shape (9, 2), but run 1 has shape (3, 2); encode the same",
        ),
        (lambda z: partial_udr([z, z], [CausalGraph(Ga=[[1], [1]])]), "there are 1 graphs for 2 runs"),
        (
            lambda z: partial_udr([z, z], [CausalGraph(Ga=[[1]])] * 2),
            "the graph of run 0 has 1 latents, but its array has 2 columns; the numbers must be equal",
        ),
    ],
)
def test_invalid_arguments_of_udr(call: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        call(np.random.default_rng(training_seed()).normal(size=(9, 2)))
    assert message in str(caught.value)
