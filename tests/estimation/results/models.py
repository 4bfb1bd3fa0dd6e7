"""Small models whose latents, columns and actions are known, without training."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.history import History
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.trained import TrainedModel
from tests.seeds import training_seed

__all__ = ["screen", "untrained_model"]


def screen(n_rows: int = 400, **columns: Any) -> Dataset:
    """Return an on/off screen of three actions, one at a time or none, with six columns; the first two are paired too.

    Args:
        n_rows: Number of rows.
        columns: Names, for `Dataset.from_arrays`.
    """
    rng = np.random.default_rng(training_seed())
    actions = np.zeros((n_rows, 3))
    which = rng.integers(0, 5, n_rows)
    for k in range(3):
        actions[which == k, k] = 1
    actions[which == 3, :2] = 1
    latents = actions @ rng.normal(size=(3, 2)) + 0.1 * rng.normal(size=(n_rows, 2))
    observations = latents @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(n_rows, 6))
    return Dataset.from_arrays(observations, actions=actions, **columns)


def untrained_model(data: Dataset, edges: np.ndarray | None = None, n_latents: int = 2) -> TrainedModel:
    """Return a model of some data with the weights before training, and with given edges of G^a.

    Args:
        data: The data.
        edges: G^a, shape (n, m); None for the edges before training.
        n_latents: Number of latents.
    """
    config = TrainingConfig(sparsity="none", width=8, transition_width=4, depth=1, seed=training_seed())
    network = SparseVAE(
        Shape.of(data, n_latents), config, torch.Generator().manual_seed(training_seed())
    ).eval()
    scale = torch.as_tensor(data.observations.reshape(-1, data.n_observed).std(0), dtype=torch.float32)
    network.set_scales_(
        torch.zeros(data.n_observed), scale, torch.zeros(data.n_actions), torch.ones(data.n_actions)
    )
    if edges is not None:
        network.edges["actions"].start_sampling_(torch.tensor(edges, dtype=torch.float32) * 20 - 10)
        network.edges["actions"].freeze_()
    return TrainedModel.of(network, config, History(), data)
