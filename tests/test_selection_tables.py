"""The page on sparsity computes its tables from the stored runs."""

from __future__ import annotations

import pytest

from tests.documentation import docs_module, page
from tests.estimation.published_runs import FILE, published_runs, published_scores

TABLES = docs_module("selection_tables")


def test_the_page_and_the_tests_read_the_same_runs() -> None:
    assert TABLES.RUNS_FILE == FILE
    theirs, ours = TABLES.published_runs(), published_runs()
    assert [[{k: run[k] for k in ours[name][0]} for run in runs] for name, runs in theirs.items()] == list(
        ours.values()
    )


def test_the_page_is_filled() -> None:
    filled = TABLES.filled(page("how_sparse"))
    lines = filled.splitlines()
    worth = published_scores()
    for name, of in worth.items():
        best = max(of, key=lambda budget: of[budget])
        line = next(line for line in lines if line.startswith(f"| {name} |"))
        assert line.endswith(f"| {best:g}: {of[best]:.3f} |")
    assert any(line.startswith("| udr | 0.9470 |") for line in lines)
    assert any(line.startswith("| bend | 0.9676 |") for line in lines)


def test_a_page_without_a_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no <!-- choices -->"):
        TABLES.filled("# A page")
