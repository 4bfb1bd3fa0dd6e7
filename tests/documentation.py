"""The modules that fill the tables of the documentation; they lie beside the pages, in no package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["DOCS", "docs_module", "page"]

DOCS = Path(__file__).parents[1] / "docs"


def docs_module(name: str) -> ModuleType:
    """The module, which may import those beside it."""
    if str(DOCS) not in sys.path:
        sys.path.insert(0, str(DOCS))
    return importlib.import_module(name)


def page(name: str) -> str:
    """The text of a page, with its markers."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")
