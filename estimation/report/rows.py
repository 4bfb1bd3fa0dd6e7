"""Facts and tables as plain text, shared by the terminal and the pages, and records for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from estimation.report.diagnostics import (
    diagnostic_facts,
    diagnostics_record,
    run_warnings,
    shown_interval,
)
from identify.wording import listed

if TYPE_CHECKING:
    from estimation.config.sparse_columns import SparseColumns
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
    from estimation.influence.result import InfluenceTest
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel
    from identify.graph import CausalGraph

__all__ = [
    "INFLUENCE_COLUMNS",
    "LATENT_COLUMNS",
    "TRUST_COLUMNS",
    "Facts",
    "LatentRow",
    "dense_facts",
    "distance_facts",
    "elbo_facts",
    "graph_record",
    "influence_facts",
    "influence_rows",
    "latent_rows",
    "score_facts",
    "training_facts",
    "training_record",
    "trust_rows",
    "verification_facts",
]

#: Pairs of name and value.
Facts = list[tuple[str, str]]

LATENT_COLUMNS = ("latent", "learned as", "may mix with", "mixes with", "outcome")

TRUST_COLUMNS = (
    "latent",
    "may mix with",
    "confirmed by",
    "correlation",
    "strongest extra",
    "confidence",
    "outcome",
)

INFLUENCE_COLUMNS = ("action", "moves", "influence", "p", "margin", "moved least")

_MATRICES = {"actions": "G^a", "past": "G^z"}


@dataclass(frozen=True)
class LatentRow:
    """The predicted and the learned mixing of one latent. The fields correspond to `LATENT_COLUMNS`.

    Attributes:
        latent: Name of the latent.
        learned: Name of the learned latent matched to it; empty without a match.
        allowed: Names of the latents that it may mix with.
        mixed: Names of the latents that it mixes with.
        outcome: The comparison in words.
    """

    latent: str
    learned: str
    allowed: tuple[str, ...]
    mixed: tuple[str, ...]
    outcome: str

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of `LATENT_COLUMNS`."""
        allowed, mixed = (listed(names) or "nothing" for names in (self.allowed, self.mixed))
        return self.latent, self.learned or "nothing", allowed, mixed, self.outcome


def latent_rows(comparison: Comparison) -> list[LatentRow]:
    """Return a row for every latent of the prediction. Learned latents appear under the names of their matches.

    Example:
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"]))
        >>> strengths = np.array([[0.2, 1.0], [0.9, 0.0]])
        >>> learned = LearnedEntanglement(strengths, 0.1, "jacobian", ("speed", "mass"), ("v0", "v1"))
        >>> [row.cells() for row in latent_rows(compare(predicted, learned))]
        [('speed', 'v1', 'mass', 'mass', 'as predicted'), ('mass', 'v0', 'nothing', 'nothing', 'as predicted')]
    """
    names, learned = comparison.latents, comparison.learned
    is_unmatched = np.isin(np.array(learned.learned), np.array(comparison.unmatched, dtype=str))
    rows = []
    for i, name in enumerate(names):
        allowed = [names[j] for j in np.flatnonzero(comparison.allowed[i]).tolist() if j != i]
        mixed = [names[j] for j in np.flatnonzero(comparison.matched[i]).tolist() if j != i]
        mixed += [learned.learned[k] for k in np.flatnonzero(learned.matrix[i] & is_unmatched).tolist()]
        outcome = _outcome(allowed, mixed) if learned.matrix[i].any() else "not recovered"
        rows.append(LatentRow(name, comparison.matched_names[i], tuple(allowed), tuple(mixed), outcome))
    return rows


def trust_rows(verification: Verification) -> list[tuple[str, ...]]:
    """Return, for every latent of the best run, how far the other runs confirm it, in the order of `TRUST_COLUMNS`."""
    return [
        (
            latent.latent,
            listed(latent.may_mix_with) or "nothing",
            f"{latent.confirmed_by} of {latent.runs}",
            f"{latent.correlation:.3f}",
            f"{latent.strongest:.2f}",
            "" if latent.confidence is None else f"{latent.confidence:.2f}",
            f"{latent.verdict}: mixes with {listed(latent.extra)}" if latent.extra else latent.verdict,
        )
        for latent in verification.latents
    ]


def influence_rows(test: InfluenceTest) -> list[tuple[str, ...]]:
    """Return the verdict on every action, in the order of `INFLUENCE_COLUMNS`."""
    return [
        (
            action.action,
            listed(action.children) or "nothing",
            action.verdict,
            f"{action.p_value:.2g}",
            "{:.3g} ({:.3g} to {:.3g})".format(action.margin, *action.interval) if action.tests else "",
            action.limit or (action.reason if action.contradictions else action.least_moved),
        )
        for action in test.values()
    ]


