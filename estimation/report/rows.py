"""Facts and tables of a report as plain text, the same for the terminal and the page, and as records for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from identify.wording import listed

if TYPE_CHECKING:
    from estimation.evaluation.comparison import Comparison
    from estimation.evaluation.scores import Evaluation
    from estimation.evaluation.verification import Verification
    from estimation.metrics import GraphDistance
    from estimation.trained import TrainedModel
    from identify.graph import CausalGraph

__all__ = [
    "LATENT_COLUMNS",
    "TRUST_COLUMNS",
    "Facts",
    "LatentRow",
    "distance_facts",
    "elbo_facts",
    "graph_record",
    "latent_rows",
    "score_facts",
    "training_facts",
    "training_record",
    "trust_rows",
    "verification_facts",
]

Facts = list[tuple[str, str]]

LATENT_COLUMNS = ("latent", "learned as", "may mix with", "mixes with", "outcome")

TRUST_COLUMNS = ("latent", "may mix with", "confirmed by", "correlation", "strongest extra", "outcome")

_MATRICES = {"actions": "G^a", "past": "G^z"}


@dataclass(frozen=True)
class LatentRow:
    """One latent of the prediction and what was learned of it; the fields are `LATENT_COLUMNS`."""

    latent: str
    learned: str
    allowed: tuple[str, ...]
    mixed: tuple[str, ...]
    outcome: str

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `LATENT_COLUMNS`."""
        allowed, mixed = (listed(names) or "nothing" for names in (self.allowed, self.mixed))
        return self.latent, self.learned or "nothing", allowed, mixed, self.outcome


def latent_rows(comparison: Comparison) -> list[LatentRow]:
    """Every latent of the prediction, in its order; learned latents bear the names of those matched to them.

    Example:
        >>> from estimation.evaluation.comparison import compare
        >>> from estimation.learned import LearnedEntanglement
        >>> from identify.entanglement import predict_entanglement
        >>> from identify.graph import CausalGraph
        >>> predicted = predict_entanglement(CausalGraph(Ga=[[1, 0], [1, 1]], latents=["speed", "mass"]))
        >>> strengths = np.array([[0.2, 1.0], [0.9, 0.0]])
        >>> found = compare(predicted, LearnedEntanglement(strengths, 0.1, "jacobian", ("speed", "mass"), ("v0", "v1")))
        >>> [row.cells() for row in latent_rows(found)]
        [('speed', 'v1', 'mass', 'mass', 'as predicted'), ('mass', 'v0', 'nothing', 'nothing', 'as predicted')]
    """
    names = comparison.latents
    spare = np.isin(np.array(comparison.learned.learned), np.array(comparison.surplus, dtype=str))
    rows = []
    for i, name in enumerate(names):
        allowed = [names[j] for j in np.flatnonzero(comparison.allowed[i]).tolist() if j != i]
        mixed = [names[j] for j in np.flatnonzero(comparison.matched[i]).tolist() if j != i]
        mixed += [
            comparison.learned.learned[k]
            for k in np.flatnonzero(comparison.learned.matrix[i] & spare).tolist()
        ]
        lost = not comparison.learned.matrix[i].any()
        outcome = "lost" if lost else _outcome(allowed, mixed)
        rows.append(LatentRow(name, comparison.columns[i], tuple(allowed), tuple(mixed), outcome))
    return rows


def trust_rows(verification: Verification) -> list[tuple[str, ...]]:
    """What the other runs say of every latent of the best one, as text; the fields are `TRUST_COLUMNS`."""
    return [
        (
            each.latent,
            listed(each.may_mix_with) or "nothing",
            f"{each.confirmed_by} of {each.runs}",
            f"{each.correlation:.3f}",
            f"{each.strongest:.2f}",
            each.verdict if not each.intruders else f"{each.verdict}: {listed(each.intruders)} enters",
        )
        for each in verification.latents
    ]


def verification_facts(verification: Verification) -> Facts:
    """The runs, the best first: held-out ELBO, and how many edges and latents differ from the best one's."""
    facts: Facts = [
        (f"{verification.reference} (the best)", _elbo(verification.negative_elbo[verification.reference]))
    ]
    for name, each in verification.comparisons.items():
        confirmed = sum(block.confirmed for block in each.blocks)
        facts.append(
            (
                name,
                f"{_elbo(verification.negative_elbo[name])}, {verification.distances[name].distance} edges differ, "
                f"{confirmed} of {len(each.blocks)} blocks confirmed",
            )
        )
    return facts


def _elbo(value: float) -> str:
    return f"negative ELBO {value:.4g}"


