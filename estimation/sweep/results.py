"""All results of a sweep's folder as one table, with the agreement of seeds; as CSV and Parquet."""

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
from estimation.sweep.folders import FAILED, OUTCOME, RESULT, known_trial, read_record, status_of
from estimation.sweep.plan import SweepPlan
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
_FEWEST = 2
Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Results:
    """The table.

    Attributes:
        rows: one per trial that was begun, with the keys ``COLUMNS``; ``setting`` is the point of the grid. What is not
            known is None.
    """

    rows: tuple[Row, ...]

    @property
    def groups(self) -> dict[tuple[str, str], tuple[Row, ...]]:
        """Rows that are done, by data and method."""
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            if row["status"] == "done":
                found[row["data"], row["method"]].append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    def chosen(self, data: str, method: str, rule: str = "bend") -> Selection | None:
        """The setting that a rule takes, without looking at the truth; None with one setting only, or without edges.

        Raises:
            DataError: there is no such group, or the rule needs more seeds.
        """
        rows = self.groups.get((data, method))
        if rows is None:
            raise DataError(f"no run of {method} on {data} is done")
        if len({json.dumps(row["setting"], sort_keys=True) for row in rows}) < _FEWEST:
            return None
        if any(row["edges"] is None for row in rows):
            return None
        return select(rows, rule)

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``results.csv`` and ``results.parquet``, whole.

        Raises:
            FileAccessError: they can't be written.
        """
        root = Path(folder)
        for name, data in self.files().items():
            write_whole(root / name, data)
        return root / "results.csv", root / "results.parquet"

    def files(self) -> dict[str, bytes]:
        """The contents of ``results.csv`` and ``results.parquet``, by name."""
        written = [{**row, "setting": json.dumps(row["setting"], sort_keys=True)} for row in self.rows]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(written)
        return {"results.csv": text.getvalue().encode(), "results.parquet": _parquet(written)}


def collect(folder: str | Path, plan: SweepPlan | None = None) -> Results:
    """Read the runs of a folder.

    Args:
        folder: that `run_sweep` filled, also one that is not finished.
        plan: whose trials are of interest; None for all, also those of an earlier plan for the same folder.

    Raises:
        DataError: it holds no run.
        CheckpointError: a file is damaged.
    """
    root = Path(folder)
    wanted = None if plan is None else {trial.name for trial in plan.trials}
    found = []
    for place in sorted(root.iterdir()) if root.is_dir() else ():
        trial = known_trial(place) if wanted is None or place.name in wanted else None
        if trial is not None:
            found.append((trial, place))
    if not found:
        raise DataError(f"{root}: holds no run of a sweep")
    found.sort(key=lambda pair: (pair[0].data.name, pair[0].method, _ordered(pair[0].setting), pair[0].seed))
    agreements = _agreements([(trial, place) for trial, place in found if status_of(place) == "done"])
    rows = []
    for trial, place in found:
        status = status_of(place)
        record = {}
        if status != "pending":
            done = status == "done"
            record = read_record(place / RESULT, OUTCOME) if done else read_record(place / FAILED)
        known = {
            **record,
            **_surroundings(record),
            "data": trial.data.name,
            "method": trial.method,
            "setting": dict(trial.setting),
            "seed": trial.seed,
            "status": status,
            "udr": agreements.get(place.name),
            "folder": place.name,
        }
        rows.append({column: known.get(column) for column in COLUMNS})
    return Results(tuple(rows))


def _surroundings(record: Mapping[str, Any]) -> dict[str, str]:
    if "machine" not in record:
        return {}
    machine, versions = record["machine"], record["versions"]
    return {"machine": f"{machine['cpu']}, {machine['cores']} cores", "torch": versions["torch"]}


def _ordered(setting: Mapping[str, Any]) -> tuple[tuple[str, float, str], ...]:
    """Numbers by size, all else by name."""
    return tuple(
        (key, float(value) if isinstance(value, int | float) else 0.0, str(value))
        for key, value in sorted(setting.items())
    )


def _agreements(done: Sequence[tuple[Any, Path]]) -> dict[str, float]:
    """The agreement of the seeds of each setting, by folder."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for trial, place in done:
        key = {name: value for name, value in trial.to_dict().items() if name != "seed"}
        groups[json.dumps(key, sort_keys=True)].append(place)
    found: dict[str, float] = {}
    for places in groups.values():
        arrays = [
            _encodings(place / "encodings.npy") for place in places if (place / "encodings.npy").is_file()
        ]
        if len(arrays) == len(places) >= _FEWEST:
            found.update(dict.fromkeys((place.name for place in places), udr(arrays).score))
    return found


def _encodings(path: Path) -> NDArray[np.float32]:
    try:
        found = np.load(path, allow_pickle=False)
    except (EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path}: is damaged ({error}); remove its folder to run the trial again"
        ) from error
    if found.dtype.kind != "f" or found.ndim not in (2, 3) or not np.isfinite(found).all():
        raise CheckpointError(
            f"{path}: is damaged (no finite latents of some rows); remove its folder to run the trial again"
        )
    return np.asarray(found)


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({column: [row[column] for row in rows] for column in COLUMNS})
    data = io.BytesIO()
    parquet.write_table(table, data)
    return data.getvalue()
