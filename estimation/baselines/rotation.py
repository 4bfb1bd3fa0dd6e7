"""Which linear map of its latents a method would rather have: by a solver, where training turns for thousands of steps.

A VAE soon has latents that tell of all observations, and is left with turning them: encoder and decoder would have to
turn together, which they hardly do. So the latents are encoded now and then, the map under which the method's own loss
is least is found for them, and put between encoder and decoder.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from estimation.baselines.ica import fast_ica

__all__ = ["independent", "least_costly"]

M = TypeVar("M", bound=nn.Module)

# a latent that varies by less than this share of the one that varies most is not told of by observations
_TOLD = 0.01
_ROUNDS = 300
_ICA_ROUNDS, _ICA_CLOSE = 500, 1e-3
# the condition of a map whose inverse is good in single precision
_STEEPEST = 1e4


def independent(latents: Tensor, seed: int) -> Tensor:
    """The map to uncorrelated latents of unit variance that are as independent as a map can make them.

    FastICA: of all maps to uncorrelated latents, that of least total correlation is that of most negentropy (Hyvarinen
    and Oja, Neural Networks 13, 2000, "Minimization of mutual information").

    Args:
        latents: shape (N, n).
        seed: of the map that the search starts from.

    Returns:
        shape (n, n). Latents that hardly vary stay as they are. So do all of them where no more rows than n tell, or
        where some copy others.
    """
    kept = _told(latents)
    result = torch.eye(latents.shape[1], dtype=torch.float64, device="cpu")
    if int(kept.sum()) < 2 or len(latents) <= latents.shape[1]:
        return result
    # a map that could be a little better is good enough: training goes on from it. That of latents which copy each
    # other is not taken
    found = fast_ica(latents[:, kept].double().cpu().numpy(), seed, _ICA_ROUNDS, _ICA_CLOSE)
    if _invertible(found):
        result[np.ix_(kept, kept)] = torch.from_numpy(found)
    return result


def least_costly(
    latents: Tensor, prior: M, cost: Callable[[M, Tensor], Tensor], entropies: float
) -> tuple[Tensor, M]:
    """The map under which latents are likeliest, with the parameters of the prior that are best for them.

    Args:
        latents: shape (N, T, n).
        prior: its parameters have one entry for each latent; it stays as it is.
        cost: minus the log-density of mapped latents (N, T, n) under a prior, averaged over rows, a scalar.
        entropies: as how many steps' the loss counts the entropy of latents, which a map that stretches them raises; T
            where the loss is an ELBO.

    Returns:
        the map, shape (n, n), and the prior with its best parameters. Latents that hardly vary are left alone in both:
        what is encoded of them says nothing of how they vary in the model. Where some copy others, so are all.
    """
    z = latents.double()
    kept = torch.from_numpy(_told(z.flatten(0, 1))).to(z.device)
    fitted = copy.deepcopy(prior).double()
    found = torch.eye(z.shape[2], dtype=z.dtype, device=z.device).requires_grad_()
    free = kept[:, None] & kept
    solver = torch.optim.LBFGS([found, *fitted.parameters()], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        total: Tensor = cost(fitted, z @ found.T) - entropies * torch.linalg.slogdet(found)[1]
        total.backward()  # type: ignore[no-untyped-call]
        for parameter, which in ((found, free), *((each, kept) for each in fitted.parameters())):
            assert parameter.grad is not None
            parameter.grad *= which
        return total

    before = loss().item()
    solver.step(loss)  # type: ignore[no-untyped-call]
    if not (loss().item() < before and _invertible(found.detach().cpu().numpy())):
        return torch.eye(z.shape[2], dtype=z.dtype, device="cpu"), prior
    return found.detach(), fitted


def _invertible(found: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> bool:
    return bool(np.isfinite(found).all() and np.linalg.cond(found) < _STEEPEST)


def _told(latents: Tensor) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which latents, of shape (N, n), observations tell of, shape (n,)."""
    variance = latents.detach().double().var(0).cpu().numpy()
    told: np.ndarray[tuple[int], np.dtype[np.bool_]] = variance > _TOLD * variance.max()
    return told
