"""The log-probability of negative binomial counts, against torch's distribution and finite differences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import NegativeBinomial

from estimation.models import negative_binomial
from estimation.models.negative_binomial import negative_binomial_log_prob
from tests.seeds import training_seed


def case(
    largest: float, n_columns: int = 4, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """Return counts on both sides of the table's end, logarithms of means, and of dispersions."""
    rng = torch.Generator().manual_seed(training_seed(1))
    rates = torch.rand(6, n_columns, generator=rng, dtype=dtype) * largest
    counts = torch.poisson(rates, generator=rng)
    log_mean = torch.randn(6, n_columns, generator=rng, dtype=dtype).requires_grad_()
    log_dispersion = torch.randn(n_columns, generator=rng, dtype=dtype).requires_grad_()
    return counts, log_mean, log_dispersion


@settings(deadline=None)
@given(
    st.integers(0, 10**6),
    st.floats(-8, 12, allow_nan=False),
    st.floats(-5, 8, allow_nan=False),
)
def test_agrees_with_the_distribution_of_torch(count: int, log_mean: float, log_dispersion: float) -> None:
    x, mean, r = (
        torch.tensor([value], dtype=torch.float64) for value in (float(count), log_mean, log_dispersion)
    )
    expected = NegativeBinomial(r.exp(), logits=mean - r).log_prob(x)
    torch.testing.assert_close(negative_binomial_log_prob(x, mean, r), expected, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("largest", [3.0, 40.0])
def test_derivatives_in_closed_form(largest: float) -> None:
    counts, log_mean, log_dispersion = case(largest)

    def of(mean: Tensor, dispersion: Tensor) -> Tensor:
        return negative_binomial_log_prob(counts, mean, dispersion)

    assert torch.autograd.gradcheck(of, (log_mean, log_dispersion))


def test_chunks_and_samples_of_means_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, log_mean, log_dispersion = case(30.0)
    whole = negative_binomial_log_prob(counts, log_mean, log_dispersion)
    monkeypatch.setattr(negative_binomial, "_CHUNK_NUMBERS", 8)
    # one more axis of means in front, as of posterior samples
    several = negative_binomial_log_prob(counts, torch.stack([log_mean, log_mean]), log_dispersion)
    assert torch.equal(several[0], whole)
    assert torch.equal(several[1], whole)
    gradients = torch.autograd.grad(several.sum(), (log_mean, log_dispersion))
    expected = torch.autograd.grad(2 * whole.sum(), (log_mean, log_dispersion))
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other)


def test_small_counts_of_a_large_dispersion_are_precise_in_single_precision() -> None:
    counts = torch.tensor([[0.0], [1.0], [7.0], [15.0]])
    log_mean, log_dispersion = torch.full((4, 1), 1.0), torch.tensor([8.0])
    exact = negative_binomial_log_prob(counts.double(), log_mean.double(), log_dispersion.double())
    error = (negative_binomial_log_prob(counts, log_mean, log_dispersion).double() - exact).abs().max()
    r = log_dispersion.exp()
    by_gamma = torch.lgamma(counts + r) - torch.lgamma(r) - torch.lgamma(counts + 1)
    exact_r = log_dispersion.double().exp()
    exact_gamma = (
        torch.lgamma(counts.double() + exact_r) - torch.lgamma(exact_r) - torch.lgamma(counts.double() + 1)
    )
    # the difference of two logarithms of 20,000 loses a hundredth of a nat or more
    assert error < 1e-4 < (by_gamma.double() - exact_gamma).abs().max()


@pytest.mark.parametrize(
    ("count", "log_mean", "log_dispersion"), [(3e4, 9.2, -5.0), (1e5, 13.8, -5.0), (2.0, 8.0, 7.9)]
)
def test_derivatives_are_precise_in_single_precision(
    count: float, log_mean: float, log_dispersion: float
) -> None:
    gradients = []
    for dtype in (torch.float32, torch.float64):
        values = [
            torch.tensor([value], dtype=dtype, requires_grad=True) for value in (log_mean, log_dispersion)
        ]
        value = negative_binomial_log_prob(torch.tensor([count], dtype=dtype), *values)
        gradients.append(torch.autograd.grad(value.sum(), values))
    for single, double in zip(*gradients, strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("largest", [3.0, 40.0])
def test_arguments_of_different_precision_are_evaluated_in_the_higher_one(largest: float) -> None:
    counts, log_mean, log_dispersion = case(largest)
    single = log_dispersion.detach().float().requires_grad_()
    mixed = negative_binomial_log_prob(counts, log_mean, single)
    expected = negative_binomial_log_prob(counts, log_mean, single.double())
    assert mixed.dtype == torch.float64
    assert torch.equal(mixed, expected)
    assert torch.autograd.grad(mixed.sum(), single)[0].dtype == torch.float32


def test_the_first_derivative_has_no_derivative() -> None:
    counts, log_mean, log_dispersion = case(5.0)
    value = negative_binomial_log_prob(counts, log_mean, log_dispersion)
    (first,) = torch.autograd.grad(value.sum(), log_mean, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(first.sum(), log_mean)
