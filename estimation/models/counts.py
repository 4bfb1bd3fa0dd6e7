"""Likelihoods of counts: Poisson and negative binomial, with or without zero inflation.

A row of counts x has a size s, such as the number of molecules counted in a cell, and rates that the decoder gives
relative to it::

    log mean x_j = log s + log m_j + u_j,   u = decoder(z)

m_j is the mean of x_j / s over the training data, so that u = 0 is the average row. The variance is mean + mean^2 / r_j
for a negative binomial with dispersion r_j, and the mean itself for a Poisson distribution. With zero inflation an
entry is replaced by 0 with probability p_j. (The model of Lopez et al., "Deep generative modeling for single-cell
transcriptomics", Nature Methods 15, 2018, with observed instead of latent sizes.)

The encoder sees log(1 + x / s) standardised, with a small part of the average row added to each; s is measured in units
of the median row.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.models.missing import known_entries
from estimation.models.negative_binomial import negative_binomial_log_prob

__all__ = ["DEFAULT_DEVIATION", "PSEUDO_SIZE", "CountLikelihood", "CountProfile"]

# largest change of a logarithm of a rate that a decoder can ask for: a factor of three million
_MAX_LOG_CHANGE = 15.0
_DISPERSION_RANGE = (-5.0, 8.0)
_INITIAL_DROPOUT = -3.0
_MIN_SIZE = 1e-3
#: Standard deviation of the logarithms of sizes, for models that don't store that of their training data.
DEFAULT_DEVIATION = 0.5
#: Size, in units of the median row, of the average row that is added to what the encoder reads.
PSEUDO_SIZE = 0.05


def _known(counts: Tensor) -> Tensor | None:
    """Return which counts are not missing; None if all are there, which a GPU is not asked, since it would wait."""
    return known_entries(counts) if counts.device.type in ("cpu", "meta") else ~torch.isnan(counts)


class CountProfile:
    """What the training data say about counts before training.

    Attributes:
        share: Share of each column in all counts, shape (d_x,), which sums to 1.
        median_size: Median of the sums of the rows.
        log_dispersion: Logarithm of the dispersion r of each column, shape (d_x,), from its variance.
        size_deviation: Standard deviation of the logarithms of the sums of the rows.
    """

    def __init__(
        self,
        share: Tensor,
        median_size: float,
        log_dispersion: Tensor,
        size_deviation: float = DEFAULT_DEVIATION,
    ) -> None:
        self.share, self.median_size, self.log_dispersion = share, median_size, log_dispersion
        self.size_deviation = size_deviation


class CountLikelihood(nn.Module):
    """p(x | u) of counts x given the outputs u of a decoder.

    Args:
        n_observed: Number of observed dimensions d_x.
        kind: ``"poisson"``, ``"negative_binomial"`` or ``"zero_inflated_negative_binomial"``.

    Example:
        >>> likelihood = CountLikelihood(2, "poisson")
        >>> profile = CountProfile(torch.tensor([0.5, 0.5]), 10.0, torch.zeros(2))
        >>> likelihood.set_profile_(profile, torch.zeros(2), torch.ones(2))
        >>> counts = torch.tensor([[12.0, 8.0]])
        >>> likelihood.mean(torch.zeros(1, 2), counts).tolist()
        [[10.0, 10.0]]
    """

    share: Tensor
    median_size: Tensor
    size_deviation: Tensor | None
    input_mean: Tensor
    input_scale: Tensor

    def __init__(self, n_observed: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("share", torch.full((n_observed,), 1.0 / n_observed, **CPU_FLOAT32))
        self.register_buffer("median_size", torch.ones((), **CPU_FLOAT32))
        # None in models of earlier versions
        self.register_buffer("size_deviation", torch.full((), DEFAULT_DEVIATION, **CPU_FLOAT32))
        self.register_buffer("input_mean", torch.zeros(n_observed, **CPU_FLOAT32))
        self.register_buffer("input_scale", torch.ones(n_observed, **CPU_FLOAT32))
        self.log_dispersion, self.logit_dropout = None, None
        if kind != "poisson":
            self.log_dispersion = nn.Parameter(torch.zeros(n_observed, **CPU_FLOAT32))
        if kind == "zero_inflated_negative_binomial":
            self.logit_dropout = nn.Parameter(torch.full((n_observed,), _INITIAL_DROPOUT, **CPU_FLOAT32))

    @torch.no_grad()
    def set_profile_(self, profile: CountProfile, input_mean: Tensor, input_scale: Tensor) -> None:
        """Set the average row, the initial dispersion, and what standardises the encoder's inputs, in place."""
        self.input_mean.copy_(input_mean)
        self.input_scale.copy_(input_scale)
        self.share.copy_(profile.share)
        self.median_size.fill_(profile.median_size)
        if self.size_deviation is not None:
            self.size_deviation.fill_(profile.size_deviation)
        if self.log_dispersion is not None:
            self.log_dispersion.copy_(profile.log_dispersion.clamp(*_DISPERSION_RANGE))

    def sizes(self, counts: Tensor) -> Tensor:
        """Return the size of each row in units of the median row, shape (B, 1).

        Args:
            counts: Counts, shape (B, d_x); NaN entries are missing, and the size is then that of a whole row with the
                same observed counts, if its missing columns have their average share. A row without any entry has
                the size of the median row.
        """
        known = _known(counts)
        if known is None:
            return (counts.sum(-1, keepdim=True) / (self.share.sum() * self.median_size)).clamp_min(_MIN_SIZE)
        total = torch.nan_to_num(counts).sum(-1, keepdim=True)
        present = torch.where(known, self.share, 0).sum(-1, keepdim=True)
        size = (total / (present.clamp_min(1e-6) * self.median_size)).clamp_min(_MIN_SIZE)
        return torch.where(known.any(-1, keepdim=True), size, 1)

    def encoder_inputs(self, counts: Tensor) -> Tensor:
        """Return log(1 + x / s) of counts, standardised, shape (B, d_x); missing entries stay NaN.

        Counts of the average row, a twentieth of a median row, are added, so that a row of few counts is read as if it
        were near the average.
        """
        size = self.sizes(counts)
        shrunken = (counts + PSEUDO_SIZE * self.median_size * self.share) / (size + PSEUDO_SIZE)
        return (torch.log1p(shrunken) - self.input_mean) / self.input_scale

    def log_mean(self, decoded: Tensor, counts: Tensor, sizes: Tensor | float | None = None) -> Tensor:
        """Return the logarithm of the mean of each entry before zero inflation, shape (B, d_x).

        Args:
            decoded: Outputs u of the decoder, shape (B, d_x).
            counts: Counts, shape (B, d_x).
            sizes: Sizes in units of the median row, broadcastable to (B, 1); None for those of the counts.
        """
        sizes = torch.as_tensor(self.sizes(counts) if sizes is None else sizes)
        return sizes.log() + self.log_rate(decoded)

    def log_rate(self, decoded: Tensor) -> Tensor:
        """Return the logarithm of the mean of each entry of a row of median size, before zero inflation."""
        offset = (self.share * self.median_size).clamp_min(1e-8).log()
        return offset + decoded.clamp(-_MAX_LOG_CHANGE, _MAX_LOG_CHANGE)

    def mean(self, decoded: Tensor, counts: Tensor) -> Tensor:
        """Return the mean of each entry, shape (B, d_x), with the sizes of the rows of counts."""
        return self.log_mean(decoded, counts).exp() * self._kept()

    def median_row(self, decoded: Tensor) -> Tensor:
        """Return the mean of each entry of a row of median size, shape (B, d_x)."""
        return self.log_rate(decoded).exp() * self._kept()

    def median_row_variance(self, decoded: Tensor) -> Tensor:
        """Return the variance of each entry of a row of median size, shape (B, d_x)."""
        return self._variance(self.log_rate(decoded).exp())

    def variance(self, decoded: Tensor, counts: Tensor) -> Tensor:
        """Return the variance of each entry, shape (B, d_x), with the sizes of the rows of counts."""
        return self._variance(self.log_mean(decoded, counts).exp())

    def _variance(self, mean: Tensor) -> Tensor:
        within = mean + mean.square() / self._dispersion(mean)
        kept = self._kept()
        return kept * within + kept * (1 - kept) * mean.square()

    def pearson_residuals(self, decoded: Tensor, counts: Tensor) -> Tensor:
        """Return counts minus their means in units of their standard deviations, shape (B, d_x); NaN where missing."""
        return (counts - self.mean(decoded, counts)) / self.variance(decoded, counts).sqrt()

    def log_prob(self, decoded: Tensor, counts: Tensor, sizes: Tensor | float | None = None) -> Tensor:
        """Return the log-probability of each entry, shape (B, d_x); 0 for missing entries. Sizes as in `log_mean`."""
        known = _known(counts)
        x = counts if known is None else torch.where(known, counts, 0)
        result = self._log_prob_without_dropout(x, self.log_mean(decoded, counts, sizes))
        if self.logit_dropout is not None:
            logit = self.logit_dropout
            log_kept = nn.functional.logsigmoid(-logit)
            zero = torch.logaddexp(nn.functional.logsigmoid(logit).expand_as(result), log_kept + result)
            result = torch.where(x == 0, zero, log_kept + result)
        return result if known is None else torch.where(known, result, 0)

    def score_and_information(
        self, decoded: Tensor, counts: Tensor, sizes: Tensor | float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the derivative of the log-probability with respect to u, and the expected information, (B, d_x) each.

        With zero inflation, an entry counts by the probability that its value is not a replaced one (as in EM). Both
        are 0 for missing entries. Sizes as in `log_mean`.
        """
        known = ~torch.isnan(counts)
        x, log_mean = torch.where(known, counts, 0), self.log_mean(decoded, counts, sizes)
        mean = log_mean.exp()
        slope = 1 / (1 + mean / self._dispersion(mean))
        weight = known.to(mean)
        if self.logit_dropout is not None:
            zero = self._log_prob_without_dropout(torch.zeros_like(x), log_mean)
            replaced = torch.sigmoid(self.logit_dropout - zero)
            weight = weight * torch.where(x == 0, 1 - replaced, 1)
        return weight * (x - mean) * slope, weight * mean * slope

    def sample(self, decoded: Tensor, sizes: Tensor | float, generator: torch.Generator) -> Tensor:
        """Sample counts.

        Args:
            decoded: Outputs u of the decoder, shape (B, d_x).
            sizes: Sizes in units of the median row, broadcastable to (B, 1).
            generator: Random generator.
        """
        device = generator.device
        mean = (self.log_rate(decoded).exp() * sizes).to(device)
        if self.log_dispersion is not None:
            dispersion = self._dispersion(mean).to(device).expand_as(mean)
            # torch's sampler of gamma distributions takes no generator by its public name
            mean = torch._standard_gamma(dispersion, generator=generator) / dispersion * mean
        counts = torch.poisson(mean, generator=generator)
        if self.logit_dropout is not None:
            uniform = torch.rand(counts.shape, generator=generator, dtype=counts.dtype, device=device)
            counts = torch.where(uniform < torch.sigmoid(self.logit_dropout).to(device), 0, counts)
        return counts.to(decoded)

    def _log_prob_without_dropout(self, x: Tensor, log_mean: Tensor) -> Tensor:
        if self.log_dispersion is None:
            return x * log_mean - log_mean.exp() - torch.lgamma(x + 1)
        log_dispersion = self.log_dispersion.clamp(*_DISPERSION_RANGE)
        return negative_binomial_log_prob(x, log_mean, log_dispersion)

    def _dispersion(self, mean: Tensor) -> Tensor:
        if self.log_dispersion is None:
            return mean.new_full((), torch.inf)
        return self.log_dispersion.clamp(*_DISPERSION_RANGE).exp()

    def _kept(self) -> Tensor | float:
        return 1.0 if self.logit_dropout is None else torch.sigmoid(-self.logit_dropout)
