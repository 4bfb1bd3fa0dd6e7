"""Gradient descent from many random bases on a concave sparsity penalty.

The penalty of a basis is the sum of s^(1/4) over all effects, where s is the mean square of an effect as a share of the
mean squares on the same latent. The fourth root rewards few large effects over many small ones, whatever the scale of
the latent.

With a past, the past latents are taken to be uncorrelated, so the basis is orthogonal once they are white.

Without a past, the rows of the basis are free unit vectors. The penalty then subtracts the log-determinant of the
basis, which prevents two rows from representing the same latent. During the search the weight of the log-determinant
falls from 3 to 2 if the covariance of the residual is given, and from 3 to 1 otherwise. Lengths and angles of rows are
measured in coordinates in which the residual is white. The noises of different latents are independent, so the rows of
the right basis are orthogonal there. They are not orthogonal where the latents themselves are white, since latents with
a common cause are correlated. Without the covariance of the residual, the search has to use the latents' own, and the
smaller final weight allows for rows that are not orthogonal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from estimation.unmixing.effects import Effects
from estimation.unmixing.information import Information
from estimation.unmixing.informed import InformedMoments
from estimation.unmixing.moments import Moments

__all__ = ["SAME_PENALTY", "determinant_weights", "distinct", "penalties_of", "search"]

_N_STEPS = 300
_LEARNING_RATE = 0.05
_FINAL_LEARNING_RATE = 1e-3
# added to shares before the fourth root: smaller shares are noise, which a basis would otherwise hide in larger rows
_SMOOTHING = 4e-3
# share of the steps after which the weight of the log-determinant has reached its final value
_ANNEALED_SHARE = 0.7
# initial and final weight of the log-determinant: in coordinates in which the latents are white,
_WEIGHTS_WITHOUT_RESIDUAL = (3.0, 1.0)
# and in those in which the residual is white, where the right rows are orthogonal
_WEIGHTS_WITH_RESIDUAL = (3.0, 2.0)
#: Penalties that differ by less belong to the same basis.
SAME_PENALTY = 1e-3


def determinant_weights(effects: Effects) -> tuple[float, float] | None:
    """Return the initial and final weight of the log-determinant; None if bases are orthogonal."""
    if effects.past is not None:
        return None
    return _WEIGHTS_WITHOUT_RESIDUAL if effects.residual is None else _WEIGHTS_WITH_RESIDUAL


def search(
    moments: Moments | Information | InformedMoments,
    n: int,
    weights: tuple[float, float] | None,
    seed: int,
    n_starts: int,
    first: Tensor | None = None,
) -> Tensor:
    """Descend from random orthogonal bases, all at once, and return the final bases, shape (n_starts, n, n).

    Args:
        moments: Moments of the effects on n directions.
        n: Number of directions.
        weights: Initial and final weight of the log-determinant; None for orthogonal bases.
        seed: Seed of the starts.
        n_starts: Number of random starts.
        first: An orthogonal basis to start from before the random ones, shape (n, n), or None.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(n_starts, n, n, generator=generator, dtype=torch.float64, device="cpu")
    starts = torch.linalg.qr(normal)[0]
    if first is not None:
        starts = torch.cat([first[None], starts])
    # an orthogonal basis is a start times the exponential of a skew matrix; a free one is its own parameter
    parameter = (torch.zeros_like(starts) if weights is None else starts.clone()).requires_grad_()

    def unit_bases() -> Tensor:
        bases: Tensor = torch.matrix_exp(parameter - parameter.mT) @ starts if weights is None else parameter
        lengths: Tensor = torch.linalg.vector_norm(bases, dim=2, keepdim=True)
        return bases / lengths

    optimiser = torch.optim.Adam([parameter], lr=_LEARNING_RATE)
    for step in range(_N_STEPS):
        progress = step / _N_STEPS
        for group in optimiser.param_groups:
            group["lr"] = _LEARNING_RATE * (1 - progress) + _FINAL_LEARNING_RATE
        bases = unit_bases()
        loss = _penalty(moments, bases)
        if weights is not None:
            initial, final = weights
            weight = initial * (final / initial) ** min(1.0, progress / _ANNEALED_SHARE)
            loss = loss - weight * _log_determinant(bases)
        optimiser.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return unit_bases().detach()


def penalties_of(
    moments: Moments | Information | InformedMoments, bases: Tensor, weights: tuple[float, float] | None
) -> Tensor:
    """Return the penalty of each of R bases that the search ends with, shape (R,).

    Args:
        moments: Moments of the effects.
        bases: Bases with unit rows, shape (R, n, n).
        weights: As for `search`.
    """
    penalties = _penalty(moments, bases)
    return penalties if weights is None else penalties - weights[1] * _log_determinant(bases)


def _penalty(moments: Moments | Information | InformedMoments, bases: Tensor) -> Tensor:
    """Return the sparsity penalty of each of R bases, shape (R,)."""
    penalties = bases.new_zeros(len(bases))
    for squares in moments.squared_sizes(bases):
        shares = squares / squares.sum(-1, keepdim=True)
        penalties = penalties + (shares + _SMOOTHING).pow(0.25).sum((-1, -2))
    return penalties


def _log_determinant(bases: Tensor) -> Tensor:
    log_determinants: Tensor = torch.linalg.slogdet(bases)[1]
    return log_determinants


def distinct(penalties: Tensor, order: Tensor) -> list[int]:
    """Return one start per distinct basis, the best first; bases with nearly equal penalties count as equal."""
    ordered = penalties[order]
    distinct = torch.cat([torch.ones(1, dtype=torch.bool, device="cpu"), ordered.diff() > SAME_PENALTY])
    return [int(start) for start in order[distinct]]
