"""The directions of the latents in which unmixing seeks a basis, and those that it sets aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.unmixing.effects import Effects
from estimation.unmixing.information import Information, Samples
from estimation.unmixing.informed import InformedMoments
from estimation.unmixing.moments import Moments, standard_deviations, whitening_matrix

__all__ = ["SearchSpace"]

Array = NDArray[np.float64]

# actions don't move a direction if their mean square effect on it is less than this share of the median direction's,
_NEGLIGIBLE_SHARE = 0.1
# and less than this share of the residual's variance: spurious effects of the networks reach a fifth of it
_MAX_SPURIOUS_EFFECT = 0.5


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """The directions in which a basis is sought, and the directions that are set aside.

    Attributes:
        active: Active directions in which the latents, or their residual, are white; rows in the given latents, shape
            (k, n).
        moved: Active directions that are searched: orthonormal rows, shape (l, k).
        unmoved: Active directions that nothing moves: orthonormal rows, shape (k - l, k).
        collapsed: Collapsed directions: rows in the given latents, shape (n - k, n).
        moments: Moments of the effects on the searched directions, or the information that actions carry about them
            where they change more than means.
        covariance: Covariance of the given latents, shape (n, n).
    """

    active: Array
    moved: Array
    unmoved: Array
    collapsed: Array
    moments: Moments | Information | InformedMoments
    covariance: Array

    @classmethod
    def of(
        cls, effects: Effects, noise: Array | None, samples: Samples | None = None, seed: int = 0
    ) -> SearchSpace:
        """Split the directions of the latents.

        Args:
            effects: Effects on the given latents.
            noise: Mean covariance of the posterior, shape (n, n); None if no direction is collapsed.
            samples: Residuals and their causes; None to search by effects on the mean alone.
            seed: Seed of the measurement of distributional effects.
        """
        white = whitening_matrix(effects.covariance)
        in_white, collapsed = _split_by_activity(white, noise)
        active = in_white @ white
        if effects.residual is not None and effects.past is None:
            active = whitening_matrix(active @ effects.residual @ active.T) @ active
        action_effects = None if effects.actions is None else active @ effects.actions
        past_jacobians = None
        if effects.past is not None:
            past_jacobians = active @ effects.past @ (np.linalg.inv(white) @ in_white.T)
        moments = Moments.of(action_effects, past_jacobians)
        if samples is not None and past_jacobians is not None:
            assert effects.residual is not None
            residual = active @ effects.residual @ active.T
            in_active = Effects(action_effects, past_jacobians, np.eye(len(active)), residual)
            informed = InformedMoments.of(in_active, samples, active, noise, seed)
            if informed is not None:
                identity = np.eye(len(active))
                return cls(active, identity, identity[:0], collapsed @ white, informed, effects.covariance)
        elif samples is not None:
            assert moments.actions is not None
            information = Information.of(moments.actions, samples, active, noise, seed)
            if information is not None:
                moved, unmoved = _split_by_information(information)
                searched = information.within(torch.from_numpy(moved))
                return cls(active, moved, unmoved, collapsed @ white, searched, effects.covariance)
        max_spurious = _MAX_SPURIOUS_EFFECT if effects.residual is not None else np.inf
        moved, unmoved = _split_by_movement(moments, max_spurious)
        moments = moments.within(torch.from_numpy(moved))
        return cls(active, moved, unmoved, collapsed @ white, moments, effects.covariance)

    @property
    def by_means(self) -> bool:
        """Whether effects on the means of latents choose the basis, since they move every direction."""
        return isinstance(self.moments, Moments)

    def orthogonal_rows(self, basis: Array) -> Tensor:
        """Return the orthogonal basis of the searched directions that is closest to given latents, shape (l, l).

        If directions are set aside, it is that of the l latents that the searched directions explain best.

        Args:
            basis: The latents as rows in the given ones, shape (n, n).
        """
        searched = self.moved @ self.active
        # least squares of the latents on the searched directions
        of_searched = searched @ self.covariance @ searched.T
        rows = np.linalg.solve(of_searched, searched @ self.covariance @ basis.T).T
        variances = np.einsum("ij,jk,ik->i", basis, self.covariance, basis)
        explained = np.einsum("il,lk,ik->i", rows, of_searched, rows) / variances
        kept = np.sort(np.argsort(-explained, kind="stable")[: len(searched)])
        rows = rows[kept] / np.linalg.norm(rows[kept], axis=1, keepdims=True)
        left, _, right = np.linalg.svd(rows)
        return torch.from_numpy(np.asarray(left @ right))

    def full_basis(self, basis: Tensor) -> Array:
        """Extend a basis of the searched directions to all given latents, with rows of unit variance."""
        rows = [basis.numpy() @ self.moved @ self.active, self.unmoved @ self.active, self.collapsed]
        matrix = np.vstack(rows)
        return np.asarray(matrix / standard_deviations(matrix, self.covariance)[:, None])


def _split_by_activity(white: Array, noise: Array | None) -> tuple[Array, Array]:
    """Return the active and the collapsed directions of the white latents, as orthonormal rows.

    Args:
        white: Whitening matrix of the latents, shape (n, n).
        noise: Mean covariance of the posterior, shape (n, n), or None if all directions are active.
    """
    n = len(white)
    if noise is None:
        return np.eye(n), np.eye(n)[:0]
    # white latents have unit variance in every direction
    variances, directions = np.linalg.eigh(white @ noise @ white.T)
    active = variances < 1
    if active.all() or not active.any():
        return np.eye(n), np.eye(n)[:0]
    return directions.T[active], directions.T[~active]


def _split_by_movement(moments: Moments, max_spurious: float) -> tuple[Array, Array]:
    """Return the directions that actions move and those that they don't, as orthonormal rows.

    A latent without a parent has no sparsest direction. If it were searched, it would be mixed into other latents,
    whose few effects look sparser than its noise. With a past, every direction is searched.

    Args:
        moments: Moments of the effects.
        max_spurious: Mean square effect above which a direction always counts as moved.
    """
    if moments.past is not None:
        identity = np.eye(moments.past.shape[-1])
        return identity, identity[:0]
    assert moments.actions is not None
    energies, directions = np.linalg.eigh(moments.actions.sum(0).numpy())
    moved = energies > min(_NEGLIGIBLE_SHARE * np.median(energies), max_spurious)
    return directions.T[moved], directions.T[~moved]


def _split_by_information(information: Information) -> tuple[Array, Array]:
    """Return the directions about which actions carry information and the others, as orthonormal rows."""
    energies, directions = np.linalg.eigh(information.energy())
    moved = energies > 1
    return directions.T[moved], directions.T[~moved]
