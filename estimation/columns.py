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
        values, column = torch.func.jvp(function, (points,), (direction.expand_as(points),))[:2]
        return values, column

    directions = torch.eye(points.shape[1]).to(points)
    # torch's annotations don't know that the values are the same for all
    found: tuple[Tensor, Tensor] = torch.func.vmap(along, out_dims=(None, -1))(directions)  # type: ignore[arg-type]
    return found
