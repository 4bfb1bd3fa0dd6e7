"""Batches of a dataset as tensors, in an order that depends on the seed and the step alone.

No random state is carried from step to step: order and noise are functions of (seed, step). A run that was interrupted
and resumed therefore gets the batches of an uninterrupted one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.config.training import COUNT_LIKELIHOODS
from estimation.dataset.centring import Centring, centred, centring_of, first_known
from estimation.dataset.dataset import Dataset
from estimation.dataset.heavy_tails import arcsinh_centring
from estimation.device import CPU_FLOAT32
from estimation.exceptions import DataError
from estimation.models.counts import CountProfile
from estimation.models.representation import Batch, Representation, as_tensor
from estimation.training.count_data import count_profile, log_moments
from identify.hashing import mix64

__all__ = ["Batches", "Scales", "generator_for", "scales"]

_CHUNK = 65_536
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Scales:
    """Mean and standard deviation of each observed coordinate, action and covariate, after centring.

    For counts, those of observations are 0 and 1, and `log_moments` are mean and standard deviation of what the encoder
    reads, log(1 + x / s). `kurtosis` is the excess kurtosis for which observations are transformed, if it decides that.
    """

    x_mean: Tensor
    x_scale: Tensor
    a_mean: Tensor
    a_scale: Tensor
    x_centring: Centring | None = None
    a_centring: Centring | None = None
    c_mean: Tensor | None = None
    c_scale: Tensor | None = None
    counts: CountProfile | None = None
    log_moments: tuple[Tensor, Tensor] | None = None
    kurtosis: float | None = None


class Batches:
    """Batches of a dataset of one or two steps.

    Args:
        dataset: Data with T = 1 or 2.
        size: Rows per batch; the whole dataset when it has fewer.
        seed: Seed of the order.
        device: Device of the batches.
        dtype: Type of the batches.
        with_latents: Whether batches hold the true latents, for the supervised encoder.
        model: Model whose centring is applied to observations and actions; None applies none.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: int,
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
        with_latents: bool = False,
        model: Representation | None = None,
    ) -> None:
        self._model = model
        self.size = min(size, len(dataset))
        self.per_epoch = len(dataset) // self.size
        self.n_rows = len(dataset)
        self.episodes = dataset.episodes
        self._seed = seed
        self.device, self.dtype = device, dtype
        self.observations = dataset.observations
        self._actions = dataset.actions
        self._latents = dataset.latents if with_latents else None
        self._covariates = dataset.covariates
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, dtype=np.int64))

    def draw(self, n_max: int, step: int) -> NDArray[np.int64]:
        """Draw row numbers without replacement, at most ``n_max``; they depend on the seed and the step alone."""
        return np.random.default_rng([self._seed, step]).permutation(self.n_rows)[:n_max]

    def at(self, step: int) -> Batch:
        """Return the batch of a step."""
        epoch, number = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, self.draw(self.n_rows, epoch))
        return self.rows(self._order[1][number * self.size : (number + 1) * self.size])

    def rows(self, indices: NDArray[np.int64] | slice) -> Batch:
        """Return these rows as a batch."""
        x_centring, a_centring = (
            (None, None) if self._model is None else (self._model.x_centring, self._model.a_centring)
        )
        actions = None if self._actions is None else self._tensor(self._actions, indices, a_centring)
        latents = None if self._latents is None else self._tensor(self._latents, indices, None)
        covariates = None if self._covariates is None else self._tensor(self._covariates, indices, None)
        return Batch(self._tensor(self.observations, indices, x_centring), actions, latents, covariates)

    def _tensor(
        self, values: NDArray[Any], indices: NDArray[np.int64] | slice, centring: Centring | None
    ) -> Tensor:
        return as_tensor(centred(values[indices], centring)).to(self.device, self.dtype)


def scales(dataset: Dataset, likelihood: str = "gaussian", is_arcsinh: bool = False) -> Scales:
    """Compute means and scales over all rows and steps, without missing entries; a constant coordinate gets scale 1.

    Args:
        dataset: Training data.
        likelihood: Likelihood of the observations.
        is_arcsinh: Whether observations are transformed by arcsinh before they are standardised; counts never are.
    """
    counted = likelihood in COUNT_LIKELIHOODS
    measured = _count_scales(dataset) if counted else _scales(dataset, is_arcsinh)
    if dataset.covariates is None:
        return measured
    c_mean, c_scale = _moments(dataset.covariates, None)
    return replace(measured, c_mean=c_mean, c_scale=c_scale)


def _count_scales(dataset: Dataset) -> Scales:
    profile = count_profile(dataset)
    mean, scale = log_moments(dataset, profile)
    zero, one = torch.zeros(dataset.n_observed, **CPU_FLOAT32), torch.ones(dataset.n_observed, **CPU_FLOAT32)
    a_mean, a_scale, a_centring = _action_scales(dataset)
    moments = torch.as_tensor(mean, **CPU_FLOAT32), torch.as_tensor(scale, **CPU_FLOAT32)
    return Scales(zero, one, a_mean, a_scale, None, a_centring, counts=profile, log_moments=moments)


def _scales(dataset: Dataset, is_arcsinh: bool) -> Scales:
    x_centring = (arcsinh_centring if is_arcsinh else centring_of)(dataset.observations)
    x_mean, x_scale = _moments(dataset.observations.reshape(-1, dataset.n_observed), x_centring)
    a_mean, a_scale, a_centring = _action_scales(dataset)
    return Scales(x_mean, x_scale, a_mean, a_scale, x_centring, a_centring)


def _action_scales(dataset: Dataset) -> tuple[Tensor, Tensor, Centring | None]:
    if dataset.actions is None:
        return torch.zeros(0, **CPU_FLOAT32), torch.ones(0, **CPU_FLOAT32), None
    centring = centring_of(dataset.actions)
    return *_moments(dataset.actions.reshape(-1, dataset.n_actions), centring), centring


def generator_for(seed: int, step: int, device: torch.device) -> torch.Generator:
    """Return the generator of one step's noise."""
    # mixed, so that neighbouring steps get seeds far apart
    word = (seed * 0x9E3779B97F4A7C15 + step * 0xD1342543DE82EF95 + 0x632BE59BD9B4E019) & _WORD
    mixed = int(mix64(np.array([word], dtype=np.uint64))[0])
    return torch.Generator(device).manual_seed(mixed >> 1)


def _moments(values: NDArray[Any], centring: Centring | None) -> tuple[Tensor, Tensor]:
    total, squares = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    # about the first row, so that the difference of squares keeps its digits
    origin = centred(first_known(values), centring).astype(float)
    count: Any = 0
    for start in range(0, len(values), _CHUNK):
        part = centred(values[start : start + _CHUNK], centring) - origin
        missing = np.isnan(part)
        count = count + len(part) - missing.sum(0)
        part = np.where(missing, 0, part) if missing.any() else part
        total += part.sum(0)
        squares += (part**2).sum(0)
    if (lost := np.flatnonzero(np.broadcast_to(count == 0, total.shape))).size:
        raise DataError(
            f"column {lost[0]} of the observations has no entry among the training rows that isn't missing; drop it"
        )
    mean = total / count
    scale = np.sqrt(np.maximum(squares / count - mean**2, 0))
    scale[scale == 0] = 1
    return torch.from_numpy(mean + origin).float(), torch.from_numpy(scale).float()
