"""DCI: known cases, invariances, and the scores recomputed from the importances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy

from estimation.exceptions import DataError
from estimation.metrics import dci
from estimation.metrics.inputs import as_samples, split_halves
from tests.seeds import training_seed


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(training_seed(seed)).normal(size=shape)


@pytest.mark.parametrize("importance", ["lasso", "forest"])
def test_dci_of_a_permutation_is_near_one(importance: Any) -> None:
    z = normal(600, 3)
    scores = dci(z, z[:, [2, 0, 1]] * [1, -5, 0.1] + 3, importance=importance)
    assert scores.importance.argmax(axis=1).tolist() == [2, 0, 1]
    assert min(scores.disentanglement, scores.completeness) > (0.99 if importance == "lasso" else 0.9)
    assert scores.informativeness > (0.97 if importance == "lasso" else 0.8)


def test_dci_distinguishes_a_mixed_code_from_a_split_factor() -> None:
    z = normal(600, 2)
    # one code for both factors: not disentangled, but only one code is important for each factor
    mixed = dci(z, z[:, [0]] + z[:, [1]])
    assert mixed.disentanglement < 0.05
    assert mixed.completeness == 1.0
    # one factor, two codes of equal importance
    noise = normal(600, 2, seed=1)
    split = dci(z[:, [0]], z[:, [0]] + noise)
    assert split.disentanglement == 1.0
    assert split.completeness < 0.05


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (4, 3), (3, 1), (1, 3)])
def test_dci_scores_follow_from_its_importances(shape: tuple[int, int]) -> None:
    n_hat, n = shape
    z = normal(100, n)
    z_hat = z @ normal(n, n_hat, seed=1) + 0.3 * normal(100, n_hat, seed=2)
    scores = dci(z, z_hat, seed=3)
    matrix = scores.importance
    assert matrix.shape == shape
    by_row = [1 - entropy(row, base=n) if n > 1 else 1.0 for row in matrix if row.any()]
    weights = [row.sum() for row in matrix if row.any()]
    # the completeness of a factor without any important code is 0
    has_code = [float(column.any()) for column in matrix.T]
    by_column = [
        1 - entropy(column, base=n_hat) if n_hat > 1 and any_code else any_code
        for column, any_code in zip(matrix.T, has_code, strict=True)
    ]
    assert scores.disentanglement == pytest.approx(np.average(by_row, weights=weights))
    assert scores.completeness == pytest.approx(np.mean(by_column))
    assert scores.informativeness == pytest.approx(1 - np.minimum(scores.errors, 1).mean())


def test_dci_is_invariant_under_order_sign_and_scale() -> None:
    z = normal(200, 3)
    z_hat = z @ normal(3, 3, seed=1) + 0.3 * normal(200, 3, seed=2)
    one, other = dci(z, z_hat), dci(z, z_hat[:, [1, 2, 0]] * [-2, 1e3, 1e-3])
    # coordinate descent visits the latents in order and stops before the optimum
    np.testing.assert_allclose(other.importance, one.importance[[1, 2, 0]], atol=1e-2)
    for name in ("disentanglement", "completeness", "informativeness"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-2)


def test_dci_of_unrelated_and_constant_latents() -> None:
    z = np.column_stack([normal(100), np.full(100, 0.1)])
    nothing = dci(z, np.full((100, 2), 0.1))
    assert (nothing.disentanglement, nothing.completeness, nothing.informativeness) == (0, 0, 0)
    assert nothing.errors[1] == 1
    half = dci(z, z)
    assert half.importance[1].tolist() == half.importance[:, 1].tolist() == [0, 0]
    assert half.disentanglement == 1
    assert half.completeness == 0.5
    assert half.informativeness == pytest.approx(0.5, abs=0.01)


def test_dci_does_not_divide_by_the_standard_deviation_of_a_constant_half() -> None:
    z = normal(40, 1)
    _, (score, _) = split_halves(*as_samples(z, z), True, 0)
    z[np.isin(z[:, 0], score)] = 0.1
    assert dci(z, normal(40, 1, seed=1)).errors.tolist() == [1]


def test_the_forest_fits_nonlinear_relations_and_the_lasso_does_not() -> None:
    z = normal(400, 2)
    z_hat = np.abs(z)
    lasso, forest = dci(z_hat, z), dci(z_hat, z, importance="forest")
    assert forest.informativeness > lasso.informativeness + 0.5
    assert forest.importance.argmax(axis=0).tolist() == [0, 1]


def test_dci_is_reproducible_from_its_seed() -> None:
    z, z_hat = normal(60, 2), normal(60, 2, seed=1)
    first, second, other = (
        dci(z, z_hat, seed=seed, importance="forest").importance for seed in (2**40, 2**40, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_invalid_requests_are_refused() -> None:
    regression: Any = "ridge"
    with pytest.raises(DataError, match=r"importance is 'ridge'; it must be 'lasso' or 'forest'"):
        dci(normal(30, 2), normal(30, 2), importance=regression)
    with pytest.raises(DataError, match=r"19 rows can't be split into two halves; at least 20 are needed"):
        dci(normal(19, 2), normal(19, 2))
