"""Sweeps over files: a run is valid only for the data that it was trained and evaluated on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from estimation.commands import main
from estimation.dataset import Dataset
from estimation.exceptions import ConfigError
from estimation.simulate import simulate
from estimation.sweep import SweepPlan, collect, read_plan, run_sweep
from estimation.sweep.folders import FAILED, RESULT, STATE
from tests.pipeline.test_sweep import TINY
from tests.seeds import training_seed

QUICK = {"steps": 3, "max_edges_actions": 10, "unmixing": False, "flow_blocks": 0, "refinements": 0}


def simulated(seed: int, split: str = "train") -> Dataset:
    return simulate("ActionBlockDiag", 200, training_seed(seed), split)  # type: ignore[arg-type]


def plan_in(folder: Path, test: bool = False, **settings: object) -> SweepPlan:
    settings = {**TINY, **QUICK, **settings}
    lines = [f"settings.{name} = {json.dumps(value)}" for name, value in settings.items()]
    data = ['source = "own.npz"', 'test = "test.npz"' if test else ""]
    (folder / "sweep.toml").write_text("\n".join(["[data.own]", *data, "[method.sparse]", *lines]))
    return read_plan(folder / "sweep.toml")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep over a file, with test data in another file."""
    folder = tmp_path_factory.mktemp("files")
    simulated(1).write(folder / "own.npz")
    simulated(1, "test").write(folder / "test.npz")
    outcome = run_sweep(plan_in(folder, test=True), folder / "runs")
    assert len(outcome.done) == 1
    return folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "own.npz",
            r"was trained on other data than .*own\.npz contains now; remove the folder to run the trial again",
        ),
        (
            "test.npz",
            r"was scored on other data than .*test\.npz contains now; remove the folder to run the trial again",
        ),
    ],
)
def test_a_changed_file_is_refused(
    done: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    original = (done / name).read_bytes()
    try:
        simulated(2).write(done / name)
        with pytest.raises(ConfigError, match=message):
            run_sweep(plan_in(done, test=True), done / "runs")
        assert main(["sweep", str(done / "sweep.toml"), "-o", str(done / "runs")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    finally:
        (done / name).write_bytes(original)
    before = {path: path.stat().st_mtime_ns for path in (done / "runs").rglob("*")}
    assert len(run_sweep(plan_in(done, test=True), done / "runs").done) == 1
    assert {path: path.stat().st_mtime_ns for path in (done / "runs").rglob("*")} == before


def test_the_same_data_in_a_different_file_are_accepted(done: Path) -> None:
    original = (done / "own.npz").read_bytes()
    try:
        with np.load(done / "own.npz") as arrays:
            np.savez_compressed(done / "own.npz", **arrays)
        assert (done / "own.npz").read_bytes() != original
        assert len(run_sweep(plan_in(done, test=True), done / "runs").done) == 1
        # without the file, the data cannot be compared
        plan = plan_in(done, test=True)
        (done / "own.npz").unlink()
        assert len(run_sweep(plan, done / "runs").done) == 1
    finally:
        (done / "own.npz").write_bytes(original)


def test_runs_of_a_version_without_fingerprints_are_accepted(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "runs", tmp_path / "runs")
    for path in (tmp_path / "runs").glob("*/data.json"):
        path.unlink()
    assert len(run_sweep(plan_in(done, test=True), tmp_path / "runs").done) == 1


def test_a_failed_run_starts_again_on_changed_data(tmp_path: Path) -> None:
    """Its checkpoint belongs to the old data, so training would refuse to resume from it."""
    simulated(1).write(tmp_path / "own.npz")
    plan = plan_in(tmp_path)
    assert len(run_sweep(plan, tmp_path / "runs").done) == 1
    (folder,) = (tmp_path / "runs").iterdir()
    # simulate a failure during training
    from estimation.training import fit

    fit(simulated(1), plan.trials[0].config(), checkpoint=folder / STATE)  # type: ignore[arg-type]
    (folder / RESULT).rename(folder / FAILED)
    simulated(2).write(tmp_path / "own.npz")
    assert len(run_sweep(plan, tmp_path / "runs").failed) == 1
    outcome = run_sweep(plan, tmp_path / "runs", retry_failed=True)
    assert (len(outcome.done), outcome.failed) == (1, ())
    assert not (folder / STATE).exists()
    assert len(collect(tmp_path / "runs").rows) == 1


def test_tables_and_figures_of_an_earlier_plan_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated(1).write(tmp_path / "own.npz")
    plan_in(tmp_path)
    text = (tmp_path / "sweep.toml").read_text()
    arguments = ["sweep", str(tmp_path / "sweep.toml"), "-o", str(tmp_path / "runs")]
    assert main(arguments) == 0
    assert (tmp_path / "runs" / "own-sparse.svg").is_file()
    (tmp_path / "runs" / "mine.svg").write_text("a figure that the user saved")
    (tmp_path / "sweep.toml").write_text(text.replace("[method.sparse]", "[method.other]"))
    assert main(arguments) == 0
    assert {path.name for path in (tmp_path / "runs").glob("*.svg")} == {"own-other.svg", "mine.svg"}
    capsys.readouterr()
