"""Make the table of published data sets: ``python -m tests.benchmarks.published_table --out FILE``.

Every run is a process of its own with one thread. A run that is finished is one line of JSON at the end of the file.
Runs that are there already, with the same settings, are not repeated: the table can be made in several sittings.
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
    """Make what is missing of the table.

    Args:
        arguments: of the command line.

    Returns:
        how many runs failed.
    """
    options = _parser().parse_args(arguments)
    sizes = {"samples": options.samples, "test_samples": options.test_samples}
    changes = _changes(options.set)
    wanted = list(cases(options.only, options.seeds, **sizes))
    missing = [case for case in wanted if not _is_done(case, changes, options.out)]
    print(f"{len(wanted)} runs, {len(wanted) - len(missing)} of them done", flush=True)
    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(_run, case, changes): case for case in missing}
        try:
            for done in as_completed(running):
                line, complaint = done.result()
                if line is None:
                    failed += 1
                    print(f"{running[done]}: failed\n{complaint}", file=sys.stderr, flush=True)
                    continue
                _append(options.out, line)
                print(_told(running[done], json.loads(line)), flush=True)
        except BaseException:
            # processes under way get the interruption too; those not begun never are
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def results(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """The runs in a file, oldest first; a line cut short is skipped, so that its run is made again."""
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
    # all settings, not the changes alone: other defaults are another run
    wanted = asdict(case) | {"settings": config_of(case, changes).to_dict()}
    return any(all(result.get(key) == value for key, value in wanted.items()) for result in results(path))


def _run(case: Case, changes: dict[str, Any]) -> tuple[str | None, str]:
    asked = json.dumps({"case": asdict(case), "changes": changes})
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.published_run", asked],
        cwd=ROOT,
        env=os.environ | _ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not done.stdout.strip():
        return None, done.stderr
    return done.stdout.splitlines()[-1], done.stderr


def _append(path: Path, line: str) -> None:
    """The line as a whole, in one write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - 1, 0))
        # behind a line that was cut short
        start = "" if file.read(1) in (b"", b"\n") else "\n"
        file.write(f"{start}{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def _told(case: Case, result: dict[str, Any]) -> str:
    scores = ", ".join(
        f"{name} {result[key]:.3f}" for name, key in (("MCC", "mcc"), ("R_con", "r_con"), ("R", "r"))
    )
    return (
        f"{case}: {scores}, SHD {result['shd']} ({result['missing']} missing, {result['extra']} extra), "
        f"negative ELBO {result['negative_elbo']['total']:.3f}, {result['minutes']:.1f} min"
    )


def _changes(settings: list[str]) -> dict[str, Any]:
    """The settings of key=value texts, read and checked as the command line does."""
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
        help="these data sets; ActionRandom and TimeRandom are random graphs",
    )
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="model seeds of the data sets")
    add("--jobs", type=int, choices=(1, 2), default=1, help="runs at once")
    add(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="settings other than the defaults",
    )
    add("--samples", type=int, default=SAMPLES, metavar="N", help="to train on")
    add("--test-samples", type=int, default=TEST_SAMPLES, metavar="N", help="to evaluate on")
    return parser


if __name__ == "__main__":
    sys.exit(main())
