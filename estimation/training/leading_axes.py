"""The principal axes of observations with hundreds of columns, measured before training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from estimation.device import CPU_FLOAT32
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches

__all__ = ["leading_axes"]

_MAX_ROWS, _CHUNK = 16_384, 2_048
_OVERSAMPLING, _ITERATIONS = 16, 3


@torch.no_grad()
def leading_axes(model: SparseVAE, batches: Batches, n_axes: int) -> Tensor:
    """Return the axes with the largest variances, shape (n_axes, d_x), scaled so that their mean variance is 1.

    Axes are those of random rows, the same for every seed of a model. Missing entries count as the column's mean.

    Args:
        model: The model with the scales of the data, which says what is read of them.
        batches: Batches of the training data.
        n_axes: Number of axes.
    """
    rows = np.sort(np.random.default_rng(0).permutation(batches.n_rows)[:_MAX_ROWS])
    values = torch.empty(len(rows) * (1 + model.shape.past), model.shape.n_observed, **CPU_FLOAT32)
    filled = 0
    for start in range(0, len(rows), _CHUNK):
        batch = batches.rows(rows[start : start + _CHUNK])
        columns = model.columns(model.inputs(batch.observations, batch.covariates).flatten(0, 1))
        values[filled : filled + len(columns)] = torch.nan_to_num(columns)
        filled += len(columns)
    values -= values.mean(0)
    sizes, axes = _leading(values, n_axes)
    variance = sizes.square().sum() / (n_axes * len(values))
    result = torch.zeros(n_axes, values.shape[1], **CPU_FLOAT32)
    # fewer rows than axes have no other direction
    result[: len(axes)] = axes / variance.sqrt().clamp_min(1e-12)
    return result.to(model.x_mean)


def _leading(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest singular values, shape (count,), and right singular vectors, shape (count, d), of (N, d).

    Randomised subspace iteration (Halko, Martinsson, Tropp 2011, Algorithm 4.4), with a generator of its own and the
    threads of the run; torch's and scikit-learn's have one of the two.
    """
    generator = torch.Generator().manual_seed(0)
    width = min(count + _OVERSAMPLING, *values.shape)
    basis = torch.linalg.qr(values @ torch.randn(values.shape[1], width, generator=generator, **CPU_FLOAT32))[
        0
    ]
    for _ in range(_ITERATIONS):
        basis = torch.linalg.qr(values.mT @ basis)[0]
        basis = torch.linalg.qr(values @ basis)[0]
    _, sizes, vectors = torch.linalg.svd(basis.mT @ values, full_matrices=False)
    return sizes[:count], vectors[:count]
