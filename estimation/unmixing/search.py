"""`unmix`: many starts, one concave penalty, the best basis.

The penalty of a basis is the sum over its rows of s^(1/4), with s the mean squares of the effects on that latent,
divided by their sum: a quarter power rewards few large effects over many small ones, whatever the latent's own scale.
Without a past the rows are free, and minus the logarithm of their determinant keeps them from finding one latent
twice; its weight falls from 3 to 1. Lengths and angles are then those in which the transition's noise is white: noises
of different latents are independent, so that rows of the right basis are orthogonal there, which they are not where the
latents are white, since latents with a common cause are correlated. With a past the latents of the previous step are
uncorrelated, so the basis is orthogonal once they are white.

Two kinds of direction are set aside before: those that nothing observed tells of (a model with a latent too many
has one), in which any effect is as sparse as one likes, and, without a past, those that no action moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.unmixing.likelihood import negative_log_likelihood
from estimation.unmixing.moments import NO_EFFECT, Moments, effect_sizes, standard_deviations, whitening

__all__ = ["Unmixing", "unmix"]

Array = NDArray[np.float64]

_STARTS = 64
_STEPS = 300
_RATE = 0.05
_FINAL_RATE = 1e-3
# shares of a row below this are noise of the effects, and hardly count: else a basis gains by making rows larger
_SMOOTH = 4e-3
# part of the steps after which the weight of the determinant has come down
_ANNEALED = 0.7
_DETERMINANT = (3.0, 1.0)
# where the noise says which rows are orthogonal, more of it is trusted
_TRUSTED = (3.0, 2.0)
# actions don't move a direction if they do this much less there, in mean square, than in the typical one,
_NOTHING = 0.1
# and less than this share of what the transition leaves over: effects that networks imagine reach a fifth of it
_DROWNED = 0.5
# penalties that differ by less belong to one basis
_SAME = 1e-3


@dataclass(frozen=True, eq=False)
class Unmixing:
    """The basis found.

    Attributes:
        matrix: M, shape (n, n): the new latents are M z, each with unit variance.
        action_strengths: root mean square effect of every action on every new latent, shape (n, m), or None; without a
            past and with a residual given, in standard deviations of that.
        past_strengths: root mean square effect of every new past latent on every new latent, shape (n, n), or None.
        objective: the penalty of the basis taken.
        objectives: of all starts, the best first.
        orthogonal: whether M is orthogonal after whitening.
        unconstrained: latents that no action moves, whose direction is therefore arbitrary; the last ones.
        collapsed: those of them that the observations hardly tell of; nothing has an effect on them.
    """

    matrix: Array
    action_strengths: Array | None
    past_strengths: Array | None
    objective: float
    objectives: Array
    orthogonal: bool
    unconstrained: tuple[int, ...]
    collapsed: tuple[int, ...] = ()


@default_modes
def unmix(
    action_effects: ArrayLike | None = None,
    past_jacobians: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    seed: int = 0,
    n_starts: int = _STARTS,
    noise: ArrayLike | None = None,
    residual: ArrayLike | None = None,
    edges: Mapping[str, int] | None = None,
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
        noise: the mean covariance of the posterior, shape (n, n). Directions in which the latents vary less than
            that are unused ones of the model and are set aside, unless all are.
        residual: the covariance of what the mechanisms leave over of the latents, shape (n, n); without a past it
            says which rows are orthogonal. Left out, the covariance of the latents does.
        edges: how many effects of ``"actions"`` and of the ``"past"`` will be kept. Given together with the residual,
            that of the bases found is taken in which those explain the latents best.

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
    seen, unseen = _seen(white, noise)
    shown = seen @ white
    left_over = None if residual is None else _square("residual", residual, len(white))
    if left_over is not None and past is None:
        shown = whitening(shown @ left_over @ shown.T) @ shown
    inner = None if actions is None else shown @ actions
    turned = None if past is None else shown @ past @ (np.linalg.inv(white) @ seen.T)
    moments = Moments.of(inner, turned)
    moved, still = _directions(moments, _DROWNED if residual is not None else np.inf)
    inside = moments.within(torch.from_numpy(moved))
    weights = None if past is not None else _DETERMINANT if residual is None else _TRUSTED
    bases = _search(inside, len(moved), weights, seed, n_starts)
    penalties = _penalty(inside, bases)
    if weights is not None:
        penalties = penalties - weights[1] * _log_determinant(bases)
    order = penalties.argsort()

    def whole(index: int) -> Array:
        """The matrix of a start, in the given latents, with rows of unit variance."""
        matrix = np.vstack([bases[index].numpy() @ moved @ shown, still @ shown, unseen @ white])
        return np.asarray(matrix / standard_deviations(matrix, spread)[:, None])

    best = int(order[0])
    if left_over is not None and edges:
        best = min(
            _distinct(penalties, order),
            key=lambda k: negative_log_likelihood(
                whole(k), effect_sizes(whole(k), spread, actions, past), left_over, edges
            ),
        )
    matrix = whole(best)
    n_unseen, n = len(unseen), len(matrix)
    of_actions, of_past = effect_sizes(matrix, spread, actions, past)
    if left_over is not None and past is None and of_actions is not None:
        of_actions = of_actions / standard_deviations(matrix, left_over)[:, None]
    for strengths in (of_actions, of_past, None if of_past is None else of_past.T):
        if strengths is not None:
            strengths[n - n_unseen :] = NO_EFFECT
    return Unmixing(
        matrix=matrix,
        action_strengths=of_actions,
        past_strengths=of_past,
        objective=float(penalties[best]),
        objectives=penalties[order].numpy(),
        orthogonal=past is not None,
        unconstrained=tuple(range(len(moved), n)),
        collapsed=tuple(range(n - n_unseen, n)),
    )


def _distinct(penalties: Tensor, order: Tensor) -> list[int]:
    """The starts that ended in different bases, as their penalties tell, the best first."""
    values = penalties[order]
    new = torch.cat([torch.ones(1, dtype=torch.bool, device="cpu"), values.diff() > _SAME])
    return [int(k) for k in order[new]]


def _seen(white: Array, noise: ArrayLike | None) -> tuple[Array, Array]:
    """Directions of the white latents that the observations tell of, and the others: rows, orthonormal."""
    n = len(white)
    if noise is None:
        return np.eye(n), np.eye(n)[:0]
    blur = _square("noise", noise, n)
    # the white latents vary by one in every direction
    variances, directions = np.linalg.eigh(white @ blur @ white.T)
    told = variances < 1
    if told.all() or not told.any():
        return np.eye(n), np.eye(n)[:0]
    return directions.T[told], directions.T[~told]


def _square(name: str, values: ArrayLike, n: int) -> Array:
    """A covariance of n latents, checked and symmetric."""
    given = np.asarray(values, dtype=float)
    if given.shape != (n, n) or not np.isfinite(given).all():
        raise DataError(
            f"the {name} has shape {given.shape}, or an entry that is not finite; it must be ({n}, {n})"
        )
    return np.asarray((given + given.T) / 2)


def _directions(moments: Moments, most: float) -> tuple[Array, Array]:
    """The directions that actions move, and those that nothing moves: rows, orthonormal.

    A latent without a parent has no sparsest direction. Left in, it would be mixed into others, whose few effects look
    sparser than its noise. With a past every direction is kept.

    Args:
        moments: of the effects.
        most: mean square effect with which a direction is never set aside.
    """
    if moments.past is not None:
        identity = np.eye(moments.past.shape[-1])
        return identity, identity[:0]
    assert moments.actions is not None
    energies, directions = np.linalg.eigh(moments.actions.sum(0).numpy())
    moves = energies > min(_NOTHING * np.median(energies), most)
    return directions.T[moves], directions.T[~moves]


def _search(
    moments: Moments, n: int, weights: tuple[float, float] | None, seed: int, n_starts: int
) -> Tensor:
    """Bases after descent from random orthogonal starts, shape (n_starts, n, n).

    Args:
        moments: of the effects on n latents.
        n: how many.
        weights: of the determinant, first and last; None: bases are orthogonal.
        seed: of the starts.
        n_starts: how many.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(n_starts, n, n, generator=generator, dtype=torch.float64, device="cpu")
    starts = torch.linalg.qr(drawn)[0]
    # an orthogonal basis is a start times the exponential of a skew matrix; a free one is its own parameter
    parameter = (torch.zeros_like(starts) if weights is None else starts.clone()).requires_grad_()

    def bases() -> Tensor:
        free: Tensor = torch.matrix_exp(parameter - parameter.mT) @ starts if weights is None else parameter
        lengths: Tensor = torch.linalg.vector_norm(free, dim=2, keepdim=True)
        return free / lengths

    optimiser = torch.optim.Adam([parameter], lr=_RATE)
    for step in range(_STEPS):
        along = step / _STEPS
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1 - along) + _FINAL_RATE
        now = bases()
        loss = _penalty(moments, now)
        if weights is not None:
            first, last = weights
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