def influence_facts(test: InfluenceTest) -> Facts:
    """Return what the test was made with, and the p-value of all actions together."""
    return [
        ("held-out rows", f"{test.n_rows:,}"),
        ("level", f"{test.level:g}"),
        ("tolerance", f"{test.tolerance:g}"),
        ("effects without an edge", f"up to {test.leakage.size:.2g} of those on children"),
        ("p-value that influence fails for some action", f"{test.p_value:.2g}"),
        ("joint influence", f"{test.joint.status}: {test.joint.answer.reason}"),
    ]


def verification_facts(verification: Verification) -> Facts:
    """Return held-out ELBO, differing edges and confirmed blocks of every run, starting with the best run."""
    elbo = {name: f"negative ELBO {value:.4g}" for name, value in verification.negative_elbo.items()}
    facts: Facts = [(f"{verification.reference} (the best run)", elbo[verification.reference])]
    for name, comparison in verification.comparisons.items():
        n_confirmed = sum(block.confirmed for block in comparison.blocks)
        facts.append(
            (
                name,
                f"{elbo[name]}, {verification.distances[name].distance} edges differ, "
                f"{n_confirmed} of {len(comparison.blocks)} blocks confirmed",
            )
        )
    return facts + dense_facts(verification.sparse_columns) + run_warnings(verification.diagnostics)


def dense_facts(columns: Mapping[str, SparseColumns]) -> Facts:
    """Return the dense columns of each model that has some; comparisons of graphs leave them out.

    Args:
        columns: The columns, by name of the model.

    Example:
        >>> from estimation.config.sparse_columns import SparseColumns
        >>> dense_facts({"one": SparseColumns(("push",)), "two": SparseColumns((), ("push",))})
        [('not learned in two', 'dense columns: push; left out of the comparison')]
    """
    return [
        (f"not learned in {name}", f"{columns}; left out of the comparison")
        for name, columns in columns.items()
        if not columns.complete
    ]


def training_facts(model: TrainedModel) -> Facts:
    """Return edges, negative ELBO on held-out data and training time of a model.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> model = fit(data, TrainingConfig(max_edges_actions=10, **tiny))
        >>> training_facts(model)[0]
        ('edges of G^a', '10 (budget 10)')
    """
    latents = model.history.latent_count
    facts: Facts = [] if latents is None else [("latents found", latents.summary)]
    budgets = {name: getattr(model.config, f"max_edges_{name}", None) for name in ("actions", "past")}
    for name, count in _edge_counts(model).items():
        if name == "past" and model.sparse_columns.past_is_dense:
            facts.append(("edges of G^z", "all (dense: not learned)"))
            continue
        budget = "no budget" if budgets[name] is None else f"budget {budgets[name]}"
        interval = shown_interval(model.diagnostics, name)
        allowed = f"; the data allow {interval}" if interval else ""
        facts.append((f"edges of {_MATRICES[name]}", f"{count} ({budget}{allowed})"))
    if dense := model.sparse_columns.dense_actions:
        facts.append(
            ("dense columns of G^a", f"{listed(dense)} (all edges present, not learned, not counted)")
        )
    if model.history.records:
        last = model.history.records[-1]
        if last.has_bound:
            facts += elbo_facts({"reconstruction": last.reconstruction, "divergence": last.divergence})
        facts.append(("training time", f"{last.seconds / 60:.1f} minutes, {last.step} steps"))
    return facts + diagnostic_facts(model.diagnostics)


def elbo_facts(terms: dict[str, float] | None) -> Facts:
    """Return the negative ELBO and its two terms; empty for a method without an ELBO.

    Example:
        >>> elbo_facts({"reconstruction": -2.0, "divergence": 0.5})
        [('negative ELBO', '-1.500 (reconstruction -2.000, divergence 0.500)')]
    """
    if terms is None:
        return []
    total = terms["reconstruction"] + terms["divergence"]
    parts = f"reconstruction {terms['reconstruction']:.3f}, divergence {terms['divergence']:.3f}"
    return [("negative ELBO", f"{total:.3f} ({parts})")]


def score_facts(outcome: Evaluation) -> Facts:
    """Return MCC, R_con, R and SHD, as far as ground truth is known.

    Example:
        >>> from estimation.evaluation.scores import Evaluation, Scores
        >>> from identify.graph import CausalGraph
        >>> from estimation.metrics import structural_hamming
        >>> truth, learned = CausalGraph(Ga=[[1, 0], [1, 1]]), CausalGraph(Ga=[[1, 0], [0, 1]])
        >>> terms = {"total": -1.5, "reconstruction": -2.0, "divergence": 0.5}
        >>> errors = structural_hamming(truth, learned)
        >>> scores = Scores(0.9, 0.95, 0.94), Scores(0.8, 0.85, 0.84)
        >>> outcome = Evaluation(terms, learned, truth, *scores, errors=errors)
        >>> score_facts(outcome)[0]
        ('MCC', '0.900 (held out 0.800)')
        >>> score_facts(outcome)[-2:]
        [('SHD', '1 (1 missing, 0 extra)'), ('missing edges', 'a0 → z1')]
    """
    facts: Facts = []
    if outcome.prediction is not None and not outcome.sparse_columns.complete:
        facts.append(("prediction", f"from sparse columns alone; {outcome.sparse_columns}, left out"))
    if outcome.scores is not None and outcome.held_out is not None:
        for name, field in (("MCC", "mcc"), ("R_con", "r_con"), ("R", "r")):
            value, held_out = getattr(outcome.scores, field), getattr(outcome.held_out, field)
            if value is not None:
                facts.append((name, f"{value:.3f} (held out {held_out:.3f})"))
    if (errors := outcome.errors) is not None:
        counted = f"{errors.missing} missing, {errors.extra} extra"
        left_out = "" if outcome.sparse_columns.complete else f"; {outcome.sparse_columns}, left out"
        facts.append(("SHD", f"{errors.distance} ({counted}{left_out})"))
        facts += _edge_facts("missing edges", errors.missing_edges)
        facts += _edge_facts("extra edges", errors.extra_edges)
    return facts


