"""The input of unmixing, checked: effects of the mechanisms in some basis of the latents, and covariances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.exceptions import DataError
from estimation.unmixing.likelihood import negative_log_likelihood
from estimation.unmixing.moments import MIN_EFFECT, effect_sizes, standard_deviations

__all__ = ["Effects"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects of the mechanisms on the given latents, and the covariances of latents and residual.

    Attributes:
        actions: Effects of actions, shape (S, n, m), or None.
        past: Jacobians with respect to the past latents, shape (S, n, n), or None.
        covariance: Covariance of the past latents if there is a past, otherwise of the latents, shape (n, n).
        residual: Covariance of the transition's residual, shape (n, n), or None.
    """

    actions: Array | None
    past: Array | None
    covariance: Array
    residual: Array | None = None

    @classmethod
    def of(
        cls, action_effects: ArrayLike | None, past_jacobians: ArrayLike | None, covariance: ArrayLike | None
    ) -> Effects:
        """Check effects and covariance.

        Raises:
            DataError: If an array is missing or invalid, as in `unmix`.
        """
        arrays = {
            name: np.asarray(values, dtype=float)
            for name, values in (("action_effects", action_effects), ("past_jacobians", past_jacobians))
            if values is not None
        }
        if not arrays or covariance is None:
            raise DataError(
                "unmixing needs action_effects or past_jacobians, and the covariance of the latents"
            )
        matrix = np.asarray(covariance, dtype=float)
        n = matrix.shape[0] if matrix.ndim == 2 else 0
        if matrix.shape != (n, n) or n == 0:
            raise DataError(f"the covariance has shape {matrix.shape}; it must be square")
        for name, values in arrays.items():
            _require_effects(name, values, n)
        if not np.isfinite(matrix).all() or not np.linalg.eigvalsh((matrix + matrix.T) / 2).max() > 0:
            raise DataError("the covariance must be finite and positive")
        return cls(arrays.get("action_effects"), arrays.get("past_jacobians"), (matrix + matrix.T) / 2)

    def checked(self, name: str, covariance: ArrayLike | None) -> Array | None:
        """Check that another covariance has the same shape, and symmetrise it.

        Raises:
            DataError: If it has another shape or an entry that is not finite.
        """
        if covariance is None:
            return None
        n, matrix = len(self.covariance), np.asarray(covariance, dtype=float)
        if matrix.shape != (n, n) or not np.isfinite(matrix).all():
            raise DataError(
                f"the {name} has shape {matrix.shape}, or an entry that is not finite; it must be ({n}, {n})"
            )
        return np.asarray((matrix + matrix.T) / 2)

    def with_residual(self, residual: ArrayLike | None) -> Effects:
        """Return the same effects with the covariance of the residual."""
        return replace(self, residual=self.checked("residual", residual))

    def negative_log_likelihood(self, matrix: Array, edges: Mapping[str, int]) -> float:
        """Return the negative log-likelihood of a basis with few edges; needs the residual."""
        assert self.residual is not None
        sizes = effect_sizes(matrix, self.covariance, self.actions, self.past)
        return negative_log_likelihood(matrix, sizes, self.residual, edges)

    def strengths(self, matrix: Array, n_collapsed: int) -> tuple[Array | None, Array | None]:
        """Return the strengths of actions and of the past in a basis whose last latents are collapsed."""
        actions, past = effect_sizes(matrix, self.covariance, self.actions, self.past)
        if self.residual is not None and self.past is None and actions is not None:
            actions = actions / standard_deviations(matrix, self.residual)[:, None]
        first_collapsed = len(matrix) - n_collapsed
        for strengths in (actions, past, None if past is None else past.T):
            if strengths is not None:
                strengths[first_collapsed:] = MIN_EFFECT
        return actions, past


def _require_effects(name: str, effects: Array, n: int) -> None:
    """Raise DataError unless the effects on n latents have the right shape, 2 samples or more, and finite entries."""
    expected_shape = "(S, n, m)" if name == "action_effects" else "(S, n, n)"
    right_columns = name == "action_effects" or effects.shape[-1:] == (n,)
    if effects.ndim != 3 or effects.shape[1] != n or not right_columns or effects.shape[2] == 0:
        raise DataError(
            f"{name} have shape {effects.shape}; with {n} latents they must have shape {expected_shape}"
        )
    if len(effects) < 2:
        raise DataError(f"{name} hold {len(effects)} samples; give 2 or more")
    if not np.isfinite(effects).all():
        raise DataError(f"{name} hold an entry that is not finite")
