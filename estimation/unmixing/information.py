"""The information that actions carry about every direction: about its mean, and about its distribution beyond the mean.

Unmixing by effects on the mean alone needs every direction of the latents to be moved in its mean. Where actions leave
the mean of a direction as it is, but change its distribution, effects of both kinds are measured in nats ::

    I_l(w) = (log(1 + s_l(w)) + c_l(w)) / 2

with s_l the mean square effect of action l on the mean of w r, in units of the residual's variance, and c_l its
distributional effect (`estimation.unmixing.distributional`). For small effects both are half a chi-square distance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.exceptions import DataError
from estimation.unmixing.action_basis import ActionBasis
from estimation.unmixing.distributional import DistributionalEffects
from estimation.unmixing.past_distributional import PastDistributionalEffects
from estimation.unmixing.significance import N_ASCENTS, is_confirmed, largest_effects

__all__ = [
    "MIN_MEAN_ENERGY",
    "MIN_ROWS",
    "MIN_VARIANCE_SHARE",
    "Information",
    "Samples",
    "constant_directions",
]

Array = NDArray[np.float64]

#: The mean of a direction moves if its effects have this share of the residual's variance.
MIN_MEAN_ENERGY = 0.1
# share of the posterior's variance in that of the residual up to which a direction is measured well enough
_MAX_POSTERIOR_SHARE = 0.1
# factor by which the largest distributional effect must exceed the largest one with permuted actions
_MIN_RATIO = 1.5
# share of the local maxima that must point into a direction for it to count as changed
_MIN_CHANGED_SHARE = 0.01
_N_PERMUTATIONS = 4
#: Rows from which distributional effects are measured: moments of higher order in fewer rows are noise.
MIN_ROWS = 1_000
_N_DIRECTIONS = 400
#: Share of changes of variances in all distributional effects from which variances count as what changes.
MIN_VARIANCE_SHARE = 0.3
_FLOOR_QUANTILE = 0.95
_MIN_SIZE = 1e-12


@dataclass(frozen=True, eq=False)
class Samples:
    """Residuals of the transition, and their causes at the same rows.

    Attributes:
        residuals: Residuals of the given latents, shape (N, n).
        actions: Actions, shape (N, m), or None.
        past: Past latents, shape (N, n), or None.
    """

    residuals: Array
    actions: Array | None = None
    past: Array | None = None

    @classmethod
    def of(cls, samples: Samples) -> Samples:
        """Return the samples as arrays of floats."""
        arrays = (samples.residuals, samples.actions, samples.past)
        residuals, actions, past = (None if v is None else np.asarray(v, dtype=float) for v in arrays)
        assert residuals is not None
        return cls(residuals, actions, past)

    def require_fit(self, n_latents: int, n_actions: int | None, past: bool, residual: bool) -> None:
        """Check the samples against the other arguments of `estimation.unmixing.unmix`.

        Args:
            n_latents: Number of latents n.
            n_actions: Number of actions m, or None without effects of actions.
            past: Whether there are Jacobians with respect to the past.
            residual: Whether the covariance of the residual is given.

        Raises:
            DataError: If the samples have other shapes or an entry that is not finite, or the others can't be used with
                them.
        """
        if not residual:
            raise DataError("samples need the covariance of the residual")
        rows = len(self.residuals)
        expected = {"residuals": (rows, n_latents)}
        expected |= {} if n_actions is None else {"actions": (rows, n_actions)}
        expected |= {"past": (rows, n_latents)} if past else {}
        for name in ("residuals", "actions", "past"):
            values: Array | None = getattr(self, name)
            shape = None if values is None else values.shape
            if shape != expected.get(name):
                wanted = f"must have shape {expected[name]}" if name in expected else "must be None"
                given = "are None" if shape is None else f"have shape {shape}"
                raise DataError(
                    f"the samples' {name} {given}; with these effects and {rows} residuals they {wanted}"
                )
            if values is not None and not np.isfinite(values).all():
                raise DataError(f"the samples' {name} hold an entry that is not finite")


@dataclass(frozen=True, eq=False)
class Information:
    """The information that actions carry about directions of white residuals.

    Attributes:
        means: Second moments of the effects on means, shape (m, k, k), for k white coordinates.
        distributions: Distributional effects in these coordinates.
        floor: Size that distributional effects of every action reach without any effect, shape (m,). It is added to
            all effects, so that a direction on which there are none does not look sparse.
        changed: Directions whose distribution changes though their mean does not: local maxima of the distributional
            effects that are significant, as unit rows, shape (M, k).
        clarity: Mean logarithm of the effects on these directions, in units of the largest with permuted actions.
        coordinates: Rows in which bases are given, orthonormal, shape (l, k).
    """

    means: Tensor
    distributions: DistributionalEffects | PastDistributionalEffects
    floor: Tensor
    changed: Tensor
    clarity: float
    coordinates: Tensor

    @classmethod
    def of(
        cls,
        means: Tensor,
        samples: Samples,
        white: Array,
        noise: Array | None,
        seed: int,
        min_change: float = 0.0,
    ) -> Information | None:
        """Measure the information that actions carry; None where the means suffice.

        That is the case if the actions move the mean of every direction that is measured well, or if they change no
        distribution of the others. With fewer than 1,000 rows, changes can't be told from noise and count as none.

        Args:
            means: Second moments of the effects on means, shape (m, k, k).
            samples: Residuals and actions.
            white: White coordinates as rows in the given latents, shape (k, n).
            noise: Mean covariance of the posterior of the given latents, shape (n, n), or None.
            seed: Seed of the permutation and of the directions.
            min_change: Largest distributional effect that still counts as none, with all actions together.
        """
        assert samples.actions is not None
        constant = constant_directions(means.sum(0).numpy(), white, noise)
        if not len(constant) or len(samples.residuals) < MIN_ROWS:
            return None
        rng = np.random.default_rng([seed, 2])
        residuals = (samples.residuals - samples.residuals.mean(0)) @ white.T
        basis, best, used = ActionBasis.of(samples.actions), None, None
        if samples.past is not None:
            basis = basis.given(samples.past)
        # products of functions of two actions add errors, and are used only where single ones don't suffice
        for functions in (basis.singles(), basis):
            effects = DistributionalEffects.of(residuals, functions)
            permuted = [
                DistributionalEffects.of(residuals, functions.permuted(rng)) for _ in range(_N_PERMUTATIONS)
            ]
            better = cls.best(means, effects, permuted, constant, rng, best, min_change=min_change)
            best, used = better, functions if better is not best else used
            if best is None or best.n_changed == len(constant):
                break
        if best is None or used is None or not best.n_changed:
            return None
        confirmed = is_confirmed(residuals, used, tuple(best.distributions.coefficients), constant, rng)
        return best if confirmed else None

    @classmethod
    def best(
        cls,
        means: Tensor,
        effects: DistributionalEffects | PastDistributionalEffects,
        without: Sequence[DistributionalEffects | PastDistributionalEffects],
        constant: Array,
        rng: np.random.Generator,
        rival: Information | None = None,
        min_ratio: float = _MIN_RATIO,
        min_change: float = 0.0,
    ) -> Information | None:
        """Return the information by those moments that change most clearly, or a rival; arguments as in `_of`."""
        for order in effects.coefficients:
            lower = [each.up_to(order) for each in without]
            candidate = cls._of(means, effects.up_to(order), lower, constant, rng, min_ratio, min_change)
            if rival is None or candidate.rank > rival.rank:
                rival = candidate
        return rival

    @classmethod
    def _of(
        cls,
        means: Tensor,
        effects: DistributionalEffects | PastDistributionalEffects,
        without: Sequence[DistributionalEffects | PastDistributionalEffects],
        constant: Array,
        rng: np.random.Generator,
        min_ratio: float,
        min_change: float,
    ) -> Information:
        """Measure the information by some moments and functions.

        Args:
            means: Second moments of the effects on means, shape (m, k, k).
            effects: Distributional effects.
            without: The same with actions in several random orders.
            constant: Directions whose mean no action moves, orthonormal rows, shape (l, k).
            rng: Random generator of directions.
            min_ratio: Factor by which the largest effect must exceed the largest one without effects.
            min_change: Size that it must exceed as well.
        """
        k = means.shape[-1]
        maxima, sizes = largest_effects(effects, constant, rng)
        largest = max(float(largest_effects(each, constant, rng)[1].max()) for each in without)
        is_clear = sizes.max() > max(min_ratio * largest, min_change)
        significant = sizes > (largest if is_clear else math.inf)
        changed = maxima[significant]
        clarity = float((sizes[significant] / largest).log().mean()) if significant.any() else 0.0
        directions = torch.from_numpy(_unit(rng.normal(size=(_N_DIRECTIONS, k))))
        spurious = torch.cat([each.squared_sizes(directions) for each in without])
        floor = spurious.abs().quantile(_FLOOR_QUANTILE, dim=0)
        return cls(means, effects, floor, changed, clarity, torch.eye(k, dtype=torch.float64))

    @property
    def n_changed(self) -> int:
        """Number of directions whose distribution changes though their mean does not."""
        return int((np.linalg.eigvalsh(self._changed()) > 1).sum())

    @property
    def rank(self) -> tuple[int, float]:
        """The preference among moments: those that change the most directions, then those that do so most clearly."""
        return self.n_changed, self.clarity

    def _changed(self) -> Array:
        shares = self.changed.T @ self.changed / N_ASCENTS
        return np.asarray(shares.numpy() / _MIN_CHANGED_SHARE)

    def energy(self) -> Array:
        """Return a symmetric matrix E, shape (k, k), with w E w below 1 for directions that no action changes."""
        return np.asarray(self.means.sum(0).numpy() / MIN_MEAN_ENERGY + self._changed())

    def within(self, directions: Tensor) -> Information:
        """Restrict to a subspace, given by orthonormal rows (l, k)."""
        return replace(self, coordinates=directions @ self.coordinates)

    def squared_sizes(self, bases: Tensor) -> list[Tensor]:
        """Return the information of every action about every row of R bases, plus the floor, shape (R, l, m)."""
        return [(self.values(bases) + self.floor / 2).clamp_min(_MIN_SIZE)]

    def values(self, bases: Tensor) -> Tensor:
        """Return the information in nats, shape (..., l, m), for unit rows, shape (..., l, l)."""
        rows = bases @ self.coordinates
        squares = torch.einsum("...ia,lab,...ib->...il", rows, self.means, rows)
        return (squares.log1p() + self.distributions.squared_sizes(rows).clamp_min(0)) / 2

    def variance_share(self, directions: Tensor) -> float:
        """Return the share of changes of variances in all distributional effects on unit rows, between 0 and 1."""
        rows = directions @ self.coordinates
        by_order = {
            order: float(sizes.clamp_min(0).sum())
            for order, sizes in self.distributions.squared_sizes_by_order(rows).items()
        }
        total = sum(by_order.values())
        return by_order[2] / total if total > 0 else 0.0


def constant_directions(energy: Array, white: Array, noise: Array | None) -> Array:
    """Return directions whose mean does not move, and that are measured well, as orthonormal rows.

    Args:
        energy: Mean square effects on means in white coordinates, shape (k, k).
        white: White coordinates as rows in the given latents, shape (k, n).
        noise: Mean covariance of the posterior of the given latents, shape (n, n), or None.
    """
    unexplained = energy / MIN_MEAN_ENERGY
    if noise is not None:
        unexplained = unexplained + white @ noise @ white.T / _MAX_POSTERIOR_SHARE
    values, vectors = np.linalg.eigh(unexplained)
    return np.asarray(vectors.T[values < 1])


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
