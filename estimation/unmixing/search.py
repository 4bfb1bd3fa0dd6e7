"""`unmix`: many starts, one concave penalty, the best basis.

The penalty of a basis is the sum over its rows of s^(1/4), with s the mean squares of the effects on that latent,
divided by their sum: a quarter power rewards few large effects over many small ones, whatever the latent's own scale.
Without a past the rows are free, and minus the logarithm of their determinant keeps them from finding one latent
twice; its weight falls from 3 to 1. With a past the latents of the previous step are uncorrelated, so the basis is
orthogonal once they are white.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from estimation.exceptions import DataError
from estimation.unmixing.moments import Moments, effect_sizes, whitening

__all__ = ["Unmixing", "unmix"]

Array = NDArray[np.float64]

_STARTS = 64
_STEPS = 300
_RATE = 0.05
_FINAL_RATE = 1e-3
_SMOOTH = 1e-6
# part of the steps after which the weight of the determinant has come down
_ANNEALED = 0.7
_DETERMINANT = (3.0, 1.0)
# a direction in which actions do this much less, in mean square, than in the typical one is noise
_NOTHING = 0.05


@dataclass(frozen=True, eq=False)
class Unmixing:
    """The basis found.

    Attributes:
        matrix: M, shape (n, n): the new latents are M z, each with unit variance.
        action_strengths: root mean square effect of every action on every new latent, shape (n, m), or None.
        past_strengths: root mean square effect of every new past latent on every new latent, shape (n, n), or None.
        objective: the penalty, of the best start.
        objectives: of all starts, the best first.
        orthogonal: whether M is orthogonal after whitening.
        unconstrained: latents that no action moves, whose direction is therefore arbitrary; the last ones.
    """

    matrix: Array
    action_strengths: Array | None
    past_strengths: Array | None
    objective: float
    objectives: Array
    orthogonal: bool
    unconstrained: tuple[int, ...]


def unmix(
    action_effects: ArrayLike | None = None,
    past_jacobians: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    seed: int = 0,
    n_starts: int = _STARTS,
) -> Unmixing:
    """Find the linear map of the latents that makes the mechanisms sparsest.

    Args:
        action_effects: what each action does to the mean of the latents, at S points, shape (S, n, m): its
            derivative, or better the change when the action is drawn anew, which gives all latents equal weight
            however fast they vary.
        past_jacobians: the derivative of the mean change of the latents in the past latents, shape (S, n, n).
        covariance: of the past latents if there are, else of the latents, shape (n, n).
        seed: of the starts.
        n_starts: how many.

    Returns:
        the best basis of all starts.

    Raises:
        DataError: nothing given, shapes that don't fit, fewer than 2 samples, an entry that is not finite, or a
            covariance that is not positive.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> effects = np.eye(3) * rng.normal(size=(500, 1, 3))
        >>> mixing = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.5, 0.0, 1.0]])
        >>> found = unmix(action_effects=mixing @ effects, covariance=mixing @ mixing.T)
        >>> np.abs(found.matrix @ mixing).round(1).sum()
        np.float64(3.0)
    """
    actions, past, spread = _checked(action_effects, past_jacobians, covariance)
    if n_starts < 1:
        raise DataError(f"n_starts is {n_starts}; give 1 or more")
    white = whitening(spread)
    moments = Moments.of(actions, past, white)
    moved, still = _directions(moments)
    inside = moments.within(moved)
    bases = _search(inside, len(moved), past is not None, seed, n_starts)
    penalties = _penalty(inside, bases)
    if past is None:
        penalties = penalties - _DETERMINANT[1] * _log_determinant(bases)
    order = penalties.argsort()
    best = torch.cat([bases[order[0]] @ moved, still])
    matrix = best.numpy() @ white
    of_actions, of_past = effect_sizes(matrix, spread, actions, past)
    return Unmixing(
        matrix=matrix,
        action_strengths=of_actions,
        past_strengths=of_past,
        objective=float(penalties[order[0]]),
        objectives=penalties[order].numpy(),
        orthogonal=past is not None,
        unconstrained=tuple(range(len(moved), len(best))),
    )


def _directions(moments: Moments) -> tuple[Tensor, Tensor]:
    """The directions that actions move, and those that nothing moves: rows, orthonormal.

    A latent without a parent has no sparsest direction. Left in, it would be mixed into others, whose few effects look
    sparser than its noise. With a past every direction is kept.
    """
    if moments.past is not None:
        identity = torch.eye(moments.past.shape[-1], dtype=torch.float64)
        return identity, identity[:0]
    assert moments.actions is not None
    energies, directions = torch.linalg.eigh(moments.actions.sum(0))
    moves = energies > _NOTHING * energies.median()
    return directions.T[moves], directions.T[~moves]


def _search(moments: Moments, n: int, orthogonal: bool, seed: int, n_starts: int) -> Tensor:
    """Bases after descent from random orthogonal starts, shape (n_starts, n, n)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(n_starts, n, n, generator=generator, dtype=torch.float64)
    starts = torch.linalg.qr(drawn)[0]
    # an orthogonal basis is a start times the exponential of a skew matrix; a free one is its own parameter
    parameter = (torch.zeros_like(starts) if orthogonal else starts.clone()).requires_grad_()

    def bases() -> Tensor:
        free: Tensor = torch.matrix_exp(parameter - parameter.mT) @ starts if orthogonal else parameter
        lengths: Tensor = torch.linalg.vector_norm(free, dim=2, keepdim=True)
        return free / lengths

    optimiser = torch.optim.Adam([parameter], lr=_RATE)
    for step in range(_STEPS):
        along = step / _STEPS
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1 - along) + _FINAL_RATE
        now = bases()
        loss = _penalty(moments, now)
        if not orthogonal:
            first, last = _DETERMINANT
            weight = first * (last / first) ** min(1.0, along / _ANNEALED)
            loss = loss - weight * _log_determinant(now)
        optimiser.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return bases().detach()


