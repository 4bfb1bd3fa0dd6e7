"""MLPs with a linear skip connection, and trainable linear layers around user-supplied networks.

The weights are drawn from the given generator; the global random state of torch is never touched.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32, out_of_memory
from estimation.exceptions import TrainingError
from estimation.models.jacobian import pushforward
from identify.exceptions import one_line

__all__ = [
    "MLP",
    "NEGATIVE_SLOPE",
    "WithLinearInput",
    "WithLinearOutput",
    "leaky_relu_tangents",
    "parameter_or_buffer",
    "require_outputs",
    "require_trainable",
]

# slope of the leaky ReLU below zero, as in the published experiments; smooth activations fitted worse in equal time
NEGATIVE_SLOPE = 0.2


class MLP(nn.Module):
    """A multilayer perceptron with leaky ReLU, plus a linear skip connection from inputs to outputs.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of outputs.
        width: Number of units of each hidden layer.
        depth: Number of hidden layers; 0 gives a linear layer.
        generator: Random generator of the weights.
        skip: Whether to add the linear skip connection. The published network has none.

    Example:
        >>> network = MLP(4, 2, width=8, depth=2, generator=torch.Generator().manual_seed(0))
        >>> network(torch.zeros(5, 4)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        width: int,
        depth: int,
        generator: torch.Generator,
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.width, self.depth = width, depth
        sizes = [n_inputs, *[width] * depth, n_outputs]
        self.layers = nn.ModuleList(
            _random_linear(n_in, n_out, generator) for n_in, n_out in itertools.pairwise(sizes)
        )
        self.skip = _random_linear(n_inputs, n_outputs, generator, bias=False) if skip and depth else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., n_inputs) to (..., n_outputs)."""
        hidden = inputs
        for layer in self.layers[:-1]:
            hidden = nn.functional.leaky_relu_(layer(hidden), NEGATIVE_SLOPE)
        outputs: Tensor = self.layers[-1](hidden)
        if self.skip is not None:
            outputs = outputs + self.skip(inputs)
        return outputs

    def pushforward(self, inputs: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate the network and push tangents forward through it (forward-mode differentiation).

        Args:
            inputs: Points, shape (B, n_inputs).
            tangents: D tangents at every point, shape (D, B, n_inputs).

        Returns:
            Outputs, shape (B, n_outputs), and their tangents, shape (D, B, n_outputs).
        """
        hidden, hidden_tangents = inputs, tangents
        for index in range(len(self.layers) - 1):
            layer = self._layer(index)
            hidden = nn.functional.leaky_relu_(layer(hidden), NEGATIVE_SLOPE)
            hidden_tangents = leaky_relu_tangents(hidden_tangents @ layer.weight.mT, hidden)
        outputs, output_tangents = self.last(hidden), hidden_tangents @ self.last.weight.mT
        if self.skip is not None:
            outputs = outputs + self.skip(inputs)
            output_tangents = output_tangents + tangents @ self.skip.weight.mT
        return outputs, output_tangents

    @property
    def last(self) -> nn.Linear:
        """The last layer."""
        return self._layer(-1)

    @torch.no_grad()
    def compose_after_(self, matrix: Tensor, offset: Tensor) -> None:
        """Fold an affine map into the last layers, in place: f becomes matrix @ f + offset.

        Args:
            matrix: Matrix, shape (n_outputs, n_outputs).
            offset: Offset, shape (n_outputs,).
        """
        _compose_after_(self._layer(-1), matrix, offset)
        if self.skip is not None:
            self.skip.weight.copy_(matrix @ self.skip.weight)

    @torch.no_grad()
    def compose_before_(self, matrix: Tensor, offset: Tensor) -> None:
        """Fold an affine map into the first layers, in place: f(u) becomes f(matrix @ u + offset).

        Args:
            matrix: Matrix, shape (n_inputs, n_inputs).
            offset: Offset, shape (n_inputs,).
        """
        if self.skip is not None:
            self._layer(-1).bias.add_(self.skip.weight @ offset)
            self.skip.weight.copy_(self.skip.weight @ matrix)
        _compose_before_(self._layer(0), matrix, offset)

    def _layer(self, index: int) -> nn.Linear:
        layer = self.layers[index]
        assert isinstance(layer, nn.Linear)
        return layer


