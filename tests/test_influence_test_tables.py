"""The tables of the page on the test of influence, computed from stored results."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.influence_calibration import joint_problems, latent_problems, model_problems
from tests.documentation import docs_module, page

TABLES = docs_module("influence_test_tables")


def records(part: int) -> list[dict[str, object]]:
    return [json.loads(line) for line in TABLES.FILES[part].read_text(encoding="utf-8").splitlines()]


def test_the_stored_results_are_those_of_the_script() -> None:
    for part, problems in enumerate((latent_problems(), model_problems(), joint_problems())):
        known = [json.dumps(problem, sort_keys=True) for problem in problems]
        stored = [json.dumps(record["problem"], sort_keys=True) for record in records(part)]
        assert set(stored) <= set(known)
        assert len(set(stored)) == len(stored)


def test_the_page_has_all_tables() -> None:
    text = TABLES.fill_page(page("influence_test"))
    assert "<!--" not in text
    assert f"{len(records(1))} models were trained" in text
    for start in (
        "| all | 5,000 |",
        "| delta | mean margin |",
        "| 0 | 0.01 | 5,000 |",
        "| delta | seed |",
        "| panels | rows |",
    ):
        assert start in text


def test_false_alarms_are_within_their_limits() -> None:
    """Several hundred problems, so that the limits are narrow."""
    values = [record["test"]["p_value"] for record in records(0) if record["problem"]["delta"] == 0]  # type: ignore[index]
    for level in (0.01, 0.05, 0.1):
        limit = level + 3 * (level / len(values)) ** 0.5
        assert sum(value <= level for value in values) / len(values) <= limit


def test_false_alarms_in_trained_models_are_within_their_limits() -> None:
    pairs = [record for record in records(1) if record["problem"]["process"] == "pair"]  # type: ignore[index]
    values = [test["p_value"] for record in pairs for test in TABLES._null_tests(record)]
    assert len(values) >= 150
    for level in (0.01, 0.05, 0.1):
        limit = level + 3 * (level / len(values)) ** 0.5
        assert sum(value <= level for value in values) / len(values) <= limit


def test_graphs_with_a_missing_edge_are_contradicted_and_others_are_not() -> None:
    counts = {"missing": [0, 0], "not missing": [0, 0]}
    for record in records(1):
        problem, scores = record["problem"], record["scores"]
        if problem["process"] == "pair":  # type: ignore[index]
            is_missing = scores["shd"] > problem["extra_edges"]  # type: ignore[index]
            counts["missing" if is_missing else "not missing"][record["contradictions"] > 0] += 1  # type: ignore[operator]
    missed, found = counts["missing"]
    assert found >= 0.9 * (missed + found) >= 10
    quiet, wrong = counts["not missing"]
    assert wrong <= 0.05 * (quiet + wrong)


def test_false_alarms_of_joint_influence_are_within_their_limits() -> None:
    failing = [record for record in records(2) if record["problem"]["truth"] == "fails"]  # type: ignore[index]
    assert len(failing) >= 200
    for level in (0.01, 0.05, 0.1):
        limit = level + 3 * (level / len(failing)) ** 0.5
        for tolerance in (0.0, 0.05):
            verdicts = [
                verdict["status"]
                for record in failing
                for verdict in record["joint"]  # type: ignore[attr-defined]
                if (verdict["level"], verdict["tolerance"]) == (level, tolerance)
            ]
            assert len(verdicts) == len(failing)
            assert verdicts.count("holds") / len(failing) <= limit


def test_a_page_without_a_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no <!-- alarms -->"):
        TABLES.fill_page("# A page")
