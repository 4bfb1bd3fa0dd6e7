"""Where tensors are computed with."""

from __future__ import annotations

import torch

from estimation.exceptions import ConfigError

__all__ = ["found_device"]


def found_device(name: str) -> torch.device:
    """The device of this name.

    Args:
        name: as torch calls it, or ``"auto"`` for a GPU of CUDA when there is one.

    Raises:
        ConfigError: it can't be used here.

    Example:
        >>> found_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device is {name!r}, which can't be used here; give 'cpu' or 'auto'") from error
    return device
