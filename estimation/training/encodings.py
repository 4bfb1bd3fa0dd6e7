"""Training rows, encoded once, for what is fitted to latents that stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches

__all__ = ["Encodings"]

_ROWS = 65_536
# in the covariances of all rows: with hundreds of latents there are fewer rows
_MOST_NUMBERS, _FEWEST_ROWS = 100_000_000, 1_024
_CHUNK = 4_096


@dataclass(frozen=True)
class Encodings:
    """Rows of the training data and their posteriors before the flow.

    Attributes:
        latents: means, shape (rows, T, n).
        factors: square roots of their covariances, shape (rows, T, n, n).
        actions: shape (rows, m), or None.
        standardised: the observations, shape (rows, T, d_x).
    """

    latents: Tensor
    factors: Tensor
    actions: Tensor | None
    standardised: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, model: SparseVAE, batches: Batches, step: int, n_max: int = _ROWS) -> Encodings:
        """Encode some rows.

        Args:
            model: Model whose flow is not active.
            batches: Batches of the training data.
            step: Number of steps of training, which with the seed determines the rows.
            n_max: Largest number of rows; fewer are encoded if their covariances would not fit into memory.
        """
        affordable = _MOST_NUMBERS // (model.shape.n_latents**2 * (1 + model.shape.past))
        n_max = min(n_max, max(affordable, _FEWEST_ROWS))
        rows = batches.draw(n_max, step)
        means, factors, observed = [], [], []
        for start in range(0, len(rows), _CHUNK):
            x = model.standardised(batches.rows(rows[start : start + _CHUNK]).observations)
            posterior = model.posterior(x.flatten(0, 1))
            means.append(posterior.loc.view(*x.shape[:2], -1))
            factors.append(posterior.factor.view(*x.shape[:2], *posterior.factor.shape[1:]))
            observed.append(x)
        actions = batches.rows(rows).actions
        return cls(torch.cat(means), torch.cat(factors), actions, torch.cat(observed))

    def told(self) -> Tensor:
        """Which latents the observations tell of, shape (n,): they vary by more than what is not known of them.

        The same border as that of the directions which `estimation.unmixing.unmix` leaves alone (``unseen``).
        """
        variance = self.latents.flatten(0, 1).var(0)
        return variance > self.factors.square().sum(-1).flatten(0, 1).mean(0)

    def noise(self) -> NDArray[np.float64]:
        """The mean covariance of the posteriors, shape (n, n)."""
        covariance = torch.einsum("rtij,rtkj->ik", self.factors, self.factors) / self.latents[..., 0].numel()
        return np.asarray(covariance.double().cpu().numpy())
