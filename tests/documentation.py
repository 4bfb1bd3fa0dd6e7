"""Access to the pages of the documentation, to the modules that fill their tables, and to the pages of the gallery."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["DOCS", "docs_module", "example_definitions", "missing_packages", "page", "page_namespace"]

DOCS = Path(__file__).parents[1] / "docs"
_EXAMPLES = DOCS.parent / "examples"
#: Packages of the extra "systems", which pages of the gallery import; a test without them is skipped.
_OPTIONAL = ("causalchamber", "gymnasium", "pygame")


def docs_module(name: str) -> ModuleType:
    """Import a module from the folder of the documentation."""
    if str(DOCS) not in sys.path:
        sys.path.insert(0, str(DOCS))
    return importlib.import_module(name)


def page(name: str) -> str:
    """Read the text of a page, with its markers."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def missing_packages(source: str) -> list[str]:
    """Return the packages of the extra "systems" that a page of the gallery needs and that are not installed."""
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    needed = imported & set(_OPTIONAL)
    # gymnasium draws its classic environments with pygame
    needed |= {"pygame"} if "gymnasium" in needed else set()
    return sorted(name for name in needed if importlib.util.find_spec(name) is None)


def example_definitions(name: str) -> dict[str, Any]:
    """Run the imports, the functions and the constants in capitals of a page of the gallery, and nothing else.

    A page is then the one place where the data of a system are defined; tests and stored runs take them from there.
    """
    path = _EXAMPLES / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if _is_definition(node)]
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(tree, str(path), "exec"), namespace)
    return namespace


def page_namespace(name: str, until: str) -> dict[str, Any]:
    """Run a page of the gallery up to a line, and return its names.

    Raises:
        ValueError: If the page does not have the line.
    """
    path = _EXAMPLES / f"{name}.py"
    source, found, _ = path.read_text(encoding="utf-8").partition(f"\n{until}\n")
    if not found:
        raise ValueError(f"{path.name} has no line {until!r}")
    namespace: dict[str, Any] = {"__name__": name}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, str(path), "exec"), namespace)
    return namespace


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.isupper() for target in node.targets)
    # a "with" around imports silences a package
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.With)
