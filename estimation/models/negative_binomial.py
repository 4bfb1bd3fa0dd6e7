"""The log-probability of negative binomial counts, with its derivatives in closed form.

::

    log p(x) = log Gamma(x + r) - log Gamma(r) - log Gamma(x + 1) - r log(1 + mu / r) - x log(1 + r / mu)

for mean mu and dispersion r. Most counts are small, and the part with gamma functions depends on the count and the
column alone, so that on a CPU it is looked up in a table of the counts below 16: a product of few factors, since
Gamma(x + r) / Gamma(r) = r (r + 1) ... (r + x - 1). Those counts lose nothing to the difference of two large logarithms
either. Larger counts, and all on a GPU, are evaluated one by one. (The distribution is textbook, in the form of
`estimation.models.counts`; the table is ours.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["negative_binomial_log_prob"]

# counts from here on are evaluated one by one
_TABLE_COUNTS = 16
# numbers of a chunk, which stays in the cache of a processor
_CHUNK_NUMBERS = 65_536


def negative_binomial_log_prob(counts: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """Return the log-probability of each entry, shape (..., d_x).

    It can be differentiated once, with respect to mean and dispersion: its derivatives are constants to torch, so that
    second derivatives lack this term.

    Args:
        counts: Counts, broadcastable to (..., d_x): whole numbers that are not negative, none of them missing.
        log_mean: Logarithms of the means, broadcastable to (..., d_x).
        log_dispersion: Logarithms of the dispersions r, shape (d_x,).

    Example:
        >>> one = negative_binomial_log_prob(torch.tensor([1.0]), torch.zeros(1), torch.zeros(1))
        >>> [round(value, 4) for value in one.exp().tolist()]
        [0.25]
    """
    dtype = torch.promote_types(torch.promote_types(counts.dtype, log_mean.dtype), log_dispersion.dtype)
    x, means = torch.broadcast_tensors(counts.to(dtype), log_mean.to(dtype))  # type: ignore[no-untyped-call]
    dispersion = log_dispersion.to(dtype)
    differentiable = torch.is_grad_enabled() and (means.requires_grad or dispersion.requires_grad)
    result: Tensor = _LogProb.apply(x, means, dispersion, differentiable)  # type: ignore[no-untyped-call]
    return result


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, log_mean: Tensor, log_dispersion: Tensor, differentiable: bool
    ) -> Tensor:
        on_cpu, r = x.device.type == "cpu", log_dispersion.exp()
        chunk, columns = _CHUNK_NUMBERS if on_cpu else x.numel(), x.shape[-1]
        rows, tables = max(chunk // max(columns, 1), 1), _Tables(r) if on_cpu else None
        pairs = zip(
            torch.split(x.reshape(-1, columns), rows),
            torch.split(log_mean.reshape(-1, columns), rows),
            strict=True,
        )
        parts = [_terms(each, mean - log_dispersion, r, tables, differentiable) for each, mean in pairs]
        value, *derivatives = (torch.cat(each).view(x.shape) for each in zip(*parts, strict=True))
        ctx.save_for_backward(*derivatives)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor, None]:
        of_mean, of_dispersion = ctx.saved_tensors
        columns = of_dispersion.shape[-1]
        of_columns = (gradient * of_dispersion).reshape(-1, columns).sum(0)
        return None, gradient * of_mean, of_columns, None


class _Tables:
    """Sums for counts below 16 of each column, which depend on the dispersion r alone.

    Args:
        r: Dispersions, shape (d_x,).

    Attributes:
        log_combinations: log Gamma(x + r) - log Gamma(r) - log Gamma(x + 1), shape (16, d_x).
        digamma: digamma(x + r) - digamma(r), shape (16, d_x).
    """

    def __init__(self, r: Tensor) -> None:
        numbers = torch.arange(_TABLE_COUNTS - 1, dtype=r.dtype, device="cpu")[:, None]
        self.log_combinations = _sums(((r + numbers) / (1 + numbers)).log())
        self.digamma = _sums((r + numbers).reciprocal())


def _sums(terms: Tensor) -> Tensor:
    return nn.functional.pad(terms.cumsum(0), (0, 0, 1, 0))


def _terms(
    x: Tensor, difference: Tensor, r: Tensor, tables: _Tables | None, differentiable: bool
) -> list[Tensor]:
    """Return log-probabilities, and their derivatives by the logarithms of mean and dispersion, shape (B, d_x) each.

    Args:
        x: Counts, shape (B, d_x).
        difference: Logarithms of mean / dispersion, shape (B, d_x).
        r: Dispersions, shape (d_x,).
        tables: Their tables; None to evaluate all counts.
        differentiable: Whether derivatives are needed.
    """
    # logarithms of 1 + mu / r and of 1 + r / mu, without the difference of two large numbers
    rest = torch.log1p(torch.exp(-difference.abs()))
    above, below = rest + difference.relu(), rest + (-difference).relu()
    combinations, digamma = _gamma_terms(x, r, tables, differentiable)
    value = combinations - r * above - x * below
    if digamma is None:
        return [value]
    of_mean = x * torch.sigmoid(-difference) - r * torch.sigmoid(difference)
    return [value, of_mean, r * (digamma - above) - of_mean]


def _gamma_terms(
    x: Tensor, r: Tensor, tables: _Tables | None, differentiable: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the logarithms of combinations of counts, and their derivatives by r, shape (B, d_x) each."""
    digamma = None
    if tables is None:
        # finding the large counts would make a GPU wait
        return _log_combinations(x, r), _digamma_difference(x, r) if differentiable else None
    small = x.clamp_max(_TABLE_COUNTS - 1).long()
    large = torch.nonzero(x.reshape(-1) >= _TABLE_COUNTS)[:, 0]
    counts, dispersion = x.reshape(-1)[large], r[large % len(r)]
    combinations = tables.log_combinations.gather(0, small)
    combinations.view(-1)[large] = _log_combinations(counts, dispersion)
    if differentiable:
        digamma = tables.digamma.gather(0, small)
        digamma.view(-1)[large] = _digamma_difference(counts, dispersion)
    return combinations, digamma


def _log_combinations(x: Tensor, r: Tensor) -> Tensor:
    return torch.lgamma(x + r) - torch.lgamma(r) - torch.lgamma(x + 1)


def _digamma_difference(x: Tensor, r: Tensor) -> Tensor:
    return torch.digamma(x + r) - torch.digamma(r)
