"""Missing entries of observations: NaN in standardised observations, from the data to the likelihood.

The likelihood of a row is that of its observed entries, so missing ones have no influence on the decoder. The encoder
needs a number in their place: it gets what the model itself reconstructs, by a fixed number of passes that start at the
mean of the column, 0. (Ours; Rezende, Mohamed, Wierstra, arXiv 1401.4082, impute by the same iteration after training,
and Mattei, Frellsen, arXiv 1812.02633, train with zeros in place of missing entries.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

__all__ = ["filled_and_encoded", "known_entries"]

Network = Callable[[Tensor], Tensor]

# passes through encoder and decoder before the one that counts
_PASSES = 2


def known_entries(standardised: Tensor) -> Tensor | None:
    """Return which entries are not missing, in the same shape; None if all are there.

    Example:
        >>> known_entries(torch.tensor([[0.0, torch.nan]])).tolist(), known_entries(torch.zeros(1, 1)) is None
        ([[True, False]], True)
    """
    if standardised.is_meta:
        # a tensor without values, as for counting operations
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
        for _ in range(_PASSES):
            filled = torch.where(known, inputs, reconstruct(encode(filled)))
    return filled, encode(filled)
