"""Where tensors are computed with."""

from __future__ import annotations

import torch

from estimation.exceptions import ConfigError

__all__ = ["found_device", "out_of_memory"]

# how torch says so on a CPU, where it has no class of its own for it
_NO_MEMORY = ("out of memory", "can't allocate memory")


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


def out_of_memory(error: BaseException) -> bool:
    """Whether torch, or Python, failed for want of memory: nothing that a shape or a decoder is to blame for.

    Example:
        >>> out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
        True
        >>> out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
        False
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
