"""Structure in reconstruction errors, and the shapes of residuals; and latents that collapse or coincide."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.diagnostics.fit import residual_correlation, residual_shapes, structured_share
from estimation.diagnostics.latents import collapsed_latents, duplicate_latents
from tests.estimation.diagnostics.evidence import evidence_of
from tests.seeds import training_seed


def test_noise_has_no_structure() -> None:
    assert structured_share(evidence_of()) < 0.05


def test_a_misfit_is_structure_in_its_share_of_the_errors() -> None:
    evidence = evidence_of()
    misfit = evidence.latents[:, :1] * evidence.latents[:, 1:2] + evidence.latents[:, 2:3]
    misfit = (misfit - misfit.mean()) / misfit.std()
    noise = np.random.default_rng(training_seed(1)).normal(size=misfit.shape)
    for share in (0.3, 0.9):
        errors = np.sqrt(share) * misfit + np.sqrt(1 - share) * noise
        assert structured_share(evidence_of(reconstruction_errors=errors)) == pytest.approx(share, abs=0.05)


def test_too_few_rows_show_no_structure() -> None:
    assert structured_share(evidence_of(n_rows=40)) == 0
    assert structured_share(evidence_of(reconstruction_errors=np.zeros((2_000, 3)))) == 0


def test_residual_shapes_are_those_of_the_noise() -> None:
    rng = np.random.default_rng(training_seed(0))
    columns = [
        rng.normal(size=50_000),
        rng.exponential(size=50_000),
        rng.laplace(size=50_000),
        np.zeros(50_000),
    ]
    shapes = residual_shapes(evidence_of(learned_residuals=np.column_stack(columns)))
    assert [shape.latent for shape in shapes] == ["v0", "v1", "v2"]
    assert [shape.skewness for shape in shapes] == pytest.approx([0, 2, 0], abs=0.2)
    assert [shape.kurtosis for shape in shapes] == pytest.approx([0, 6, 3], abs=0.8)


def test_the_largest_correlation_of_residuals_names_its_latents() -> None:
    noise = np.random.default_rng(training_seed(0)).normal(size=(5_000, 4))
    noise[:, 3] = 0.6 * noise[:, 1] + 0.8 * noise[:, 3]
    correlation, names = residual_correlation(evidence_of(learned_residuals=noise))
    assert correlation == pytest.approx(0.6, abs=0.05)
    assert names == ("v1", "v3")
    assert residual_correlation(evidence_of(np.ones((1, 2), dtype=bool))) == (0.0, ())


def test_latents_below_their_posterior_have_collapsed() -> None:
    assert collapsed_latents(evidence_of()) == ()
    assert collapsed_latents(evidence_of(posterior=np.diag([1e-4, 50.0, 1e-4, 50.0]))) == ("v1", "v3")


def test_latents_that_are_nearly_the_same_are_paired() -> None:
    evidence = evidence_of()
    assert duplicate_latents(evidence) == []
    latents = evidence.latents.copy()
    latents[:, 3] = 0.01 * latents[:, 0] - 2 * latents[:, 1]
    ((first, second, correlation),) = duplicate_latents(evidence_of(latents=latents))
    assert (first, second) == ("v1", "v3")
    assert correlation > 0.99
    collapsed = evidence_of(latents=latents, posterior=np.diag([1e-4, 1e-4, 1e-4, 50.0]))
    assert duplicate_latents(collapsed) == []
