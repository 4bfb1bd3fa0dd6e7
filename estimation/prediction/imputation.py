"""Missing entries of observations, filled from the posterior of the latents given the other entries.

The observed entries of a row determine its latents as far as they can, and the latents determine the missing entries.
The prior of the latents is p(z | a) if there is no past and actions are given, else their distribution over the
training data. All steps of a sequence are filled together, from the entries of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.exceptions import DataError
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.entries import CountEntries, Entries
from estimation.prediction.generation import Generation
from estimation.prediction.laplace import Posterior, posteriors
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.row_sizes import WithSizes
from estimation.prediction.units import sample_quantiles
from identify.wording import plural

__all__ = ["Imputation", "generation_of", "impute_rows"]

Array = NDArray[np.float64]

# samples of the prior, those that are nearest to a row in its first step, and those of them that are starts
_N_CANDIDATES, _N_NEAREST, _N_STARTS = 65_536, 128, 16
# numbers of decoded samples, which limit them where there are many columns, and the fewest samples
_CANDIDATE_NUMBERS, _MIN_CANDIDATES = 80_000_000, 4_096
# different rows of covariates for which candidates are decoded
_MAX_DISTINCT = 64
_ROWS_AT_ONCE, _CHUNK_NUMBERS = 256, 8_000_000
# standard deviations of the logarithm of a size beyond which no search starts
_MAX_SIZE = 4.0
# fewer effective samples give rough intervals
_ROUGH = 20


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
        effective_size: Effective number of posterior samples of each row, shape (N,). The intervals of a row with fewer
            than about 20 are rough.
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
            self.effective_size,
        )

    @property
    def n_rough(self) -> int:
        """Number of rows with missing entries whose intervals are rough."""
        incomplete = self.missing.reshape(len(self.missing), -1).any(1)
        return int((self.effective_size < _ROUGH)[incomplete].sum())

    def __repr__(self) -> str:
        few = f", {plural(self.n_rough, 'row')} with rough intervals" if self.n_rough else ""
        filled = plural(int(self.missing.sum()), "entry")
        return f"Imputation({filled} filled in {plural(len(self.missing), 'row')}{few})"


def generation_of(
    model: SparseVAE,
    marginals: LatentMarginals | None,
    n_steps: int,
    actions: Tensor | None,
    covariates: Tensor | None = None,
) -> Generation:
    """Return the map from standard normal numbers to the observations of all rows.

    Args:
        model: The networks.
        marginals: The distribution of the latents over the training data, if the model stores it.
        n_steps: Number of steps T.
        actions: Actions as the model takes them, shape (N, m) without a past, (N, T - 1, m) with one, or None.
        covariates: Standardised covariates, shape (N, d_c), or None.

    Raises:
        DataError: If the model doesn't store the distribution of its latents and needs it, or if actions are missing
            that lead from step to step.
    """
    if not model.shape.past and actions is not None:
        return Generation(model, model.transition(None, actions), covariates=covariates)
    if marginals is None:
        raise DataError(
            "this model was saved by an earlier version, which didn't store the distribution of its latents; train it "
            "again, or give the actions"
        )
    if n_steps > 1 and model.shape.n_actions and actions is None:
        raise DataError("actions are missing; they lead from step to step of a sequence")
    later = [None if actions is None else actions[:, t] for t in range(n_steps - 1)]
    return Generation(model, marginals, later, covariates)


def impute_rows(
    generation: Generation,
    entries: Entries,
    ends: tuple[float, float],
    n_samples: int,
    generator: torch.Generator,
) -> tuple[Array, Array, Array, Array, Array]:
    """Fill missing entries.

    Args:
        generation: The map from standard normal numbers to the observations.
        entries: The observed entries of N rows.
        ends: Probabilities of the ends of intervals.
        n_samples: Number of posterior samples of each row.
        generator: Random generator.

    Returns:
        Means, lower and upper ends, shapes (N, T, d_x), in the user's units, posterior means of the latents, shape
        (N, T, n), and effective sample sizes, shape (N,).
    """
    starts = _starts(generation, entries, generator)
    sampled: Generation | WithSizes = generation
    if isinstance(entries, CountEntries):
        sampled = WithSizes(generation)
        starts = _with_sizes(sampled, entries, starts)
    parts = [
        _filled(posterior, ends, generator)
        for posterior in posteriors(sampled, entries, starts, n_samples, generator)
    ]
    mean, low, high, latents, sizes = (np.concatenate(part) for part in zip(*parts, strict=True))
    shape = (len(mean), -1, generation.model.shape.n_observed)
    return mean.reshape(shape), low.reshape(shape), high.reshape(shape), latents, sizes


def _starts(generation: Generation, entries: Entries, generator: torch.Generator) -> Tensor:
    """Return starts of the search for modes, shape (K, N, n T), with noise of 0 in later steps.

    They are the mean of the prior, and samples of the prior that explain the row best. The decoder is no linear map,
    so that half of the entries of a row can have several explanations far from each other.
    """
    x = entries.observed
    n_rows, n_first = len(x), generation.model.shape.n_latents
    zeros = torch.zeros(n_rows, generation.n_coordinates, dtype=torch.float64, device=x.device)
    if not isinstance(generation.first, LatentMarginals):
        noise = _noise(generator, x, _N_STARTS // 4, n_rows, n_first)
        return torch.cat([zeros[None], noise])
    factor = torch.linalg.cholesky(torch.as_tensor(generation.first.correlations, device=x.device))
    affordable = max(_CANDIDATE_NUMBERS // generation.model.shape.n_observed, _MIN_CANDIDATES)
    candidates = _noise(generator, x, min(_N_CANDIDATES, affordable), n_first) @ factor.T
    starts = zeros.expand(_N_STARTS + 1, -1, -1).clone()
    at_once = max(1, min(_ROWS_AT_ONCE, _CHUNK_NUMBERS // (_N_NEAREST * x.shape[1])))
    for chosen, covariates in _same_covariates(generation, n_rows):
        only_first = Generation(generation.model, generation.first, covariates=covariates)
        readings = entries.readings_of(only_first.evaluate(candidates[:, None])[1][:, 0])
        for rows in torch.split(chosen, at_once):
            here = generation.of_rows(rows)
            starts[1:, rows, :n_first] = _best_candidates(here, candidates, readings, entries.of_rows(rows))
    return starts


def _with_sizes(sampled: WithSizes, entries: CountEntries, starts: Tensor) -> Tensor:
    """Return starts with the logarithms of the sizes that fit each best, in units of their standard deviation."""
    parts = []
    for rows in torch.split(torch.arange(starts.shape[1], device=starts.device), _ROWS_AT_ONCE):
        own = starts[:, rows]
        decoded = sampled.generation.of_rows(rows).evaluate(own)[1]
        sizes = entries.log_sizes(decoded, rows) / sampled.deviation
        parts.append(torch.cat([own, sizes.clamp(-_MAX_SIZE, _MAX_SIZE)], dim=2))
    return torch.cat(parts, dim=1)


def _same_covariates(generation: Generation, n_rows: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield the positions of rows with the same covariates, and these, shape (1, d_c); None for their averages.

    With many different values, all rows get the averages, which only the choice of candidates depends on.
    """
    covariates = generation.covariates
    everything = torch.arange(n_rows, device=generation.model.x_mean.device)
    if covariates is None:
        yield everything, None
        return
    distinct, position = torch.unique(covariates, dim=0, return_inverse=True)
    if len(distinct) > _MAX_DISTINCT:
        yield everything, None
        return
    for k in range(len(distinct)):
        yield everything[position == k], distinct[k : k + 1]


