"""`design_interventions`: from a request, checked at the door, to the design."""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Collection, Iterable, Mapping
from typing import SupportsIndex

import numpy as np
import scipy

from identify.design.blocks import free_choice
from identify.design.bounds import lower_bound
from identify.design.candidates import (
    Candidate,
    Candidates,
    Targets,
    check_cost,
    resolve_candidates,
    unused_names,
)
from identify.design.cover import cheapest_cover
from identify.design.demand import Demand, demand_of
from identify.design.free import choose_freely
from identify.design.partial import best_within
from identify.design.prices import total
from identify.design.result import Design, Intervention
from identify.entanglement import Entanglement, predict_entanglement
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.names import quoted

__all__ = ["design_interventions"]

# pairs that nothing separates are spelled out, each with its reason
_MOST_PAIRS = 1_000_000


def design_interventions(
    graph: CausalGraph,
    candidates: Mapping[str, Targets] | Iterable[Candidate | Targets] | None = None,
    max_targets: int | None = None,
    forbidden: Iterable[str | int] = (),
    costs: Mapping[str, float] | Iterable[float] | None = None,
    using: str | Iterable[str] | None = None,
    *,
    budget: float | None = None,
    max_actions: int | None = None,
    robust: bool = False,
    time_limit: float = 60.0,
    seed: int = 0,
) -> Design:
    """Find the interventions to add so that every latent is disentangled, at the least cost.

    A new action separates latent i from latent j when it targets i and not j. What must be separated are the
    ordered pairs with V[i, j] = 1, that nothing in the graph separates yet. Pairs that no allowed action can
    separate are reported, and the others are separated all the same.

    Args:
        graph: the graph as it is.
        candidates: what could be done: target sets, named when a mapping; see `Candidate`. None for free choice:
            any set of latents, each action at cost 1.
        max_targets: an action may have at most so many targets; None for any number.
        forbidden: latents that no action may target, by name or position.
        costs: of the candidates, in order or by name; 1 each when left out.
        using: what of the graph separates already: ``"actions"``, ``"past"``, ``"both"``, or None for what it has.
        budget: the costs may not exceed it. When it is too small for all pairs, as many latents as possible
            are disentangled.
        max_actions: at most so many new actions, in the same way.
        robust: separate every pair by two different new actions, so that the loss of any one of them does no
            harm. A pair that the graph itself separates needs none.
        time_limit: seconds. What is found by then is returned, with the gap that is left; a first answer, which
            takes seconds for thousands of latents, is made in any case.
        seed: of the search for better choices where a proof takes too long.

    Returns:
        The design, with what is proved about it.

    Raises:
        RequestError: an argument is out of its range, or a candidate can't be used.
        UnknownNameError: there is no such latent.

    Source:
        The remedy of the graphical criterion (Lachapelle et al., arXiv 2401.04890): V[i, j] = 1 until some
        action targets i and not j. For free choice, Sperner's theorem.

    Example:
        >>> design = design_interventions(CausalGraph(latents=["a", "b", "c", "d", "e", "f"]))
        >>> design
        Design(4 new actions, optimal: 6 of 6 latents disentangled, 0 without them)
        >>> graph = CausalGraph(Ga=[[1], [1], [0]], latents=["raf", "mek", "erk"])
        >>> chosen = design_interventions(graph, {"both": ["raf", "mek"], "one": ["mek"], "last": ["erk"]})
        >>> chosen.names, chosen.unseparable
        (('one', 'last'), (('raf', 'mek'),))
    """
    _check_numbers(max_targets, max_actions, time_limit)
    if budget is not None:
        budget = check_cost(budget, "budget")
    out = _positions(graph, forbidden)
    before = predict_entanglement(graph, using)
    if candidates is None:
        if costs is not None:
            raise RequestError("costs needs candidates; with free choice every action costs 1")
        limits = [int(limit) for limit in (budget, max_actions) if limit is not None]
        return _freely(before, out, max_targets, min(limits, default=None), robust, time_limit)
    resolved = resolve_candidates(graph, candidates, costs)
    allowed, excluded = _allowed(graph, resolved, out, max_targets)
    return _chosen(before, allowed, excluded, budget, max_actions, robust, time_limit, seed)


