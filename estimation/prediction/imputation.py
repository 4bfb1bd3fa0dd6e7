"""Missing entries of observations, filled from the posterior of the latents given the other entries.

The observed entries of a row determine its latents as far as they can, and the latents determine the missing entries.
The prior of the latents is p(z | a) if actions are given, else the Gaussian fitted to the encodings of the training
data. In a sequence the prior of a step is the transition from the posterior of the step before it (moments of samples),
so that a step is filled from itself and earlier steps; later ones are not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.forecast import to_users_units
from estimation.prediction.laplace import GaussianPrior, LogPrior, Posterior, posterior_samples
from estimation.prediction.priors import (
    conditional_prior,
    exact_log_prior,
    from_noise,
    marginal_prior,
    spread_prior,
)
from identify.wording import plural

__all__ = ["Imputation", "impute_steps"]

Array = NDArray[np.float64]

# besides the encoding and the mean of the prior
_N_RANDOM_STARTS = 4
_CHUNK_NUMBERS = 8_000_000


@dataclass(frozen=True, eq=False, repr=False)
class Imputation:
    """Observations with their missing entries filled.

    Attributes:
        observations: The observations, with the posterior means of missing entries, shape (N, T, d_x) or (N, d_x).
        low: Lower ends of the intervals of missing entries, in the same shape; observed entries as they are.
        high: Upper ends of the intervals.
        latents: Posterior means of the latents, shape (N, T, n) or (N, n).
        missing: Which entries were missing.
        level: The probability that an interval holds a missing entry.
        effective_size: Effective number of posterior samples of each row and step, shape (N, T) or (N,). The intervals
            of a row with fewer than about 20 are rough.
    """

    observations: Array
    low: Array
    high: Array
    latents: Array
    missing: NDArray[np.bool_]
    level: float
    effective_size: Array

    def single_step(self) -> Imputation:
        """Return the same without the axis of steps, for rows of one step."""
        return Imputation(
            self.observations[:, 0],
            self.low[:, 0],
            self.high[:, 0],
            self.latents[:, 0],
            self.missing[:, 0],
            self.level,
            self.effective_size[:, 0],
        )

    def __repr__(self) -> str:
        n_missing = int(self.missing.sum())
        rough = int((self.effective_size < _ROUGH)[self.missing.any(-1)].sum())
        few = f", {plural(rough, 'row')} with rough intervals" if rough else ""
        return f"Imputation({plural(n_missing, 'entry')} filled in {plural(len(self.missing), 'row')}{few})"


_ROUGH = 20


def impute_steps(
    model: SparseVAE,
    observations: Tensor,
    mask: Tensor,
    actions: Tensor | None,
    ends: tuple[float, float],
    n_samples: int,
    generator: torch.Generator,
) -> tuple[Array, Array, Array, Array, Array]:
    """Fill missing entries.

    Args:
        model: The networks.
        observations: Standardised observations, shape (N, T, d_x), with zeros for missing entries.
        mask: Which entries are observed, boolean, of the same shape.
        actions: Actions as the model takes them, shape (N, m), (N, T - 1, m), or None.
        ends: Probabilities of the ends of intervals.
        n_samples: Number of posterior samples of each row.
        generator: Random generator.

    Returns:
        Means, lower and upper ends, shapes (N, T, d_x), in the user's units, posterior means of the latents, shape
        (N, T, n), and effective sample sizes, shape (N, T).
    """
    filled, latents, sizes = [], [], []
    before: Tensor | None = None
    for step in range(observations.shape[1]):
        prior, log_prior = _prior(model, len(observations), before, _action(actions, step), generator)
        x, known = observations[:, step], mask[:, step]
        posterior = posterior_samples(
            model.decoder,
            x,
            known,
            model.log_variance_x.exp(),
            prior,
            _starts(model, x, prior, generator),
            n_samples,
            generator,
            log_prior,
        )
        points = _resampled(posterior, generator).to(x)
        filled.append(_filled(model, points, ends, generator))
        before = model.flow(points.flatten(0, 1)).view(points.shape)
        latents.append(before.double().mean(0).cpu().numpy())
        sizes.append(posterior.effective_size.cpu().numpy())
    mean, low, high = (to_users_units(model, np.stack(part, axis=1)) for part in zip(*filled, strict=True))
    return mean, low, high, np.stack(latents, axis=1), np.stack(sizes, axis=1)


def _action(actions: Tensor | None, step: int) -> Tensor | None:
    """Return the actions that lead to a step, shape (N, m); None for the first step of a sequence."""
    if actions is None or actions.dim() == 2:
        return actions
    return actions[:, step - 1] if step else None


def _prior(
    model: SparseVAE,
    n_rows: int,
    before: Tensor | None,
    actions: Tensor | None,
    generator: torch.Generator,
) -> tuple[GaussianPrior, LogPrior | None]:
    """Return the prior of a step, from samples (S, N, n) of the step before it, if there is one."""
    if not model.shape.past:
        if actions is None:
            return marginal_prior(model, n_rows), None
        latents = model.transition(None, actions)
        return conditional_prior(model, latents), exact_log_prior(model, latents)
    if before is None or (model.shape.n_actions and actions is None):
        return marginal_prior(model, n_rows), None
    repeated = None if actions is None else actions.repeat(len(before), 1)
    flat = before.flatten(0, 1)
    noise = torch.randn(1, *flat.shape, generator=generator, device=flat.device, dtype=flat.dtype)
    following = from_noise(model.transition(flat, repeated), noise)[0]
    points = model.flow.inverse(following).view(before.shape).double()
    return spread_prior(points, torch.full_like(points[..., 0], 1 / len(points)).log()), None


def _starts(model: SparseVAE, x: Tensor, prior: GaussianPrior, generator: torch.Generator) -> Tensor:
    """Return starts of the search for modes, shape (K, N, n): the encoding, the prior's mean, and samples of it."""
    mean = prior.mean.double()
    factor = torch.linalg.cholesky(prior.precision.double())
    noise = torch.randn(
        _N_RANDOM_STARTS, *mean.shape, 1, generator=generator, device=x.device, dtype=mean.dtype
    )
    samples = mean + torch.linalg.solve_triangular(factor.mT, noise, upper=True)[..., 0]
    return torch.cat([model.encoder(x).double()[None], mean[None], samples])


