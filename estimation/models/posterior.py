"""The posterior q(z | x): a Gaussian whose full covariance depends on x.

With nearly noiseless observations, the true posterior is a Gaussian whose covariance is determined by the decoder's
Jacobian. A diagonal posterior can't represent it, and the ELBO then rewards nonlinear latents for which the columns of
the Jacobian are orthogonal (Rolinek et al., arXiv 1812.06775): a bias away from the true latents, which a full
covariance removes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from estimation.device import CPU_FLOAT32
from estimation.models.conditional import padded_basis
from estimation.models.networks import MLP

__all__ = ["Gaussian", "NoiseOfLatents", "PosteriorNoise"]

# smallest and largest logarithm of a standard deviation
_LOG_SCALE_RANGE = (-9.0, 2.0)
_INITIAL_LOG_SCALE = -2.0
_WIDTH = 64


@dataclass(frozen=True)
class Gaussian:
    """A batch of Gaussians: loc + factor @ (standard normal noise).

    Attributes:
        loc: Means, shape (B, n).
        factor: Any square root of the covariance, shape (B, n, n).
        log_det: Log-determinants of the factors, shape (B,).

    Example:
        >>> gaussian = Gaussian(torch.zeros(1, 2), torch.eye(2)[None] * 3, torch.tensor([9.0]).log())
        >>> gaussian.variance.tolist()
        [[9.0, 9.0]]
        >>> gaussian.distribution().entropy().shape
        torch.Size([1])
    """

    loc: Tensor
    factor: Tensor
    log_det: Tensor

    @property
    def variance(self) -> Tensor:
        """Marginal variances of the latents, shape (B, n)."""
        return self.factor.square().sum(-1)

    def sample(self, noise: Tensor) -> Tensor:
        """Return the sample for the given standard normal noise, both (B, n), with gradients to loc and factor."""
        return self.loc + (self.factor * noise[..., None, :]).sum(-1)

    def distribution(self) -> MultivariateNormal:
        """Return the corresponding torch distribution."""
        return MultivariateNormal(self.loc, self.factor @ self.factor.mT)


class PosteriorNoise(nn.Module):
    """The factor of the posterior's covariance, as a function of the observation, or of other inputs.

    Args:
        n_inputs: Number of inputs.
        n_latents: Number of latents n.
        full: Whether the covariance is full, given by a small network, or diagonal and log-linear in the inputs.
        generator: Random generator of the weights.

    Example:
        >>> noise = PosteriorNoise(4, 3, True, torch.Generator().manual_seed(0))
        >>> factor, log_det = noise(torch.zeros(5, 4))
        >>> factor.shape, log_det.shape
        (torch.Size([5, 3, 3]), torch.Size([5]))
    """

    # basis in which the factor is lower triangular; see `change_basis_`
    frame: Tensor
    places: Tensor

    def __init__(self, n_inputs: int, n_latents: int, full: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.n_inputs, self.n_latents, self.full = n_inputs, n_latents, full
        n_outputs = n_latents * (n_latents + 1) // 2 if full else n_latents
        self.network = MLP(n_inputs, n_outputs, _WIDTH, 1 if full else 0, generator)
        self.register_buffer("frame", torch.eye(n_latents, **CPU_FLOAT32))
        places = _places(n_latents) if full else torch.empty(0, dtype=torch.int64, device="cpu")
        self.register_buffer("places", places, persistent=False)
        with torch.no_grad():
            # start with uncorrelated noise of the same variance everywhere
            for layer in (self.network.last, self.network.skip):
                for parameter in () if layer is None else layer.parameters():
                    parameter.zero_()
            self.network.last.bias[:n_latents] = _INITIAL_LOG_SCALE

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the factors and their log-determinants.

        Args:
            inputs: Inputs, shape (B, n_inputs).

        Returns:
            Factors, shape (B, n, n), and log-determinants, shape (B,).
        """
        outputs = self.network(inputs)
        log_scale = outputs[:, : self.n_latents].clamp(*_LOG_SCALE_RANGE)
        scale = log_scale.exp()
        if not self.full:
            return torch.diag_embed(scale), log_scale.sum(1)
        entries = torch.cat([torch.ones_like(scale), outputs[:, self.n_latents :]], dim=1)
        lower = outputs.new_zeros(len(outputs), self.n_latents**2).index_copy(1, self.places, entries)
        # the scales multiply whole columns, so that the entries below the diagonal are relative
        scaled = lower.view(-1, self.n_latents, self.n_latents) * scale[:, None, :]
        return self.frame @ scaled, log_scale.sum(1) + torch.linalg.slogdet(self.frame)[1]

    @torch.no_grad()
    def change_basis_(self, matrix: Tensor) -> None:
        """Adapt the noise to latents replaced by matrix @ z, in place.

        A full covariance is transformed exactly. A diagonal one keeps the mean variance of every latent.

        Args:
            matrix: Invertible matrix, shape (n, n).
        """
        if self.full:
            self.frame.copy_(matrix @ self.frame)
            return
        last = self.network.last
        variance = (2 * last.bias).exp()
        last.weight.zero_()
        last.bias.copy_(0.5 * (matrix**2 @ variance).log())


