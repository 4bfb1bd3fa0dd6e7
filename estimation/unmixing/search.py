"""`unmix`: gradient descent from many random bases on a concave sparsity penalty.

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

Two kinds of directions are set aside before the search. The first are collapsed directions, which the observations do
not determine (a model with one latent too many has one); any effect on them is as sparse as one likes. The second,
without a past, are directions that no action moves.
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
from estimation.unmixing.directions import SearchSpace
from estimation.unmixing.effects import Effects
from estimation.unmixing.information import Information, Samples
from estimation.unmixing.informed import InformedMoments
from estimation.unmixing.moments import MIN_EFFECT, Moments

__all__ = ["Unmixing", "unmix"]

Array = NDArray[np.float64]

_N_STARTS = 64
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
# penalties that differ by less belong to the same basis
_SAME_PENALTY = 1e-3


@dataclass(frozen=True, eq=False)
class Unmixing:
    """The result of `unmix`.

    Attributes:
        matrix: Basis M, shape (n, n). The new latents M z have unit variance.
        action_strengths: Root mean square effect of every action on every new latent, shape (n, m), or None. Without a
            past and with a residual, the unit is the standard deviation of the latent's residual.
        past_strengths: Root mean square effect of every new past latent on every new latent, shape (n, n), or None.
        objective: Penalty of the chosen basis.
        objectives: Penalties of all starts, the best first.
        orthogonal: Whether M is orthogonal after whitening.
        unconstrained: Indices of the latents that no action moves, whose direction is therefore arbitrary; they come
            last.
        collapsed: Indices of the collapsed latents among them. Every effect on a collapsed latent counts as absent.
        information: Information of every action about every new latent, in nats, shape (n, m), if actions change more
            than the means of latents; the strengths are its square roots then. Otherwise None.
        past_information: Information of every new past latent about every new latent, shape (n, n), if past latents
            change more than means; the strengths are its square roots then. Otherwise None.
        variance_share: Share of changes of variances in all changes beyond the mean, between 0 and 1.
    """

    matrix: Array
    action_strengths: Array | None
    past_strengths: Array | None
    objective: float
    objectives: Array
    orthogonal: bool
    unconstrained: tuple[int, ...]
    collapsed: tuple[int, ...] = ()
    information: Array | None = None
    past_information: Array | None = None
    variance_share: float = 0.0


@default_modes
def unmix(
    action_effects: ArrayLike | None = None,
    past_jacobians: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    seed: int = 0,
    n_starts: int = _N_STARTS,
    noise: ArrayLike | None = None,
    residual: ArrayLike | None = None,
    edges: Mapping[str, int] | None = None,
    samples: Samples | None = None,
) -> Unmixing:
    """Find the basis of the latents in which the mechanisms are sparsest.

    Args:
        action_effects: Effects of each action on the mean of the latents at S points, shape (S, n, m): its derivative,
            or preferably the change if the action is resampled, which gives all latents equal weight however fast
            they vary.
        past_jacobians: Derivative of the expected change of the latents with respect to the past latents, shape
            (S, n, n).
        covariance: Covariance of the past latents if there is a past, otherwise of the latents, shape (n, n).
        seed: Seed of the random starts.
        n_starts: Number of random starts.
        noise: Mean covariance of the posterior, shape (n, n). Directions in which the latents vary less than the
            posterior are collapsed and are set aside, unless all directions are.
        residual: Covariance of the transition's residual, shape (n, n). Without a past it determines which rows are
            orthogonal; if it is not given, the covariance of the latents does.
        edges: Number of edges to be kept by kind, ``"actions"`` or ``"past"``. If it is given together with the
            residual, the most likely of the bases found is returned instead of the sparsest, unless effects on
            distributions are used.
        samples: Residuals, and the actions and past latents of their rows, each if there are effects of them. Where
            these leave the mean of a direction as it is, their effects on its distribution are then used as well, from
            1,000 rows on. The covariance of the residual must be given too.

    Returns:
        The best basis of all starts.

    Raises:
        DataError: If there are neither effects nor Jacobians, or if they have wrong shapes, fewer than 2 samples, an
            entry that is not finite, a covariance that is not positive, or samples that don't fit the other arguments.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> effects = np.eye(3) * rng.normal(size=(500, 1, 3))
        >>> mixing = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.5, 0.0, 1.0]])
        >>> unmixing = unmix(action_effects=mixing @ effects, covariance=mixing @ mixing.T)
        >>> np.abs(unmixing.matrix @ mixing).round(1).sum()
        np.float64(3.0)
    """
    effects = Effects.of(action_effects, past_jacobians, covariance)
    if n_starts < 1:
        raise DataError(f"n_starts is {n_starts}; give 1 or more")
    posterior_covariance = effects.checked("noise", noise)
    effects = effects.with_residual(residual)
    if samples is not None:
        samples = Samples.of(samples)
        n_actions = None if effects.actions is None else effects.actions.shape[2]
        has_past = effects.past is not None
        samples.require_fit(len(effects.covariance), n_actions, has_past, residual is not None)
    space = SearchSpace.of(effects, posterior_covariance, samples, seed)
    weights = _determinant_weights(effects)
    bases = _search(space.moments, len(space.moved), weights, seed, n_starts)
    penalties = _penalty(space.moments, bases)
    if weights is not None:
        penalties = penalties - weights[1] * _log_determinant(bases)
    order = penalties.argsort()
    best = int(order[0])
    if effects.residual is not None and edges and isinstance(space.moments, Moments):
        best = min(
            _distinct_starts(penalties, order),
            key=lambda start: effects.negative_log_likelihood(space.full_basis(bases[start]), edges),
        )
    matrix = space.full_basis(bases[best])
    n, n_collapsed = len(matrix), len(space.collapsed)
    action_strengths, past_strengths = effects.strengths(matrix, n_collapsed)
    information = _information(space, bases[best], n)
    if information.actions is not None:
        action_strengths = np.sqrt(information.actions).clip(MIN_EFFECT)
    if information.past is not None:
        past_strengths = np.sqrt(information.past).clip(MIN_EFFECT)
    return Unmixing(
        matrix=matrix,
        action_strengths=action_strengths,
        past_strengths=past_strengths,
        objective=float(penalties[best]),
        objectives=penalties[order].numpy(),
        orthogonal=effects.past is not None,
        unconstrained=tuple(range(len(space.moved), n)),
        collapsed=tuple(range(n - n_collapsed, n)),
        information=information.actions,
        past_information=information.past,
        variance_share=information.variance_share,
    )


@dataclass(frozen=True)
class _Measured:
    """Information about the latents of a basis, shapes (n, m) and (n, n), and the share of changes of variances."""

    actions: Array | None = None
    past: Array | None = None
    variance_share: float = 0.0


def _information(space: SearchSpace, basis: Tensor, n: int) -> _Measured:
    """Return the information about the latents of a basis, as far as it was measured.

    Args:
        space: Searched directions.
        basis: Basis of these, shape (l, l).
        n: Number of all latents. Those after the searched ones have no information.
    """
    moments, k, rows = space.moments, len(space.moved), basis
    by_actions = moments if isinstance(moments, Information) else None
    by_past, actions, past, shares = None, None, None, [0.0]
    if isinstance(moments, InformedMoments):
        by_actions, by_past, rows = moments.actions, moments.past, moments.rows(basis)
    if by_past is not None:
        past = np.zeros((n, n))
        past[:k, :k] = by_past.values(rows, basis).numpy()
        shares.append(by_past.measured.variance_share(rows))
    if by_actions is not None:
        actions = np.zeros((n, by_actions.floor.shape[0]))
        actions[:k] = by_actions.values(rows).numpy()
        shares.append(by_actions.variance_share(rows))
    return _Measured(actions, past, max(shares))


def _determinant_weights(effects: Effects) -> tuple[float, float] | None:
    """Return the initial and final weight of the log-determinant; None if bases are orthogonal."""
    if effects.past is not None:
        return None
    return _WEIGHTS_WITHOUT_RESIDUAL if effects.residual is None else _WEIGHTS_WITH_RESIDUAL


def _search(
    moments: Moments | Information | InformedMoments,
    n: int,
    weights: tuple[float, float] | None,
    seed: int,
    n_starts: int,
) -> Tensor:
    """Descend from random orthogonal bases, all at once, and return the final bases, shape (n_starts, n, n).

    Args:
        moments: Moments of the effects on n directions.
        n: Number of directions.
        weights: Initial and final weight of the log-determinant; None for orthogonal bases.
        seed: Seed of the starts.
        n_starts: Number of starts.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(n_starts, n, n, generator=generator, dtype=torch.float64, device="cpu")
    starts = torch.linalg.qr(normal)[0]
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


def _distinct_starts(penalties: Tensor, order: Tensor) -> list[int]:
    """Return one start per distinct basis, the best first; bases with nearly equal penalties count as equal."""
    ordered = penalties[order]
    distinct = torch.cat([torch.ones(1, dtype=torch.bool, device="cpu"), ordered.diff() > _SAME_PENALTY])
    return [int(start) for start in order[distinct]]
