"""Training rows that are encoded once, for everything that is fitted while encoder and decoder stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.models.flow import ResidualFlow
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches

__all__ = ["MAX_ROWS", "Encodings"]

#: Largest number of rows that are encoded by default.
MAX_ROWS = 65_536
# entries of the covariances of all rows: with hundreds of latents fewer rows are encoded
_MAX_ENTRIES, _MIN_ROWS = 100_000_000, 1_024
# entries of the Jacobians in all steps of a refinement: with thousands of columns and many latents, fewer rows
# are encoded once encodings are refined
_MAX_JACOBIAN_ENTRIES, _MIN_REFINED_ROWS = 2_000_000_000, 8_192
_CHUNK = 4_096


@dataclass(frozen=True)
class Encodings:
    """Rows of the training data with the moments of their posteriors, before the flow unless it is active.

    Attributes:
        latents: Posterior means, shape (rows, T, n).
        factors: Square roots of the posterior covariances, shape (rows, T, n, n).
        actions: Actions, shape (rows, m), or None.
        inputs: Standardised observations, with covariates behind them, shape (rows, T, d_x + d_c); without rows if they
            were not asked for, since thousands of columns take more memory than all else.
        numbers: Numbers of the rows among those of the batches, shape (rows,); None if they are not from batches.
    """

    latents: Tensor
    factors: Tensor
    actions: Tensor | None
    inputs: Tensor
    numbers: NDArray[np.int64] | None = None

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        model: SparseVAE,
        batches: Batches,
        step: int,
        max_rows: int = MAX_ROWS,
        with_inputs: bool = False,
    ) -> Encodings:
        """Encode random rows.

        Args:
            model: The model. If its flow is active, the encodings are those after it.
            batches: Batches of the training data.
            step: Number of steps of training, which with the seed determines the rows.
            max_rows: Largest number of rows; fewer are encoded if their covariances would not fit into memory, or if
                refining them would take long.
            with_inputs: Whether to hold the inputs that were encoded.
        """
        n_steps, n = 1 + model.shape.past, model.shape.n_latents
        affordable = max(_MAX_ENTRIES // (n**2 * n_steps), _MIN_ROWS)
        if per_row := int(model.refinement.steps) * n_steps * n * model.shape.n_observed:
            affordable = min(affordable, max(_MAX_JACOBIAN_ENTRIES // per_row, _MIN_REFINED_ROWS))
        rows = batches.draw(min(max_rows, affordable), step)
        means, factors, inputs = [], [], []
        for start in range(0, len(rows), _CHUNK):
            batch = batches.rows(rows[start : start + _CHUNK])
            x = model.inputs(batch.observations, batch.covariates)
            posterior = model.posterior(x.flatten(0, 1))
            means.append(posterior.loc.view(*x.shape[:2], -1))
            factors.append(posterior.factor.view(*x.shape[:2], *posterior.factor.shape[1:]))
            inputs.append(x if with_inputs else x[:0])
        actions = batches.rows(rows).actions
        return cls(torch.cat(means), torch.cat(factors), actions, torch.cat(inputs), rows)

    def first(self, n_rows: int) -> Encodings:
        """Return the first rows."""
        return self.part(np.arange(min(n_rows, len(self.latents))))

    def part(self, rows: NDArray[np.int64]) -> Encodings:
        """Return these rows."""
        chosen = torch.from_numpy(rows).to(self.latents.device)
        return Encodings(
            self.latents[chosen],
            self.factors[chosen],
            None if self.actions is None else self.actions[chosen],
            self.inputs[chosen] if len(self.inputs) else self.inputs,
            None if self.numbers is None else self.numbers[rows],
        )

    @torch.no_grad()
    def after(self, flow: ResidualFlow) -> Encodings:
        """Return the encodings after a flow on the latents, which maps covariances by its Jacobian at the means."""
        latents, factors = [], []
        for start in range(0, len(self.latents), _CHUNK):
            means, roots = self.latents[start : start + _CHUNK], self.factors[start : start + _CHUNK]
            corrected, jacobian, _ = flow.with_jacobian(means.flatten(0, 1))
            latents.append(corrected.view_as(means))
            factors.append((jacobian @ roots.flatten(0, 1)).view_as(roots))
        return replace(self, latents=torch.cat(latents), factors=torch.cat(factors))

    def active_latents(self) -> Tensor:
        """Return which latents are active, shape (n,): those whose means vary by more than their posterior variance.

        `estimation.unmixing.unmix` calls directions collapsed by the same criterion.
        """
        variance = self.latents.flatten(0, 1).var(0)
        return variance > self.factors.square().sum(-1).flatten(0, 1).mean(0)

    def noise(self) -> NDArray[np.float64]:
        """Return the mean covariance of the posteriors, shape (n, n)."""
        covariance = torch.einsum("rtij,rtkj->ik", self.factors, self.factors) / self.latents[..., 0].numel()
        return np.asarray(covariance.double().cpu().numpy())
