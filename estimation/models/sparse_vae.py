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
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from estimation.config.size import axes_read, is_wide, require_affordable
from estimation.device import CPU_FLOAT32
from estimation.exceptions import ConfigError
from estimation.models.conditional import ConditionalDecoder, padded_basis
from estimation.models.counts import CountLikelihood
from estimation.models.elbo import negative_elbo
from estimation.models.flow import ResidualFlow
from estimation.models.jacobian import batch_jacobian
from estimation.models.masked_transition import MaskedTransition
from estimation.models.masks import EdgeMasks
from estimation.models.missing import filled_and_encoded
from estimation.models.networks import (
    MLP,
    WithLinearInput,
    WithLinearOutput,
    parameter_or_buffer,
    require_outputs,
    require_trainable,
)
from estimation.models.posterior import Gaussian, NoiseOfLatents, PosteriorNoise
from estimation.models.principal_axes import PrincipalAxes
from estimation.models.refinement import Refinement
from estimation.models.representation import Batch, Shape

if TYPE_CHECKING:
    from estimation.config.training import TrainingConfig

__all__ = ["SparseVAE"]

_FLOW_WIDTH = 128


class SparseVAE(MaskedTransition):
    """A variational autoencoder with a sparse transition model: the model of the paper.

    Observations and actions are given in the user's units; the model standardises them itself.

    Args:
        shape: Sizes of the model.
        config: Settings, of which the model uses widths, depths, variance and prediction.
        generator: Random generator of the weights.
        encoder: Network from (B, d_x + d_c) to (B, n), with covariates behind observations; None for an MLP.
        decoder: Network from (B, n + d_c) to (B, d_x), with covariates behind latents; None for an MLP.

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
    counts: CountLikelihood | None

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
        n, d_x, d_c = shape.n_latents, shape.n_observed, shape.n_covariates
        sizes = (config.width, config.depth, generator, config.skip)
        require_trainable(encoder=encoder, decoder=decoder)
        # compared with None, since an empty nn.Sequential is falsy
        wide = encoder is None and is_wide(config.to_dict(), d_x)
        n_axes = axes_read(config.to_dict(), d_x, n) if wide else None
        self.axes = None if n_axes is None else PrincipalAxes(d_x, n_axes)
        n_read = (n_axes or d_x) + d_c
        self.encoder = MLP(n_read, n, *sizes) if encoder is None else WithLinearOutput(encoder, n)
        self.decoder = MLP(n + d_c, d_x, *sizes) if decoder is None else WithLinearInput(decoder, n + d_c)
        is_count, full = config.likelihood != "gaussian", config.posterior == "full"
        self.posterior_noise: PosteriorNoise
        if is_count or wide:
            self.posterior_noise = NoiseOfLatents(n, d_c, is_count, full, generator)
        else:
            # noise of a user-supplied encoder reads its outputs: a linear map of all pixels would cost more than that
            self.posterior_noise = PosteriorNoise(n_read if encoder is None else n, n, full, generator)
        self.networks = self._transition_networks(config, generator)
        self.flow = ResidualFlow(n, config.flow_blocks, _FLOW_WIDTH, generator)
        self.refinement = Refinement(n)
        self.past_masks = EdgeMasks(shape.n_latents, shape.n_latents if shape.past else 0)
        self.action_masks = EdgeMasks(shape.n_latents, shape.n_actions)
        self.counts = CountLikelihood(d_x, config.likelihood) if is_count else None
        learned = config.variance in ("learned", "state_dependent")
        self.log_variance_x = parameter_or_buffer(
            torch.zeros((), **CPU_FLOAT32), learned and self.counts is None
        )
        initial = math.log(config.fixed_variance) if config.variance == "fixed" else 0.0
        self.log_variance_z = parameter_or_buffer(torch.full((n,), initial, **CPU_FLOAT32), learned)
        # drawn last, so that all other weights are those of a model with Gaussian noise
        self.noise = self._noise_networks(config, generator) if config.noise != "gaussian" else None
        self.to("cpu", getattr(torch, config.dtype))  # user-supplied networks may have another
        require_outputs("encoder", self.encoder, self.x_mean.new_zeros(2, n_read), n)
        require_outputs("decoder", self.decoder, self.x_mean.new_zeros(2, n + d_c), d_x)

    def adapt_to_(self, tensors: Mapping[str, Tensor]) -> None:
        """Let variances vary, size the flow, read rows, and know their sizes, as the stored model did, in place."""
        self.flow.adapt_to_(tensors, "flow.")
        if isinstance(self.posterior_noise, NoiseOfLatents) and self._stored_columns(tensors):
            self._read_columns_()
        if self.counts is not None and "counts.size_deviation" not in tensors:
            self.counts.size_deviation = None
        last_bias = tensors.get(f"networks.biases.{len(self.networks.biases) - 1}")
        if last_bias is not None and last_bias.shape[-1] > self.networks.n_outputs:
            self.vary_variances_()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        # pickled by an earlier version
        if "axes" not in self.__dict__ and "axes" not in self._modules:
            self.axes = None

    def _stored_columns(self, tensors: Mapping[str, Tensor]) -> bool:
        """Return whether stored networks read all columns, as those of earlier versions do, by their shapes too."""
        if NoiseOfLatents.MARK in tensors:
            return False
        is_own, n = not isinstance(self.encoder, MLP), self.shape.n_latents
        n_read = self.shape.n_observed + self.shape.n_covariates
        noise, encoder = (
            tensors.get(f"{name}.layers.0.weight") for name in ("posterior_noise.network", "encoder")
        )
        if noise is None or noise.shape[-1] != (n if is_own else n_read):
            return False
        return is_own or self.axes is None or (encoder is not None and encoder.shape[-1] == n_read)

    def _read_columns_(self) -> None:
        """Let encoder and noise read all columns, as models of earlier versions do, in place."""
        n, n_read = self.shape.n_latents, self.shape.n_observed + self.shape.n_covariates
        generator, is_own = torch.Generator().manual_seed(0), not isinstance(self.encoder, MLP)
        if self.axes is not None:
            assert isinstance(self.encoder, MLP)
            sizes = (self.encoder.width, self.encoder.depth, generator, self.encoder.skip is not None)
            self.encoder, self.axes = MLP(n_read, n, *sizes).to(self.x_mean), None
        noise = PosteriorNoise(n if is_own else n_read, n, self.posterior_noise.full, generator)
        self.posterior_noise = noise.to(self.x_mean)

    def columns(self, inputs: Tensor) -> Tensor:
        """Return observations as they are read, shape (B, d_x): counts as standardised logarithms."""
        observed = self.observed(inputs)
        return observed if self.counts is None else self.counts.encoder_inputs(observed)

    def posterior(self, inputs: Tensor) -> Gaussian:
        """Return q(z | x) for inputs (B, d_x + d_c), see ``inputs``; NaN entries are missing, and x is the others."""
        read, encoded = self._read_and_encoded(inputs)
        factor, log_det = self.posterior_noise(self._read_by_noise(inputs, read, encoded))
        before_flow = self._refined(inputs, encoded)
        if not self.flow.active:
            return Gaussian(before_flow, factor, log_det)
        # the flow maps the Gaussian to a Gaussian to first order, by its Jacobian at the mean
        latents, jacobian, log_det_flow = self.flow.with_jacobian(before_flow)
        return Gaussian(latents, jacobian @ factor, log_det + log_det_flow)

    def latents_before_flow(self, inputs: Tensor) -> Tensor:
        """Return the mean latents before the flow, shape (B, n), for inputs (B, d_x + d_c)."""
        return self._refined(inputs, self._read_and_encoded(inputs)[1])

    def mean_latents(self, inputs: Tensor) -> Tensor:
        """Return the mean of q(z | x), shape (B, n), for inputs (B, d_x + d_c)."""
        latents: Tensor = self.flow(self.latents_before_flow(inputs))
        return latents

    def decoder_given(self, covariates: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return the decoder as a function of latents before the flow, (B, n) to (B, d_x).

        Args:
            covariates: Standardised covariates, shape (B, d_c); None for their averages.
        """
        if not self.shape.n_covariates:
            return self.decoder
        averages = self.c_mean.new_zeros(1, self.shape.n_covariates)
        return ConditionalDecoder(self.decoder, averages if covariates is None else covariates)

    def mean_observations(self, latents: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Return the mean of p(x | z), shape (B, d_x), in standardised units; counts for a row of median size.

        Args:
            latents: Latents, shape (B, n).
            covariates: Standardised covariates, shape (B, d_c); None for their averages.
        """
        decoded = self.decoder_given(covariates)(self.flow.inverse(latents))
        return decoded if self.counts is None else self.counts.median_row(decoded)

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
        if not self.flow.active and self.counts is None and not self.shape.n_covariates:
            return super().observation_jacobian(latents)
        before_flow = self.flow.inverse(latents)
        observations, jacobian = batch_jacobian(self.decoder_given(None), before_flow)
        if self.counts is not None:
            observations = self.counts.median_row(observations)
            jacobian = observations[..., None] * jacobian
        if not self.flow.active:
            return observations, jacobian
        flow_jacobian = self.flow.with_jacobian(before_flow)[1]
        return observations, torch.linalg.solve(flow_jacobian, jacobian, left=False)

    def likelihood(self, latents: Tensor, covariates: Tensor | None = None) -> Normal:
        """Return p(x | z), shape (B, d_x), in standardised units, for latents (B, n); not for counts."""
        mean = self.mean_observations(latents, covariates)
        return Normal(mean, (0.5 * self.log_variance_x).exp().expand_as(mean), validate_args=False)

    def count_log_likelihood(self, latents: Tensor, inputs: Tensor) -> Tensor | None:
        """Return log p(x | z) of every entry of counts, shape (B, d_x), 0 for missing ones; None for other data."""
        if self.counts is None:
            return None
        decoded = self.decoder_given(self.covariates(inputs))(self.flow.inverse(latents))
        return self.counts.log_prob(decoded, self.observed(inputs))

    def reconstruction_errors(self, latents: Tensor, inputs: Tensor) -> Tensor:
        """Return observations minus their means in standardised units, shape (B, d_x); Pearson residuals of counts."""
        x, covariates = self.observed(inputs), self.covariates(inputs)
        if self.counts is None:
            return x - self.mean_observations(latents, covariates)
        return self.counts.pearson_residuals(self.decoder_given(covariates)(self.flow.inverse(latents)), x)

    def initial(self, n_rows: int) -> Normal:
        """Return p(z^1), a standard normal of shape (n_rows, n)."""
        mean = self.x_mean.new_zeros(n_rows, self.shape.n_latents)
        return Normal(mean, mean + 1, validate_args=False)

    def bound(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        terms = negative_elbo(self, batch, None, generator)
        return terms.reconstruction, terms.divergence

    @torch.no_grad()
    def change_basis_(self, matrix: Tensor, offset: Tensor) -> None:
        """Replace the latents z by matrix @ z + offset, in place, without changing the reconstruction.

        The transition networks are left in the old basis; ``reset_transition_`` replaces them.

        Args:
            matrix: Invertible matrix, shape (n, n).
            offset: Offset, shape (n,).
        """
        inverse = torch.linalg.inv(matrix.double()).to(matrix.dtype)
        self.encoder.compose_after_(matrix, offset)
        self.decoder.compose_before_(*padded_basis(inverse, -inverse @ offset, self.shape.n_covariates))
        # a diagonal covariance becomes that of inputs 0, the new encodings' mean, so they are read before
        if isinstance(self.posterior_noise, NoiseOfLatents):
            self.posterior_noise.read_before_(inverse, -inverse @ offset)
        elif not isinstance(self.encoder, MLP):
            self.posterior_noise.network.compose_before_(inverse, -inverse @ offset)
        self.posterior_noise.change_basis_(matrix)

    @torch.no_grad()
    def shift_by_covariates_(self, shifts: Tensor) -> None:
        """Replace the latents z by z - shifts @ c, in place, without changing the reconstruction.

        The encoder needs a linear skip connection, and neither network may be user-supplied.

        Args:
            shifts: Changes of the latents with standardised covariates c, shape (n, d_c).
        """
        assert isinstance(self.encoder, MLP)
        assert isinstance(self.decoder, MLP)
        assert self.encoder.skip is not None
        n, d_c = shifts.shape
        self.encoder.skip.weight[:, -d_c:] -= shifts
        matrix = torch.eye(n + d_c, dtype=shifts.dtype, device=shifts.device)
        matrix[:n, n:] = shifts
        self.decoder.compose_before_(matrix, matrix.new_zeros(n + d_c))
        if isinstance(self.posterior_noise, NoiseOfLatents):
            self.posterior_noise.read_before_(matrix, matrix.new_zeros(n + d_c))

    def _read_and_encoded(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the encoder reads of inputs without gaps, and encodings."""
        if self.counts is None and not self.shape.n_covariates and self.axes is None:
            return filled_and_encoded(self.encoder, self.decoder, inputs, self._networks_of_rows)
        covariates, counts = self.covariates(inputs), self.counts

        def reconstruct(encoded: Tensor) -> Tensor:
            values = self.decoder_given(covariates)(encoded)
            if counts is not None:
                values = counts.mean(values, self.observed(inputs))
            return values if covariates is None else torch.cat([values, covariates], dim=-1)

        read = inputs

        def encode(filled: Tensor) -> Tensor:
            nonlocal read
            read = self._read(filled)
            encoded: Tensor = self.encoder(read)
            return encoded

        _, encoded = filled_and_encoded(encode, reconstruct, inputs, self._networks_of_rows)
        # what the last pass has read, without gaps
        return read, encoded

    @property
    def _networks_of_rows(self) -> tuple[nn.Module, ...]:
        return self.encoder, self.decoder

    def _read(self, inputs: Tensor) -> Tensor:
        """Return inputs as the encoder reads them."""
        columns, covariates = self.columns(inputs), self.covariates(inputs)
        read = columns if self.axes is None else self.axes(columns)
        return read if covariates is None else torch.cat([read, covariates], dim=-1)

    def _read_by_noise(self, inputs: Tensor, read: Tensor, encoded: Tensor) -> Tensor:
        """Return what the noise of the posterior reads, given what the encoder read and the encodings."""
        if isinstance(self.posterior_noise, NoiseOfLatents):
            sizes = None if self.counts is None else self.counts.sizes(self.observed(inputs))
            return self.posterior_noise.inputs(encoded, self.covariates(inputs), sizes)
        return read if isinstance(self.encoder, MLP) else encoded

    def _refined(self, inputs: Tensor, latents: Tensor) -> Tensor:
        x, covariates = self.observed(inputs), self.covariates(inputs)
        variance_x = self.log_variance_x.exp()
        return self.refinement(self.decoder, x, latents, variance_x, covariates, self.counts)  # type: ignore[no-any-return]
