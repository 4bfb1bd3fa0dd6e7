"""Our runs beside the published numbers, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from identify.report.line import Line

if TYPE_CHECKING:
    from estimation.reproduction import SideBySide

__all__ = ["show_reproduction"]

_SCORES = (("MCC", "mcc", 3), ("R_con", "r_con", 3), ("R", "r", 3), ("SHD", "shd", 1))


def show_reproduction(
    lines: Sequence[SideBySide], failed: Iterable[str], written: Iterable[str]
) -> RenderableType:
    """Two rows per data set and method: ours, and the published means below. It fits a terminal of 80 columns.

    Args:
        lines: of `estimation.reproduction.side_by_side.side_by_side`.
        failed: names of runs that ended with an error.
        written: files to name.
    """
    table = Table(
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="means over seeds",
        caption_justify="left",
    )
    for column in ("data", "method", "runs", "edges", *(label for label, _, _ in _SCORES), "min"):
        left = column in ("data", "method")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for line in lines:
        ours, theirs = (
            [_number(values[key], decimals) for _, key, decimals in _SCORES]
            for values in (line.ours, line.published)
        )
        facts = (line.data, line.method, str(line.runs), _number(line.edges, 1))
        table.add_row(*facts, *ours, f"{line.minutes:.1f}")
        if any(value is not None for value in line.published.values()):
            table.add_row("", "published", "", "", *theirs, "", style="dim")
    failures = [Line(f"failed: {name}", style="bold red") for name in failed]
    return Group(table, *failures, *(Line(f"written: {path}", style="dim") for path in written))


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
