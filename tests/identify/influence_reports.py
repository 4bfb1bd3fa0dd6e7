"""Reports on influence for the tests: random statuses for the causes of a graph, or given ones."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from identify.graph import CausalGraph
from identify.influence import Influence, InfluenceReport, Influences
from identify.influence.report import Status

__all__ = ["STATUSES", "report_with", "statuses_of"]

STATUSES: tuple[Status, ...] = ("holds", "fails", "undecided")


def report_with(
    actions: Mapping[str, Status], past: Status | None = None, variability: Status | None = None
) -> InfluenceReport:
    """Return a report with these statuses; it is about an exponential family if sufficient variability has one."""
    return InfluenceReport(
        "nonparametric" if variability is None else "exponential",
        Influences({name: _influence(name, status) for name, status in actions.items()}),
        None if past is None else _influence("the past", past),
        None if variability is None else _influence("the natural parameters", variability),
    )


def _influence(cause: str, status: Status) -> Influence:
    repairs = (f"repair {cause}",) if status == "fails" else ()
    return Influence(cause, status, None, f"{cause} {status}", repairs)


@st.composite
def statuses_of(draw: st.DrawFn, graph: CausalGraph) -> tuple[dict[str, Status], Status]:
    """Draw a status for each action of a graph and one for the past."""
    return {name: draw(st.sampled_from(STATUSES)) for name in graph.actions}, draw(st.sampled_from(STATUSES))
