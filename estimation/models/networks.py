"""Small networks: an MLP beside a linear map, and linear maps beside networks of the user's.

Weights are drawn from the generator that is given; the global state of torch is never touched.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.exceptions import TrainingError
from estimation.models.jacobian import pushforward

__all__ = ["MLP", "SLOPE", "WithLinearInput", "WithLinearOutput", "leak", "require_trainable"]

# of the leaky ReLU, as in the published experiments; smooth activations fitted worse in equal time
SLOPE = 0.2


class MLP(nn.Module):
    """A multilayer perceptron with leaky ReLU, plus a linear map from inputs to outputs.

    Args:
        inputs: number of inputs.
        outputs: number of outputs.
        width: units of a hidden layer.
        depth: number of hidden layers; 0 leaves the linear map alone.
        generator: draws the weights.
        skip: with the linear map beside the layers. Without, the published network.

    Example:
        >>> network = MLP(4, 2, width=8, depth=2, generator=torch.Generator().manual_seed(0))
        >>> network(torch.zeros(5, 4)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, depth: int, generator: torch.Generator, skip: bool = True
    ) -> None:
        super().__init__()
        sizes = [inputs, *[width] * depth, outputs]
        self.layers = nn.ModuleList(_linear(a, b, generator) for a, b in itertools.pairwise(sizes))
        self.skip = _linear(inputs, outputs, generator, bias=False) if skip and depth else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        hidden = inputs
        for layer in self.layers[:-1]:
            hidden = nn.functional.leaky_relu_(layer(hidden), SLOPE)
        result: Tensor = self.layers[-1](hidden)
        if self.skip is not None:
            result = result + self.skip(inputs)
        return result

    def pushforward(self, inputs: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
        """The same of inputs (B, inputs), with tangents (D, B, inputs) carried along, without a graph."""
        hidden, moved = inputs, tangents
        for place in range(len(self.layers) - 1):
            layer = self._layer(place)
            hidden = nn.functional.leaky_relu_(layer(hidden), SLOPE)
            moved = leak(moved @ layer.weight.mT, hidden)
        result, moved = self.last(hidden), moved @ self.last.weight.mT
        if self.skip is not None:
            result, moved = result + self.skip(inputs), moved + tangents @ self.skip.weight.mT
        return result, moved

    @property
    def last(self) -> nn.Linear:
        """The last layer."""
        return self._layer(-1)

    @torch.no_grad()
    def compose_after_(self, matrix: Tensor, offset: Tensor) -> None:
        """Fold a linear map into the last layers, so that f becomes matrix @ f + offset.

        Args:
            matrix: shape (outputs, outputs).
            offset: shape (outputs,).
        """
        _after_(self._layer(-1), matrix, offset)
        if self.skip is not None:
            self.skip.weight.copy_(matrix @ self.skip.weight)

    @torch.no_grad()
    def compose_before_(self, matrix: Tensor, offset: Tensor) -> None:
        """Fold a linear map into the first layers, so that f(u) becomes f(matrix @ u + offset).

        Args:
            matrix: shape (inputs, inputs).
            offset: shape (inputs,).
        """
        if self.skip is not None:
            self._layer(-1).bias.add_(self.skip.weight @ offset)
            self.skip.weight.copy_(self.skip.weight @ matrix)
        _before_(self._layer(0), matrix, offset)

    def _layer(self, place: int) -> nn.Linear:
        layer = self.layers[place]
        assert isinstance(layer, nn.Linear)
        return layer


class WithLinearOutput(nn.Module):
    """A network of the user's with a trainable linear map behind it, into which unmixing is folded."""

    def __init__(self, network: nn.Module, outputs: int) -> None:
        super().__init__()
        self.network = network
        self.linear = _identity(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """The network, then the linear map."""
        result: Tensor = self.linear(self.network(inputs))
        return result

    @torch.no_grad()
    def compose_after_(self, matrix: Tensor, offset: Tensor) -> None:
        """As for `MLP`."""
        _after_(self.linear, matrix, offset)


class WithLinearInput(nn.Module):
    """A network of the user's with a trainable linear map before it, into which unmixing is folded."""

    def __init__(self, network: nn.Module, inputs: int) -> None:
        super().__init__()
        self.network = network
        self.linear = _identity(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """The linear map, then the network."""
        result: Tensor = self.network(self.linear(inputs))
        return result

    def pushforward(self, inputs: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor] | None:
        """As for `MLP`; None where the network has none."""
        return pushforward(self.network, self.linear(inputs), tangents @ self.linear.weight.mT)

    @torch.no_grad()
    def compose_before_(self, matrix: Tensor, offset: Tensor) -> None:
        """As for `MLP`."""
        _before_(self.linear, matrix, offset)


def require_trainable(**networks: nn.Module | None) -> None:
    """Refuse networks that were made where torch keeps nothing for a gradient.

    Args:
        networks: of the user's, by what to call them.

    Raises:
        TrainingError: a weight was made under ``torch.inference_mode``.
    """
    for what, network in networks.items():
        for name, tensor in (
            () if network is None else (*network.named_parameters(), *network.named_buffers())
        ):
            if tensor.is_inference():
                raise TrainingError(
                    f"{name} of the {what} was made under torch.inference_mode and can't be trained; make it outside"
                )


def leak(tangents: Tensor, active: Tensor) -> Tensor:
    """Tangents behind a leaky ReLU whose values are these, which have the signs of what came in."""
    return torch.where(active > 0, tangents, tangents * SLOPE)


def _linear(inputs: int, outputs: int, generator: torch.Generator, bias: bool = True) -> nn.Linear:
    layer = _empty(inputs, outputs, bias)
    bound = 1 / math.sqrt(max(inputs, 1))
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        if bias:
            layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def _empty(inputs: int, outputs: int, bias: bool) -> nn.Linear:
    # made without drawing weights, which would touch the global generator
    layer = nn.Linear(inputs, outputs, bias=bias, device="meta", dtype=CPU_FLOAT32["dtype"])
    layer.to_empty(device=CPU_FLOAT32["device"])
    return layer


def _identity(size: int) -> nn.Linear:
    layer = _empty(size, size, bias=True)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(size, **CPU_FLOAT32))
        layer.bias.zero_()
    return layer


def _after_(layer: nn.Linear, matrix: Tensor, offset: Tensor) -> None:
    layer.weight.copy_(matrix @ layer.weight)
    layer.bias.copy_(matrix @ layer.bias + offset)


def _before_(layer: nn.Linear, matrix: Tensor, offset: Tensor) -> None:
    layer.bias.copy_(layer.bias + layer.weight @ offset)
    layer.weight.copy_(layer.weight @ matrix)
