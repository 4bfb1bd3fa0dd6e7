"""The benchmark of the published table: its runs, the record of a run, and resuming without repetition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from estimation.exceptions import ConfigError
from estimation.simulate import published
from tests.benchmarks import published_table
from tests.benchmarks.published_run import Case, cases, config_of, measure
from tests.benchmarks.published_table import main, results

Captured = pytest.CaptureFixture[str]

TINY = [
    "steps=20",
    "width=8",
    "depth=1",
    "transition_width=4",
    "batch_size=64",
    "rounds=1",
    "validate_every=10",
]
SIZES = ["--samples", "400", "--test-samples", "100"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def fake_runs(monkeypatch: pytest.MonkeyPatch, failing: str = "") -> list[Case]:
    """Replace the runs by fakes that fail for one data set, and return the list in which they are recorded."""
    runs: list[Case] = []

    def run(case: Case, changes: dict[str, Any]) -> tuple[str | None, str]:
        runs.append(case)
        if case.data == failing:
            return None, "the cause"
        scores = {"mcc": 0.9, "r_con": 0.9, "r": 0.9, "shd": 1, "missing": 1, "extra": 0, "minutes": 3.0}
        settings = config_of(case, changes).to_dict()
        record = {**vars(case), **scores, "negative_elbo": {"total": -1.0}, "settings": settings}
        return json.dumps(record), ""

    monkeypatch.setattr(published_table, "_run", run)
    return runs


def test_the_table_has_all_published_data_sets_and_random_graphs() -> None:
    all_cases = list(cases())
    assert len(all_cases) == len(set(all_cases)) == 8 * 3 + 2 * 3 * 5
    assert [case.data for case in cases(["TimeDiag", "ActionDiag"], [4, 5])] == ["ActionDiag", "TimeDiag"] * 2
    assert {case.model_seed for case in all_cases if case.density is not None} == {0}
    with pytest.raises(ValueError, match="the table has no 'TimeDig'; it has ActionDiag, "):
        list(cases(["TimeDig"]))


@pytest.mark.parametrize(
    "case",
    [
        Case("TimeNonDiag"),
        Case("ActionBlockNonDiag"),
        Case("TimeRandom", 0.2, 33),
        Case("ActionRandom", 0.4, 11),
    ],
    ids=str,
)
def test_the_budget_is_the_true_number_of_edges(case: Case) -> None:
    graph = published(case.data, 10, "train", case.density, case.graph_seed).graph
    config = config_of(case, {"steps": 7})
    assert graph is not None
    assert (config.max_edges_actions or 0, config.max_edges_past or 0) == (graph.Ga.nnz, graph.Gz.nnz)
    assert config == config_of(case, {}).replace(steps=7)


def test_a_run_records_all_values_of_the_table(tmp_path: Path, capsys: Captured) -> None:
    """The run happens in a separate process, and a second call does not repeat it."""
    out = tmp_path / "made" / "table.jsonl"
    arguments = ["--out", str(out), "--only", "ActionBlockDiag", "--seeds", "3", "--set", *TINY, *SIZES]
    assert main(arguments) == 0
    (result,) = lines(out)
    repeated = measure(Case("ActionBlockDiag", None, None, 3, 400, 100), result["changes"])
    assert result.keys() == repeated.keys()
    reproducible = result.keys() - {"minutes", "began", "commit"}
    assert {key: result[key] for key in reproducible} == json.loads(
        json.dumps({key: repeated[key] for key in reproducible})
    )
    assert result["shd"] == result["missing"] + result["extra"]
    assert result["settings"]["threads"] == 1
    assert result["machine"]["cores"] >= 1
    assert result["versions"]["torch"]
    assert capsys.readouterr().out.startswith("1 runs, 0 of them done\nActionBlockDiag model seed 3: MCC 0.")
    assert main(arguments) == 0
    assert capsys.readouterr().out == "1 runs, 1 of them done\n"
    assert len(lines(out)) == 1


def test_only_missing_runs_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "table.jsonl"
    runs = fake_runs(monkeypatch)
    arguments = ["--out", str(out), "--only", "TimeDiag", "TimeRandom"]
    assert main([*arguments, "--seeds", "0"]) == 0
    assert len(runs) == 1 + 15
    assert main([*arguments, "--seeds", "0", "1", "--jobs", "2"]) == 0
    assert runs[16:] == [Case("TimeDiag", model_seed=1)]
    # runs with other settings or sample sizes are different runs
    assert main([*arguments, "--seeds", "0", "--set", "steps=9"]) == 0
    assert main([*arguments, "--seeds", "0", "--samples", "50"]) == 0
    assert len(runs) == 17 + 16 + 16 == len(lines(out))


def test_the_run_of_a_truncated_line_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "table.jsonl"
    runs = fake_runs(monkeypatch)
    arguments = ["--out", str(out), "--only", "ActionDiag"]
    assert main(arguments) == 0
    content = out.read_text()
    out.write_text(content[:-40])
    assert len(list(results(out))) == 2
    assert main(arguments) == 0
    assert runs[3:] == [Case("ActionDiag", model_seed=2)]
    assert len(list(results(out))) == 3


def test_a_failed_run_is_reported_and_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    out = tmp_path / "table.jsonl"
    fake_runs(monkeypatch, failing="TimeDiag")
    assert main(["--out", str(out), "--only", "ActionDiag", "TimeDiag", "--seeds", "0"]) == 1
    assert capsys.readouterr().err == "TimeDiag model seed 0: failed\nthe cause\n"
    assert [result["data"] for result in lines(out)] == ["ActionDiag"]


def test_settings_are_checked_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = fake_runs(monkeypatch)
    with pytest.raises(ConfigError, match=r"no setting is called 'stesp'; did you mean steps\?"):
        main(["--out", str(tmp_path / "table.jsonl"), "--set", "stesp=3"])
    assert not runs