def training_facts(model: TrainedModel) -> Facts:
    """Edges, negative ELBO on held-out data and time of a trained model.

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
    facts: Facts = []
    budgets = {name: getattr(model.config, f"max_edges_{name}", None) for name in ("actions", "past")}
    for name, count in _edges(model.graph, model).items():
        budget = "no budget" if budgets[name] is None else f"budget {budgets[name]}"
        facts.append((f"edges of {_MATRICES[name]}", f"{count} ({budget})"))
    if model.history.records:
        last = model.history.records[-1]
        if last.has_bound:
            facts += elbo_facts({"reconstruction": last.reconstruction, "divergence": last.divergence})
        facts.append(("time", f"{last.seconds / 60:.1f} minutes, {last.step} steps"))
    return facts


def elbo_facts(terms: dict[str, float] | None) -> Facts:
    """The negative ELBO and its two terms; nothing for a method without.

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
    """MCC, R_con, R and SHD, as far as the truth is known.

    Example:
        >>> from estimation.evaluation.scores import Evaluation, Scores
        >>> from identify.graph import CausalGraph
        >>> from estimation.metrics import structural_hamming
        >>> truth, learned = CausalGraph(Ga=[[1, 0], [1, 1]]), CausalGraph(Ga=[[1, 0], [0, 1]])
        >>> terms = {"total": -1.5, "reconstruction": -2.0, "divergence": 0.5}
        >>> wrong = structural_hamming(truth, learned)
        >>> scores = Scores(0.9, 0.95, 0.94), Scores(0.8, 0.85, 0.84)
        >>> outcome = Evaluation(terms, learned, truth, *scores, errors=wrong)
        >>> score_facts(outcome)[0]
        ('MCC', '0.900 (held out 0.800)')
        >>> score_facts(outcome)[-2:]
        [('SHD', '1 (1 missing, 0 extra)'), ('missing edges', 'a0 → z1')]
    """
    facts: Facts = []
    if outcome.scores is not None and outcome.held_out is not None:
        for name, field in (("MCC", "mcc"), ("R_con", "r_con"), ("R", "r")):
            value, held_out = getattr(outcome.scores, field), getattr(outcome.held_out, field)
            if value is not None:
                facts.append((name, f"{value:.3f} (held out {held_out:.3f})"))
    if outcome.errors is not None:
        facts += [
            (
                "SHD",
                f"{outcome.errors.distance} ({outcome.errors.missing} missing, {outcome.errors.extra} extra)",
            )
        ]
        facts += _edge_facts("missing edges", outcome.errors.missing_edges)
        facts += _edge_facts("extra edges", outcome.errors.extra_edges)
    return facts


def distance_facts(names: tuple[str, str], distance: GraphDistance) -> Facts:
    """The learned graphs of two models beside each other.

    Args:
        names: of the models.
        distance: from the graph of the first to that of the second.

    Example:
        >>> from estimation.metrics import structural_hamming
        >>> from identify.graph import CausalGraph
        >>> found = structural_hamming(CausalGraph(Ga=[[1, 0], [1, 1]]), CausalGraph(Ga=[[1, 0], [0, 1]]))
        >>> distance_facts(("one", "two"), found)
        [('edges in both graphs', '2'), ('edges of one alone', '1: a0 → z1'), ('edges of two alone', '0')]
    """
    facts = [("edges in both graphs", f"{distance.common}")]
    for name, edges in zip(names, (distance.missing_edges, distance.extra_edges), strict=True):
        facts.append((f"edges of {name} alone", f"{len(edges)}{': ' * bool(edges)}{_arrows(edges)}"))
    return facts


def training_record(model: TrainedModel) -> dict[str, Any]:
    """A trained model, ready for JSON.

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
    return {
        "edges": _edges(model.graph, model),
        "graph": graph_record(model.graph),
        "negative_elbo": None
        if last is None or not last.has_bound
        else {
            "total": last.negative_elbo,
            "reconstruction": last.reconstruction,
            "divergence": last.divergence,
        },
        "steps": 0 if last is None else last.step,
        "minutes": 0.0 if last is None else last.seconds / 60,
        "config": model.config.to_dict(),
    }


def graph_record(graph: CausalGraph) -> dict[str, Any]:
    """A graph, ready for JSON: names, and edges as pairs of parent and child.

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


def _edges(graph: CausalGraph, model: TrainedModel) -> dict[str, int]:
    counts = {"actions": int(graph.Ga.nnz), "past": int(graph.Gz.nnz)}
    return {name: count for name, count in counts.items() if name in model.model.edges}


def _outcome(allowed: list[str], mixed: list[str]) -> str:
    wrong = [name for name in mixed if name not in allowed]
    if wrong:
        return f"contradicted by {listed(wrong)}"
    return "as predicted" if len(mixed) == len(allowed) else "better than guaranteed"


def _edge_facts(what: str, edges: Iterable[tuple[str, str]]) -> Facts:
    listed = _arrows(edges)
    return [(what, listed)] if listed else []


def _arrows(edges: Iterable[tuple[str, str]]) -> str:
    # pairs of the metrics are (child, parent)
    return listed([f"{parent} → {child}" for child, parent in edges])
