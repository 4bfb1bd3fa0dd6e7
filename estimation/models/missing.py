"""Missing entries of observations: NaN in standardised observations, from the data to the likelihood.

The likelihood of a row is that of its observed entries, so missing ones have no influence on the decoder. The encoder
needs a number in their place: it gets what the model itself reconstructs, by a fixed number of passes that start at the
mean of the column, 0. Where missing entries say much about the latents, passes converge slowly, by a constant factor
that two of them show; encodings are extrapolated by it. Passes that stop too early make the noise of the model too
large, and its latents curved. (Ours; Aitken 1926, "On Bernoulli's numerical solution of algebraic equations", for the
extrapolation; Rezende, Mohamed, Wierstra, arXiv 1401.4082, impute by the same iteration after training, and Mattei,
Frellsen, arXiv 1812.02633, train with zeros in place of missing entries.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

__all__ = ["filled_and_encoded", "known_entries"]

Network = Callable[[Tensor], Tensor]

# passes through encoder and decoder before the one that counts
_PASSES = 6
# largest factor by which passes are taken to converge
_MAX_FACTOR = 0.8


def known_entries(standardised: Tensor) -> Tensor | None:
    """Return which entries are not missing, in the same shape; None if all are there.

    Example:
        >>> known_entries(torch.tensor([[0.0, torch.nan]])).tolist(), known_entries(torch.zeros(1, 1)) is None
        ([[True, False]], True)
    """
    if standardised.is_meta:
        # a tensor without values, as for counting operations
        return None
    if not bool(torch.isnan(standardised.sum(-1)).any()):
        # NaN makes a sum NaN, and with thousands of columns this takes a third of the time of asking each entry
        return None
    missing = torch.isnan(standardised)
    return ~missing if bool(missing.any()) else None


@contextlib.contextmanager
def _evaluating(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Put modules into evaluation mode, so that running statistics don't count the entries that are being filled."""
    training = [network for network in networks if network.training]
    for network in training:
        network.eval()
    try:
        yield
    finally:
        for network in training:
            network.train()


def filled_and_encoded(
    encode: Network, reconstruct: Network, inputs: Tensor, networks: Sequence[nn.Module] = ()
) -> tuple[Tensor, Tensor]:
    """Fill missing entries by their reconstructions, and encode.

    Args:
        encode: From (B, d) to (B, n).
        reconstruct: From (B, n) to (B, d).
        inputs: Standardised observations, or other inputs, shape (B, d); NaN entries are missing.
        networks: Modules that both functions use.

    Returns:
        Inputs without gaps, shape (B, d), through which no gradient flows, and encodings, shape (B, n).
    """
    known = known_entries(inputs)
    if known is None:
        return inputs, encode(inputs)
    filled = torch.where(known, inputs, 0)
    with torch.no_grad(), _evaluating(networks):
        last, change = encode(filled), None
        for number in range(_PASSES):
            filled = torch.where(known, inputs, reconstruct(last))
            if number < _PASSES - 1:
                encoded = encode(filled)
                last, change = _extrapolated(encoded, encoded - last, change)
    return filled, encode(filled)


def _extrapolated(encoded: Tensor, change: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return encodings to which passes seem to converge, row by row, and the change to compare the next one with.

    Args:
        encoded: Encodings after a pass, shape (B, n).
        change: Their change in this pass.
        before: Change in the pass before; None if there is none to compare with, or if it was extrapolated.
    """
    if before is None:
        return encoded, change
    scale = before.square().sum(-1, keepdim=True).clamp_min(torch.finfo(before.dtype).tiny)
    factor = (change * before).sum(-1, keepdim=True) / scale
    # passes that don't converge are not taken farther
    factor = torch.where(factor < 1, factor.clamp(0, _MAX_FACTOR), 0)
    return encoded + change * (factor / (1 - factor)), None
