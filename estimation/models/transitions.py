"""The networks of p(z^t | z^(t-1), a): one for every latent, evaluated at once, each behind its own mask.

Each is the sum of a function of one input for every input (Gaussian bumps on a grid, linear in what is learned) and
of a small multilayer perceptron with sines, which takes care of what inputs do together. Sines because a leaky ReLU
fits what oscillates only after very long (Sitzmann et al., arXiv 2006.09661; Rahaman et al., arXiv 1806.08734), and
what a transition network fails to fit counts as noise of the latents, which hides weak edges.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.models.networks import SLOPE

__all__ = ["TransitionNetworks"]

# the grid of the bumps, in standard deviations of the inputs
_REACH = 4.0
_BUMPS = 32
_BUMP_WIDTH = 0.3
# in squares of `_away`: what is farther counts as this far. exp(-40) is nothing beside a height of one, but in products
# it stays clear of denormal numbers, with which processors take ten times as long
_FARTHEST = 40.0


class TransitionNetworks(nn.Module):
    """One function for every latent; function i sees the inputs that its mask lets through, and depends on no others.

    Args:
        count: n, how many.
        inputs: number of inputs, the same for all.
        width: units of a hidden layer.
        depth: number of hidden layers, at least 1.
        outputs: numbers that each returns.
        generator: draws the weights.
        sines: sines as activation, and bumps; without, leaky ReLU alone, as published.

    Example:
        >>> networks = TransitionNetworks(3, 2, width=8, depth=2, outputs=1, generator=torch.Generator().manual_seed(0))
        >>> networks(torch.zeros(5, 2)).shape
        torch.Size([5, 3, 1])
    """

    centres: Tensor

    def __init__(
        self,
        count: int,
        inputs: int,
        width: int,
        depth: int,
        outputs: int,
        generator: torch.Generator,
        sines: bool = True,
    ) -> None:
        super().__init__()
        self.count, self.outputs, self.sines = count, outputs, sines
        shapes = list(itertools.pairwise([inputs, *[width] * depth, outputs]))
        self.weights = nn.ParameterList(_draw((count, a, b), a, generator, sines) for a, b in shapes)
        self.biases = nn.ParameterList(
            nn.Parameter(torch.zeros(count, 1, b, **CPU_FLOAT32)) for _, b in shapes
        )
        self.bumps = nn.Parameter(torch.zeros(inputs, _BUMPS if sines else 0, count * outputs, **CPU_FLOAT32))
        self.register_buffer(
            "centres", torch.linspace(-_REACH, _REACH, _BUMPS, **CPU_FLOAT32), persistent=False
        )
        if sines:
            with torch.no_grad():
                for bias in self.biases[:-1]:
                    bias.uniform_(-math.pi, math.pi, generator=generator)

    def forward(self, inputs: Tensor, masks: Tensor | None = None) -> Tensor:
        """Evaluate all.

        Args:
            inputs: shape (B, inputs).
            masks: which inputs each sees: shape (n, inputs), or (B, n, inputs) to differ from row to row; None lets
                all through.

        Returns:
            shape (B, n, outputs).
        """
        together = self._rest(self._first(inputs, masks))
        return together + self._apart(inputs, masks) if self.sines else together

    def jacobian(self, inputs: Tensor, masks: Tensor | None = None) -> Tensor:
        """The derivative of every function's first output in its inputs.

        Args:
            inputs: shape (B, inputs).
            masks: shape (n, inputs), or None.

        Returns:
            shape (B, n, inputs).
        """
        # a copy of the inputs for every function, so that one backward pass keeps them apart
        copies = inputs.detach()[:, None, :].repeat(1, self.count, 1).requires_grad_()
        seen = copies if masks is None else copies * masks
        with torch.enable_grad():
            hidden = torch.baddbmm(self.biases[0], seen.transpose(0, 1), self.weights[0])
            (result,) = torch.autograd.grad(self._rest(hidden)[..., 0].sum(), copies)
        if not self.sines:
            return result
        slopes = self._slopes(inputs)
        return result + (slopes if masks is None else slopes * masks)

    def _apart(self, inputs: Tensor, masks: Tensor | None) -> Tensor:
        heights = self._heights(inputs)
        if masks is not None and masks.dim() == 3:
            parts = torch.einsum("bik,iko->bio", heights, self.bumps)
            parts = parts.view(*parts.shape[:2], self.count, self.outputs)
            return (parts * masks.transpose(1, 2)[..., None]).sum(1)
        weight: Tensor = self.bumps
        if masks is not None:
            weight = weight * masks.T[:, None, :].repeat_interleave(self.outputs, dim=2)
        # few columns: their transpose, which has few rows, is found in a third of the time
        summed = (weight.flatten(0, 1).mT @ heights.flatten(1).mT).mT
        return summed.reshape(-1, self.count, self.outputs)

    def _away(self, inputs: Tensor) -> Tensor:
        """How far all inputs are from all bumps, shape (B, inputs, bumps), in sqrt(2) of a bump's width."""
        unit = math.sqrt(2) * _BUMP_WIDTH
        # divided first: what is small
        return (inputs / unit)[..., None] - self.centres / unit

    def _heights(self, inputs: Tensor) -> Tensor:
        """Of all bumps at all inputs, shape (B, inputs, bumps)."""
        return self._away(inputs).square().clamp(max=_FARTHEST).neg_().exp_()

    def _slopes(self, inputs: Tensor) -> Tensor:
        """The derivative of the first output of the functions of one input, shape (B, n, inputs)."""
        away = self._away(inputs)
        steep = -math.sqrt(2) / _BUMP_WIDTH * away * self._heights(inputs)
        first = self.bumps.view(*self.bumps.shape[:2], self.count, self.outputs)[..., 0]
        return torch.einsum("bik,ikn->bni", steep, first)

    def _rest(self, hidden: Tensor) -> Tensor:
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            active = torch.sin(hidden) if self.sines else nn.functional.leaky_relu_(hidden, SLOPE)
            hidden = _layer(active, weight, bias)
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


def _layer(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Of all networks: (count, B, a), (count, a, b) and (count, 1, b) to (count, B, b)."""
    if weight.shape[-1] > 1:
        return torch.baddbmm(bias, inputs, weight)
    # products of matrices take twice as long where one of them is a single column
    return (inputs * weight.mT).sum(-1, keepdim=True) + bias


def _draw(shape: tuple[int, ...], inputs: int, generator: torch.Generator, sines: bool) -> nn.Parameter:
    # keeps the variance of the signal through the activation
    gain = 1 if sines else 2 / (1 + SLOPE**2)
    scale = math.sqrt(gain / max(inputs, 1))
    return nn.Parameter(torch.randn(shape, generator=generator, **CPU_FLOAT32) * scale)
