"""The optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from estimation.training.soap import SOAP

__all__ = ["build"]

_SOAP_BETAS = (0.95, 0.95)
# steps between two updates of the eigenbases: more frequent ones cost time and gained nothing
_BASIS_EVERY = 40
# steps between two updates of the preconditioners' running means
_PRECONDITIONER_EVERY = 4


def build(parameters: Iterable[nn.Parameter], name: str, learning_rate: float) -> torch.optim.Optimizer:
    """Build SOAP (Vyas et al. 2024: Adam in the eigenbasis of Shampoo) or Adam.

    Args:
        parameters: Parameters to train; empty ones are left out.
        name: ``"soap"`` or ``"adam"``.
        learning_rate: Highest learning rate.
    """
    # networks without radial bumps, and masks of a missing past, have parameters of size zero
    parameters = [parameter for parameter in parameters if parameter.numel()]
    if name == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate)
    return SOAP(
        parameters, lr=learning_rate, betas=_SOAP_BETAS, refresh=_BASIS_EVERY, look=_PRECONDITIONER_EVERY
    )
