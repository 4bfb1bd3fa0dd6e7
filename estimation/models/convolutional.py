"""A convolutional encoder and decoder for small images, to be passed to ``fit``.

::

    fit(dataset, config, encoder=ConvEncoder(dataset.observation_shape, n),
                         decoder=ConvDecoder(n, dataset.observation_shape))

With d_c covariates, the encoder gets them behind the pixels, ``ConvEncoder(shape, n, n_covariates=d_c)``, and the
decoder behind the latents, as further inputs of its hidden layer: ``ConvDecoder(n + d_c, shape)``.

Both networks take and return the flattened rows that a `Dataset` holds; the model standardises them. Every level of
the encoder halves the image and every level of the decoder doubles it. The number of levels leaves a grid whose longer
side has four cells. Odd sides are rounded up by the encoder, and the decoder crops its output to the image.

The weights are drawn from the given seed; the global random state of torch is never touched.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from estimation.device import CPU_FLOAT32
from estimation.exceptions import ConfigError
from estimation.models.networks import (
    MLP,
    NEGATIVE_SLOPE,
    WithLinearInput,
    WithLinearOutput,
    leaky_relu_tangents,
)
from identify.wording import plural

__all__ = ["ConvDecoder", "ConvEncoder", "describe", "rebuild"]

_MIN_SIDE = 8
# largest side of the grid after the last level of the encoder, in cells
_GRID_SIDE = 4
# hidden units between the grid and the latents, per unit of width
_HIDDEN_PER_WIDTH = 8
# side of the downsampled image that the linear skip connection of the encoder reads
_COARSE_SIDE = 8


class ConvEncoder(nn.Module):
    """Convolutional encoder: strided convolutions and a hidden layer, plus a linear skip connection.

    The skip connection reads the image downsampled to 8 x 8. The position of a bright spot is linear in the pixels,
    and gradient descent fits the linear map long before the convolutions. On images of two balls, training separated
    the balls after 40 s with 1 % of the variance unexplained, against 19 % without the skip connection.

    Args:
        image_shape: Channels, height and width (C, H, W); height and width are 8 pixels or more.
        n_latents: Number of latents n.
        seed: Seed of the weights.
        width: Number of channels of the first level; later levels have twice as many. The running time grows with its
            square.
        n_covariates: Number of covariates d_c behind the pixels. They enter the hidden layer and the skip connection.

    Raises:
        ConfigError: If the shape is not (C, H, W), or if an argument is not a whole number or too small.

    Example:
        >>> encoder = ConvEncoder((3, 32, 32), n_latents=4)
        >>> encoder(torch.zeros(5, 3 * 32 * 32)).shape
        torch.Size([5, 4])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        n_latents: int,
        seed: int = 0,
        width: int = 16,
        n_covariates: int = 0,
    ) -> None:
        super().__init__()
        self.image_shape = _checked_shape(image_shape)
        self.options = _options(self.image_shape, n_latents, seed, width)
        if not _is_integer(n_covariates) or n_covariates < 0:
            raise ConfigError(f"n_covariates is {n_covariates!r}; it must be a whole number, 0 or more")
        if n_covariates:
            self.options["n_covariates"] = n_covariates
        self.n_covariates = n_covariates
        generator = torch.Generator().manual_seed(seed)
        channels = [self.image_shape[0], *_channels(self.image_shape, width)]
        self.levels = nn.ModuleList(
            _random_layer(nn.Conv2d, n_in, n_out, 3, generator)
            for n_in, n_out in itertools.pairwise(channels)
        )
        n_features = channels[-1] * math.prod(_grid_shape(self.image_shape)) + n_covariates
        self.head = MLP(n_features, n_latents, _HIDDEN_PER_WIDTH * width, 1, generator, skip=False)
        n_linear = self.image_shape[0] * _COARSE_SIDE**2 + n_covariates
        self.linear = MLP(n_linear, n_latents, 1, 0, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Map flattened images with covariates behind them, (B, C * H * W + d_c), to latents (B, n)."""
        n_pixels = math.prod(self.image_shape)
        if images.shape[1] != n_pixels + self.n_covariates:
            raise RuntimeError(
                f"it was built for {plural(n_pixels, 'pixel')} and {plural(self.n_covariates, 'covariate')}, and there "
                f"are {images.shape[1]} inputs; n_covariates sets the number of covariates"
            )
        covariates = images[:, n_pixels:]
        hidden = images[:, :n_pixels].reshape(-1, *self.image_shape)
        coarse = nn.functional.adaptive_avg_pool2d(hidden, _COARSE_SIDE)
        for level in self.levels:
            hidden = nn.functional.leaky_relu_(level(hidden), NEGATIVE_SLOPE)
        features, linear_features = (
            torch.cat([each.flatten(1), covariates], dim=1) if self.n_covariates else each.flatten(1)
            for each in (hidden, coarse)
        )
        latents: Tensor = self.head(features) + self.linear(linear_features)
        return latents


class ConvDecoder(nn.Module):
    """Convolutional decoder: a hidden layer, then transposed convolutions.

    Args:
        n_latents: Number of inputs: that of latents n, and of covariates.
        image_shape: Channels, height and width (C, H, W); height and width are 8 pixels or more.
        seed: Seed of the weights.
        width: Number of channels before the last level; earlier levels have twice as many. The running time grows
            with its square.

    Raises:
        ConfigError: If the shape is not (C, H, W), or if an argument is not a whole number or too small.

    Example:
        >>> decoder = ConvDecoder(4, (1, 28, 28))
        >>> decoder(torch.zeros(5, 4)).shape
        torch.Size([5, 784])
    """

    def __init__(self, n_latents: int, image_shape: Sequence[int], seed: int = 0, width: int = 16) -> None:
        super().__init__()
        self.image_shape = _checked_shape(image_shape)
        self.options = _options(self.image_shape, n_latents, seed, width)
        generator = torch.Generator().manual_seed(seed)
        channels = [*_channels(self.image_shape, width)[::-1], self.image_shape[0]]
        self.grid_shape = (channels[0], *_grid_shape(self.image_shape))
        n_features = math.prod(self.grid_shape)
        self.head = MLP(n_latents, n_features, _HIDDEN_PER_WIDTH * width, 1, generator, skip=False)
        self.levels = nn.ModuleList(
            _random_layer(nn.ConvTranspose2d, n_in, n_out, 4, generator)
            for n_in, n_out in itertools.pairwise(channels)
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (B, n) to flattened images (B, C * H * W)."""
        n_inputs = self.options["n_latents"]
        if latents.shape[1] != n_inputs:
            raise RuntimeError(
                f"it was built for {plural(n_inputs, 'latent')}, covariates included, and there are {latents.shape[1]}"
            )
        hidden: Tensor = self.head(latents).reshape(-1, *self.grid_shape)
        for level in self.levels:
            hidden = level(nn.functional.leaky_relu_(hidden, NEGATIVE_SLOPE))
        _, height, width = self.image_shape
        image: Tensor = hidden[..., :height, :width]
        return image.flatten(1)

    def pushforward(self, latents: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
        """Push tangents forward through the network; see `estimation.models.networks.MLP.pushforward`."""
        hidden, hidden_tangents = self.head.pushforward(latents, tangents)
        hidden = hidden.reshape(-1, *self.grid_shape)
        hidden_tangents = hidden_tangents.reshape(-1, *self.grid_shape)
        for level in self.levels:
            assert isinstance(level, nn.ConvTranspose2d)
            active = nn.functional.leaky_relu_(hidden, NEGATIVE_SLOPE)
            hidden = level(active)
            active_tangents = leaky_relu_tangents(hidden_tangents.view(-1, *active.shape), active)
            hidden_tangents = nn.functional.conv_transpose2d(
                active_tangents.flatten(0, 1), level.weight, None, stride=2, padding=1
            )
        _, height, width = self.image_shape
        image = hidden[..., :height, :width].flatten(1)
        image_tangents = hidden_tangents[..., :height, :width].flatten(1)
        return image, image_tangents.view(-1, *image.shape)


_NETWORKS = {"ConvEncoder": ConvEncoder, "ConvDecoder": ConvDecoder}


def describe(network: nn.Module) -> dict[str, Any] | None:
    """Return the JSON-ready description from which `rebuild` builds a network of this module; else None.

    Args:
        network: The network, with or without the linear layer that a model adds to it.

    Example:
        >>> description = describe(ConvEncoder((1, 8, 8), 2))
        >>> description
        {'name': 'ConvEncoder', 'options': {'image_shape': [1, 8, 8], 'n_latents': 2, 'seed': 0, 'width': 16}}
        >>> describe(rebuild(description)) == description
        True
    """
    inner = network.network if isinstance(network, WithLinearInput | WithLinearOutput) else network
    # a subclass may need other arguments
    if isinstance(inner, ConvEncoder | ConvDecoder) and type(inner) in _NETWORKS.values():
        return {"name": type(inner).__name__, "options": dict(inner.options)}
    return None


def rebuild(description: Mapping[str, Any] | None) -> nn.Module | None:
    """Build the network of a description by `describe`, with its initial weights; None for None.

    Raises:
        ConfigError: If this release has no network of that description.
    """
    if description is None:
        return None
    try:
        network: nn.Module = _NETWORKS[description["name"]](**description["options"])
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{description!r} describes no network of this release") from error
    return network


def _random_layer(
    kind: type[nn.Conv2d | nn.ConvTranspose2d],
    n_in: int,
    n_out: int,
    kernel_size: int,
    generator: torch.Generator,
) -> nn.Module:
    # skip_init, since the default initialisation would draw from the global generator
    layer: Any = skip_init(kind, n_in, n_out, kernel_size, stride=2, padding=1, **CPU_FLOAT32)  # type: ignore[no-untyped-call]
    # keeps the variance of the signal; with stride 2 a transposed convolution sums over every second weight per axis
    fan_in = n_in * kernel_size**2 if kind is nn.Conv2d else n_in * (kernel_size / 2) ** 2
    nn.init.normal_(layer.weight, std=math.sqrt(2 / (1 + NEGATIVE_SLOPE**2) / fan_in), generator=generator)
    nn.init.zeros_(layer.bias)
    module: nn.Module = layer
    return module


def _n_levels(image_shape: tuple[int, int, int]) -> int:
    return math.ceil(math.log2(max(image_shape[1:]) / _GRID_SIDE))


def _grid_shape(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return the rows and columns of the grid after the last level of the encoder."""
    scale: int = 2 ** _n_levels(image_shape)
    return -(-image_shape[1] // scale), -(-image_shape[2] // scale)


def _channels(image_shape: tuple[int, int, int], width: int) -> list[int]:
    return [width, *[2 * width] * (_n_levels(image_shape) - 1)]


def _options(image_shape: tuple[int, int, int], n_latents: int, seed: int, width: int) -> dict[str, Any]:
    for name, value, minimum in (("n_latents", n_latents, 1), ("width", width, 1), ("seed", seed, 0)):
        if not _is_integer(value) or value < minimum:
            raise ConfigError(f"{name} is {value!r}; it must be a whole number, {minimum} or more")
    return {"image_shape": list(image_shape), "n_latents": n_latents, "seed": seed, "width": width}


def _checked_shape(image_shape: Sequence[int]) -> tuple[int, int, int]:
    sizes = tuple(image_shape) if isinstance(image_shape, Sequence) else (image_shape,)
    if len(sizes) != 3 or not all(_is_integer(size) and size >= 1 for size in sizes):
        raise ConfigError(
            f"image_shape is {image_shape!r}; it must be (channels, height, width), for example (3, 32, 32)"
        )
    channels, height, width = sizes
    if min(height, width) < _MIN_SIDE:
        raise ConfigError(
            f"images of {height} x {width} are too small for convolutions; give {_MIN_SIDE} x {_MIN_SIDE} or more, "
            "or leave out the networks to train an MLP"
        )
    return channels, height, width


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
