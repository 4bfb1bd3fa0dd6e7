"""Errors and side effects common to all scores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.exceptions import DataError
from estimation.metrics import dci, mean_correlation, multiple_correlation, structural_hamming
from identify.graph import CausalGraph
from tests.estimation.latent_pairs import normal

ROOT = Path(__file__).parents[3]


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
            r"z has shape \(30, 2\) and z_hat \(29, 2\); all sizes but the last must be equal",
        ),
        (GOOD, GOOD[:, None], r"z has shape \(30, 2\) and z_hat \(30, 1, 2\); all sizes but the last"),
        (GOOD[:1], GOOD[:1], r"z has shape \(1, 2\), which is 1 rows; at least 2 are needed"),
        (GOOD[:, 0], GOOD, r"z has shape \(30,\); it must be \(N, n\) or \(N, T, n\), and no size may be 0"),
        (GOOD, GOOD[:, :0], r"z_hat has shape \(30, 0\); it must be \(N, n\)"),
        (WITH_NAN, GOOD, r"z\[2, 1\] is nan; latents must be finite"),
        (GOOD[:, None], WITH_NAN[:, None], r"z_hat\[2, 0, 1\] is nan; latents must be finite"),
        (GOOD * 1j, GOOD, r"z has entries of type complex128; they must be real numbers"),
        (GOOD, GOOD.astype(str), r"z_hat has entries of type <U\d+; they must be real numbers"),
        (GOOD, [[1.0], [1.0, 2.0]], r"z_hat is not an array of numbers: setting an array element"),
        (np.ma.masked_less(GOOD, 0), GOOD, r"z has masked entries; fill them or leave out their rows"),
    ],
)
def test_invalid_arrays_are_refused(score: Any, z: Any, z_hat: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        score(z, z_hat)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("score", [mean_correlation, multiple_correlation])
def test_halves_that_are_too_small_are_refused(score: Any) -> None:
    with pytest.raises(DataError, match=r"3 rows can't be split into two halves; at least 4 are needed"):
        score(GOOD[:3], GOOD[:3], held_out=True)
    one_sequence = GOOD.reshape(1, 30, 2)
    with pytest.raises(DataError, match=r"1 sequences of 30 steps can't be split .* at least 2 are needed"):
        score(one_sequence, one_sequence, held_out=True)
    for seed in (-1, 0.5, True):
        with pytest.raises(DataError, match=rf"seed is {seed}; it must be a whole number, 0 or more"):
            score(GOOD, GOOD, held_out=True, seed=seed)
    assert score(GOOD[:4], GOOD[:4], held_out=True).score <= 1


def test_an_unknown_method_is_refused() -> None:
    method: Any = "kendall"
    with pytest.raises(DataError, match=r"method is 'kendall'; it must be 'pearson' or 'spearman'"):
        mean_correlation(GOOD, GOOD, method=method)


def test_an_invalid_allowed_matrix_is_refused() -> None:
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
        ([[0], [0, 1]], r"is not an array of numbers"),
    ],
)
def test_invalid_matchings_are_refused(matching: Any, message: str) -> None:
    graph = CausalGraph(Ga=np.eye(2))
    with pytest.raises(DataError, match="matching ?" + message):
        multiple_correlation(GOOD, GOOD, matching=matching)
    with pytest.raises(DataError, match="permutation ?" + message):
        structural_hamming(graph, graph, matching)


def test_arguments_and_global_random_state_are_unchanged() -> None:
    z, z_hat = normal(40, 2), normal(40, 2, seed=1)
    before = z.copy(), z_hat.copy()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state must not change
    mean_correlation(z, z_hat, method="spearman", held_out=True)
    multiple_correlation(z, z_hat, allowed=np.eye(2), held_out=True)
    dci(z, z_hat, importance="forest")
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002 - the global state must not change
    np.testing.assert_array_equal(z, before[0])
    np.testing.assert_array_equal(z_hat, before[1])


def test_results_are_read_only() -> None:
    mcc = mean_correlation(GOOD, GOOD)
    for array in (mcc.permutation, mcc.correlations, multiple_correlation(GOOD, GOOD).per_latent):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_scores_need_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; from estimation.metrics import mean_correlation, multiple_correlation\n"
        "z = [[0., 1.], [1., 0.], [2., 5.]]\n"
        "mean_correlation(z, z, method='spearman'), multiple_correlation(z, z)\n"
        "print(sorted({'numpy', 'torch', 'sklearn'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert process.stdout.strip() == "['numpy']"
