"""Our runs beside the published numbers, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from estimation.reproduction import SideBySide

__all__ = ["show_reproduction"]

_SCORES = (("MCC", "mcc", 3), ("R_con", "r_con", 3), ("R", "r", 3), ("SHD", "shd", 1))


def show_reproduction(
    lines: Sequence[SideBySide], failed: Iterable[str], written: Iterable[str]
) -> RenderableType:
    """A line per data set and method; in each cell ours, then the published mean.

    Args:
        lines: of `estimation.reproduction.side_by_side`.
        failed: names of runs that ended with an error.
        written: files to name.
    """
    table = Table(header_style="bold", caption="ours / published; means over seeds", caption_justify="left")
    for column in ("data", "method", "runs", "edges", *(label for label, _, _ in _SCORES), "min"):
        table.add_column(column, justify="left" if column in ("data", "method") else "right")
    for line in lines:
        scores = [
            f"{_number(line.ours[key], decimals)} / {_number(line.published[key], decimals)}"
            for _, key, decimals in _SCORES
        ]
        edges = _number(line.edges, 1)
        table.add_row(line.data, line.method, str(line.runs), edges, *scores, f"{line.minutes:.1f}")
    failures = [Text(f"failed: {name}", style="bold red") for name in failed]
    return Group(table, *failures, *(Text(f"written: {path}", style="dim") for path in written))


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
