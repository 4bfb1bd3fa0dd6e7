"""Where, and in which state of torch, tensors are computed with.

What a caller has set for its own ends must not change our numbers. Some of it belongs to the thread (modes, numpy's
floating-point errors) and is put aside by `default_modes`. The default dtype belongs to the process, where putting it
aside would change it for other threads: tensors are made with ``**CPU_FLOAT32`` instead.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import torch

from estimation.arithmetic import default_errors
from estimation.exceptions import ConfigError

__all__ = ["CPU_FLOAT32", "default_modes", "out_of_memory", "resolve_device", "thread_count"]

P = ParamSpec("P")
R = TypeVar("R")

# what parameters and buffers start as, whatever torch's defaults are set to
CPU_FLOAT32: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}

# how torch says so on a CPU, where it has no class of its own for it
_NO_MEMORY = ("out of memory", "can't allocate memory")

_COUNTING = threading.Lock()


@dataclass
class _Process:
    """Whether this process was asked for several threads, and whether it is the child of one that computed so."""

    several: bool = False
    bereft: bool = False


_PROCESS = _Process()


def resolve_device(name: str) -> torch.device:
    """The device of this name.

    Args:
        name: as torch calls it, or ``"auto"`` for a GPU of CUDA when there is one.

    Raises:
        ConfigError: it can't be used here.

    Example:
        >>> resolve_device("cpu")
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


def default_modes(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that modes which the caller left on don't reach into it.

    These are ``torch.inference_mode``, ``torch.no_grad``, ``torch.autocast``, a default device, and ``np.seterr``. All
    belong to the thread, and are as before when the function returns.

    Example:
        >>> with torch.inference_mode():
        ...     default_modes(lambda: (torch.is_inference_mode_enabled(), torch.is_grad_enabled()))()
        (False, True)
    """

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            # a mode that is not needed would slow down every operation
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            return default_errors(function)(*args, **kwargs)

    return inner


@contextlib.contextmanager
def thread_count(count: int) -> Iterator[None]:
    """Compute with so many threads of torch's in this thread of Python's, and in no other.

    ``torch.set_num_threads`` sets the number of the thread that calls it, and that of all threads which haven't
    computed yet. The latter is put back at once, so that nobody else's sums are added up in another order, and two
    that overlap leave behind what was there before.

    Args:
        count: of threads.

    Raises:
        ConfigError: more than one, in a process that was forked from one that computed with several: those threads
            are gone, and torch would wait for them.
    """
    if _PROCESS.bereft and count > 1:
        raise ConfigError(
            f"threads is {count}, but this process was forked from one that computes with several, which it can't "
            "use; give threads=1, or start it by 'spawn'"
        )
    _PROCESS.several |= count > 1
    with _COUNTING:
        # not while another thread sets its own, which new threads would see
        before = torch.get_num_threads()
    _set_here(count)
    try:
        yield
    finally:
        _set_here(before)


def _set_here(count: int) -> None:
    if torch.get_num_threads() == count:
        return
    with _COUNTING:
        others = _elsewhere(torch.get_num_threads)
        torch.set_num_threads(count)
        _elsewhere(lambda: torch.set_num_threads(others))


def _elsewhere(function: Callable[[], R]) -> R:
    """What it returns in a thread that is new."""
    found: list[R] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def _after_fork() -> None:
    """The child has one thread: it must wait neither for a lock that another held, nor for others to compute."""
    _COUNTING.release()
    if _PROCESS.several or torch.get_num_threads() > 1:
        _PROCESS.bereft = True
        # as torch does in the workers of its data loaders
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_COUNTING.acquire, after_in_parent=_COUNTING.release, after_in_child=_after_fork
    )
