"""An invertible map of the latents, between encoder and decoder: what is still bent after unmixing, it straightens.

Unmixing is linear. What is left of the entanglement after it is curved, a valley along which encoder and decoder would
have to change together; both go through it slowly. A flow that the encoder ends with, and whose inverse the decoder
begins with, leaves the reconstruction alone, and the transition can straighten the latents directly.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32

__all__ = ["ResidualFlow"]

# how much the bend of one block may differ between two points, as a share of their distance
_STEEPEST = 0.5


class ResidualFlow(nn.Module):
    """Residual blocks z + g(z) with g a contraction: exactly invertible.

    Each g is a network of one hidden layer, B tanh(A z + b) + c, in which norm(A) norm(B) is kept at a half or less. So
    every block is invertible, whatever it has learned, and each round of z <- y - g(z) halves the distance to the one z
    that it sends to y (Behrmann et al., "Invertible residual networks", arXiv 1811.00995, Theorem 1 and Algorithm 1).
    The flow is the identity until it learns; while it is not ``active``, it is left out. Latents that it is not
    activated for stay as they are, and the others don't depend on them.

    Args:
        n: number of latents.
        blocks: how many; with none, the identity.
        width: hidden units of each.
        generator: draws the weights.

    Example:
        >>> flow = ResidualFlow(4, 2, 8, torch.Generator().manual_seed(0))
        >>> flow.active
        False
        >>> flow.activate_()
        >>> straight, jacobian, log_det = flow.with_jacobian(torch.ones(3, 4))
        >>> straight.shape, jacobian.shape, log_det.shape
        (torch.Size([3, 4]), torch.Size([3, 4, 4]), torch.Size([3]))
        >>> bool((flow.inverse(straight) == 1).all())
        True
    """

    through: Tensor

    def __init__(self, n: int, blocks: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(n, width, generator) for _ in range(blocks))
        self.register_buffer("through", torch.zeros(n, dtype=torch.bool, device="cpu"))

    @property
    def active(self) -> bool:
        """Whether any latent goes through it."""
        return bool(self.through.any())

    def activate_(self, through: Tensor | None = None) -> None:
        """Put it between encoder and decoder, if it has any block.

        Args:
            through: which latents go through it, shape (n,); all, if it is not given.
        """
        if len(self.blocks):
            self.through.copy_(torch.ones_like(self.through) if through is None else through)

    def forward(self, latents: Tensor) -> Tensor:
        """Straighten latents, shape (B, n)."""
        for block in self.blocks if self.active else ():
            latents = block(latents, self.through)
        return latents

    def with_jacobian(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Straighten, and say how.

        Args:
            latents: shape (B, n).

        Returns:
            latents, shape (B, n), the Jacobian, shape (B, n, n), and the logarithm of its determinant, shape (B,).
        """
        jacobian = None
        for block in self.blocks if self.active else ():
            assert isinstance(block, _Block)
            latents, part = block.with_jacobian(latents, self.through)
            jacobian = part if jacobian is None else part @ jacobian
        if jacobian is None:
            jacobian = _identity(latents).expand(len(latents), -1, -1)
        # positive, like that of every block, which is the identity plus a contraction
        return latents, jacobian, torch.linalg.slogdet(jacobian)[1]

    def inverse(self, latents: Tensor) -> Tensor:
        """Bend straight latents, shape (B, n), as the decoder knows them."""
        for block in reversed(list(self.blocks)) if self.active else ():
            assert isinstance(block, _Block)
            latents = block.inverse(latents, self.through)
        return latents


class _Block(nn.Module):
    def __init__(self, n: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.inward = nn.Parameter(torch.randn(width, n, generator=generator, **CPU_FLOAT32) / math.sqrt(n))
        self.offset = nn.Parameter(2 * torch.rand(width, generator=generator, **CPU_FLOAT32) - 1)
        self.outward = nn.Parameter(torch.zeros(n, width, **CPU_FLOAT32))
        self.shift = nn.Parameter(torch.zeros(n, **CPU_FLOAT32))

    def forward(self, latents: Tensor, through: Tensor) -> Tensor:
        return latents + _bend(latents, *self._contracted(through))

    def with_jacobian(self, latents: Tensor, through: Tensor) -> tuple[Tensor, Tensor]:
        inward, offset, outward, shift = self._contracted(through)
        heights = _heights(latents, inward, offset)
        # one product of matrices for all rows instead of one for each; a unit's slope is 1 less its height squared
        pairs = outward.T[:, :, None] * inward[:, None, :]
        steepest = _identity(latents) + outward @ inward
        missing = (heights.square() @ pairs.flatten(1)).view(-1, *pairs.shape[1:])
        return latents + heights @ outward.T + shift, steepest - missing

    def inverse(self, latents: Tensor, through: Tensor) -> Tensor:
        weights, found = self._contracted(through), latents
        rounds = math.ceil(math.log(torch.finfo(latents.dtype).eps) / math.log(_STEEPEST)) + 1
        for _ in range(rounds):
            found = latents - _bend(found, *weights)
        return found

    def _contracted(self, through: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The weights of the latents that go through, the outward ones smaller where the block would be too steep."""
        inward, outward = self.inward * through, self.outward * through[:, None]
        steepest = _norm_squared(inward.T @ inward) * _norm_squared(outward @ outward.T)
        outward = outward * (_STEEPEST / steepest.clamp_min(_STEEPEST**2).sqrt())
        return inward, self.offset, outward, self.shift * through


def _identity(latents: Tensor) -> Tensor:
    return torch.eye(latents.shape[1], dtype=latents.dtype, device=latents.device)


def _bend(latents: Tensor, inward: Tensor, offset: Tensor, outward: Tensor, shift: Tensor) -> Tensor:
    return _heights(latents, inward, offset) @ outward.T + shift


def _heights(latents: Tensor, inward: Tensor, offset: Tensor) -> Tensor:
    """Of the hidden units: tanh(x), as 2 sigmoid(2 x) - 1, which takes a fifth of the time."""
    return torch.sigmoid(latents @ (2 * inward.T) + 2 * offset) * 2 - 1


def _norm_squared(gram: Tensor) -> Tensor:
    """Of a matrix, by its Gram matrix."""
    eigenvalues: Tensor = torch.linalg.eigvalsh(gram)
    return eigenvalues[-1]
