"""The base class of all models that encode observations as latents, and the record of their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

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
    """Rows of the data, in the user's units apart from the model's centring.

    Attributes:
        observations: Observations, shape (B, T, d_x).
        actions: Actions, shape (B, m), or None.
        latents: True latents, shape (B, T, d_z), if requested.
        covariates: Covariates, shape (B, d_c), or None.
    """

    observations: Tensor
    actions: Tensor | None
    latents: Tensor | None = None
    covariates: Tensor | None = None


@dataclass(frozen=True)
class Shape:
    """The sizes of a model.

    Attributes:
        n_observed: Number of observed dimensions d_x.
        n_latents: Number of latents n.
        n_actions: Number of actions m; 0 without actions.
        past: Whether there is a previous time step.
        n_covariates: Number of covariates d_c; 0 without covariates.
    """

    n_observed: int
    n_latents: int
    n_actions: int
    past: bool
    n_covariates: int = 0

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the transition: past latents, if there is a past, and actions."""
        return self.n_actions + (self.n_latents if self.past else 0)

    @classmethod
    def of(cls, dataset: Dataset, n_latents: int | Literal["auto"] | None = None) -> Shape:
        """Return the sizes of a model of the given data.

        Args:
            dataset: Data with observations of shape (N, T, d_x); there is a past if T > 1.
            n_latents: Number of latents of the model; None for the dataset's number.

        Raises:
            ConfigError: If neither the argument nor the dataset gives the number of latents, or if it is still to be
                found (``"auto"``).

        Example:
            >>> from estimation.simulate.sampling import simulate
            >>> Shape.of(simulate("TimeDiag", 10))
            Shape(n_observed=20, n_latents=10, n_actions=0, past=True, n_covariates=0)
        """
        n = dataset.n_latents if n_latents is None else n_latents
        if n is None:
            raise ConfigError(
                "n_latents is not set, and the data don't contain the true number; set it in the configuration, or "
                "n_latents='auto' for the sparse VAE to find it"
            )
        if n == "auto":
            raise ConfigError(
                "n_latents is 'auto', and networks that are built before training need a number; set it"
            )
        return cls(
            dataset.n_observed, n, dataset.n_actions, dataset.n_steps > 1, n_covariates=dataset.n_covariates
        )


def as_tensor(values: NDArray[Any]) -> Tensor:
    """Return an array as a tensor that shares its memory, or a copy where the array is read-only or not contiguous.

    Example:
        >>> as_tensor(np.broadcast_to(np.float32(1), 2))
        tensor([1., 1.])
    """
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))


