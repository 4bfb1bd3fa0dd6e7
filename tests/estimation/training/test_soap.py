"""The optimiser: against the published algorithm's implementation elsewhere, and laws of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import pytorch_optimizer
import torch
from torch import Tensor, nn

from estimation.training.soap import SOAP
from tests.seeds import training_seed

DOUBLE = torch.float64


def weights(*shapes: tuple[int, ...], seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(training_seed(seed))
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=DOUBLE)) for shape in shapes]


def minimise(optimiser: torch.optim.Optimizer, loss: Callable[[], Tensor], steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return losses


def two_layers(parameters: list[nn.Parameter]) -> Callable[[], Tensor]:
    """Regression with gradients of full rank, so that no eigenbasis is left to chance."""
    generator = torch.Generator().manual_seed(training_seed(1))
    x = torch.randn(200, 6, generator=generator, dtype=DOUBLE)
    y = torch.sin(x @ torch.randn(6, 6, generator=generator, dtype=DOUBLE))
    return lambda: (torch.tanh(x @ parameters[0] + parameters[2]) @ parameters[1] - y).square().mean()


@pytest.mark.parametrize("refresh", [3, 10])
@pytest.mark.parametrize("betas", [(0.95, 0.95), (0.9, 0.99)])
def test_it_follows_the_published_algorithm(refresh: int, betas: tuple[float, float]) -> None:
    ours, theirs = weights((6, 6), (6, 6), (6,)), weights((6, 6), (6, 6), (6,))
    optimiser = SOAP(ours, lr=7e-3, betas=betas, refresh=refresh)
    options = {"betas": betas, "weight_decay": 0.0, "precondition_frequency": refresh}
    reference = pytorch_optimizer.SOAP(theirs, lr=7e-3, **options)
    losses = minimise(optimiser, two_layers(ours), 60)
    assert losses == pytest.approx(minimise(reference, two_layers(theirs), 60), rel=1e-4)
    assert losses[-1] < 0.7 * losses[0]
    for a, b in zip(ours, theirs, strict=True):
        # the reference makes its bases in single precision
        assert torch.allclose(a, b, atol=1e-3)


def test_a_stack_is_as_many_matrices() -> None:
    """Stacked, or one by one: the same steps."""
    (stack,) = weights((3, 5, 5))
    apart = [nn.Parameter(part.clone()) for part in stack.detach()]
    inputs = torch.randn(3, 100, 5, generator=torch.Generator().manual_seed(training_seed(2)), dtype=DOUBLE)

    def together() -> Tensor:
        return torch.tanh(inputs @ stack).square().sum()

    def one_by_one() -> Tensor:
        return sum(
            (torch.tanh(x @ part).square().sum() for x, part in zip(inputs, apart, strict=True)),
            start=torch.zeros((), dtype=DOUBLE),
        )

    minimise(SOAP([stack], lr=0.01, refresh=7), together, 40)
    minimise(SOAP(apart, lr=0.01, refresh=7), one_by_one, 40)
    assert torch.allclose(stack, torch.stack(list(apart)), atol=1e-9)


def test_alike_matrices_and_vectors_go_together_and_do_not_mix() -> None:
    """Each with an optimiser of its own: the same steps."""
    shapes = (5, 5), (4, 3), (3,), (5, 5), (2, 4, 3), (4,), (2, 5, 5)
    together, alone = weights(*shapes), weights(*shapes)

    def bent(parameters: list[nn.Parameter]) -> Tensor:
        return sum((torch.cosh(p + 0.1 * k).sum() for k, p in enumerate(parameters)), start=torch.zeros(()))

    joint = SOAP(together, lr=0.01, refresh=7)
    minimise(joint, lambda: bent(together), 40)
    each = [SOAP([parameter], lr=0.01, refresh=7) for parameter in alone]
    for _ in range(40):
        for parameter in alone:
            parameter.grad = None
        bent(alone).backward()
        for optimiser in each:
            optimiser.step()
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a, b, atol=1e-9)
    assert len(joint.state) == 3


def test_what_is_not_looked_at_counts_like_what_is() -> None:
    """With a gradient that stays the same, a look at every fourth step sees as much as four looks."""
    (gradient,) = weights((4, 3), seed=5)
    often, seldom = weights((4, 3)), weights((4, 3))
    optimisers = [SOAP(often, lr=0.01, refresh=8), SOAP(seldom, lr=0.01, refresh=8, look=4)]
    for parameters, optimiser in zip((often, seldom), optimisers, strict=True):
        minimise(optimiser, lambda own=parameters[0]: (own * gradient.detach()).sum(), 20)  # type: ignore[misc]
    assert torch.allclose(often[0], seldom[0], atol=1e-9)
    for side in ("left", "right"):
        first, second = (
            optimiser.state[own[0]][side] for optimiser, own in zip(optimisers, (often, seldom), strict=True)
        )
        assert torch.allclose(first, second, rtol=1e-9)


def test_the_steps_do_not_depend_on_the_basis() -> None:
    """Turning inputs and outputs turns the steps along, which is what Adam lacks."""
    generator = torch.Generator().manual_seed(training_seed(3))
    left, right = (torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=DOUBLE))[0] for _ in range(2))
    scales = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=DOUBLE)
    goal = torch.randn(4, 4, generator=generator, dtype=DOUBLE)

    def misfit(weight: Tensor) -> Tensor:
        return (scales[:, None] * (weight - goal) * scales.flip(0).sqrt()).square().sum()

    def difference(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> float:
        (plain,) = weights((4, 4))
        turned = nn.Parameter((left @ plain @ right).detach().clone())
        minimise(make([plain]), lambda: misfit(plain), 30)
        minimise(make([turned]), lambda: misfit(left.T @ turned @ right.T), 30)
        return (left @ plain @ right - turned).abs().max().item()

    # the first gradient is diagonal in its own basis, but for rounding, which Adam's division blows up
    assert difference(lambda own: SOAP(own, lr=0.01, refresh=5)) < 1e-4
    assert difference(lambda own: torch.optim.Adam(own, lr=0.01)) > 1e-2


def test_kernels_long_sides_and_parameters_without_gradient() -> None:
    kernel, wide, idle, late = weights((3, 2, 3, 3), (2, 700), (2, 2), (2, 2))

    def loss() -> Tensor:
        return kernel.square().sum() + wide.square().sum() + (late.square().sum() if started else 0.0)

    optimiser = SOAP([kernel, wide, idle, late], lr=0.02, refresh=5)
    started = False
    minimise(optimiser, loss, 10)
    before = late.detach().clone()
    started = True
    losses = minimise(optimiser, loss, 200)
    assert losses[-1] < 0.1 * losses[0]
    assert late.abs().max() < before.abs().max()
    assert idle not in optimiser.state
    assert optimiser.state[kernel]["right"].shape == (1, 18, 18)
    assert "left" in optimiser.state[wide]
    assert "right" not in optimiser.state[wide]


def test_a_state_read_back_goes_on_alike() -> None:
    ours, again = weights((6, 6), (6, 6), (6,)), weights((6, 6), (6, 6), (6,))
    first, second = (SOAP(own, lr=0.01, refresh=4, look=3) for own in (ours, again))
    minimise(first, two_layers(ours), 10)
    with torch.no_grad():
        for a, b in zip(again, ours, strict=True):
            a.copy_(b)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert minimise(first, two_layers(ours), 10) == minimise(second, two_layers(again), 10)
    assert first.step(lambda: 3.0) == 3.0


def test_the_state_of_another_version_is_refused() -> None:
    (weight,) = weights((3, 3))
    optimiser = SOAP([weight], lr=0.01)
    minimise(optimiser, lambda: weight.square().sum(), 2)
    state = optimiser.state_dict()
    del state["state"][0]["members"]
    with pytest.raises(
        ValueError, match="the state of an earlier version, which updated every matrix separately"
    ):
        optimiser.load_state_dict(state)
