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
from estimation.models.networks import MLP

__all__ = ["Gaussian", "PosteriorNoise"]

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
    """The factor of the posterior's covariance, as a function of the observation.

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
        self.n_latents, self.full = n_latents, full
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


def _places(n: int) -> Tensor:
    """Return the positions of the diagonal, and of the entries below it, in a flattened matrix."""
    row, column = torch.tril_indices(n, n, -1, device="cpu")
    return torch.cat([torch.arange(n, device="cpu") * (n + 1), row * n + column])
