"""SOAP for many small matrices: Adam in the slowly rotating eigenbasis of Shampoo's preconditioners.

Matrices of the same shape are updated together, as one stack: the weights of several layers, or a weight of shape
(count, a, b) that holds one matrix for each of several networks that are evaluated at once. Each matrix has its own
preconditioners::

    L, R    running means of G G^T and G^T G, with G the gradient of every `look`-th step
    U, V    eigenbases of L and R, updated every `refresh` steps by one step of the power iteration
    W       becomes W - rate * U adam(U^T G V) V^T

Moments are stored in the eigenbasis, where they need no projection, and rotate with it. Up to rounding this is the
algorithm of Vyas et al., arXiv 2409.11321, Algorithms 1 to 4, if ``look=1``. Vectors are updated by plain Adam.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["SOAP", "basis_sizes", "stacked_shape"]

_EPS = 1e-8
# torch's own name for an algorithm that doesn't converge
_NOT_CONVERGED: type[RuntimeError] = torch.linalg.LinAlgError  # type: ignore[attr-defined]
# the longest side that gets an eigenbasis; for longer ones, such as the pixels of an image, it costs too much
_LONGEST = 512
# multiplications of the gradient with a basis: next to a side of 5,050, the entries of a covariance of 100 latents, a
# side of 400 takes longer than the rest of the step; the layers of default size have bases up to 24,000 columns
_MOST_MULTIPLICATIONS = 4e8


class SOAP(torch.optim.Optimizer):
    """The SOAP optimiser.

    Args:
        parameters: Matrices (a, b), stacks of them (count, a, b), vectors, or kernels of convolutions (a, b, h, w),
            which are treated as matrices (a, b * h * w). A parameter without a gradient is not changed; one that loses
            its gradient later has gradient zero from then on.
        lr: Learning rate.
        betas: Decay rates of the first and the second moments; L and R decay at the second rate.
        refresh: Steps between two updates of the eigenbases.
        look: Steps between two updates of L and R, whose products are a third of the cost of a step.

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
        look: int = 1,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "refresh": refresh, "look": look, "done": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step. The first one changes no parameter: it computes the eigenbases."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = group["params"]
            for members in self._known_groups(parameters):
                own = [parameters[k] for k in members]
                gradient, state = _stacked_gradients(own), self.state[own[0]]
                for parameter, change in zip(
                    own, _unstacked(_update(gradient, state, group), own), strict=True
                ):
                    parameter.sub_(change)
                _precondition(gradient, state, group)
            for members in self._new_groups(parameters):
                own = [parameters[k] for k in members]
                self.state[own[0]]["members"] = members
                _start(self.state[own[0]], _stacked_gradients(own), group)
            group["done"] += 1
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state, as every optimiser does.

        Raises:
            ValueError: If it is the state of an earlier version, without stacks.
        """
        if not all("members" in state for state in state_dict["state"].values()):
            raise ValueError("it is the state of an earlier version, which updated every matrix separately")
        super().load_state_dict(state_dict)

    def _known_groups(self, parameters: list[nn.Parameter]) -> list[list[int]]:
        """Return the positions of the parameters that are updated together, one list for each shape."""
        return [list(state["members"]) for state in map(self._state, parameters) if state]

    def _new_groups(self, parameters: list[nn.Parameter]) -> list[list[int]]:
        """Return the positions of the parameters that have a gradient for the first time, by shape."""
        known = {k for members in self._known_groups(parameters) for k in members}
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for k, parameter in enumerate(parameters):
            if parameter.grad is not None and k not in known:
                by_shape.setdefault(stacked_shape(parameter), []).append(k)
        return list(by_shape.values())

    def _state(self, parameter: nn.Parameter) -> dict[str, Any]:
        # unlike self.state[parameter], this creates no entry
        state: dict[str, Any] = self.state.get(parameter, {})
        return state


def stacked_shape(parameter: Tensor) -> tuple[int, ...]:
    """Return the shape of the matrices in a parameter; () for vectors, which are all updated together."""
    if parameter.dim() < 2:
        return ()
    return tuple(parameter.flatten(1).shape if parameter.dim() > 3 else parameter.shape[-2:])


def basis_sizes(shape: Sequence[int]) -> dict[str, int]:
    """Return the sizes of the eigenbases that matrices of a shape get, by side; none for vectors.

    Example:
        >>> basis_sizes((10, 600)), basis_sizes(())
        ({'left': 10}, {})
    """
    return {
        side: size
        for side, size in zip(("left", "right"), shape, strict=False)
        if size <= _LONGEST and size * math.prod(shape) <= _MOST_MULTIPLICATIONS
    }


def _stacked_gradients(parameters: list[nn.Parameter]) -> Tensor:
    """Return the gradients as a stack of matrices, or as one vector."""
    shape = stacked_shape(parameters[0])
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    return torch.cat([gradient.reshape(-1, *shape) for gradient in gradients])


def _unstacked(values: Tensor, parameters: list[nn.Parameter]) -> Iterator[Tensor]:
    """Split values that are stacked like the gradients, and give each the shape of its parameter."""
    shape = stacked_shape(parameters[0])
    counts = [parameter.numel() // math.prod(shape) for parameter in parameters]
    for part, parameter in zip(torch.split(values, counts), parameters, strict=True):
        yield part.view_as(parameter)


def _start(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> None:
    state["first"], state["second"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    for side, product in _products(gradient, basis_sizes(gradient.shape[1:])):
        state[side] = _weight(group) * product
        state[f"{side}_basis"] = _eigenbasis(product)


def _update(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    left, right = state.get("left_basis"), state.get("right_basis")
    rotated = _times(None if left is None else left.mT, gradient, right)
    keep_first, keep_second = group["betas"]
    first = state["first"].lerp_(rotated, 1 - keep_first)
    second = state["second"].mul_(keep_second).addcmul_(rotated, rotated, value=1 - keep_second)
    unbiased = math.sqrt(1 - keep_second ** group["done"]) / (1 - keep_first ** group["done"])
    change = first.div(second.sqrt().add_(_EPS)).mul_(group["lr"] * unbiased)
    return _times(left, change, None if right is None else right.mT)


def _precondition(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if group["done"] % group["look"] == 0:
        # the state of an earlier version may have more of them
        for side, product in _products(gradient, state):
            state[side].lerp_(product, _weight(group))
    if group["done"] and group["done"] % group["refresh"] == 0:
        _rotate_bases(state)


def _weight(group: dict[str, Any]) -> float:
    """Return the weight of a product in the running mean: that of all steps since the last one, together."""
    return 1 - float(group["betas"][1] ** group["look"])


def _rotate_bases(state: dict[str, Any]) -> None:
    """Take one step of the power iteration on the eigenbases, and rotate the moments with them."""
    if "left" in state:
        basis, order = _iterated(state["left"], state["left_basis"])
        state["first"] = basis.mT @ state["left_basis"] @ state["first"]
        # as published: second moments follow the order of the eigenvalues and are not rotated
        state["second"] = state["second"].gather(-2, order[..., :, None].expand_as(state["second"]))
        state["left_basis"] = basis
    if "right" in state:
        basis, order = _iterated(state["right"], state["right_basis"])
        state["first"] = state["first"] @ (state["right_basis"].mT @ basis)
        state["second"] = state["second"].gather(-1, order[..., None, :].expand_as(state["second"]))
        state["right_basis"] = basis


def _products(gradient: Tensor, sides: Container[str]) -> Iterator[tuple[str, Tensor]]:
    if "left" in sides:
        yield "left", gradient @ gradient.mT
    if "right" in sides:
        yield "right", gradient.mT @ gradient


def _times(left: Tensor | None, values: Tensor, right: Tensor | None) -> Tensor:
    if left is not None:
        values = left @ values
    return values if right is None else values @ right


def _eigenbasis(matrix: Tensor) -> Tensor:
    # in double precision: the first gradients can be tiny, and nearly equal eigenvalues defeat single precision
    precise = matrix.double()
    try:
        basis: Tensor = torch.linalg.eigh(precise)[1].flip(-1)
    except _NOT_CONVERGED:
        # LAPACK's divide and conquer fails on some matrices of which most rows are zero, as with many removed edges;
        # the singular vectors are the same for a matrix that has no negative eigenvalue, and take twice as long
        basis = torch.linalg.svd(precise)[0]
    return basis.to(matrix.dtype)


def _iterated(matrix: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    product = matrix @ basis
    order = torch.argsort((basis * product).sum(-2), dim=-1, descending=True)
    sorted_product = product.gather(-1, order[..., None, :].expand_as(product))
    rotated: Tensor = torch.linalg.qr(sorted_product)[0]
    return rotated, order
