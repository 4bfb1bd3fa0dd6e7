"""`show_reproduction`: our scores and the published ones, on a terminal."""

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
    """Return a table with two rows per data set and method: our means, and the published means below.

    The table fits a terminal of 80 columns.

    Args:
        lines: Rows of the table; see `estimation.reproduction.side_by_side.side_by_side`.
        failed: Names of the runs that ended with an error.
        written: Paths of the files that were written.
    """
    table = Table(
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="means over seeds",
        caption_justify="left",
    )
    for column in ("data", "method", "runs", "edges", *(label for label, _, _ in _SCORES), "min"):
        is_text = column in ("data", "method")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True)
    for line in lines:
        ours, published = (
            [_format_number(values[key], decimals) for _, key, decimals in _SCORES]
            for values in (line.ours, line.published)
        )
        facts = (line.data, line.method, str(line.runs), _format_number(line.edges, 1))
        table.add_row(*facts, *ours, f"{line.minutes:.1f}")
        if any(value is not None for value in line.published.values()):
            table.add_row("", "published", "", "", *published, "", style="dim")
    failures = [Line(f"failed: {name}", style="bold red") for name in failed]
    return Group(table, *failures, *(Line(f"written: {path}", style="dim") for path in written))


def _format_number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
