"""Stored results of sweeps, for the pages that show them, and the tables of markdown."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "read", "replaced", "table"]

FOLDER = Path(__file__).parent / "results"
_TEXTS = ("data", "method", "status", "machine", "torch", "error", "folder")


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a `results.csv`, numbers as numbers and what is not known as None."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [{key: _value(key, text) for key, text in row.items()} for row in csv.DictReader(lines)]


def _value(key: str, text: str) -> Any:
    if key in _TEXTS:
        return text
    if text == "":
        return None
    return {"True": True, "False": False}.get(text) if text in ("True", "False") else json.loads(text)


def replaced(page: str, tables: Mapping[str, str]) -> str:
    """A page with its markers ``<!-- name -->`` replaced.

    Raises:
        ValueError: a marker is missing.
    """
    for name, content in tables.items():
        marker = f"<!-- {name} -->"
        if marker not in page:
            raise ValueError(f"the page has no {marker}")
        page = page.replace(marker, content)
    return page


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])
