"""How well missing entries can be filled at best: by the true decoder and the true distribution of the latents.

``python -m tests.benchmarks.imputation_limit`` loses entries of test rows of ActionDiag at random, searches the latents
that explain the others from many starts, and prints the root mean square error of the posterior mean, in units of each
column's standard deviation, with the number of explanations of a row. Masses of explanations are Laplace's estimates.
More starts find more explanations, so that the error falls with them towards that of the exact posterior mean.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import gaussian_kde
from torch import Tensor, nn
from torch.func import jacfwd, vmap

from estimation.simulate.sampling import published

__all__ = ["main"]

Array = NDArray[np.float64]

_ROWS, _PRIOR_ROWS, _NOISE = 100_000, 20_000, 0.01
# standard deviation of the latents around 0, for the search only
_WIDTH, _STEPS = 0.6, 25
# explanations closer than this in every latent are the same; those less probable by this many nats don't count
_SAME, _NEGLIGIBLE = 0.02, 12.0


class Prior:
    """The distribution of independent latents, by kernel density estimates of each."""

    def __init__(self, latents: Array) -> None:
        self._grids = [np.linspace(z.min() - 0.05, z.max() + 0.05, 4_000) for z in latents.T]
        self._values = [
            np.log(gaussian_kde(z, bw_method=0.02)(grid) + 1e-12)
            for z, grid in zip(latents.T, self._grids, strict=True)
        ]

    def log_density(self, latents: Array) -> Array:
        """Return log-densities, shape (K,), of latents (K, n)."""
        tables = zip(latents.T, self._grids, self._values, strict=True)
        return np.asarray(sum(np.interp(z, grid, value, left=-27, right=-27) for z, grid, value in tables))


def explanations(
    decoder: nn.Module, row: Tensor, observed: Tensor, starts: Tensor, prior: Prior
) -> tuple[Tensor, Array]:
    """Return different latents (K, n) that explain the observed entries of a row, and their probabilities."""
    jacobian = vmap(jacfwd(lambda z: decoder(z[None])[0]))
    precision = torch.eye(starts.shape[1]) / _WIDTH**2

    def misfit(z: Tensor) -> Tensor:
        return ((decoder(z) - row)[:, observed] / _NOISE).square().sum(1)

    z, damping = starts.clone(), torch.full((len(starts),), 1e-2)
    energy = misfit(z) + (z / _WIDTH).square().sum(1)
    for _ in range(_STEPS):
        slope, error = jacobian(z)[:, observed] / _NOISE, (decoder(z) - row)[:, observed] / _NOISE
        curvature = slope.mT @ slope + precision
        gradient = (slope.mT @ error[..., None])[..., 0] + z @ precision
        damped = curvature + torch.diag_embed(curvature.diagonal(dim1=1, dim2=2) * damping[:, None])
        proposal = z - torch.linalg.solve(damped, gradient)
        proposed = misfit(proposal) + (proposal / _WIDTH).square().sum(1)
        is_better = proposed < energy
        z, energy = torch.where(is_better[:, None], proposal, z), torch.where(is_better, proposed, energy)
        damping = torch.where(is_better, damping / 3, damping * 4).clamp(1e-6, 1e6)
    slope = jacobian(z)[:, observed] / _NOISE
    half_log_det = 0.5 * torch.linalg.slogdet(slope.mT @ slope + precision)[1]
    log_mass = prior.log_density(z.numpy()) - (0.5 * misfit(z) + half_log_det).numpy()
    kept: list[int] = []
    for k in np.argsort(-log_mass).tolist():
        if log_mass[k] < log_mass.max() - _NEGLIGIBLE:
            break
        if not kept or bool(((z[kept] - z[k]).abs().amax(1) > _SAME).all()):
            kept.append(k)
    mass = np.exp(log_mass[kept] - log_mass.max())
    return z[kept], mass / mass.sum()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the error.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.imputation_limit", description=__doc__)
    parser.add_argument("--rows", type=int, default=250, help="rows to fill")
    parser.add_argument("--share", type=float, default=0.5, help="share of missing entries")
    parser.add_argument("--candidates", type=int, default=20_000, help="samples of the prior")
    parser.add_argument(
        "--starts", type=int, default=1_500, help="those nearest to a row, where searches start"
    )
    options = parser.parse_args(arguments)
    torch.set_default_dtype(torch.float64)
    data = published("ActionDiag", _ROWS, "test")
    assert data.latents is not None
    assert data.decoder is not None
    decoder = data.decoder.double()
    latents = torch.from_numpy(data.latents[:, 0]).double()
    rows = torch.from_numpy(data.observations[: options.rows, 0]).double()
    scale = data.observations.std((0, 1))
    pool = latents[_PRIOR_ROWS : _PRIOR_ROWS + options.candidates]
    decoded, prior = decoder(pool), Prior(latents[:_PRIOR_ROWS].numpy())
    rng, errors, counts = np.random.default_rng(0), [], []
    for row in rows:
        missing = rng.random(len(row)) < options.share
        observed = torch.from_numpy(~missing)
        nearest = (decoded - row)[:, observed].square().sum(1).argsort()[: options.starts]
        found, mass = explanations(decoder, row, observed, pool[nearest], prior)
        mean = mass @ decoder(found).numpy()
        errors.append(((mean - row.numpy()) / scale)[missing])
        counts.append(len(mass))
    error = np.sqrt(np.mean(np.concatenate(errors) ** 2))
    print(f"root mean square error {error:.3f}, {np.mean(counts):.0f} explanations of a row")
    return 0


if __name__ == "__main__":
    sys.exit(main())
