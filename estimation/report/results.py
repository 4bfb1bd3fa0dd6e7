"""The results page: what was learned and what it predicts, in one file that a person reads without the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimation.exceptions import DataError
from estimation.report.combinations import combination_section
from estimation.report.diagnostics import (
    CONFIDENCE_COLUMNS,
    confidence_rows,
    latent_confidence_rows,
    latent_facts,
)
from estimation.report.drawing import signed
from estimation.report.latent_panels import condition_table, draw_latent_panels
from estimation.report.model_sections import ground_truth_sections, headline, training_section
from estimation.report.page import render_page
from estimation.report.programme import Edge, draw_programmes, edges_of
from estimation.report.rows import score_facts, training_facts
from estimation.report.section import Cell, DataTable, Section
from estimation.report.sentences import (
    ADVICE,
    CONDITIONS,
    CONFIDENCE,
    NO_GRAPH,
    PREDICTED,
    PROGRAMMES,
    SCORES,
    WITHOUT_DATA,
)
from estimation.results import (
    ColumnEffects,
    Combinations,
    LatentSample,
    column_effects,
    latent_sample,
    latents_by_condition,
    predict_combinations,
    predicted_latents,
)
from identify.entanglement import predict_entanglement
from identify.wording import listed, plural

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.scores import Evaluation
    from estimation.trained import TrainedModel

__all__ = ["results_page"]

_N_COLUMNS, _MAX_LISTED = 10, 2_000


def results_page(
    model: TrainedModel, dataset: Dataset | None = None, outcome: Evaluation | None = None, name: str = ""
) -> str:
    """Return the results page of a trained model.

    Args:
        model: The trained model.
        dataset: Data with the columns of the training data, for the latents under each condition; None if there are
            none. The rest of the page needs no data, unless the model is a baseline or comes from an earlier version.
        outcome: The evaluation on these data, which adds scores and learned entanglement where they have ground truth.
        name: Name of the model in the title.

    Returns:
        HTML without external resources, with all names escaped. What can't be shown is named with the reason.

    Raises:
        DataError: If the data don't fit the model.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> model = fit(data, TrainingConfig(max_edges_actions=10, **tiny))
        >>> page = results_page(model, data)
        >>> "Did it work?" in page, "Predictions for combinations" in page, "http-equiv" in page
        (True, True, False)
    """
    sample = latent_sample(model, dataset)
    combinations, why_not = _combinations(model)
    sections = [
        _judgement_section(model, outcome),
        _programme_section(model, sample),
        *_prediction_sections(model),
        *([] if dataset is None else ground_truth_sections(model, dataset, outcome)),
        _condition_section(model, sample, combinations),
        combination_section(combinations, why_not),
        training_section(model, () if dataset is None else dataset.notes),
    ]
    title = f"Results of {name}" if name else "Results of a trained model"
    return render_page(title, _headline(model, outcome), sections)


def _headline(model: TrainedModel, outcome: Evaluation | None) -> str:
    shape = model.model.shape
    counts = [plural(shape.n_observed, "observed column"), plural(shape.n_latents, "latent")]
    counts += [plural(shape.n_actions, "action")] * bool(shape.n_actions)
    counts += [plural(model.sparse_graph.n_edges, "edge")] * bool(model.model.edges)
    counts += ["a step before"] * shape.past
    scores = [] if outcome is None or outcome.scores is None else [headline(model, outcome)]
    return "; ".join([", ".join(counts), *scores])


def _combinations(model: TrainedModel) -> tuple[Combinations | None, str]:
    try:
        return predict_combinations(model), ""
    except DataError as error:
        return None, str(error)


def _judgement_section(model: TrainedModel, outcome: Evaluation | None) -> Section:
    diagnostics = model.diagnostics
    facts = [fact for fact in training_facts(model) if fact[0] != "warning"]
    scores = [] if outcome is None else score_facts(outcome)
    warnings = tuple(
        (each.kind, each.text, listed(each.latents) or "all", ADVICE[each.kind]) for each in model.warnings
    )
    verdict, paragraphs = "", [SCORES] if outcome is not None and outcome.scores is not None else []
    if not model.model.edges:
        paragraphs.insert(0, NO_GRAPH.format(method=model.method))
    elif diagnostics is None:
        verdict = "Unknown: this run was not examined; its notes below may say why."
    else:
        verdict = diagnostics.headline
    return Section(
        heading="Did it work?",
        verdict=verdict,
        is_confirmed=diagnostics is not None and not diagnostics.serious,
        paragraphs=tuple(paragraphs),
        facts=(*facts, *scores),
        tables=(DataTable("Warnings", ("warning", "what was found", "latents", "what to do"), warnings),),
    )


def _programme_section(model: TrainedModel, sample: LatentSample | None) -> Section:
    graph, notes = model.sparse_graph, []
    edges = edges_of(graph, model.edge_confidence) if model.model.edges else []
    effects = None
    if not model.model.has_decoder:
        notes.append(f"{model.method} has no decoder, so its latents can't be followed to the columns.")
    elif sample is None:
        notes.append(f"The columns of each latent are missing here. {WITHOUT_DATA}")
    else:
        effects = column_effects(model, sample)
    if not model.sparse_columns.complete:
        notes.append(f"Left out, since not learned: {model.sparse_columns}.")
    picture = draw_programmes(graph.latents, edges, effects) if edges or effects is not None else None
    doubtful = confidence_rows(model.graph, model.diagnostics)
    return Section(
        heading="What moves what",
        paragraphs=(PROGRAMMES,),
        figures=() if picture is None else (picture,),
        tables=(
            _edge_table(edges),
            DataTable("Pairs that are in doubt", CONFIDENCE_COLUMNS, tuple(doubtful[:_MAX_LISTED])),
            *([] if effects is None else [_column_table(effects)]),
        ),
        notes=(*notes, *([CONFIDENCE] if model.edge_confidence is not None else [])),
    )


def _edge_table(edges: list[Edge]) -> DataTable:
    rows = tuple(
        (
            edge.shown_cause,
            edge.latent,
            Cell("unknown", -1.0, numeric=True)
            if edge.confidence is None
            else Cell(f"{edge.confidence:.2f}", edge.confidence, numeric=True),
        )
        for edge in edges[:_MAX_LISTED]
    )
    n_left = len(edges) - _MAX_LISTED
    notes = (f"{n_left:,} more edges are in graph.json of the model.",) * (n_left > 0)
    return DataTable(
        "Edges of the learned graph", ("cause", "moves", "confidence"), rows, "Search edges", notes
    )


def _column_table(effects: ColumnEffects) -> DataTable:
    rows = tuple(
        (column, latent, Cell(signed(value, 3), value, numeric=True))
        for i, latent in enumerate(effects.latents)
        for column, value in effects.top(i, _N_COLUMNS)
    )
    return DataTable(
        "Columns that move most with each latent",
        ("column", "latent", "change in s.d. per s.d. of the latent"),
        rows[:_MAX_LISTED],
        "Search columns and latents",
        (f"The {min(_N_COLUMNS, len(effects.columns))} largest effects of each latent.",),
    )


def _prediction_sections(model: TrainedModel) -> list[Section]:
    """Return the section on the entanglement that the learned graph predicts; none for a baseline."""
    if not model.model.edges:
        return []
    graph = model.sparse_graph
    predicted = predict_entanglement(graph)
    confidence = {row[0]: row[2] for row in latent_confidence_rows(graph, model.diagnostics)}
    rows = tuple(
        (name, _others(predicted.row(i).tolist(), i, graph.latents), confidence.get(name, "unknown"))
        for i, name in enumerate(graph.latents[:_MAX_LISTED])
    )
    columns = ("latent", "may mix with", "confidence that it mixes with no other")
    return [
        Section(
            heading="Which latents may be mixed",
            paragraphs=(PREDICTED,),
            facts=(
                ("latents that stay by themselves", f"{predicted.disentangled.sum()} of {graph.n_latents}"),
                *latent_facts(model.diagnostics),
            ),
            tables=(
                DataTable("Predicted entanglement of the learned graph", columns, rows, "Search latents"),
            ),
        )
    ]


def _others(row: list[int], own: int, names: tuple[str, ...]) -> str:
    return listed(names[j] for j in row if j != own) or "nothing"


def _condition_section(
    model: TrainedModel, sample: LatentSample | None, combinations: Combinations | None
) -> Section:
    latents = model.graph.latents
    if sample is not None and sample.actions is not None:
        conditions, source = latents_by_condition(model, sample), "encoded rows of the data"
    elif sample is not None and combinations is not None and not sample.is_encoded:
        settings = combinations.settings
        conditions, source = (
            predicted_latents(combinations.forecast, settings, sample),
            "what the model predicts",
        )
    else:
        reason = (
            WITHOUT_DATA if sample is None else "There are no actions, so there are no conditions to compare."
        )
        return Section("Latents under each condition", notes=(reason,))
    return Section(
        heading="Latents under each condition",
        paragraphs=(CONDITIONS.format(source=source),),
        figures=draw_latent_panels(conditions, latents),
        in_grid=True,
        tables=(condition_table(conditions, latents),),
    )
