"""Priors of the latents for predictions, as Gaussians in the input space of the decoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Normal

from estimation.exceptions import DataError
from estimation.models.noise import SplineFlow
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.laplace import GaussianPrior, LogPrior

__all__ = [
    "Latents",
    "conditional_prior",
    "exact_log_prior",
    "from_noise",
    "marginal_prior",
    "of_rows",
    "spread_prior",
]

#: The distribution that the transition predicts.
Latents = Normal | SplineFlow


def from_noise(latents: Latents, noise: Tensor) -> Tensor:
    """Return the samples of latents (B, n) for standard normal noise (S, B, n)."""
    if isinstance(latents, SplineFlow):
        return latents.from_noise(noise)
    return latents.loc + latents.scale * noise


def of_rows(latents: Latents, rows: slice) -> Latents:
    """Return the distributions of some rows."""
    if isinstance(latents, SplineFlow):
        return latents.of_rows(rows)
    return Normal(latents.loc[rows], latents.scale[rows], validate_args=False)


def conditional_prior(model: SparseVAE, latents: Latents) -> GaussianPrior:
    """Return p(z | past, a) as a Gaussian in the input space of the decoder.

    The flow z = h(u) is linearised at the mean m: u has mean h^(-1)(m) and precision H' S^(-2) H, with the Jacobian H
    of the flow and the standard deviations S.

    Args:
        model: The networks.
        latents: The distribution that the transition predicts, (B, n).
    """
    mean = model.flow.inverse(latents.loc)
    jacobian = model.flow.with_jacobian(mean)[1].double()
    precise = latents.scale.double().square().reciprocal()
    return GaussianPrior(mean, jacobian.mT @ (precise[..., None] * jacobian))


def exact_log_prior(model: SparseVAE, latents: Latents) -> LogPrior:
    """Return log p(u | past, a) as a function of some rows, and of points u (S, B, n) of them.

    It is the log-density of z = h(u) under the transition plus the log-determinant of the flow's Jacobian.
    """

    def log_prior(rows: slice, points: Tensor) -> Tensor:
        flat = points.flatten(0, 1).to(model.x_mean)
        mapped, _, log_det = model.flow.with_jacobian(flat)
        values = mapped.view(points.shape)
        part = of_rows(latents, rows)
        log_density = part.log_prob(values)
        return (log_density.double().sum(-1) + log_det.double().view(points.shape[:2])).double()

    return log_prior


def marginal_prior(model: SparseVAE, n_rows: int) -> GaussianPrior:
    """Return the Gaussian that was fitted to the encodings of the training data, for every row.

    Args:
        model: The networks.
        n_rows: Number of rows.

    Raises:
        DataError: If training fitted none, because it had no refinement.
    """
    if not int(model.refinement.steps):
        raise DataError(
            "this model was trained without refinement of its encodings (refinements = 0, or a short run), which fits "
            "the distribution of the latents; give the actions, or train with refinements"
        )
    n = model.shape.n_latents
    return GaussianPrior(
        model.refinement.centre.expand(n_rows, n), model.refinement.precision.expand(n_rows, n, n)
    )


def spread_prior(samples: Tensor, log_weights: Tensor) -> GaussianPrior:
    """Return the Gaussian with mean and covariance of weighted samples.

    Args:
        samples: Shape (S, B, n).
        log_weights: Logarithms of normalised weights, shape (S, B).
    """
    weights = log_weights.exp()[..., None]
    mean = (weights * samples).sum(0)
    deviation = samples - mean
    covariance = torch.einsum("sbi,sbj->bij", weights * deviation, deviation)
    # a floor, for latents that hardly vary
    floor = 1e-6 * covariance.diagonal(dim1=-2, dim2=-1).amax(-1, keepdim=True).clamp_min(math.exp(-40))
    return GaussianPrior(mean, torch.linalg.inv(covariance + torch.diag_embed(floor.expand_as(mean))))
