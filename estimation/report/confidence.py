"""The confidence in the edges of a learned graph, as a section of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimation.report.diagnostics import CONFIDENCE_COLUMNS, confidence_rows
from estimation.report.figures import draw_confidence
from estimation.report.section import Section
from estimation.report.sentences import ALL_EDGES_CERTAIN, CONFIDENCE

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["confidence_sections"]

_MAX_ROWS = 20


def confidence_sections(model: TrainedModel) -> list[Section]:
    """Return the section with the figure and the least certain edges; none for a run without confidence.

    Args:
        model: The trained model.
    """
    if model.diagnostics is None or model.edge_confidence is None:
        return []
    rows = confidence_rows(model.graph, model.diagnostics)
    n_omitted = len(rows) - _MAX_ROWS
    notes = (f"{n_omitted} more are omitted here; the JSON output contains them all.",) * (n_omitted > 0)
    return [
        Section(
            heading="Confidence in the edges",
            paragraphs=(CONFIDENCE,),
            figures=(draw_confidence(model.sparse_graph, model.edge_confidence),),
            columns=CONFIDENCE_COLUMNS if rows else (),
            rows=tuple(rows[:_MAX_ROWS]),
            notes=notes if rows else (ALL_EDGES_CERTAIN,),
        )
    ]
