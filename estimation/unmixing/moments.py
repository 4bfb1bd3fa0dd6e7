"""Moments of the mechanisms' effects, computed once, from which every basis is scored.

In a basis M the size of the effect of an action on latent i is sqrt(w C_l w^T), with w the row of M and C_l the second
moment of the effects of action l. For an orthogonal M, the size of the effect of past latent j is
sqrt(mean over samples of (w_i J w_j^T)^2): a quartic form in M.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "CLEAR_EFFECT",
    "MIN_EFFECT",
    "NEGLIGIBLE_EFFECT",
    "Moments",
    "effect_sizes",
    "relative_sizes",
    "standard_deviations",
    "whitening_matrix",
]

Array = NDArray[np.float64]

# the fourth moments of 32 latents take 8 MB; with more latents, samples of the Jacobians are cheaper
_MAX_LATENTS_OF_FOURTH_MOMENTS = 32
_N_JACOBIANS = 512
#: An effect of this size, relative to the largest one by a parent of the latent, is clear.
CLEAR_EFFECT = 0.35
#: A smaller effect, relative to the largest one by a parent of the latent, is hardly any.
NEGLIGIBLE_EFFECT = 0.1
# effects are clipped here, so that every size has a logarithm
MIN_EFFECT = 1e-6
_MIN_SQUARED_EFFECT = MIN_EFFECT**2
# relative to the largest variance; whitening then magnifies no direction by more than a thousand times another
_MIN_RELATIVE_VARIANCE = 1e-6


def whitening_matrix(covariance: Array) -> Array:
    """Return the symmetric matrix W for which W z has unit covariance, shape (n, n).

    Args:
        covariance: Covariance of z, shape (n, n). Variances below a millionth of the largest are raised to it.
    """
    variances, directions = np.linalg.eigh(covariance)
    min_variance = _MIN_RELATIVE_VARIANCE * variances.max()
    return np.asarray((directions / np.sqrt(np.maximum(variances, min_variance))) @ directions.T)


def standard_deviations(matrix: Array, covariance: Array) -> Array:
    """Return the standard deviations of matrix @ z, shape (n,), for the covariance of z, shape (n, n)."""
    return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", matrix, covariance, matrix)))


def effect_sizes(
    matrix: Array, covariance: Array, action_effects: Array | None, past_jacobians: Array | None
) -> tuple[Array | None, Array | None]:
    """Return the root mean square effects on the latents matrix @ z, each in units of its own standard deviation.

    Args:
        matrix: Basis M, an invertible matrix of shape (n, n).
        covariance: Covariance of z, shape (n, n).
        action_effects: Effects of actions on z, shape (S, n, m), or None.
        past_jacobians: Jacobians with respect to the past z, shape (S, n, n), or None.

    Returns:
        Sizes for actions, shape (n, m), and for the past, shape (n, n), or None where there are no effects. Sizes are
        at least 1e-6, so that every size has a logarithm.

    Example:
        >>> actions, past = effect_sizes(np.diag([2.0, 1.0]), np.eye(2), np.ones((3, 2, 1)), np.ones((3, 2, 2)))
        >>> actions.tolist(), past.tolist()
        ([[1.0], [1.0]], [[1.0, 1.0], [1.0, 1.0]])
    """
    unit = matrix / standard_deviations(matrix, covariance)[:, None]
    actions = past = None
    if action_effects is not None:
        actions = np.sqrt(np.mean((unit @ action_effects) ** 2, axis=0).clip(_MIN_SQUARED_EFFECT))
    if past_jacobians is not None:
        jacobians = unit @ past_jacobians @ np.linalg.inv(unit)
        past = np.sqrt(np.mean(jacobians**2, axis=0).clip(_MIN_SQUARED_EFFECT))
    return actions, past


def relative_sizes(
    sizes: Sequence[Array],
    edges: Sequence[NDArray[np.bool_]],
    latents: NDArray[np.bool_],
    min_share: float = 0.0,
) -> list[Array] | None:
    """Return effects relative to the largest one by a parent of the same latent.

    For a latent without parents, the unit is the median over latents of these largest effects.

    Args:
        sizes: Root mean square effects of each kind of cause, shapes (n, m) or (n, n).
        edges: The edges, of the same shapes.
        latents: Latents that count for the median, shape (n,).
        min_share: Share of this median below which the effects on a latent count as those without parents.

    Returns:
        Relative effects, of the same shapes; None if no such latent has a parent with an effect.

    Example:
        >>> effects, edges = np.array([[4.0, 1.0], [2.0, 1.0]]), np.array([[True, False], [False, False]])
        >>> relative_sizes([effects], [edges], np.ones(2, dtype=bool))[0].tolist()
        [[1.0, 0.25], [0.5, 0.25]]
    """
    on_parents = np.max(
        [np.where(present, size, 0).max(1) for size, present in zip(sizes, edges, strict=True)], axis=0
    )
    moved = on_parents[latents & (on_parents > 0)]
    if not len(moved):
        return None
    median = np.median(moved)
    units = np.where((on_parents > 0) & (on_parents >= min_share * median), on_parents, median)
    return [size / units[:, None] for size in sizes]


@dataclass(frozen=True)
class Moments:
    """Moments of the effects in a basis of white latents.

    Attributes:
        actions: Second moments C_l, shape (m, n, n), or None.
        past: Fourth moments, the mean of J[a, b] J[c, d], shape (n, n, n, n), or samples of J, shape (S, n, n), or
            None.
    """

    actions: Tensor | None
    past: Tensor | None

    @classmethod
    def of(cls, action_effects: Array | None, past_jacobians: Array | None) -> Moments:
        """Compute the moments of effects on white latents.

        Args:
            action_effects: Effects of actions, shape (S, n, m), or None.
            past_jacobians: Jacobians with respect to the past latents, shape (S, n, n), or None.
        """
        actions = None if action_effects is None else torch.from_numpy(_action_moments(action_effects))
        past = None if past_jacobians is None else torch.from_numpy(_past_moments(past_jacobians))
        return cls(actions, past)

    def within(self, directions: Tensor) -> Moments:
        """Restrict moments of actions to a subspace, given by orthonormal rows (k, n); leave moments of the past."""
        if self.actions is None or self.past is not None:
            return self
        return Moments(directions @ self.actions @ directions.T, None)

    def squared_sizes(self, bases: Tensor) -> list[Tensor]:
        """Return the mean squares of all effects in each of R bases.

        Args:
            bases: Bases whose rows are latents, shape (R, n, n); orthogonal if there are moments of the past.

        Returns:
            Mean squares for the past, shape (R, n, n), then for the actions, shape (R, n, m), as far as there are any.
        """
        squares = [] if self.past is None else [_past_squares(bases, self.past)]
        if self.actions is not None:
            products = torch.einsum("lab,rib->rial", self.actions, bases)
            squares.append(torch.einsum("ria,rial->ril", bases, products))
        return [square.clamp_min(_MIN_SQUARED_EFFECT) for square in squares]


def _action_moments(effects: Array) -> Array:
    return np.asarray(np.einsum("sil,sjl->lij", effects, effects, optimize=True) / len(effects))


def _past_moments(jacobians: Array) -> Array:
    n = jacobians.shape[-1]
    if n > _MAX_LATENTS_OF_FOURTH_MOMENTS:
        return np.asarray(jacobians[:_N_JACOBIANS])
    flat = jacobians.reshape(len(jacobians), -1)
    return np.asarray(flat.T @ flat / len(flat)).reshape(n, n, n, n)


def _past_squares(bases: Tensor, moments: Tensor) -> Tensor:
    if moments.dim() == 3:
        jacobians = torch.einsum("ria,sab->rsib", bases, moments) @ bases.mT[:, None]
        return jacobians.square().mean(1)
    once = torch.einsum("ria,abcd->ribcd", bases, moments)
    twice = torch.einsum("ric,ribcd->ribd", bases, once)
    return (torch.einsum("rjb,ribd->rijd", bases, twice) * bases[:, None]).sum(-1)