class NoiseOfLatents(PosteriorNoise):
    """The factor of the posterior's covariance, as a function of the encoding instead of the observation.

    The covariance is nearly that of the decoder's Jacobian at the latents, and the size of a row scales the information
    of its counts, so that encoding, covariates and size determine it. Thousands of columns, each mostly noise, say
    no more, and a step of training that moves all their weights together moves the covariance of every row far.

    Args:
        n_latents: Number of latents n.
        n_covariates: Number of covariates d_c.
        sized: Whether rows have sizes, as counts have.
        full: Whether the covariance is full or diagonal.
        generator: Random generator of the weights.

    Example:
        >>> noise = NoiseOfLatents(3, 0, True, True, torch.Generator().manual_seed(0))
        >>> noise(noise.inputs(torch.zeros(5, 3), None, torch.ones(5, 1)))[0].shape
        torch.Size([5, 3, 3])
    """

    #: The tensor by which a stored model is known to have noise of this kind.
    MARK = "posterior_noise.reads_latents"

    reads_latents: Tensor

    def __init__(
        self, n_latents: int, n_covariates: int, sized: bool, full: bool, generator: torch.Generator
    ) -> None:
        super().__init__(n_latents + n_covariates + sized, n_latents, full, generator)
        self.register_buffer("reads_latents", torch.ones((), dtype=torch.bool, device="cpu"))

    def inputs(self, encoded: Tensor, covariates: Tensor | None, sizes: Tensor | None) -> Tensor:
        """Return the inputs, shape (B, n_inputs).

        Args:
            encoded: Encodings, shape (B, n).
            covariates: Standardised covariates, shape (B, d_c), or None.
            sizes: Sizes of the rows in units of the median row, shape (B, 1); None if they have none.
        """
        parts = [encoded, covariates, None if sizes is None else sizes.log()]
        return torch.cat([part for part in parts if part is not None], dim=1)

    @torch.no_grad()
    def read_before_(self, matrix: Tensor, offset: Tensor) -> None:
        """Let the noise read matrix @ u + offset in place of its first inputs u, in place.

        Args:
            matrix: Matrix, shape (k, k): of latents, or of latents and covariates.
            offset: Offset, shape (k,).
        """
        self.network.compose_before_(*padded_basis(matrix, offset, self.n_inputs - len(matrix)))


def _places(n: int) -> Tensor:
    """Return the positions of the diagonal, and of the entries below it, in a flattened matrix."""
    row, column = torch.tril_indices(n, n, -1, device="cpu")
    return torch.cat([torch.arange(n, device="cpu") * (n + 1), row * n + column])
