"""`show_results`: the results of a sweep, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from identify.report.line import Line

if TYPE_CHECKING:
    from estimation.selection import Selection
    from estimation.sweep import Results

__all__ = ["show_results"]

# header, column of the results, number of decimals
_NUMBER_COLUMNS = (
    ("edges", "edges", 1),
    ("−ELBO", "negative_elbo", 3),
    ("UDR", "udr", 3),
    ("MCC", "mcc", 3),
    ("R_con", "r_con", 3),
    ("R", "r", 3),
    ("SHD", "shd", 1),
    ("min", "minutes", 1),
)


def show_results(
    results: Results, chosen: Mapping[tuple[str, str], Selection | None], written: Iterable[str]
) -> RenderableType:
    """Return a table for each data set and method, with means over the seeds of each setting, and a list of failures.

    A star marks the setting selected without ground truth. The tables fit a terminal of 80 columns.

    Args:
        results: Results of `estimation.sweep.collect`.
        chosen: Selections by data and method.
        written: Paths of the files that were written.
    """
    tables = [_table(key, rows, chosen.get(key)) for key, rows in results.groups.items()]
    failures = [
        Line(f"failed: {row['folder']}: {' '.join(str(row['error']).split())}", style="bold red")
        for row in results.rows
        if row["status"] == "failed"
    ]
    reasons = [
        Line(f"★ {data}, {method}: {choice.reason}")
        for (data, method), choice in chosen.items()
        if choice is not None
    ]
    return Group(*tables, *reasons, *failures, *(Line(f"written: {path}", style="dim") for path in written))


def _table(key: tuple[str, str], rows: Sequence[Mapping[str, Any]], choice: Selection | None) -> Table:
    groups = _group_by_setting(rows)
    names = {name for setting, _ in groups for name in setting}
    # if only one setting varies, its name is the header of the column
    only_name = next(iter(names)) if len(names) == 1 else None
    table = Table(
        title=", ".join(key), title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column(only_name or "setting", overflow="fold")
    table.add_column("seeds", justify="right", no_wrap=True)
    for header, _, _ in _NUMBER_COLUMNS:
        table.add_column(header, justify="right", no_wrap=True)
    for setting, group in groups:
        point = ", ".join(f"{value}" if only_name else f"{name}={value}" for name, value in setting.items())
        star = " ★" if choice is not None and choice.setting == setting else ""
        table.add_row(*(Line(cell) for cell in ((point or "-") + star, str(len(group)), *_means(group))))
    return table


def _group_by_setting(
    rows: Sequence[Mapping[str, Any]],
) -> list[tuple[dict[str, Any], list[Mapping[str, Any]]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row["setting"]), []).append(row)
    return [(dict(group[0]["setting"]), group) for group in groups.values()]


def _means(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    cells = []
    for _, name, decimals in _NUMBER_COLUMNS:
        values = [row[name] for row in rows if row[name] is not None]
        cells.append(f"{float(np.mean(values)):.{decimals}f}" if values else "-")
    return cells
