"""The tables of the page about the number of latents, and the benchmark that makes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.promise import latent_count
from tests.documentation import docs_module, page

TABLES = docs_module("latent_count_tables")


def test_the_stored_results_fill_every_marker() -> None:
    filled = TABLES.fill_page(page("how_many_latents"))
    assert "<!--" not in filled
    records = TABLES.read_records()
    searches = [record for record in records if record["run"]["kind"] == "auto"]
    right = sum(record["found"] == record["true"] for record in searches)
    assert f"was right on {right} of {len(searches)} problems" in filled
    for record in searches:
        is_shown = f"| {record['true']} | {record['summary']} |" in filled
        assert is_shown or (record["found"] == record["true"] and ";" not in record["summary"])
    for record in records:
        if record["run"]["kind"] == "given" and record["run"]["surplus"]:
            given = record.get("given", record["true"] + record["run"]["surplus"])
            assert (
                f"| {record['run']['number']} | {record['true']} | {given} | {record['trained']} |" in filled
            )


def test_failures_are_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case = {"causes": "past", "n_observed": 9, "variance": 0.01}
    records = [
        {
            "run": {"kind": "auto", "seed": 92, "number": number},
            "problem": case,
            "true": 4,
            "found": found,
            "summary": f"{found} latents",
            "intrinsic_dimension": 3.6,
            "tried": [[found, 0, -1.0]],
            "seconds": 20,
        }
        for number, found in ((7, 4), (3, 5))
    ]
    path = tmp_path / "searches.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    monkeypatch.setattr(TABLES, "FILE", path)
    lines = TABLES.fill_page("<!-- rate -->\n<!-- searches -->\n<!-- given -->").splitlines()
    assert lines[0] == (
        "The number found was right on 1 of 2 problems. The failures are the problems 3. 2 searches ended without a "
        "doubt, 1 of them with the right number. The table has all but these."
    )
    # the right number without a doubt has no row
    assert lines[3].startswith("| 3 | past | 9 | 0.01 | 4 | 5 latents | 3.6 | 1 | 20 |")
    assert len(lines) == 6


def test_what_more_latents_cost_is_listed() -> None:
    records = [
        {
            "run": {"kind": "given", "seed": 1, "number": 7, "surplus": surplus},
            "true": 4,
            "trained": n,
            "mcc": mcc,
        }
        for surplus, n, mcc in ((3, 5, 0.95), (0, 4, 0.99))
    ]
    records.append({**records[0], "run": {**records[0]["run"], "number": 8}})
    lines = TABLES._given(records).splitlines()
    assert lines[2:] == ["| 7 | 4 | 7 | 5 | 0.990 | 0.950 | -0.040 |"]


def test_runs_that_the_file_contains_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []

    def record(*arguments: int) -> dict[str, object]:
        calls.append(arguments)
        kind = "auto" if len(arguments) == 2 else "given"
        run = {"kind": kind, "seed": arguments[0], "number": arguments[1]}
        return {"run": run | dict(zip(("surplus", "steps"), arguments[2:], strict=False))}

    monkeypatch.setattr(latent_count, "search_record", record)
    monkeypatch.setattr(latent_count, "given_record", record)
    out = tmp_path / "latent_count.jsonl"
    # problem 0 of seed 92 has fewer than 50,000 rows
    arguments = ["--out", str(out), "--seed", "92", "--numbers", "0", "5", "10"]
    for _ in range(2):
        assert latent_count.main(arguments) == 0
        assert latent_count.main([*arguments, "--given", "--steps", "50"]) == 0
    assert calls == [(92, 5), (92, 10), *((92, n, k, 50) for n in (5, 10) for k in (0, 3))]
    assert len(out.read_text(encoding="utf-8").splitlines()) == 6
