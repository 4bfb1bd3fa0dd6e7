"""Run the table of published data sets: ``python -m tests.benchmarks.published_table --out FILE``.

Every run is a separate process with one thread. A finished run is appended to the file as one line of JSON. Runs that
the file already contains with the same settings are not repeated, so the table can be computed in several sessions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from estimation.config import read_config
from tests.benchmarks.published_run import ROOT, SAMPLES, TEST_SAMPLES, Case, cases, config_of

__all__ = ["main", "results"]

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute the missing runs of the table.

    Args:
        arguments: Arguments of the command line; None for those of the process.

    Returns:
        The number of failed runs.
    """
    options = _parser().parse_args(arguments)
    sizes = {"samples": options.samples, "test_samples": options.test_samples}
    changes = _read_changes(options.set)
    requested = list(cases(options.only, options.seeds, **sizes))
    missing = [case for case in requested if not _is_done(case, changes, options.out)]
    print(f"{len(requested)} runs, {len(requested) - len(missing)} of them done", flush=True)
    n_failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(_run, case, changes): case for case in missing}
        try:
            for future in as_completed(futures):
                line, errors = future.result()
                if line is None:
                    n_failed += 1
                    print(f"{futures[future]}: failed\n{errors}", file=sys.stderr, flush=True)
                    continue
                _append(options.out, line)
                print(_summary(futures[future], json.loads(line)), flush=True)
        except BaseException:
            # an interruption reaches the running processes as well; cancel those that have not started
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return n_failed


def results(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Yield the results in a file, oldest first. A truncated line is skipped, so its run is repeated."""
    if not Path(path).exists():
        return
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            result = json.loads(line)
        except ValueError:
            continue
        if isinstance(result, dict):
            yield result


def _is_done(case: Case, changes: dict[str, Any], path: Path) -> bool:
    # compare all settings, not only the changes: the defaults may have changed
    expected = asdict(case) | {"settings": config_of(case, changes).to_dict()}
    return any(all(result.get(key) == value for key, value in expected.items()) for result in results(path))


def _run(case: Case, changes: dict[str, Any]) -> tuple[str | None, str]:
    """Run a case in a new process, and return its last line of output, None after a failure, and its errors."""
    request = json.dumps({"case": asdict(case), "changes": changes})
    process = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.published_run", request],
        cwd=ROOT,
        env=os.environ | _ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode or not process.stdout.strip():
        return None, process.stderr
    return process.stdout.splitlines()[-1], process.stderr


def _append(path: Path, line: str) -> None:
    """Append a line in a single write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - 1, 0))
        # the last line may be truncated
        start = "" if file.read(1) in (b"", b"\n") else "\n"
        file.write(f"{start}{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def _summary(case: Case, result: dict[str, Any]) -> str:
    scores = ", ".join(
        f"{name} {result[key]:.3f}" for name, key in (("MCC", "mcc"), ("R_con", "r_con"), ("R", "r"))
    )
    return (
        f"{case}: {scores}, SHD {result['shd']} ({result['missing']} missing, {result['extra']} extra), "
        f"negative ELBO {result['negative_elbo']['total']:.3f}, {result['minutes']:.1f} min"
    )


def _read_changes(settings: list[str]) -> dict[str, Any]:
    """Read and check settings of the form key=value, as the command line does."""
    names = [setting.partition("=")[0].strip() for setting in settings]
    config = read_config(None, settings).to_dict()
    return {name: config[name] for name in names}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.published_table", description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="FILE", help="JSON lines, one for every finished run")
    add(
        "--only",
        nargs="+",
        metavar="NAME",
        help="names of data sets; ActionRandom and TimeRandom are the random graphs",
    )
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="model seeds of the data sets")
    add("--jobs", type=int, choices=(1, 2), default=1, help="number of parallel runs")
    add(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="settings that differ from the defaults",
    )
    add("--samples", type=int, default=SAMPLES, metavar="N", help="number of training samples")
    add("--test-samples", type=int, default=TEST_SAMPLES, metavar="N", help="number of test samples")
    return parser


if __name__ == "__main__":
    sys.exit(main())
