"""`check_joint_generic`: joint influence of generic effects on the edges of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral

import numpy as np

from identify.exceptions import RequestError, UnknownNameError
from identify.graph import CausalGraph
from identify.influence.joint.certificates import NoGenericDirection, generic_direction
from identify.influence.joint.counting import GenericEffects, members
from identify.influence.joint.result import Direction, JointInfluence, summary
from identify.influence.joint.supports import Competition, Competitor, compete
from identify.names import quoted
from identify.proof.deadline import TimeLimitError, check_seconds, run_within

__all__ = ["check_joint_generic"]

Ranks = int | Sequence[int] | Mapping[str, int]


def check_joint_generic(graph: CausalGraph, ranks: Ranks = 1, time_limit: float = 60) -> JointInfluence:
    """Decide joint influence of the actions of a graph for generic effects.

    What action l does spans a generic subspace of the vectors supported on its children. The answer holds for all
    effects outside a set of measure zero.

    Args:
        graph: The causal graph; only its actions are used.
        ranks: Dimension of that subspace: one number for all actions, one number per action in their order, or a
            mapping from names of actions to numbers (1 for the others). 1 is an on/off intervention; doses with
            different effects, several settings or a past give more. It is capped at the number of children.
        time_limit: Seconds, after which the answer is undecided.

    Returns:
        The answer with its certificate.

    Raises:
        RequestError: If a rank is not an integer from 0, there is not one per action, or the time limit is not a number
            above 0.
        UnknownNameError: If ``ranks`` names an action that the graph does not have.

    Source:
        Ours (docs/theory.md).

    Example:
        >>> graph = CausalGraph(Ga=[[1, 1, 0], [1, 0, 1], [0, 1, 1]])
        >>> check_joint_generic(graph).status, check_joint_generic(graph, ranks=2).status
        ('fails', 'holds')
    """
    seconds = check_seconds(time_limit)
    effects = _generic_effects(graph, _dimensions(graph, ranks))
    competition = Competition(effects.weights())
    try:
        run_within(seconds, lambda: compete(effects, competition))
    except TimeLimitError:
        pass
    return _answer(graph, effects, competition, seconds)


def _dimensions(graph: CausalGraph, ranks: Ranks) -> list[int]:
    if isinstance(ranks, Mapping):
        for name in ranks:
            if name not in graph.actions:
                raise UnknownNameError(
                    f"ranks names {quoted(str(name))}, which is not an action of the graph"
                )
        values = [ranks.get(name, 1) for name in graph.actions]
    elif isinstance(ranks, Integral | float | str):
        values = [ranks] * graph.n_actions if graph.n_actions else [ranks]
    else:
        values = list(ranks)
        if len(values) != graph.n_actions:
            raise RequestError(f"ranks has {len(values)} numbers for {graph.n_actions} actions")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
            raise RequestError(
                f"a rank is {value!r}; it is the dimension of what an action does, an integer from 0"
            )
    return [int(value) for value in values][: graph.n_actions]


def _generic_effects(graph: CausalGraph, dimensions: Sequence[int]) -> GenericEffects:
    """Return the effects as bit masks; an action without effects acts on nothing."""
    matrix = graph.Ga.toarray()
    children = [int(sum(1 << int(i) for i in np.flatnonzero(column))) for column in matrix.T]
    ranks = [min(rank, mask.bit_count()) for rank, mask in zip(dimensions, children, strict=True)]
    acting = [mask if rank else 0 for rank, mask in zip(ranks, children, strict=True)]
    return GenericEffects(graph.n_latents, tuple(acting), tuple(ranks))


def _answer(
    graph: CausalGraph, effects: GenericEffects, competition: Competition, seconds: float
) -> JointInfluence:
    weights = competition.weights
    found = [competition.lighter] if competition.lighter is not None else competition.equal
    if not competition.complete and not found:
        reason = (
            f"neither a competing direction nor a proof that there is none was found within {seconds:.3g} s"
        )
        return JointInfluence("undecided", None, None, reason, graph.latents, weights)
    if not found:
        certificate = NoGenericDirection(effects, tuple(tuple(rivals or ()) for rivals in competition.rivals))
        return JointInfluence(
            "holds",
            np.eye(graph.n_latents, dtype=bool),
            certificate,
            summary(graph.n_latents, (), 0),
            graph.latents,
            weights,
            tuple(sorted(weights)),
        )
    directions = tuple(_direction(graph, effects, competitor) for competitor in found)
    is_sparsest = competition.lighter is None and competition.complete
    entanglement = competition.entanglement() if is_sparsest else None
    entangled = (
        [graph.latents[i] for i in np.flatnonzero(entanglement.sum(axis=1) > 1)]
        if entanglement is not None
        else []
    )
    n_fewer = (
        0 if competition.lighter is None else weights[competition.lighter.latent] - competition.lighter.weight
    )
    return JointInfluence(
        "fails",
        entanglement,
        generic_direction(effects, found[0]),
        summary(graph.n_latents, entangled, n_fewer),
        graph.latents,
        weights,
        tuple(sorted(weights)) if is_sparsest else None,
        n_fewer,
        directions,
    )


def _direction(graph: CausalGraph, effects: GenericEffects, competitor: Competitor) -> Direction:
    certificate = generic_direction(effects, competitor)
    return Direction(
        latents=tuple(graph.latents[i] for i in members(competitor.support)),
        coefficients=certificate.coefficients,
        weight=competitor.weight,
        cancelled=tuple(graph.actions[a] for a in competitor.cancelled),
        beside=(graph.latents[competitor.latent],),
    )
