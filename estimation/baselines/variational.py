"""Variational autoencoders that know nothing of graphs.

::

    q(z | x)    Gaussian with independent latents
    p(x | z)    Gaussian, one variance for all coordinates
    p(z | .)    what makes the methods differ

All losses are per observed dimension, as the negative ELBO of the sparse VAE. The variance of p(x | z) is its
closed-form optimum on each batch (Rybkin et al., arXiv 2006.13202, the optimal sigma-VAE), so that no weight between
reconstruction and prior has to be chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from estimation.baselines.encoders import Baseline
from estimation.baselines.rotation import independent, least_costly
from estimation.baselines.temporal_differences import Changes
from estimation.device import CPU_FLOAT32
from estimation.models.networks import MLP
from estimation.models.representation import Batch, Shape

if TYPE_CHECKING:
    from estimation.config.baselines import BaselineConfig

__all__ = ["IVAE", "TCVAE", "VAE", "Posterior", "SlowVAE"]

_LEAST = 1e-12
_LOG_2PI = math.log(2 * math.pi)
_NOISE_WIDTH = 64
_START_LOG_SCALE = -2.0
_LOG_SCALES = (-9.0, 2.0)
# how fast the variance that the model keeps follows those of the batches
_FOLLOW = 0.05
# rows between which densities are compared, for the total correlation: their number counts squared
_COMPARED = 256


@dataclass(frozen=True)
class Posterior:
    """q(z | x) of all rows and steps, and a sample of it; all of shape (B, T, n)."""

    mean: Tensor
    log_scale: Tensor
    sample: Tensor

    @property
    def variance(self) -> Tensor:
        """Of every latent."""
        return (2 * self.log_scale).exp()


class VAE(Baseline):
    """A standard normal prior for every step (Kingma and Welling, arXiv 1312.6114, the section on the bound).

    Between encoder and decoder stands a linear map, the identity until it is turned: the encoder ends with it, and the
    decoder begins with its inverse.

    Args:
        shape: the sizes.
        config: widths and depths.
        generator: draws the weights.
        encoder: maps (B, d_x) to (B, n).
        decoder: maps (B, n) to (B, d_x).
    """

    log_variance_x: Tensor
    turn: Tensor
    turn_back: Tensor

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
            MLP(n, d_x, config.width, config.layers, generator, config.skip) if decoder is None else decoder
        )
        # a network of the user's may read images: what stands beside it reads what it makes of them
        self.reads_latents = encoder is not None
        self.noise = MLP(n if self.reads_latents else d_x, n, _NOISE_WIDTH, 1, generator)
        with torch.no_grad():
            self.noise.last.weight.zero_()
            self.noise.last.bias.fill_(_START_LOG_SCALE)
        self.register_buffer("log_variance_x", torch.zeros((), **CPU_FLOAT32))
        for name in ("turn", "turn_back"):
            self.register_buffer(name, torch.eye(n, **CPU_FLOAT32))

    @property
    def has_decoder(self) -> bool:
        return True

    def mean_latents(self, standardised: Tensor) -> Tensor:
        result: Tensor = self.encoder(standardised) @ self.turn.T
        return result

    def mean_observations(self, latents: Tensor) -> Tensor:
        result: Tensor = self.decoder(latents @ self.turn_back.T)
        return result

    @torch.no_grad()
    def turn_by_(self, change: Tensor) -> None:
        """Map the latents by an invertible matrix, shape (n, n); what is decoded stays the same."""
        turn = change.to(self.turn.device, torch.float64) @ self.turn.double()
        self.turn.copy_(turn)
        self.turn_back.copy_(torch.linalg.inv(turn))

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        x, posterior, error = self._read(batch, generator)
        variance = error.clamp_min(_LEAST)
        with torch.no_grad():
            self.log_variance_x.lerp_(variance.log(), _FOLLOW)
        steps, d_x = x.shape[1], x.shape[2]
        reconstruction = 0.5 * steps * (_LOG_2PI + 1 + variance.log())
        return reconstruction + self.weighted_divergence(posterior, batch) / d_x

    def bound(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x, posterior, error = self._read(batch, generator)
        relative = error / self.log_variance_x.exp()
        reconstruction = 0.5 * x.shape[1] * (_LOG_2PI + self.log_variance_x + relative)
        return reconstruction, self.divergence(posterior, batch) / x.shape[2]

    def divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        """KL(q(z | x) || p(z | .)), summed over steps and latents, averaged over rows."""
        return from_standard_normal(posterior.mean, posterior.variance).sum((1, 2)).mean()

    def weighted_divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        """The same as the loss has it."""
        return self.divergence(posterior, batch)

    def _read(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Posterior, Tensor]:
        x = self.standardise(batch.observations)
        rows = x.flatten(0, 1)
        unturned = self.encoder(rows)
        mean = unturned @ self.turn.T
        log_scale = self.noise(unturned if self.reads_latents else rows).clamp(*_LOG_SCALES)
        noise = torch.randn(mean.shape, generator=generator, device=x.device, dtype=x.dtype)
        sample = mean + log_scale.exp() * noise
        error = (self.mean_observations(sample) - rows).square().mean()
        shape = (*x.shape[:2], -1)
        return x, Posterior(mean.view(shape), log_scale.view(shape), sample.view(shape)), error


class TCVAE(VAE):
    """The total correlation of the aggregate posterior counts ``beta`` times.

    Chen et al., arXiv 1802.04942: the objective is their equation 4 with alpha and gamma at 1, the estimate of the
    densities their minibatch-weighted sampling.
    """

    turned = True

    def __init__(
        self, shape: Shape, config: BaselineConfig, generator: torch.Generator, **networks: nn.Module | None
    ):
        super().__init__(shape, config, generator, **networks)
        self.beta, self.seed = config.beta, config.seed

    def improve_turn_(self, latents: Tensor) -> None:
        # the rest of the loss is the same for all maps to uncorrelated latents of unit variance
        if self.beta > 1:
            self.turn_by_(independent(latents.flatten(0, 1), self.seed))

    def weighted_divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        correlation = total_correlation(
            *(
                part.flatten(0, 1)[:_COMPARED]
                for part in (posterior.sample, posterior.mean, posterior.log_scale)
            )
        )
        steps = posterior.mean.shape[1]
        return self.divergence(posterior, batch) + (self.beta - 1) * steps * correlation


class IVAE(VAE):
    """A Gaussian prior whose means and variances are functions of the actions.

    Khemakhem et al., arXiv 1907.04809: the prior is their equation 7 with the two statistics of a Gaussian, the bound
    their equation 8. The posterior reads the observation alone, so that the model encodes without actions; with next
    to no noise the two agree. Steps before the last, which no action leads to, have a standard normal prior.
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
        assert batch.actions is not None
        loc, log_scale = self.prior((batch.actions - self.a_mean) / self.a_scale).chunk(2, dim=1)
        log_scale = log_scale.clamp(*_LOG_SCALES)
        scale = log_scale.exp()
        last = from_standard_normal(
            (posterior.mean[:, -1] - loc) / scale, posterior.variance[:, -1] / scale.square()
        )
        first = from_standard_normal(posterior.mean[:, :-1], posterior.variance[:, :-1])
        return last.sum(1).mean() + first.sum((1, 2)).mean()


