"""`collect`: the results of a sweep as one table with the stability across seeds, as CSV and Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import CheckpointError, DataError
from estimation.selection import Selection, select, udr
from estimation.selection.rules import DEFAULT_RULE
from estimation.sweep.folders import FAILED, RESULT, RESULT_SCHEMA, read_record, read_trial, status_of
from estimation.sweep.plan import SweepPlan
from estimation.sweep.specification import Trial
from identify.files import write_whole

__all__ = ["COLUMNS", "Results", "collect"]

COLUMNS = (
    "data",
    "method",
    "setting",
    "seed",
    "status",
    "edges",
    "negative_elbo",
    "udr",
    "mcc",
    "r_con",
    "r",
    "shd",
    "missing",
    "extra",
    "confirmed",
    "steps",
    "minutes",
    "machine",
    "torch",
    "error",
    "folder",
)
_MIN_SETTINGS, _MIN_SEEDS = 2, 2
Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Results:
    """The results of a sweep as a table.

    Attributes:
        rows: One row per trial that was started, with the keys ``COLUMNS``. ``setting`` is the point of the grid.
            Unknown values are None.
    """

    rows: tuple[Row, ...]

    @property
    def groups(self) -> dict[tuple[str, str], tuple[Row, ...]]:
        """Rows of the finished runs, by data and method."""
        groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            if row["status"] == "done":
                groups[row["data"], row["method"]].append(row)
        return {key: tuple(rows) for key, rows in groups.items()}

    def select(self, data: str, method: str, rule: str = DEFAULT_RULE) -> Selection | None:
        """Select a setting without ground truth.

        Args:
            data: Name of the data.
            method: Name of the method.
            rule: Name of the rule; see `estimation.selection.rules`.

        Returns:
            The selection; None if there is only one setting, or the method learns no graph.

        Raises:
            DataError: If no run of the method on the data is done, or the rule needs more seeds.
        """
        rows = self.groups.get((data, method))
        if rows is None:
            raise DataError(f"no run of {method} on {data} is done")
        if len({json.dumps(row["setting"], sort_keys=True) for row in rows}) < _MIN_SETTINGS:
            return None
        if any(row["edges"] is None for row in rows):
            return None
        return select(rows, rule)

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``results.csv`` and ``results.parquet``, each atomically.

        Args:
            folder: Where to write them.

        Returns:
            Paths of the two files.

        Raises:
            FileAccessError: If a file can't be written.
        """
        root = Path(folder)
        for name, data in self.files().items():
            write_whole(root / name, data)
        return root / "results.csv", root / "results.parquet"

    def files(self) -> dict[str, bytes]:
        """Return the contents of ``results.csv`` and ``results.parquet``, by name."""
        rows = [{**row, "setting": json.dumps(row["setting"], sort_keys=True)} for row in self.rows]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return {"results.csv": text.getvalue().encode(), "results.parquet": _parquet(rows)}


def collect(folder: str | Path, plan: SweepPlan | None = None) -> Results:
    """Collect the results of a sweep, which may still be running.

    Args:
        folder: The folder that was given to `run_sweep`.
        plan: The plan whose trials to collect; None for all trials, including those of earlier plans for the same
            folder.

    Returns:
        The table of results.

    Raises:
        DataError: If the folder contains no run.
        CheckpointError: If a file is damaged.
    """
    runs = _find_runs(Path(folder), plan)
    scores = _stability_scores([(trial, path) for trial, path in runs if status_of(path) == "done"])
    return Results(tuple(_row(trial, path, scores.get(path.name)) for trial, path in runs))


def _find_runs(root: Path, plan: SweepPlan | None) -> list[tuple[Trial, Path]]:
    """Return trial and folder of every run, ordered by data, method, setting and seed."""
    names = None if plan is None else {trial.name for trial in plan.trials}
    runs = []
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        trial = read_trial(path) if names is None or path.name in names else None
        if trial is not None:
            runs.append((trial, path))
    if not runs:
        raise DataError(f"{root}: contains no run of a sweep")
    return sorted(
        runs, key=lambda run: (run[0].data.name, run[0].method, _sort_key(run[0].setting), run[0].seed)
    )


def _row(trial: Trial, path: Path, stability: float | None) -> Row:
    status = status_of(path)
    record: Mapping[str, Any] = {}
    if status == "done":
        record = read_record(path / RESULT, RESULT_SCHEMA)
    elif status == "failed":
        record = read_record(path / FAILED)
    values = {
        **record,
        **_environment(record),
        "data": trial.data.name,
        "method": trial.method,
        "setting": dict(trial.setting),
        "seed": trial.seed,
        "status": status,
        "udr": stability,
        "folder": path.name,
    }
    return {column: values.get(column) for column in COLUMNS}


def _environment(record: Mapping[str, Any]) -> dict[str, str]:
    if "machine" not in record:
        return {}
    machine, versions = record["machine"], record["versions"]
    return {"machine": f"{machine['cpu']}, {machine['cores']} cores", "torch": versions["torch"]}


def _sort_key(setting: Mapping[str, Any]) -> tuple[tuple[str, float, str], ...]:
    """Return a key that sorts numbers by size and other values by name."""
    return tuple(
        (key, float(value) if isinstance(value, int | float) else 0.0, str(value))
        for key, value in sorted(setting.items())
    )


def _stability_scores(runs: Sequence[tuple[Trial, Path]]) -> dict[str, float]:
    """Return the agreement between the seeds of each setting, by folder."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for trial, path in runs:
        key = {name: value for name, value in trial.to_dict().items() if name != "seed"}
        groups[json.dumps(key, sort_keys=True)].append(path)
    scores: dict[str, float] = {}
    for paths in groups.values():
        encodings = [
            _read_encodings(path / "encodings.npy") for path in paths if (path / "encodings.npy").is_file()
        ]
        if len(encodings) == len(paths) >= _MIN_SEEDS:
            scores.update(dict.fromkeys((path.name for path in paths), udr(encodings).score))
    return scores


def _read_encodings(path: Path) -> NDArray[np.float32]:
    try:
        encodings = np.load(path, allow_pickle=False)
    except (EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path}: is damaged ({error}); remove its folder to run the trial again"
        ) from error
    if encodings.dtype.kind != "f" or encodings.ndim not in (2, 3) or not np.isfinite(encodings).all():
        raise CheckpointError(
            f"{path}: is damaged (it must hold finite latents of some rows); remove its folder to run the trial again"
        )
    return np.asarray(encodings)


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({column: [row[column] for row in rows] for column in COLUMNS})
    data = io.BytesIO()
    parquet.write_table(table, data)
    return data.getvalue()
