"""The tables of kept promises, from made-up records and from the stored ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.documentation import docs_module, page

TABLES = docs_module("promise_tables")


def record(number: int, **changes: Any) -> dict[str, Any]:
    case = {
        "causes": "actions",
        "values": "doses",
        "family": "sums",
        "decoder": "mlp",
        "n_latents": 5,
        "n_observed": 12,
        "variance": 0.05,
        "n_samples": 60_000,
        "n_edges": 7,
        "budget": "true",
        "complete": True,
    }
    own = {"kept": True, "flagged": False, "mcc": 0.99, "r": 0.99, "r_con": 0.99, "missing": 0, "extra": 0}
    warnings = [{"kind": "basis", "text": "", "latents": []}]
    return {
        "run": {"seed": 1, "number": number},
        "problem": case | {key: value for key, value in changes.items() if key in case},
        **own,
        **{key: value for key, value in changes.items() if key in own},
        "confidence": {"edges": [[0.9, 1], [1.0, 1], [0.02, 0]], "latents": [[0.97, 0.99], [0.3, 0.5]]},
        "diagnostics": {
            "warnings": warnings if changes.get("flagged") else [],
            "values": {"largest effect without an edge": 0.1, "smallest effect of an edge": 0.3},
        },
    }


RECORDS = [
    record(0),
    record(1, n_samples=3_000, kept=False, mcc=0.612),
    record(2, kept=False, flagged=True, n_latents=9, causes="past", values=None),
    record(3, flagged=True),
]


def filled_with(records: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / "promise.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in records), "utf-8")
    monkeypatch.setattr(TABLES, "FILE", folder / "promise.jsonl")
    monkeypatch.setattr(TABLES, "WHOLE", folder / "promise_whole.jsonl")
    filled: str = TABLES.fill_page(page("kept_promises"))
    return filled


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return filled_with(RECORDS, tmp_path, monkeypatch)


def test_rates_count_what_was_kept_with_many_rows_and_in_all(text: str) -> None:
    assert "4 problems of seed 1 were run" in text
    assert "the promise was kept in **2 of 3 (21% to 94%)**" in text
    assert "Of all problems, the first run alone kept 2 of 4 (15% to 85%)" in text
    assert "| rows | 2,000 to 10,000 | 0 of 1" in text
    assert "| latents | 9 to 12 | 0 of 1" in text
    assert "| latents | 3 to 5 | 2 of 2" in text
    assert "| causes | past | 0 of 1" in text
    assert "| actions | none | 0 of 1" in text
    assert "| promised | up to a block | none |" in text


def test_warnings_are_counted_in_both_halves(text: str) -> None:
    many = "| 50,000 rows and more, first run |"
    assert f"{many} even numbers | 1 of 1 (21% to 100%) | 0 of 1 (0% to 79%) |" in text
    assert f"{many} odd numbers | none | 1 of 1 (21% to 100%) |" in text
    assert "| fewer rows, first run | odd numbers | 0 of 1 (0% to 79%) | none |" in text


def test_confidence_is_compared_with_the_truth(text: str) -> None:
    assert "| 0.99 to 1 | 3 of 3 (1.000) | none |" in text
    assert "| 0.95 to 0.99 | none | 3 of 3 (1.000) |" in text
    assert "| 0.05 to 0.5 | none | 0 of 3 (0.000) |" in text
    assert "| 0 to 0.05 | 0 of 3 (0.000) | none |" in text


def test_every_failure_is_listed_with_its_warnings(text: str) -> None:
    rows = [line for line in text.splitlines() if line.startswith("| 1/")]
    assert [row.split(" | ")[0] for row in rows] == ["| 1/1", "| 1/2"]
    assert "0.612" in rows[0]
    assert rows[0].endswith("| none |  |")
    assert rows[1].endswith("| basis |  |")


def test_the_restart_with_the_fewest_serious_warnings_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = record(2, n_latents=9, causes="past", values=None) | {
        "run": {"seed": 1, "number": 2, "restart": 1}
    }
    third = record(3, kept=False, flagged=True) | {"run": {"seed": 1, "number": 3, "restart": 1}}
    text = filled_with([third, *RECORDS, second], tmp_path, monkeypatch)
    assert "the promise was kept in **3 of 3 (44% to 100%)**" in text
    assert "The first run alone kept 2 of 3 (21% to 94%); 2 first runs had doubts" in text
    assert "| basis | MCC 0.990, kept |" in text


def test_of_restarts_with_as_many_serious_warnings_the_likelier_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful = record(0, kept=False, flagged=True) | {"negative_elbo": -9.0}
    # an edge more costs 0.01, so the third is better than the second
    second = record(0, kept=False, missing=0, extra=1) | {"negative_elbo": -1.005}
    third = record(0, mcc=0.987) | {"negative_elbo": -1.0}
    for number, each in enumerate((doubtful, second, third)):
        each["run"] = each["run"] | ({"restart": number} if number else {})
    text = filled_with([doubtful, second, third], tmp_path, monkeypatch)
    assert "| basis | MCC 0.987, kept |" in text
    del second["negative_elbo"]
    text = filled_with([doubtful, second, third], tmp_path, monkeypatch)
    assert "| basis | MCC 0.990, not kept |" in text


def test_a_whole_training_counts_instead_of_its_parts_and_knows_of_disagreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = record(2, kept=False, mcc=0.7) | {
        "run": {"seed": 1, "number": 2, "settings": {"restarts": "auto"}}
    }
    whole["diagnostics"]["warnings"] = [{"kind": "disagreeing restarts", "text": "", "latents": []}]
    (tmp_path / "promise_whole.jsonl").write_text(json.dumps(whole), encoding="utf-8")
    text = filled_with(RECORDS, tmp_path, monkeypatch)
    assert "| basis | MCC 0.700, not kept, flagged |" in text
    assert "| all, with restarts | even numbers | 1 of 1 (21% to 100%) |" in text


def test_a_larger_effect_without_an_edge_is_a_warning_that_earlier_runs_lacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger, smaller, superfluous = record(0, kept=False), record(2, kept=False), record(4, kept=False)
    for each, sizes in ((larger, (0.2, 0.15)), (smaller, (0.2, 0.19)), (superfluous, (0.2, 0.05))):
        names = ("largest effect without an edge", "smallest effect of an edge")
        each["diagnostics"]["values"] = dict(zip(names, sizes, strict=True))
    text = filled_with([larger, smaller, superfluous], tmp_path, monkeypatch)
    assert "| 50,000 rows and more, first run | even numbers | 1 of 3 (" in text


def test_without_failures_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled_with(RECORDS[:1], tmp_path, monkeypatch).count("None.") == 1


def test_the_stored_runs_fill_the_page() -> None:
    records = TABLES.read_records()
    assert records
    filled = TABLES.fill_page(page("kept_promises"))
    assert "<!--" not in filled
    runs = [json.loads(line) for line in TABLES.FILE.read_text(encoding="utf-8").splitlines()]
    restarts = {(each["run"]["number"], each["run"].get("restart", 0)) for each in runs}
    for each in TABLES.read_records(first=True):
        if TABLES._doubtful(each):
            # rows "with restarts" would have incomplete trainings otherwise
            assert {(each["run"]["number"], restart) for restart in (1, 2)} <= restarts
    failures = [each for each in records if not each["kept"]]
    for each in failures:
        assert f"| {each['run']['seed']}/{each['run']['number']} |" in filled


def test_runs_with_too_small_a_budget_stand_beside_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = {"model_seed": 2, "mcc": 0.931, "r": 0.9976, "missing": 8, "extra": 3, "flagged": True}
    run["settings"] = {"max_edges_past": 50}
    now = run | {"mcc": 0.9974, "missing": 5, "extra": 0, "flagged": False}
    later = now | {"model_seed": 4}
    files = tmp_path / "before.jsonl", tmp_path / "now.jsonl"
    for path, runs in zip(files, ([run], [now, later]), strict=True):
        path.write_text("".join(f"{json.dumps(each)}\n" for each in runs), encoding="utf-8")
    monkeypatch.setattr(TABLES, "SMALL_BUDGETS", files)
    text = filled_with(RECORDS, tmp_path, monkeypatch)
    new = "MCC 0.997 of R 0.998; 5 missing, 0 superfluous"
    assert f"| 50 | 2 | MCC 0.931 of R 0.998; 8 missing, 3 superfluous, flagged | {new} |" in text
    assert f"| 50 | 4 | not run | {new} |" in text


def test_the_figure_has_a_point_for_each_bin_with_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = docs_module("draw_promise_figure")
    monkeypatch.setattr(drawing, "read_records", lambda **_: RECORDS)
    panels = drawing.draw(Figure().subplots(1, 3))
    heights = [panel.lines[0].get_ydata().tolist() for panel in panels]
    assert heights == [[0, pytest.approx(2 / 3)], [pytest.approx(2 / 3)], [1, 0]]


def test_runs_with_heavy_tails_stand_beside_those_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "observations are read as arcsinh(...), whose excess kurtosis is 12.5 (median); and so on"
    before = record(3, mcc=0.9, r=0.95, kept=False, missing=2, extra=1)
    now = record(3, mcc=0.991) | {"notes": [note]}
    settings = [{"settings": {"observation_transform": value}} for value in ("none", "arcsinh")]
    development = [
        {**each, "run": {**each["run"], **setting, "seed": 9}}
        for each, setting in zip((before, now), settings, strict=True)
    ]
    for name, records in (("HEAVY_TAILS", development), ("BEFORE", [before])):
        (tmp_path / name).write_text("".join(f"{json.dumps(each)}\n" for each in records), "utf-8")
        monkeypatch.setattr(TABLES, name, tmp_path / name)
    filled = filled_with([record(0), now], tmp_path, monkeypatch)
    scores = "| 60,000 | 12.5 | MCC 0.900, R 0.950; 2 missing, 1 superfluous | MCC 0.991, R 0.990; kept |"
    assert f"| 1/3 {scores}" in filled
    assert f"| 9/3 {scores}" in filled
    assert "| 1/0 | 60,000 |" not in filled
