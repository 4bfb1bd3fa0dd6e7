"""Counts whose latents are known: each action moves one latent, and latents move logarithms of rates linearly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.dataset import Dataset
from identify.graph import CausalGraph
from tests.seeds import training_seed

__all__ = ["CountProcess"]


@dataclass(frozen=True)
class CountProcess:
    """A screen of on/off actions with counts as observations.

    Attributes:
        n_latents: Number of latents, and of actions.
        n_observed: Number of columns.
        size: Median sum of a row.
        n_batches: Number of batches, each with rates of its own; 1 for none.
    """

    n_latents: int = 3
    n_observed: int = 24
    size: float = 400.0
    n_batches: int = 1

    def sample(self, n_rows: int, seed: int) -> Dataset:
        """Return a dataset; the same process for every seed of the sample."""
        process = np.random.default_rng(training_seed(11))
        slopes = process.normal(size=(self.n_latents, self.n_observed)) / np.sqrt(self.n_latents) / 1.5
        base = process.normal(size=self.n_observed) / 2
        by_batch = process.normal(size=(self.n_batches, self.n_observed)) / 2
        rng = np.random.default_rng([training_seed(12), seed])
        actions = rng.integers(0, 2, size=(n_rows, self.n_latents)).astype(np.float32)
        latents = 2 * actions + rng.normal(size=actions.shape) / 2
        batch = rng.integers(0, self.n_batches, n_rows)
        rates = np.exp(base + latents @ slopes + (by_batch[batch] if self.n_batches > 1 else 0))
        sizes = self.size * np.exp(rng.normal(size=n_rows) / 3)
        means = rates / rates.sum(1, keepdims=True) * sizes[:, None]
        counts = rng.poisson(means * rng.gamma(5.0, 1 / 5.0, means.shape)).astype(np.float32)
        return Dataset.from_arrays(
            counts,
            actions,
            latents.astype(np.float32),
            CausalGraph(Ga=np.eye(self.n_latents, dtype=bool)),
            covariates=_indicators(batch, self.n_batches) if self.n_batches > 1 else None,
            covariate_names=[f"batch=b{k}" for k in range(self.n_batches)] if self.n_batches > 1 else None,
        )


def _indicators(values: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    return np.eye(count, dtype=np.float32)[values]
