"""The whole command line: the commands on graphs, and the training commands.

=====================  ============================================================
torch and the modules that need it are imported inside the commands, so that ``--help`` and completion are fast, and so
that the commands on graphs work where the extra ``mechsparse[estimation]`` is not installed.
"""

from __future__ import annotations

from estimation.commands.app import main

__all__ = ["main"]
