"""The Jacobian of a map on rows: the same as torch's own, from any thread."""

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


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(training_seed(seed)))


def mlp(inputs: int, outputs: int, depth: int, skip: bool = True) -> MLP:
    return MLP(inputs, outputs, 8, depth, torch.Generator().manual_seed(training_seed(1)), skip)


def forward_mode(function: Callable[..., Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
    def along(direction: Tensor) -> tuple[Tensor, ...]:
        return torch.func.jvp(function, (points,), (direction.expand_as(points),))

    return torch.func.vmap(along, out_dims=(None, -1))(torch.eye(points.shape[1]))  # type: ignore[arg-type]


class Squashed(ConvDecoder):
    """Derived from a network of ours, with another output."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(latents))


NETWORKS: dict[str, tuple[nn.Module, bool]] = {
    "no hidden layer": (mlp(3, 5, 0), True),
    "one latent": (mlp(1, 4, 2), True),
    "without the linear map": (mlp(3, 5, 2, skip=False), True),
    "convolutions": (WithLinearInput(ConvDecoder(3, (2, 9, 12), width=2, seed=training_seed()), 3), True),
    "a network of the user's": (
        WithLinearInput(nn.Sequential(nn.Linear(3, 8), nn.ELU(), nn.Linear(8, 4)), 3),
        False,
    ),
    "derived from ours": (WithLinearInput(Squashed(3, (1, 8, 8), width=2), 3), False),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_what_forward_mode_gives(name: str) -> None:
    """To the last bit for networks of ours, so that nothing changed when forward mode was given up."""
    network, ours = NETWORKS[name]
    points = drawn(7, 1 if name == "one latent" else 3)
    with torch.no_grad():
        pushed = pushforward(network, points, points[None])
        found, wanted = batch_jacobian(network, points), forward_mode(network, points)
    assert (pushed is not None) == ours
    assert torch.equal(found[0], network(points))
    for one, other in zip(found, wanted, strict=True):
        assert not one.requires_grad
        assert torch.equal(one, other) if ours else torch.allclose(one, other, atol=1e-6)


class Forgetful(torch.autograd.Function):
    """Adds the square; of its backward torch sees nothing."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values**2

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return 2 * values * gradient.detach()


def test_half_of_a_derivative_is_not_taken_for_it() -> None:
    """Torch itself would not say that a part of it is missing."""
    with pytest.raises(NotDifferentiableError, match="its derivative can't be differentiated again"):
        batch_jacobian(lambda z: z + Forgetful.apply(z), drawn(5, 2))


def test_arrays_have_no_derivative() -> None:
    with pytest.raises(NotDifferentiableError, match="it returns a ndarray, not a tensor"):
        batch_jacobian(lambda z: z.numpy() ** 2, drawn(5, 2))


def test_a_map_may_change_what_it_is_given() -> None:
    points = drawn(5, 2)
    before = points.clone()
    values, jacobian = batch_jacobian(lambda z: z.mul_(3), points)
    assert torch.equal(points, before)
    assert torch.equal(values, 3 * before)
    assert torch.equal(jacobian, 3 * torch.eye(2).expand(5, 2, 2))


def test_faults_of_the_map_itself_are_raised_as_they_are() -> None:
    def short_of_memory(values: Tensor) -> Tensor:
        if values.requires_grad:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return values

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        batch_jacobian(short_of_memory, drawn(5, 2))
    with pytest.raises(ZeroDivisionError):
        batch_jacobian(lambda z: z * (1 / 0), drawn(5, 2))


def test_modes_that_are_left_on_don_t_matter() -> None:
    network, points = NETWORKS["a network of the user's"][0], drawn(5, 3)
    wanted = batch_jacobian(network, points)[1]
    for mode in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with mode:
            assert torch.equal(batch_jacobian(network, points)[1], wanted)


def test_a_map_may_compute_in_double_precision_what_is_single() -> None:
    for seed in range(20):
        weights = drawn(3, 5, seed=seed).double()

        def function(z: Tensor, weights: Tensor = weights) -> Tensor:
            return (z.double() - 1e9) @ weights + 1e9

        values, jacobian = batch_jacobian(function, drawn(50, 3, seed=seed))
        assert values.dtype == jacobian.dtype == torch.float64
        torch.testing.assert_close(jacobian, weights.T.expand(50, -1, -1))
