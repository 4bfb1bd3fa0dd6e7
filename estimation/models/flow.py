"""A normalising flow on the latents, between encoder and decoder.

Unmixing is linear. The entanglement that remains after it is nonlinear: the loss has a curved valley along which
encoder and decoder would have to change together, and both move along it slowly. The flow is the last stage of the
encoder, and its inverse is the first stage of the decoder. The reconstruction is therefore unchanged, and fitting the
flow to the transition removes the nonlinear entanglement from the latents directly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32

__all__ = ["ResidualFlow"]

# Lipschitz constant of the displacement of one block
_MAX_LIPSCHITZ = 0.5


class ResidualFlow(nn.Module):
    """Residual blocks z + g(z) with contractive displacements g, which are exactly invertible.

    Each displacement is a network with one hidden layer, g(z) = B tanh(A z + b) + c, with norm(A) norm(B) <= 1/2. Every
    block is therefore invertible for any weights, and each iteration of z <- y - g(z) halves the distance to the
    preimage of y (Behrmann et al., "Invertible residual networks", arXiv 1811.00995, Theorem 1 and Algorithm 1).
    The flow starts as the identity, and it is skipped until it is *active*. It transforms only the latents that it was
    activated for; the other latents stay unchanged, and the transformed ones don't depend on them.

    Args:
        n_latents: Number of latents n.
        n_blocks: Number of residual blocks; 0 gives the identity.
        width: Number of hidden units of each block.
        generator: Random generator of the weights.

    Example:
        >>> flow = ResidualFlow(4, 2, 8, torch.Generator().manual_seed(0))
        >>> flow.active
        False
        >>> flow.activate_()
        >>> latents, jacobian, log_det = flow.with_jacobian(torch.ones(3, 4))
        >>> latents.shape, jacobian.shape, log_det.shape
        (torch.Size([3, 4]), torch.Size([3, 4, 4]), torch.Size([3]))
        >>> bool((flow.inverse(latents) == 1).all())
        True
    """

    # mask of the latents that the flow transforms, shape (n,); saved models contain this name
    through: Tensor

    def __init__(self, n_latents: int, n_blocks: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("through", torch.zeros(n_latents, dtype=torch.bool, device="cpu"))
        self.resize_(n_blocks, width, generator)

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of blocks, and of hidden units of each; 0 and 0 without blocks."""
        return len(self.blocks), next(
            (len(block.offset) for block in self.blocks if isinstance(block, _Block)), 0
        )

    def resize_(self, n_blocks: int, width: int, generator: torch.Generator) -> None:
        """Replace the blocks by new ones, in place, which together are the identity.

        Args:
            n_blocks: Number of blocks.
            width: Number of hidden units of each block.
            generator: Random generator of the weights.
        """
        # the type of the old blocks, of which there are none at first
        like = next(self.parameters(), torch.zeros((), **CPU_FLOAT32)).to(self.through.device)
        blocks = (_Block(len(self.through), width, generator) for _ in range(n_blocks))
        self.blocks = nn.ModuleList(blocks).to(like)

    def adapt_to_(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        """Take the sizes of a deeper flow that was stored, in place.

        Sizes that training can't have given stay as they are, so that the tensors don't fit.

        Args:
            tensors: Stored tensors by name.
            prefix: Prefix of the names of those of the flow.
        """
        pattern = re.compile(rf"{re.escape(prefix)}blocks\.\d+\.offset")
        offsets = [tensor for name, tensor in tensors.items() if pattern.fullmatch(name)]
        n_blocks, usual = len(offsets), len(self.blocks)
        if usual and n_blocks and n_blocks % usual == 0 and (n_blocks, offsets[0].numel()) != self.sizes:
            self.resize_(n_blocks, offsets[0].numel(), torch.Generator().manual_seed(0))

    @property
    def active(self) -> bool:
        """Whether the flow transforms any latent."""
        return bool(self.through.any())

    def activate_(self, latents: Tensor | None = None) -> None:
        """Put the flow between encoder and decoder, in place. A flow without blocks stays inactive.

        Args:
            latents: Mask of the latents to transform, shape (n,); None for all.
        """
        if len(self.blocks):
            self.through.copy_(torch.ones_like(self.through) if latents is None else latents)

    def forward(self, latents: Tensor) -> Tensor:
        """Apply the flow to latents, shape (B, n)."""
        for block in self.blocks if self.active else ():
            latents = block(latents, self.through)
        return latents

    def with_jacobian(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Apply the flow and compute its Jacobian.

        Args:
            latents: Latents, shape (B, n).

        Returns:
            Transformed latents, shape (B, n), Jacobians, shape (B, n, n), and their log-determinants, shape (B,).
        """
        jacobian = None
        for block in self.blocks if self.active else ():
            assert isinstance(block, _Block)
            latents, block_jacobian = block.with_jacobian(latents, self.through)
            jacobian = block_jacobian if jacobian is None else block_jacobian @ jacobian
        if jacobian is None:
            jacobian = _identity(latents).expand(len(latents), -1, -1)
        # the determinant is positive, since every block is the identity plus a contraction
        return latents, jacobian, torch.linalg.slogdet(jacobian)[1]

    def inverse(self, latents: Tensor) -> Tensor:
        """Map transformed latents, shape (B, n), back to the input space of the decoder."""
        for block in reversed(list(self.blocks)) if self.active else ():
            assert isinstance(block, _Block)
            latents = block.inverse(latents, self.through)
        return latents


class _Block(nn.Module):
    """One residual block; ``inward``, ``offset``, ``outward`` and ``shift`` are A, b, B and c of the displacement."""

    def __init__(self, n_latents: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        scale = math.sqrt(n_latents)
        self.inward = nn.Parameter(torch.randn(width, n_latents, generator=generator, **CPU_FLOAT32) / scale)
        self.offset = nn.Parameter(2 * torch.rand(width, generator=generator, **CPU_FLOAT32) - 1)
        self.outward = nn.Parameter(torch.zeros(n_latents, width, **CPU_FLOAT32))
        self.shift = nn.Parameter(torch.zeros(n_latents, **CPU_FLOAT32))

    def forward(self, latents: Tensor, transformed: Tensor) -> Tensor:
        return latents + _displacement(latents, *self._contractive_weights(transformed))

    def with_jacobian(self, latents: Tensor, transformed: Tensor) -> tuple[Tensor, Tensor]:
        inward, offset, outward, shift = self._contractive_weights(transformed)
        hidden = _hidden_units(latents, inward, offset)
        # the Jacobian is I + B diag(1 - hidden^2) A; one matrix product for all rows instead of one per row
        outer_products = outward.T[:, :, None] * inward[:, None, :]
        at_zero = _identity(latents) + outward @ inward
        saturation = (hidden.square() @ outer_products.flatten(1)).view(-1, *outer_products.shape[1:])
        return latents + hidden @ outward.T + shift, at_zero - saturation

    def inverse(self, latents: Tensor, transformed: Tensor) -> Tensor:
        weights, preimage = self._contractive_weights(transformed), latents
        n_iterations = math.ceil(math.log(torch.finfo(latents.dtype).eps) / math.log(_MAX_LIPSCHITZ)) + 1
        for _ in range(n_iterations):
            preimage = latents - _displacement(preimage, *weights)
        return preimage

    def _contractive_weights(self, transformed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights of the transformed latents, with the outward ones scaled down to a contraction."""
        inward, outward = self.inward * transformed, self.outward * transformed[:, None]
        lipschitz_squared = _squared_spectral_norm(inward.T @ inward) * _squared_spectral_norm(
            outward @ outward.T
        )
        outward = outward * (_MAX_LIPSCHITZ / lipschitz_squared.clamp_min(_MAX_LIPSCHITZ**2).sqrt())
        return inward, self.offset, outward, self.shift * transformed


def _identity(latents: Tensor) -> Tensor:
    return torch.eye(latents.shape[1], dtype=latents.dtype, device=latents.device)


def _displacement(latents: Tensor, inward: Tensor, offset: Tensor, outward: Tensor, shift: Tensor) -> Tensor:
    return _hidden_units(latents, inward, offset) @ outward.T + shift


def _hidden_units(latents: Tensor, inward: Tensor, offset: Tensor) -> Tensor:
    """Return tanh(A z + b), computed as 2 sigmoid(2 x) - 1, which takes a fifth of the time."""
    return torch.sigmoid(latents @ (2 * inward.T) + 2 * offset) * 2 - 1


def _squared_spectral_norm(gram: Tensor) -> Tensor:
    """Return the squared spectral norm of a matrix from its Gram matrix."""
    eigenvalues: Tensor = torch.linalg.eigvalsh(gram)
    return eigenvalues[-1]
