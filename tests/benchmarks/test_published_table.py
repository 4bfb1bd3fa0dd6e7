"""The table of published data sets, which ``make bench`` computes: several hours, in one session or more."""

from __future__ import annotations

import os

import pytest

from tests.benchmarks.published_run import ROOT, cases, config_of
from tests.benchmarks.published_table import main, results

pytestmark = pytest.mark.benchmark

STORED = ROOT / "docs" / "results" / "published_table.jsonl"


def test_the_published_table() -> None:
    assert main(["--out", str(STORED), "--jobs", str(min(os.cpu_count() or 1, 2))]) == 0
    settings = [result["settings"] for result in results(STORED)]
    assert all(config_of(case, {}).to_dict() in settings for case in cases())
