"""The diagnostics of a run as facts, as rows of the least certain edges and latents, and as a record for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from estimation.diagnostics.uncertain_edges import least_certain, pairs_of
from identify.entanglement import predict_entanglement
from identify.wording import listed

if TYPE_CHECKING:
    from estimation.diagnostics import Diagnostics
    from identify.graph import CausalGraph

__all__ = [
    "CONFIDENCE_COLUMNS",
    "LATENT_CONFIDENCE_COLUMNS",
    "confidence_rows",
    "diagnostic_facts",
    "diagnostics_record",
    "interval_facts",
    "latent_confidence_rows",
    "latent_facts",
    "run_warnings",
    "shown_interval",
]

CONFIDENCE_COLUMNS = ("edge", "in the learned graph", "confidence that it is true")

LATENT_CONFIDENCE_COLUMNS = ("latent", "may mix with", "confidence that it mixes with no other")

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


def latent_confidence_rows(
    graph: CausalGraph, diagnostics: Diagnostics | None, min_doubt: float = 0.0
) -> list[tuple[str, ...]]:
    """Return the latents with their confidence, in the order of ``LATENT_CONFIDENCE_COLUMNS``, the most doubtful first.

    Args:
        graph: The learned graph without dense columns.
        diagnostics: Diagnostics of the run, or None.
        min_doubt: Smallest probability of the contrary; latents with less are left out.

    Example:
        >>> from estimation.diagnostics import Diagnostics
        >>> from identify.graph import CausalGraph
        >>> diagnostics = Diagnostics(None, latent_confidence=(0.99, 0.6))
        >>> latent_confidence_rows(CausalGraph(Ga=[[1, 0], [1, 1]]), diagnostics)
        [('z1', 'nothing', '0.60'), ('z0', 'z1', '0.99')]
    """
    if diagnostics is None or diagnostics.latent_confidence is None:
        return []
    predicted = predict_entanglement(graph).matrix.toarray().astype(bool)
    known = [(value, i) for i, value in enumerate(diagnostics.latent_confidence) if value is not None]
    return [
        (
            graph.latents[i],
            listed(graph.latents[j] for j in predicted[i].nonzero()[0].tolist() if j != i) or "nothing",
            f"{value:.2f}",
        )
        for value, i in sorted(known)
        if value <= 1 - min_doubt
    ]


def latent_facts(diagnostics: Diagnostics | None) -> list[tuple[str, str]]:
    """Return the range of the confidence in latents; empty if there is none.

    Example:
        >>> from estimation.diagnostics import Diagnostics
        >>> latent_facts(Diagnostics(None, latent_confidence=(0.99, 0.6, None)))
        [('confidence in the latents', '0.60 to 0.99')]
    """
    stored = None if diagnostics is None else diagnostics.latent_confidence
    known = [value for value in stored or () if value is not None]
    return [("confidence in the latents", f"{min(known):.2f} to {max(known):.2f}")] if known else []


def diagnostic_facts(diagnostics: Diagnostics | None) -> list[tuple[str, str]]:
    """Return the margin, the confidence in latents and the warnings; empty for a run that was not examined.

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
    facts += latent_facts(diagnostics)
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
