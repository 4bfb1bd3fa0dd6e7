"""Sweeps on a real Dask scheduler with worker processes, which are killed and restarted during the sweep."""

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
from estimation.exceptions import DataError, TrainingError
from estimation.sweep import SweepPlan, collect, run_sweep
from estimation.sweep import cluster as cluster_module
from estimation.sweep.cluster import cluster_workers, slurm_workers
from estimation.sweep.folders import LOCK
from tests.pipeline.test_sweep import content, reproducible_rows, wait_until

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


def start_dask(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen([*DASK, *arguments], stdout=file, stderr=file, start_new_session=True)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def cluster(port: int, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """Run a scheduler and two worker processes."""
    host = ["--host", "127.0.0.1"]
    log, spill = folder / "cluster.log", folder / "spill"
    scheduler = start_dask("scheduler", *host, "--port", str(port), "--no-dashboard", log=log)
    worker = ["worker", f"tcp://127.0.0.1:{port}", *host, "--nthreads", "1", "--nworkers", "2"]
    workers = start_dask(*worker, "--no-dashboard", "--local-directory", str(spill), log=log)
    try:
        wait_until(lambda: is_listening(port))
        yield scheduler, workers
    finally:
        kill(workers)
        kill(scheduler)


def start_sweep(folder: Path, port: int) -> subprocess.Popen[bytes]:
    script = folder.with_suffix(".py")
    script.write_text(SCRIPT)
    address = f"tcp://127.0.0.1:{port}"
    command = [sys.executable, str(script), json.dumps(content(**LONG)), str(folder), address]
    with folder.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def lock_owner(folder: Path) -> int:
    """Wait until a process has locked a trial, and return its id."""
    owners: list[int] = []

    def find_owners() -> bool:
        for lock in folder.glob(f"*/{LOCK}"):
            try:
                owners.append(int(json.loads(lock.read_text())["process"]))
            except (OSError, ValueError):
                continue
        return bool(owners)

    wait_until(find_owners)
    return owners[-1]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    run_sweep(SweepPlan.from_dict(content(**LONG)), folder)
    return reproducible_rows(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_worker_and_a_restarted_scheduler(
    uninterrupted: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder, port = tmp_path / "runs", free_port()
    with cluster(port, tmp_path):
        sweep = start_sweep(folder, port)
        worker = lock_owner(folder)
        assert worker != sweep.pid
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: any(folder.glob("*/result.json")))
    # leaving the block kills scheduler and workers while trials are running
    done = {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}
    assert len(done) < 4
    time.sleep(1)
    assert sweep.poll() is None
    with cluster(port, tmp_path):
        assert sweep.wait(timeout=240) == 0, folder.with_suffix(".log").read_text()
    assert reproducible_rows(folder) == uninterrupted
    assert all(path.stat().st_mtime_ns == old for path, old in done.items())


def test_a_scheduler_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 1)
    plan = SweepPlan.from_dict(content())
    with pytest.raises(
        TrainingError, match=r"the scheduler tcp://127.0.0.1:\d+ can't be reached .*; start it"
    ):
        run_sweep(plan, tmp_path, workers=cluster_workers(f"tcp://127.0.0.1:{free_port()}", timeout=0))


# dask-jobqueue raises in the destructor of a cluster that it could not create
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_slurm_without_a_configuration_is_reported_in_one_line(tmp_path: Path) -> None:
    plan = SweepPlan.from_dict(content())
    with pytest.raises(
        TrainingError, match="dask-jobqueue's configuration does not describe a SLURM cluster"
    ):
        run_sweep(plan, tmp_path, workers=slurm_workers(2))


SLURM_SUBSTITUTE = """
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
def test_slurm_jobs(tmp_path: Path) -> None:
    """Dask's local cluster, which scales in the same way, takes the place of SLURM."""
    script, folder, local = tmp_path / "slurm.py", tmp_path / "runs", tmp_path / "local"
    script.write_text(SLURM_SUBSTITUTE)
    command = [sys.executable, str(script), json.dumps(content()), str(folder)]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert process.returncode == 0, process.stderr
    run_sweep(SweepPlan.from_dict(content()), local)
    assert reproducible_rows(folder) == reproducible_rows(local)


def test_the_command_refuses_both_scheduler_and_slurm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('[data.a]\nsource = "ActionDiag"\n[method.m]\nsettings.max_edges_actions = 3\n')
    out = str(tmp_path / "runs")
    assert main(["sweep", str(path), "-o", out, "--scheduler", "tcp://x:1", "--slurm", "2"]) == 2
    assert capsys.readouterr().err == (
        "mechsparse: --scheduler and --slurm are both given; give one of them\n"
    )


def test_a_folder_without_runs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contains no run of a sweep"):
        collect(tmp_path)
