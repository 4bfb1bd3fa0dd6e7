"""The optimisers, by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from estimation.training.soap import SOAP

__all__ = ["build"]

_SOAP_BETAS = (0.95, 0.95)
# steps between two eigenbases of SOAP: more often costs time and gained nothing
_REFRESH = 40
# steps between two looks at the products that the eigenbases are of: ten in as long
_LOOK = 4


def build(parameters: Iterable[nn.Parameter], name: str, learning_rate: float) -> torch.optim.Optimizer:
    """SOAP (Vyas et al. 2024: Adam in the eigenbasis of Shampoo) or Adam.

    Args:
        parameters: what to train.
        name: ``"soap"`` or ``"adam"``.
        learning_rate: at its highest.
    """
    # bumps of a network that has none, and masks of a past that isn't there, are parameters of size zero
    parameters = [parameter for parameter in parameters if parameter.numel()]
    if name == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate)
    return SOAP(parameters, lr=learning_rate, betas=_SOAP_BETAS, refresh=_REFRESH, look=_LOOK)
