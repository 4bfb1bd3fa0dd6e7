"""The random rotation baseline, compared with explicitly rotated rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import ortho_group

from estimation.exceptions import DataError
from estimation.metrics import chance_level, mean_correlation, multiple_correlation
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from tests.seeds import training_seed


def correlated(n: int, rows: int = 500) -> np.ndarray[Any, np.dtype[np.float64]]:
    generator = np.random.default_rng(training_seed(n))
    return generator.normal(size=(rows, n)) @ generator.normal(size=(n, n)) + 3


@pytest.mark.parametrize("n", [2, 5, 10])
def test_the_scores_are_those_of_rotated_rows(n: int) -> None:
    z = correlated(n)
    blocks = predict_entanglement(CausalGraph(Ga=np.kron(np.eye(n // 2 + 1), np.ones((2, 1)))[:n]))
    chance = chance_level(z, blocks, draws=3, seed=training_seed(4))
    assert chance.r_con is not None
    scale, directions = np.linalg.eigh(np.cov(z.T))
    white = (z - z.mean(0)) @ (directions / np.sqrt(scale)) @ directions.T
    generator = np.random.default_rng(training_seed(4))
    for mcc, r_con in zip(chance.mcc, chance.r_con, strict=True):
        rotated = white @ ortho_group.rvs(n, random_state=generator)
        assert mcc == pytest.approx(mean_correlation(z, rotated).score)
        assert r_con == pytest.approx(multiple_correlation(z, rotated, blocks).score)
        assert multiple_correlation(z, rotated).score == pytest.approx(1)


def test_scale_and_origin_do_not_matter_and_the_seed_does() -> None:
    z = correlated(6)
    first = chance_level(z)
    np.testing.assert_allclose(first.mcc, chance_level(z).mcc)
    assert first.r_con is None
    assert abs(first.mcc.mean() - chance_level(z, seed=1).mcc.mean()) > 1e-6
    # all time steps count as rows
    np.testing.assert_allclose(first.mcc, chance_level(z.reshape(-1, 2, 6)).mcc)
    shifted = chance_level(np.random.default_rng(training_seed()).normal(size=(4000, 6)) * 100 - 7).mcc
    plain = chance_level(np.random.default_rng(training_seed()).normal(size=(4000, 6))).mcc
    np.testing.assert_allclose(shifted, plain)


def test_one_latent_has_no_rotation_and_a_constant_latent_has_finite_scores() -> None:
    assert chance_level(np.arange(5.0)[:, None], draws=2).mcc.tolist() == [1.0, 1.0]
    z = correlated(3)
    z[:, 1] = 2.0
    assert np.isfinite(chance_level(z).mcc).all()


def test_str_gives_mean_and_standard_deviation() -> None:
    assert (
        str(chance_level(np.arange(5.0)[:, None], [[1]], draws=2))
        == "MCC 1.000 (sd 0.000), R_con 1.000 (sd 0.000)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"draws": 0}, "draws is 0; it must be a whole number, 1 or more"),
        ({"draws": True}, "draws is True; it must be"),
        ({"seed": -1}, "seed is -1; it must be a whole number, 0 or more"),
        ({"z": [[np.nan, 1.0], [1.0, 2.0]]}, r"z\[0, 0\] is nan; latents must be finite"),
        ({"allowed": np.eye(3)}, r"allowed has shape \(3, 3\)"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        chance_level(**{"z": [[1.0, 2.0], [2.0, 1.0], [0.0, 1.0]], **arguments})
