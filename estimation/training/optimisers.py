"""The optimisers, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from estimation.config import TrainingConfig

__all__ = ["build"]

_SOAP_BETAS = (0.95, 0.95)
# steps between two eigenbases of SOAP: more often costs time and gained nothing
_REFRESH = 40


def build(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    """SOAP (Vyas et al. 2024: Adam in the eigenbasis of Shampoo) or Adam.

    Args:
        parameters: what to train.
        config: names the optimiser and its learning rate.
    """
    assert config.learning_rate is not None
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.learning_rate)
    from pytorch_optimizer import SOAP

    options: dict[str, Any] = {"betas": _SOAP_BETAS, "weight_decay": 0.0, "precondition_frequency": _REFRESH}
    optimiser: torch.optim.Optimizer = SOAP(list(parameters), lr=config.learning_rate, **options)
    return optimiser
