"""Latents made independent of covariates, to first order, before each round of unmixing.

Encoder and decoder both see covariates, so a shift of the latents with a covariate, z + K c, costs the reconstruction
nothing: the decoder undoes it. It costs the divergence something, which is little where observations have little noise,
and gradient descent then takes long to remove it. It is removed exactly here: K is the regression of the latents on
covariates, and on actions where they act on the same step, and the shift is folded into the linear parts of both
networks (ours).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.models.networks import MLP
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings

__all__ = ["covariate_shifts", "remove_covariate_shifts_"]

_ROWS = 20_000
_RIDGE = 1e-6


def remove_covariate_shifts_(model: SparseVAE, batches: Batches, step: int) -> None:
    """Remove the linear dependence of the latents on covariates, in place, without changing any reconstruction.

    Nothing happens without covariates, and with networks that have no linear part for them: user-supplied ones, or
    those without a skip connection.

    Args:
        model: The networks.
        batches: Batches of the training data.
        step: Number of steps of training, which determines the rows.
    """
    encoder, decoder = model.encoder, model.decoder
    if not model.shape.n_covariates or not isinstance(encoder, MLP) or not isinstance(decoder, MLP):
        return
    if encoder.skip is None:
        return
    encodings = Encodings.of(model, batches, step, _ROWS, with_inputs=True)
    covariates = model.covariates(encodings.inputs[:, 0])
    assert covariates is not None
    # the first step of a sequence has no action and no past
    actions = None if model.shape.past or encodings.actions is None else encodings.actions
    shifts = covariate_shifts(
        _as_array(encodings.latents[:, 0]),
        _as_array(covariates),
        None if actions is None else _as_array(actions),
    )
    model.shift_by_covariates_(torch.from_numpy(shifts).to(model.x_mean))


def covariate_shifts(
    latents: NDArray[np.float64], covariates: NDArray[np.float64], actions: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return how much latents change with covariates, the other regressors being the same, shape (n, d_c).

    Args:
        latents: Latents, shape (N, n).
        covariates: Covariates, shape (N, d_c). Indicators of all categories sum to a constant, so that the solution of
            least norm is taken.
        actions: Actions, shape (N, m), or None.

    Example:
        >>> c = np.array([[0.0], [1.0], [0.0], [1.0]])
        >>> covariate_shifts(np.array([[1.0], [3.0], [1.0], [3.0]]), c, None).round(3).tolist()
        [[2.0]]
    """
    columns = [covariates] if actions is None else [covariates, actions]
    regressors = np.concatenate(columns, axis=1)
    scale = regressors.std(axis=0)
    regressors = (regressors - regressors.mean(0)) / np.where(scale > 0, scale, 1)
    coefficients = np.linalg.lstsq(regressors, latents - latents.mean(0), rcond=_RIDGE)[0]
    n_covariates = covariates.shape[1]
    return np.asarray((coefficients[:n_covariates] / np.where(scale > 0, scale, 1)[:n_covariates, None]).T)


def _as_array(values: Tensor) -> NDArray[np.float64]:
    return np.asarray(values.double().cpu().numpy())
