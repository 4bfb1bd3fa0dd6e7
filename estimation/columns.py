"""The derivative of a map on rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["derivative"]


def derivative(function: Callable[..., Any], points: Tensor) -> tuple[Tensor, Tensor]:
    """The values of a map on rows, and its derivative, by forward differentiation.

    Args:
        function: from (B, inputs) to (B, outputs), each row for itself.
        points: shape (B, inputs).

    Returns:
        values, shape (B, outputs), and derivatives, shape (B, outputs, inputs).

    Example:
        >>> values, slopes = derivative(lambda z: z**2, torch.tensor([[1.0, 2.0]]))
        >>> slopes.tolist()
        [[[2.0, 0.0], [0.0, 4.0]]]
    """
    def along(direction: Tensor) -> tuple[Tensor, Tensor]:
        # rows are independent, and there are fewer latents than observed dimensions
        found: tuple[Tensor, Tensor] = torch.func.jvp(function, (points,), (direction.expand_as(points),))
        return found

    return torch.func.vmap(along, out_dims=(None, -1))(torch.eye(points.shape[1]).to(points))
