"""The tables of the page on the published data sets, from stored results."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from estimation.config import TrainingConfig
from tests.benchmarks import published_run
from tests.benchmarks.published_run import Case, cases, config_of
from tests.documentation import docs_module
from tests.documentation import page as stored_page

TABLES = docs_module("result_tables")
PAGE = stored_page("published_table")
PUBLISHED = json.loads(TABLES.PUBLISHED.read_text(encoding="utf-8"))
DATA_SETS, DENSITIES, GRAPHS = (f"<!-- {name} -->" for name in ("datasets", "random graphs", "every graph"))


def result(case: Case, **values: Any) -> dict[str, Any]:
    """Return a stored result with made-up values."""
    scores = {"mcc": 0.5, "r_con": 0.6, "r": 0.7, "shd": 3, "missing": 1, "extra": 2, "minutes": 4.0}
    record = {
        **vars(case),
        **scores,
        "negative_elbo": {"total": -1.25},
        "settings": config_of(case, {}).to_dict(),
        "changes": {},
        "began": "2026-01-01",
        "commit": "0123456789abcdef",
        "versions": {"torch": "2.9"},
        "machine": {"cpu": "Some CPU", "cores": 2},
    }
    return record | values


def page(*results: dict[str, Any]) -> str:
    return str(TABLES.fill_page(PAGE, results, PUBLISHED))


def rows(text: str, first: str) -> list[list[str]]:
    """Return the rows with this first cell, and the row after each of them."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    return [cells for line, cells in enumerate(lines) if first in (cells[0], lines[line - 1][0])]


def test_without_results_every_row_says_not_run() -> None:
    text = page()
    # another module fills this marker
    assert re.findall(r"<!-- (.*) -->", text) == ["baselines"]
    for name in published_run.DATA_SETS:
        ours, published = rows(text, name)
        assert ours[1] == "not run"
        assert published[0] == "published"
    assert [cells[1] for cells in rows(text, "TimeRandom, 0.4")] == ["not run", "5 of 5"]
    assert text.count("not run / ") == 30 * 4
    assert "No results are stored yet." in text


def test_a_data_set_shows_the_mean_and_the_worst_seed() -> None:
    scores = [{"mcc": 0.9, "shd": 0}, {"mcc": 0.8, "shd": 5}, {"mcc": 0.85, "shd": 1}]
    text = page(*(result(Case("TimeNonDiag", model_seed=seed), **scores[seed]) for seed in range(3)))
    ours, published = rows(text, "TimeNonDiag")
    assert ours[:5] == ["TimeNonDiag", "55", "0, 1, 2", "0.850 (0.800)", "0.600 (0.600)"]
    assert ours[5:] == ["0.700 (0.700)", "2.0 (5)", "1.0 / 2.0", "-1.25", "4.0"]
    assert published == [
        "published",
        "50",
        "5",
        "0.825",
        "0.825",
        "0.987",
        "14.8",
        "10.0 / 4.8",
        "-0.73",
        "258 (GPU)",
    ]
    steps = f"| steps | {TrainingConfig().steps:,} |"
    for part in ("| Some CPU, 2 cores |", "| torch 2.9 |", "| 0123456789ab |", "| runs | 3 |", steps):
        assert part in text


def test_random_graphs_are_compared_with_the_published_run_on_the_same_graph() -> None:
    # published MCC: 0.6853 and 0.9924
    text = page(
        result(Case("TimeRandom", 0.4, 11), mcc=0.7, shd=8), result(Case("TimeRandom", 0.4, 22), mcc=0.9)
    )
    ours, published = rows(text, "TimeRandom, 0.4")
    assert ours[:5] == ["TimeRandom, 0.4", "2 of 5", "0.800 (0.700)", "0.600 (0.600)", "0.700 (0.700)"]
    assert ours[5:] == ["5.5 (8)", "1 of 2", "4.0"]
    assert published[2] == "0.823 (0.655)"
    assert "| TimeRandom | 0.4 | 11 | 0.700 / 0.685 | 0.600 / 0.685 | 0.700 / 0.977 | 8 / 37 | 4.0 |" in text
    assert "| TimeRandom | 0.4 | 33 | not run / 0.655 |" in text


def test_the_latest_run_counts_and_other_settings_are_ignored() -> None:
    case = Case("ActionDiag")
    same_case = [result(case, mcc=0.1), result(case, mcc=0.2)]
    others = [result(case, mcc=0.3, changes={"steps": 30}), result(case, mcc=0.4, samples=100)]
    assert rows(page(*same_case, *others), "ActionDiag")[0][3] == "0.200 (0.200)"


def test_the_page_and_the_benchmark_have_the_same_runs() -> None:
    expected = {(case.data, case.density, case.graph_seed, case.model_seed) for case in cases()}
    on_page = {
        (row["data"], None, None, seed) for row in PUBLISHED["datasets"] for seed in TABLES.MODEL_SEEDS
    }
    on_page |= {(row["data"], row["density"], row["graph_seed"], 0) for row in PUBLISHED["random_graphs"]}
    assert on_page == expected
    assert TABLES.SAMPLES == (published_run.SAMPLES, published_run.TEST_SAMPLES)


def test_the_stored_results_fill_the_page() -> None:
    text = TABLES.fill_page(PAGE, *TABLES.read_results())
    assert len(rows(text, "ActionDiag")) == 2


def test_a_page_without_a_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no <!-- datasets -->"):
        TABLES.fill_page("# A page", [], PUBLISHED)


def test_the_published_scores_name_their_source() -> None:
    assert "arXiv 2401.04890" in PUBLISHED["source"]
