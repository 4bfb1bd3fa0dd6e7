"""What a trained model stores for predictions, and how it takes its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.dataset.centring import Centring, centred
from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.models.representation import Representation, as_tensor
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.explained_variance import ExplainedVariance, explained_variance
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.seen_actions import SeenActions

__all__ = ["action_edges", "explained_by_latents", "latent_marginals", "model_tensor", "seen_actions"]

Array = NDArray[np.float64]

# enough for the quantiles and correlations of the latents
_N_ENCODED = 10_000


def action_edges(model: SparseVAE) -> NDArray[np.bool_]:
    """Return the learned G^a, shape (n, m); rows are children."""
    probabilities = model.action_masks.probabilities().detach().double().cpu().numpy()
    edges: NDArray[np.bool_] = probabilities > 0.5
    return edges


def seen_actions(model: Representation, actions: NDArray[Any] | None) -> SeenActions | None:
    """Return what a trained model stores of the actions of its training data; None if it predicts nothing from them."""
    if actions is None or not isinstance(model, SparseVAE):
        return None
    return SeenActions.of(actions, action_edges(model))


@default_modes
@torch.no_grad()
def explained_by_latents(model: SparseVAE, standardised: Tensor) -> ExplainedVariance:
    """Return how much of the variance of standardised observations (N, d_x) the latents of a model explain."""

    def decode(latents: Array) -> Array:
        decoded: Array = model.mean_observations(as_tensor(latents).to(model.x_mean)).double().cpu().numpy()
        return decoded

    latents = model.mean_latents(standardised).double().cpu().numpy()
    return explained_variance(latents, standardised.double().cpu().numpy(), decode)


@default_modes
@torch.no_grad()
def latent_marginals(model: Representation, dataset: Dataset) -> LatentMarginals | None:
    """Return the distribution of the latents that a trained model stores; None if it predicts nothing.

    Args:
        model: The trained networks.
        dataset: The training data, of which 10,000 rows at equal distances are encoded.
    """
    if not isinstance(model, SparseVAE):
        return None
    rows = dataset.observations[:: max(1, len(dataset) // _N_ENCODED)].reshape(-1, dataset.n_observed)
    encoded = [
        model.latents_before_flow(model.standardise(model_tensor(part, model.x_centring, model)))
        for part in np.array_split(rows, max(1, len(rows) // _N_ENCODED))
    ]
    latents = torch.cat(encoded).double().cpu().numpy()
    return LatentMarginals.of(latents) if np.isfinite(latents).all() else None


def model_tensor(values: NDArray[Any], centring: Centring | None, model: SparseVAE) -> Tensor:
    """Return values as a tensor on the device of a model, after centring."""
    return as_tensor(centred(values, centring)).to(model.x_mean)
