"""SOAP agrees with another implementation of the published algorithm, and its steps have the expected symmetries."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import pytorch_optimizer
import torch
from torch import Tensor, nn

from estimation.exceptions import CheckpointError
from estimation.training import soap
from estimation.training.optimiser_states import require_state
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
    """Return the loss of a regression whose gradients have full rank, so that all eigenbases are determined."""
    generator = torch.Generator().manual_seed(training_seed(1))
    x = torch.randn(200, 6, generator=generator, dtype=DOUBLE)
    y = torch.sin(x @ torch.randn(6, 6, generator=generator, dtype=DOUBLE))
    return lambda: (torch.tanh(x @ parameters[0] + parameters[2]) @ parameters[1] - y).square().mean()


@pytest.mark.parametrize("refresh", [3, 10])
@pytest.mark.parametrize("betas", [(0.95, 0.95), (0.9, 0.99)])
def test_steps_agree_with_the_reference_implementation(refresh: int, betas: tuple[float, float]) -> None:
    ours, theirs = weights((6, 6), (6, 6), (6,)), weights((6, 6), (6, 6), (6,))
    optimiser = SOAP(ours, lr=7e-3, betas=betas, refresh=refresh)
    options = {"betas": betas, "weight_decay": 0.0, "precondition_frequency": refresh}
    reference = pytorch_optimizer.SOAP(theirs, lr=7e-3, **options)
    losses = minimise(optimiser, two_layers(ours), 60)
    assert losses == pytest.approx(minimise(reference, two_layers(theirs), 60), rel=1e-4)
    assert losses[-1] < 0.7 * losses[0]
    for a, b in zip(ours, theirs, strict=True):
        # the reference computes its bases in single precision
        assert torch.allclose(a, b, atol=1e-3)


def test_a_stack_is_optimised_like_separate_matrices() -> None:
    (stack,) = weights((3, 5, 5))
    matrices = [nn.Parameter(matrix.clone()) for matrix in stack.detach()]
    inputs = torch.randn(3, 100, 5, generator=torch.Generator().manual_seed(training_seed(2)), dtype=DOUBLE)

    def stacked_loss() -> Tensor:
        return torch.tanh(inputs @ stack).square().sum()

    def separate_loss() -> Tensor:
        return sum(
            (torch.tanh(x @ matrix).square().sum() for x, matrix in zip(inputs, matrices, strict=True)),
            start=torch.zeros((), dtype=DOUBLE),
        )

    minimise(SOAP([stack], lr=0.01, refresh=7), stacked_loss, 40)
    minimise(SOAP(matrices, lr=0.01, refresh=7), separate_loss, 40)
    assert torch.allclose(stack, torch.stack(list(matrices)), atol=1e-9)


def test_parameters_of_equal_shape_are_batched_without_affecting_each_other() -> None:
    """Optimising every parameter with a separate optimiser gives the same steps."""
    shapes = (5, 5), (4, 3), (3,), (5, 5), (2, 4, 3), (4,), (2, 5, 5)
    batched, separate = weights(*shapes), weights(*shapes)

    def loss(parameters: list[nn.Parameter]) -> Tensor:
        return sum((torch.cosh(p + 0.1 * k).sum() for k, p in enumerate(parameters)), start=torch.zeros(()))

    batching = SOAP(batched, lr=0.01, refresh=7)
    minimise(batching, lambda: loss(batched), 40)
    optimisers = [SOAP([parameter], lr=0.01, refresh=7) for parameter in separate]
    for _ in range(40):
        for parameter in separate:
            parameter.grad = None
        loss(separate).backward()
        for optimiser in optimisers:
            optimiser.step()
    for a, b in zip(batched, separate, strict=True):
        assert torch.allclose(a, b, atol=1e-9)
    assert len(batching.state) == 3


def test_skipped_steps_count_in_the_moving_averages() -> None:
    """With a constant gradient, an update of L and R at every fourth step gives the same as one at every step."""
    (gradient,) = weights((4, 3), seed=5)
    every_step, every_fourth = weights((4, 3)), weights((4, 3))
    optimisers = [SOAP(every_step, lr=0.01, refresh=8), SOAP(every_fourth, lr=0.01, refresh=8, look=4)]
    for parameters, optimiser in zip((every_step, every_fourth), optimisers, strict=True):
        minimise(optimiser, lambda own=parameters[0]: (own * gradient.detach()).sum(), 20)  # type: ignore[misc]
    assert torch.allclose(every_step[0], every_fourth[0], atol=1e-9)
    for side in ("left", "right"):
        first, second = (
            optimiser.state[own[0]][side]
            for optimiser, own in zip(optimisers, (every_step, every_fourth), strict=True)
        )
        assert torch.allclose(first, second, rtol=1e-9)


def test_steps_are_equivariant_under_rotations() -> None:
    """Rotations of inputs and outputs rotate the steps; Adam lacks this property."""
    generator = torch.Generator().manual_seed(training_seed(3))
    left, right = (torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=DOUBLE))[0] for _ in range(2))
    scales = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=DOUBLE)
    target = torch.randn(4, 4, generator=generator, dtype=DOUBLE)

    def loss(weight: Tensor) -> Tensor:
        return (scales[:, None] * (weight - target) * scales.flip(0).sqrt()).square().sum()

    def difference(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> float:
        (plain,) = weights((4, 4))
        rotated = nn.Parameter((left @ plain @ right).detach().clone())
        minimise(make([plain]), lambda: loss(plain), 30)
        minimise(make([rotated]), lambda: loss(left.T @ rotated @ right.T), 30)
        return (left @ plain @ right - rotated).abs().max().item()

    # the first gradient is diagonal in its own basis up to rounding errors, which the division of Adam amplifies
    assert difference(lambda own: SOAP(own, lr=0.01, refresh=5)) < 1e-4
    assert difference(lambda own: torch.optim.Adam(own, lr=0.01)) > 1e-2


def test_kernels_wide_matrices_and_parameters_without_gradient() -> None:
    kernel, wide, unused, late = weights((3, 2, 3, 3), (2, 700), (2, 2), (2, 2))

    def loss() -> Tensor:
        return kernel.square().sum() + wide.square().sum() + (late.square().sum() if started else 0.0)

    optimiser = SOAP([kernel, wide, unused, late], lr=0.02, refresh=5)
    started = False
    minimise(optimiser, loss, 10)
    before = late.detach().clone()
    started = True
    losses = minimise(optimiser, loss, 200)
    assert losses[-1] < 0.1 * losses[0]
    assert late.abs().max() < before.abs().max()
    assert unused not in optimiser.state
    assert optimiser.state[kernel]["right"].shape == (1, 18, 18)
    assert "left" in optimiser.state[wide]
    assert "right" not in optimiser.state[wide]


def test_a_loaded_state_continues_with_the_same_steps() -> None:
    parameters, copies = weights((6, 6), (6, 6), (6,)), weights((6, 6), (6, 6), (6,))
    first, second = (SOAP(own, lr=0.01, refresh=4, look=3) for own in (parameters, copies))
    minimise(first, two_layers(parameters), 10)
    with torch.no_grad():
        for a, b in zip(copies, parameters, strict=True):
            a.copy_(b)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert minimise(first, two_layers(parameters), 10) == minimise(second, two_layers(copies), 10)
    assert first.step(lambda: 3.0) == 3.0


def test_a_state_with_more_bases_than_now_continues_with_the_same_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters, copies = weights((6, 6), (6, 6), (6,)), weights((6, 6), (6, 6), (6,))
    first, second = (SOAP(own, lr=0.01, refresh=4) for own in (parameters, copies))
    minimise(first, two_layers(parameters), 10)
    minimise(second, two_layers(copies), 10)
    state = copy.deepcopy(second.state_dict())
    undisturbed = minimise(first, two_layers(parameters), 10)
    monkeypatch.setattr(soap, "_MOST_MULTIPLICATIONS", 6**3 - 1)
    assert not soap.basis_sizes((6, 6))
    # tuples come back as lists
    state["param_groups"][0]["betas"] = list(state["param_groups"][0]["betas"])
    require_state(state, second, "state")
    second.load_state_dict(state)
    assert minimise(second, two_layers(copies), 10) == undisturbed
    state["state"][0]["left_basis"] = state["state"][0]["left_basis"][:, :5]
    with pytest.raises(CheckpointError, match=r"left_basis is not a tensor of shape \(2, 6, 6\)"):
        require_state(state, second, "state")
    # an optimiser that starts now has none
    fresh = weights((6, 6), (6, 6), (6,))
    optimiser = SOAP(fresh, lr=0.01, refresh=4)
    minimise(optimiser, two_layers(fresh), 2)
    assert not any("left" in entries for entries in optimiser.state.values())


def test_the_state_of_an_earlier_version_is_refused() -> None:
    (weight,) = weights((3, 3))
    optimiser = SOAP([weight], lr=0.01)
    minimise(optimiser, lambda: weight.square().sum(), 2)
    state = optimiser.state_dict()
    del state["state"][0]["members"]
    with pytest.raises(
        ValueError, match="the state of an earlier version, which updated every matrix separately"
    ):
        optimiser.load_state_dict(state)


def gradients_with_removed_edges(seed: int) -> Tensor:
    """Return gradients of 20 networks of which each reads 20 of 200 inputs, tiny and of low rank, (20, 32, 200)."""
    generator = torch.Generator().manual_seed(training_seed(seed))
    gradients = torch.zeros(20, 32, 200)
    for gradient in gradients:
        factors = torch.randn(32, 5, generator=generator), torch.randn(5, 20, generator=generator)
        scale = torch.exp(4 * torch.randn(20, generator=generator)) * 1e-15
        gradient[:, torch.randperm(200, generator=generator)[:20]] = factors[0] @ factors[1] * scale
    return gradients


def diagonalises(basis: Tensor, matrix: Tensor) -> bool:
    identity = torch.eye(basis.shape[-1], dtype=basis.dtype)
    rotated = basis.mT @ matrix @ basis
    diagonal = rotated.diagonal(dim1=-2, dim2=-1)
    rest = (rotated - torch.diag_embed(diagonal)).abs().amax((1, 2)) / matrix.abs().amax((1, 2))
    falls = (diagonal.diff() <= 1e-9 * diagonal.amax(-1, keepdim=True)).all()
    return bool((basis.mT @ basis - identity).abs().max() < 1e-9 and rest.max() < 1e-9 and falls)


@pytest.mark.parametrize("seed", range(10))
def test_gradients_with_many_removed_edges_have_eigenbases(seed: int) -> None:
    """LAPACK's divide and conquer, as torch calls it, fails on about one in ten such stacks."""
    gradients = gradients_with_removed_edges(seed).double()
    matrix = gradients.mT @ gradients
    assert diagonalises(soap._eigenbasis(matrix), matrix)


def test_an_eigenbasis_that_does_not_converge_is_found_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Tensor) -> Tensor:
        raise torch.linalg.LinAlgError("it does not converge")

    gradients = torch.randn(3, 5, 7, dtype=DOUBLE, generator=torch.Generator().manual_seed(training_seed()))
    matrix = gradients.mT @ gradients
    expected = soap._eigenbasis(matrix)
    monkeypatch.setattr(torch.linalg, "eigh", fail)
    found = soap._eigenbasis(matrix)
    assert diagonalises(found, matrix)
    # up to signs, apart from the null space
    torch.testing.assert_close(found[..., :5].abs(), expected[..., :5].abs(), atol=1e-8, rtol=1e-6)
