"""The basis after a nonlinear correction of latents that are a nonlinear mixing, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from estimation.config.training import TrainingConfig
from estimation.methods import build_model
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training import nonlinear_correction
from estimation.training.encodings import Encodings
from estimation.training.measured_effects import fit_measuring_networks_
from estimation.training.nonlinear_correction import corrected_basis
from estimation.training.transition_fitting import TransitionFitter
from tests.seeds import training_seed

TARGETS = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]], dtype=bool)
CONFIG = TrainingConfig(max_edges_actions=6, steps=3_000, seed=training_seed(0))


def nonlinear_encodings(
    nonlinearity: float, collapsed: bool = False
) -> tuple[SparseVAE, Encodings, NDArray[np.float64]]:
    """Return a model that is fitted to nonlinear functions of true latents, these encodings, and the true latents."""
    rng = np.random.default_rng(training_seed(1))
    actions = rng.uniform(-2, 2, (12_000, 3))
    waves = np.sin(rng.uniform(1, 3, (3, 3)) * actions[:, None, :] + rng.uniform(0, 6, (3, 3)))
    truth = (waves * TARGETS).sum(2) + 0.1 * rng.normal(size=(len(actions), 3))
    latents = truth + nonlinearity * np.column_stack(
        [truth[:, 1] * truth[:, 2], truth[:, 0] ** 2, truth[:, 0] * truth[:, 1]]
    )
    factors = np.broadcast_to(0.01 * np.eye(3), (len(actions), 1, 3, 3)).copy()
    if collapsed:
        factors[..., 2, 2] = 10.0
    model = build_model(
        Shape(6, 3, 3, False), CONFIG, torch.Generator().manual_seed(training_seed(0)), None, None
    )
    assert isinstance(model, SparseVAE)
    encodings = Encodings(
        torch.from_numpy(latents[:, None]).float(),
        torch.from_numpy(factors).float(),
        torch.from_numpy(actions).float(),
        torch.zeros(len(actions), 1, 6),
    )
    fit_measuring_networks_(TransitionFitter(model, encodings, 0), encodings.latents, CONFIG)
    return model, encodings, truth


def correlations(latents: torch.Tensor, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the absolute correlation of each true latent with the learned latent that is closest to it."""
    both = np.abs(np.corrcoef(latents[:, 0].double().numpy().T, truth.T)[:3, 3:])
    return np.asarray(both.max(0))


def test_the_right_basis_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonlinear_correction, "_MIN_NONLINEARITY", 1e-4)
    monkeypatch.setattr(nonlinear_correction, "_MAX_STEPS", 500)
    model, encodings, _ = nonlinear_encodings(0.15)
    assert corrected_basis(model, encodings, encodings.latents, CONFIG, 0) is None


def test_a_wrong_basis_is_replaced_by_the_linear_map_that_comes_closest_to_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # few steps show little of the nonlinearity
    monkeypatch.setattr(nonlinear_correction, "_MIN_NONLINEARITY", 1e-4)
    monkeypatch.setattr(nonlinear_correction, "_MAX_STEPS", 500)
    model, encodings, truth = nonlinear_encodings(0.15)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mixing = torch.tensor([[1.0, 0.8, 0.0], [-0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    wrong = encodings.latents @ mixing.T
    corrected = corrected_basis(model, encodings, wrong, CONFIG, 0)
    assert corrected is not None
    assert corrected.difference > 0.1
    assert correlations(wrong, truth).min() < 0.9
    assert correlations(corrected.latents, truth).min() > 0.97
    linear = encodings.latents @ corrected.matrix.T + corrected.offset
    assert correlations(linear, truth).min() > 0.93
    # no linear map comes closer to the corrected latents
    error = (linear - corrected.latents).flatten(0, 1)
    centred = (encodings.latents - encodings.latents.mean(0)).flatten(0, 1)
    assert float((error.T @ centred).abs().max()) < 1e-2 * len(error)
    # the model itself stays as it is
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_with_collapsed_latents_no_basis_is_corrected() -> None:
    model, encodings, _ = nonlinear_encodings(0.0, collapsed=True)
    assert corrected_basis(model, encodings, encodings.latents, CONFIG, 0) is None


def test_a_mixing_that_is_nearly_linear_is_not_corrected() -> None:
    model, encodings, _ = nonlinear_encodings(0.0)
    mixing = torch.tensor([[1.0, 0.8, 0.0], [-0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert corrected_basis(model, encodings, encodings.latents @ mixing.T, CONFIG, 0) is None


def test_nonlinearity_is_the_share_of_variance_that_no_linear_map_explains() -> None:
    rng = np.random.default_rng(training_seed(5))
    latents = torch.from_numpy(rng.normal(size=(200_000, 1, 2))).float()
    factors = torch.eye(2).expand(1, 1, 2, 2)
    before = Encodings(latents, factors, None, latents)
    # of z + c (z^2 - 1), the share is that of the square: 2 c^2 of 1 + 2 c^2
    quadratic = latents[..., :1] + 0.5 * (latents[..., :1] ** 2 - 1)
    after = Encodings(torch.cat([quadratic, latents @ torch.ones(2, 1)], -1), factors, None, latents)
    assert nonlinear_correction._nonlinearity(before, after) == pytest.approx(1 / 3, abs=0.01)
    assert nonlinear_correction._nonlinearity(before, before) < 1e-6
