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

import numpy as np
import pytest
from matplotlib import pyplot as plt
from pyarrow import parquet

from estimation.commands import main
from estimation.exceptions import CheckpointError, ConfigError, DataError
from estimation.plot import plot_scores
from estimation.processes.published import random_graph
from estimation.simulate import simulate
from estimation.sweep import SweepPlan, Trial, collect, read_plan, run_sweep
from estimation.sweep.folders import FAILED, LOCK, RESULT, holding, status_of
from estimation.sweep.trial import datasets, run_trial

Content = dict[str, Any]
TINY = {
    "width": 8,
    "depth": 1,
    "transition_width": 4,
    "batch_size": 64,
    "validate_every": 10,
    "flow_blocks": 1,
}


def content(steps: int = 12, seeds: tuple[int, ...] = (0, 1), **data: Any) -> Content:
    source = {"source": "ActionBlockDiag", "samples": 300, "test_samples": 200}
    return {
        "seeds": list(seeds),
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
        ({"max_edges_actions": k}, seed, "done") for k in (5, 10) for seed in (0, 1)
    ]
    assert [row["edges"] for row in rows] == [5, 5, 10, 10]
    assert all(0 <= row["mcc"] <= row["r"] <= 1 for row in rows)
    assert rows[0]["udr"] == rows[1]["udr"] is not None
    assert all(row["error"] is None for row in rows)


