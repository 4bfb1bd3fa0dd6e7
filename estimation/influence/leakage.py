"""Leakage: effects of actions on latents without an edge, which tell how far a model distorts or mixes its latents.

In the right latents these effects are zero. In distorted latents they are not, and effects on two children that are
proportional in the truth are about as far from proportional. So influence is shown only by effects that exceed the
leakage. If an effect without an edge is large, the data contradict the graph: latents are mixed, or an edge is missing,
and then a model with the right number of edges has a wrong one elsewhere. (Ours, docs/influence_test.md; missing edges
serve as negative controls.)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.influence.features import Causes, covariates, other_causes, transform
from estimation.influence.rank import RankTest, partial_out, rank_test
from identify.graph import CausalGraph

__all__ = ["MAX_LEAKAGE", "EffectWithoutEdge", "Leakage", "leakage"]

Array = NDArray[np.float64]

#: Larger effects without an edge, relative to those on children, contradict the graph.
MAX_LEAKAGE = 0.2

_MAX_ROWS = 5_000
# levels, divided by the number of missing edges, at which an effect counts, and at which it contradicts the graph
_LEVEL, _CONTRADICTION_LEVEL = 0.05, 0.01


@dataclass(frozen=True)
class EffectWithoutEdge:
    """The effect of an action on a latent that is not among its children.

    Attributes:
        action: Name of the action.
        latent: Name of the latent.
        size: Size of the effect, relative to the largest effect of the same action on a child; of an action that moves
            no child, relative to the median of the others' largest effects.
    """

    action: str
    latent: str
    size: float

    def __str__(self) -> str:
        return f"{self.action} has an effect on {self.latent} without an edge, {self.size:.2g} of those on children"


@dataclass(frozen=True)
class Leakage:
    """Effects of actions on latents without an edge.

    Attributes:
        size: The largest of them, as `EffectWithoutEdge.size`.
        contradictions: Those that are certainly larger than 0.2, largest first.
    """

    size: float = 0.0
    contradictions: tuple[EffectWithoutEdge, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"size": self.size, "contradictions": [asdict(effect) for effect in self.contradictions]}


def leakage(latents: Array, causes: Causes, graph: CausalGraph) -> Leakage:
    """Return the effects of actions on latents without an edge.

    Effects are those on means. Effects that noise explains, for so many missing edges, count as zero. The effects of an
    action that clearly moves no child are relative to the median of the others' largest effects.

    Args:
        latents: Latents that the actions act on, shape (N, n). Of more than 5,000 rows, evenly spaced ones are used.
        causes: Actions and past latents of the same rows.
        graph: The graph over these latents.

    Returns:
        The leakage; 0 if no edge is missing, or if no action clearly moves a child.

    Example:
        >>> actions = np.random.default_rng(0).uniform(-2, 2, (2000, 2))
        >>> graph = CausalGraph(Ga=np.eye(2))
        >>> leakage(np.sin(actions), Causes(actions), graph).size < 0.001
        True
        >>> mixed = leakage(np.sin(actions) @ [[1, 0.3], [0, 1]], Causes(actions), graph)
        >>> round(mixed.size, 1), len(mixed.contradictions)
        (0.3, 1)
    """
    rows = np.linspace(0, len(latents) - 1, min(len(latents), _MAX_ROWS)).astype(int)
    latents, causes = latents[rows], causes.take(rows)
    deviations = latents.std(0)
    moving = deviations > 0
    latents = latents / np.where(moving, deviations, 1.0)
    edges = graph.Ga.toarray()
    n_missing = int((~edges[moving]).sum())
    on_children = _on_children(latents, causes, graph)
    if not n_missing or not on_children.any():
        return Leakage()
    on_children[on_children == 0] = np.median(on_children[on_children > 0])
    largest, contradictions = 0.0, []
    for latent in np.flatnonzero(moving).tolist():
        for action in _candidates(latents, causes, graph, latent, _LEVEL / n_missing):
            test = _effect(latents, causes, graph, latent, action)
            size = _size(test, _LEVEL / n_missing) / on_children[action]
            largest = max(largest, size)
            limit = MAX_LEAKAGE * on_children[action] * abs(test.direction[0])
            if size > MAX_LEAKAGE and test.p_value_beyond(limit) <= _CONTRADICTION_LEVEL / n_missing:
                name = graph.actions[action]
                contradictions.append(EffectWithoutEdge(name, graph.latents[latent], float(size)))
    contradictions.sort(key=lambda effect: -effect.size)
    return Leakage(float(largest), tuple(contradictions))


def _on_children(latents: Array, causes: Causes, graph: CausalGraph) -> Array:
    """Return for each action the size of its largest effect on a child."""
    edges = graph.Ga.toarray()
    result = np.zeros(edges.shape[1])
    for latent, action in np.argwhere(edges).tolist():
        test = _effect(latents, causes, graph, latent, action)
        result[action] = max(result[action], _size(test, _LEVEL / edges.sum()))
    return result


def _effect(latents: Array, causes: Causes, graph: CausalGraph, latent: int, action: int) -> RankTest:
    """Return the test of the effect of an action on a latent, with all other causes partialled out."""
    others = covariates(causes, action, other_causes(graph, np.array([latent]), action, causes))
    values = np.column_stack([latents[:, latent], transform(causes.actions[:, action])])
    values, n_parameters = partial_out(values, others)
    return rank_test(values[:, 1:], values[:, :1], n_parameters)


def _candidates(latents: Array, causes: Causes, graph: CausalGraph, latent: int, level: float) -> list[int]:
    """Return the actions without an edge to a latent that seem to have an effect on it.

    Only causes of the latent are partialled out here, which is the same for all actions and fast. Actions that depend
    on others may seem to have effects of these.
    """
    actions = np.flatnonzero(~graph.Ga.toarray()[latent]).tolist()
    if not actions:
        return []
    features = [transform(causes.actions[:, action]) for action in actions]
    own = causes.columns[:, other_causes(graph, np.array([latent]), -1, causes)]
    others = covariates(Causes(own), -1, np.arange(own.shape[1]))
    values, n_parameters = partial_out(np.concatenate([latents[:, [latent]], *features], axis=1), others)
    ends = np.cumsum([1, *(columns.shape[1] for columns in features)])
    return [
        action
        for action, start, end in zip(actions, ends[:-1], ends[1:], strict=True)
        if rank_test(values[:, start:end], values[:, :1], n_parameters).p_value <= level
    ]


def _size(test: RankTest, level: float) -> float:
    """Return the size of an effect in standard deviations of the latent; 0 if noise explains it."""
    if test.p_value > level:
        return 0.0
    square = float(test.strengths[0]) ** 2 - test.degrees / test.n_rows
    return math.sqrt(max(square, 0.0)) / abs(float(test.direction[0]))
