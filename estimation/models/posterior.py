"""q(z | x): a Gaussian whose covariance is free and depends on x.

With nearly noiseless observations the true posterior is a Gaussian with a covariance that the decoder's Jacobian
sets. A diagonal posterior can't follow it, and the ELBO then pays a model to bend its latents until the Jacobian's
columns are orthogonal (Rolinek et al., arXiv 1812.06775): a bias away from the true latents that a full covariance
removes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from estimation.device import CPU_FLOAT32
from estimation.models.networks import MLP

__all__ = ["Gaussian", "PosteriorNoise"]

# a posterior may not get narrower than this, or wider than that: e^-9 and e^2 standard deviations
_LOG_SCALES = (-9.0, 2.0)
_START_LOG_SCALE = -2.0
_WIDTH = 64


@dataclass(frozen=True)
class Gaussian:
    """A batch of Gaussians: loc + factor @ (standard normal noise).

    Attributes:
        loc: means, shape (B, n).
        factor: any square root of the covariance, shape (B, n, n).
        log_det: the logarithm of the factor's determinant, shape (B,).

    Example:
        >>> one = Gaussian(torch.zeros(1, 2), torch.eye(2)[None] * 3, torch.tensor([9.0]).log())
        >>> one.variance.tolist()
        [[9.0, 9.0]]
        >>> one.distribution().entropy().shape
        torch.Size([1])
    """

    loc: Tensor
    factor: Tensor
    log_det: Tensor

    @property
    def variance(self) -> Tensor:
        """Of every latent, shape (B, n)."""
        return self.factor.square().sum(-1)

    def sample(self, noise: Tensor) -> Tensor:
        """The sample that this noise gives, both of shape (B, n); gradients flow into loc and factor."""
        return self.loc + (self.factor * noise[..., None, :]).sum(-1)

    def distribution(self) -> MultivariateNormal:
        """The same as a distribution of torch's."""
        return MultivariateNormal(self.loc, self.factor @ self.factor.mT)


class PosteriorNoise(nn.Module):
    """The factor of the posterior's covariance, as a function of the observation.

    Args:
        inputs: width of what it is a function of.
        n: number of latents.
        full: a full covariance, from a small network; else a diagonal one, log-linear in the inputs.
        generator: draws the weights.

    Example:
        >>> noise = PosteriorNoise(4, 3, True, torch.Generator().manual_seed(0))
        >>> factor, log_det = noise(torch.zeros(5, 4))
        >>> factor.shape, log_det.shape
        (torch.Size([5, 3, 3]), torch.Size([5]))
    """

    frame: Tensor
    places: Tensor

    def __init__(self, inputs: int, n: int, full: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.n, self.full = n, full
        outputs = n * (n + 1) // 2 if full else n
        self.network = MLP(inputs, outputs, _WIDTH, 1 if full else 0, generator)
        self.register_buffer("frame", torch.eye(n, **CPU_FLOAT32))
        self.register_buffer(
            "places", _places(n) if full else torch.empty(0, **CPU_FLOAT32), persistent=False
        )
        with torch.no_grad():
            # uncorrelated and alike everywhere, until something is learned
            for layer in (self.network.last, self.network.skip):
                for parameter in () if layer is None else layer.parameters():
                    parameter.zero_()
            self.network.last.bias[:n] = _START_LOG_SCALE

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Factors and the logarithms of their determinants.

        Args:
            inputs: shape (B, inputs).

        Returns:
            shapes (B, n, n) and (B,).
        """
        outputs = self.network(inputs)
        log_scale = outputs[:, : self.n].clamp(*_LOG_SCALES)
        scale = log_scale.exp()
        if not self.full:
            return torch.diag_embed(scale), log_scale.sum(1)
        # columns as rows here, and the same frame for all of them: a single product
        framed = (self.places @ self.frame.mT).flatten(1)
        columns = torch.addmm(self.frame.mT.flatten(), outputs[:, self.n :], framed).view(-1, self.n, self.n)
        # columns are scaled, so that what is learned below the diagonal has no size of its own
        factor = (columns * scale[:, :, None]).mT
        return factor, log_scale.sum(1) + torch.linalg.slogdet(self.frame)[1]

    @torch.no_grad()
    def change_basis_(self, matrix: Tensor) -> None:
        """Follow the latents z to matrix @ z, shape (n, n); a diagonal posterior keeps every latent's mean variance."""
        if self.full:
            self.frame.copy_(matrix @ self.frame)
            return
        last = self.network.last
        variance = (2 * last.bias).exp()
        last.weight.zero_()
        last.bias.copy_(0.5 * (matrix**2 @ variance).log())


def _places(n: int) -> Tensor:
    """Where the entries below the diagonal of an (n, n) matrix go in its transpose, one matrix for each."""
    row, column = torch.tril_indices(n, n, -1, device="cpu")
    places = torch.zeros(len(row), n, n, **CPU_FLOAT32)
    places[torch.arange(len(row), device="cpu"), column, row] = 1
    return places
