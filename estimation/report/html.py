"""Self-contained HTML pages: what training found, what it is worth, and two models beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estimation.report.figures import (
    Picture,
    draw_comparison,
    draw_edges,
    draw_graph,
    draw_graphs,
    draw_latents,
    draw_models,
    draw_training,
    draw_verification,
)
from estimation.report.rows import (
    LATENT_COLUMNS,
    TRUST_COLUMNS,
    Facts,
    distance_facts,
    elbo_facts,
    latent_rows,
    score_facts,
    training_facts,
    trust_rows,
    verification_facts,
)
from estimation.report.sentences import (
    BETWEEN_MODELS,
    CAUTION,
    ENTANGLEMENT,
    NO_GRAPH,
    SCORES,
    TRUST,
    UNKNOWN,
)
from identify.report.html import finalized

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel

__all__ = ["Section", "comparison_page", "evaluation_page", "training_page", "verification_page"]

_TEMPLATE = "report.html.jinja"
# a page is for reading: past this many rows it says how many are left out
_MOST_ROWS = 100


@dataclass(frozen=True)
class Section:
    """A part of a page; what is left empty is left out.

    Attributes:
        heading: above it.
        verdict: a sentence, marked by ``good``.
        good: whether the prediction is confirmed.
        paragraphs: text.
        facts: pairs of what and value.
        figures: pictures.
        columns, rows: a table.
        notes: small text below.
        graph: a line in fixed width.
        details: pairs that are shown when asked for.
    """

    heading: str
    verdict: str = ""
    good: bool = True
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    figures: tuple[Picture, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    graph: str = ""
    details: tuple[tuple[str, str], ...] = ()


def training_page(model: TrainedModel, dataset: Dataset, outcome: Evaluation | None, where: str) -> str:
    """What came out of training.

    Args:
        model: the trained model.
        dataset: what ``outcome`` was measured on, or the training data.
        outcome: None when the truth isn't known.
        where: what the outcome was measured on, for instance ``"the training data"``.

    Returns:
        the page, without outside links; names are escaped.

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
    sections = [_learned(model, outcome, facts), *_truth(model, dataset, outcome)]
    return _page(f"Trained on {name}", _answer(model, outcome), [*sections, _training(model, dataset.notes)])


def evaluation_page(model: TrainedModel, dataset: Dataset, outcome: Evaluation) -> str:
    """A trained model held against the truth.

    Args:
        model: the trained model.
        dataset: what ``outcome`` was measured on.
        outcome: of `estimation.evaluation.evaluate`.

    Returns:
        the page, without outside links; names are escaped.

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
        _learned(model, outcome, [("measured on", where), *elbo_facts(outcome.negative_elbo)]),
        *_truth(model, dataset, outcome),
    ]
    return _page(
        "A trained model, evaluated", _answer(model, outcome), [*sections, _training(model, dataset.notes)]
    )


def comparison_page(
    names: tuple[str, str],
    models: tuple[TrainedModel, TrainedModel],
    comparison: Comparison,
    distance: GraphDistance,
) -> str:
    """Two trained models held against each other.

    Args:
        names: what to call them.
        models: the models.
        comparison: the entanglement between them beside that predicted from the first one's graph.
        distance: between their graphs.

    Returns:
        the page, without outside links; names are escaped.

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
    figures = [draw_comparison(comparison, names)]
    order = comparison.permutation.tolist()
    ours, theirs = (model.graph for model in models)
    if sorted(order) == list(range(theirs.n_latents)):
        renamed = theirs.permute(order)
        figures.append(draw_models(names, ours, renamed, distance))
    section = Section(
        heading=f"{names[0]} against {names[1]}",
        verdict=comparison.verdict,
        good=comparison.confirmed,
        paragraphs=(BETWEEN_MODELS,),
        facts=tuple(distance_facts(names, distance)),
        figures=tuple(figures),
        **_latent_table(comparison),
    )
    answer = (
        f"{names[0]} and {names[1]} agree."
        if comparison.confirmed
        else f"{names[0]} and {names[1]} disagree."
    )
    return _page("Two trained models compared", answer, [section])


