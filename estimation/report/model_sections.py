"""Sections about a trained model that several pages share: its result, the ground truth, and the training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from estimation.report.figures import (
    draw_comparison,
    draw_edges,
    draw_graph,
    draw_graphs,
    draw_latent_count,
    draw_latents,
    draw_training,
)
from estimation.report.rows import LATENT_COLUMNS, Facts, latent_rows, score_facts
from estimation.report.section import Section
from estimation.report.sentences import CAUTION, ENTANGLEMENT, NO_GRAPH, SCORES, UNKNOWN

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.trained import TrainedModel

__all__ = [
    "MAX_ROWS",
    "ground_truth_sections",
    "headline",
    "latent_table",
    "omission_note",
    "result_section",
    "training_section",
]

#: Of a longer table, a page shows this many rows and the number of the others.
MAX_ROWS = 100


def result_section(model: TrainedModel, outcome: Evaluation | None, facts: Facts) -> Section:
    """Return the section with the learned graph, beside the true one where it is known, and the scores."""
    scored = outcome is not None and outcome.scores is not None
    comparison = None if outcome is None else outcome.comparison
    if outcome is not None and outcome.graph is not None and outcome.errors is not None:
        figure = draw_graphs(outcome.graph, outcome.learned_graph, model.sparse_columns)
    else:
        figure = draw_graph(model.sparse_graph, model.sparse_columns)
    # a baseline learns no graph
    has_graph = bool(model.model.edges)
    return Section(
        heading="Result",
        verdict="" if comparison is None else comparison.verdict,
        is_confirmed=comparison is not None and comparison.confirmed,
        paragraphs=(SCORES,) if scored else (UNKNOWN,),
        facts=(*facts, *([] if outcome is None else score_facts(outcome))),
        figures=(figure,) if has_graph else (),
        notes=(CAUTION if has_graph else NO_GRAPH.format(method=model.method),),
        graph=repr(model.sparse_graph) if has_graph else "",
    )


def ground_truth_sections(model: TrainedModel, dataset: Dataset, outcome: Evaluation | None) -> list[Section]:
    """Return the sections that need ground truth: entanglement and scatter plots of the latents."""
    sections = []
    if outcome is not None and outcome.comparison is not None:
        sections.append(
            Section(
                heading="Predicted and learned entanglement",
                paragraphs=(ENTANGLEMENT,),
                figures=(draw_comparison(outcome.comparison),),
                **latent_table(outcome.comparison),
            )
        )
    if outcome is not None and outcome.scores is not None:
        sections.append(Section("True and learned latents", figures=(draw_latents(model, dataset, outcome),)))
    return sections


def training_section(model: TrainedModel, notes: tuple[str, ...]) -> Section:
    """Return the section with the curves of training, the notes of data and run, and all settings."""
    history = model.history
    figures = []
    if history.latent_count is not None:
        figures.append(draw_latent_count(history.latent_count))
    if history.records:
        figures.append(draw_training(history))
        if model.model.edges:
            figures.append(draw_edges(history, model.sparse_columns.masks(model.action_names)))
    return Section(
        heading="Training",
        figures=tuple(figures),
        notes=(*notes, *history.notes),
        details=tuple(
            (name, str(value)) for name, value in model.config.to_dict().items() if value is not None
        ),
    )


def latent_table(comparison: Comparison) -> dict[str, Any]:
    """Return the table of predicted and learned mixing, as arguments of `Section`."""
    rows = latent_rows(comparison)
    return {
        "columns": LATENT_COLUMNS,
        "rows": tuple(row.cells() for row in rows[:MAX_ROWS]),
        "notes": omission_note(len(rows)),
    }


def omission_note(n_rows: int, what: str = "latents") -> tuple[str, ...]:
    """Return a note about the rows that a table leaves out; none if it shows all."""
    n_omitted = n_rows - MAX_ROWS
    if n_omitted <= 0:
        return ()
    return (f"{n_omitted} more {what} are omitted here; the JSON output contains them all.",)


def headline(model: TrainedModel, outcome: Evaluation | None) -> str:
    """Return the scores in a line, or the model without scores."""
    if outcome is None or outcome.scores is None:
        return f"{model!r}"
    values = [(name, getattr(outcome, name.lower())) for name in ("MCC", "R_con", "R")]
    scores = [f"{name} {value:.3f}" for name, value in values if value is not None]
    return ", ".join([*scores, *([] if outcome.shd is None else [f"SHD {outcome.shd}"])])
