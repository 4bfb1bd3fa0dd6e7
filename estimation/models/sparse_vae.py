"""SparseVAE: encoder, decoder, and a transition in which every latent depends only on its own parents.

::

    q(z^t | x^t)            Gaussian                    posterior
    p(x^t | z^t)            Gaussian                    likelihood
    p(z^1)                  standard normal             initial
    p(z^t | z^(t-1), a)     Gaussian, masked parents    transition; with other noise, see `estimation.models.noise`

Source: Lachapelle et al., arXiv 2401.04890, the section on estimation. Without a past there is one time step, whose
latents follow p(z | a).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from estimation.config.size import require_affordable
from estimation.device import CPU_FLOAT32
from estimation.exceptions import ConfigError
from estimation.models.elbo import negative_elbo
from estimation.models.flow import ResidualFlow
from estimation.models.jacobian import batch_jacobian
from estimation.models.masks import EdgeMasks, Masks, joint_mask
from estimation.models.missing import filled_and_encoded
from estimation.models.networks import (
    MLP,
    WithLinearInput,
    WithLinearOutput,
    parameter_or_buffer,
    require_outputs,
    require_trainable,
)
from estimation.models.noise import NoiseNetworks, SplineFlow, bounded_log_factor
from estimation.models.posterior import Gaussian, PosteriorNoise
from estimation.models.refinement import Refinement
from estimation.models.representation import Batch, Representation, Shape
from estimation.models.splines import RationalQuadraticSpline
from estimation.models.transitions import TransitionNetworks, TransitionResidual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimation.config.training import TrainingConfig

__all__ = ["SparseVAE"]

_FLOW_WIDTH = 128


class SparseVAE(Representation):
    """A variational autoencoder with a sparse transition model: the model of the paper.

    Observations and actions are given in the user's units; the model standardises them itself.

    Args:
        shape: Sizes of the model.
        config: Settings, of which the model uses widths, depths, variance and prediction.
        generator: Random generator of the weights.
        encoder: Network from (B, d_x) to (B, n); None for an MLP.
        decoder: Network from (B, n) to (B, d_x); None for an MLP.

    Raises:
        ConfigError: If the model has neither past nor actions, or would hold more numbers than
            `estimation.config.size.MOST_NUMBERS`.
        TrainingError: If a user-supplied network has outputs of another shape.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> model = SparseVAE(Shape(6, 3, 2, past=True), TrainingConfig(), torch.Generator().manual_seed(0))
        >>> x = torch.zeros(4, 6)
        >>> model.posterior(x).loc.shape
        torch.Size([4, 3])
        >>> model.transition(torch.zeros(4, 3), torch.zeros(4, 2)).loc.shape
        torch.Size([4, 3])
    """

    has_bound = True

    encoder: MLP | WithLinearOutput
    decoder: MLP | WithLinearInput
    log_variance_x: Tensor
    log_variance_z: Tensor

    def __init__(
        self,
        shape: Shape,
        config: TrainingConfig,
        generator: torch.Generator,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        require_affordable(
            config.to_dict(),
            shape.n_latents,
            n_observed=shape.n_observed,
            n_inputs=shape.n_inputs,
            own_encoder=encoder is not None,
            own_decoder=decoder is not None,
        )
        super().__init__(shape, of_images=hasattr(decoder, "image_shape"))
        if not shape.past and not shape.n_actions:
            raise ConfigError(
                "there are neither actions nor a past, so that nothing can be sparse; give actions, or sequences of "
                "2 steps"
            )
        self.predicts_change = config.predict == "change" and shape.past
        self.state_dependent = config.variance in ("state_dependent", "profiled_state_dependent")
        # v exp(g) with a profiled v: g starts at 0 and is bounded
        self.profiled_factor = config.variance == "profiled_state_dependent"
        n, d_x = shape.n_latents, shape.n_observed
        sizes = (config.width, config.depth, generator, config.skip)
        require_trainable(encoder=encoder, decoder=decoder)
        # compared with None, since an empty nn.Sequential is falsy
        self.encoder = MLP(d_x, n, *sizes) if encoder is None else WithLinearOutput(encoder, n)
        self.decoder = MLP(n, d_x, *sizes) if decoder is None else WithLinearInput(decoder, n)
        # noise of a user-supplied encoder reads its outputs: a linear map of all pixels would cost more than that
        n_read, full = d_x if encoder is None else n, config.posterior == "full"
        self.posterior_noise = PosteriorNoise(n_read, n, full, generator)
        self.networks = self._transition_networks(config, generator)
        self.flow = ResidualFlow(n, config.flow_blocks, _FLOW_WIDTH, generator)
        self.refinement = Refinement(n)
        self.past_masks = EdgeMasks(shape.n_latents, shape.n_latents if shape.past else 0)
        self.action_masks = EdgeMasks(shape.n_latents, shape.n_actions)
        learned = config.variance in ("learned", "state_dependent")
        self.log_variance_x = parameter_or_buffer(torch.zeros((), **CPU_FLOAT32), learned)
        initial = math.log(config.fixed_variance) if config.variance == "fixed" else 0.0
        self.log_variance_z = parameter_or_buffer(torch.full((n,), initial, **CPU_FLOAT32), learned)
        # drawn last, so that all other weights are those of a model with Gaussian noise
        self.noise = self._noise_networks(config, generator) if config.noise != "gaussian" else None
        self.to("cpu", getattr(torch, config.dtype))  # user-supplied networks may have another
        require_outputs("encoder", self.encoder, self.x_mean.new_zeros(2, d_x), n)
        require_outputs("decoder", self.decoder, self.x_mean.new_zeros(2, n), d_x)

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

    def adapt_to_(self, tensors: Mapping[str, Tensor]) -> None:
        """Let variances vary, and size the flow, as in the model that was stored as these tensors, in place."""
        self.flow.adapt_to_(tensors, "flow.")
        last_bias = tensors.get(f"networks.biases.{len(self.networks.biases) - 1}")
        if last_bias is not None and last_bias.shape[-1] > self.networks.n_outputs:
            self.vary_variances_()

    def reset_transition_(self, config: TrainingConfig, generator: torch.Generator) -> None:
        """Replace the transition networks by newly initialised ones, in place; needed after a change of basis."""
        self.networks = self._transition_networks(config, generator).to(self.x_mean)
        if self.noise is not None and self.noise.active:
            self.add_noise_(config, generator)
            self.noise.activate_()

    def posterior(self, standardised: Tensor) -> Gaussian:
        """Return q(z | x) for standardised observations (B, d_x); NaN entries are missing, and x is the others."""
        filled, encoded = filled_and_encoded(self.encoder, self.decoder, standardised)
        factor, log_det = self.posterior_noise(filled if isinstance(self.encoder, MLP) else encoded)
        before_flow = self._refined(standardised, encoded)
        if not self.flow.active:
            return Gaussian(before_flow, factor, log_det)
        # the flow maps the Gaussian to a Gaussian to first order, by its Jacobian at the mean
        latents, jacobian, log_det_flow = self.flow.with_jacobian(before_flow)
        return Gaussian(latents, jacobian @ factor, log_det + log_det_flow)

    def latents_before_flow(self, standardised: Tensor) -> Tensor:
        """Return the mean latents before the flow, shape (B, n), for standardised observations (B, d_x)."""
        return self._refined(standardised, filled_and_encoded(self.encoder, self.decoder, standardised)[1])

    def mean_latents(self, standardised: Tensor) -> Tensor:
        """Return the mean of q(z | x), shape (B, n), for standardised observations (B, d_x)."""
        latents: Tensor = self.flow(self.latents_before_flow(standardised))
        return latents

    def mean_observations(self, latents: Tensor) -> Tensor:
        """Return the mean of p(x | z), shape (B, d_x), in standardised units, for latents (B, n)."""
        observations: Tensor = self.decoder(self.flow.inverse(latents))
        return observations

    @torch.no_grad()
    def observation_jacobian(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Decode latents and compute the Jacobian, by the inverse function theorem if the flow is active.

        Args:
            latents: Latents, shape (B, n).

        Returns:
            Standardised observations, shape (B, d_x), and Jacobians, shape (B, d_x, n).

        Raises:
            NotDifferentiableError: If torch can't differentiate the decoder.
        """
        if not self.flow.active:
            return super().observation_jacobian(latents)
        before_flow = self.flow.inverse(latents)
        observations, decoder_jacobian = batch_jacobian(self.decoder, before_flow)
        flow_jacobian = self.flow.with_jacobian(before_flow)[1]
        return observations, torch.linalg.solve(flow_jacobian, decoder_jacobian, left=False)

    def likelihood(self, latents: Tensor) -> Normal:
        """Return p(x | z), shape (B, d_x), in standardised units, for latents (B, n)."""
        mean = self.mean_observations(latents)
        return Normal(mean, (0.5 * self.log_variance_x).exp().expand_as(mean), validate_args=False)

    def initial(self, n_rows: int) -> Normal:
        """Return p(z^1), a standard normal of shape (n_rows, n)."""
        mean = self.x_mean.new_zeros(n_rows, self.shape.n_latents)
        return Normal(mean, mean + 1, validate_args=False)

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
    def action_effects(self, past: Tensor | None, actions: Tensor) -> Tensor:
        """Compute how the mean of every latent changes when one action takes its value from the next row.

        If the rows are independent, the mean square is Sobol's total-effect index (1993; Jansen's estimator). The index
        is a share of the variance, and unlike a derivative it does not grow with how fast a latent varies.

        Args:
            past: Latents z^(t-1), shape (B, n), or None.
            actions: Actions in the user's units, shape (B, m), rows in random order.

        Returns:
            Changes divided by the square root of 2, shape (B, n, m).
        """
        base = self.transition(past, actions).loc
        effects = []
        for column in range(actions.shape[1]):
            resampled = actions.clone()
            resampled[:, column] = actions[:, column].roll(1)
            effects.append((self.transition(past, resampled).loc - base) / 2**0.5)
        return torch.stack(effects, dim=-1)

    def bound(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        terms = negative_elbo(self, batch, None, generator)
        return terms.reconstruction, terms.divergence

    def sample_masks(self, n_rows: int, generator: torch.Generator) -> Masks:
        """Draw masks for a batch of n_rows rows."""
        return Masks(self.past_masks.sample(n_rows, generator), self.action_masks.sample(n_rows, generator))

    def support_masks(self) -> Masks:
        """Return the masks without randomness: the edges that are more likely than not."""
        return Masks(self.past_masks.support_mask(), self.action_masks.support_mask())

    @torch.no_grad()
    def change_basis_(self, matrix: Tensor, offset: Tensor) -> None:
        """Replace the latents z by matrix @ z + offset, in place, without changing the reconstruction.

        The transition networks are left in the old basis; `reset_transition_` replaces them.

        Args:
            matrix: Invertible matrix, shape (n, n).
            offset: Offset, shape (n,).
        """
        inverse = torch.linalg.inv(matrix.double()).to(matrix.dtype)
        self.encoder.compose_after_(matrix, offset)
        self.decoder.compose_before_(inverse, -inverse @ offset)
        self.posterior_noise.change_basis_(matrix)

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

    def _refined(self, standardised: Tensor, latents: Tensor) -> Tensor:
        variance_x = self.log_variance_x.exp()
        return self.refinement(self.decoder, standardised, latents, variance_x)  # type: ignore[no-any-return]

    def _inputs(self, past: Tensor | None, actions: Tensor | None) -> Tensor:
        """Concatenate past latents and standardised actions, the inputs of the transition networks."""
        parts = [] if past is None else [past]
        if actions is not None and self.shape.n_actions:
            parts.append((actions - self.a_mean) / self.a_scale)
        return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]

    def _joint_mask(self, masks: Masks) -> Tensor | None:
        return joint_mask([(masks.past, self.past_masks), (masks.actions, self.action_masks)])
