"""Trajectories of latents and observations under a sequence of actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.coverage import Coverage
from estimation.prediction.emission import Emission
from estimation.prediction.forecast import level_ends
from estimation.prediction.mechanisms import Latents, from_noise
from estimation.prediction.units import sample_quantiles, to_users_units
from identify.wording import plural

__all__ = ["Trajectories", "Transition", "simulate_trajectories"]

#: From the latents of a step to the distribution of those of the next one.
Transition = Callable[[Tensor], Latents]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Trajectories:
    """Samples of trajectories.

    Attributes:
        observations: Samples of the observations, noise included, shape (S, N, T, d_x), in the user's units.
        latents: The latents that they show, shape (S, N, T, n).
        coverage: What the learned graph says about the steps of all rows, (N * T) rows in the order of ``actions``
            reshaped to (N * T, m). None for a model without actions.
        are_counts: Whether the observations are counts.
    """

    observations: Array
    latents: Array
    coverage: Coverage | None
    are_counts: bool = False

    @property
    def mean(self) -> Array:
        """Means of the observations over the samples, shape (N, T, d_x)."""
        mean: Array = self.observations.mean(axis=0)
        return mean

    def interval(self, level: float = 0.9) -> tuple[Array, Array]:
        """Return intervals that hold an observation with a given probability, each dimension and step by itself.

        Args:
            level: The probability, between 0 and 1.

        Returns:
            Lower and upper ends, shapes (N, T, d_x).

        Raises:
            DataError: If the level is not between 0 and 1.
        """
        low, high = sample_quantiles(self.observations, level_ends(level), self.are_counts)
        return low, high

    def __repr__(self) -> str:
        n_samples, n_rows, n_steps, n_observed = self.observations.shape
        return (
            f"Trajectories({plural(n_samples, 'sample')} of {plural(n_rows, 'row')}, {plural(n_steps, 'step')}, "
            f"{n_observed} observed)"
        )


def simulate_trajectories(
    model: SparseVAE,
    start: Tensor,
    transitions: Sequence[Transition],
    n_samples: int,
    generator: torch.Generator,
    covariates: Tensor | None = None,
) -> tuple[Array, Array]:
    """Sample trajectories from the posterior of the first step on.

    Args:
        model: The networks.
        start: Inputs of the encoder before the first action, shape (N, d_x + d_c).
        transitions: For each of the T steps, the distribution of its latents given those of the step before, both of
            S * N rows.
        n_samples: Number of samples S of each row.
        generator: Random generator.
        covariates: Standardised covariates of the rows, shape (N, d_c), or None.

    Returns:
        Observations, shape (S, N, T, d_x), in the user's units, and latents, shape (S, N, T, n).
    """

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=start.device, dtype=start.dtype)

    posterior = model.posterior(start)
    n_rows, n = posterior.loc.shape
    current = posterior.sample(noise(n_samples, n_rows, n)).flatten(0, 1)
    latents, observations = [], []
    emission = Emission(model, covariates)
    for transition in transitions:
        current = from_noise(transition(current), noise(1, *current.shape))[0]
        by_row = current.view(n_samples, n_rows, n)
        observed = emission.sample(emission.decoded(by_row), generator)
        latents.append(by_row.double().cpu().numpy())
        observations.append(observed.double().cpu().numpy())
    return to_users_units(model, np.stack(observations, axis=2)), np.stack(latents, axis=2)
