"""Stored results of sweeps, markers in pages, and markdown tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "fill_markers", "markdown_table", "read_rows"]

FOLDER = Path(__file__).parent / "results"
_TEXT_COLUMNS = ("data", "method", "status", "machine", "torch", "error", "folder")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a `results.csv`, with numbers as numbers and empty cells as None."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [{column: _parse(column, text) for column, text in row.items()} for row in csv.DictReader(lines)]


def _parse(column: str, text: str) -> Any:
    if column in _TEXT_COLUMNS:
        return text
    if text == "":
        return None
    return {"True": True, "False": False}.get(text) if text in ("True", "False") else json.loads(text)


def fill_markers(page: str, contents: Mapping[str, str]) -> str:
    """Replace the markers ``<!-- name -->`` of a page.

    Args:
        page: The page, in markdown.
        contents: What to put in the place of each marker, by name.

    Returns:
        The page with the contents.

    Raises:
        ValueError: If a marker is missing.
    """
    for name, content in contents.items():
        marker = f"<!-- {name} -->"
        if marker not in page:
            raise ValueError(f"the page has no {marker}")
        page = page.replace(marker, content)
    return page


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])
