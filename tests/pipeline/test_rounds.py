"""A round of unmixing finds the basis and the edges, whatever came before it."""

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
    # latents that are observed as they are, each moved by an action of its own
    rng = np.random.default_rng(training_seed())
    actions = rng.uniform(-2, 2, (4_000, N))
    latents = np.sin(actions * [1.0, 1.7, 2.4]) + 0.05 * rng.normal(size=(4_000, N))
    return Dataset.from_arrays(latents, actions)


def model_of(data: Dataset) -> tuple[SparseVAE, Batches]:
    """Encodes every observation as itself."""
    model = SparseVAE(Shape(N, N, N, past=False), CONFIG, torch.Generator().manual_seed(training_seed()))
    found = scales(data)
    model.set_scales_(found.x_mean, found.x_scale, found.a_mean, found.a_scale)
    with torch.no_grad():
        for network in (model.encoder, model.decoder):
            network.last.weight.copy_(torch.eye(N))
            network.last.bias.zero_()
    return model, Batches(data, 256, 0, torch.device("cpu"), torch.float32)


MIXING = torch.tensor([[1.0, 0.6, 0.0], [-0.6, 1.0, 0.4], [0.3, 0.0, 1.0]])


def round_of(model: SparseVAE, batches: Batches, data: Dataset) -> str:
    return unmixing_round.unmixing_round_(model, batches, CONFIG, 7, {"actions": N})


def moved(model: SparseVAE, data: Dataset) -> torch.Tensor:
    """Encodings without their mean."""
    with torch.no_grad():
        encoded = model.encoder(model.standardised(torch.from_numpy(data.observations[:500, 0])))
    return encoded - encoded.mean(0)


def test_edges_that_are_gone_are_seen_again(data: Dataset) -> None:
    """A round after one that mixed the latents and kept the wrong edges finds basis and edges."""
    model, batches = model_of(data)
    model.change_basis_(MIXING, torch.zeros(N))
    model.action_masks.freeze_(N)
    assert round_of(model, batches, data).startswith("unmixed after 7 steps")
    support = model.action_masks.support()
    assert (support.sum(0) == 1).all()
    assert (support.sum(1) == 1).all()
    # each latent follows the observed one that its action moves
    both = np.vstack([moved(model, data).numpy().T, data.observations[:500, 0].T])
    assert (np.abs(np.corrcoef(both)[:N, N:])[support.numpy()] > 0.99).all()


def test_what_is_encoded_and_decoded_stays(data: Dataset) -> None:
    model, batches = model_of(data)
    model.change_basis_(MIXING, torch.zeros(N))
    x = model.standardised(torch.from_numpy(data.observations[:500, 0]))
    round_of(model, batches, data)
    torch.testing.assert_close(model.decoder(model.encoder(x)), x)


def test_training_goes_on_with_networks_of_its_own_size(data: Dataset) -> None:
    """Those that measure are larger."""
    model, batches = model_of(data)
    assert round_of(model, batches, data) == round_of(model_of(data)[0], batches, data)
    assert model.networks.weights[0].shape == (N, N, CONFIG.transition_width)


@pytest.mark.parametrize(("spare", "limits", "kept"), [(1.0, {}, N), (1.5, {}, 4), (1.0, {"actions": 2}, 2)])
def test_as_many_edges_as_the_latents_ask_for(
    data: Dataset, spare: float, limits: dict[str, int], kept: int
) -> None:
    """Nobody says how many: three latents with an action each ask for three. What is given is the most."""
    model, batches = model_of(data)
    model.change_basis_(MIXING, torch.zeros(N))
    note = unmixing_round.unmixing_round_(model, batches, CONFIG, 7, limits, spare)
    assert note.endswith(f"{kept} edges of actions kept")
    support = model.action_masks.support()
    assert support.sum() == kept
    if not limits:
        both = np.vstack([moved(model, data).numpy().T, data.observations[:500, 0].T])
        strong = np.abs(np.corrcoef(both)[:N, N:]) > 0.99
        assert support.numpy()[strong].all()
