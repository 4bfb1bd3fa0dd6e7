"""Devices, and isolation from the torch and numpy settings of the caller.

Settings that the caller made for its own purposes must not change our results. Some of them belong to the thread (modes
of torch, numpy's error handling); `default_modes` replaces them by the defaults. The default dtype belongs to the
process, so replacing it would affect other threads; tensors are created with ``**CPU_FLOAT32`` instead.
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

# initial dtype and device of parameters and buffers, whatever the defaults of torch are
CPU_FLOAT32: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}

# fragments of torch's messages on the CPU, where running out of memory has no error class of its own
_OUT_OF_MEMORY_FRAGMENTS = ("out of memory", "can't allocate memory")

# held while the number of threads is read or changed
_THREAD_COUNT_LOCK = threading.Lock()


@dataclass
class _Process:
    """The use of threads by this process.

    Attributes:
        multithreaded: Whether this process has computed with several threads.
        forked_from_multithreaded: Whether this process was forked from one that computed with several threads.
    """

    multithreaded: bool = False
    forked_from_multithreaded: bool = False


_PROCESS = _Process()


def resolve_device(name: str) -> torch.device:
    """Return the device of a given name.

    Args:
        name: Name of a torch device, or ``"auto"`` for a CUDA GPU if there is one and the CPU otherwise.

    Raises:
        ConfigError: If the device is not available.

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
    """Return whether torch or Python ran out of memory, in contrast to errors of shapes or decoders.

    Example:
        >>> out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
        True
        >>> out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
        False
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        fragment in str(error) for fragment in _OUT_OF_MEMORY_FRAGMENTS
    )


def default_modes(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that it runs in the default modes instead of the caller's.

    The modes are ``torch.inference_mode``, ``torch.no_grad``, ``torch.autocast``, the default device, and
    ``np.seterr``. All of them belong to the thread; they are restored when the function returns.

    Example:
        >>> with torch.inference_mode():
        ...     default_modes(lambda: (torch.is_inference_mode_enabled(), torch.is_grad_enabled()))()
        (False, True)
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for device_type in ("cpu", "cuda"):
                if torch.is_autocast_enabled(device_type):
                    stack.enter_context(torch.autocast(device_type, enabled=False))
            # only where needed, since the mode slows down every operation
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            return default_errors(function)(*args, **kwargs)

    return wrapper


@contextlib.contextmanager
def thread_count(count: int) -> Iterator[None]:
    """Let torch use the given number of threads in this Python thread only.

    ``torch.set_num_threads`` sets the number for the calling thread and for all threads that have not computed yet. The
    latter is restored at once, so that other threads keep their order of summation, and overlapping contexts restore
    the original number.

    Args:
        count: Number of threads.

    Raises:
        ConfigError: If the number is more than 1 and this process was forked from one that computed with several
            threads. Those threads don't exist here, and torch would wait for them.
    """
    if _PROCESS.forked_from_multithreaded and count > 1:
        raise ConfigError(
            f"threads is {count}, but this process was forked from one that computes with several, which it can't "
            "use; give threads=1, or start it by 'spawn'"
        )
    _PROCESS.multithreaded |= count > 1
    with _THREAD_COUNT_LOCK:
        # locked, since a new thread would read the number that another thread is just setting
        previous = torch.get_num_threads()
    _set_in_this_thread(count)
    try:
        yield
    finally:
        _set_in_this_thread(previous)


def _set_in_this_thread(count: int) -> None:
    if torch.get_num_threads() == count:
        return
    with _THREAD_COUNT_LOCK:
        default = _in_new_thread(torch.get_num_threads)
        torch.set_num_threads(count)
        _in_new_thread(lambda: torch.set_num_threads(default))


def _in_new_thread(function: Callable[[], R]) -> R:
    """Call a function in a new thread and return its result."""
    results: list[R] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def _after_fork() -> None:
    """Release the lock in the child of a fork, and restrict torch to the one thread that the child has."""
    _THREAD_COUNT_LOCK.release()
    if _PROCESS.multithreaded or torch.get_num_threads() > 1:
        _PROCESS.forked_from_multithreaded = True
        # as torch does in the workers of its data loaders
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_THREAD_COUNT_LOCK.acquire,
        after_in_parent=_THREAD_COUNT_LOCK.release,
        after_in_child=_after_fork,
    )
