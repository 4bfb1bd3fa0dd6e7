"""Sweeps run every trial once, even if processes are killed."""

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
from estimation.sweep.folders import FAILED, LOCK, RESULT, _is_alive, status_of, try_lock
from estimation.sweep.trial import run_trial
from tests.seeds import training_seed

Content = dict[str, Any]
TINY = {
    "width": 8,
    "depth": 1,
    "transition_width": 4,
    "batch_size": 64,
    "validate_every": 10,
    # the tests do not depend on the quality of the models
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


def reproducible_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the results without the duration, the only column that may differ between executions of a sweep."""
    return [{key: value for key, value in row.items() if key != "minutes"} for row in collect(folder).rows]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    run_sweep(plan_of(), folder)
    return folder


# runs -----------------------------------------------------------------------------------------------


def test_a_sweep_is_the_product_of_grid_and_seeds(finished: Path) -> None:
    rows = collect(finished).rows
    assert [(row["setting"], row["seed"], row["status"]) for row in rows] == [
        ({"max_edges_actions": k}, training_seed(seed), "done") for k in (5, 10) for seed in (0, 1)
    ]
    assert [row["edges"] for row in rows] == [5, 5, 10, 10]
    assert all(0 <= row["mcc"] <= row["r"] <= 1 for row in rows)
    assert rows[0]["udr"] == rows[1]["udr"] is not None
    assert all(row["error"] is None for row in rows)


def test_the_files_in_the_folder_of_a_run(finished: Path) -> None:
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


def test_finished_runs_are_not_repeated(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    statuses: list[str] = []
    outcome = run_sweep(plan_of(), finished, on_change=lambda trial, status: statuses.append(status))
    assert statuses == ["done"] * 4
    assert len(outcome.done) == 4
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_a_run_with_the_defaults_of_another_version_is_refused(finished: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished, copied)
    path = copied / plan_of().trials[1].name / "configuration.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "warmup": 7, "removed": 1}))
    differences = rf"\(removed was 1 and is now None, warmup was 7 and is now {record['warmup']}\)"
    with pytest.raises(ConfigError, match=f"the run used other defaults {differences}; remove the folder"):
        run_sweep(plan_of(), copied)
    path.write_text("{")
    with pytest.raises(
        CheckpointError, match=r"configuration\.json: is damaged .*; remove it to run the trial"
    ):
        run_sweep(plan_of(), copied)


def test_two_processes_give_the_same_results_as_one(finished: Path, tmp_path: Path) -> None:
    run_sweep(plan_of(), tmp_path, jobs=2)
    assert reproducible_rows(tmp_path) == reproducible_rows(finished)


def test_a_failure_is_recorded_and_does_not_stop_the_sweep(tmp_path: Path) -> None:
    failing = plan_of(grid={"max_edges_actions": [10], "max_edges_past": [3]})
    plan = SweepPlan((*failing.trials, *plan_of(seeds=(0,)).trials))
    outcome = run_sweep(plan, tmp_path)
    assert (len(outcome.failed), len(outcome.done)) == (2, 2)
    failed = [row for row in collect(tmp_path).rows if row["status"] == "failed"]
    assert all("max_edges_past is set, but the data have one time step" in row["error"] for row in failed)
    assert run_sweep(plan, tmp_path).failed == outcome.failed
    # with retry_failed the trials run again, and fail again for the same reason
    times = [(tmp_path / name / FAILED).stat().st_mtime_ns for name in outcome.failed]
    assert run_sweep(plan, tmp_path, retry_failed=True).failed == outcome.failed
    assert all(
        (tmp_path / name / FAILED).stat().st_mtime_ns > old
        for name, old in zip(outcome.failed, times, strict=True)
    )


# killed processes -----------------------------------------------------------------------------------

SCRIPT = """
import json, sys
from estimation.sweep import SweepPlan, run_sweep
if __name__ == "__main__":
    run_sweep(SweepPlan.from_dict(json.loads(sys.argv[1])), sys.argv[2], jobs=int(sys.argv[3]))
"""
LONG = {"steps": 300, "seeds": (0, 1)}


def start_sweep(folder: Path, jobs: int) -> subprocess.Popen[bytes]:
    script = folder.with_suffix(".py")
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), json.dumps(content(**LONG)), str(folder), str(jobs)]
    # a new process group, so that its workers can be killed with it
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)


def wait_until(condition: Any, seconds: float = 120) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds
        time.sleep(0.05)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of a sweep that was not interrupted."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    run_sweep(plan_of(**LONG), folder)
    return reproducible_rows(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_sweep_resumes(uninterrupted: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    process = start_sweep(folder, jobs=2)
    wait_until(lambda: any(folder.glob("*/state/manifest.json")) or any(folder.glob("*/result.json")))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done_before = {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}
    assert len(done_before) < 4
    outcome = run_sweep(plan_of(**LONG), folder, jobs=2)
    assert (len(outcome.done), outcome.failed) == (4, ())
    assert all(path.stat().st_mtime_ns == old for path, old in done_before.items())
    assert reproducible_rows(folder) == uninterrupted


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_sweep_survives_a_killed_worker(uninterrupted: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    process = start_sweep(folder, jobs=2)
    wait_until(lambda: any(folder.glob(f"*/{LOCK}")))
    lock = next(folder.glob(f"*/{LOCK}"))
    wait_until(lambda: lock.exists() and lock.read_text().endswith("}"))
    worker = json.loads(lock.read_text())["process"]
    assert worker != process.pid
    os.kill(worker, signal.SIGKILL)
    assert process.wait(timeout=240) == 0
    assert reproducible_rows(folder) == uninterrupted


def test_a_run_that_another_process_has_locked_is_skipped(tmp_path: Path) -> None:
    (trial,) = plan_of(seeds=(0,), grid={}).trials
    folder = tmp_path / trial.name
    settings = {**trial.settings, "max_edges_actions": 10}
    trial = Trial(trial.data, trial.method, trial.kind, trial.setting, settings, trial.seed)
    with try_lock(folder) as locked:
        assert locked
        with try_lock(folder) as locked_twice:
            assert not locked_twice
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
    # the lock is recent, so its owner may still be alive
    with try_lock(tmp_path) as locked:
        assert not locked
    os.utime(lock, (time.time() - 1000,) * 2)
    with try_lock(tmp_path) as locked:
        assert locked
    assert not lock.exists()


def test_the_lock_of_an_ended_process_on_this_machine(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with try_lock(tmp_path):
        owner = json.loads((tmp_path / LOCK).read_text())
    (tmp_path / LOCK).write_text(json.dumps({**owner, "process": ended.pid}))
    with try_lock(tmp_path) as locked:
        assert locked


def test_on_windows_os_kill_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        patched.setattr(os, "kill", lambda pid, signal: killed.append(pid))
        assert _is_alive(os.getpid())
    assert not killed
    assert not _is_alive(10**30)


# results --------------------------------------------------------------------------------------------


def test_csv_and_parquet_hold_the_same_values(finished: Path, tmp_path: Path) -> None:
    results = collect(finished)
    csv_path, parquet_path = results.write(tmp_path)
    with csv_path.open(newline="") as file:
        csv_rows = list(csv.DictReader(file))
    parquet_rows = parquet.read_table(parquet_path).to_pylist()
    assert len(csv_rows) == len(parquet_rows) == 4
    for csv_row, parquet_row, row in zip(csv_rows, parquet_rows, results.rows, strict=True):
        assert json.loads(csv_row["setting"]) == json.loads(parquet_row["setting"]) == row["setting"]
        assert float(csv_row["mcc"]) == parquet_row["mcc"] == row["mcc"]
        assert csv_row["error"] == ""
        assert parquet_row["error"] is None


def test_the_selection_of_a_setting(finished: Path) -> None:
    results = collect(finished)
    selection = results.select("pairs", "sparse")
    assert selection is not None
    assert selection.rule == "elbow_and_stability"
    assert selection.setting in ({"max_edges_actions": 5}, {"max_edges_actions": 10})
    former = results.select("pairs", "sparse", "bend")
    assert former is not None
    assert former.to_dict() == selection.to_dict()
    with pytest.raises(DataError, match="no run of plain on pairs is done"):
        results.select("pairs", "plain")


def test_the_figure_has_a_point_for_every_run(finished: Path) -> None:
    results = collect(finished)
    rows = results.groups["pairs", "sparse"]
    top, bottom = plot_scores(rows, {"elbow": results.select("pairs", "sparse", "elbow"), "udr": None})
    points = [line for line in top.lines if line.get_linestyle() == "None"]
    assert [len(line.get_xdata()) for line in points] == [4, 4, 4]
    assert any(line.get_label() == "selected by 'elbow'" for line in bottom.lines)
    with pytest.raises(DataError, match="no run has both scores and edges"):
        plot_scores([{**row, "mcc": None} for row in rows])
    with pytest.raises(DataError, match="got 1 axes; the scores and the SHD need two"):
        plot_scores(rows, axes=[top])
    plt.close("all")


def test_a_damaged_file_is_reported_in_one_line(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "trial.json").write_text("{")
    with pytest.raises(
        CheckpointError, match=r"trial\.json: is damaged .*; remove it to run the trial again"
    ):
        collect(tmp_path)
    with pytest.raises(DataError, match="contains no run of a sweep"):
        collect(tmp_path / "nowhere")
