"""An invertible map of the latents, between encoder and decoder: what is still bent after unmixing, it straightens.

Unmixing is linear. What is left of the entanglement after it is curved, a valley along which encoder and decoder would
have to change together; both go through it slowly. A flow that the encoder ends with, and whose inverse the decoder
begins with, leaves the reconstruction alone, and the transition can straighten the latents directly.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from estimation.columns import derivative
from estimation.networks import MLP

__all__ = ["CouplingFlow"]

# of the logarithm of a scale in one coupling
_MOST = 0.5


class CouplingFlow(nn.Module):
    """Affine couplings (Dinh et al., "Density estimation using Real NVP", arXiv 1605.08803): exactly invertible.

    Each moves and scales one half of the latents by functions of the other half. Couplings come in pairs that treat a
    random split both ways. The flow is the identity until it learns; while it is not ``active``, it is left out.

    Args:
        n: number of latents.
        couplings: how many; with none, or one latent, the identity.
        width: units of the two hidden layers of each coupling's network.
        generator: draws splits and weights.

    Example:
        >>> flow = CouplingFlow(4, 2, 8, torch.Generator().manual_seed(0))
        >>> flow.active
        False
        >>> flow.activate_()
        >>> straight, log_det = flow(torch.ones(3, 4))
        >>> straight.shape, log_det.shape
        (torch.Size([3, 4]), torch.Size([3]))
        >>> bool((flow.inverse(straight) == 1).all())
        True
    """

    state: Tensor

    def __init__(self, n: int, couplings: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.couplings = nn.ModuleList()
        order = torch.arange(n)
        for k in range(couplings if n > 1 else 0):
            order = torch.randperm(n, generator=generator) if k % 2 == 0 else order.flip(0)
            self.couplings.append(_Coupling(order, width, generator))
        self.register_buffer("state", torch.tensor(False))

    @property
    def active(self) -> bool:
        """Whether latents go through it."""
        return bool(self.state)

    def activate_(self) -> None:
        """Put it between encoder and decoder, if it has any coupling."""
        self.state.fill_(len(self.couplings) > 0)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Straighten.

        Args:
            latents: shape (B, n).

        Returns:
            latents, shape (B, n), and the logarithm of the determinant of the Jacobian, shape (B,).
        """
        log_det = latents.new_zeros(len(latents))
        for coupling in self.couplings if self.active else ():
            latents, part = coupling(latents)
            log_det = log_det + part
        return latents, log_det

    def jacobian(self, latents: Tensor) -> Tensor:
        """Its derivative at latents (B, n), shape (B, n, n)."""
        return derivative(lambda z: self(z)[0], latents)[1]

    def inverse(self, latents: Tensor) -> Tensor:
        """Bend straight latents, shape (B, n), as the decoder knows them."""
        for coupling in reversed(list(self.couplings)) if self.active else ():
            assert isinstance(coupling, _Coupling)
            latents = coupling.inverse(latents)
        return latents


class _Coupling(nn.Module):
    first: Tensor
    second: Tensor
    back: Tensor

    def __init__(self, order: Tensor, width: int, generator: torch.Generator) -> None:
        super().__init__()
        half = len(order) // 2
        self.register_buffer("first", order[:half])
        self.register_buffer("second", order[half:])
        self.register_buffer("back", order.argsort())
        self.network = MLP(half, 2 * (len(order) - half), width, 2, generator, skip=False)
        with torch.no_grad():
            for parameter in self.network.last.parameters():
                parameter.zero_()

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        fixed, moved = latents[:, self.first], latents[:, self.second]
        shift, log_scale = self._of(fixed)
        moved = moved * log_scale.exp() + shift
        return torch.cat([fixed, moved], dim=1)[:, self.back], log_scale.sum(1)

    def inverse(self, latents: Tensor) -> Tensor:
        fixed, moved = latents[:, self.first], latents[:, self.second]
        shift, log_scale = self._of(fixed)
        moved = (moved - shift) * (-log_scale).exp()
        return torch.cat([fixed, moved], dim=1)[:, self.back]

    def _of(self, fixed: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = self.network(fixed).chunk(2, dim=1)
        return shift, _MOST * torch.tanh(raw)
