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
from estimation.models.jacobian import batch_jacobian
from estimation.models.representation import Representation, as_tensor
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.explained_variance import ExplainedVariance, explained_variance
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.seen_actions import SeenActions

__all__ = [
    "action_edges",
    "explained_by_latents",
    "latent_marginals",
    "model_tensor",
    "seen_actions",
    "undetermined_latents",
]

Array = NDArray[np.float64]

# enough for the quantiles and correlations of the latents
_N_EXAMINED, _MAX_REMAINING, _MIN_SHARE = 1_000, 0.5, 0.05
_N_ENCODED, _MIN_COMPLETE = 10_000, 500


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
        dataset: The training data, of which about 10,000 rows at equal distances are encoded; those without missing
            entries, if they are at least 500.
    """
    if not isinstance(model, SparseVAE):
        return None
    flat = dataset.observations.reshape(-1, dataset.n_observed)
    # rows with missing entries may not determine their latents, and are encoded nearer to the mean
    chosen = np.arange(0, len(flat), max(1, len(flat) // _N_ENCODED))
    complete = chosen[~np.isnan(flat[chosen]).any(axis=1)]
    rows = flat[complete if len(complete) >= _MIN_COMPLETE else chosen]
    encoded = [
        model.latents_before_flow(model.standardise(model_tensor(part, model.x_centring, model)))
        for part in np.array_split(rows, max(1, len(rows) // _N_ENCODED))
    ]
    latents = torch.cat(encoded).double().cpu().numpy()
    return LatentMarginals.of(latents) if np.isfinite(latents).all() else None


@default_modes
@torch.no_grad()
def undetermined_latents(model: Representation, dataset: Dataset) -> dict[str, float]:
    """Return the latents that missing entries leave undetermined, with the share of the rows in which they do.

    A latent is undetermined in a row if the observed entries leave more than half of its variance (the Laplace
    approximation at its encoding), and would not if all entries were there. Encodings of such rows lie near the mean,
    whatever the actions are.

    Args:
        model: The trained networks.
        dataset: The training data, of which up to 1,000 rows with missing entries are examined.
    """
    if not isinstance(model, SparseVAE):
        return {}
    flat = dataset.observations.reshape(-1, dataset.n_observed)
    incomplete = np.isnan(flat).any(axis=1)
    gaps, complete = np.flatnonzero(incomplete), np.flatnonzero(~incomplete)
    if not len(gaps):
        return {}

    def encoded(rows: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        chosen = flat[rows[:: max(1, len(rows) // _N_EXAMINED)]]
        x = model.standardise(model_tensor(chosen, model.x_centring, model))
        return x, model.latents_before_flow(x)

    x, latents = encoded(gaps)
    # rows that leave a latent undetermined are encoded near its mean, and don't show its variance
    whole = encoded(complete)[1] if len(complete) >= _MIN_COMPLETE else latents
    jacobian = (
        batch_jacobian(model.decoder, latents)[1].double() / (0.5 * model.log_variance_x.double()).exp()
    )
    variances = whole.double().var(0).clamp_min(1e-12)

    def is_open(used: Tensor) -> Tensor:
        information = used.mT @ used + torch.diag(1 / variances)
        remaining = torch.linalg.inv(information).diagonal(dim1=-2, dim2=-1)
        opened: Tensor = remaining > _MAX_REMAINING * variances
        return opened

    known = ~torch.isnan(x)
    opened = is_open(torch.where(known[..., None], jacobian, 0)) & ~is_open(jacobian)
    shares = opened.double().mean(0).cpu().numpy() * len(gaps) / len(flat)
    return {f"v{i}": float(share) for i, share in enumerate(shares) if share > _MIN_SHARE}


def model_tensor(values: NDArray[Any], centring: Centring | None, model: SparseVAE) -> Tensor:
    """Return values as a tensor on the device of a model, after centring."""
    return as_tensor(centred(values, centring)).to(model.x_mean)
