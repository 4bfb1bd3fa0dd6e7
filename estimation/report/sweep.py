"""The results of a sweep on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from estimation.selection import Selection
    from estimation.sweep import Results

__all__ = ["show_results"]

_COLUMNS = (
    "data",
    "method",
    "setting",
    "seeds",
    "edges",
    "negative ELBO",
    "UDR",
    "MCC",
    "R_con",
    "R",
    "SHD",
    "min",
)
_DECIMALS = (
    ("edges", 1),
    ("negative_elbo", 3),
    ("udr", 3),
    ("mcc", 3),
    ("r_con", 3),
    ("r", 3),
    ("shd", 1),
    ("minutes", 1),
)


def show_results(
    results: Results, chosen: Mapping[tuple[str, str], Selection | None], written: Iterable[str]
) -> RenderableType:
    """Means over the seeds of each setting; a star marks what is chosen without the truth. Failures below.

    Args:
        results: of `estimation.sweep.collect`.
        chosen: by data and method.
        written: files to name.
    """
    table = Table(header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, overflow="fold")
    for key, rows in results.groups.items():
        choice = chosen.get(key)
        for setting, each in _by_setting(rows):
            star = " ★" if choice is not None and choice.setting == setting else ""
            point = ", ".join(f"{name}={value}" for name, value in setting.items()) or "-"
            table.add_row(*(Text(cell) for cell in (*key, point + star, str(len(each)), *_means(each))))
    failed = [row for row in results.rows if row["status"] == "failed"]
    notes = [Text(f"failed: {row['folder']}: {row['error']}", style="bold red") for row in failed]
    reasons = [
        Text(f"★ {data}, {method}: {choice.reason}")
        for (data, method), choice in chosen.items()
        if choice is not None
    ]
    return Group(table, *reasons, *notes, *(Text(f"written: {path}", style="dim") for path in written))


def _by_setting(rows: Sequence[Mapping[str, Any]]) -> list[tuple[dict[str, Any], list[Mapping[str, Any]]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row["setting"]), []).append(row)
    return [(dict(each[0]["setting"]), each) for each in groups.values()]


def _means(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    cells = []
    for name, decimals in _DECIMALS:
        values = [row[name] for row in rows if row[name] is not None]
        cells.append(f"{float(np.mean(values)):.{decimals}f}" if values else "-")
    return cells
