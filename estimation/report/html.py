"""Self-contained HTML pages: a training run, an evaluation, two models compared, and several runs verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estimation.report.confidence import confidence_of_runs, confidence_sections
from estimation.report.diagnostics import diagnostic_facts, interval_facts
from estimation.report.figures import (
    draw_comparison,
    draw_influence,
    draw_models,
    draw_verification,
)
from estimation.report.model_sections import (
    MAX_ROWS,
    ground_truth_sections,
    headline,
    latent_table,
    omission_note,
    result_section,
    training_section,
)
from estimation.report.page import render_page
from estimation.report.rows import (
    INFLUENCE_COLUMNS,
    TRUST_COLUMNS,
    dense_facts,
    distance_facts,
    elbo_facts,
    influence_facts,
    influence_rows,
    training_facts,
    trust_rows,
    verification_facts,
)
from estimation.report.section import Section
from estimation.report.sentences import (
    BETWEEN_MODELS,
    INFLUENCE,
    TRUST,
    certified_sentences,
)
from identify.report.sentences import CONDITION_COLUMNS, condition_cells

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.certified import CertifiedEntanglement
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
    from estimation.influence.result import InfluenceTest
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel

__all__ = [
    "comparison_page",
    "evaluation_page",
    "influence_page",
    "training_page",
    "verification_page",
]


def training_page(model: TrainedModel, dataset: Dataset, outcome: Evaluation | None, where: str) -> str:
    """Return the page of a training run.

    Args:
        model: The trained model.
        dataset: The data that ``outcome`` was measured on, or the training data.
        outcome: The evaluation; None without ground truth.
        where: Description of the data that the outcome was measured on, for instance ``"the training data"``.

    Returns:
        HTML without external links, with all names escaped.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> model = fit(data, TrainingConfig(max_edges_actions=10, **tiny))
        >>> page = training_page(model, data, None, "")
        >>> "Trained on ActionBlockDiag" in page, "edges of G^a" in page, "<svg" in page
        (True, True, True)
    """
    name = dataset.name or "your data"
    facts = training_facts(model) if outcome is None else [*training_facts(model), ("measured on", where)]
    sections = [
        result_section(model, outcome, facts),
        *confidence_sections(model),
        *ground_truth_sections(model, dataset, outcome),
        training_section(model, dataset.notes),
    ]
    return render_page(f"Trained on {name}", headline(model, outcome), sections)


def evaluation_page(
    model: TrainedModel, dataset: Dataset, outcome: Evaluation, certified: CertifiedEntanglement | None = None
) -> str:
    """Return the page of the evaluation of a trained model.

    Args:
        model: The trained model.
        dataset: The data that ``outcome`` was measured on.
        outcome: Result of `estimation.evaluation.evaluate`.
        certified: Result of `estimation.evaluation.certified.certify`, or None.

    Returns:
        HTML without external links, with all names escaped.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> model = fit(data, TrainingConfig(max_edges_actions=10, **tiny))
        >>> from estimation.evaluation.scores import evaluate
        >>> page = evaluation_page(model, data, evaluate(model, data, n_samples=50))
        >>> "Predicted and learned entanglement" in page, "200 samples of ActionBlockDiag" in page
        (True, True)
    """
    where = f"{len(dataset)} samples of {dataset.name or 'your data'}"
    sections = [
        result_section(model, outcome, [("measured on", where), *_facts_of(model, outcome)]),
        *confidence_sections(model),
        *([] if certified is None else [_certified_section(certified)]),
        *ground_truth_sections(model, dataset, outcome),
        training_section(model, dataset.notes),
    ]
    return render_page("Evaluation of a trained model", headline(model, outcome), sections)


def comparison_page(
    names: tuple[str, str],
    models: tuple[TrainedModel, TrainedModel],
    comparison: Comparison,
    distance: GraphDistance,
) -> str:
    """Return the page of two trained models compared with each other.

    Args:
        names: Names of the models.
        models: The models.
        comparison: Comparison of the entanglement between the models with the prediction from the first one's graph.
        distance: Distance between their graphs.

    Returns:
        HTML without external links, with all names escaped.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> model = fit(data, TrainingConfig(max_edges_actions=10, **tiny))
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import learned_entanglement
        >>> from estimation.metrics import structural_hamming
        >>> from identify.entanglement import predict_entanglement
        >>> between = compare(predict_entanglement(model.graph), learned_entanglement(model, data, other=model))
        >>> distance = structural_hamming(model.graph, model.graph)
        >>> "Two trained models compared" in comparison_page(("one", "two"), (model, model), between, distance)
        True
    """
    columns = {name: model.sparse_columns for name, model in zip(names, models, strict=True)}
    figures = [draw_comparison(comparison, names)]
    order = comparison.permutation.tolist()
    # columns that are dense in one of the models are compared in neither
    first, second = (
        models[0].sparse_columns.part_of(models[1].sparse_columns.part_of(model.graph)) for model in models
    )
    if sorted(order) == list(range(second.n_latents)):
        figures.append(draw_models(names, first, second.permute(order), distance))
    section = Section(
        heading=f"{names[0]} compared with {names[1]}",
        verdict=comparison.verdict,
        is_confirmed=comparison.confirmed,
        paragraphs=(BETWEEN_MODELS,),
        facts=(*distance_facts(names, distance), *dense_facts(columns)),
        figures=tuple(figures),
        **latent_table(comparison),
    )
    headline = f"{names[0]} and {names[1]} {'agree' if comparison.confirmed else 'disagree'}."
    return render_page("Two trained models compared", headline, [section])


def verification_page(verification: Verification) -> str:
    """Return the page of several runs compared with the prediction of the best run.

    Args:
        verification: Result of `estimation.evaluation.verification.verify`.

    Returns:
        HTML without external links, with all names escaped.
    """
    rows = trust_rows(verification)
    section = Section(
        heading="Which latents can be trusted?",
        verdict=verification.summary,
        is_confirmed=verification.confirmed,
        paragraphs=(TRUST,),
        facts=tuple(verification_facts(verification)),
        figures=(draw_verification(verification),),
        columns=TRUST_COLUMNS,
        rows=tuple(rows[:MAX_ROWS]),
        notes=omission_note(len(rows)),
    )
    runs = len(verification.comparisons)
    names = (verification.reference, f"the median of {runs} other run{'s' * (runs > 1)}")
    between_runs = Section(
        heading="Predicted entanglement, and entanglement between the runs",
        paragraphs=(BETWEEN_MODELS,),
        figures=(draw_comparison(verification.combined, names),),
    )
    sections = [section, *confidence_of_runs(verification), between_runs]
    return render_page("Verification of several runs", verification.summary, sections)


def influence_page(name: str, test: InfluenceTest) -> str:
    """Return the page of the test of influence.

    Args:
        name: Name of the model.
        test: Result of `estimation.influence.test_influence`.

    Returns:
        HTML without external links, with all names escaped.
    """
    rows = influence_rows(test)
    section = Section(
        heading=name,
        verdict=test.summary,
        is_confirmed=len(test.sufficient) == len(test),
        paragraphs=(INFLUENCE,),
        facts=tuple(influence_facts(test)),
        figures=(draw_influence(test),),
        columns=INFLUENCE_COLUMNS,
        rows=tuple(rows[:MAX_ROWS]),
        notes=(*omission_note(len(rows), "actions"), *test.notes),
    )
    return render_page("Sufficient influence in held-out data", test.summary, [section])


def _facts_of(model: TrainedModel, outcome: Evaluation) -> list[tuple[str, str]]:
    judged = [*interval_facts(model.diagnostics), *diagnostic_facts(model.diagnostics)]
    return [*elbo_facts(outcome.negative_elbo), *judged]


def _certified_section(certified: CertifiedEntanglement) -> Section:
    return Section(
        heading="What is proved for these mechanisms",
        paragraphs=tuple(certified_sentences(certified)),
        columns=CONDITION_COLUMNS,
        rows=tuple(condition_cells(certified.verdict)),
    )
