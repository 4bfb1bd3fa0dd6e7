"""Variational autoencoders without a causal graph.

::

    q(z | x)    Gaussian with independent latents
    p(x | z)    Gaussian, one variance for all coordinates
    p(z | .)    the prior, by which the methods differ

All losses are per observed dimension, as the negative ELBO of the sparse VAE. The variance of p(x | z) is its
closed-form optimum on each batch (Rybkin et al., arXiv 2006.13202, the optimal sigma-VAE), so that reconstruction and
prior need no relative weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.models.baselines.encoders import Baseline
from estimation.models.baselines.rotation import ica_map, maximum_likelihood_map
from estimation.models.baselines.temporal_differences import GeneralizedLaplacePrior
from estimation.models.networks import MLP
from estimation.models.representation import Batch, Shape

if TYPE_CHECKING:
    from estimation.config.baselines import BaselineConfig

__all__ = ["IVAE", "TCVAE", "VAE", "Posterior", "SlowVAE"]

_MIN_VARIANCE = 1e-12
_LOG_2PI = math.log(2 * math.pi)
_NOISE_WIDTH = 64
_START_LOG_SCALE = -2.0
_LOG_SCALES = (-9.0, 2.0)
# rate of the exponential moving average by which the model's variance follows those of the batches
_EMA_RATE = 0.05
# rows of a batch that estimate the total correlation, at a cost quadratic in their number
_CORRELATION_ROWS = 256


@dataclass(frozen=True)
class Posterior:
    """Posteriors q(z | x) of all rows and steps, and a sample from them; all of shape (B, T, n)."""

    mean: Tensor
    log_scale: Tensor
    sample: Tensor

    @property
    def variance(self) -> Tensor:
        """The variance of every latent."""
        return (2 * self.log_scale).exp()


class VAE(Baseline):
    """A VAE with a standard normal prior for every step.

    Kingma and Welling, arXiv 1312.6114, the section on the variational bound.

    A linear map stands between encoder and decoder, the identity at first: the encoder ends with it, and the decoder
    begins with its inverse.

    Args:
        shape: Sizes of the model.
        config: Widths and depths.
        generator: Draws the initial weights.
        encoder: Maps (B, d_x) to (B, n).
        decoder: Maps (B, n) to (B, d_x).
    """

    has_bound = True

    log_variance_x: Tensor
    rotation: Tensor
    rotation_inverse: Tensor

    def __init__(
        self,
        shape: Shape,
        config: BaselineConfig,
        generator: torch.Generator,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(shape, config, generator, encoder, decoder)
        n, d_x = shape.n_latents, shape.n_observed
        self.decoder = (
            MLP(n, d_x, config.width, config.depth, generator, config.skip) if decoder is None else decoder
        )
        # a user-supplied encoder may read images: the network of the noise then reads its output
        self.reads_latents = encoder is not None
        self.noise = MLP(n if self.reads_latents else d_x, n, _NOISE_WIDTH, 1, generator)
        with torch.no_grad():
            self.noise.last.weight.zero_()
            self.noise.last.bias.fill_(_START_LOG_SCALE)
        self.register_buffer("log_variance_x", torch.zeros((), **CPU_FLOAT32))
        for name in ("rotation", "rotation_inverse"):
            self.register_buffer(name, torch.eye(n, **CPU_FLOAT32))

    @property
    def has_decoder(self) -> bool:
        return True

    def mean_latents(self, standardised: Tensor) -> Tensor:
        result: Tensor = self.encoder(standardised) @ self.rotation.T
        return result

    def mean_observations(self, latents: Tensor, covariates: Tensor | None = None) -> Tensor:
        result: Tensor = self.decoder(latents @ self.rotation_inverse.T)
        return result

    @torch.no_grad()
    def rotate_(self, change: Tensor) -> None:
        """Map the latents by an invertible matrix, shape (n, n); reconstructions stay the same."""
        rotation = change.to(self.rotation.device, torch.float64) @ self.rotation.double()
        self.rotation.copy_(rotation)
        self.rotation_inverse.copy_(torch.linalg.inv(rotation))

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        x, posterior, error = self._reconstruct(batch, generator)
        variance = error.clamp_min(_MIN_VARIANCE)
        with torch.no_grad():
            self.log_variance_x.lerp_(variance.log(), _EMA_RATE)
        steps, d_x = x.shape[1], x.shape[2]
        reconstruction = 0.5 * steps * (_LOG_2PI + 1 + variance.log())
        return reconstruction + self.weighted_divergence(posterior, batch) / d_x

    def bound(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x, posterior, error = self._reconstruct(batch, generator)
        relative = error / self.log_variance_x.exp()
        reconstruction = 0.5 * x.shape[1] * (_LOG_2PI + self.log_variance_x + relative)
        return reconstruction, self.divergence(posterior, batch) / x.shape[2]

    def divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        """Return KL(q(z | x) || p(z | .)), summed over steps and latents, averaged over rows."""
        return from_standard_normal(posterior.mean, posterior.variance).sum((1, 2)).mean()

    def weighted_divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        """Return the divergence with the weights of the loss."""
        return self.divergence(posterior, batch)

    def _reconstruct(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Posterior, Tensor]:
        x = self.standardise(batch.observations)
        rows = x.flatten(0, 1)
        encoded = self.encoder(rows)
        mean = encoded @ self.rotation.T
        log_scale = self.noise(encoded if self.reads_latents else rows).clamp(*_LOG_SCALES)
        noise = torch.randn(mean.shape, generator=generator, device=x.device, dtype=x.dtype)
        sample = mean + log_scale.exp() * noise
        error = (self.mean_observations(sample) - rows).square().mean()
        shape = (*x.shape[:2], -1)
        return x, Posterior(mean.view(shape), log_scale.view(shape), sample.view(shape)), error


class TCVAE(VAE):
    """A beta-TCVAE: the total correlation of the aggregate posterior has the weight ``beta``.

    Chen et al., arXiv 1802.04942: the objective is their equation 4 with alpha and gamma at 1, the estimate of the
    densities their minibatch-weighted sampling.
    """

    rotates = True

    def __init__(
        self, shape: Shape, config: BaselineConfig, generator: torch.Generator, **networks: nn.Module | None
    ):
        super().__init__(shape, config, generator, **networks)
        self.beta, self.seed = config.beta, config.seed

    def update_rotation_(self, latents: Tensor) -> None:
        # the rest of the loss is the same for all maps to uncorrelated latents of unit variance
        if self.beta > 1:
            self.rotate_(ica_map(latents.flatten(0, 1), self.seed))

    def weighted_divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        correlation = total_correlation(
            *(
                part.flatten(0, 1)[:_CORRELATION_ROWS]
                for part in (posterior.sample, posterior.mean, posterior.log_scale)
            )
        )
        steps = posterior.mean.shape[1]
        return self.divergence(posterior, batch) + (self.beta - 1) * steps * correlation


class IVAE(VAE):
    """An iVAE: a Gaussian prior whose means and variances are functions of the actions.

    Khemakhem et al., arXiv 1907.04809: the prior is their equation 7 with the two statistics of a Gaussian, the bound
    their equation 8. The posterior reads the observation alone, so that encoding needs no actions; the two agree when
    the noise is small. Steps before the last, which follow no action, have a standard normal prior.
    """

    def __init__(
        self, shape: Shape, config: BaselineConfig, generator: torch.Generator, **networks: nn.Module | None
    ):
        super().__init__(shape, config, generator, **networks)
        self.prior = MLP(
            shape.n_actions,
            2 * shape.n_latents,
            config.head_width * 4,
            config.head_depth,
            generator,
            config.skip,
        )

    def divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        loc, log_scale = self.prior(self.standardised_actions(batch)).chunk(2, dim=1)
        log_scale = log_scale.clamp(*_LOG_SCALES)
        scale = log_scale.exp()
        last = from_standard_normal(
            (posterior.mean[:, -1] - loc) / scale, posterior.variance[:, -1] / scale.square()
        )
        first = from_standard_normal(posterior.mean[:, :-1], posterior.variance[:, :-1])
        return last.sum(1).mean() + first.sum((1, 2)).mean()


class SlowVAE(VAE):
    """SlowVAE: temporal differences of the latents have a generalised Laplace distribution around zero.

    Klindt et al., arXiv 2007.10930, the section on the SlowVAE: a standard normal prior for the first step, a
    `GeneralizedLaplacePrior` for the differences, whose divergence has the weight ``gamma``. Theirs has a tail exponent
    of 1 and the same rate for all latents.
    """

    rotates = True

    def __init__(
        self, shape: Shape, config: BaselineConfig, generator: torch.Generator, **networks: nn.Module | None
    ):
        super().__init__(shape, config, generator, **networks)
        self.gamma = config.gamma
        self.differences = GeneralizedLaplacePrior(shape.n_latents, config.rate, config.tail_exponent)

    def divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        return self._first_divergence(posterior) + self._differences_divergence(posterior)

    def weighted_divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        return self._first_divergence(posterior) + self.gamma * self._differences_divergence(posterior)

    def update_rotation_(self, latents: Tensor) -> None:
        steps = latents.shape[1]
        entropy_weight = 1 + self.gamma * (steps - 1)
        change, prior = maximum_likelihood_map(latents, self.differences, self._cost, entropy_weight)
        self.rotate_(change)
        self.differences.load_state_dict(prior.state_dict())

    def _cost(self, prior: GeneralizedLaplacePrior, latents: Tensor) -> Tensor:
        """Return the negative log-density of latents, up to a constant, with the weights of the loss."""
        first = 0.5 * latents[:, 0].square().sum(1).mean()
        return first + self.gamma * prior.cost(latents.diff(dim=1)).sum((1, 2)).mean()

    def _first_divergence(self, posterior: Posterior) -> Tensor:
        return from_standard_normal(posterior.mean[:, 0], posterior.variance[:, 0]).sum(1).mean()

    def _differences_divergence(self, posterior: Posterior) -> Tensor:
        variance = posterior.variance[:, 1:] + posterior.variance[:, :-1]
        entropy = 0.5 * (_LOG_2PI + 1) + posterior.log_scale[:, 1:]
        cost = self.differences.expected_cost(
            posterior.sample.diff(dim=1), posterior.mean.diff(dim=1), variance
        )
        return (cost - entropy).sum((1, 2)).mean()


def from_standard_normal(mean: Tensor, variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) || N(0, 1)), elementwise.

    Example:
        >>> from_standard_normal(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0]))
        tensor([0., 2.])
    """
    return 0.5 * (mean.square() + variance - 1 - variance.log())


def total_correlation(sample: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Estimate KL(q(z) || prod_i q(z_i)) of the aggregate posterior on a batch.

    Chen et al., arXiv 1802.04942, minibatch-weighted sampling, without the constant that depends on the number of all
    samples: it has no gradient.

    Args:
        sample: Sample of q(z | x) of each row, shape (B, n).
        mean: Means of q(z | x), shape (B, n).
        log_scale: Logarithms of the standard deviations of q(z | x), shape (B, n).

    Returns:
        A scalar; zero on average for independent latents.
    """
    unit = (sample[:, None] - mean) / log_scale.exp()
    density = -0.5 * (unit.square() + _LOG_2PI) - log_scale
    rows = math.log(len(sample))
    log_joint = density.sum(2).logsumexp(1) - rows
    log_product = (density.logsumexp(1) - rows).sum(1)
    return (log_joint - log_product).mean()
