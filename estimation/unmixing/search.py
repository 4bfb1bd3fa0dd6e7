"""`unmix`: the sparsest basis that a search from many random bases finds.

Two kinds of directions are set aside before the search. The first are collapsed directions, which the observations do
not determine (a model with one latent too many has one); any effect on them is as sparse as one likes. The second,
without a past, are directions that no action moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.unmixing.descent import determinant_weights, distinct, penalties_of, search
from estimation.unmixing.directions import SearchSpace
from estimation.unmixing.effects import Effects
from estimation.unmixing.information import Information, Samples
from estimation.unmixing.informed import InformedMoments
from estimation.unmixing.moments import MIN_EFFECT

__all__ = ["Unmixing", "moves_all_means", "unmix"]

Array = NDArray[np.float64]

_N_STARTS = 64
# right bases had penalties up to 0.15 above that of the sparsest one
_NEARLY_AS_SPARSE = 0.5


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
    edges: Mapping[str, int] | Callable[[Array], Mapping[str, int]] | None = None,
    samples: Samples | None = None,
    first: ArrayLike | None = None,
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
        edges: Number of edges to be kept by kind, ``"actions"`` or ``"past"``, or of both kinds ``"together"``; or a
            function that estimates it for the sparsest of the bases found. If it is given together with the residual,
            the most likely of these bases is returned instead of the sparsest, unless effects on distributions are
            used. With an estimate, it is the most likely of those that are nearly as sparse.
        samples: Residuals, and the actions and past latents of their rows, each if there are effects of them. Where
            these leave the mean of a direction as it is, their effects on its distribution are then used as well, from
            1,000 rows on. The covariance of the residual must be given too.
        first: A basis, as rows in the given latents, shape (n, n), from which the search starts instead of from random
            ones.

    Returns:
        The best basis of all starts.

    Raises:
        DataError: If there are neither effects nor Jacobians, or if they have wrong shapes, fewer than 2 samples, an
            entry that is not finite, a covariance that is not positive, or samples that don't fit the other arguments;
            or if ``first`` is no basis.

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
    weights = determinant_weights(effects)
    start = None if first is None else space.orthogonal_rows(_checked_basis(first, len(effects.covariance)))
    bases = search(space.moments, len(space.moved), weights, seed, n_starts if start is None else 0, start)
    penalties = penalties_of(space.moments, bases, weights)
    order = penalties.argsort()
    best = int(order[0])
    if effects.residual is not None and edges and space.by_means:
        candidates = distinct(penalties, order)
        if callable(edges):
            # an estimate is made in one of them, so that the others must be nearly as sparse
            candidates = [k for k in candidates if penalties[k] - penalties[best] <= _NEARLY_AS_SPARSE]
            n_edges = edges(space.full_basis(bases[best]))
        else:
            n_edges = edges
        best = min(
            candidates,
            key=lambda start: effects.negative_log_likelihood(space.full_basis(bases[start]), n_edges),
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


def moves_all_means(
    action_effects: ArrayLike | None,
    past_jacobians: ArrayLike | None,
    covariance: ArrayLike,
    *,
    noise: ArrayLike | None,
    residual: ArrayLike,
    samples: Samples,
    seed: int = 0,
) -> bool:
    """Return whether effects on the means of latents tell all edges, so that `unmix` uses no others.

    Args:
        action_effects: As for `unmix`.
        past_jacobians: As for `unmix`.
        covariance: As for `unmix`.
        noise: As for `unmix`.
        residual: As for `unmix`.
        samples: As for `unmix`.
        seed: Seed of the measurement of distributional effects.

    Raises:
        DataError: As `unmix`.
    """
    effects = Effects.of(action_effects, past_jacobians, covariance)
    posterior_covariance = effects.checked("noise", noise)
    return SearchSpace.of(effects.with_residual(residual), posterior_covariance, samples, seed).by_means


def _checked_basis(basis: ArrayLike, n: int) -> Array:
    matrix = np.asarray(basis, dtype=float)
    if matrix.shape != (n, n):
        raise DataError(f"first has shape {matrix.shape}; a basis of these latents has shape {(n, n)}")
    if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < n:
        raise DataError("first is not invertible; give a basis of the latents")
    return matrix


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
