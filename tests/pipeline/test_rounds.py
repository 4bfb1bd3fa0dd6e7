"""An unmixing round recovers basis and edges, whatever the state of the model before it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.training import unmixing_round
from estimation.training.batches import Batches, scales
from tests.seeds import training_seed

N = 3
CONFIG = TrainingConfig(
    max_edges_actions=N,
    width=16,
    depth=0,
    transition_width=16,
    batch_size=256,
    steps=600,
    posterior="diagonal",
    seed=training_seed(),
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    # latents that are observed directly; each one depends on an action of its own
    rng = np.random.default_rng(training_seed())
    actions = rng.uniform(-2, 2, (4_000, N))
    latents = np.sin(actions * [1.0, 1.7, 2.4]) + 0.05 * rng.normal(size=(4_000, N))
    return Dataset.from_arrays(latents, actions)


def identity_model(data: Dataset) -> tuple[SparseVAE, Batches]:
    """Return a model whose encoder and decoder are the identity."""
    model = SparseVAE(Shape(N, N, N, past=False), CONFIG, torch.Generator().manual_seed(training_seed()))
    units = scales(data)
    model.set_scales_(units.x_mean, units.x_scale, units.a_mean, units.a_scale)
    with torch.no_grad():
        for network in (model.encoder, model.decoder):
            network.last.weight.copy_(torch.eye(N))
            network.last.bias.zero_()
    return model, Batches(data, 256, 0, torch.device("cpu"), torch.float32)


MIXING = torch.tensor([[1.0, 0.6, 0.0], [-0.6, 1.0, 0.4], [0.3, 0.0, 1.0]])


def run_round_(model: SparseVAE, batches: Batches) -> str:
    return unmixing_round.unmixing_round_(model, batches, CONFIG, 7, {"actions": N})


def centred_encodings(model: SparseVAE, data: Dataset) -> torch.Tensor:
    """Return encodings minus their mean."""
    with torch.no_grad():
        encoded = model.encoder(model.standardise(torch.from_numpy(data.observations[:500, 0])))
    return encoded - encoded.mean(0)


def test_a_round_recovers_removed_edges(data: Dataset) -> None:
    """The latents are mixed and the wrong edges are removed before the round, which recovers basis and edges."""
    model, batches = identity_model(data)
    model.change_basis_(MIXING, torch.zeros(N))
    model.action_masks.freeze_(N)
    assert run_round_(model, batches).startswith("unmixed after 7 steps")
    support = model.action_masks.support()
    assert (support.sum(0) == 1).all()
    assert (support.sum(1) == 1).all()
    # each latent is correlated with the observed one that depends on its action
    both = np.vstack([centred_encodings(model, data).numpy().T, data.observations[:500, 0].T])
    assert (np.abs(np.corrcoef(both)[:N, N:])[support.numpy()] > 0.99).all()


def test_a_round_leaves_reconstructions_unchanged(data: Dataset) -> None:
    model, batches = identity_model(data)
    model.change_basis_(MIXING, torch.zeros(N))
    x = model.standardise(torch.from_numpy(data.observations[:500, 0]))
    run_round_(model, batches)
    torch.testing.assert_close(model.decoder(model.encoder(x)), x)


def test_a_round_leaves_the_size_of_the_transition_networks_unchanged(data: Dataset) -> None:
    """The networks that measure effects are larger."""
    model, batches = identity_model(data)
    assert run_round_(model, batches) == run_round_(identity_model(data)[0], batches)
    assert model.networks.weights[0].shape == (N, N, CONFIG.transition_width)


@pytest.mark.parametrize(
    ("budget_factor", "limits", "n_edges"), [(1.0, {}, N), (1.5, {}, 4), (1.0, {"actions": 2}, 2)]
)
def test_without_a_budget_the_round_determines_the_number_of_edges(
    data: Dataset, budget_factor: float, limits: dict[str, int], n_edges: int
) -> None:
    """Three latents with one action each need three edges. A given budget is an upper limit."""
    model, batches = identity_model(data)
    model.change_basis_(MIXING, torch.zeros(N))
    note = unmixing_round.unmixing_round_(model, batches, CONFIG, 7, limits, budget_factor)
    assert note.endswith(f"{n_edges} edges of actions kept")
    support = model.action_masks.support()
    assert support.sum() == n_edges
    if not limits:
        both = np.vstack([centred_encodings(model, data).numpy().T, data.observations[:500, 0].T])
        strong = np.abs(np.corrcoef(both)[:N, N:]) > 0.99
        assert support.numpy()[strong].all()
