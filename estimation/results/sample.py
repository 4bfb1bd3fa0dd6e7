"""Latents at which a model is evaluated: encoded rows of data, or draws from the distribution that the model stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.dataset.alignment import align
from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.models.representation import as_tensor
from estimation.models.sparse_vae import SparseVAE
from estimation.trained import TrainedModel

__all__ = ["LatentSample", "latent_sample"]

Array = NDArray[np.float64]

_N_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class LatentSample:
    """Latents of some rows.

    Attributes:
        latents: Latents, shape (B, n).
        actions: The actions that led to them, shape (B, m), in the user's units; None without actions, and for latents
            that were not encoded.
        is_encoded: Whether the latents are encoded rows of data, rather than draws.
        n_points: Number of steps of all rows of the data, of which the sample holds some; the number of draws without
            data.
    """

    latents: Array
    actions: Array | None
    is_encoded: bool
    n_points: int

    @property
    def mean(self) -> Array:
        """Mean of every latent, shape (n,)."""
        return np.asarray(self.latents.mean(axis=0))

    @property
    def deviation(self) -> Array:
        """Standard deviation of every latent, shape (n,); 1 for a constant one."""
        deviation = self.latents.std(axis=0)
        return np.asarray(np.where(deviation > 0, deviation, 1.0))


def latent_sample(
    model: TrainedModel, dataset: Dataset | None = None, n_rows: int = _N_ROWS, seed: int = 0
) -> LatentSample | None:
    """Return latents to evaluate a model at.

    Args:
        model: The trained model.
        dataset: Data with the columns of the training data; rows at equal distances are encoded. None for draws from
            the distribution of the latents over the training data, which a sparse VAE stores.
        n_rows: Number of rows, or of draws.
        seed: Seed of the draws.

    Returns:
        The latents; None without data if the model stores no distribution. Of sequences, the steps after the first
        one, to which an action led. A baseline can't encode rows with missing entries, so they are left out.

    Raises:
        DataError: If the data don't fit the model, or have no row that can be encoded.
    """
    if dataset is None:
        return _drawn(model, n_rows, seed)
    dataset = align(dataset, model)
    first = int(dataset.n_steps > 1)
    steps_per_row = dataset.n_steps - first
    n_points = len(dataset) * steps_per_row
    rows, steps = np.divmod(np.arange(0, n_points, max(1, -(-n_points // n_rows))), steps_per_row)
    observations = np.asarray(dataset.observations[rows, steps + first])
    actions = dataset.actions
    if actions is not None:
        actions = np.asarray(actions[rows] if actions.ndim == 2 else actions[rows, steps], dtype=np.float64)
    missing = np.isnan(observations)
    usable = ~(missing.all(axis=1) if isinstance(model.model, SparseVAE) else missing.any(axis=1))
    if usable.sum() < 2:
        raise DataError("fewer than 2 rows of the data can be encoded; the others have missing entries")
    covariates = None if dataset.covariates is None else dataset.covariates[rows[usable]]
    latents = model.encode(observations[usable], covariates).astype(np.float64)
    return LatentSample(latents, None if actions is None else actions[usable], True, n_points)


@default_modes
@torch.no_grad()
def _drawn(model: TrainedModel, n_rows: int, seed: int) -> LatentSample | None:
    network, marginals = model.model, model.latent_marginals
    if not isinstance(network, SparseVAE) or marginals is None:
        return None
    n = len(marginals.correlations)
    generator = np.random.default_rng(seed)
    scores = generator.standard_normal((n_rows, n)) @ np.linalg.cholesky(marginals.correlations).T
    before_flow = as_tensor(marginals.values(scores)[0]).to(network.x_mean)
    latents = network.flow(before_flow).double().cpu().numpy()
    return LatentSample(np.asarray(latents), None, False, n_rows)