def verification_page(verification: Verification) -> str:
    """Several runs held against the prediction of the best one.

    Args:
        verification: of `estimation.evaluation.verification.verify`.

    Returns:
        the page, without outside links; names are escaped.
    """
    rows = trust_rows(verification)
    more = len(rows) - _MOST_ROWS
    section = Section(
        heading="Which latents can be trusted?",
        verdict=verification.summary,
        good=verification.confirmed,
        paragraphs=(TRUST,),
        facts=tuple(verification_facts(verification)),
        figures=(draw_verification(verification),),
        columns=TRUST_COLUMNS,
        rows=tuple(rows[:_MOST_ROWS]),
        notes=(f"{more} more latents are left out; the JSON output has them all.",) if more > 0 else (),
    )
    runs = len(verification.comparisons)
    names = (verification.reference, f"the median of {runs} other run{'s' * (runs > 1)}")
    between = Section(
        heading="Predicted, and between the runs",
        paragraphs=(BETWEEN_MODELS,),
        figures=(draw_comparison(verification.combined, names),),
    )
    return _page("Several runs verified", verification.summary, [section, between])


def _learned(model: TrainedModel, outcome: Evaluation | None, facts: Facts) -> Section:
    scored = outcome is not None and outcome.scores is not None
    comparison = None if outcome is None else outcome.comparison
    if outcome is not None and outcome.graph is not None and outcome.errors is not None:
        figure = draw_graphs(outcome.graph, outcome.learned_graph)
    else:
        figure = draw_graph(model.graph)
    # a baseline has no graph to show
    has_graph = bool(model.model.edges)
    return Section(
        heading="What was learned",
        verdict="" if comparison is None else comparison.verdict,
        good=comparison is not None and comparison.confirmed,
        paragraphs=(SCORES,) if scored else (UNKNOWN,),
        facts=(*facts, *([] if outcome is None else score_facts(outcome))),
        figures=(figure,) if has_graph else (),
        notes=(CAUTION if has_graph else NO_GRAPH.format(method=model.method),),
        graph=repr(model.graph) if has_graph else "",
    )


def _truth(model: TrainedModel, dataset: Dataset, outcome: Evaluation | None) -> list[Section]:
    """Entanglement and scatter plots, as far as the truth is known."""
    sections = []
    if outcome is not None and outcome.comparison is not None:
        sections.append(
            Section(
                heading="Predicted and learned entanglement",
                paragraphs=(ENTANGLEMENT,),
                figures=(draw_comparison(outcome.comparison),),
                **_latent_table(outcome.comparison),
            )
        )
    if outcome is not None and outcome.scores is not None:
        sections.append(Section("True and learned latents", figures=(draw_latents(model, dataset, outcome),)))
    return sections


def _training(model: TrainedModel, notes: tuple[str, ...]) -> Section:
    history = model.history
    drawings = (draw_training, draw_edges) if model.model.edges else (draw_training,)
    return Section(
        heading="Training",
        figures=tuple(drawn(history) for drawn in drawings) if history.records else (),
        notes=(*notes, *history.notes),
        details=tuple(
            (name, str(value)) for name, value in model.config.to_dict().items() if value is not None
        ),
    )


def _latent_table(comparison: Comparison) -> dict[str, Any]:
    rows = latent_rows(comparison)
    more = len(rows) - _MOST_ROWS
    return {
        "columns": LATENT_COLUMNS,
        "rows": tuple(row.cells() for row in rows[:_MOST_ROWS]),
        "notes": (f"{more} more latents are left out; the JSON output has them all.",) if more > 0 else (),
    }


def _answer(model: TrainedModel, outcome: Evaluation | None) -> str:
    if outcome is None or outcome.scores is None:
        return f"{model!r}"
    scores = [(name, getattr(outcome, name.lower())) for name in ("MCC", "R_con", "R")]
    said = [f"{name} {value:.3f}" for name, value in scores if value is not None]
    return ", ".join([*said, *([] if outcome.shd is None else [f"SHD {outcome.shd}"])])


def _page(title: str, answer: str, sections: list[Section]) -> str:
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=finalized
    )
    page: str = environment.get_template(_TEMPLATE).render(title=title, answer=answer, sections=sections)
    return page
