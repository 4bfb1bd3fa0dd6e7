"""Access to the pages of the documentation and to the modules that fill their tables, which aren't in a package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["DOCS", "docs_module", "page"]

DOCS = Path(__file__).parents[1] / "docs"


def docs_module(name: str) -> ModuleType:
    """Import a module from the folder of the documentation."""
    if str(DOCS) not in sys.path:
        sys.path.insert(0, str(DOCS))
    return importlib.import_module(name)


def page(name: str) -> str:
    """Read the text of a page, with its markers."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")