# Free choice ----------------------------------------------------------------------------------------


def _freely(
    before: Entanglement,
    out: frozenset[int],
    max_targets: int | None,
    max_actions: int | None,
    robust: bool,
    time_limit: float,
) -> Design:
    graph = before.graph
    problem = free_choice(before, out, robust, max_targets)
    pairs = _out_of_reach(before, out)
    answer = choose_freely(problem, max_actions, time_limit)
    names = unused_names("new", len(answer.targets), {*graph.latents, *graph.actions})
    # the others are disentangled as they are, or out of reach and entangled
    settled = graph.n_latents - problem.n_entangled - sum(not before.disentangled[i] for i in out)
    return Design(
        before=before,
        actions=_interventions(before, names, answer.targets, [1.0] * len(names)),
        limited=not answer.complete,
        lower_bound=float(answer.lower_bound),
        most_disentangled=settled + answer.most,
        n_secured=settled + answer.served,
        unseparable=tuple((graph.latents[i], graph.latents[j]) for i, j in pairs),
        reasons=tuple(f"no action may target {graph.latents[i]}" for i, _ in pairs),
        robust=robust,
    )


def _out_of_reach(before: Entanglement, out: frozenset[int]) -> list[tuple[int, int]]:
    rows = {i: before.row(i) for i in sorted(out)}
    _check_number_of_pairs(sum(len(row) - 1 for row in rows.values()))
    return [(i, j) for i, row in rows.items() for j in row.tolist() if j != i]


# Candidates -----------------------------------------------------------------------------------------


def _chosen(
    before: Entanglement,
    candidates: Candidates,
    excluded: dict[str, str],
    budget: float | None,
    max_actions: int | None,
    robust: bool,
    time_limit: float,
    seed: int,
) -> Design:
    started = time.monotonic()
    demand = demand_of(before, candidates, robust)
    pairs = np.argwhere(demand.entangled & (demand.available == 0))
    _check_number_of_pairs(len(pairs))
    names = before.graph.latents
    known = _known_bound(before, candidates, demand, len(pairs))
    limits = [
        limit for limit in (budget, max_actions if _unpriced(candidates) else None) if limit is not None
    ]
    cover = cheapest_cover(demand, time_limit, seed, known, min(limits, default=np.inf))
    chosen, limited = cover.chosen, False
    served = most = int(demand.recoverable.sum())
    if _exceeds(cover.cost, budget) or _exceeds(int(chosen.sum()), max_actions):
        left = max(time_limit - (time.monotonic() - started), 0.2 * time_limit)
        partial = best_within(demand, budget, max_actions, left)
        chosen, served, most, limited = partial.chosen, partial.n_served, partial.most, True
    picked = np.flatnonzero(chosen).tolist()
    latents = demand.latents
    return Design(
        before=before,
        actions=_interventions(
            before,
            [candidates.names[c] for c in picked],
            [candidates.targets[c] for c in picked],
            [float(candidates.costs[c]) for c in picked],
        ),
        limited=limited,
        lower_bound=cover.lower_bound,
        most_disentangled=before.n_latents - len(latents) + most,
        n_secured=before.n_latents - len(latents) + served,
        unseparable=tuple((names[latents[i]], names[latents[j]]) for i, j in pairs.tolist()),
        reasons=tuple(_why(before.graph, demand, excluded, i, j) for i, j in pairs.tolist()),
        fragile=_fragile(before, demand),
        robust=robust,
        free=False,
        excluded=excluded,
    )


def _known_bound(before: Entanglement, candidates: Candidates, demand: Demand, n_unseparable: int) -> float:
    """Free choice can do at least what candidates can, so it needs no more actions; at the least prices."""
    if n_unseparable or not len(candidates) or not demand.needs.any():
        return 0.0
    if (demand.needs[demand.entangled] < demand.margin).any():
        return 0.0
    largest = int(demand.targets.sum(axis=0).max())
    needed = lower_bound(free_choice(before, (), demand.margin > 1, largest))
    # rounded down, so that it stays a bound
    return math.nextafter(total(np.sort(candidates.costs)[:needed].tolist()), 0.0)


