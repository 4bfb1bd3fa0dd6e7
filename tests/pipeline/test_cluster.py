"""Sweeps over a real Dask scheduler and worker processes, killed and restarted on the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from estimation.commands import main
from estimation.exceptions import TrainingError
from estimation.sweep import SweepPlan, collect, run_sweep
from estimation.sweep import cluster as cluster_module
from estimation.sweep.cluster import cluster_workers, slurm_workers
from estimation.sweep.folders import LOCK
from tests.pipeline.test_sweep import compared, content, until

LONG = {"steps": 300, "seeds": (0, 1)}
SCRIPT = """
import json, sys
from estimation.sweep import SweepPlan, run_sweep
from estimation.sweep.cluster import cluster_workers
if __name__ == "__main__":
    run_sweep(SweepPlan.from_dict(json.loads(sys.argv[1])), sys.argv[2], workers=cluster_workers(sys.argv[3], 120))
"""
DASK = [sys.executable, "-m", "dask"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(*words: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen([*DASK, *words], stdout=file, stderr=file, start_new_session=True)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def cluster(port: int, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """A scheduler and two worker processes."""
    place = ["--host", "127.0.0.1"]
    log, spill = folder / "cluster.log", folder / "spill"
    scheduler = started("scheduler", *place, "--port", str(port), "--no-dashboard", log=log)
    worker = ["worker", f"tcp://127.0.0.1:{port}", *place, "--nthreads", "1", "--nworkers", "2"]
    workers = started(*worker, "--no-dashboard", "--local-directory", str(spill), log=log)
    try:
        until(lambda: listens(port))
        yield scheduler, workers
    finally:
        end(workers)
        end(scheduler)


def begin(folder: Path, port: int) -> subprocess.Popen[bytes]:
    script = folder.with_suffix(".py")
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), json.dumps(content(**LONG)), str(folder), f"tcp://127.0.0.1:{port}"]
    with folder.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)


def owner(folder: Path) -> int:
    """The process that has a trial."""
    found: list[int] = []

    def held() -> bool:
        for lock in folder.glob(f"*/{LOCK}"):
            try:
                found.append(int(json.loads(lock.read_text())["process"]))
            except (OSError, ValueError):
                continue
        return bool(found)

    until(held)
    return found[-1]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    run_sweep(SweepPlan.from_dict(content(**LONG)), folder)
    return compared(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_worker_and_a_restarted_scheduler(undisturbed: list[dict[str, Any]], tmp_path: Path) -> None:
    folder, port = tmp_path / "runs", free_port()
    with cluster(port, tmp_path):
        sweep = begin(folder, port)
        worker = owner(folder)
        assert worker != sweep.pid
        os.kill(worker, signal.SIGKILL)
        until(lambda: any(folder.glob("*/result.json")))
    # gone as a whole, in the middle of the rest
    done = {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}
    assert len(done) < 4
    time.sleep(1)
    assert sweep.poll() is None
    with cluster(port, tmp_path):
        assert sweep.wait(timeout=240) == 0, folder.with_suffix(".log").read_text()
    assert compared(folder) == undisturbed
    assert all(path.stat().st_mtime_ns == old for path, old in done.items())


def test_a_scheduler_that_never_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 1)
    plan = SweepPlan.from_dict(content())
    with pytest.raises(
        TrainingError, match=r"the scheduler tcp://127.0.0.1:\d+ can't be reached .*; start it"
    ):
        run_sweep(plan, tmp_path, workers=cluster_workers(f"tcp://127.0.0.1:{free_port()}", patience=0))


# a cluster that dask-jobqueue could not finish to make complains when it is thrown away
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_slurm_without_a_configuration_is_one_line(tmp_path: Path) -> None:
    plan = SweepPlan.from_dict(content())
    with pytest.raises(
        TrainingError, match="dask-jobqueue's configuration does not describe a SLURM cluster"
    ):
        run_sweep(plan, tmp_path, workers=slurm_workers(2))


IN_THE_PLACE_OF_SLURM = """
import json, sys
from distributed import LocalCluster
from estimation.sweep import SweepPlan, cluster, run_sweep

class Slurm(LocalCluster):
    def scale(self, jobs):
        super().scale(jobs)

if __name__ == "__main__":
    cluster._slurm_cluster = lambda: Slurm(
        n_workers=0, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    )
    run_sweep(SweepPlan.from_dict(json.loads(sys.argv[1])), sys.argv[2], workers=cluster.slurm_workers(2))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_jobs_of_slurm(undisturbed: list[dict[str, Any]], tmp_path: Path) -> None:
    """There is none here: Dask's own cluster of processes takes its place, asked for jobs in the same way."""
    script, folder = tmp_path / "slurm.py", tmp_path / "runs"
    script.write_text(IN_THE_PLACE_OF_SLURM)
    words = [sys.executable, str(script), json.dumps(content(**LONG)), str(folder)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert compared(folder) == undisturbed


def test_the_command_takes_one_of_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('[data.a]\nsource = "ActionDiag"\n[method.m]\nsettings.max_edges_actions = 3\n')
    words = ["sweep", str(path), "-o", str(tmp_path / "runs"), "--scheduler", "tcp://x:1", "--slurm", "2"]
    assert main(words) == 2
    assert capsys.readouterr().err == (
        "mechsparse: --scheduler and --slurm are both given; the runs go to one of them\n"
    )


def test_nothing_is_collected_where_nothing_ran(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="holds no run of a sweep"):
        collect(tmp_path)
