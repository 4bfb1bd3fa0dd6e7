"""What an encoder reads of observations with hundreds of columns: their coordinates on principal axes.

A step of training moves all weights of a layer by about the same amount, so that its outputs move in proportion to the
number of inputs. With thousands of columns, most of whose variation is noise, they would jump. Few principal axes hold
what latents have in common, and what they lose the decoder has: refined encodings use all columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32

__all__ = ["PrincipalAxes"]


class PrincipalAxes(nn.Module):
    """Coordinates of observations on fixed axes.

    Args:
        n_observed: Number of columns d_x.
        n_axes: Number of axes k.

    Example:
        >>> axes = PrincipalAxes(3, 1)
        >>> axes.set_(torch.tensor([[0.0, 2.0, 0.0]]))
        >>> axes(torch.tensor([[5.0, 1.0, 7.0]])).tolist()
        [[2.0]]
    """

    axes: Tensor

    def __init__(self, n_observed: int, n_axes: int) -> None:
        super().__init__()
        self.register_buffer("axes", torch.zeros(n_axes, n_observed, **CPU_FLOAT32))

    @torch.no_grad()
    def set_(self, axes: Tensor) -> None:
        """Set the axes, shape (k, d_x), in place."""
        self.axes.copy_(axes)

    def forward(self, values: Tensor) -> Tensor:
        """Map (..., d_x) to (..., k)."""
        return values @ self.axes.mT
