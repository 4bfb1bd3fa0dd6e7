"""`Forecast`: the distribution of observations under given actions, p(x | past, a)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from estimation.dataset.centring import centred
from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.models.representation import as_tensor
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.coverage import Coverage
from estimation.prediction.emission import Emission
from estimation.prediction.entries import entries_of
from estimation.prediction.generation import Generation
from estimation.prediction.laplace import posteriors
from estimation.prediction.mechanisms import Latents, from_noise, of_rows, to_noise
from estimation.prediction.request import requested_observations, require_complete_counts
from estimation.prediction.units import log_slope, moments, sample_quantiles, to_users_units
from identify.wording import plural

__all__ = ["Forecast", "level_ends", "normal_points", "require_positive"]

Array = NDArray[np.float64]

# numbers of samples times observed dimensions that are held at once
_CHUNK_NUMBERS = 8_000_000
_EVIDENCE_SAMPLES = 256


class Forecast:
    """The distribution of observations under given actions: p(x | past, a) = integral of p(x | z) p(z | past, a).

    Latents are sampled from the transition and decoded. All rows use the same quasi-random noise, so that differences
    between actions aren't differences between samples.

    Attributes:
        coverage: What the learned graph says about the rows: which mechanisms were seen under these actions. None for
            a model without actions.
        actions: The actions, shape (N, m), in the user's units, or None.
        latent_mean: Means of the latents, shape (N, n).
        latent_standard_deviation: Standard deviations of the latents, shape (N, n).
    """

    def __init__(
        self,
        model: SparseVAE,
        latents: Latents,
        actions: Array | None,
        coverage: Coverage | None,
        observation_names: tuple[str, ...],
        n_samples: int,
        seed: int,
        covariates: Tensor | None = None,
    ) -> None:
        self._model, self._latents, self._names = model, latents, observation_names
        self._emission = Emission(model, covariates)
        self._n_samples, self._seed = n_samples, seed
        self.actions, self.coverage = actions, coverage
        self.latent_mean = latents.loc.double().cpu().numpy()
        self.latent_standard_deviation = latents.scale.double().cpu().numpy()
        self._moments: tuple[Array, Array] | None = None

    def __len__(self) -> int:
        return len(self.latent_mean)

    def __repr__(self) -> str:
        covered = (
            ""
            if self.coverage is None
            else f", {int(self.coverage.complete.sum())} covered by the training data"
        )
        return f"Forecast({plural(len(self), 'row')} of {self._model.shape.n_observed} observed{covered})"

    @property
    def mean(self) -> Array:
        """Means of the observations, shape (N, d_x), in the user's units."""
        return self._mean_and_deviation()[0]

    @property
    def standard_deviation(self) -> Array:
        """Standard deviations of the observations, noise included, shape (N, d_x), in the user's units."""
        return self._mean_and_deviation()[1]

    @default_modes
    @torch.no_grad()
    def interval(self, level: float = 0.9) -> tuple[Array, Array]:
        """Return intervals that hold an observation with a given probability, each dimension by itself.

        Args:
            level: The probability, between 0 and 1.

        Returns:
            Lower and upper ends, shapes (N, d_x), in the user's units.

        Raises:
            DataError: If the level is not between 0 and 1.
        """
        ends = level_ends(level)
        parts = []
        for emission, decoded in self._decoded():
            # the same noise for all rows
            values = torch.cat(
                [
                    emission.of_rows(slice(row, row + 1)).sample(
                        decoded[:, row : row + 1], torch.Generator().manual_seed(self._seed)
                    )
                    for row in range(decoded.shape[1])
                ],
                dim=1,
            )
            parts.append(
                sample_quantiles(values.double().cpu().numpy(), ends, self._model.counts is not None)
            )
        low, high = np.concatenate(parts, axis=1)
        return self._users(low), self._users(high)

    @default_modes
    @torch.no_grad()
    def sample(self, n_samples: int = 1, seed: int = 0) -> Array:
        """Sample observations, shape (n_samples, N, d_x), in the user's units.

        Args:
            n_samples: Number of samples of each row.
            seed: Seed of latents and noise; rows are independent.

        Raises:
            DataError: If the number is not positive.
        """
        require_positive(n_samples)
        generator = torch.Generator().manual_seed(seed)
        shape = (n_samples, *self._latents.loc.shape)
        latents = from_noise(self._latents, torch.randn(shape, generator=generator).to(self._model.x_mean))
        values = self._emission.sample(self._emission.decoded(latents), generator)
        return self._users(values.double().cpu().numpy())

    @default_modes
    @torch.no_grad()
    def log_density(self, observations: ArrayLike) -> Array:
        """Return the log-density of an observation of every row, shape (N,), in nats and the user's units.

        It is estimated by importance sampling around the posterior modes of the latents. Of counts it is the
        logarithm of p(x | s), the likelihood of training, with the sum of the row as its size s; the sum itself counts
        as random, so it is for comparing models and forecasts on the same rows.

        Args:
            observations: Shape (N, d_x), one a row of the forecast; columns of a data frame are matched by name. NaN
                entries are missing: the density is that of the others. Counts must be complete.

        Raises:
            DataError: If the shape differs, an entry is infinite, or those of a model of counts are no counts or
                missing.
        """
        model = self._model
        values = requested_observations(
            observations, self._names, model.shape.n_observed, "observations", True
        )
        if values.shape != (len(self), model.shape.n_observed):
            raise DataError(
                f"observations have shape {values.shape}; this forecast needs {(len(self), model.shape.n_observed)}"
            )
        if model.counts is not None:
            require_complete_counts(values, self._names, model.counts.kind)
        centred_values = centred(values, model.x_centring)
        inputs = model.inputs(as_tensor(centred_values).to(model.x_mean))
        if self._emission.covariates is not None:
            inputs = torch.cat([model.observed(inputs), self._emission.covariates], dim=1)
        generation = Generation(model, self._latents, covariates=self._emission.covariates)
        # missing entries are NaN here
        encoded = to_noise(self._latents, model.mean_latents(inputs))
        starts = torch.stack([torch.zeros_like(encoded), encoded]).double()
        generator = torch.Generator(encoded.device).manual_seed(self._seed)
        entries = entries_of(model, model.observed(inputs)[:, None], with_sizes=False)
        parts = list(posteriors(generation, entries, starts, _EVIDENCE_SAMPLES, generator))
        evidence = torch.cat([part.log_evidence for part in parts]) if parts else encoded.new_zeros(0)
        if model.counts is not None:
            return np.asarray(evidence.cpu().numpy())
        log_slopes = np.where(np.isnan(values), 0, log_slope(model, centred_values))
        log_density: Array = evidence.cpu().numpy() - log_slopes.sum(1)
        return log_density

    def _mean_and_deviation(self) -> tuple[Array, Array]:
        if self._moments is None:
            self._moments = self._compute_moments()
        return self._moments

    @default_modes
    @torch.no_grad()
    def _compute_moments(self) -> tuple[Array, Array]:
        parts = [
            moments(
                self._model,
                emission.mean(decoded).double().cpu().numpy(),
                emission.noise_variance(decoded).double().cpu().numpy(),
            )
            for emission, decoded in self._decoded()
        ]
        means, deviations = zip(*parts, strict=True)
        return np.concatenate(means), np.concatenate(deviations)

    def _decoded(self) -> Iterator[tuple[Emission, Tensor]]:
        """Yield some rows at a time, with the outputs of the decoder for their latents, shape (S, rows, d_x)."""
        model, n_rows = self._model, len(self)
        points = normal_points(self._n_samples, model.shape.n_latents, self._seed).to(model.x_mean)
        rows = max(1, _CHUNK_NUMBERS // (self._n_samples * model.shape.n_observed))
        for start in range(0, n_rows, rows):
            part = of_rows(self._latents, slice(start, start + rows))
            latents = from_noise(part, points[:, None].expand(-1, len(part.loc), -1))
            emission = self._emission.of_rows(slice(start, start + rows))
            yield emission, emission.decoded(latents)

    def _users(self, standardised: Array) -> Array:
        return to_users_units(self._model, standardised)


def normal_points(n_points: int, dimension: int, seed: int) -> Tensor:
    """Return quasi-random standard normal points, shape (n_points, dimension): scrambled Sobol points, mapped.

    Example:
        >>> points = normal_points(256, 3, seed=0)
        >>> bool((points.mean(0).abs() < 0.01).all()), bool((points.var(0) - 1).abs().max() < 0.05)
        (True, True)
    """
    engine = torch.quasirandom.SobolEngine(dimension, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    # an unscrambled end of the interval would be infinite
    uniform = engine.draw(n_points, dtype=torch.float64).clamp(1e-10, 1 - 1e-10)
    points: Tensor = torch.special.ndtri(uniform)
    return points


def level_ends(level: float) -> tuple[float, float]:
    """Return the probabilities of the ends of a central interval.

    Raises:
        DataError: If the level is not between 0 and 1.

    Example:
        >>> level_ends(0.5)
        (0.25, 0.75)
    """
    if not 0 < level < 1:
        raise DataError(f"level is {level}; it must be between 0 and 1, like 0.9")
    return (1 - level) / 2, (1 + level) / 2


def require_positive(n_samples: int) -> None:
    """Refuse a number of samples that is not positive.

    Raises:
        DataError: If it isn't.
    """
    if n_samples < 1:
        raise DataError(f"n_samples is {n_samples}; it must be at least 1")
