"""The table of baselines in `published_table.md`: from the stored results of `mechsparse reproduce`."""

from __future__ import annotations

from stored_runs import FOLDER, read, replaced, table

from estimation.reproduction import SideBySide, side_by_side
from estimation.sweep.results import Results

__all__ = ["FILE", "filled"]

FILE = FOLDER / "baselines.csv"
_SCORES = (("MCC", "mcc"), ("R_con", "r_con"), ("R", "r"))


def filled(page: str) -> str:
    """The page with its marker ``<!-- baselines -->`` replaced."""
    if not FILE.exists():
        return replaced(page, {"baselines": "not run"})
    results = Results(tuple(read(FILE)))
    lines = side_by_side(results)
    head = ["data set", "method", "runs", *(f"{name}, ours / published" for name, _ in _SCORES), "minutes"]
    machines = "; ".join(dict.fromkeys(f"{row['machine']}, torch {row['torch']}" for row in results.rows))
    return replaced(
        page, {"baselines": f"{table(head, [_row(line) for line in lines])}\n\nMade on: {machines}."}
    )


def _row(line: SideBySide) -> list[str]:
    scores = [f"{_number(line.ours[key])} / {_number(line.published[key])}" for _, key in _SCORES]
    return [line.data, line.method, str(line.runs), *scores, f"{line.minutes:.1f}"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
