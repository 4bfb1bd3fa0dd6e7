"""Strengths from Jacobians: through the true decoder, or through a second model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from estimation.dataset.centring import Centring
from estimation.device import CPU_FLOAT32, out_of_memory
from estimation.exceptions import DataError, NotDifferentiableError
from estimation.learned.points import Points, standard_deviations
from estimation.models.jacobian import batch_jacobian
from estimation.models.representation import as_tensor
from identify.exceptions import one_line

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["between_models", "from_decoders"]

Array = NDArray[np.float64]

# points per neighbourhood: the point itself and those around it
_N_NEIGHBOURS = 6
# numbers per chunk of Jacobians
_CHUNK_NUMBERS = 2_000_000

# from latents (B, n) to observations (B, d) and their Jacobians (B, d, n)
_Decoder = Callable[[Tensor], tuple[Tensor, Tensor]]


def from_decoders(model: TrainedModel, points: Points, smoothing: float, seed: int) -> Array:
    """Measure the strengths of the learned latents in the true ones, through the true decoder.

    Args:
        model: Trained model with a decoder.
        points: Points with true latents and the true decoder.
        smoothing: Distance of neighbours, in standard deviations.
        seed: Seed of the neighbours.

    Returns:
        Strengths, shape (n, n_learned).

    Raises:
        DataError: If torch can't differentiate a decoder, or if the true decoder doesn't fit the model.
    """
    assert points.latents is not None
    assert points.decoder is not None
    decoder, conversion = _tensor_decoder(points.decoder), _Conversion(None, None, model.model.x_centring)
    encoded = model.encode(points.observations, points.covariates_of(model))
    latents = torch.from_numpy(points.latents).to(_dtype_and_device(points.decoder))

    def decode(z: Tensor) -> tuple[Tensor, Tensor]:
        return conversion.apply(*batch_jacobian(decoder, z))

    derivatives = _entanglement_derivative(model, decode, "true decoder", latents, smoothing, seed)
    return _in_standard_deviations(derivatives, points.latents, encoded)


def between_models(
    model: TrainedModel,
    other: TrainedModel,
    points: Points,
    columns: list[int] | None,
    smoothing: float,
    seed: int,
) -> Array:
    """Measure the strengths of the other model's latents in the first model's.

    Args:
        model: First model.
        other: Other model.
        points: Points with the observed columns of the first model.
        columns: Positions of the other model's observed columns among those of the first; None if they are the same.
        smoothing: Distance of neighbours, in standard deviations.
        seed: Seed of the neighbours.

    Returns:
        Strengths, shape (n, n_other).

    Raises:
        DataError: If torch can't differentiate a decoder.
    """
    selection = slice(None) if columns is None else columns
    encoded = model.encode(points.observations, points.covariates_of(model))
    encoded_by_other = other.encode(points.observations[:, selection], points.covariates_of(other))
    network, conversion = model.model, _Conversion(model.model.x_centring, columns, other.model.x_centring)

    def decode(z: Tensor) -> tuple[Tensor, Tensor]:
        x, jacobian = network.observation_jacobian(z)
        return conversion.apply(x * network.x_scale + network.x_mean, jacobian * network.x_scale[:, None])

    latents = torch.from_numpy(encoded).to(network.x_mean)
    derivatives = _entanglement_derivative(other, decode, "first model", latents, smoothing, seed)
    return _in_standard_deviations(derivatives, encoded, encoded_by_other)


@dataclass(frozen=True)
class _Conversion:
    """The conversion from the observations of one model to those of another.

    Attributes:
        source: Centring of the first model.
        columns: Observed columns of the other model; None for all.
        target: Centring of the other model.
    """

    source: Centring | None
    columns: list[int] | None
    target: Centring | None

    def apply(self, x: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """Convert observations (B, d) and their Jacobians (B, d, n) to those of the other model."""
        if self.columns is not None:
            x, jacobian = x[:, self.columns], jacobian[:, self.columns]
        if self.source is None and self.target is None:
            return x, jacobian
        identity = Centring(np.zeros(x.shape[1]), np.ones(x.shape[1]))
        source, target = self.source or identity, self.target or identity
        if self.source is not None and self.columns is not None:
            source = self.source.of_columns(self.columns)
        # in double precision, since the shifts may be two large numbers with a small difference
        values = x.double().cpu().numpy()
        if source.is_arcsinh or target.is_arcsinh:
            converted = target.apply(source.undo(values))
        else:
            offset = (source.shift - target.shift) / target.unit
            converted = values * (source.unit / target.unit) + offset
        ratio = np.broadcast_to(source.slope(values) / target.slope(converted), converted.shape)
        return as_tensor(converted).to(x), (jacobian.double() * as_tensor(ratio).to(x.device)[..., None]).to(
            jacobian
        )


def _entanglement_derivative(
    model: TrainedModel, decode: _Decoder, role: str, latents: Tensor, smoothing: float, seed: int
) -> Array:
    """Differentiate the latents of a decoder with respect to the latents of a model of the same observations.

    The images of both decoders are the same surface, so the derivative is the pseudoinverse of the decoder's Jacobian
    times the Jacobian of the model's decoder.

    Args:
        model: Model whose latents are the columns.
        decode: Decoder whose latents are the rows, in the units of the model's observations.
        role: Name of that decoder in error messages.
        latents: Latents of that decoder, shape (N, rows).
        smoothing: Distance of neighbours, in standard deviations.
        seed: Seed of the neighbours.

    Returns:
        Root mean products over neighbours, shape (rows, n_learned).
    """
    network = model.model

    def derivative_at(z: Tensor) -> Tensor:
        x, jacobian = _values_and_jacobian(decode, z, role)
        if x.shape[1] != network.shape.n_observed:
            raise DataError(
                f"the {role} gives {x.shape[1]} observed dimensions, the model has {network.shape.n_observed}"
            )
        # both decoders decode for average covariates
        encoded = network.mean_latents(network.inputs(x.to(network.x_mean)))
        _, learned = _values_and_jacobian(network.observation_jacobian, encoded, "decoder")
        scale = network.x_scale.double().cpu()[:, None]
        derivative: Tensor = torch.linalg.pinv(jacobian) @ (learned * scale)
        return derivative

    distance = standard_deviations(latents.double().cpu().numpy()) * smoothing
    numbers_per_point = network.shape.n_observed * (latents.shape[1] + network.shape.n_latents)
    chunk_rows = max(_CHUNK_NUMBERS // numbers_per_point, 1)
    return _neighbour_mean(derivative_at, torch.split(latents, chunk_rows), distance, seed)


@torch.no_grad()
def _neighbour_mean(
    derivative_at: Callable[[Tensor], Tensor], chunks: Sequence[Tensor], distance: Array, seed: int
) -> Array:
    """Return the root mean product of derivatives at pairs of neighbours, shape (rows, columns).

    A network of leaky ReLUs fits a smooth function by linear pieces, whose slopes scatter around those of the function.
    In a mean square the scatter adds up; in products of neighbours its mean is zero. For a model of ActionDiag whose
    latents correlate 0.998 with the true ones, pairs that don't mix got 0.16 on average (at most 0.27) from mean
    squares and 0.02 (0.05) from products; the matched pairs have 1.

    Args:
        derivative_at: Function from points (B, n) to derivatives (B, rows, columns).
        chunks: Points, each chunk of shape (B, n).
        distance: Standard deviation of the neighbours around a point, shape (n,); all zero for the root mean square.
        seed: Seed of the neighbours.
    """
    generator = torch.Generator().manual_seed(seed)
    n_neighbours = _N_NEIGHBOURS if distance.any() else 1
    total: Tensor | float = 0.0
    for chunk in chunks:
        sums: Tensor | float = 0.0
        squares: Tensor | float = 0.0
        for k in range(n_neighbours):
            normal = torch.randn(chunk.shape, generator=generator, dtype=torch.float64)
            noise = normal * torch.from_numpy(distance)
            derivative = derivative_at(chunk + noise.to(chunk) if k else chunk)
            sums, squares = sums + derivative, squares + derivative**2
        n_pairs = n_neighbours * (n_neighbours - 1)
        products = squares if n_neighbours == 1 else (sums**2 - squares) / n_pairs
        total = total + torch.as_tensor(products).sum(0)
    n_points = sum(len(chunk) for chunk in chunks)
    return np.asarray((torch.as_tensor(total) / n_points).clamp_min(0).sqrt().numpy())


def _values_and_jacobian(decode: _Decoder, points: Tensor, role: str) -> tuple[Tensor, Tensor]:
    """Return the values of a decoder, and its Jacobians, shape (B, outputs, inputs), float64 on the CPU."""
    try:
        values, jacobian = decode(points)
    except NotDifferentiableError as error:
        raise DataError(f"torch can't differentiate the {role} ({error}); use method='regression'") from error
    jacobian = jacobian.double().cpu()
    if not bool(torch.isfinite(jacobian).all()):
        raise DataError(f"the {role} has a derivative that is not finite; check the data for extreme latents")
    return values, jacobian


def _tensor_decoder(decoder: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a user-supplied decoder, which may be written for arrays, so that its errors on tensors are ours."""

    def decode(latents: Tensor) -> Any:
        try:
            return decoder(latents)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            if out_of_memory(error):
                raise
            raise NotDifferentiableError(one_line(error, 200)) from error

    return decode


def _dtype_and_device(decoder: Callable[..., Any]) -> Tensor:
    """Return a tensor with the dtype and device of a decoder."""
    if isinstance(decoder, nn.Module):
        tensors = (
            tensor for tensor in [*decoder.parameters(), *decoder.buffers()] if tensor.is_floating_point()
        )
        return next(tensors, torch.zeros(1, **CPU_FLOAT32))
    return torch.zeros(1, **CPU_FLOAT32)


def _in_standard_deviations(
    derivatives: Array, outputs: NDArray[np.floating], inputs: NDArray[np.floating]
) -> Array:
    """Return derivatives in units of the latents' standard deviations; 0 for an output that is constant."""
    output_scale = standard_deviations(outputs)[:, None]
    scaled = derivatives * standard_deviations(inputs)
    return np.divide(scaled, output_scale, out=np.zeros_like(scaled), where=output_scale > 0)
