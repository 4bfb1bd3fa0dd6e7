"""Effects without an edge, edges without an effect, and actions whose effects on their children are nearly the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics.evidence import Evidence
from estimation.unmixing.moments import effect_sizes, relative_sizes

__all__ = ["EffectSize", "effect_table", "weak_influence"]

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
        has_edge: Whether the learned graph has this edge.
    """

    cause: str
    latent: str
    size: float
    has_edge: bool


def effect_table(evidence: Evidence) -> list[EffectSize]:
    """Return the effects of all causes on all latents that haven't collapsed, the largest first."""
    sizes = effect_sizes(
        np.eye(len(evidence.covariance)),
        evidence.covariance,
        evidence.action_effects,
        evidence.past_jacobians,
    )
    blocks = []
    if sizes[0] is not None:
        names = [evidence.graph.actions[a] for a in evidence.action_columns]
        blocks.append((sizes[0], evidence.action_edges, names))
    if sizes[1] is not None:
        blocks.append((sizes[1], evidence.past_edges, [f"past {name}" for name in evidence.names]))
    if not blocks:
        return []
    active = ~evidence.collapsed
    relative = relative_sizes([size for size, _, _ in blocks], [edges for _, edges, _ in blocks], active)
    if relative is None:
        return []
    table = [
        EffectSize(names[j], evidence.names[i], float(size[i, j]), bool(edges[i, j]))
        for size, (_, edges, names) in zip(relative, blocks, strict=True)
        for i in np.flatnonzero(active)
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
