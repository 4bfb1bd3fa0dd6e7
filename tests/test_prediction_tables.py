"""The tables of the pages about predictions and counts, and the figures that the pages rest on."""

from __future__ import annotations

import itertools

import pytest

from tests.documentation import docs_module, page

TABLES = docs_module("prediction_tables")


def test_the_stored_results_fill_every_marker() -> None:
    for filled in (TABLES.fill_predicting_page(page("predicting")), TABLES.fill_counts_page(page("counts"))):
        assert "<!--" not in filled
        assert "| none |" not in filled


def test_the_model_predicts_unseen_pairs_best() -> None:
    """On every screen without a common target, as the graph promises, and with one on average."""
    records = TABLES.read_lines(TABLES.COMBINATIONS)
    assert len(records) == 10
    for score, other in itertools.product(("error", "distance"), ("mean", "additive", "vae")):
        assert all(each["disjoint"]["added"][score] < each["disjoint"][other][score] for each in records)
        shared = [(each["shared"]["added"][score], each["shared"][other][score]) for each in records]
        assert sum(own for own, _ in shared) < sum(others for _, others in shared)


@pytest.mark.parametrize("name", ["COUNTS", "IMPUTATION"])
def test_results_are_stored(name: str) -> None:
    assert TABLES.read_lines(getattr(TABLES, name))


def test_a_table_without_runs_says_so() -> None:
    assert TABLES._large([]) == "*No run is stored yet.*"


def test_a_row_of_a_table_has_the_scores_of_its_run() -> None:
    run = {"steps": 5000, "threads": 2}
    record = {
        "run": run,
        "minutes": 41.2,
        "cpu_minutes": 70.4,
        "milliseconds_per_step": 310.2,
        "peak_gibibytes": 5.55,
        "mcc": 0.98765,
        "r": 0.99,
        "missing": 1,
        "extra": 2,
    }
    table = TABLES._large([record])
    assert table.splitlines()[-1] == "| 5,000 | 2 | 41 | 70 | 310 | 5.5 | 0.988 | 0.990 | 1, 2 |"