def _allowed(
    graph: CausalGraph, candidates: Candidates, out: frozenset[int], max_targets: int | None
) -> tuple[Candidates, dict[str, str]]:
    excluded: dict[str, str] = {}
    for name, targets in zip(candidates.names, candidates.targets, strict=True):
        hit = [i for i in targets if i in out]
        if hit:
            excluded[name] = f"it targets {graph.latents[hit[0]]}, which no action may target"
        elif max_targets is not None and len(targets) > max_targets:
            excluded[name] = f"it has {len(targets)} targets, more than {max_targets}"
    kept = [k for k, name in enumerate(candidates.names) if name not in excluded]
    allowed = Candidates(
        tuple(candidates.names[k] for k in kept),
        tuple(candidates.targets[k] for k in kept),
        candidates.costs[kept],
    )
    return allowed, excluded


def _why(graph: CausalGraph, demand: Demand, excluded: Mapping[str, str], i: int, j: int) -> str:
    a, b = (graph.latents[demand.latents[k]] for k in (i, j))
    which = "allowed candidate" if excluded else "candidate"
    if not demand.targets[i].any():
        return f"no {which} targets {a}"
    return f"every {which} that targets {a} also targets {b}"


def _fragile(before: Entanglement, demand: Demand) -> tuple[tuple[str, str], ...]:
    if demand.margin == 1:
        return ()
    pairs = np.argwhere(demand.entangled & (demand.available == 1))
    _check_number_of_pairs(len(pairs))
    names = before.graph.latents
    return tuple((names[demand.latents[i]], names[demand.latents[j]]) for i, j in pairs.tolist())


def _unpriced(candidates: Candidates) -> bool:
    return bool((candidates.costs == 1).all())


def _exceeds(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


# Both -----------------------------------------------------------------------------------------------


def _interventions(
    before: Entanglement, names: Collection[str], targets: Collection[tuple[int, ...]], costs: list[float]
) -> tuple[Intervention, ...]:
    counts = _pairs_separated(before, targets)
    latents = before.graph.latents
    return tuple(
        Intervention(name, tuple(latents[i] for i in rows), cost, count)
        for name, rows, cost, count in zip(names, targets, costs, counts, strict=True)
    )


def _pairs_separated(before: Entanglement, targets: Collection[tuple[int, ...]]) -> list[int]:
    """For each target set, the entangled pairs (i, j) with i inside and j outside; counted by blocks."""
    sizes = before.sizes.astype(np.int64)
    related = before.above.astype(np.int64) + scipy.sparse.eye_array(
        before.n_blocks, dtype=np.int64, format="csr"
    )
    inside = [
        np.bincount(before.labels[list(rows)], minlength=before.n_blocks).astype(np.int64) for rows in targets
    ]
    return [int(count @ (related @ (sizes - count))) for count in inside]


def _positions(graph: CausalGraph, forbidden: Iterable[str | int]) -> frozenset[int]:
    if isinstance(forbidden, str) or not isinstance(forbidden, Iterable):
        raise RequestError(f"forbidden is {quoted(forbidden)}; it must be a list of latents")
    return frozenset(graph.index(latent) for latent in forbidden)


def _check_numbers(max_targets: object, max_actions: object, time_limit: float) -> None:
    for name, value, least in (("max_targets", max_targets, 1), ("max_actions", max_actions, 0)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, SupportsIndex) or operator.index(value) < least:
            raise RequestError(f"{name} is {quoted(value)}; it must be a whole number, {least} or more")
    if check_cost(time_limit, "time_limit") == 0:
        raise RequestError("time_limit is 0; it must be more than zero seconds")


def _check_number_of_pairs(count: int) -> None:
    if count > _MOST_PAIRS:
        raise RequestError(
            f"{count:,} pairs of latents can't be separated by what is allowed, more than the {_MOST_PAIRS:,} "
            "that can be reported; allow more"
        )
