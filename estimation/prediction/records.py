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
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.seen_actions import SeenActions

__all__ = ["action_edges", "latent_marginals", "model_inputs", "model_tensor", "seen_actions", "spaced_rows"]

# enough for the quantiles and correlations of the latents
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
def latent_marginals(model: Representation, dataset: Dataset) -> LatentMarginals | None:
    """Return the distribution of the latents that a trained model stores; None if it predicts nothing.

    Args:
        model: The trained networks.
        dataset: The training data, of which about 10,000 rows at equal distances are encoded; those without missing
            entries, if they are at least 500.
    """
    if not isinstance(model, SparseVAE):
        return None
    rows, covariates = spaced_rows(dataset, _N_ENCODED)
    # rows with missing entries may not determine their latents, and are encoded nearer to the mean
    chosen = ~np.isnan(rows).any(axis=1)
    chosen = chosen if chosen.sum() >= _MIN_COMPLETE else np.ones(len(rows), dtype=bool)
    inputs = model_inputs(rows[chosen], None if covariates is None else covariates[chosen], model)
    latents = model.latents_before_flow(inputs).double().cpu().numpy()
    return LatentMarginals.of(latents) if np.isfinite(latents).all() else None


def spaced_rows(dataset: Dataset, n_rows: int) -> tuple[NDArray[np.floating], NDArray[np.floating] | None]:
    """Return observations of single steps at equal distances, shape (rows, d_x); at most twice the number, or all.

    Behind them are their covariates, shape (rows, d_c), or None.
    Only these rows are read, so that data on disk stay there.
    """
    n_points = len(dataset) * dataset.n_steps
    rows, steps = np.divmod(np.arange(0, n_points, max(1, n_points // n_rows)), dataset.n_steps)
    covariates = None if dataset.covariates is None else np.asarray(dataset.covariates[rows])
    return np.asarray(dataset.observations[rows, steps]), covariates


def model_inputs(observations: NDArray[Any], covariates: NDArray[Any] | None, model: SparseVAE) -> Tensor:
    """Return observations (N, ..., d_x) and covariates (N, d_c) as inputs of the encoder of a model."""
    c = None if covariates is None else model_tensor(covariates, None, model)
    return model.inputs(model_tensor(observations, model.x_centring, model), c)


def model_tensor(values: NDArray[Any], centring: Centring | None, model: SparseVAE) -> Tensor:
    """Return values as a tensor on the device of a model, after centring."""
    return as_tensor(centred(values, centring)).to(model.x_mean)
