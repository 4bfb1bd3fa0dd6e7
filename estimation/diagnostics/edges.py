"""Effects without an edge, edges without an effect, and actions whose effects on their children are nearly the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics.evidence import Evidence
from estimation.unmixing.moments import NEGLIGIBLE_EFFECT, effect_sizes, relative_sizes
from identify.graph import CausalGraph

__all__ = [
    "EffectSize",
    "RelativeEffects",
    "effect_table",
    "graph_with_effects",
    "relative_effects",
    "weak_influence",
]

Array = NDArray[np.float64]

# an action with fewer values has effects of so few dimensions that only joint influence can hold
_MIN_VALUES = 10


@dataclass(frozen=True)
class EffectSize:
    """The effect of a cause on a latent.

    Attributes:
        cause: Name of the action, or of the past latent.
        latent: Name of the latent.
        size: Root mean square change of the latent's mean if the cause is drawn anew, relative to the largest one by a
            parent of the latent; for a latent without parents, relative to the median over latents of these.
        has_edge: Whether the model has this edge, or had it until the budget removed it.
        removed: Whether the budget has removed the edge since.
        is_refuted: Whether the model was fitted again with this edge, and it made the latent hardly likelier.
        kind: ``"actions"`` or ``"past"``.
        position: Row and column of the pair in the matrix of this kind, without dense columns.
    """

    cause: str
    latent: str
    size: float
    has_edge: bool
    kind: str
    position: tuple[int, int]
    removed: bool = False
    is_refuted: bool = False


@dataclass(frozen=True, eq=False)
class RelativeEffects:
    """The sizes of all effects, relative to those of parents.

    Attributes:
        values: Root mean square change of the latents' means if a cause is drawn anew, relative to the largest one by
            a parent of the latent, by ``"actions"``, shape (n, m), and ``"past"``, shape (n, n).
        units: The largest size by a parent of each latent, shape (n,); for a latent without parents, the median over
            latents of these.
    """

    values: Mapping[str, Array]
    units: Array


def relative_effects(evidence: Evidence) -> RelativeEffects | None:
    """Return the relative sizes of all effects; None if no active latent has a parent."""
    sizes = effect_sizes(
        np.eye(len(evidence.covariance)),
        evidence.covariance,
        evidence.action_effects,
        evidence.past_jacobians,
    )
    edges = {"actions": evidence.action_edges, "past": evidence.past_edges}
    measured = {kind: size for kind, size in zip(edges, sizes, strict=True) if size is not None}
    if not measured:
        return None
    relative = relative_sizes(
        list(measured.values()), [edges[kind] for kind in measured], ~evidence.collapsed
    )
    if relative is None:
        return None
    values = dict(zip(measured, relative, strict=True))
    first = next(iter(values))
    return RelativeEffects(values, measured[first][:, 0] / values[first][:, 0])


def graph_with_effects(evidence: Evidence) -> CausalGraph:
    """Return the learned graph without the edges that have hardly any effect, which separate no latents."""
    graph, sizes = evidence.graph, relative_effects(evidence)
    if sizes is None:
        return graph
    actions, past = graph.Ga.toarray().astype(bool), graph.Gz.toarray().astype(bool)
    if "actions" in sizes.values:
        columns = list(evidence.action_columns)
        actions[:, columns] &= sizes.values["actions"] >= NEGLIGIBLE_EFFECT
    if "past" in sizes.values:
        past &= sizes.values["past"] >= NEGLIGIBLE_EFFECT
    return CausalGraph(
        Gz=past if graph.Gz.nnz else None,
        Ga=actions if graph.n_actions else None,
        latents=graph.latents,
        actions=graph.actions if graph.n_actions else None,
    )


def effect_table(evidence: Evidence) -> list[EffectSize]:
    """Return the effects of all causes on all latents that haven't collapsed, the largest first."""
    sizes = relative_effects(evidence)
    if sizes is None:
        return []
    causes = {
        "actions": [evidence.graph.actions[a] for a in evidence.action_columns],
        "past": [f"past {name}" for name in evidence.names],
    }
    edges = {"actions": evidence.action_edges, "past": evidence.past_edges}
    removed = {kind: evidence.removed_edges(kind) for kind in edges}
    refuted = {kind: evidence.refuted.get(kind, np.zeros_like(present)) for kind, present in edges.items()}
    table = [
        EffectSize(
            causes[kind][j],
            evidence.names[i],
            float(size[i, j]),
            bool(edges[kind][i, j]),
            kind,
            (int(i), j),
            bool(removed[kind][i, j]),
            bool(refuted[kind][i, j]),
        )
        for kind, size in sizes.values.items()
        for i in np.flatnonzero(~evidence.collapsed)
        for j in range(size.shape[1])
    ]
    return sorted(table, key=lambda effect: -effect.size)


def weak_influence(evidence: Evidence) -> dict[str, float]:
    """Return for each action with several children how independent its effects on them are, from 0 to 1.

    That is the smallest singular value of the effects, each scaled to size 1. Actions with few values are left out.
    """
    if evidence.action_effects is None or evidence.actions is None:
        return {}
    result = {}
    for j, column in enumerate(evidence.action_columns):
        children = np.flatnonzero(evidence.action_edges[:, j] & ~evidence.collapsed)
        if len(children) < 2 or len(np.unique(evidence.actions[:, j])) < _MIN_VALUES:
            continue
        effects = evidence.action_effects[:, children, j]
        moments = effects.T @ effects / len(effects)
        scales = np.sqrt(np.diag(moments))
        if (scales > 0).all():
            smallest = np.linalg.eigvalsh(moments / np.outer(scales, scales))[0]
            result[evidence.graph.actions[column]] = float(np.sqrt(max(smallest, 0.0)))
    return result
