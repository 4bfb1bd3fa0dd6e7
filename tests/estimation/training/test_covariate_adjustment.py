"""Shifts of latents with covariates: measured by regression, and removed without a change of reconstructions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.covariate_adjustment import covariate_shifts, remove_covariate_shifts_
from tests.seeds import training_seed

N, D_X, D_C = 3, 7, 2


def model(**changes: object) -> SparseVAE:
    config = TrainingConfig(width=8, transition_width=4, seed=training_seed(), **changes)
    shape = Shape(D_X, N, 2, past=False, n_covariates=D_C)
    return SparseVAE(shape, config, torch.Generator().manual_seed(training_seed(1)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_shifts_are_those_that_the_latents_were_made_with(seed: int, confounded: bool) -> None:
    rng = np.random.default_rng([training_seed(), seed])
    actions = rng.normal(size=(400, 2))
    covariates = rng.normal(size=(400, D_C)) + (actions if confounded else 0)
    shifts = rng.normal(size=(N, D_C))
    latents = covariates @ shifts.T + actions @ rng.normal(size=(2, N))
    np.testing.assert_allclose(covariate_shifts(latents, covariates, actions), shifts, atol=1e-8)


def test_indicators_of_all_categories_are_no_problem() -> None:
    rng = np.random.default_rng(training_seed(2))
    indicators = np.eye(3)[rng.integers(0, 3, 600)]
    by_category = rng.normal(size=(3, N))
    latents = indicators @ by_category
    shifts = covariate_shifts(latents, indicators, None)
    rest = latents - indicators @ shifts.T
    np.testing.assert_allclose(rest, np.broadcast_to(rest[0], rest.shape), atol=1e-8)


@pytest.mark.parametrize("likelihood", ["gaussian", "poisson"])
def test_reconstructions_stay_and_latents_lose_the_shift(likelihood: str) -> None:
    network = model(likelihood=likelihood)
    generator = torch.Generator().manual_seed(training_seed(3))
    x = torch.poisson(torch.full((20, D_X), 5.0), generator=generator) + 1
    c = torch.randn(20, D_C, generator=generator)
    inputs = network.inputs(x, c)
    shifts = torch.randn(N, D_C, generator=generator)
    with torch.no_grad():
        before = network.mean_latents(inputs)
        means = network.mean_observations(before, network.covariates(inputs))
        network.shift_by_covariates_(shifts)
        after = network.mean_latents(inputs)
        again = network.mean_observations(after, network.covariates(inputs))
    torch.testing.assert_close(after, before - network.covariates(inputs) @ shifts.T, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(again, means, rtol=1e-4, atol=1e-4)


def test_encodings_do_not_depend_on_covariates_afterwards() -> None:
    rng = np.random.default_rng(training_seed(4))
    data = Dataset.from_arrays(
        rng.normal(size=(500, D_X)), rng.normal(size=(500, 2)), covariates=rng.normal(size=(500, D_C))
    )
    network = model()
    batches = Batches(data, 100, training_seed(5), torch.device("cpu"), torch.float32, model=network)
    remove_covariate_shifts_(network, batches, 0)
    batch = batches.rows(slice(None))
    with torch.no_grad():
        latents = network.mean_latents(network.inputs(batch.observations, batch.covariates)[:, 0])
    left = covariate_shifts(
        latents.double().numpy(), np.asarray(data.covariates, dtype=float), np.asarray(data.actions)
    )
    assert np.abs(left).max() < 1e-4


@pytest.mark.parametrize("how", ["no skip connection", "own encoder"])
def test_networks_without_a_linear_part_stay(how: str) -> None:
    rng = np.random.default_rng(training_seed(6))
    data = Dataset.from_arrays(
        rng.normal(size=(50, D_X)), rng.normal(size=(50, 2)), covariates=rng.normal(size=(50, D_C))
    )
    network = model(skip=False)
    if how == "own encoder":
        shape, config = network.shape, TrainingConfig(width=8, transition_width=4, seed=training_seed())
        own = torch.nn.Linear(D_X + D_C, N)
        network = SparseVAE(shape, config, torch.Generator().manual_seed(training_seed(1)), encoder=own)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    batches = Batches(data, 20, training_seed(5), torch.device("cpu"), torch.float32, model=network)
    remove_covariate_shifts_(network, batches, 0)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
