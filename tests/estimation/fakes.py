"""Substitutes for trained models, whose latents are a known map of the true ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.history import History
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.trained import TrainedModel
from identify.graph import CausalGraph
from tests.seeds import training_seed

__all__ = ["Map", "Truth", "linear_model", "model_of"]

Array = NDArray[np.float64]
Function = Callable[[Tensor], Tensor]


class Map(nn.Module):
    """A function as a module."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, values: Tensor) -> Tensor:
        return self.function(values)


class Truth:
    """The true decoder x = W sinh(z), with orthonormal columns W: injective, and its inverse is known."""

    def __init__(self, n_latents: int, n_observed: int, seed: int = 0) -> None:
        rng = np.random.default_rng(training_seed(seed))
        frame = np.linalg.qr(rng.normal(size=(n_observed, n_observed)))[0][:, :n_latents]
        self.frame = torch.tensor(frame, dtype=torch.float32)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sinh(z) @ self.frame.to(z).T

    def encode(self, x: Tensor) -> Tensor:
        return torch.asinh(x @ self.frame.to(x))

    def dataset(self, z: Array, graph: CausalGraph | None = None, known: bool = True) -> Dataset:
        """Return data with the given latents, (N, n) or (N, T, n), and with the true decoder if ``known``.

        If the graph has actions, the data have random actions that do not affect the latents.
        """
        steps = z if z.ndim == 3 else z[:, None]
        latents = steps.astype(np.float32)
        actions = None
        if graph is not None and graph.n_actions:
            shape = (
                (len(z), steps.shape[1] - 1, graph.n_actions)
                if steps.shape[1] > 2
                else (len(z), graph.n_actions)
            )
            actions = np.random.default_rng(training_seed(1)).normal(size=shape)
        return Dataset.from_arrays(
            self.decode(torch.from_numpy(latents)).numpy(),
            actions=actions,
            latents=latents,
            graph=graph,
            decoder=Map(self.decode) if known else None,
            allow_constant=True,
        )


def model_of(
    truth: Truth,
    to_true: Function,
    to_learned: Function,
    n_learned: int,
    graph: CausalGraph | None = None,
) -> TrainedModel:
    """Return a model whose decoder is ``to_true`` followed by the true decoder, and whose encoder is its inverse.

    The scales differ from one. Without a given graph, one action affects all latents.
    """
    n_observed = truth.frame.shape[0]
    graph = graph or CausalGraph(Ga=np.ones((n_learned, 1)))
    mean, scale = torch.linspace(-1, 1, n_observed), torch.linspace(0.5, 3, n_observed)
    shape = Shape(n_observed, n_learned, graph.n_actions, past=bool(graph.Gz.nnz))
    network = SparseVAE(
        shape,
        TrainingConfig(sparsity="none", width=4, transition_width=2, seed=training_seed()),
        torch.Generator().manual_seed(training_seed()),
        encoder=Map(lambda x: to_learned(truth.encode(x * scale + mean))),
        decoder=Map(lambda z: (truth.decode(to_true(z)) - mean) / scale),
    )
    network.set_scales_(mean, scale, torch.zeros(graph.n_actions), torch.ones(graph.n_actions))
    for name, matrix in (("past", graph.Gz), ("actions", graph.Ga)):
        if name in network.edges:
            network.edges[name].start_sampling_(torch.tensor(matrix.toarray(), dtype=torch.float32) * 20 - 10)
            network.edges[name].freeze_()
    return TrainedModel(
        network.eval(), TrainingConfig(sparsity="none", seed=training_seed()), History(), graph.actions
    )


def linear_model(truth: Truth, mixing: Array, graph: CausalGraph | None = None) -> TrainedModel:
    """Return a model with z = mixing @ z_hat, for a square or wide mixing of full rank."""
    matrix = torch.tensor(mixing, dtype=torch.float32)
    inverse = torch.tensor(np.linalg.pinv(mixing), dtype=torch.float32)
    return model_of(truth, lambda z: z @ matrix.T, lambda z: z @ inverse.T, mixing.shape[1], graph)
