"""The explained variance against linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.exceptions import DataError
from estimation.prediction.explained_variance import explained_variance
from identify.graph import CausalGraph
from tests.estimation.prediction.linear_models import linear_model
from tests.seeds import training_seed


def test_orthogonal_directions_have_the_shares_of_their_variances() -> None:
    rng = np.random.default_rng(training_seed(1))
    frame = np.linalg.qr(rng.normal(size=(6, 6)))[0][:, :4]
    deviations = np.array([1.0, 4.0, 2.0, 0.5])
    z = rng.normal(size=(4000, 4))
    z = np.linalg.qr(z - z.mean(0))[0] * np.sqrt(4000)
    x = z * deviations @ frame.T
    result = explained_variance(z, x, lambda latents: latents * deviations @ frame.T)
    assert result.order.tolist() == [1, 2, 0, 3]
    shares = deviations**2 / (deviations**2).sum()
    assert np.allclose(result.ratio, shares[result.order], atol=1e-3)
    assert result.cumulative[-1] == pytest.approx(1)


def test_a_latent_that_others_determine_adds_nothing() -> None:
    rng = np.random.default_rng(training_seed(2))
    first = rng.normal(size=(500, 1))
    z = np.hstack([first, first, rng.normal(size=(500, 1))])
    weight = rng.normal(size=(5, 3))
    result = explained_variance(z, z @ weight.T, lambda latents: latents @ weight.T)
    assert result.ratio[2] == pytest.approx(0, abs=1e-4)


def test_missing_entries_don_t_count() -> None:
    rng = np.random.default_rng(training_seed(3))
    z, weight = rng.normal(size=(3000, 2)), rng.normal(size=(6, 2))
    x = z @ weight.T
    gaps = np.where(rng.random(x.shape) < 0.3, np.nan, x)
    full, partly = (explained_variance(z, values, lambda latents: latents @ weight.T) for values in (x, gaps))
    assert np.allclose(full.ratio, partly.ratio, atol=0.05)
    assert partly.cumulative[-1] == pytest.approx(1)


def test_a_model_explains_what_its_noise_leaves() -> None:
    linear = linear_model(CausalGraph(Ga=[[1], [1]]), np.linspace(-9, 9, 60)[:, None], variance=0.3)
    rng = np.random.default_rng(training_seed(4))
    z = rng.normal(size=(2000, 2))
    x = linear.observations(z) + np.sqrt(0.3) * linear.scale * rng.normal(size=(2000, 6))
    result = linear.model.explained_variance(x)
    standardised = (x - linear.mean) / linear.scale
    fitted = standardised @ np.linalg.pinv(linear.weight).T @ linear.weight.T
    expected = 1 - ((standardised - fitted) ** 2).sum() / ((standardised - standardised.mean(0)) ** 2).sum()
    assert result.cumulative[-1] == pytest.approx(expected, abs=1e-4)
    with pytest.raises(DataError, match=r"observations have 1 row; give at least 2"):
        linear.model.explained_variance(x[:1])
    constant = explained_variance(np.zeros((5, 2)), np.ones((5, 6)), lambda latents: np.ones((5, 6)))
    assert constant.ratio.tolist() == [0, 0]
    with pytest.raises(DataError, match=r"observations have shape \(2, 1, 6\); this needs \(N, 6\)"):
        linear.model.explained_variance(x[:2, None])
