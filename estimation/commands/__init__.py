"""The whole command line: the commands of the graph side, and ``simulate``, ``train``, ``evaluate``, ``compare``.

torch and what needs it are imported inside the commands, so that ``--help`` and completion answer at once, and so that
the graph side works where the extra ``mechsparse[estimation]`` is not installed.
"""

from __future__ import annotations

from estimation.commands.app import main

__all__ = ["main"]
