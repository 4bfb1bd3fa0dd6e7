"""Fixtures that several files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from identify.catalog import load
from identify.formats import write_graph


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_graph(load("identical-twins"), "twins.json")
    write_graph(load("lower-triangle"), "triangle.csv")
    Path("notes.txt").write_text("not a graph\n")
    return tmp_path
