"""`check_joint_generic`: joint influence of generic effects on the edges of a graph."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from identify.exceptions import RequestError, UnknownNameError
from identify.graph import CausalGraph
from identify.influence.joint.answers import Names, answer, undecided_reason
from identify.influence.joint.certificates import enough_actions, generic_direction, no_generic_direction
from identify.influence.joint.counting import GenericEffects, members
from identify.influence.joint.fields import MACHINE_PRIME, PrimeField
from identify.influence.joint.result import Direction, JointInfluence, summary
from identify.influence.joint.screens import Screen
from identify.influence.joint.sparsest import Effects, Sparsest, find_sparsest, weigh
from identify.influence.joint.supports import Competition, Competitor, compete
from identify.names import quoted
from identify.proof.deadline import TimeLimitError, check_seconds, run_within

__all__ = ["check_joint_generic"]

# latents of a graph for which a sparsest basis is searched; for more, it would rarely be found
_MAX_LATENTS = 24

Ranks = int | Sequence[int] | Mapping[str, int]


def check_joint_generic(
    graph: CausalGraph, ranks: Ranks = 1, time_limit: float = 60, basis: bool = True
) -> JointInfluence:
    """Decide joint influence of the actions of a graph for generic effects.

    What action l does spans a generic subspace of the vectors supported on its children. The answer holds for all
    effects outside a set of measure zero.

    Args:
        graph: The causal graph; only its actions are used.
        ranks: Dimension of that subspace: one number for all actions, one number per action in their order, or a
            mapping from names of actions to numbers (1 for the others). 1 is an on/off intervention; doses with
            different effects, several settings or a past give more. It is capped at the number of children.
        time_limit: Seconds, after which the answer is undecided. With ranks of 1, minimum cuts decide in polynomial
            time: in seconds for 100 latents.
        basis: Whether to search for a sparsest basis where the true latents aren't one, which may take most of the
            time. Without it, V is None then, and ``n_fewer`` counts one exchange only.

    Returns:
        The answer with its certificate. Where the true latents aren't a sparsest basis, the certificate proves that;
        the basis, ``n_fewer`` and V are computed with random effects modulo a prime.

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
    begin = time.monotonic()
    if all(rank <= 1 for rank in effects.ranks):
        try:
            by_cuts, lighter = run_within(seconds, lambda: _screen_answer(graph, effects))
        except TimeLimitError:
            reason = f"minimum cuts took longer than {seconds:.3g} s"
            return JointInfluence("undecided", None, None, reason, graph.latents, effects.weights())
        search = basis and graph.n_latents <= _MAX_LATENTS and by_cuts.sparsest_weights is None
        if lighter is None or not search:
            return by_cuts
        left = max(seconds - (time.monotonic() - begin), 0.0)
        exact = _sparser_answer(graph, effects, lighter, left)
        return (
            by_cuts if exact.sparsest_weights is None else replace(exact, entanglement=by_cuts.entanglement)
        )
    competition = Competition(effects.weights())
    with suppress(TimeLimitError):
        run_within(seconds, lambda: compete(effects, competition))
    if competition.lighter is None:
        return _answer(graph, effects, competition, seconds)
    search = basis and graph.n_latents <= _MAX_LATENTS
    left = max(seconds - (time.monotonic() - begin), 0.0) if search else 0.0
    return _sparser_answer(graph, effects, competition.lighter, left)


def _dimensions(graph: CausalGraph, ranks: Any) -> list[int]:
    values: list[Any]
    if isinstance(ranks, Mapping):
        for name in ranks:
            if name not in graph.actions:
                raise UnknownNameError(
                    f"ranks names {quoted(str(name))}, which is not an action of the graph"
                )
        values = [ranks.get(name, 1) for name in graph.actions]
    elif isinstance(ranks, Iterable) and not isinstance(ranks, str):
        values = list(ranks)
        if len(values) != graph.n_actions:
            raise RequestError(f"ranks has {len(values)} numbers for {graph.n_actions} actions")
    else:
        values = [ranks] * max(graph.n_actions, 1)
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
    """Return the answer if no direction lighter than the true latents is known."""
    weights, names = competition.weights, graph.latents
    if not competition.complete and not competition.equal:
        return JointInfluence("undecided", None, None, undecided_reason(seconds), names, weights)
    if not competition.equal:
        certificate = no_generic_direction(effects, competition)
        identity = np.eye(graph.n_latents, dtype=bool)
        reason = summary(graph.n_latents, (), 0, True)
        return JointInfluence("holds", identity, certificate, reason, names, weights, tuple(sorted(weights)))
    entanglement = competition.entanglement() if competition.complete else None
    entangled = (
        [] if entanglement is None else [names[i] for i in np.flatnonzero(entanglement.sum(axis=1) > 1)]
    )
    return JointInfluence(
        status="fails",
        entanglement=entanglement,
        certificate=generic_direction(effects, competition.equal[0]),
        reason=summary(graph.n_latents, entangled, 0, competition.complete),
        latents=names,
        weights=weights,
        sparsest_weights=tuple(sorted(weights)) if competition.complete else None,
        directions=tuple(_direction(graph, effects, competitor) for competitor in competition.equal),
    )


