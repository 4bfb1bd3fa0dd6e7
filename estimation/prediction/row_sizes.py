"""Rows of counts whose sizes are not known, since some of their entries are missing.

The sum of a whole row of counts is its size. Where entries are missing, the observed ones tell the size only together
with the rates, which the latents determine: a row with few counts in the observed columns is a small one, or one whose
other columns have more. So the logarithm of the size is one more coordinate of each step, with the distribution that it
has in the training data. (Ours.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from estimation.models.counts import DEFAULT_DEVIATION
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.generation import Generation

__all__ = ["WithSizes"]


@dataclass(frozen=True)
class WithSizes:
    """A map from standard normal numbers to outputs of the decoder, shifted by the logarithms of the sizes of rows.

    The last T coordinates of w are these logarithms, in units of their standard deviation.

    Attributes:
        generation: The map without sizes.
    """

    generation: Generation

    @property
    def model(self) -> SparseVAE:
        """The networks."""
        return self.generation.model

    @property
    def deviation(self) -> float:
        """Standard deviation of the logarithms of sizes."""
        counts = self.model.counts
        assert counts is not None
        return DEFAULT_DEVIATION if counts.size_deviation is None else float(counts.size_deviation)

    @property
    def n_steps(self) -> int:
        """Number of steps T."""
        return 1 + len(self.generation.actions)

    @property
    def precision(self) -> Tensor:
        """The precision matrix of the prior of w, whose mean is 0."""
        inner = self.generation.precision
        n = len(inner)
        precision = torch.eye(n + self.n_steps, dtype=inner.dtype, device=inner.device)
        precision[:n, :n] = inner
        return precision

    def of_rows(self, rows: slice | Tensor) -> WithSizes:
        """Return the map of some of the rows."""
        return WithSizes(self.generation.of_rows(rows))

    def evaluate(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return latents (S, B, T, n) and shifted outputs of the decoder (S, B, T d_x) of points (S, B, n T + T)."""
        latents, decoded = self.generation.evaluate(w[..., : -self.n_steps])
        return latents, decoded + self._shift(w)

    def with_jacobian(self, w: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return shifted outputs of the decoder and Jacobians at points, as `Generation.with_jacobian` does."""
        decoded, jacobian = self.generation.with_jacobian(w[:, : -self.n_steps], rows)
        steps = torch.eye(self.n_steps, dtype=jacobian.dtype, device=jacobian.device)
        by_size = self.deviation * steps.repeat_interleave(self.model.shape.n_observed, dim=0)
        return decoded + self._shift(w), torch.cat([jacobian, by_size.expand(len(w), -1, -1)], dim=2)

    def _shift(self, w: Tensor) -> Tensor:
        return self.deviation * w[..., -self.n_steps :].repeat_interleave(self.model.shape.n_observed, dim=-1)
