"""Sweeps: every trial once, whatever is killed in between."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot as plt
from pyarrow import parquet

from estimation.exceptions import CheckpointError, ConfigError, DataError
from estimation.plot import plot_scores
from estimation.sweep import SweepPlan, Trial, collect, run_sweep
from estimation.sweep.folders import FAILED, LOCK, RESULT, _lives, holding, status_of
from estimation.sweep.trial import run_trial
from tests.seeds import training_seed

Content = dict[str, Any]
TINY = {
    "width": 8,
    "depth": 1,
    "transition_width": 4,
    "batch_size": 64,
    "validate_every": 10,
    # what a sweep does with its runs doesn't depend on how well they end
    "unmixing": False,
    "flow_blocks": 0,
    "refinements": 0,
}


def content(steps: int = 12, seeds: tuple[int, ...] = (0, 1), **data: Any) -> Content:
    source = {"source": "ActionBlockDiag", "samples": 300, "test_samples": 200}
    return {
        "seeds": [training_seed(seed) for seed in seeds],
        "data": {"pairs": {**source, "grid": {"max_edges_actions": [5, 10]}, **data}},
        "method": {"sparse": {"kind": "sparse_vae", "settings": {**TINY, "steps": steps}}},
    }


def plan_of(**changes: Any) -> SweepPlan:
    return SweepPlan.from_dict(content(**changes))


def compared(folder: Path) -> list[dict[str, Any]]:
    """What must not depend on how a sweep came about."""
    return [{key: value for key, value in row.items() if key != "minutes"} for row in collect(folder).rows]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    run_sweep(plan_of(), folder)
    return folder


# what is run ----------------------------------------------------------------------------------------


def test_a_sweep_is_a_product(finished: Path) -> None:
    rows = collect(finished).rows
    assert [(row["setting"], row["seed"], row["status"]) for row in rows] == [
        ({"max_edges_actions": k}, training_seed(seed), "done") for k in (5, 10) for seed in (0, 1)
    ]
    assert [row["edges"] for row in rows] == [5, 5, 10, 10]
    assert all(0 <= row["mcc"] <= row["r"] <= 1 for row in rows)
    assert rows[0]["udr"] == rows[1]["udr"] is not None
    assert all(row["error"] is None for row in rows)


def test_a_folder_holds_all_that_belongs_to_its_run(finished: Path) -> None:
    for folder in finished.iterdir():
        assert {path.name for path in folder.iterdir()} == {
            "trial.json",
            "data.json",
            "configuration.json",
            "result.json",
            "encodings.npy",
            "model",
        }
        record = json.loads((folder / RESULT).read_text())
        assert {"python", "torch", "mechsparse"} <= set(record["versions"])
        trial = Trial.from_dict(json.loads((folder / "trial.json").read_text()))
        assert trial.name == folder.name
        assert json.loads((folder / "configuration.json").read_text()) == trial.config().to_dict()


def test_what_is_done_is_not_done_again(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    told: list[str] = []
    outcome = run_sweep(plan_of(), finished, on_change=lambda trial, status: told.append(status))
    assert told == ["done"] * 4
    assert len(outcome.done) == 4
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_a_run_with_the_defaults_of_another_version_is_not_taken_for_this_one(
    finished: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished, copied)
    place = copied / plan_of().trials[1].name / "configuration.json"
    record = json.loads(place.read_text())
    place.write_text(json.dumps({**record, "warmup": 7, "gone": 1}))
    expected = rf"other defaults \(gone was 1 and is None, warmup was 7 and is {record['warmup']}\); remove it to run"
    with pytest.raises(ConfigError, match=expected):
        run_sweep(plan_of(), copied)
    place.write_text("{")
    with pytest.raises(
        CheckpointError, match=r"configuration\.json: is damaged .*; remove it to run the trial"
    ):
        run_sweep(plan_of(), copied)


def test_processes_give_the_same_results(finished: Path, tmp_path: Path) -> None:
    run_sweep(plan_of(), tmp_path, jobs=2)
    assert compared(tmp_path) == compared(finished)


def test_a_failure_is_recorded_and_stops_nothing(tmp_path: Path) -> None:
    plan = plan_of(grid={"max_edges_actions": [10], "max_edges_past": [3]})
    whole = SweepPlan((*plan.trials, *plan_of(seeds=(0,)).trials))
    outcome = run_sweep(whole, tmp_path)
    assert (len(outcome.failed), len(outcome.done)) == (2, 2)
    failed = [row for row in collect(tmp_path).rows if row["status"] == "failed"]
    assert all("max_edges_past is set, but the data have one time step" in row["error"] for row in failed)
    assert run_sweep(whole, tmp_path).failed == outcome.failed
    # anew when asked; it fails again, for the same reason
    times = [(tmp_path / name / FAILED).stat().st_mtime_ns for name in outcome.failed]
    assert run_sweep(whole, tmp_path, retry_failed=True).failed == outcome.failed
    assert all(
        (tmp_path / name / FAILED).stat().st_mtime_ns > old
        for name, old in zip(outcome.failed, times, strict=True)
    )


# what is killed -------------------------------------------------------------------------------------

SCRIPT = """
import json, sys
from estimation.sweep import SweepPlan, run_sweep
if __name__ == "__main__":
    run_sweep(SweepPlan.from_dict(json.loads(sys.argv[1])), sys.argv[2], jobs=int(sys.argv[3]))