def _sparser_answer(
    graph: CausalGraph, effects: GenericEffects, lighter: Competitor, seconds: float
) -> JointInfluence:
    """Return the answer if some direction is lighter than a true latent: a sparsest basis at random effects."""
    at_random = _random_effects(effects)
    units = at_random.field.eye(graph.n_latents)
    found = Sparsest(units.copy(), list(effects.weights()))
    _exchange(at_random, found, lighter)
    with suppress(TimeLimitError):
        run_within(seconds, lambda: find_sparsest(at_random, found))
    names = Names(graph.latents, graph.actions)
    return answer(at_random, found, names, seconds, lambda _: generic_direction(effects, lighter))


def _exchange(effects: Effects, found: Sparsest, lighter: Competitor) -> None:
    """Put a direction with the support of a competitor in the place of its latent."""
    field, support = effects.field, members(lighter.support)
    cancelled = np.isin(effects.owner, lighter.cancelled)
    null = field.left_null(effects.columns[support][:, cancelled])
    vector = np.zeros_like(found.basis[0])
    vector[support] = field.product(field.array([[*range(1, len(null) + 1)]]), null)[0]
    if vector[lighter.latent]:
        found.basis[lighter.latent] = vector
        found.weights[lighter.latent] = weigh(effects, vector[None])[0]


def _random_effects(effects: GenericEffects) -> Effects:
    """Return effects with random residues modulo a prime on the edges."""
    owner = np.repeat(np.arange(effects.n_actions), effects.ranks)
    on_graph = np.array(
        [[effects.children[a] >> i & 1 for a in owner] for i in range(effects.n_latents)], dtype=np.int64
    ).reshape(effects.n_latents, len(owner))
    residues = np.random.default_rng(0).integers(1, MACHINE_PRIME, size=on_graph.shape)
    return Effects(PrimeField(MACHINE_PRIME), on_graph * residues, owner, effects.n_actions)


def _screen_answer(graph: CausalGraph, effects: GenericEffects) -> tuple[JointInfluence, Competitor | None]:
    """Return the answer by minimum cuts, and a direction lighter than a true latent if there is one."""
    screen = Screen(effects)
    weights = tuple(screen.weights.tolist())
    names, v = graph.latents, screen.entanglement
    if v.sum() == graph.n_latents:
        reason = summary(graph.n_latents, (), 0, True)
        holds = JointInfluence(
            "holds", v, enough_actions(effects), reason, names, weights, tuple(sorted(weights))
        )
        return holds, None
    if screen.lighter:
        return _wrong_latents(graph, effects, screen)
    found = screen.equal()
    entangled = [names[i] for i in np.flatnonzero(v.sum(axis=1) > 1)]
    ties = JointInfluence(
        "fails",
        v,
        generic_direction(effects, found[0]),
        summary(graph.n_latents, entangled, 0, True),
        names,
        weights,
        tuple(sorted(weights)),
        0,
        tuple(_direction(graph, effects, competitor) for competitor in found),
    )
    return ties, None


def _wrong_latents(
    graph: CausalGraph, effects: GenericEffects, screen: Screen
) -> tuple[JointInfluence, Competitor]:
    """Return the answer if some basis has fewer edges than the true latents."""
    names, weights, sparser = graph.latents, tuple(screen.weights.tolist()), screen.sparser_basis()
    n_fewer = sum(weights) - sum(sparser.weights)
    directions = [
        Direction(
            tuple(names[i] for i in members(competitor.support)),
            coefficients,
            competitor.weight,
            tuple(graph.actions[a] for a in competitor.cancelled),
            (names[replaced],),
        )
        for competitor, coefficients, replaced in zip(
            sparser.competitors, sparser.coefficients, sparser.replaced, strict=True
        )
    ]
    axes = [Direction((names[i],), (1,), weights[i], (), (names[i],)) for i in sparser.kept]
    basis = sorted([*axes, *directions], key=lambda direction: names.index(direction.beside[0]))
    wrong = JointInfluence(
        "fails",
        screen.entanglement,
        generic_direction(effects, sparser.competitors[0]),
        summary(graph.n_latents, (), n_fewer, sparser.proved),
        names,
        weights,
        sparser.weights if sparser.proved else None,
        n_fewer,
        tuple(directions),
        tuple(basis) if sparser.proved else None,
    )
    return wrong, sparser.competitors[0]


def _direction(graph: CausalGraph, effects: GenericEffects, competitor: Competitor) -> Direction:
    certificate = generic_direction(effects, competitor)
    return Direction(
        latents=tuple(graph.latents[i] for i in members(competitor.support)),
        coefficients=certificate.coefficients,
        weight=competitor.weight,
        cancelled=tuple(graph.actions[a] for a in competitor.cancelled),
        beside=(graph.latents[competitor.latent],),
    )