class WithLinearOutput(nn.Module):
    """A user-supplied network followed by a trainable linear layer, into which unmixing is folded."""

    def __init__(self, network: nn.Module, n_outputs: int) -> None:
        super().__init__()
        self.network = network
        self.linear = _identity_layer(n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the network, then the linear layer."""
        outputs: Tensor = self.linear(self.network(inputs))
        return outputs

    @torch.no_grad()
    def compose_after_(self, matrix: Tensor, offset: Tensor) -> None:
        """Fold an affine map into the linear layer; see `MLP.compose_after_`."""
        _compose_after_(self.linear, matrix, offset)


class WithLinearInput(nn.Module):
    """A user-supplied network preceded by a trainable linear layer, into which unmixing is folded."""

    def __init__(self, network: nn.Module, n_inputs: int) -> None:
        super().__init__()
        self.network = network
        self.linear = _identity_layer(n_inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the linear layer, then the network."""
        outputs: Tensor = self.network(self.linear(inputs))
        return outputs

    def pushforward(self, inputs: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor] | None:
        """Push tangents forward; see `MLP.pushforward`. Return None if the network has no ``pushforward``."""
        return pushforward(self.network, self.linear(inputs), tangents @ self.linear.weight.mT)

    @torch.no_grad()
    def compose_before_(self, matrix: Tensor, offset: Tensor) -> None:
        """Fold an affine map into the linear layer; see `MLP.compose_before_`."""
        _compose_before_(self.linear, matrix, offset)


def require_trainable(**networks: nn.Module | None) -> None:
    """Raise TrainingError if a network holds inference tensors, which can't be trained.

    Args:
        networks: User-supplied networks by the name that the error message gives them.

    Raises:
        TrainingError: If a parameter or buffer was created under ``torch.inference_mode``.
    """
    for role, network in networks.items():
        if network is None:
            continue
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if tensor.is_inference():
                raise TrainingError(
                    f"{name} of the {role} was created under torch.inference_mode and can't be trained; create it "
                    "outside"
                )


def require_outputs(role: str, network: nn.Module, inputs: Tensor, n_outputs: int) -> None:
    """Raise TrainingError if a network does not map inputs (B, n_inputs) to (B, n_outputs).

    Args:
        role: Name that the error message gives the network.
        network: The network.
        inputs: Inputs that it must accept, shape (B, n_inputs).
        n_outputs: Required number of outputs.

    Raises:
        TrainingError: If it can't take the inputs, or has another number of outputs.
    """
    try:
        with torch.no_grad():
            output_shape = tuple(network(inputs).shape)
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        raise TrainingError(
            f"the {role} can't take inputs of shape {tuple(inputs.shape)} ({one_line(error, 200)})"
        ) from error
    if output_shape != (required := (len(inputs), n_outputs)):
        raise TrainingError(
            f"the {role} maps {tuple(inputs.shape)} to {output_shape}; it must map to {required}"
        )


def leaky_relu_tangents(tangents: Tensor, active: Tensor) -> Tensor:
    """Push tangents through a leaky ReLU with the given outputs, which have the signs of its inputs."""
    return torch.where(active > 0, tangents, tangents * NEGATIVE_SLOPE)


def _random_linear(n_inputs: int, n_outputs: int, generator: torch.Generator, bias: bool = True) -> nn.Linear:
    layer = _uninitialised_linear(n_inputs, n_outputs, bias)
    bound = 1 / math.sqrt(max(n_inputs, 1))
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        if bias:
            layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def _uninitialised_linear(n_inputs: int, n_outputs: int, bias: bool) -> nn.Linear:
    # by way of the meta device, since the default initialisation would draw from the global generator
    layer = nn.Linear(n_inputs, n_outputs, bias=bias, device="meta", dtype=CPU_FLOAT32["dtype"])
    layer.to_empty(device=CPU_FLOAT32["device"])
    return layer


def _identity_layer(size: int) -> nn.Linear:
    layer = _uninitialised_linear(size, size, bias=True)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(size, **CPU_FLOAT32))
        layer.bias.zero_()
    return layer


def _compose_after_(layer: nn.Linear, matrix: Tensor, offset: Tensor) -> None:
    layer.weight.copy_(matrix @ layer.weight)
    layer.bias.copy_(matrix @ layer.bias + offset)


def _compose_before_(layer: nn.Linear, matrix: Tensor, offset: Tensor) -> None:
    layer.bias.copy_(layer.bias + layer.weight @ offset)
    layer.weight.copy_(layer.weight @ matrix)


def parameter_or_buffer(values: Tensor, learned: bool) -> Tensor:
    """Return a parameter of a module if the values are learned, and a buffer otherwise."""
    return nn.Parameter(values) if learned else nn.Buffer(values)
