"""What every model has in common that turns observations into latents, and perhaps back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from estimation.dataset.centring import Centring
from estimation.device import CPU_FLOAT32
from estimation.exceptions import ConfigError, DataError
from estimation.models.jacobian import batch_jacobian

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.models.masks import EdgeMasks

__all__ = ["Batch", "Representation", "Shape", "as_tensor"]


@dataclass(frozen=True)
class Batch:
    """Observations (B, T, d_x), actions (B, m) or None, true latents (B, T, d_z) if asked for.

    In the user's units, but for the centring of the model.
    """

    observations: Tensor
    actions: Tensor | None
    latents: Tensor | None = None


@dataclass(frozen=True)
class Shape:
    """The sizes of a model.

    Attributes:
        n_observed: d_x.
        n_latents: n.
        n_actions: m, 0 without actions.
        past: whether there is a previous time step.
    """

    n_observed: int
    n_latents: int
    n_actions: int
    past: bool

    @classmethod
    def of(cls, dataset: Dataset, n_latents: int | None = None) -> Shape:
        """The sizes of the model for these data.

        Args:
            dataset: observations of shape (N, T, d_x); a past where T is more than 1.
            n_latents: of the model; None takes the dataset's.

        Raises:
            ConfigError: nobody says how many latents.

        Example:
            >>> from estimation.simulate.sampling import simulate
            >>> Shape.of(simulate("TimeDiag", 10))
            Shape(n_observed=20, n_latents=10, n_actions=0, past=True)
        """
        count = dataset.n_latents if n_latents is None else n_latents
        if count is None:
            raise ConfigError(
                "n_latents is not set, and the data don't know the true number; set it in the configuration"
            )
        return cls(dataset.n_observed, count, dataset.n_actions, past=dataset.n_steps > 1)


def as_tensor(values: NDArray[Any]) -> Tensor:
    """An array as a tensor; a copy only where torch can't share it (torch warns of arrays that can't be written to).

    Example:
        >>> as_tensor(np.broadcast_to(np.float32(1), 2))
        tensor([1., 1.])
    """
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))


class Representation(nn.Module):
    """Observations in, latents out; the scales that standardise observations and actions belong to it.

    Where there is a centring, whoever makes tensors of data applies it first, in double precision.

    Args:
        shape: the sizes.
        of_images: whether observations are pixels.
    """

    x_mean: Tensor
    x_scale: Tensor
    a_mean: Tensor
    a_scale: Tensor
    x_centring: Centring | None
    a_centring: Centring | None

    def __init__(self, shape: Shape, of_images: bool = False) -> None:
        super().__init__()
        self.shape, self.of_images = shape, of_images
        self.x_centring, self.a_centring = None, None
        for name, size in (("x", shape.n_observed), ("a", shape.n_actions)):
            self.register_buffer(f"{name}_mean", torch.zeros(size, **CPU_FLOAT32))
            self.register_buffer(f"{name}_scale", torch.ones(size, **CPU_FLOAT32))

    def set_scales_(self, x_mean: Tensor, x_scale: Tensor, a_mean: Tensor, a_scale: Tensor) -> None:
        """Set what standardises observations, shape (d_x,), and actions, shape (m,).

        A decoder with an ``image_shape`` draws images, whose pixels get one scale: one that hardly varies would be
        blown up otherwise.
        """
        if self.of_images:
            # the scale of a pixel that never varies is set to 1, which says nothing of the others
            varying = x_scale[x_scale != 1]
            pooled = varying.square().mean().sqrt() if varying.numel() else x_scale.new_ones(())
            x_scale = pooled.expand_as(x_scale)
        scales = (("x_mean", x_mean), ("x_scale", x_scale), ("a_mean", a_mean), ("a_scale", a_scale))
        for name, value in scales:
            getattr(self, name).copy_(value)

    def standardise(self, observations: Tensor) -> Tensor:
        """Observations (..., d_x) with mean zero and unit scale, as the networks know them."""
        return (observations - self.x_mean) / self.x_scale

    def mean_latents(self, standardised: Tensor) -> Tensor:
        """The latents, shape (B, n), of standardised observations (B, d_x)."""
        raise NotImplementedError

    def mean_observations(self, latents: Tensor) -> Tensor:
        """Standardised observations, shape (B, d_x), of latents (B, n).

        Raises:
            DataError: the model has no decoder.
        """
        raise DataError("this model has no decoder; it only encodes")

    def observation_jacobian(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised observations (B, d_x) of latents (B, n), and their Jacobians, shape (B, d_x, n).

        Raises:
            DataError: the model has no decoder.
            NotDifferentiableError: the decoder can't be differentiated.
        """
        return batch_jacobian(self.mean_observations, latents)

    def bound(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Reconstruction and divergence, whose sum is the negative ELBO per observed dimension.

        Args:
            batch: rows of data.
            generator: draws one sample of every posterior.
        """
        raise NotImplementedError

    @property
    def has_bound(self) -> bool:
        """Whether there is an ELBO."""
        return self.has_decoder

    @property
    def has_decoder(self) -> bool:
        """Whether it has a decoder."""
        return True

    @property
    def edges(self) -> dict[str, EdgeMasks]:
        """The masks that have any entry, by what their columns are: ``"past"``, ``"actions"``; none without a graph."""
        return {}
