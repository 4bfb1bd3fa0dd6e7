"""The principal axes of observations with hundreds of columns, measured before training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches

__all__ = ["leading_axes"]

_MAX_ROWS, _CHUNK = 16_384, 2_048


@torch.no_grad()
def leading_axes(model: SparseVAE, batches: Batches, n_axes: int) -> Tensor:
    """Return the axes with the largest variances, shape (n_axes, d_x), scaled so that their mean variance is 1.

    Axes are those of random rows, the same for every seed of a model. Missing entries count as the column's mean.

    Args:
        model: The model with the scales of the data, which says what is read of them.
        batches: Batches of the training data.
        n_axes: Number of axes.
    """
    # loading it takes a second
    from sklearn.utils.extmath import randomized_svd

    rows = np.sort(np.random.default_rng(0).permutation(batches.n_rows)[:_MAX_ROWS])
    parts = []
    for start in range(0, len(rows), _CHUNK):
        batch = batches.rows(rows[start : start + _CHUNK])
        columns = model.columns(model.inputs(batch.observations, batch.covariates).flatten(0, 1))
        parts.append(torch.nan_to_num(columns).float().cpu())
    values = torch.cat(parts)
    values -= values.mean(0)
    _, sizes, axes = map(torch.from_numpy, randomized_svd(values.numpy(), n_axes, n_iter=2, random_state=0))
    variance = (sizes**2).mean() / len(values)
    return (axes / variance.sqrt().clamp_min(1e-12)).to(model.x_mean)
