"""Batched Jacobians, compared with torch's forward-mode differentiation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from estimation.exceptions import NotDifferentiableError
from estimation.models.convolutional import ConvDecoder
from estimation.models.jacobian import batch_jacobian, pushforward
from estimation.models.networks import MLP, WithLinearInput
from tests.seeds import training_seed


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(training_seed(seed)))


def mlp(inputs: int, outputs: int, depth: int, skip: bool = True) -> MLP:
    return MLP(inputs, outputs, 8, depth, torch.Generator().manual_seed(training_seed(1)), skip)


def forward_mode(function: Callable[..., Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
    def along(direction: Tensor) -> tuple[Tensor, ...]:
        return torch.func.jvp(function, (points,), (direction.expand_as(points),))

    return torch.func.vmap(along, out_dims=(None, -1))(torch.eye(points.shape[1]))  # type: ignore[arg-type]


class Squashed(ConvDecoder):
    """A subclass of a network of this package, with another output."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(latents))


NETWORKS: dict[str, tuple[nn.Module, bool]] = {
    "no hidden layer": (mlp(3, 5, 0), True),
    "one latent": (mlp(1, 4, 2), True),
    "without the skip connection": (mlp(3, 5, 2, skip=False), True),
    "convolutions": (WithLinearInput(ConvDecoder(3, (2, 9, 12), width=2, seed=training_seed()), 3), True),
    "user-supplied": (
        WithLinearInput(nn.Sequential(nn.Linear(3, 8), nn.ELU(), nn.Linear(8, 4)), 3),
        False,
    ),
    "subclass": (WithLinearInput(Squashed(3, (1, 8, 8), width=2), 3), False),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_jacobians_equal_those_of_forward_mode(name: str) -> None:
    """Networks of this package agree to the last bit with torch's forward mode, which they replaced."""
    network, has_pushforward = NETWORKS[name]
    points = normal(7, 1 if name == "one latent" else 3)
    with torch.no_grad():
        pushed = pushforward(network, points, points[None])
        results, expected = batch_jacobian(network, points), forward_mode(network, points)
    assert (pushed is not None) == has_pushforward
    assert torch.equal(results[0], network(points))
    for one, other in zip(results, expected, strict=True):
        assert not one.requires_grad
        assert torch.equal(one, other) if has_pushforward else torch.allclose(one, other, atol=1e-6)


class DetachedSquare(torch.autograd.Function):
    """The square, with a backward pass that is detached from the graph."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values**2

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return 2 * values * gradient.detach()


def test_a_wrong_second_derivative_is_refused() -> None:
    """Torch itself returns it without an error."""
    with pytest.raises(NotDifferentiableError, match="its derivative can't be differentiated again"):
        batch_jacobian(lambda z: z + DetachedSquare.apply(z), normal(5, 2))


def test_functions_that_return_arrays_are_refused() -> None:
    with pytest.raises(NotDifferentiableError, match="it returns a ndarray, not a tensor"):
        batch_jacobian(lambda z: z.numpy() ** 2, normal(5, 2))


def test_a_function_may_modify_its_argument() -> None:
    points = normal(5, 2)
    before = points.clone()
    values, jacobian = batch_jacobian(lambda z: z.mul_(3), points)
    assert torch.equal(points, before)
    assert torch.equal(values, 3 * before)
    assert torch.equal(jacobian, 3 * torch.eye(2).expand(5, 2, 2))


def test_errors_of_the_function_are_raised_unchanged() -> None:
    def out_of_memory(values: Tensor) -> Tensor:
        if values.requires_grad:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return values

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        batch_jacobian(out_of_memory, normal(5, 2))
    with pytest.raises(ZeroDivisionError):
        batch_jacobian(lambda z: z * (1 / 0), normal(5, 2))


def test_modes_of_the_caller_do_not_matter() -> None:
    network, points = NETWORKS["user-supplied"][0], normal(5, 3)
    expected = batch_jacobian(network, points)[1]
    for mode in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with mode:
            assert torch.equal(batch_jacobian(network, points)[1], expected)


def test_a_function_may_compute_single_precision_input_in_double() -> None:
    for seed in range(20):
        weights = normal(3, 5, seed=seed).double()

        def function(z: Tensor, weights: Tensor = weights) -> Tensor:
            return (z.double() - 1e9) @ weights + 1e9

        values, jacobian = batch_jacobian(function, normal(50, 3, seed=seed))
        assert values.dtype == jacobian.dtype == torch.float64
        torch.testing.assert_close(jacobian, weights.T.expand(50, -1, -1))
