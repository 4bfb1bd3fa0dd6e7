"""Jacobians of batched functions, computed without global state so that several threads can differentiate at once.

The levels of torch's forward-mode differentiation belong to the whole process (`torch.autograd.forward_ad`, and
`torch.func.jvp`, which builds on it). Two threads that differentiate at once end each other's levels, with wrong
numbers or a crash. Networks of this package therefore push tangents forward themselves. Any other function is
differentiated twice in reverse mode, which keeps its state in the graph: J d is the derivative of v' J with respect to
v, in direction d.
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
    """Return the values and Jacobians of a batched function.

    Args:
        function: Function from (B, inputs) to (B, outputs) that treats every row independently.
        points: Points, shape (B, inputs).

    Returns:
        Values, shape (B, outputs), and Jacobians, shape (B, outputs, inputs), both detached from the graph.

    Raises:
        NotDifferentiableError: If torch can't differentiate the function, or gets its second derivative wrong.

    Example:
        >>> values, jacobian = batch_jacobian(lambda z: z**2, torch.tensor([[1.0, 2.0]]))
        >>> jacobian.tolist()
        [[[2.0, 0.0], [0.0, 4.0]]]
    """
    n_inputs = points.shape[1]
    identity = torch.eye(n_inputs, dtype=points.dtype, device=points.device)
    with torch.inference_mode(False), torch.no_grad():
        pushed = pushforward(function, points, identity[:, None].expand(n_inputs, *points.shape))
        if pushed is not None:
            return pushed[0], pushed[1].permute(1, 2, 0)
        # a copy, since the function may modify its argument in place
        values: object = function(points.clone())
    if not isinstance(values, Tensor):
        raise NotDifferentiableError(f"it returns a {type(values).__name__}, not a tensor")
    return values, _reverse_mode_jacobian(function, points, identity)


def pushforward(
    function: Callable[..., Any], points: Tensor, tangents: Tensor
) -> tuple[Tensor, Tensor] | None:
    """Evaluate a function and push tangents forward through it, if its class defines how.

    Args:
        function: A function or network. Only a ``pushforward`` defined by its own class counts, since an inherited
            one belongs to another ``forward``.
        points: Points, shape (B, inputs).
        tangents: D tangents at every point, shape (D, B, inputs).

    Returns:
        Values, shape (B, outputs), and their tangents, shape (D, B, outputs); None if the class has no ``pushforward``.
    """
    method = vars(type(function)).get("pushforward")
    pushed: tuple[Tensor, Tensor] | None = None if method is None else method(function, points, tangents)
    return pushed


def _reverse_mode_jacobian(function: Callable[..., Any], points: Tensor, identity: Tensor) -> Tensor:
    n_rows, n_inputs = points.shape
    try:
        with torch.inference_mode(False), torch.enable_grad():
            copies = points.detach().repeat(n_inputs, 1).requires_grad_()
            outputs = function(copies.clone())
            weights = torch.ones_like(outputs, requires_grad=True)
            (gradient,) = torch.autograd.grad(outputs, copies, weights, create_graph=True)
            directions = identity.repeat_interleave(n_rows, dim=0)
            (derivatives,) = torch.autograd.grad(gradient, weights, directions)
    except (RuntimeError, NotImplementedError) as error:
        if out_of_memory(error):
            raise
        raise NotDifferentiableError(one_line(error, 200)) from error
    jacobian: Tensor = derivatives.view(n_inputs, n_rows, -1).permute(1, 2, 0)
    _require_consistent(jacobian, gradient.detach()[:n_rows])
    return jacobian


def _require_consistent(jacobian: Tensor, gradient: Tensor) -> None:
    """Compare the Jacobian with the gradient of the summed outputs, which needs only one backward pass.

    A custom backward that detaches from the graph gives another derivative in the second pass.
    """
    size = jacobian.abs().sum(1)
    # a function may take and return single precision but compute in double
    eps = max(torch.finfo(jacobian.dtype).eps, torch.finfo(gradient.dtype).eps)
    inconsistent = (jacobian.sum(1) - gradient).abs() > eps**0.5 * size.maximum(gradient.abs())
    if bool(inconsistent.any()):
        raise NotDifferentiableError("its derivative can't be differentiated again")