class SlowVAE(VAE):
    """Latents follow each other closely: their changes have a generalised Laplace distribution around none.

    Klindt et al., arXiv 2007.10930, the section on the SlowVAE: a standard normal for the first step, `Changes` for the
    next, whose divergence counts ``gamma`` times. Theirs has a shape of 1 and the same rate for all latents.
    """

    turned = True

    def __init__(
        self, shape: Shape, config: BaselineConfig, generator: torch.Generator, **networks: nn.Module | None
    ):
        super().__init__(shape, config, generator, **networks)
        self.gamma = config.gamma
        self.changes = Changes(shape.n_latents, config.rate, config.shape)

    def divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        return self._first(posterior) + self._changes(posterior)

    def weighted_divergence(self, posterior: Posterior, batch: Batch) -> Tensor:
        return self._first(posterior) + self.gamma * self._changes(posterior)

    def improve_turn_(self, latents: Tensor) -> None:
        steps = latents.shape[1]
        change, changes = least_costly(latents, self.changes, self._cost, 1 + self.gamma * (steps - 1))
        self.turn_by_(change)
        self.changes.load_state_dict(changes.state_dict())

    def _cost(self, changes: Changes, latents: Tensor) -> Tensor:
        """Minus the log-density of latents, up to a constant, each step's as the loss counts it."""
        first = 0.5 * latents[:, 0].square().sum(1).mean()
        return first + self.gamma * changes.cost(latents.diff(dim=1)).sum((1, 2)).mean()

    def _first(self, posterior: Posterior) -> Tensor:
        return from_standard_normal(posterior.mean[:, 0], posterior.variance[:, 0]).sum(1).mean()

    def _changes(self, posterior: Posterior) -> Tensor:
        variance = posterior.variance[:, 1:] + posterior.variance[:, :-1]
        entropy = 0.5 * (_LOG_2PI + 1) + posterior.log_scale[:, 1:]
        cost = self.changes.expected_cost(posterior.sample.diff(dim=1), posterior.mean.diff(dim=1), variance)
        return (cost - entropy).sum((1, 2)).mean()


def from_standard_normal(mean: Tensor, variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)), elementwise.

    Example:
        >>> from_standard_normal(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0]))
        tensor([0., 2.])
    """
    return 0.5 * (mean.square() + variance - 1 - variance.log())


def total_correlation(sample: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """KL(q(z) || prod_i q(z_i)) of the aggregate posterior, estimated on a batch.

    Chen et al., arXiv 1802.04942, minibatch-weighted sampling. The number of all samples moves the estimate by a
    constant, which is left out: no gradient sees it.

    Args:
        sample: of q(z | x) of each row, shape (B, n).
        mean: of q(z | x), shape (B, n).
        log_scale: of q(z | x), shape (B, n).

    Returns:
        a scalar; zero on average for independent latents.
    """
    unit = (sample[:, None] - mean) / log_scale.exp()
    density = -0.5 * (unit.square() + _LOG_2PI) - log_scale
    rows = math.log(len(sample))
    together = density.sum(2).logsumexp(1) - rows
    apart = (density.logsumexp(1) - rows).sum(1)
    return (together - apart).mean()
