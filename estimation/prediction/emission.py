"""p(x | z) of some rows: what a prediction decodes, and the noise on it.

Observations are those of the model: standardised, or counts of a row of median size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from estimation.models.sparse_vae import SparseVAE

__all__ = ["Emission"]


@dataclass(frozen=True)
class Emission:
    """The decoder and the noise of some rows.

    Attributes:
        model: The networks.
        covariates: Standardised covariates of the rows, shape (N, d_c), or None.
    """

    model: SparseVAE
    covariates: Tensor | None = None

    def of_rows(self, rows: slice) -> Emission:
        """Return that of some of the rows."""
        return self if self.covariates is None else Emission(self.model, self.covariates[rows])

    def decoded(self, latents: Tensor) -> Tensor:
        """Return outputs of the decoder for latents (S, N, n), shape (S, N, d_x)."""
        flat = self.model.flow.inverse(latents.flatten(0, 1))
        return self.model.decoder_given(self.covariates)(flat).view(*latents.shape[:2], -1)

    def mean(self, decoded: Tensor) -> Tensor:
        """Return the means of observations, of the shape of the outputs of the decoder."""
        return decoded if self.model.counts is None else self.model.counts.median_row(decoded)

    def noise_variance(self, decoded: Tensor) -> Tensor:
        """Return the variances of observations around their means, broadcastable to the outputs of the decoder."""
        counts = self.model.counts
        return self.model.log_variance_x.exp() if counts is None else counts.median_row_variance(decoded)

    def sample(self, decoded: Tensor, generator: torch.Generator) -> Tensor:
        """Sample observations with independent noise, of the shape of the outputs of the decoder."""
        if self.model.counts is not None:
            return self.model.counts.sample(decoded, 1.0, generator)
        noise = torch.randn(decoded.shape, generator=generator, device=generator.device).to(decoded)
        return decoded + (0.5 * self.model.log_variance_x).exp() * noise
