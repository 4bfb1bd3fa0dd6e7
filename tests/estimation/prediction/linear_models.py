"""Models with a linear decoder and Gaussian noise, whose predictions are known in closed form.

    z ~ N(m(a), S)      m and S from the model's own transition
    x = W z + b + e     e ~ N(0, v I), in standardised units; multiplied by a scale and shifted by a mean

so p(x | a) = N(W m(a) + b, W S W' + v I), and the posterior given some entries of x follows by conditioning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.config import TrainingConfig
from estimation.history import History
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.seen_actions import SeenActions
from estimation.trained import TrainedModel
from identify.graph import CausalGraph
from tests.estimation.fakes import Map
from tests.seeds import training_seed

__all__ = ["LinearModel", "gaussian_marginals", "linear_model"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LinearModel:
    """A model with its parameters in double precision."""

    model: TrainedModel
    weight: Array
    mean: Array
    scale: Array
    variance: float

    def latents(self, actions: Array, past: Array | None = None) -> tuple[Array, Array]:
        """Return means and variances of the latents, shapes (N, n)."""
        network = self.model.model
        before = None if past is None else torch.tensor(self.model.encode(past))
        with torch.no_grad():
            latents = network.transition(before, torch.tensor(actions, dtype=torch.float32))
        return latents.loc.double().numpy(), latents.scale.double().numpy() ** 2

    def observations(self, latents: Array) -> Array:
        """Return observations without noise, in the user's units."""
        return latents @ self.weight.T * self.scale + self.mean

    def covariance(self, variances: Array) -> Array:
        """Return the covariance of observations in the user's units for latents with these variances (n,)."""
        standardised = self.weight * variances @ self.weight.T + self.variance * np.eye(len(self.weight))
        covariance: Array = standardised * np.outer(self.scale, self.scale)
        return covariance


def gaussian_marginals(mean: Array, covariance: Array) -> LatentMarginals:
    """Return the stored form of Gaussian latents."""
    deviation = np.sqrt(np.diag(covariance))
    scores = np.linspace(-3, 3, 33)
    quantiles = mean[:, None] + deviation[:, None] * scores
    return LatentMarginals(quantiles, covariance / np.outer(deviation, deviation))


def linear_model(
    graph: CausalGraph, seen: Array, n_observed: int = 6, variance: float = 0.05, seed: int = 0
) -> LinearModel:
    """Return a model with a graph, a linear decoder, and the given actions of training data, shape (N, m)."""
    rng = np.random.default_rng(training_seed(seed))
    n = graph.n_latents
    weight = rng.normal(size=(n_observed, n))
    matrix = torch.tensor(weight, dtype=torch.float32)
    inverse = torch.linalg.pinv(matrix)
    mean, scale = rng.normal(size=n_observed), rng.uniform(0.5, 3, n_observed)
    network = SparseVAE(
        Shape(n_observed, n, graph.n_actions, past=bool(graph.Gz.nnz)),
        TrainingConfig(sparsity="none", transition_width=8, seed=training_seed(seed)),
        torch.Generator().manual_seed(training_seed(seed)),
        encoder=Map(lambda x: x @ inverse.to(x).T),
        decoder=Map(lambda z: z @ matrix.to(z).T),
    )
    network.set_scales_(
        torch.tensor(mean, dtype=torch.float32),
        torch.tensor(scale, dtype=torch.float32),
        torch.zeros(graph.n_actions),
        torch.ones(graph.n_actions),
    )
    with torch.no_grad():
        network.log_variance_x.fill_(np.log(variance))
        network.log_variance_z.copy_(torch.tensor(rng.uniform(-2, 0, n)))
    for name, edges in (("past", graph.Gz), ("actions", graph.Ga)):
        if name in network.edges:
            network.edges[name].start_sampling_(torch.tensor(edges.toarray(), dtype=torch.float32) * 20 - 10)
            network.edges[name].freeze_()
    trained = TrainedModel(
        network.eval(),
        TrainingConfig(sparsity="none", seed=training_seed(seed)),
        History(),
        graph.actions,
        seen_actions=SeenActions.of(seen, graph.Ga.toarray()) if graph.n_actions else None,
    )
    return LinearModel(trained, weight, mean, scale, variance)
