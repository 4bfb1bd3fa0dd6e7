"""The networks of p(z^t | z^(t-1), a): one masked network per latent, all evaluated at once.

Each network is the sum of two parts. The first is additive: a univariate function of every input, expanded in Gaussian
basis functions on a grid, and linear in its coefficients. The second is a small MLP with sine activations, which models
the interactions of inputs. We use sines because a leaky ReLU fits oscillating functions only after very long training
(Sitzmann et al., arXiv 2006.09661; Rahaman et al., arXiv 1806.08734). Whatever a transition network fails to fit counts
as noise of the latents, which hides weak edges.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.models.networks import NEGATIVE_SLOPE
from estimation.models.splines import RationalQuadraticSpline

__all__ = ["TransitionNetworks", "TransitionResidual"]

# the grid of the basis functions, in standard deviations of the inputs
_GRID_LIMIT = 4.0
_N_BASIS_FUNCTIONS = 32
_BASIS_WIDTH = 0.3
# largest exponent of a basis function: exp(-40) is negligible against a height of 1, but products with it stay clear of
# denormal numbers, with which processors take ten times as long
_MAX_EXPONENT = 40.0


@dataclass(frozen=True)
class TransitionResidual:
    """The residual of the transition, and the distribution that the transition predicts for it.

    Attributes:
        value: Residuals, shape (B, n): z^t minus its mean given z^(t-1) and a, or with a spline minus its location.
        scale: Standard deviations of p(z^t | z^(t-1), a), shape (B, n), or with a spline its unit.
        log_factor: Logarithm of the factor of the variance that depends on past and actions, shape (B, n): the variance
            is that of the latent times this factor. None if the variance does not depend on them.
        spline: Splines that map residuals in units of their scale to standard normal variables, for a batch of shape
            (n, B); None if residuals are Gaussian.
    """

    value: Tensor
    scale: Tensor
    log_factor: Tensor | None = None
    spline: RationalQuadraticSpline | None = None


class TransitionNetworks(nn.Module):
    """One function per latent; function i depends only on the inputs in row i of its mask.

    Args:
        n_latents: Number of latents n.
        n_inputs: Number of inputs, common to all functions.
        width: Number of units of each hidden layer.
        depth: Number of hidden layers, 1 or more.
        n_outputs: Number of outputs of each function.
        generator: Random generator of the weights.
        sines: Whether to use sine activations and the additive part; otherwise an MLP with leaky ReLU, as published.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> networks = TransitionNetworks(3, 2, width=8, depth=2, n_outputs=1, generator=generator)
        >>> networks(torch.zeros(5, 2)).shape
        torch.Size([5, 3, 1])
    """

    centres: Tensor

    def __init__(
        self,
        n_latents: int,
        n_inputs: int,
        width: int,
        depth: int,
        n_outputs: int,
        generator: torch.Generator,
        sines: bool = True,
    ) -> None:
        super().__init__()
        self.n_latents, self.n_outputs, self.sines = n_latents, n_outputs, sines
        sizes = list(itertools.pairwise([n_inputs, *[width] * depth, n_outputs]))
        self.weights = nn.ParameterList(
            _random_weight((n_latents, n_in, n_out), n_in, generator, sines) for n_in, n_out in sizes
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.zeros(n_latents, 1, n_out, **CPU_FLOAT32)) for _, n_out in sizes
        )
        # coefficients of the additive part
        n_basis = _N_BASIS_FUNCTIONS if sines else 0
        self.bumps = nn.Parameter(torch.zeros(n_inputs, n_basis, n_latents * n_outputs, **CPU_FLOAT32))
        centres = torch.linspace(-_GRID_LIMIT, _GRID_LIMIT, _N_BASIS_FUNCTIONS, **CPU_FLOAT32)
        self.register_buffer("centres", centres, persistent=False)
        if sines:
            with torch.no_grad():
                for bias in self.biases[:-1]:
                    bias.uniform_(-math.pi, math.pi, generator=generator)

    @torch.no_grad()
    def zero_outputs_(self, first: int) -> None:
        """Set every function's outputs from number ``first`` on to zero for all inputs, in place."""
        bumps = self.bumps.view(*self.bumps.shape[:2], self.n_latents, self.n_outputs)
        for parameter in (self.weights[-1], self.biases[-1], bumps):
            parameter[..., first:] = 0

    @torch.no_grad()
    def add_zero_output_(self) -> None:
        """Give every function one more output, zero for all inputs, in place."""
        weight, bias = self.weights[-1], self.biases[-1]
        self.weights[-1] = nn.Parameter(torch.cat([weight, torch.zeros_like(weight[..., :1])], dim=-1))
        self.biases[-1] = nn.Parameter(torch.cat([bias, torch.zeros_like(bias[..., :1])], dim=-1))
        bumps = self.bumps.view(*self.bumps.shape[:2], self.n_latents, self.n_outputs)
        extended = torch.cat([bumps, torch.zeros_like(bumps[..., :1])], dim=-1)
        self.bumps = nn.Parameter(extended.flatten(2))
        self.n_outputs += 1

    def forward(self, inputs: Tensor, masks: Tensor | None = None) -> Tensor:
        """Evaluate all functions.

        Args:
            inputs: Inputs, shape (B, n_inputs).
            masks: The inputs of each function, shape (n, n_inputs), or (B, n, n_inputs) to differ between rows; None
                for all.

        Returns:
            Outputs, shape (B, n, n_outputs).
        """
        interactions = self._hidden_to_output(self._first_layer(inputs, masks))
        return interactions + self._additive(inputs, masks) if self.sines else interactions

    def jacobian(self, inputs: Tensor, masks: Tensor | None = None) -> Tensor:
        """Differentiate every function's first output with respect to the inputs.

        Args:
            inputs: Inputs, shape (B, n_inputs).
            masks: The inputs of each function, shape (n, n_inputs), or None for all.

        Returns:
            Jacobians, shape (B, n, n_inputs).
        """
        # a copy of the inputs for every function, so that one backward pass separates the functions
        copies = inputs.detach()[:, None, :].repeat(1, self.n_latents, 1).requires_grad_()
        with torch.enable_grad():
            masked = copies if masks is None else copies * masks
            hidden = torch.baddbmm(self.biases[0], masked.transpose(0, 1), self.weights[0])
            (interactions,) = torch.autograd.grad(self._hidden_to_output(hidden)[..., 0].sum(), copies)
        if not self.sines:
            return interactions
        slopes = self._additive_slopes(inputs)
        return interactions + (slopes if masks is None else slopes * masks)

    def _additive(self, inputs: Tensor, masks: Tensor | None) -> Tensor:
        """Evaluate the additive parts, shape (B, n, n_outputs)."""
        basis = self._basis(inputs)
        if masks is not None and masks.dim() == 3:
            terms = torch.einsum("bik,iko->bio", basis, self.bumps)
            terms = terms.view(*terms.shape[:2], self.n_latents, self.n_outputs)
            return (terms * masks.transpose(1, 2)[..., None]).sum(1)
        coefficients: Tensor = self.bumps
        if masks is not None:
            coefficients = coefficients * masks.T[:, None, :].repeat_interleave(self.n_outputs, dim=2)
        # the result has few columns: computing its transpose, which has few rows, takes a third of the time
        outputs = (coefficients.flatten(0, 1).mT @ basis.flatten(1).mT).mT
        return outputs.reshape(-1, self.n_latents, self.n_outputs)

    def _distances(self, inputs: Tensor) -> Tensor:
        """Return inputs minus centres in units of sqrt(2) basis widths, shape (B, n_inputs, basis functions)."""
        unit = math.sqrt(2) * _BASIS_WIDTH
        # divide before subtracting: the arrays are smaller then
        return (inputs / unit)[..., None] - self.centres / unit

    def _basis(self, inputs: Tensor) -> Tensor:
        """Evaluate the Gaussian basis functions, shape (B, n_inputs, basis functions)."""
        return self._distances(inputs).square().clamp(max=_MAX_EXPONENT).neg_().exp_()

    def _additive_slopes(self, inputs: Tensor) -> Tensor:
        """Differentiate the first outputs of the additive parts with respect to the inputs, shape (B, n, n_inputs)."""
        distances = self._distances(inputs)
        basis_slopes = -math.sqrt(2) / _BASIS_WIDTH * distances * self._basis(inputs)
        first = self.bumps.view(*self.bumps.shape[:2], self.n_latents, self.n_outputs)[..., 0]
        return torch.einsum("bik,ikn->bni", basis_slopes, first)

    def _hidden_to_output(self, hidden: Tensor) -> Tensor:
        """Apply all layers of the MLPs after the first, to (n, B, width)."""
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            active = torch.sin(hidden) if self.sines else nn.functional.leaky_relu_(hidden, NEGATIVE_SLOPE)
            hidden = _batched_linear(active, weight, bias)
        return hidden.transpose(0, 1)

    def _first_layer(self, inputs: Tensor, masks: Tensor | None) -> Tensor:
        """Apply the first layer of the MLPs, shape (n, B, width)."""
        weight, bias = self.weights[0], self.biases[0]
        if masks is not None and masks.dim() == 3:
            return torch.baddbmm(bias, (inputs[:, None, :] * masks).transpose(0, 1), weight)
        if masks is not None:
            weight = weight * masks[:, :, None]
        # one large product is faster than n small ones
        n_latents, n_inputs, width = weight.shape
        flat = inputs @ weight.permute(1, 0, 2).reshape(n_inputs, n_latents * width)
        hidden: Tensor = flat.reshape(-1, n_latents, width).transpose(0, 1) + bias
        return hidden


def _batched_linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply one layer of all networks: inputs (n, B, a), weights (n, a, b), biases (n, 1, b), outputs (n, B, b)."""
    if weight.shape[-1] > 1:
        return torch.baddbmm(bias, inputs, weight)
    # a product of matrices takes twice as long if one of them is a single column
    return (inputs * weight.mT).sum(-1, keepdim=True) + bias


def _random_weight(
    shape: tuple[int, ...], n_inputs: int, generator: torch.Generator, sines: bool
) -> nn.Parameter:
    # keeps the variance of the signal through the activation
    gain = 1 if sines else 2 / (1 + NEGATIVE_SLOPE**2)
    scale = math.sqrt(gain / max(n_inputs, 1))
    return nn.Parameter(torch.randn(shape, generator=generator, **CPU_FLOAT32) * scale)
