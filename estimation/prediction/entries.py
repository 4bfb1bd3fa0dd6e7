"""The observed entries of some rows, and what the model says about them given the outputs of the decoder.

`estimation.prediction.laplace` finds latents that explain these entries. It asks for the log-likelihood of outputs of
the decoder, its derivative, and its expected information, whatever the observations are: real numbers with Gaussian
noise, or counts. Rows are sequences whose steps lie side by side, shape (B, T d_x).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.models.counts import CountLikelihood
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.units import conditional_mean, to_users_units

__all__ = ["CountEntries", "Entries", "GaussianEntries", "entries_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Entries(ABC):
    """Observed entries of rows.

    Attributes:
        model: The networks.
        observed: Observations as the model takes them, shape (B, T d_x); NaN entries are missing.
    """

    model: SparseVAE
    observed: Tensor

    def of_rows(self, rows: slice | Tensor) -> Entries:
        """Return those of some of the rows."""
        return replace(self, observed=self.observed[rows])

    @cached_property
    def mask(self) -> Tensor:
        """Which entries are observed, boolean, shape (B, T d_x)."""
        return ~torch.isnan(self.observed)

    @property
    @abstractmethod
    def readings(self) -> Tensor:
        """Observed entries on a scale on which distances make sense, zeros for missing ones, shape (B, T d_x)."""

    @abstractmethod
    def readings_of(self, decoded: Tensor) -> Tensor:
        """Return what outputs of the decoder are on that scale, in the same shape."""

    def with_best_sizes(self, decoded: Tensor) -> Tensor:
        """Return outputs of the decoder (..., B, T d_x) for the sizes of rows that fit best, if rows have sizes."""
        return decoded

    @abstractmethod
    def log_prob(self, decoded: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return the log-likelihood of the observed entries, shape (..., B).

        Args:
            decoded: Outputs of the decoder, shape (..., B, T d_x).
            rows: The row of each output; None for all rows in their order.
        """

    @abstractmethod
    def score_and_information(self, decoded: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return derivatives of the log-likelihood by outputs (P, T d_x) of some rows (P,), and information about them.

        Both have the shape of the outputs, and are 0 for missing entries.
        """

    @abstractmethod
    def means(self, decoded: Tensor) -> Array:
        """Return means of all entries in the user's units, for outputs of the decoder (S, B, T d_x)."""

    @abstractmethod
    def sample(self, decoded: Tensor, generator: torch.Generator) -> Array:
        """Return samples of all entries in the user's units, for outputs of the decoder (S, B, T d_x)."""

    def _steps(self, values: Tensor) -> Tensor:
        """Return rows (..., T d_x) with steps apart, shape (..., T, d_x)."""
        return values.reshape(*values.shape[:-1], -1, self.model.shape.n_observed)


@dataclass(frozen=True)
class GaussianEntries(Entries):
    """Standardised real numbers, with Gaussian noise of one variance."""

    @cached_property
    def variance(self) -> Tensor:
        """The variance of the noise of each entry, a scalar."""
        return self.model.log_variance_x.double().exp()

    @property
    def readings(self) -> Tensor:
        return torch.where(self.mask, self.observed, 0)

    def readings_of(self, decoded: Tensor) -> Tensor:
        return decoded

    def _residuals(self, decoded: Tensor, rows: Tensor | None) -> Tensor:
        observed, mask = self.observed.double(), self.mask
        if rows is not None:
            observed, mask = observed[rows], mask[rows]
        return torch.where(mask, observed - decoded, 0)

    def log_prob(self, decoded: Tensor, rows: Tensor | None = None) -> Tensor:
        mask = self.mask if rows is None else self.mask[rows]
        normaliser = 0.5 * mask.sum(-1) * (2 * math.pi * self.variance).log()
        return -0.5 * self._residuals(decoded, rows).square().sum(-1) / self.variance - normaliser

    def score_and_information(self, decoded: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self._residuals(decoded, rows) / self.variance, self.mask[rows].double() / self.variance

    def means(self, decoded: Tensor) -> Array:
        values = self._steps(decoded).cpu().numpy()
        return conditional_mean(self.model, values, self.variance.cpu().numpy()).reshape(decoded.shape)

    def sample(self, decoded: Tensor, generator: torch.Generator) -> Array:
        noise = torch.randn(decoded.shape, generator=generator, device=decoded.device, dtype=decoded.dtype)
        values = self._steps(decoded + self.variance.sqrt() * noise).cpu().numpy()
        return to_users_units(self.model, values).reshape(decoded.shape)


@dataclass(frozen=True)
class CountEntries(Entries):
    """Counts.

    Attributes:
        with_sizes: Whether outputs of the decoder are shifted by the logarithms of the sizes of rows, as
            `estimation.prediction.row_sizes.WithSizes` shifts them. Else the size of a row is that of its counts.
    """

    with_sizes: bool = True

    @property
    def counts(self) -> CountLikelihood:
        """The likelihood."""
        assert self.model.counts is not None
        return self.model.counts

    @property
    def _sizes(self) -> float | None:
        return 1.0 if self.with_sizes else None

    @cached_property
    def _given(self) -> Tensor:
        return self._steps(self.observed.double())

    @property
    def readings(self) -> Tensor:
        return torch.where(self.mask, self.counts.encoder_inputs(self._given).flatten(-2), 0)

    def readings_of(self, decoded: Tensor) -> Tensor:
        means = self.counts.median_row(self._steps(decoded))
        return ((means.log1p() - self.counts.input_mean) / self.counts.input_scale).flatten(-2)

    def log_sizes(self, decoded: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return logarithms of sizes with which the observed entries have their sum, shape (..., B, T).

        Half a count is added to both, so that rows without any are those of the median size.

        Args:
            decoded: Outputs of the decoder, shape (..., B, T d_x).
            rows: The row of each output; None for all rows in their order.
        """
        given = self._given if rows is None else self._given[rows]
        known = ~torch.isnan(given)
        expected = torch.where(known, self.counts.median_row(self._steps(decoded)), 0).sum(-1)
        return (torch.where(known, given, 0).sum(-1) + 0.5).log() - (expected + 0.5).log()

    def with_best_sizes(self, decoded: Tensor) -> Tensor:
        return decoded + self.log_sizes(decoded).repeat_interleave(self.model.shape.n_observed, dim=-1)

    def log_prob(self, decoded: Tensor, rows: Tensor | None = None) -> Tensor:
        given = self._given if rows is None else self._given[rows]
        return self.counts.log_prob(self._steps(decoded), given, self._sizes).sum((-2, -1))

    def score_and_information(self, decoded: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        score, information = self.counts.score_and_information(
            self._steps(decoded), self._given[rows], self._sizes
        )
        return score.flatten(-2), information.flatten(-2)

    def means(self, decoded: Tensor) -> Array:
        means: Array = self.counts.median_row(self._steps(decoded)).flatten(-2).cpu().numpy()
        return means

    def sample(self, decoded: Tensor, generator: torch.Generator) -> Array:
        drawn: Array = self.counts.sample(self._steps(decoded), 1.0, generator).flatten(-2).cpu().numpy()
        return drawn


def entries_of(model: SparseVAE, observations: Tensor, with_sizes: bool = True) -> Entries:
    """Return the observed entries of rows.

    Args:
        model: The networks.
        observations: Standardised observations or counts, shape (B, T, d_x); NaN entries are missing.
        with_sizes: As for `CountEntries`.
    """
    if model.counts is None:
        return GaussianEntries(model, observations.flatten(1))
    return CountEntries(model, observations.flatten(1), with_sizes)