def _best_candidates(
    generation: Generation, candidates: Tensor, readings: Tensor, entries: Entries
) -> Tensor:
    """Return the candidates (C, n) that explain the rows best, shape (K, N, n).

    Args:
        generation: The map of the rows.
        candidates: Values of w in the first step.
        readings: What the decoder says of them, shape (C, d_x), as `Entries.readings_of` reads it.
        entries: The observed entries of the rows.
    """
    n_observed = readings.shape[1]
    mask = entries.mask[:, :n_observed].double()
    distance = mask @ readings.square().T - 2 * entries.readings[:, :n_observed].double() @ readings.T
    nearest = candidates[distance.topk(_N_NEAREST, dim=1, largest=False).indices].transpose(0, 1)
    points = torch.zeros(
        *nearest.shape[:2], generation.n_coordinates, dtype=nearest.dtype, device=mask.device
    )
    points[..., : nearest.shape[2]] = nearest
    decoded = entries.with_best_sizes(generation.evaluate(points)[1])
    best = entries.log_prob(decoded).topk(_N_STARTS, dim=0).indices
    return nearest.gather(0, best[..., None].expand(-1, -1, nearest.shape[2]))


def _noise(generator: torch.Generator, like: Tensor, *shape: int) -> Tensor:
    """Return standard normal noise in double precision."""
    return torch.randn(shape, generator=generator, device=like.device, dtype=torch.float64)


def _filled(
    posterior: Posterior, ends: tuple[float, float], generator: torch.Generator
) -> tuple[Array, Array, Array, Array, Array]:
    """Return means and ends of intervals of all entries in the user's units, mean latents, and sizes.

    The sizes are the effective numbers of samples.
    """
    weights = posterior.log_weights.exp()
    decoded, entries = posterior.decoded, posterior.entries
    drawn = decoded.gather(0, _resampled(weights, generator)[..., None].expand_as(decoded))
    low, high = sample_quantiles(entries.sample(drawn, generator), ends, isinstance(entries, CountEntries))
    mean = (weights.cpu().numpy()[..., None] * entries.means(decoded)).sum(0)
    latents = (weights[..., None, None] * posterior.latents).sum(0).cpu().numpy()
    return mean, low, high, latents, posterior.effective_size.cpu().numpy()


def _resampled(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Return positions of samples that make all equally likely, shape (S, N), by systematic resampling."""
    n_samples, n_rows = weights.shape
    cumulative = weights.cumsum(0).T.contiguous()
    offset = torch.rand(n_rows, 1, generator=generator, device=weights.device, dtype=weights.dtype)
    grid = (torch.arange(n_samples, device=weights.device) + offset) / n_samples
    return torch.searchsorted(cumulative, grid).clamp(max=n_samples - 1).T
