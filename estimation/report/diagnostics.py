"""The diagnostics of a run as facts, and as a record for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estimation.diagnostics import Diagnostics

__all__ = ["diagnostic_facts", "diagnostics_record", "run_warnings"]


def diagnostic_facts(diagnostics: Diagnostics | None) -> list[tuple[str, str]]:
    """Return the margin and the warnings in words; empty for a run that was not examined.

    Example:
        >>> from estimation.diagnostics import Diagnostics, Margin, RunWarning
        >>> margin = Margin(None, None, (), 64, 64)
        >>> for fact in diagnostic_facts(Diagnostics(margin, (RunWarning("residuals", "skewed"),))):
        ...     print(*fact, sep=" | ")
        basis | the basis is clear: no other one was found from 64 starts
        warning | residuals: skewed
    """
    if diagnostics is None:
        return []
    facts = [] if diagnostics.margin is None else [("basis", diagnostics.margin.summary)]
    return [*facts, *(("warning", str(warning)) for warning in diagnostics.warnings)]


def diagnostics_record(diagnostics: Diagnostics | None) -> dict[str, Any] | None:
    """Return the diagnostics as JSON can hold them, with the verdict and the summary of the margin."""
    return None if diagnostics is None else diagnostics.record()


def run_warnings(diagnostics: Mapping[str, Diagnostics | None]) -> list[tuple[str, str]]:
    """Return the warnings of several runs, with the name of each run.

    Args:
        diagnostics: The diagnostics by run.

    Example:
        >>> from estimation.diagnostics import Diagnostics, RunWarning
        >>> run_warnings({"one": Diagnostics(None, (RunWarning("residuals", "skewed"),)), "two": None})
        [('warning of one', 'residuals: skewed')]
    """
    return [
        (f"warning of {name}", str(warning))
        for name, each in diagnostics.items()
        for warning in (() if each is None else each.warnings)
    ]
