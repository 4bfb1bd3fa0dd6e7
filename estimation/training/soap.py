"""SOAP for stacks of matrices: Adam in the slowly turning eigenbasis of Shampoo's preconditioners.

A weight of shape (count, a, b) is a stack of matrices, one for each of the networks that are evaluated at once, and
each has preconditioners of its own::

    L, R    running means of G G^T and G^T G, G the gradient
    U, V    eigenbases of L and R, anew every `refresh` steps by one step of the power iteration
    W       becomes W - rate * U adam(U^T G V) V^T

Moments live in the eigenbasis, where they cost no projection, and turn with it; up to rounding that is what the paper
does (Vyas et al., arXiv 2409.11321, Algorithms 1 to 4). Vectors get plain Adam.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["SOAP"]

_EPS = 1e-8
# a longer side, such as the pixels of an image, costs more than it gains and keeps its own basis
_LONGEST = 512


class SOAP(torch.optim.Optimizer):
    """The optimiser.

    Args:
        parameters: matrices (a, b), stacks of them (count, a, b), vectors, or kernels of convolutions (a, b, h, w),
            which count as matrices (a, b * h * w).
        lr: the learning rate.
        betas: how much of the first and of the second moments stays after a step; the second is that of L and R too.
        refresh: steps between two eigenbases.

    Example:
        >>> weight = nn.Parameter(torch.ones(2, 3))
        >>> optimiser = SOAP([weight], lr=0.1)
        >>> for _ in range(100):
        ...     optimiser.zero_grad()
        ...     weight.square().sum().backward()
        ...     optimiser.step()
        >>> bool(weight.abs().max() < 0.1)
        True
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        refresh: int = 40,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "refresh": refresh, "done": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step. The first only looks at the gradients, to have an eigenbasis."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state, gradient = self.state[parameter], _matrices(parameter.grad)
                if state:
                    parameter.sub_(_change(gradient, state, group).view_as(parameter))
                else:
                    _start(state, gradient)
                _look(gradient, state, group)
            group["done"] += 1
        return loss


def _matrices(values: Tensor) -> Tensor:
    return values.flatten(1) if values.dim() > 3 else values


def _start(state: dict[str, Any], gradient: Tensor) -> None:
    state["first"], state["second"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    for side, product in _products(gradient):
        state[side] = torch.zeros_like(product)
        state[f"{side}_basis"] = _eigenbasis(product)


def _change(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    left, right = state.get("left_basis"), state.get("right_basis")
    turned = _times(None if left is None else left.mT, gradient, right)
    keep_first, keep_second = group["betas"]
    first = state["first"].lerp_(turned, 1 - keep_first)
    second = state["second"].mul_(keep_second).addcmul_(turned, turned, value=1 - keep_second)
    unbiased = math.sqrt(1 - keep_second ** group["done"]) / (1 - keep_first ** group["done"])
    change = first.div(second.sqrt().add_(_EPS)).mul_(group["lr"] * unbiased)
    return _times(left, change, None if right is None else right.mT)


def _look(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    for side, product in _products(gradient):
        state[side].lerp_(product, 1 - group["betas"][1])
    if group["done"] and group["done"] % group["refresh"] == 0:
        _turn(state)


def _turn(state: dict[str, Any]) -> None:
    """One step of the power iteration on the eigenbases; the moments go with them."""
    if "left" in state:
        basis, order = _iterated(state["left"], state["left_basis"])
        state["first"] = basis.mT @ state["left_basis"] @ state["first"]
        # as published: second moments follow the order of the eigenvalues and are not turned
        state["second"] = state["second"].gather(-2, order[..., :, None].expand_as(state["second"]))
        state["left_basis"] = basis
    if "right" in state:
        basis, order = _iterated(state["right"], state["right_basis"])
        state["first"] = state["first"] @ (state["right_basis"].mT @ basis)
        state["second"] = state["second"].gather(-1, order[..., None, :].expand_as(state["second"]))
        state["right_basis"] = basis


def _products(gradient: Tensor) -> Iterator[tuple[str, Tensor]]:
    if gradient.dim() > 1:
        if gradient.shape[-2] <= _LONGEST:
            yield "left", gradient @ gradient.mT
        if gradient.shape[-1] <= _LONGEST:
            yield "right", gradient.mT @ gradient


def _times(left: Tensor | None, values: Tensor, right: Tensor | None) -> Tensor:
    if left is not None:
        values = left @ values
    return values if right is None else values @ right


def _eigenbasis(matrix: Tensor) -> Tensor:
    # double: the first gradients can be tiny, and eigenvalues that hardly differ make single precision fail
    basis: Tensor = torch.linalg.eigh(matrix.double())[1]
    return basis.flip(-1).to(matrix.dtype)


def _iterated(matrix: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    product = matrix @ basis
    order = torch.argsort((basis * product).sum(-2), dim=-1, descending=True)
    sorted_product = product.gather(-1, order[..., None, :].expand_as(product))
    turned: Tensor = torch.linalg.qr(sorted_product)[0]
    return turned, order
