"""What unmixing needs to know of the mechanisms: second moments, computed once.

In a basis M the size of the effect of an action on latent i is sqrt(w C_l w^T), with w the row of M and C_l the second
moment of the effects of action l. For an orthogonal M, the size of the effect of past latent j is
sqrt(mean over samples of (w_i J w_j^T)^2): a quartic form in M.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["NO_EFFECT", "Moments", "effect_sizes", "standard_deviations", "whitening"]

Array = NDArray[np.float64]

# the fourth-order moments of 32 latents take 8 MB; of more, samples are cheaper
_MOST_LATENTS = 32
_SAMPLES = 512
# what no effect counts as, so that every size has a logarithm
NO_EFFECT = 1e-6
_LEAST = NO_EFFECT**2
# directions in which the latents hardly vary are not blown up to more than a thousand times
_LEAST_VARIANCE = 1e-6


def whitening(covariance: Array) -> Array:
    """The symmetric matrix W for which W z has unit covariance, shape (n, n).

    Args:
        covariance: of z, shape (n, n). Variances below a millionth of the largest count as that.
    """
    variances, directions = np.linalg.eigh(covariance)
    least = _LEAST_VARIANCE * variances.max()
    return np.asarray((directions / np.sqrt(np.maximum(variances, least))) @ directions.T)


def standard_deviations(matrix: Array, covariance: Array) -> Array:
    """Standard deviations of matrix @ z, shape (n,), for z with this covariance, shape (n, n)."""
    return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", matrix, covariance, matrix)))


def effect_sizes(
    matrix: Array, covariance: Array, action_effects: Array | None, past_jacobians: Array | None
) -> tuple[Array | None, Array | None]:
    """Root mean square effects on the latents matrix @ z, each in units of its own standard deviation.

    Args:
        matrix: M, shape (n, n), invertible.
        covariance: of z, shape (n, n).
        action_effects: shape (S, n, m), or None.
        past_jacobians: shape (S, n, n), or None.

    Returns:
        of actions, shape (n, m), and of the past, shape (n, n), as far as they are given; 1e-6 at least, so that
        each has a logarithm.

    Example:
        >>> actions, past = effect_sizes(np.diag([2.0, 1.0]), np.eye(2), np.ones((3, 2, 1)), np.ones((3, 2, 2)))
        >>> actions.tolist(), past.tolist()
        ([[1.0], [1.0]], [[1.0, 1.0], [1.0, 1.0]])
    """
    unit = matrix / standard_deviations(matrix, covariance)[:, None]
    actions = past = None
    if action_effects is not None:
        actions = np.sqrt(np.mean((unit @ action_effects) ** 2, axis=0).clip(_LEAST))
    if past_jacobians is not None:
        past = np.sqrt(np.mean((unit @ past_jacobians @ np.linalg.inv(unit)) ** 2, axis=0).clip(_LEAST))
    return actions, past


@dataclass(frozen=True)
class Moments:
    """Moments of the effects in a basis of white latents.

    Attributes:
        actions: C_l, shape (m, n, n), or None.
        past: mean of J[a, b] J[c, d], shape (n, n, n, n), or some of the J, shape (S, n, n); or None.
    """

    actions: Tensor | None
    past: Tensor | None

    @classmethod
    def of(cls, action_effects: Array | None, past_jacobians: Array | None) -> Moments:
        """The moments of effects on white latents.

        Args:
            action_effects: shape (S, n, m), or None.
            past_jacobians: shape (S, n, n), or None.
        """
        actions = None if action_effects is None else torch.from_numpy(_action_moments(action_effects))
        past = None if past_jacobians is None else torch.from_numpy(_past_moments(past_jacobians))
        return cls(actions, past)

    def within(self, directions: Tensor) -> Moments:
        """The moments of the actions within a subspace, (k, n) with orthonormal rows; those of the past as they are."""
        if self.actions is None or self.past is not None:
            return self
        return Moments(directions @ self.actions @ directions.T, None)

    def squared_sizes(self, bases: Tensor) -> list[Tensor]:
        """Mean squares of all effects in each of some bases.

        Args:
            bases: rows are latents, shape (R, n, n); orthogonal if there are moments of the past.

        Returns:
            of the past, shape (R, n, n), then of the actions, shape (R, n, m), as far as they are known.
        """
        found = [] if self.past is None else [_of_past(bases, self.past)]
        if self.actions is not None:
            half = torch.einsum("lab,rib->rial", self.actions, bases)
            found.append(torch.einsum("ria,rial->ril", bases, half))
        return [squares.clamp_min(_LEAST) for squares in found]


def _action_moments(effects: Array) -> Array:
    return np.asarray(np.einsum("sil,sjl->lij", effects, effects, optimize=True) / len(effects))


def _past_moments(jacobians: Array) -> Array:
    n = jacobians.shape[-1]
    if n > _MOST_LATENTS:
        return np.asarray(jacobians[:_SAMPLES])
    flat = jacobians.reshape(len(jacobians), -1)
    return np.asarray(flat.T @ flat / len(flat)).reshape(n, n, n, n)


def _of_past(bases: Tensor, moments: Tensor) -> Tensor:
    if moments.dim() == 3:
        turned = torch.einsum("ria,sab->rsib", bases, moments) @ bases.mT[:, None]
        return turned.square().mean(1)
    once = torch.einsum("ria,abcd->ribcd", bases, moments)
    twice = torch.einsum("ric,ribcd->ribd", bases, once)
    return (torch.einsum("rjb,ribd->rijd", bases, twice) * bases[:, None]).sum(-1)