"""
LONG = {"steps": 300, "seeds": (0, 1)}


def begin(folder: Path, jobs: int) -> subprocess.Popen[bytes]:
    script = folder.with_suffix(".py")
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), json.dumps(content(**LONG)), str(folder), str(jobs)]
    # a group of its own, so that its workers can be killed with it
    return subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL)


def until(condition: Any, seconds: float = 120) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    run_sweep(plan_of(**LONG), folder)
    return compared(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_as_a_whole_and_taken_up_again(undisturbed: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    process = begin(folder, jobs=2)
    until(lambda: any(folder.glob("*/state/manifest.json")) or any(folder.glob("*/result.json")))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done_before = {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}
    assert len(done_before) < 4
    outcome = run_sweep(plan_of(**LONG), folder, jobs=2)
    assert (len(outcome.done), outcome.failed) == (4, ())
    assert all(path.stat().st_mtime_ns == old for path, old in done_before.items())
    assert compared(folder) == undisturbed


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_that_is_killed_loses_nothing(undisturbed: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    process = begin(folder, jobs=2)
    until(lambda: any(folder.glob(f"*/{LOCK}")))
    lock = next(folder.glob(f"*/{LOCK}"))
    until(lambda: lock.exists() and lock.read_text().endswith("}"))
    worker = json.loads(lock.read_text())["process"]
    assert worker != process.pid
    os.kill(worker, signal.SIGKILL)
    assert process.wait(timeout=240) == 0
    assert compared(folder) == undisturbed


def test_a_run_that_another_process_has_is_left_to_it(tmp_path: Path) -> None:
    (trial,) = plan_of(seeds=(0,), grid={}).trials
    folder = tmp_path / trial.name
    settings = {**trial.settings, "max_edges_actions": 10}
    trial = Trial(trial.data, trial.method, trial.kind, trial.setting, settings, trial.seed)
    with holding(folder) as held:
        assert held
        with holding(folder) as twice:
            assert not twice
        assert run_trial(trial, str(folder)) == "pending"
        assert not (folder / "trial.json").exists()
    assert run_trial(trial, str(folder)) == "done"
    assert status_of(folder) == "done"


@pytest.mark.parametrize(
    "owner", ['{"host": "elsewhere", "process": 1}', '{"ho', "[3]", '{"host": 1}', "[" * 100_000]
)
def test_the_lock_of_a_dead_process_is_taken_over(owner: str, tmp_path: Path) -> None:
    lock = tmp_path / LOCK
    lock.write_text(owner)
    with holding(tmp_path) as fresh:
        assert not fresh
    os.utime(lock, (time.time() - 1000,) * 2)
    with holding(tmp_path) as held:
        assert held
    assert not lock.exists()


def test_the_lock_of_a_process_of_this_machine_that_is_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with holding(tmp_path):
        owner = json.loads((tmp_path / LOCK).read_text())
    (tmp_path / LOCK).write_text(json.dumps({**owner, "process": gone.pid}))
    with holding(tmp_path) as held:
        assert held


def test_on_windows_nobody_is_asked_whether_a_process_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        patched.setattr(os, "kill", lambda process, signal: asked.append(process))
        assert _lives(os.getpid())
    assert not asked
    assert not _lives(10**30)


# results --------------------------------------------------------------------------------------------


def test_the_tables_hold_the_same(finished: Path, tmp_path: Path) -> None:
    results = collect(finished)
    names = results.write(tmp_path)
    with names[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = parquet.read_table(names[1]).to_pylist()
    assert len(rows) == len(table) == 4
    for row, other, known in zip(rows, table, results.rows, strict=True):
        assert json.loads(row["setting"]) == json.loads(other["setting"]) == known["setting"]
        assert float(row["mcc"]) == other["mcc"] == known["mcc"]
        assert row["error"] == ""
        assert other["error"] is None


def test_the_choice_is_that_of_select(finished: Path) -> None:
    chosen = collect(finished).chosen("pairs", "sparse")
    assert chosen is not None
    assert chosen.setting in ({"max_edges_actions": 5}, {"max_edges_actions": 10})
    with pytest.raises(DataError, match="no run of plain on pairs is done"):
        collect(finished).chosen("pairs", "plain")


def test_the_figure_has_a_point_for_every_run(finished: Path) -> None:
    results = collect(finished)
    rows = results.groups["pairs", "sparse"]
    above, below = plot_scores(rows, {"bend": results.chosen("pairs", "sparse"), "udr": None})
    points = [line for line in above.lines if line.get_linestyle() == "None"]
    assert [len(line.get_xdata()) for line in points] == [4, 4, 4]
    assert any(line.get_label() == "chosen by 'bend'" for line in below.lines)
    with pytest.raises(DataError, match="no run has scores"):
        plot_scores([{**row, "mcc": None} for row in rows])
    with pytest.raises(DataError, match="1 axes are given; the scores and the SHD need two"):
        plot_scores(rows, axes=[above])
    plt.close("all")


def test_damage_is_one_line(finished: Path, tmp_path: Path) -> None:
    place = tmp_path / "broken"
    place.mkdir()
    (place / "trial.json").write_text("{")
    with pytest.raises(
        CheckpointError, match=r"trial\.json: is damaged .*; remove it to run the trial again"
    ):
        collect(tmp_path)
    with pytest.raises(DataError, match="holds no run of a sweep"):
        collect(tmp_path / "nowhere")