def distance_facts(names: tuple[str, str], distance: GraphDistance) -> Facts:
    """Return the common and the differing edges of the learned graphs of two models.

    Args:
        names: Names of the models.
        distance: Distance from the graph of the first model to that of the second.

    Example:
        >>> from estimation.metrics import structural_hamming
        >>> from identify.graph import CausalGraph
        >>> distance = structural_hamming(CausalGraph(Ga=[[1, 0], [1, 1]]), CausalGraph(Ga=[[1, 0], [0, 1]]))
        >>> distance_facts(("one", "two"), distance)
        [('edges in both graphs', '2'), ('edges only in one', '1: a0 → z1'), ('edges only in two', '0')]
    """
    facts = [("edges in both graphs", f"{distance.common}")]
    for name, edges in zip(names, (distance.missing_edges, distance.extra_edges), strict=True):
        facts.append((f"edges only in {name}", f"{len(edges)}{': ' * bool(edges)}{_arrows(edges)}"))
    return facts


def training_record(model: TrainedModel) -> dict[str, Any]:
    """Return the result of training as a dictionary that JSON can hold.

    Example:
        >>> from estimation.config.training import TrainingConfig
        >>> from estimation.simulate.sampling import simulate
        >>> from estimation.training import fit
        >>> data = simulate("ActionBlockDiag", 200)
        >>> tiny = {"steps": 2, "width": 8, "transition_width": 4, "unmixing": False}
        >>> model = fit(data, TrainingConfig(max_edges_actions=10, **tiny))
        >>> record = training_record(model)
        >>> record["edges"], record["steps"], sorted(record["graph"])
        ({'actions': 10}, 2, ['actions', 'edges', 'latents'])
    """
    last = model.history.records[-1] if model.history.records else None
    count, elbo = model.history.latent_count, None
    if last is not None and last.has_bound:
        elbo = {
            "total": last.negative_elbo,
            "reconstruction": last.reconstruction,
            "divergence": last.divergence,
        }
    return {
        "n_latents": model.model.shape.n_latents,
        "latent_count": None if count is None else {**count.to_dict(), "summary": count.summary},
        "edges": _edge_counts(model),
        **model.sparse_columns.to_dict(),
        "graph": graph_record(model.graph),
        "negative_elbo": elbo,
        "steps": 0 if last is None else last.step,
        "minutes": 0.0 if last is None else last.seconds / 60,
        "diagnostics": diagnostics_record(model.diagnostics),
        "config": model.config.to_dict(),
    }


def graph_record(graph: CausalGraph) -> dict[str, Any]:
    """Return a graph as a dictionary that JSON can hold: names, and edges as pairs of parent and child.

    Example:
        >>> from identify.graph import CausalGraph
        >>> graph_record(CausalGraph(Ga=[[1], [0]], latents=["speed", "mass"], actions=["push"]))
        {'latents': ['speed', 'mass'], 'actions': ['push'], 'edges': [['push', 'speed']]}
    """
    return {
        "latents": list(graph.latents),
        "actions": list(graph.actions),
        "edges": [list(edge) for edge in graph.edges()],
    }


def _edge_counts(model: TrainedModel) -> dict[str, int]:
    learned = model.sparse_graph
    counts = {"actions": int(learned.Ga.nnz), "past": int(learned.Gz.nnz)}
    return {name: count for name, count in counts.items() if name in model.model.edges}


def _outcome(allowed: list[str], mixed: list[str]) -> str:
    extra = [name for name in mixed if name not in allowed]
    if extra:
        return f"contradicted by {listed(extra)}"
    return "as predicted" if len(mixed) == len(allowed) else "better than guaranteed"


def _edge_facts(name: str, edges: Iterable[tuple[str, str]]) -> Facts:
    arrows = _arrows(edges)
    return [(name, arrows)] if arrows else []


def _arrows(edges: Iterable[tuple[str, str]]) -> str:
    # the metrics return pairs (child, parent)
    return listed([f"{parent} → {child}" for child, parent in edges])
