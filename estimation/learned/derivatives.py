"""Strengths from derivatives: through the true decoder, or through a second model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from estimation.dataset.centring import Centring
from estimation.device import CPU_FLOAT32, out_of_memory
from estimation.exceptions import DataError, NotDifferentiableError
from estimation.learned.points import Points, spread
from estimation.models.jacobian import batch_jacobian
from identify.exceptions import one_line

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["between_models", "from_decoders"]

Array = NDArray[np.float64]

# a point and those around it
_NEIGHBOURS = 6
# numbers in one chunk of a Jacobian
_CHUNK = 2_000_000


def from_decoders(model: TrainedModel, points: Points, smoothing: float, seed: int) -> Array:
    assert points.latents is not None
    assert points.decoder is not None
    decoder, change = _tensors_only(points.decoder), _Change(None, None, model.model.x_centring)
    encoded = model.encode(points.observations)
    truth = torch.from_numpy(points.latents).to(_like(points.decoder))

    def drawn(latents: Tensor) -> tuple[Tensor, Tensor]:
        return change.apply(*batch_jacobian(decoder, latents))

    derivatives = _mixing(model, drawn, "true decoder", truth, smoothing, seed)
    return _scaled(derivatives, points.latents, encoded)


def between_models(
    model: TrainedModel,
    other: TrainedModel,
    points: Points,
    columns: list[int] | None,
    smoothing: float,
    seed: int,
) -> Array:
    """Strengths of the latents of the other model in those of the first, each in the order of its own columns.

    Args:
        model: the first model.
        other: the other one.
        points: with the observed columns of the first.
        columns: where those of the other stand among them; None when they are the same.
        smoothing: how far neighbours lie, in standard deviations.
        seed: of the neighbours.
    """
    chosen = slice(None) if columns is None else columns
    ours, theirs = model.encode(points.observations), other.encode(points.observations[:, chosen])
    network, change = model.model, _Change(model.model.x_centring, columns, other.model.x_centring)

    def drawn(latents: Tensor) -> tuple[Tensor, Tensor]:
        x, slopes = network.observation_jacobian(latents)
        return change.apply(x * network.x_scale + network.x_mean, slopes * network.x_scale[:, None])

    latents = torch.from_numpy(ours).to(network.x_mean)
    return _scaled(_mixing(other, drawn, "first model", latents, smoothing, seed), ours, theirs)


@dataclass(frozen=True)
class _Change:
    """From the observations of one model to those of another.

    Attributes:
        ours: how those of the first are centred.
        columns: which of them the other model has; None for all.
        theirs: how it centres them.
    """

    ours: Centring | None
    columns: list[int] | None
    theirs: Centring | None

    def apply(self, x: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """Observations (B, d) and their derivatives (B, d, n) as the other model has them."""
        if self.columns is not None:
            x, slopes = x[:, self.columns], slopes[:, self.columns]
        if self.ours is None and self.theirs is None:
            return x, slopes
        chosen = slice(None) if self.columns is None else self.columns
        shift, unit = (0.0, 1.0) if self.ours is None else (self.ours.shift[chosen], self.ours.unit[chosen])
        lost, by = (0.0, 1.0) if self.theirs is None else (self.theirs.shift, self.theirs.unit)
        # in double precision: the difference of two large numbers
        ratio = torch.as_tensor(unit / by, dtype=torch.float64, device=x.device)
        offset = torch.as_tensor((shift - lost) / by, dtype=torch.float64, device=x.device)
        return (x.double() * ratio + offset).to(x), (slopes.double() * ratio[..., None]).to(slopes)


def _mixing(
    model: TrainedModel,
    drawn: Callable[[Tensor], tuple[Tensor, Tensor]],
    what: str,
    points: Tensor,
    smoothing: float,
    seed: int,
) -> Array:
    """The derivative of the latents that a decoder draws in those that the model reads.

    Both decoders draw on the same surface, so that it is the pseudoinverse of the one's derivative times the other's.

    Args:
        model: the model.
        drawn: observations of latents and their derivatives, in the units of the model's observations.
        what: to call the decoder.
        points: latents of the decoder, shape (N, columns).
        smoothing: how far neighbours lie, in standard deviations.
        seed: of the neighbours.
    """
    network = model.model

    def at(z: Tensor) -> Tensor:
        x, slopes = _differentiated(drawn, z, what)
        if x.shape[1] != network.shape.n_observed:
            raise DataError(
                f"the {what} gives {x.shape[1]} observed dimensions, the model has {network.shape.n_observed}"
            )
        read = network.mean_latents(network.standardise(x.to(network.x_mean)))
        _, learned = _differentiated(network.observation_jacobian, read, "decoder")
        result: Tensor = torch.linalg.pinv(slopes) @ (learned * network.x_scale.double().cpu()[:, None])
        return result

    reach = spread(points.double().cpu().numpy()) * smoothing
    numbers = network.shape.n_observed * (points.shape[1] + network.shape.n_latents)
    return _persistent(at, points, reach, numbers, seed)


@torch.no_grad()
def _persistent(
    derivative_at: Callable[[Tensor], Tensor], points: Tensor, reach: Array, numbers: int, seed: int
) -> Array:
    """The root mean product of derivatives at pairs of neighbours, shape (rows, columns).

    A network of leaky ReLUs fits a smooth map by flat pieces, whose slopes scatter around those of the map. In a mean
    square the scatter adds up; in products of neighbours it has mean zero. For a model of ActionDiag whose latents
    correlate 0.998 with the true ones, pairs that don't mix got 0.16 on average (at most 0.27) from mean squares and
    0.02 (0.05) from products; the matched pairs have 1.

    Args:
        derivative_at: of points (B, n), shape (B, rows, columns).
        points: shape (N, n).
        reach: how far neighbours lie, shape (n,); all zero gives the root mean square.
        numbers: held in memory for one point.
        seed: of the neighbours.
    """
    generator = torch.Generator().manual_seed(seed)
    count = _NEIGHBOURS if reach.any() else 1
    total: Tensor | float = 0.0
    for part in torch.split(points, max(_CHUNK // numbers, 1)):
        sums: Tensor | float = 0.0
        squares: Tensor | float = 0.0
        for k in range(count):
            noise = torch.randn(part.shape, generator=generator, dtype=torch.float64) * torch.from_numpy(
                reach
            )
            found = derivative_at(part + noise.to(part) if k else part)
            sums, squares = sums + found, squares + found**2
        products = squares if count == 1 else (sums**2 - squares) / (count * (count - 1))
        total = total + torch.as_tensor(products).sum(0)
    return np.asarray((torch.as_tensor(total) / len(points)).clamp_min(0).sqrt().numpy())


def _differentiated(
    jacobian: Callable[[Tensor], tuple[Tensor, Tensor]], points: Tensor, what: str
) -> tuple[Tensor, Tensor]:
    """The values of a map on rows, and its derivative of shape (B, outputs, inputs), float64 on the CPU."""
    try:
        values, slopes = jacobian(points)
    except NotDifferentiableError as error:
        raise DataError(
            f"the {what} can't be differentiated by torch ({error}); take method='regression'"
        ) from error
    result = slopes.double().cpu()
    if not bool(torch.isfinite(result).all()):
        raise DataError(
            f"the {what} has a derivative that is not finite; look for extreme latents in the data"
        )
    return values, result


def _tensors_only(decoder: Callable[..., Any]) -> Callable[..., Any]:
    """The user's own decoder, which may be made for arrays."""

    def decode(latents: Tensor) -> Any:
        try:
            return decoder(latents)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            if out_of_memory(error):
                raise
            raise NotDifferentiableError(one_line(error, 200)) from error

    return decode


def _like(decoder: Callable[..., Any]) -> Tensor:
    """A tensor of the type, and on the device, that a decoder works with."""
    if isinstance(decoder, nn.Module):
        owned = (p for p in [*decoder.parameters(), *decoder.buffers()] if p.is_floating_point())
        return next(owned, torch.zeros(1, **CPU_FLOAT32))
    return torch.zeros(1, **CPU_FLOAT32)


def _scaled(derivatives: Array, values: NDArray[np.floating], inputs: NDArray[np.floating]) -> Array:
    """Derivatives in units of the latents' standard deviations."""
    unit = spread(values)[:, None]
    scaled = derivatives * spread(inputs)
    return np.divide(scaled, unit, out=np.zeros_like(scaled), where=unit > 0)
