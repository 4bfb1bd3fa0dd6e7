"""The diagnostics of a run as facts, as rows of the least certain edges, and as a record for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from estimation.diagnostics.uncertain_edges import least_certain, pairs_of

if TYPE_CHECKING:
    from estimation.diagnostics import Diagnostics
    from identify.graph import CausalGraph

__all__ = [
    "CONFIDENCE_COLUMNS",
    "confidence_rows",
    "diagnostic_facts",
    "diagnostics_record",
    "interval_facts",
    "run_warnings",
    "shown_interval",
]

CONFIDENCE_COLUMNS = ("edge", "in the learned graph", "confidence that it is true")

_MATRICES = {"actions": "G^a", "past": "G^z"}


def confidence_rows(graph: CausalGraph, diagnostics: Diagnostics | None) -> list[tuple[str, ...]]:
    """Return the pairs about which the learned graph is wrong with probability 0.05 or more, in the order of doubt.

    Args:
        graph: The learned graph.
        diagnostics: Diagnostics of the run, or None.

    Example:
        >>> from estimation.diagnostics import Diagnostics
        >>> from identify.graph import CausalGraph
        >>> diagnostics = Diagnostics(None, edge_confidence={"actions": ((0.99, 0.3), (0.6, 0.01))})
        >>> for row in confidence_rows(CausalGraph(Ga=[[1, 0], [1, 0]]), diagnostics):
        ...     print(*row, sep=" | ")
        a0 → z1 | yes | 0.60
        a1 → z0 | no | 0.30
    """
    if diagnostics is None or diagnostics.edge_confidence is None:
        return []
    pairs = least_certain(pairs_of(graph, diagnostics.edge_confidence))
    return [
        (f"{pair.cause} → {pair.latent}", "yes" if pair.has_edge else "no", f"{pair.confidence:.2f}")
        for pair in pairs
    ]


def shown_interval(diagnostics: Diagnostics | None, kind: str) -> str:
    """Return the numbers of edges that the data can't tell apart; empty if they were not measured.

    Args:
        diagnostics: Diagnostics of the run, or None.
        kind: ``"actions"`` or ``"past"``.

    Example:
        >>> from estimation.diagnostics import Diagnostics
        >>> shown_interval(Diagnostics(None, edge_confidence={"actions": ((0.99, 0.3), (0.6, 0.01))}), "actions")
        '1 to 3'
    """
    interval = {} if diagnostics is None else diagnostics.edge_interval
    return "{} to {}".format(*interval[kind]) if kind in interval else ""


def interval_facts(diagnostics: Diagnostics | None) -> list[tuple[str, str]]:
    """Return the numbers of edges that the data can't tell apart, by matrix.

    Example:
        >>> from estimation.diagnostics import Diagnostics
        >>> interval_facts(Diagnostics(None, edge_confidence={"actions": ((0.99, 0.3), (0.6, 0.01))}))
        [('edges of G^a that the data allow', '1 to 3')]
    """
    return [
        (f"edges of {name} that the data allow", text)
        for kind, name in _MATRICES.items()
        if (text := shown_interval(diagnostics, kind))
    ]


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
