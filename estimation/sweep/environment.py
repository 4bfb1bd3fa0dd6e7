"""The machine and the library versions of a run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["describe_environment"]

_LIBRARIES = ("mechsparse", "numpy", "scipy", "torch", "cooper-optim")


def describe_environment() -> dict[str, Any]:
    """Return the machine and the library versions as a dictionary that JSON can hold.

    Example:
        >>> environment = describe_environment()
        >>> sorted(environment), environment["machine"]["cores"] > 0
        (['machine', 'versions'], True)
    """
    return {
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
