"""How much every observed column changes with every latent, on average over the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.models.representation import as_tensor
from estimation.models.sparse_vae import SparseVAE
from estimation.results.sample import LatentSample
from estimation.trained import TrainedModel
from identify.names import default_names

__all__ = ["ColumnEffects", "column_effects", "column_names", "column_units"]

Array = NDArray[np.float64]

_N_POINTS = 500


@dataclass(frozen=True, eq=False)
class ColumnEffects:
    """The average effect of every latent on every column.

    The sign and the scale of a latent are arbitrary: signs can be compared within one latent only.

    Attributes:
        columns: Names of the d_x columns.
        latents: Names of the n latents.
        effects: Shape (d_x, n): the change of a column in its standard deviations when the latent rises by one of its
            own, and the other latents stay.
    """

    columns: tuple[str, ...]
    latents: tuple[str, ...]
    effects: Array

    def top(self, latent: int, n_max: int = 8) -> list[tuple[str, float]]:
        """Return the columns that change most with a latent, with their effects.

        Args:
            latent: Position of the latent.
            n_max: Number of columns.

        Example:
            >>> effects = ColumnEffects(("x0", "x1"), ("v0",), np.array([[0.1], [-0.5]]))
            >>> effects.top(0)
            [('x1', -0.5), ('x0', 0.1)]
        """
        values = self.effects[:, latent]
        order = np.argsort(-np.abs(values), kind="stable")[:n_max]
        return [(self.columns[k], float(values[k])) for k in order.tolist()]


def column_names(model: TrainedModel) -> tuple[str, ...]:
    """Return the names of the observed columns: ``x0``, ``x1``, ... if the training data had none."""
    return model.observation_names or default_names("x", model.n_observed)


@torch.no_grad()
def column_units(model: TrainedModel) -> Array:
    """Return the standard deviation of every column in the units of the networks, shape (d_x,).

    It is 1 for real numbers, and for counts the deviation of the average row of median size.
    """
    network = model.model
    if not isinstance(network, SparseVAE) or network.counts is None:
        return np.ones(network.shape.n_observed)
    average = network.x_mean.new_zeros(1, network.shape.n_observed)
    return network.counts.median_row_variance(average)[0].sqrt().double().cpu().numpy()


@default_modes
@torch.no_grad()
def column_effects(model: TrainedModel, sample: LatentSample) -> ColumnEffects:
    """Return the average effect of every latent on every column.

    It is the mean over rows of f(z + s/2) - f(z - s/2), with the decoder f and a step s of one standard deviation of
    one latent: the average derivative, over a step that is long enough for the roughness of a network not to matter
    (ours). Covariates are at their averages, and counts those of a row of median size.

    Args:
        model: The trained model.
        sample: Latents to average over, of which at most 500 are used.

    Raises:
        DataError: If the model has no decoder, or the result is not finite.
    """
    network = model.model
    if not network.has_decoder:
        raise DataError(f"{model.method} has no decoder, so its latents can't be followed to the columns")
    chosen = np.linspace(0, len(sample.latents) - 1, min(_N_POINTS, len(sample.latents))).astype(int)
    points, steps = sample.latents[chosen], sample.deviation / 2
    units = torch.as_tensor(column_units(model))
    effects = np.empty((network.shape.n_observed, network.shape.n_latents))
    for j in range(network.shape.n_latents):
        step = np.zeros_like(points)
        step[:, j] = steps[j]
        high, low = (
            network.mean_observations(as_tensor(values).to(network.x_mean)).double().mean(dim=0)
            for values in (points + step, points - step)
        )
        effects[:, j] = ((high - low).cpu() / units).numpy()
    if not np.isfinite(effects).all():
        raise DataError("the decoder gives numbers that are not finite; its weights are damaged")
    return ColumnEffects(column_names(model), model.graph.latents, effects)
