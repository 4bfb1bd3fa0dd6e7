"""True decoders of simulations: injective maps from latents to observations, differentiable in torch.

Their parameters are sampled with a ``numpy.random.Generator``, so that a seed gives the same decoder on every machine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from estimation.exceptions import ConfigError

__all__ = ["Balls", "LeakyMLP", "Polynomial", "Standardised", "decode_in_chunks"]

_SLOPE = 0.2
_CHUNK = 65_536


class LeakyMLP(nn.Module):
    """A random injective network: linear maps without bias with a leaky ReLU (slope 0.2) between them.

    Each matrix has orthonormal rows or columns, scaled by sqrt(2 / 1.04) sqrt(2 / (inputs + outputs)): the decoder
    of the published experiments (Lachapelle et al., "Nonparametric Partial Disentanglement via Mechanism Sparsity",
    the appendix on synthetic data). It is injective because no layer is narrower than the one before.

    Args:
        widths: Sizes of the layers, latents first; no layer is narrower than the one before.
        generator: Random generator that samples the matrices, in order.

    Raises:
        ConfigError: If there are fewer than two widths, or a layer is narrower than the one before.

    Example:
        >>> decoder = LeakyMLP([3, 6, 6], np.random.default_rng(0))
        >>> decoder(torch.zeros(5, 3)).shape
        torch.Size([5, 6])
    """

    def __init__(self, widths: Sequence[int], generator: np.random.Generator) -> None:
        super().__init__()
        sizes = [int(width) for width in widths]
        if len(sizes) < 2 or min(sizes) < 1 or any(b < a for a, b in itertools.pairwise(sizes)):
            raise ConfigError(f"widths of a decoder are {sizes}; give two or more, none below the one before")
        matrices = [_scaled_orthogonal(a, b, generator) for a, b in itertools.pairwise(sizes)]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.from_numpy(matrix.astype(np.float32)), requires_grad=False)
            for matrix in matrices
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Decode latents of shape (..., d_z) to observations of shape (..., d_x)."""
        hidden = latents
        last = len(self.weights) - 1
        for k, weight in enumerate(self.weights):
            hidden = hidden @ weight
            if k < last:
                hidden = nn.functional.leaky_relu(hidden, _SLOPE)
        return hidden


class Polynomial(nn.Module):
    """A random injective polynomial of degree 3: x = W (h + h^3 / 6) + U q(h), with h = Q z.

    Q is orthogonal; W and U have orthonormal columns, those of U orthogonal to those of W; q(h) holds products of
    two entries of h. W^T x recovers h + h^3 / 6, which increases in every entry, so the map is injective.

    Args:
        n_latents: Number of latents d_z.
        n_observed: Number of observed dimensions d_x, at least d_z. With d_x = d_z there are no products.
        generator: Random generator that samples the matrices.

    Raises:
        ConfigError: If there are fewer observed than latent dimensions.

    Example:
        >>> decoder = Polynomial(3, 6, np.random.default_rng(0))
        >>> decoder(torch.zeros(5, 3)).shape
        torch.Size([5, 6])
    """

    def __init__(self, n_latents: int, n_observed: int, generator: np.random.Generator) -> None:
        super().__init__()
        if not 1 <= n_latents <= n_observed:
            raise ConfigError(
                f"a polynomial from {n_latents} latents to {n_observed} observed is not injective; "
                "observe at least as many dimensions as there are latents"
            )
        rotation = np.linalg.qr(generator.normal(size=(n_latents, n_latents)))[0]
        frame = np.linalg.qr(generator.normal(size=(n_observed, n_observed)))[0]
        n_products = n_observed - n_latents
        self.first = generator.integers(0, n_latents, n_products)
        self.second = generator.integers(0, n_latents, n_products)
        self.rotation = _constant(rotation)
        self.cubic = _constant(frame[:, :n_latents])
        self.products = _constant(frame[:, n_latents:] / 2)

    def forward(self, latents: Tensor) -> Tensor:
        """Decode latents of shape (..., d_z) to observations of shape (..., d_x)."""
        hidden = latents @ self.rotation.T
        products = hidden[..., self.first] * hidden[..., self.second]
        return (hidden + hidden**3 / 6) @ self.cubic.T + products @ self.products.T


