"""Rows of a dataset as tensors, in an order that depends on the seed and the step alone.

Nothing random is carried from step to step: order and noise are functions of (seed, step). So a run that was
stopped and resumed sees what an undisturbed one sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.dataset.centring import Centring, centred, centring_of
from estimation.dataset.dataset import Dataset
from estimation.device import CPU_FLOAT32
from estimation.models.representation import Batch, Representation, as_tensor
from identify.hashing import mix64

__all__ = ["Batches", "Scales", "generator_for", "scales"]

_CHUNK = 65_536
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Scales:
    """Mean and standard deviation of each observed coordinate, and of each action, once they are centred."""

    x_mean: Tensor
    x_scale: Tensor
    a_mean: Tensor
    a_scale: Tensor
    x_centring: Centring | None = None
    a_centring: Centring | None = None


class Batches:
    """Batches of a dataset of one or two steps.

    Args:
        dataset: with T = 1 or 2.
        size: rows in a batch; the whole dataset when it has fewer.
        seed: of the order.
        device: where batches go.
        dtype: of the batches.
        with_latents: with the true latents, for what learns from them.
        like: the model that knows how observations and actions are centred; None where they are taken as they are.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: int,
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
        with_latents: bool = False,
        like: Representation | None = None,
    ) -> None:
        self._like = like
        self.size = min(size, len(dataset))
        self.per_epoch = len(dataset) // self.size
        self._rows = len(dataset)
        self._seed = seed
        self._place = {"device": device, "dtype": dtype}
        self._observations = dataset.observations
        self._actions = dataset.actions
        self._latents = dataset.latents if with_latents else None
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, dtype=np.int64))

    def some(self, most: int, step: int) -> Batch:
        """Rows from anywhere, at most so many; which ones depends on the seed and the step alone."""
        return self.rows(np.random.default_rng([self._seed, step]).permutation(self._rows)[:most])

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        epoch, place = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self._seed, epoch]).permutation(self._rows))
        return self.rows(self._order[1][place * self.size : (place + 1) * self.size])

    def rows(self, indices: NDArray[np.int64] | slice) -> Batch:
        """The batch of these rows."""
        x_centring, a_centring = (
            (None, None) if self._like is None else (self._like.x_centring, self._like.a_centring)
        )
        actions = None if self._actions is None else self._tensor(self._actions, indices, a_centring)
        latents = None if self._latents is None else self._tensor(self._latents, indices, None)
        return Batch(self._tensor(self._observations, indices, x_centring), actions, latents)

    def _tensor(
        self, values: NDArray[Any], indices: NDArray[np.int64] | slice, centring: Centring | None
    ) -> Tensor:
        return as_tensor(centred(values[indices], centring)).to(**self._place)  # type: ignore[call-overload, no-any-return]


def scales(dataset: Dataset) -> Scales:
    """Means and scales over all rows and steps; a coordinate that never changes gets scale 1."""
    x_centring = centring_of(dataset.observations)
    x_mean, x_scale = _moments(dataset.observations.reshape(-1, dataset.n_observed), x_centring)
    if dataset.actions is None:
        return Scales(
            x_mean, x_scale, torch.zeros(0, **CPU_FLOAT32), torch.ones(0, **CPU_FLOAT32), x_centring
        )
    a_centring = centring_of(dataset.actions)
    a_mean, a_scale = _moments(dataset.actions.reshape(-1, dataset.n_actions), a_centring)
    return Scales(x_mean, x_scale, a_mean, a_scale, x_centring, a_centring)


def generator_for(seed: int, step: int, device: torch.device) -> torch.Generator:
    """The source of the noise of one step."""
    # mixed, so that neighbouring steps get seeds far apart
    word = (seed * 0x9E3779B97F4A7C15 + step * 0xD1342543DE82EF95 + 0x632BE59BD9B4E019) & _WORD
    mixed = int(mix64(np.array([word], dtype=np.uint64))[0])
    return torch.Generator(device).manual_seed(mixed >> 1)


def _moments(values: NDArray[Any], centring: Centring | None) -> tuple[Tensor, Tensor]:
    total, squares = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    # about the first row, so that the difference of squares keeps its digits
    origin = centred(values[0], centring).astype(float)
    for start in range(0, len(values), _CHUNK):
        part = centred(values[start : start + _CHUNK], centring) - origin
        total += part.sum(0)
        squares += (part**2).sum(0)
    mean = total / len(values)
    scale = np.sqrt(np.maximum(squares / len(values) - mean**2, 0))
    scale[scale == 0] = 1
    return torch.from_numpy(mean + origin).float(), torch.from_numpy(scale).float()