def _penalty(moments: Moments, bases: Tensor) -> Tensor:
    """The penalty of each basis, shape (R,)."""
    total = bases.new_zeros(len(bases))
    for squares in moments.squared_sizes(bases):
        share = squares / squares.sum(-1, keepdim=True)
        total = total + (share + _SMOOTH).pow(0.25).sum((-1, -2))
    return total


def _log_determinant(bases: Tensor) -> Tensor:
    result: Tensor = torch.linalg.slogdet(bases)[1]
    return result


def _checked(
    action_effects: ArrayLike | None, past_jacobians: ArrayLike | None, covariance: ArrayLike | None
) -> tuple[Array | None, Array | None, Array]:
    given = {"action_effects": action_effects, "past_jacobians": past_jacobians}
    arrays = {name: np.asarray(values, dtype=float) for name, values in given.items() if values is not None}
    if not arrays or covariance is None:
        raise DataError("unmixing needs action_effects or past_jacobians, and the covariance of the latents")
    spread = np.asarray(covariance, dtype=float)
    n = spread.shape[0] if spread.ndim == 2 else 0
    if spread.shape != (n, n) or n == 0:
        raise DataError(f"the covariance has shape {spread.shape}; it must be square")
    for name, values in arrays.items():
        wanted = "(S, n, m)" if name == "action_effects" else "(S, n, n)"
        square = name == "action_effects" or values.shape[-1:] == (n,)
        if values.ndim != 3 or values.shape[1] != n or not square or values.shape[2] == 0:
            raise DataError(f"{name} have shape {values.shape}; with {n} latents they must be {wanted}")
        if len(values) < 2:
            raise DataError(f"{name} hold {len(values)} samples; give 2 or more")
        if not np.isfinite(values).all():
            raise DataError(f"{name} hold an entry that is not finite")
    if not np.isfinite(spread).all() or not np.linalg.eigvalsh((spread + spread.T) / 2).max() > 0:
        raise DataError("the covariance must be finite and positive")
    return arrays.get("action_effects"), arrays.get("past_jacobians"), (spread + spread.T) / 2
