"""The linear map of the latents that a method's own loss prefers, found by a solver instead of by training.

The loss of a VAE whose latents explain the observations still depends on a rotation of the latents. Encoder and decoder
would have to rotate together, which gradient descent hardly achieves. So the latents are encoded at a few points of
training, the map that minimises the loss is computed for them, and it is put between encoder and decoder
(docs/experiments.md, "Rotations of SlowVAE and beta-TCVAE").
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from estimation.models.baselines.ica import fast_ica

__all__ = ["ica_map", "maximum_likelihood_map"]

M = TypeVar("M", bound=nn.Module)

# a latent whose variance is below this share of the largest one has collapsed
_MIN_RELATIVE_VARIANCE = 0.01
_LBFGS_ITERATIONS = 300
_ICA_ITERATIONS, _ICA_TOLERANCE = 500, 1e-3
# largest condition number of a map whose inverse is accurate in single precision
_MAX_CONDITION = 1e4


def ica_map(latents: Tensor, seed: int) -> Tensor:
    """Compute the linear map to uncorrelated latents of unit variance that are as independent as possible.

    Among the maps to uncorrelated latents, that of least total correlation is that of most negentropy, which FastICA
    maximises (Hyvarinen and Oja, Neural Networks 13, 2000, "Minimization of mutual information").

    Args:
        latents: Encoded latents, shape (N, n).
        seed: Seed of the initial map of the search.

    Returns:
        The map, shape (n, n). It leaves collapsed latents unchanged. It is the identity if there are at most n rows, or
        if some latents are copies of others.
    """
    active = _active_latents(latents)
    result = torch.eye(latents.shape[1], dtype=torch.float64, device="cpu")
    if int(active.sum()) < 2 or len(latents) <= latents.shape[1]:
        return result
    # an approximate map suffices, since training continues from it
    rotation = fast_ica(latents[:, active].double().cpu().numpy(), seed, _ICA_ITERATIONS, _ICA_TOLERANCE)
    if _well_conditioned(rotation):
        result[np.ix_(active, active)] = torch.from_numpy(rotation)
    return result


def maximum_likelihood_map(
    latents: Tensor, prior: M, cost: Callable[[M, Tensor], Tensor], entropy_weight: float
) -> tuple[Tensor, M]:
    """Compute the linear map under which latents are likeliest, with the parameters of the prior that suit it best.

    Args:
        latents: Encoded latents, shape (N, T, n).
        prior: Module whose parameters have one entry per latent. It is not changed.
        cost: Negative log-density of mapped latents (N, T, n) under a prior, averaged over rows, a scalar.
        entropy_weight: Number of steps whose entropy the loss counts; a map that stretches the latents raises the
            entropy. It is T if the loss is an ELBO.

    Returns:
        The map, shape (n, n), and the prior with its best parameters. Both leave collapsed latents unchanged, since
        their encodings do not show how they vary in the model. If some latents are copies of others, the map is the
        identity.
    """
    z = latents.double()
    active = torch.from_numpy(_active_latents(z.flatten(0, 1))).to(z.device)
    fitted = copy.deepcopy(prior).double()
    linear_map = torch.eye(z.shape[2], dtype=z.dtype, device=z.device).requires_grad_()
    free_entries = active[:, None] & active
    solver = torch.optim.LBFGS(
        [linear_map, *fitted.parameters()], max_iter=_LBFGS_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        solver.zero_grad()
        log_det = torch.linalg.slogdet(linear_map)[1]
        total: Tensor = cost(fitted, z @ linear_map.T) - entropy_weight * log_det
        total.backward()  # type: ignore[no-untyped-call]
        trainable = [(linear_map, free_entries), *((parameter, active) for parameter in fitted.parameters())]
        for parameter, free in trainable:
            if parameter.grad is not None:
                parameter.grad *= free
        return total

    before = loss().item()
    solver.step(loss)  # type: ignore[no-untyped-call]
    if not (loss().item() < before and _well_conditioned(linear_map.detach().cpu().numpy())):
        return torch.eye(z.shape[2], dtype=z.dtype, device="cpu"), prior
    return linear_map.detach(), fitted


def _well_conditioned(matrix: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(matrix).all() and np.linalg.cond(matrix) < _MAX_CONDITION)


def _active_latents(latents: Tensor) -> NDArray[np.bool_]:
    """Return which latents, of shape (N, n), vary enough to be active, shape (n,)."""
    variance = latents.detach().double().var(0).cpu().numpy()
    return np.asarray(variance > _MIN_RELATIVE_VARIANCE * variance.max())