def _resampled(posterior: Posterior, generator: torch.Generator) -> Tensor:
    """Return equally likely samples, shape (S, N, n), by systematic resampling."""
    samples = posterior.samples
    n_samples, n_rows = posterior.log_weights.shape
    cumulative = posterior.log_weights.exp().cumsum(0).T.contiguous()
    offset = torch.rand(n_rows, 1, generator=generator, device=samples.device, dtype=cumulative.dtype)
    grid = (torch.arange(n_samples, device=samples.device) + offset) / n_samples
    index = torch.searchsorted(cumulative, grid).clamp(max=n_samples - 1)
    return samples.gather(0, index.T[..., None].expand(-1, -1, samples.shape[-1]))


def _filled(
    model: SparseVAE, points: Tensor, ends: tuple[float, float], generator: torch.Generator
) -> tuple[Array, Array, Array]:
    """Return means and ends of the intervals of all entries, shapes (N, d_x), in standardised units."""
    n_samples, n_rows = points.shape[:2]
    scale = (0.5 * model.log_variance_x).exp()
    rows = max(1, _CHUNK_NUMBERS // (n_samples * model.shape.n_observed))
    parts = []
    for start in range(0, n_rows, rows):
        part = points[:, start : start + rows]
        values = model.decoder(part.flatten(0, 1)).view(*part.shape[:2], -1)
        noise = torch.randn(values.shape, generator=generator, device=values.device, dtype=values.dtype)
        low, high = np.quantile((values + scale * noise).double().cpu().numpy(), ends, axis=0)
        parts.append((values.double().mean(0).cpu().numpy(), low, high))
    mean, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mean, low, high
