"""Unmixing with a past, where past latents or actions change more than means.

With a past, bases are orthogonal in coordinates in which the past latents are white. The information about a direction
refers to coordinates in which the residual is white, so that rows are mapped to these and have unit length there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.unmixing.effects import Effects
from estimation.unmixing.information import (
    MIN_MEAN_ENERGY,
    MIN_ROWS,
    Information,
    Samples,
    constant_directions,
)
from estimation.unmixing.moments import Moments, whitening_matrix
from estimation.unmixing.past_distributional import PastDistributionalEffects, row_effects

__all__ = ["InformedMoments", "PastInformation"]

Array = NDArray[np.float64]

_MAX_JACOBIANS = 512
# networks vary more than regressions: with one permutation and no effect, ratios reached 2.4, while changes of the
# variance reach 30 and more, and those of the skewness 13
_N_PERMUTATIONS, _MIN_RATIO = 2, 4.0
_MIN_SIZE = 1e-12


@dataclass(frozen=True, eq=False)
class PastInformation:
    """The information that past latents carry about directions of white residuals.

    Attributes:
        measured: Information that the given white past latents carry.
        distributions: Their distributional effects, as in ``measured``.
        jacobians: Jacobians of the mean with respect to them, shape (S, k, k).
    """

    measured: Information
    distributions: PastDistributionalEffects
    jacobians: Tensor

    @classmethod
    def of(
        cls,
        jacobians: Array,
        samples: Samples,
        to_white: Array,
        active: Array,
        noise: Array | None,
        seed: int,
    ) -> PastInformation | None:
        """Measure the information; None where the means suffice, as in `Information.of`.

        Args:
            jacobians: Jacobians of the mean in coordinates in which the past latents are white, shape (S, k, k).
            samples: Residuals, past latents, and actions if there are any.
            to_white: Maps these coordinates to those in which the residual is white, shape (k, k).
            active: Coordinates in which the past latents are white, as rows in the given latents, shape (k, n).
            noise: Mean covariance of the posterior of the given latents, shape (n, n), or None.
            seed: Seed of the networks, of the permutation and of the directions.
        """
        assert samples.past is not None
        white, means = to_white @ active, _moments_of_changes(to_white, jacobians)
        constant = constant_directions(means.sum(0).numpy(), white, noise)
        if not len(constant) or len(samples.residuals) < MIN_ROWS:
            return None
        residuals = (samples.residuals - samples.residuals.mean(0)) @ white.T
        past = (samples.past - samples.past.mean(0)) @ active.T
        others = np.zeros((len(past), 0))
        if samples.actions is not None:
            others = samples.actions - samples.actions.mean(0)
            others = others / np.where(others.std(0) > 0, others.std(0), 1)
        rng = np.random.default_rng([seed, 3])
        effects = PastDistributionalEffects.of(residuals, past, others, seed)
        if not effects.coefficients:
            return None
        permuted = [
            PastDistributionalEffects.of(residuals, past[rng.permutation(len(past))], others, seed + k)
            for k in range(_N_PERMUTATIONS)
        ]
        best = Information.best(means, effects, permuted, constant, rng, min_ratio=_MIN_RATIO)
        if best is None or not best.n_changed:
            return None
        assert isinstance(best.distributions, PastDistributionalEffects)
        return cls(best, best.distributions, torch.from_numpy(to_white @ jacobians[:_MAX_JACOBIANS]))

    def squared_sizes(self, rows: Tensor, bases: Tensor) -> Tensor:
        """Return the information of every past latent of R bases about every unit row, with the floor of the errors."""
        return (self.values(rows, bases) + self.measured.floor.mean() / 2).clamp_min(_MIN_SIZE)

    def values(self, rows: Tensor, bases: Tensor) -> Tensor:
        """Return the information in nats, shape (..., k, k); rows of the result are children.

        Args:
            rows: The latents as unit rows in coordinates in which the residual is white, shape (..., k, k).
            bases: The same latents in those in which the past is white: orthonormal rows, shape (..., k, k).
        """
        means = row_effects(rows, self.jacobians, bases).square().mean(-2)
        by_order = self.distributions.squared_sizes_by_order(rows, bases)
        return (means.log1p() + torch.stack(list(by_order.values())).sum(0).clamp_min(0)) / 2


def _moments_of_changes(to_white: Array, jacobians: Array) -> Tensor:
    """Return the second moments of the effects of white past latents on white means, shape (k, k, k)."""
    identity = np.eye(jacobians.shape[-1])
    # a multiple of the identity is the same in all bases: it moves means, but doesn't tell directions apart
    multiple = np.trace(jacobians, axis1=1, axis2=2).mean() / len(identity)
    effects = torch.from_numpy(to_white @ (jacobians - multiple * identity))
    return torch.einsum("sia,sja->aij", effects, effects) / len(jacobians)


def _min_change(means: Tensor, past: Array, to_white: Array, white: Array, noise: Array | None) -> float:
    """Return the size from which effects of actions on distributions count.

    Latents that the decoder still curves have variances that seem to change with whatever moves them: by up to 0.03 in
    runs where none did, and by 0.5 where they did. Where past latents move all means, which tell the basis then, a
    change therefore counts from the size at which a mean counts as moved.

    Args:
        means: Second moments of the actions' effects on white means, shape (m, k, k).
        past: Jacobians of the mean with respect to white past latents, shape (S, k, k).
        to_white: Maps the coordinates of the Jacobians to those in which the residual is white, shape (k, k).
        white: White coordinates as rows in the given latents, shape (k, n).
        noise: Mean covariance of the posterior of the given latents, shape (n, n), or None.
    """
    energy = means.sum(0) + _moments_of_changes(to_white, past).sum(0)
    return 0.0 if len(constant_directions(energy.numpy(), white, noise)) else MIN_MEAN_ENERGY


@dataclass(frozen=True, eq=False)
class InformedMoments:
    """Effects on means, or the information about every direction where causes change more than means.

    Attributes:
        moments: Moments of the effects on means, in coordinates in which the past latents are white.
        to_residual: Maps rows of these coordinates to rows of those in which the residual is white, shape (k, k).
        actions: Information that actions carry, or None.
        past: Information that past latents carry, or None.
    """

    moments: Moments
    to_residual: Tensor
    actions: Information | None
    past: PastInformation | None

    @classmethod
    def of(
        cls,
        effects: Effects,
        samples: Samples,
        active: Array,
        noise: Array | None,
        seed: int,
    ) -> InformedMoments | None:
        """Measure the information; None where the means suffice for actions and for the past.

        Args:
            effects: Effects in coordinates in which the past latents are white, with the covariance of the residual.
            samples: Residuals of the given latents and their causes.
            active: These coordinates as rows in the given latents, shape (k, n).
            noise: Mean covariance of the posterior, shape (n, n), or None.
            seed: Seed of the measurement.
        """
        assert effects.residual is not None
        assert effects.past is not None
        to_white, actions = whitening_matrix(effects.residual), None
        past = PastInformation.of(effects.past, samples, to_white, active, noise, seed)
        if effects.actions is not None:
            means = Moments.of(to_white @ effects.actions, None).actions
            assert means is not None
            min_change = _min_change(means, effects.past, to_white, to_white @ active, noise)
            actions = Information.of(means, samples, to_white @ active, noise, seed, min_change)
        if actions is None and past is None:
            return None
        moments = Moments.of(effects.actions, effects.past)
        return cls(moments, torch.from_numpy(np.linalg.inv(to_white)), actions, past)

    def squared_sizes(self, bases: Tensor) -> list[Tensor]:
        """Return the sizes for the past, shape (R, k, k), and for actions, shape (R, k, m), as `Moments` does."""
        rows = self.rows(bases)
        by_past = replace(self.moments, actions=None).squared_sizes(bases)
        by_actions = replace(self.moments, past=None).squared_sizes(bases)
        if self.past is not None:
            by_past = [self.past.squared_sizes(rows, bases)]
        if self.actions is not None:
            by_actions = self.actions.squared_sizes(rows)
        return by_past + by_actions

    def rows(self, bases: Tensor) -> Tensor:
        """Return the rows of bases in coordinates in which the residual is white, with unit length."""
        rows = bases @ self.to_residual
        lengths: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        return rows / lengths
