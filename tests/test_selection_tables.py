"""The tables of the page on sparsity, computed from the published runs."""

from __future__ import annotations

import pytest

from tests.documentation import docs_module, page
from tests.estimation.published_runs import FILE, published_runs, published_scores

TABLES = docs_module("selection_tables")


def test_the_page_and_the_tests_read_the_same_runs() -> None:
    assert TABLES.RUNS_FILE == FILE
    expected = published_runs()
    on_page = {
        name: [{key: run[key] for key in expected[name][0]} for run in runs]
        for name, runs in TABLES.published_runs().items()
    }
    assert list(on_page.values()) == list(expected.values())


def test_the_tables_show_the_published_scores() -> None:
    lines = TABLES.fill_page(page("how_sparse")).splitlines()
    for name, r_con in published_scores().items():
        best = max(r_con, key=lambda budget: r_con[budget])
        line = next(line for line in lines if line.startswith(f"| {name} |"))
        assert line.endswith(f"| {best:g}: {r_con[best]:.3f} |")
    assert any(line.startswith("| udr | 0.9470 |") for line in lines)
    assert any(line.startswith("| elbow_and_stability | 0.9676 |") for line in lines)


def test_a_page_without_a_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no <!-- choices -->"):
        TABLES.fill_page("# A page")