def test_a_folder_holds_all_that_belongs_to_its_run(finished: Path) -> None:
    for folder in finished.iterdir():
        assert {path.name for path in folder.iterdir()} == {
            "trial.json",
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
    run_sweep(plan_of(**LONG), folder, jobs=2)
    return compared(folder)


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


@pytest.mark.parametrize("owner", ['{"host": "elsewhere", "process": 1}', '{"ho'])
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


# the file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "the sweep has an unknown key 'seed'; known are data, method, seeds"),
        ({"seeds": []}, r"seeds is \[\]; it is a list of whole numbers from 0"),
        ({"seeds": [1, 1]}, r"seeds is \[1, 1\]; name each seed once"),
        ({"data": {}}, r"the sweep has no \[data.NAME\]; give one or more"),
        ({"data": {"a/b": {}}}, r"\[data.a/b\]: a name has letters, digits, dots and dashes only"),
        ({"data": {"a": 3}}, r"\[data.a\] is 3; it must be a table"),
        ({"data": {"a": {}}}, r"\[data.a\] has no source; give a published process or a file"),
        ({"data": {"a": {"source": "x", "n": 1}}}, r"\[data.a\] has an unknown key 'n'"),
        ({"data": {"a": {"source": "x", "samples": 0}}}, r"\[data.a\]: samples is 0; it is a whole number"),
        (
            {"data": {"a": {"source": "TimeRandom", "graph_seed": 1}}},
            r"\[data.a\]: TimeRandom needs density and graph_seed, got None and 1",
        ),
        (
            {"data": {"a": {"source": "TimeDiag", "density": 0.5, "seed": 3}}},
            r"\[data.a\]: TimeDiag needs no density and graph_seed, got 0.5 and 3",
        ),
        (
            {"data": {"a": {"source": "x.npz", "seed": 1}}},
            r"\[data.a\]: seed is 1, and 'x.npz' is not a published process",
        ),
        ({"data": {"a": {"source": "x", "grid": 3}}}, r"\[data.a\]: grid is 3; it must be a table of lists"),
        (
            {"data": {"a": {"source": "x", "grid": {"steps": 3}}}},
            "grid.steps is 3; it must be a list of values",
        ),
        ({"method": {"m": {"kind": "gan"}}}, r"\[method.m\]: kind is 'gan'; it is one of sparse_vae"),
        ({"method": {"m": {"settings": 1}}}, r"\[method.m\]: settings is 1; it must be a table"),
        (
            {"method": {"m": {"settings": {"seed": 1}}}},
            "settings.seed is set; seeds of a sweep are in its list",
        ),
        ({"method": {"m": {"settings": {"steps": -1}}}}, "method m on pairs: steps is -1"),
        ({"method": {"m": {"settings": {"step": 1}}}}, "no setting is called 'step'; did you mean steps"),
        (
            {"method": {"m": {"grid": {"max_edges_actions": [1]}}}},
            "grid.max_edges_actions is in the grid of the method and of the data; keep one",
        ),
    ],
)
def test_what_a_sweep_refuses(changes: Content, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SweepPlan.from_dict({**content(), **changes})


@pytest.mark.parametrize(("seed", "graph_seed"), [(None, 2), (4, 2), (4, None)])
def test_random_graphs_are_those_of_their_seeds(seed: int | None, graph_seed: int | None) -> None:
    spec = {"source": "TimeRandom", "density": 0.3, "seed": seed, "graph_seed": graph_seed}
    data = {key: value for key, value in spec.items() if value is not None}
    plan = SweepPlan.from_dict({**content(), "data": {"a": {**data, "samples": 50, "test_samples": 40}}})
    train, test = datasets(plan.trials[0].data)
    wanted = random_graph(True, 0.3, 4 if graph_seed is None else graph_seed)
    assert train.graph == test.graph == wanted
    assert (len(train), len(test)) == (50, 40)
    if seed is not None:
        again = simulate("TimeRandom", 40, seed, "test", density=0.3, graph_seed=graph_seed)
        np.testing.assert_array_equal(test.observations, again.observations)


def test_the_same_trial_twice_and_no_process(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two trials are the same: pairs-sparse"):
        run_sweep(plan_of(grid={"max_edges_actions": [5, 5]}), tmp_path)
    with pytest.raises(ConfigError, match="jobs is 0; it is a number of processes, 1 or more"):
        run_sweep(plan_of(), tmp_path, jobs=0)


def written(folder: Path) -> Path:
    path = folder / "sweep.toml"
    settings = "\n".join(f"settings.{key} = {value}" for key, value in {**TINY, "steps": 12}.items())
    path.write_text(
        'seeds = [0, 1]\n[data.pairs]\nsource = "ActionBlockDiag"\nsamples = 300\ntest_samples = 200\n'
        f"grid.max_edges_actions = [5, 10]\n[method.sparse]\n{settings}\n"
    )
    return path


def test_the_file_says_what_the_mapping_says(tmp_path: Path) -> None:
    assert read_plan(written(tmp_path)) == plan_of()
    (tmp_path / "bad.toml").write_text("seeds = [")
    with pytest.raises(ConfigError, match=r"bad\.toml: is no TOML"):
        read_plan(tmp_path / "bad.toml")
    (tmp_path / "other.toml").write_text("[data]\n")
    with pytest.raises(ConfigError, match=r"other\.toml: the sweep has no"):
        read_plan(tmp_path / "other.toml")


def test_files_of_data_are_beside_the_plan(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", observations=np.zeros((3, 2)))
    (tmp_path / "sweep.toml").write_text('[data.own]\nsource = "own.npz"\n[method.m]\n')
    (trial,) = read_plan(tmp_path / "sweep.toml").trials
    assert trial.data.source == str((tmp_path / "own.npz").resolve())


# the command ----------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs"
    words = ["sweep", str(written(tmp_path)), "--out", str(out)]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (len(told["done"]), told["failed"]) == (4, [])
    assert [Path(path).name for path in told["written"]] == [
        "results.csv",
        "results.parquet",
        "pairs-sparse.svg",
    ]
    assert all(Path(path).is_file() for path in told["written"])
    assert told["chosen"][0]["setting"] in ({"max_edges_actions": 5}, {"max_edges_actions": 10})
    assert main(words) == 0
    text = capsys.readouterr().out
    for part in ("pairs, sparse", "max_edges_actions", "★", "UDR", "results.csv"):
        assert part in text


def test_the_command_ends_with_one_when_a_run_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('[data.a]\nsource = "nowhere.npz"\n[method.m]\nsettings.max_edges_actions = 3\n')
    assert main(["sweep", str(path), "-o", str(tmp_path / "runs")]) == 1
    assert "neither a published process nor a file" in " ".join(capsys.readouterr().out.split())


def test_the_command_refuses_a_bad_file_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(tmp_path / "none.toml"), "-o", str(tmp_path / "runs")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("mechsparse: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
