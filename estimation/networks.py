"""Small networks: an MLP beside a linear map, and n small MLPs evaluated at once.

Weights are drawn from the generator that is given; the global state of torch is never touched.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

__all__ = ["MLP", "SLOPE", "ParallelMLPs", "WithLinearInput", "WithLinearOutput"]

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

    @torch.no_grad()
    def compose_before_(self, matrix: Tensor, offset: Tensor) -> None:
        """As for `MLP`."""
        _before_(self.linear, matrix, offset)


class ParallelMLPs(nn.Module):
    """One small MLP for every latent, evaluated at once; network i sees the inputs that its mask lets through.

    Args:
        count: n, how many networks.
        inputs: number of inputs, the same for all.
        width: units of a hidden layer.
        depth: number of hidden layers, at least 1.
        outputs: numbers that each network returns.
        generator: draws the weights.

    Example:
        >>> networks = ParallelMLPs(3, 2, width=8, depth=2, outputs=1, generator=torch.Generator().manual_seed(0))
        >>> networks(torch.zeros(5, 2)).shape
        torch.Size([5, 3, 1])
    """

    def __init__(
        self, count: int, inputs: int, width: int, depth: int, outputs: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        sizes = [inputs, *[width] * depth, outputs]
        shapes = list(itertools.pairwise(sizes))
        self.weights = nn.ParameterList(_draw((count, a, b), a, generator) for a, b in shapes)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(count, 1, b)) for _, b in shapes)

    def forward(self, inputs: Tensor, masks: Tensor | None = None) -> Tensor:
        """Evaluate all networks.

        Args:
            inputs: shape (B, inputs).
            masks: which inputs each network sees: shape (n, inputs), or (B, n, inputs) to differ from row to row;
                None lets all through.

        Returns:
            shape (B, n, outputs).
        """
        return self._rest(self._first(inputs, masks))

    def jacobian(self, inputs: Tensor, masks: Tensor | None = None) -> Tensor:
        """The derivative of every network's first output in its inputs.

        Args:
            inputs: shape (B, inputs).
            masks: shape (n, inputs), or None.

        Returns:
            shape (B, n, inputs).
        """
        count = self.weights[0].shape[0]
        # a copy of the inputs for every network, so that one backward pass keeps them apart
        copies = inputs.detach()[:, None, :].repeat(1, count, 1).requires_grad_()
        seen = copies if masks is None else copies * masks
        with torch.enable_grad():
            hidden = torch.baddbmm(self.biases[0], seen.transpose(0, 1), self.weights[0])
            (result,) = torch.autograd.grad(self._rest(hidden)[..., 0].sum(), copies)
        return result

    def _rest(self, hidden: Tensor) -> Tensor:
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = torch.baddbmm(bias, nn.functional.leaky_relu_(hidden, SLOPE), weight)
        return hidden.transpose(0, 1)

    def _first(self, inputs: Tensor, masks: Tensor | None) -> Tensor:
        weight, bias = self.weights[0], self.biases[0]
        if masks is not None and masks.dim() == 3:
            return torch.baddbmm(bias, (inputs[:, None, :] * masks).transpose(0, 1), weight)
        if masks is not None:
            weight = weight * masks[:, :, None]
        # one large product is faster than n small ones
        count, size, width = weight.shape
        flat = inputs @ weight.permute(1, 0, 2).reshape(size, count * width)
        first: Tensor = flat.reshape(-1, count, width).transpose(0, 1) + bias
        return first


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
    layer = nn.Linear(inputs, outputs, bias=bias, device="meta")
    layer.to_empty(device="cpu")
    return layer


def _identity(size: int) -> nn.Linear:
    layer = _empty(size, size, bias=True)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(size))
        layer.bias.zero_()
    return layer


def _draw(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> nn.Parameter:
    # keeps the variance of the signal through a leaky ReLU
    scale = math.sqrt(2 / (1 + SLOPE**2) / max(inputs, 1))
    return nn.Parameter(torch.randn(shape, generator=generator) * scale)


def _after_(layer: nn.Linear, matrix: Tensor, offset: Tensor) -> None:
    layer.weight.copy_(matrix @ layer.weight)
    layer.bias.copy_(matrix @ layer.bias + offset)


def _before_(layer: nn.Linear, matrix: Tensor, offset: Tensor) -> None:
    layer.bias.copy_(layer.bias + layer.weight @ offset)
    layer.weight.copy_(layer.weight @ matrix)
