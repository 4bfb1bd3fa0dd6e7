"""SparseVAE: encoder, decoder, and a transition in which every latent sees its own parents only.

::

    q(z^t | x^t)            Gaussian                    posterior
    p(x^t | z^t)            Gaussian                    likelihood
    p(z^1)                  standard normal             initial
    p(z^t | z^(t-1), a)     Gaussian, masked parents    transition

Source: Lachapelle et al., arXiv 2401.04890, the section on estimation. Without a past there is one time step, and its
latents follow p(z | a).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from estimation.config.size import require_affordable
from estimation.device import CPU_FLOAT32, out_of_memory
from estimation.exceptions import ConfigError, TrainingError
from estimation.models.flow import ResidualFlow
from estimation.models.jacobian import batch_jacobian
from estimation.models.masks import EdgeMasks
from estimation.models.networks import MLP, WithLinearInput, WithLinearOutput, require_trainable
from estimation.models.posterior import Gaussian, PosteriorNoise
from estimation.models.refinement import Refinement
from estimation.models.representation import Representation, Shape
from estimation.models.transitions import TransitionNetworks
from identify.exceptions import one_line

if TYPE_CHECKING:
    from estimation.config.training import TrainingConfig

__all__ = ["Masks", "SparseVAE", "TransitionResidual"]

_LEAST_VARIANCE = 1e-12
_FLOW_WIDTH = 128


@dataclass(frozen=True)
class Masks:
    """Masks drawn for a batch: (B, n, parents), (n, parents), or None for no mask."""

    past: Tensor | None = None
    actions: Tensor | None = None


@dataclass(frozen=True)
class TransitionResidual:
    """The residual of the transition, z^t minus its predicted mean, and its predicted standard deviation.

    Attributes:
        value: Residuals, shape (B, n).
        scale: Standard deviations of p(z^t | z^(t-1), a), shape (B, n).
    """

    value: Tensor
    scale: Tensor


class SparseVAE(Representation):
    """The model of the paper.

    Observations and actions come in as the user has them; the model standardises them itself.

    Args:
        shape: the sizes.
        config: widths, depths, variance and prediction.
        generator: draws the weights.
        encoder: maps (B, d_x) to (B, n); an MLP when left out.
        decoder: maps (B, n) to (B, d_x); an MLP when left out.

    Raises:
        ConfigError: the model has neither past nor actions, or would hold more than
            `estimation.config.size.MOST_NUMBERS`.
        TrainingError: a module given maps to another shape.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> model = SparseVAE(Shape(6, 3, 2, past=True), TrainingConfig(), torch.Generator().manual_seed(0))
        >>> x = torch.zeros(4, 6)
        >>> model.posterior(x).loc.shape
        torch.Size([4, 3])
        >>> model.transition(torch.zeros(4, 3), torch.zeros(4, 2)).loc.shape
        torch.Size([4, 3])
    """

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
            n_inputs=shape.n_actions + (shape.n_latents if shape.past else 0),
            own_encoder=encoder is not None,
            own_decoder=decoder is not None,
        )
        super().__init__(shape, of_images=hasattr(decoder, "image_shape"))
        if not shape.past and not shape.n_actions:
            raise ConfigError(
                "there are neither actions nor a past: nothing can be sparse; give actions, or sequences of 2 steps"
            )
        self.predicts_change = config.predict == "change" and shape.past
        self.state_dependent = config.variance == "state_dependent"
        n, d_x = shape.n_latents, shape.n_observed
        # not by truth: an empty nn.Sequential is false
        require_trainable(encoder=encoder, decoder=decoder)
        self.encoder = _mlp(d_x, n, config, generator) if encoder is None else WithLinearOutput(encoder, n)
        self.decoder = _mlp(n, d_x, config, generator) if decoder is None else WithLinearInput(decoder, n)
        # a network of the user's may read images: a linear map beside it of all pixels would cost more than itself
        full = config.posterior == "full"
        self.posterior_noise = PosteriorNoise(d_x if encoder is None else n, n, full, generator)
        self.networks = self._transition_networks(config, generator)
        self.flow = ResidualFlow(n, config.flow_blocks or 0, _FLOW_WIDTH, generator)
        self.refinement = Refinement(n)
        self.past_masks = EdgeMasks(shape.n_latents, shape.n_latents if shape.past else 0)
        self.action_masks = EdgeMasks(shape.n_latents, shape.n_actions)
        learned = config.variance in ("learned", "state_dependent")
        self.log_variance_x = _variance(torch.zeros((), **CPU_FLOAT32), learned)
        fixed = config.fixed_variance if config.variance == "fixed" else 1.0
        start = torch.tensor(fixed, **CPU_FLOAT32).log()
        self.log_variance_z = _variance(start.expand(shape.n_latents).clone(), learned)
        # networks of the user's are of the caller's default dtype, and where the caller had them
        self.to("cpu", getattr(torch, config.dtype))
        _require_shapes(self)

    def _transition_networks(self, config: TrainingConfig, generator: torch.Generator) -> TransitionNetworks:
        assert config.transition_width is not None
        assert config.transition_depth is not None
        inputs = self.shape.n_actions + (self.shape.n_latents if self.shape.past else 0)
        outputs = 2 if self.state_dependent else 1
        return TransitionNetworks(
            self.shape.n_latents,
            inputs,
            config.transition_width,
            config.transition_depth,
            outputs,
            generator,
            sines=config.transition == "sines",
        )

    def reset_transition_(self, config: TrainingConfig, generator: torch.Generator) -> None:
        """Replace the transition networks by new ones, for instance after a change of basis."""
        self.networks = self._transition_networks(config, generator).to(self.x_mean.device, self.x_mean.dtype)

    def posterior(self, standardised: Tensor) -> Gaussian:
        """q(z | x) for standardised observations (B, d_x)."""
        first = self.encoder(standardised)
        factor, log_det = self.posterior_noise(standardised if isinstance(self.encoder, MLP) else first)
        bent = self._refined(standardised, first)
        if not self.flow.active:
            return Gaussian(bent, factor, log_det)
        # the Gaussian that the flow makes of it where it is linear
        latents, jacobian, stretched = self.flow.with_jacobian(bent)
        return Gaussian(latents, jacobian @ factor, log_det + stretched)

    def bent(self, standardised: Tensor) -> Tensor:
        """The mean latents before the flow, shape (B, n), for standardised observations (B, d_x)."""
        return self._refined(standardised, self.encoder(standardised))

    def mean_latents(self, standardised: Tensor) -> Tensor:
        """The mean of q(z | x), shape (B, n), for standardised observations (B, d_x)."""
        result: Tensor = self.flow(self.bent(standardised))
        return result

    def mean_observations(self, latents: Tensor) -> Tensor:
        """The mean of p(x | z), in standardised units, shape (B, d_x), for latents (B, n)."""
        result: Tensor = self.decoder(self.flow.inverse(latents))
        return result

    @torch.no_grad()
    def observation_jacobian(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """As of every `Representation`; that of the flow's inverse is the inverse of the flow's Jacobian."""
        if not self.flow.active:
            return super().observation_jacobian(latents)
        unmapped = self.flow.inverse(latents)
        observations, jacobian = batch_jacobian(self.decoder, unmapped)
        forward = self.flow.with_jacobian(unmapped)[1]
        return observations, torch.linalg.solve(forward, jacobian, left=False)

    def likelihood(self, latents: Tensor) -> Normal:
        """p(x | z) for latents (B, n), in standardised units, shape (B, d_x)."""
        mean = self.mean_observations(latents)
        return Normal(mean, (0.5 * self.log_variance_x).exp().expand_as(mean), validate_args=False)

    def initial(self, rows: int) -> Normal:
        """p(z^1): standard normal, shape (rows, n)."""
        zeros = self.x_mean.new_zeros(rows, self.shape.n_latents)
        return Normal(zeros, torch.ones_like(zeros), validate_args=False)

    def transition(self, past: Tensor | None, actions: Tensor | None, masks: Masks | None = None) -> Normal:
        """p(z^t | z^(t-1), a).

        Args:
            past: z^(t-1), shape (B, n), or None without a past.
            actions: as the user has them, shape (B, m), or None without actions.
            masks: as drawn by `sample_masks`; None takes the edges that are more likely than not.

        Returns:
            means and standard deviations, shape (B, n).
        """
        outputs = self.networks(self._inputs(past, actions), self._joined(masks or self.support_masks()))
        mean = outputs[..., 0]
        if self.predicts_change and past is not None:
            mean = past + mean
        log_variance = self.log_variance_z + (outputs[..., 1] if self.state_dependent else 0)
        return Normal(mean, (0.5 * log_variance).exp().expand_as(mean), validate_args=False)

    def transition_residual(
        self, current: Tensor, past: Tensor | None, actions: Tensor | None, masks: Masks | None = None
    ) -> TransitionResidual:
        """Compute the residual z^t - E[z^t | z^(t-1), a] of the transition.

        Args:
            current: The latents z^t, shape (B, n).
            past: The latents z^(t-1), shape (B, n), or None without a past.
            actions: Actions in the user's units, shape (B, m), or None without actions.
            masks: Masks drawn by `sample_masks`; None for the edges that are more likely than not.
        """
        prediction = self.transition(past, actions, masks)
        return TransitionResidual(current - prediction.loc, prediction.scale)

    def past_latents(self, latents: Tensor) -> Tensor | None:
        """Return the past z^(t-1), shape (B, n), of latents (B, T, n), or None if the model has no past."""
        return latents[:, 0] if self.shape.past else None

    def transition_jacobian(self, past: Tensor, actions: Tensor | None) -> Tensor:
        """The derivative of the mean change of the latents in the past latents.

        Args:
            past: shape (B, n).
            actions: as the user has them, shape (B, m), or None.

        Returns:
            shape (B, n, n); rows are children.
        """
        inputs = self._inputs(past, actions)
        size = self.shape.n_latents
        jacobian = self.networks.jacobian(inputs, self._joined(self.support_masks())).detach()[..., :size]
        if self.predicts_change:
            return jacobian
        return jacobian - torch.eye(size, dtype=jacobian.dtype, device=jacobian.device)

    @torch.no_grad()
    def action_effects(self, past: Tensor | None, actions: Tensor) -> Tensor:
        """How the mean of every latent changes when one action is replaced by that of the next row.

        The mean square is the total-effect index of Sobol (1993; Jansen's estimator) when rows are independent: a
        share of the variance, which does not grow with how fast a latent varies, as a derivative does.

        Args:
            past: shape (B, n), or None.
            actions: as the user has them, shape (B, m), rows in random order.

        Returns:
            shape (B, n, m), divided by the square root of 2.
        """
        base = self.transition(past, actions).loc
        changed = []
        for column in range(actions.shape[1]):
            other = actions.clone()
            other[:, column] = actions[:, column].roll(1)
            changed.append((self.transition(past, other).loc - base) / 2**0.5)
        return torch.stack(changed, dim=-1)

    def sample_masks(self, rows: int, generator: torch.Generator) -> Masks:
        """Draw masks for a batch."""
        return Masks(self.past_masks.sample(rows, generator), self.action_masks.sample(rows, generator))

    def support_masks(self) -> Masks:
        """The masks without randomness: edges that are more likely than not."""
        return Masks(self.past_masks.support_mask(), self.action_masks.support_mask())

    @torch.no_grad()
    def change_basis_(self, matrix: Tensor, offset: Tensor) -> None:
        """Replace the latents z by matrix @ z + offset, without changing what is encoded and decoded.

        The transition still speaks the old language afterwards: see `reset_transition_`.

        Args:
            matrix: shape (n, n), invertible.
            offset: shape (n,).
        """
        inverse = torch.linalg.inv(matrix.double()).to(matrix.dtype)
        self.encoder.compose_after_(matrix, offset)
        self.decoder.compose_before_(inverse, -inverse @ offset)
        self.posterior_noise.change_basis_(matrix)

    @property
    def edges(self) -> dict[str, EdgeMasks]:
        """The masks that have any entry, by what their columns are: ``"past"``, ``"actions"``."""
        every = {"past": self.past_masks, "actions": self.action_masks}
        return {name: masks for name, masks in every.items() if masks.logits.numel()}

    def _refined(self, standardised: Tensor, latents: Tensor) -> Tensor:
        result: Tensor = self.refinement(self.decoder, standardised, latents, self.log_variance_x.exp())
        return result

    def _inputs(self, past: Tensor | None, actions: Tensor | None) -> Tensor:
        parts = [] if past is None else [past]
        if actions is not None and self.shape.n_actions:
            parts.append((actions - self.a_mean) / self.a_scale)
        return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]

    def _joined(self, masks: Masks) -> Tensor | None:
        given = [
            (mask, edges)
            for mask, edges in ((masks.past, self.past_masks), (masks.actions, self.action_masks))
        ]
        present = [(mask, edges) for mask, edges in given if edges.logits.numel()]
        if all(mask is None for mask, _ in present):
            return None
        rows = next((mask.shape[0] for mask, _ in present if mask is not None and mask.dim() == 3), None)
        return torch.cat([_expanded(mask, edges, rows) for mask, edges in present], dim=-1)


def _expanded(mask: Tensor | None, edges: EdgeMasks, rows: int | None) -> Tensor:
    full = torch.ones_like(edges.logits) if mask is None else mask
    return full.expand(rows, -1, -1) if rows is not None and full.dim() == 2 else full


def _mlp(inputs: int, outputs: int, config: TrainingConfig, generator: torch.Generator) -> MLP:
    assert config.width is not None
    assert config.depth is not None
    assert config.skip is not None
    return MLP(inputs, outputs, config.width, config.depth, generator, config.skip)


def _variance(start: Tensor, learned: bool) -> Tensor:
    return nn.Parameter(start) if learned else nn.Buffer(start)


def _require_shapes(model: SparseVAE) -> None:
    x = model.x_mean.new_zeros(2, model.shape.n_observed)
    for what, network, given, wanted in (
        ("encoder", model.encoder, x, model.shape.n_latents),
        ("decoder", model.decoder, x.new_zeros(2, model.shape.n_latents), model.shape.n_observed),
    ):
        try:
            with torch.no_grad():
                got = tuple(network(given).shape)
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            raise TrainingError(
                f"the {what} can't take inputs of shape {tuple(given.shape)} ({one_line(error, 200)})"
            ) from error
        if got != (2, wanted):
            raise TrainingError(f"the {what} maps {tuple(given.shape)} to {got}; it must give (2, {wanted})")