class Representation(nn.Module):
    """The base class of models: maps observations to latents and stores how observations and actions are standardised.

    Callers that build tensors from data apply the model's centring first, in double precision.

    Args:
        shape: Sizes of the model.
        of_images: Whether the observations are pixels.

    Attributes:
        has_bound: Whether the model has an ELBO, which `bound` computes.
    """

    x_mean: Tensor
    x_scale: Tensor
    a_mean: Tensor
    a_scale: Tensor
    c_mean: Tensor
    c_scale: Tensor
    x_centring: Centring | None
    a_centring: Centring | None

    has_bound: ClassVar[bool] = False

    def __init__(self, shape: Shape, of_images: bool = False) -> None:
        super().__init__()
        self.shape, self.of_images = shape, of_images
        self.x_centring, self.a_centring = None, None
        for name, size in (("x", shape.n_observed), ("a", shape.n_actions)):
            self.register_buffer(f"{name}_mean", torch.zeros(size, **CPU_FLOAT32))
            self.register_buffer(f"{name}_scale", torch.ones(size, **CPU_FLOAT32))
        if shape.n_covariates:
            # only then, so that other models have the tensors of earlier versions
            self.register_buffer("c_mean", torch.zeros(shape.n_covariates, **CPU_FLOAT32))
            self.register_buffer("c_scale", torch.ones(shape.n_covariates, **CPU_FLOAT32))

    def set_scales_(self, x_mean: Tensor, x_scale: Tensor, a_mean: Tensor, a_scale: Tensor) -> None:
        """Set the means and scales that standardise observations and actions, in place.

        Pixels get one common scale, because individual scales would amplify pixels that hardly vary.

        Args:
            x_mean: Means of the observations, shape (d_x,).
            x_scale: Scales of the observations, shape (d_x,); 1 for a dimension that never varies.
            a_mean: Means of the actions, shape (m,).
            a_scale: Scales of the actions, shape (m,).
        """
        if self.of_images:
            # a constant pixel has a scale of 1, which carries no information about the others
            varying = x_scale[x_scale != 1]
            pooled = varying.square().mean().sqrt() if varying.numel() else x_scale.new_ones(())
            x_scale = pooled.expand_as(x_scale)
        scales = (("x_mean", x_mean), ("x_scale", x_scale), ("a_mean", a_mean), ("a_scale", a_scale))
        for name, value in scales:
            getattr(self, name).copy_(value)

    def standardise(self, observations: Tensor) -> Tensor:
        """Return observations (..., d_x) with zero mean and unit scale, the input of the networks."""
        return (observations - self.x_mean) / self.x_scale

    def set_covariate_scales_(self, mean: Tensor, scale: Tensor) -> None:
        """Set the means and scales that standardise covariates, both of shape (d_c,), in place."""
        self.c_mean.copy_(mean)
        self.c_scale.copy_(scale)

    def inputs(self, observations: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Return the inputs of the encoder: standardised observations, and behind them standardised covariates.

        Args:
            observations: Observations, shape (B, ..., d_x).
            covariates: Covariates, shape (B, d_c), which are the same for all steps of a row; None for their averages,
                or for a model without.

        Returns:
            Inputs, shape (B, ..., d_x + d_c).
        """
        x = self.standardise(observations)
        if not self.shape.n_covariates:
            return x
        c = self.c_mean.new_zeros(1, self.shape.n_covariates)
        if covariates is not None:
            c = (covariates - self.c_mean) / self.c_scale
        c = c.view(len(c), *[1] * (x.ndim - 2), -1)
        return torch.cat([x, c.expand(*x.shape[:-1], c.shape[-1])], dim=-1)

    def observed(self, inputs: Tensor) -> Tensor:
        """Return the observations among inputs (..., d_x + d_c), shape (..., d_x)."""
        return inputs[..., : self.shape.n_observed] if self.shape.n_covariates else inputs

    def covariates(self, inputs: Tensor) -> Tensor | None:
        """Return the covariates among inputs (..., d_x + d_c), shape (..., d_c); None for a model without."""
        return inputs[..., self.shape.n_observed :] if self.shape.n_covariates else None

    def mean_latents(self, inputs: Tensor) -> Tensor:
        """Encode ``inputs`` (B, d_x + d_c) as latents, shape (B, n)."""
        raise NotImplementedError

    def mean_observations(self, latents: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Decode latents (B, n) to standardised observations, shape (B, d_x).

        Args:
            latents: Latents.
            covariates: Standardised covariates, shape (B, d_c); None for their averages.

        Raises:
            DataError: If the model has no decoder.
        """
        raise DataError("this model has no decoder; it only encodes")

    def observation_jacobian(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Decode latents and compute the Jacobian of the decoder.

        Args:
            latents: Latents, shape (B, n).

        Returns:
            Standardised observations, shape (B, d_x), and Jacobians, shape (B, d_x, n).

        Raises:
            DataError: If the model has no decoder.
            NotDifferentiableError: If torch can't differentiate the decoder.
        """
        return batch_jacobian(self.mean_observations, latents)

    def bound(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return reconstruction and divergence, whose sum is the negative ELBO per observed dimension.

        Args:
            batch: Rows of the data.
            generator: Random generator of the posterior samples, one sample per posterior.
        """
        raise NotImplementedError(f"{type(self).__name__} has no ELBO")

    @property
    def has_decoder(self) -> bool:
        """Whether the model has a decoder."""
        return True

    @property
    def edges(self) -> dict[str, EdgeMasks]:
        """The non-empty masks by the kind of their columns, ``"past"`` or ``"actions"``; none without a graph."""
        return {}
