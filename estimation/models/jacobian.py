"""The Jacobian of a map on rows, without anything that threads share.

Forward-mode differentiation of torch has levels that belong to the whole process (`torch.autograd.forward_ad`, and
`torch.func.jvp` upon it): two threads that differentiate at once end each other's, with wrong numbers or a crash. So
networks of this package push tangents forward themselves, and any other map is differentiated backwards twice, which
keeps its state in the graph: J d is the derivative of v' J in v, along d.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from estimation.device import out_of_memory
from estimation.exceptions import NotDifferentiableError
from identify.exceptions import one_line

__all__ = ["batch_jacobian", "pushforward"]


def batch_jacobian(function: Callable[..., Any], points: Tensor) -> tuple[Tensor, Tensor]:
    """The values of a map on rows, and its Jacobians.

    Args:
        function: from (B, inputs) to (B, outputs), each row for itself.
        points: shape (B, inputs).

    Returns:
        values, shape (B, outputs), and Jacobians, shape (B, outputs, inputs), both without a graph.

    Raises:
        NotDifferentiableError: torch can't differentiate it, or differentiates it wrongly the second time.

    Example:
        >>> values, jacobian = batch_jacobian(lambda z: z**2, torch.tensor([[1.0, 2.0]]))
        >>> jacobian.tolist()
        [[[2.0, 0.0], [0.0, 4.0]]]
    """
    count = points.shape[1]
    identity = torch.eye(count, dtype=points.dtype, device=points.device)
    with torch.inference_mode(False), torch.no_grad():
        pushed = pushforward(function, points, identity[:, None].expand(count, *points.shape))
        if pushed is not None:
            return pushed[0], pushed[1].permute(1, 2, 0)
        # copies: it may change what it is given
        values: object = function(points.clone())
    if not isinstance(values, Tensor):
        raise NotDifferentiableError(f"it gives a {type(values).__name__}, not a tensor")
    return values, _twice_backwards(function, points, identity)


def pushforward(
    function: Callable[..., Any], points: Tensor, tangents: Tensor
) -> tuple[Tensor, Tensor] | None:
    """Values at points (B, inputs), and tangents (D, B, inputs) carried along.

    Args:
        function: asked for a ``pushforward`` of its own class. An inherited one would speak of another ``forward``.
        points: shape (B, inputs).
        tangents: D of them for every point.

    Returns:
        shapes (B, outputs) and (D, B, outputs); None where the class has none.
    """
    own = vars(type(function)).get("pushforward")
    found: tuple[Tensor, Tensor] | None = None if own is None else own(function, points, tangents)
    return found


def _twice_backwards(function: Callable[..., Any], points: Tensor, identity: Tensor) -> Tensor:
    rows, count = points.shape
    try:
        with torch.inference_mode(False), torch.enable_grad():
            copies = points.detach().repeat(count, 1).requires_grad_()
            outputs = function(copies.clone())
            weights = torch.ones_like(outputs, requires_grad=True)
            (back,) = torch.autograd.grad(outputs, copies, weights, create_graph=True)
            along = identity.repeat_interleave(rows, dim=0)
            (pushed,) = torch.autograd.grad(back, weights, along)
    except (RuntimeError, NotImplementedError) as error:
        if out_of_memory(error):
            raise
        raise NotDifferentiableError(one_line(error, 200)) from error
    jacobian: Tensor = pushed.view(count, rows, -1).permute(1, 2, 0)
    _require_same(jacobian, back.detach()[:rows])
    return jacobian


def _require_same(jacobian: Tensor, once: Tensor) -> None:
    """A backward that forgets its own graph gives another derivative the second time: compare them along one vector."""
    size = jacobian.abs().sum(1)
    # a map may compute in double precision what it is given, and gives back, in single
    eps = max(torch.finfo(jacobian.dtype).eps, torch.finfo(once.dtype).eps)
    wrong = (jacobian.sum(1) - once).abs() > eps**0.5 * size.maximum(once.abs())
    if bool(wrong.any()):
        raise NotDifferentiableError("its derivative can't be differentiated again")