class Balls(nn.Module):
    """A few coloured balls on a small image: latents 2k and 2k + 1 are the position of ball k.

    Positions from -2 to 2 span the image; a squashing function keeps every ball inside. A ball is a Gaussian bump,
    which makes the image differentiable in the positions; overlapping balls add up. Their colours differ, so that the
    map is injective.

    Args:
        n_latents: Number of latents: even, two for each ball.
        size: Height and width of the image in pixels.
        radius: Standard deviation of a ball, as a fraction of the image.

    Raises:
        ConfigError: If the number of latents is odd, or the size is below 8.

    Example:
        >>> Balls(4)(torch.zeros(5, 4)).shape
        torch.Size([5, 3072])
    """

    def __init__(self, n_latents: int, size: int = 32, radius: float = 0.07) -> None:
        super().__init__()
        if n_latents < 2 or n_latents % 2:
            raise ConfigError(
                f"balls have two coordinates each, but there are {n_latents} latents; give an even number"
            )
        if size < 8:
            raise ConfigError(f"an image of {size} pixels is too small for balls; give at least 8")
        self.size = size
        self.radius = radius
        self.colours = _constant(_colours(n_latents // 2))
        self.axis = _constant((np.arange(size) + 0.5) / size)

    @property
    def observation_shape(self) -> tuple[int, int, int]:
        """Shape (channels, height, width)."""
        return (3, self.size, self.size)

    def forward(self, latents: Tensor) -> Tensor:
        """Draw latents of shape (..., 2 k) as flattened images of shape (..., 3 * size * size)."""
        # latents from -2 to 2 map to 0.1 to 0.9 of the image, almost linearly
        centres = 0.5 + 0.4 * torch.tanh(latents / 2) / math.tanh(1)
        centres = centres.clamp(-0.2, 1.2)
        centres = centres.reshape(*centres.shape[:-1], -1, 2)
        horizontal, vertical = (self._bump(centres[..., k]) for k in (0, 1))
        image = torch.einsum("...kh,...kw,kc->...chw", vertical, horizontal, self.colours)
        return image.flatten(-3)

    def _bump(self, centre: Tensor) -> Tensor:
        return torch.exp(-0.5 * ((self.axis - centre[..., None]) / self.radius) ** 2)


class Standardised(nn.Module):
    """A decoder whose outputs are standardised: minus a mean, divided by a scale, for each observed dimension.

    Args:
        decoder: Decoder to standardise.
        mean: Shape (d_x,).
        scale: Shape (d_x,), positive.
    """

    def __init__(self, decoder: nn.Module, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
        super().__init__()
        self.decoder = decoder
        self.mean = _constant(mean)
        self.scale = _constant(scale)

    def forward(self, latents: Tensor) -> Tensor:
        """Decode latents of shape (..., d_z) to standardised observations of shape (..., d_x)."""
        observations: Tensor = (self.decoder(latents) - self.mean) / self.scale
        return observations


def decode_in_chunks(decoder: nn.Module, latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decode an array of latents in chunks, so that no large intermediate result is in memory.

    Args:
        decoder: Map on tensors of shape (..., d_z).
        latents: Shape (N, T, d_z).

    Returns:
        Observations, shape (N, T, d_x), float32.
    """
    with torch.no_grad():
        chunks = [
            decoder(torch.from_numpy(latents[start : start + _CHUNK])).numpy()
            for start in range(0, len(latents), _CHUNK)
        ]
    return np.concatenate(chunks)


def _scaled_orthogonal(inputs: int, outputs: int, generator: np.random.Generator) -> NDArray[np.float64]:
    matrix = np.linalg.qr(generator.normal(size=(inputs, outputs)).T)[0].T
    return np.asarray(matrix * math.sqrt(2 / (1 + _SLOPE**2)) * math.sqrt(2 / (inputs + outputs)))


def _constant(values: NDArray[np.floating]) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.asarray(values, dtype=np.float32)), requires_grad=False)


def _colours(count: int) -> NDArray[np.float64]:
    import colorsys

    # equally spaced hues of alternating brightness, so that adjacent colours differ
    return np.array([colorsys.hsv_to_rgb(k / count, 0.9, 1.0 if k % 2 == 0 else 0.6) for k in range(count)])
