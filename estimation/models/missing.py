"""Missing entries of observations: NaN in standardised observations, from the data to the likelihood.

The likelihood of a row is that of its observed entries, so missing ones have no influence on the decoder. The encoder
needs a number in their place: it gets what the model itself reconstructs, by a fixed number of passes that start at the
mean of the column, 0. (Ours; Rezende, Mohamed, Wierstra, arXiv 1401.4082, impute by the same iteration after training,
and Mattei, Frellsen, arXiv 1812.02633, train with zeros in place of missing entries.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

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
def _evaluating(network: Network) -> Iterator[None]:
    """Put a module into evaluation mode, so that running statistics don't count the entries that are being filled."""
    was_training = isinstance(network, nn.Module) and network.training
    if isinstance(network, nn.Module) and was_training:
        network.eval()
    try:
        yield
    finally:
        if isinstance(network, nn.Module) and was_training:
            network.train()


def filled_and_encoded(encoder: Network, decoder: Network, standardised: Tensor) -> tuple[Tensor, Tensor]:
    """Fill missing entries by their reconstructions, and encode.

    Args:
        encoder: From (B, d_x) to (B, n).
        decoder: From (B, n) to (B, d_x).
        standardised: Standardised observations, shape (B, d_x); NaN entries are missing.

    Returns:
        Observations without gaps, shape (B, d_x), through which no gradient flows, and encodings, shape (B, n).
    """
    known = known_entries(standardised)
    if known is None:
        return standardised, encoder(standardised)
    filled = torch.where(known, standardised, 0)
    with torch.no_grad(), _evaluating(encoder), _evaluating(decoder):
        for _ in range(_PASSES):
            filled = torch.where(known, standardised, decoder(encoder(filled)))
    return filled, encoder(filled)
