"""The confidence in the edges and the latents of a model, or of several, as sections of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimation.report.diagnostics import (
    CONFIDENCE_COLUMNS,
    LATENT_CONFIDENCE_COLUMNS,
    confidence_rows,
    latent_confidence_rows,
)
from estimation.report.figures import draw_confidence
from estimation.report.section import Section
from estimation.report.sentences import (
    ALL_EDGES_CERTAIN,
    CONFIDENCE,
    EDGES_OF_RUNS,
    LATENT_CONFIDENCE,
    LATENTS_OF_RUNS,
)

if TYPE_CHECKING:
    from estimation.evaluation.verification import Verification
    from estimation.report.section import Picture
    from estimation.trained import TrainedModel

__all__ = ["confidence_of_runs", "confidence_sections"]

_MAX_ROWS = 20


def confidence_sections(model: TrainedModel) -> list[Section]:
    """Return the sections with the figure and the least certain edges, and with the latents.

    None for a run without confidence.

    Args:
        model: The trained model.
    """
    return [*_edge_sections(model), *_latent_sections(model)]


def confidence_of_runs(verification: Verification) -> list[Section]:
    """Return the section about the confidence from several runs; none if the best run has none.

    Args:
        verification: Result of `estimation.evaluation.verification.verify`.
    """
    paragraphs = () if verification.latent_confidence is None else (LATENTS_OF_RUNS,)
    figures: tuple[Picture, ...] = ()
    if verification.edge_confidence is not None:
        columns = verification.sparse_columns[verification.reference]
        graph = columns.part_of(verification.predicted.graph)
        paragraphs, figures = (
            (*paragraphs, EDGES_OF_RUNS),
            (draw_confidence(graph, verification.edge_confidence),),
        )
    if not paragraphs:
        return []
    return [Section(heading="Confidence from all runs", paragraphs=paragraphs, figures=figures)]


def _edge_sections(model: TrainedModel) -> list[Section]:
    if model.diagnostics is None or model.edge_confidence is None:
        return []
    rows = confidence_rows(model.graph, model.diagnostics)
    return [
        Section(
            heading="Confidence in the edges",
            paragraphs=(CONFIDENCE,),
            figures=(draw_confidence(model.sparse_graph, model.edge_confidence),),
            columns=CONFIDENCE_COLUMNS if rows else (),
            rows=tuple(rows[:_MAX_ROWS]),
            notes=_omitted(len(rows)) if rows else (ALL_EDGES_CERTAIN,),
        )
    ]


def _latent_sections(model: TrainedModel) -> list[Section]:
    rows = latent_confidence_rows(model.sparse_graph, model.diagnostics)
    if not rows:
        return []
    return [
        Section(
            heading="Confidence in the latents",
            paragraphs=(LATENT_CONFIDENCE,),
            columns=LATENT_CONFIDENCE_COLUMNS,
            rows=tuple(rows[:_MAX_ROWS]),
            notes=_omitted(len(rows)),
        )
    ]


def _omitted(count: int) -> tuple[str, ...]:
    n_omitted = count - _MAX_ROWS
    return (f"{n_omitted} more are omitted here; the JSON output contains them all.",) * (n_omitted > 0)
