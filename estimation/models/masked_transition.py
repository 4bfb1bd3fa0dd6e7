"""The transition p(z^t | z^(t-1), a) of a model with masks: every latent depends only on its own parents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Normal

from estimation.models.jacobian import batch_jacobian
from estimation.models.masks import EdgeMasks, Masks, joint_mask
from estimation.models.noise import NoiseNetworks, SplineFlow, bounded_log_factor
from estimation.models.representation import Representation
from estimation.models.splines import RationalQuadraticSpline
from estimation.models.transitions import TransitionNetworks, TransitionResidual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimation.config.training import TrainingConfig

__all__ = ["MaskedTransition"]


class MaskedTransition(Representation):
    """The part of `SparseVAE` on latents, actions and masks. A subclass creates the attributes.

    Attributes:
        networks: Networks of all latents.
        noise: Networks of the shape of the noise, or None for Gaussian noise.
        past_masks: Masks of G^z.
        action_masks: Masks of G^a.
        log_variance_z: Logarithms of the variances of p(z_i | .), shape (n,).
        predicts_change: Whether the networks predict the change of a latent.
        state_dependent: Whether the networks predict a variance.
        profiled_factor: Whether they predict a factor of a profiled variance.
    """

    networks: TransitionNetworks
    noise: NoiseNetworks | None
    past_masks: EdgeMasks
    action_masks: EdgeMasks
    log_variance_z: Tensor
    predicts_change: bool
    state_dependent: bool
    profiled_factor: bool

    def _noise_networks(self, config: TrainingConfig, generator: torch.Generator) -> NoiseNetworks:
        width, depth, sines = config.transition_width, config.transition_depth, config.transition == "sines"
        return NoiseNetworks(self.shape.n_latents, self.shape.n_inputs, width, depth, generator, sines)

    def _transition_networks(self, config: TrainingConfig, generator: torch.Generator) -> TransitionNetworks:
        n_outputs = 2 if self.state_dependent else 1
        networks = TransitionNetworks(
            self.shape.n_latents,
            self.shape.n_inputs,
            config.transition_width,
            config.transition_depth,
            n_outputs,
            generator,
            sines=config.transition == "sines",
        )
        if self.profiled_factor:
            networks.zero_outputs_(first=1)
        return networks

    def vary_variances_(self) -> None:
        """Let the transition networks predict a factor of the variance, which starts at 1, in place.

        For profiled variances, when training has measured that actions change variances.
        """
        if not self.state_dependent:
            self.state_dependent = self.profiled_factor = True
            self.networks.add_zero_output_()

    def add_noise_(self, config: TrainingConfig, generator: torch.Generator) -> None:
        """Add inactive noise networks, in place; ``noise = None`` removes them again."""
        self.noise = self._noise_networks(config, generator).to(self.x_mean)

    def reset_transition_(self, config: TrainingConfig, generator: torch.Generator) -> None:
        """Replace the transition networks by newly initialised ones, in place; needed after a change of basis."""
        self.networks = self._transition_networks(config, generator).to(self.x_mean)
        if self.noise is not None and self.noise.active:
            self.add_noise_(config, generator)
            self.noise.activate_()

    def transition(
        self, past: Tensor | None, actions: Tensor | None, masks: Masks | None = None
    ) -> Normal | SplineFlow:
        """Return p(z^t | z^(t-1), a).

        Args:
            past: Latents z^(t-1), shape (B, n), or None without a past.
            actions: Actions in the user's units, shape (B, m), or None without actions.
            masks: Masks drawn by `sample_masks`; None for the edges that are more likely than not.

        Returns:
            Independent Gaussians, or with active noise networks independent flows, shape (B, n).
        """
        location, scale, _, spline = self._transition(past, actions, masks)
        return SplineFlow(location, scale, spline) if spline else Normal(location, scale, validate_args=False)

    def _transition(
        self, past: Tensor | None, actions: Tensor | None, masks: Masks | None
    ) -> tuple[Tensor, Tensor, Tensor | None, RationalQuadraticSpline | None]:
        """Return location, scale, logarithm of the variance's factor, and spline of p(z^t | z^(t-1), a)."""
        inputs, mask = self._inputs(past, actions), self._joint_mask(masks or self.support_masks())
        outputs = self.networks(inputs, mask)
        location, log_factor, spline = outputs[..., 0], None, None
        if self.predicts_change and past is not None:
            location = past + location
        if self.state_dependent:
            log_factor = outputs[..., 1]
        if self.profiled_factor:
            log_factor = bounded_log_factor(outputs[..., 1])
        if self.noise is not None and self.noise.active:
            factor_of_noise, spline = self.noise(inputs, mask)
            log_factor = factor_of_noise if log_factor is None else log_factor + factor_of_noise
        log_variance = self.log_variance_z + (0 if log_factor is None else log_factor)
        return location, (0.5 * log_variance).exp().expand_as(location), log_factor, spline

    def transition_residual(
        self, current: Tensor, past: Tensor | None, actions: Tensor | None, masks: Masks | None = None
    ) -> TransitionResidual:
        """Compute the residual of the transition: z^t minus its location, which for Gaussian noise is its mean.

        Args:
            current: Latents z^t, shape (B, n).
            past: Latents z^(t-1), shape (B, n), or None without a past.
            actions: Actions in the user's units, shape (B, m), or None without actions.
            masks: Masks drawn by `sample_masks`; None for the edges that are more likely than not.

        Returns:
            Residuals and the distribution that the transition predicts for them.
        """
        location, scale, log_factor, spline = self._transition(past, actions, masks)
        return TransitionResidual(current - location, scale, log_factor, spline)

    def past_latents(self, latents: Tensor) -> Tensor | None:
        """Return the past z^(t-1), shape (B, n), of latents (B, T, n), or None if the model has no past."""
        return latents[:, 0] if self.shape.past else None

    def transition_jacobian(self, past: Tensor, actions: Tensor | None) -> Tensor:
        """Differentiate the expected change E[z^t | z^(t-1), a] - z^(t-1) with respect to the past latents.

        Args:
            past: Latents z^(t-1), shape (B, n).
            actions: Actions in the user's units, shape (B, m), or None.

        Returns:
            Jacobians, shape (B, n, n); rows are children.
        """
        if self.noise is not None and self.noise.active:
            # the mean of a flow depends on all its networks
            def mean(copies: Tensor) -> Tensor:
                repeated = None if actions is None else actions.repeat(len(copies) // len(past), 1)
                return self.transition(copies, repeated).loc

            jacobian = batch_jacobian(mean, past)[1]
            return jacobian - torch.eye(self.shape.n_latents, dtype=jacobian.dtype, device=jacobian.device)
        n, mask = self.shape.n_latents, self._joint_mask(self.support_masks())
        jacobian = self.networks.jacobian(self._inputs(past, actions), mask).detach()[..., :n]
        if self.predicts_change:
            return jacobian
        return jacobian - torch.eye(n, dtype=jacobian.dtype, device=jacobian.device)

    @torch.no_grad()
    def action_effects(
        self, past: Tensor | None, actions: Tensor, columns: Sequence[int] | None = None
    ) -> Tensor:
        """Compute how the mean of every latent changes when one action takes its value from the row before.

        If the rows are independent, the mean square is Sobol's total-effect index (1993; Jansen's estimator). The index
        is a share of the variance, and unlike a derivative it does not grow with how fast a latent varies. Rows in
        which the value stays the same have no effect, and the networks are not asked: of hundreds of perturbations made
        one at a time, each changes in few rows.

        Args:
            past: Latents z^(t-1), shape (B, n), or None.
            actions: Actions in the user's units, shape (B, m), rows in random order.
            columns: Positions of the actions whose effects are computed; None for all.

        Returns:
            Changes divided by the square root of 2, shape (B, n, m), or (B, n, columns).
        """
        base, before = self.transition(past, actions).loc, actions.roll(1, 0)
        positions = range(actions.shape[1]) if columns is None else columns
        effects = base.new_zeros(*base.shape, len(positions))
        for place, column in enumerate(positions):
            rows = torch.nonzero(actions[:, column] != before[:, column])[:, 0]
            if len(rows):
                resampled = actions[rows]
                resampled[:, column] = before[rows, column]
                location = self.transition(None if past is None else past[rows], resampled).loc
                effects[rows, :, place] = (location - base[rows]) / 2**0.5
        return effects

    def sample_masks(self, n_rows: int, generator: torch.Generator) -> Masks:
        """Draw masks for a batch of n_rows rows."""
        return Masks(self.past_masks.sample(n_rows, generator), self.action_masks.sample(n_rows, generator))

    def support_masks(self) -> Masks:
        """Return the masks without randomness: the edges that are more likely than not."""
        return Masks(self.past_masks.support_mask(), self.action_masks.support_mask())

    def set_sparse_columns_(self, actions: Sequence[int], past: bool) -> None:
        """Leave columns of the masks dense: all their edges stay present, and none of them counts.

        Args:
            actions: Positions of the sparse columns of G^a.
            past: Whether G^z is sparse.
        """
        self.action_masks.set_sparse_columns_(actions)
        self.past_masks.set_sparse_columns_(range(self.past_masks.logits.shape[1]) if past else ())

    @property
    def edges(self) -> dict[str, EdgeMasks]:
        """The non-empty masks by the kind of their columns, ``"past"`` or ``"actions"``."""
        masks_by_kind = {"past": self.past_masks, "actions": self.action_masks}
        return {kind: masks for kind, masks in masks_by_kind.items() if masks.logits.numel()}

    def _inputs(self, past: Tensor | None, actions: Tensor | None) -> Tensor:
        """Concatenate past latents and standardised actions, the inputs of the transition networks."""
        parts = [] if past is None else [past]
        if actions is not None and self.shape.n_actions:
            parts.append((actions - self.a_mean) / self.a_scale)
        return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]

    def _joint_mask(self, masks: Masks) -> Tensor | None:
        return joint_mask([(masks.past, self.past_masks), (masks.actions, self.action_masks)])
