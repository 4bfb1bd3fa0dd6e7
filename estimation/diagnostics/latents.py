"""Latents that have collapsed, that nothing moves, and that are nearly the same."""

from __future__ import annotations

import numpy as np

from estimation.diagnostics.evidence import Evidence

__all__ = [
    "collapsed_latents",
    "duplicate_latents",
    "latents_with_unsupported_edges",
    "latents_without_parents",
]

_MIN_CORRELATION = 0.95


def collapsed_latents(evidence: Evidence) -> tuple[str, ...]:
    """Return the latents that vary by less than their posterior, so that observations don't determine them."""
    return tuple(evidence.names[i] for i in np.flatnonzero(evidence.collapsed))


def latents_with_unsupported_edges(evidence: Evidence) -> tuple[str, ...]:
    """Return the collapsed latents to which edges of sparse columns lead, which no effect supports.

    Where every possible edge was kept, none was chosen, and there are none.
    """
    has_edges = np.zeros(len(evidence.names), dtype=bool)
    edges = [evidence.action_edges]
    if evidence.past_jacobians is not None:
        edges.append(evidence.past_edges)
    for each in edges:
        if not each.all():
            has_edges |= each.any(axis=1)
    return tuple(evidence.names[i] for i in np.flatnonzero(has_edges & evidence.collapsed))


def latents_without_parents(evidence: Evidence) -> tuple[str, ...]:
    """Return the active latents without any edge in the learned graph, if it has edges at all.

    No cause tells such a latent from the others, so the graph promises nothing about it.
    """
    has_parents = np.zeros(len(evidence.names), dtype=bool)
    for matrix in (evidence.graph.Ga, evidence.graph.Gz):
        has_parents |= np.asarray(matrix.sum(axis=1)).ravel() > 0
    if not has_parents.any():
        return ()
    return tuple(evidence.names[i] for i in np.flatnonzero(~has_parents & ~evidence.collapsed))


def duplicate_latents(evidence: Evidence) -> list[tuple[str, str, float]]:
    """Return pairs of active latents that are nearly the same, with their absolute correlation, the largest first."""
    active = np.flatnonzero(~evidence.collapsed & (evidence.latents.std(0) > 0))
    if len(active) < 2:
        return []
    correlations = np.abs(np.corrcoef(evidence.latents[:, active].T))
    pairs = [
        (evidence.names[active[i]], evidence.names[active[j]], float(correlations[i, j]))
        for i, j in np.argwhere(np.triu(correlations, 1) > _MIN_CORRELATION)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])
