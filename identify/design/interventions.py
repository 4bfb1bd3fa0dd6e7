"""`design_interventions`: validate the request, solve it, and assemble the design."""

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
from identify.neighbourhoods import ACTIONS, resolve_using
from identify.wording import plural

__all__ = ["design_interventions"]

# unseparable pairs are listed one by one, each with its reason
_MAX_PAIRS = 1_000_000


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
    min_targets: int | None = None,
    effects: str | None = None,
) -> Design:
    """Find the cheapest interventions to add so that every latent is disentangled.

    A new action separates latent i from latent j if it targets i and not j. The pairs to separate are the ordered pairs
    with V[i, j] = 1, which the graph leaves entangled. Pairs that no allowed action can separate are reported, and all
    others are separated.

    Args:
        graph: Graph without the new actions.
        candidates: Candidate interventions: target sets, or a mapping from names to target sets; see `Candidate`. None
            for free choice: any set of latents, at cost 1 per action.
        max_targets: Largest number of targets of an action; None for any number.
        forbidden: Latents that no action may target, by name or position.
        costs: Costs of the candidates, in order or by name; 1 each by default.
        using: Parts of the graph that already separate latents: ``"actions"``, ``"past"``, ``"both"``, or None for all
            that the graph has.
        budget: Largest total cost. If it is too small for all pairs, as many latents as possible are disentangled.
        max_actions: Largest number of new actions, with the same consequence.
        robust: Whether to separate every pair by two different new actions, so that the design survives the loss of any
            one of them. Pairs that the graph itself separates need no new action.
        time_limit: Time limit in seconds. When it is reached, the best design so far is returned with its gap. A first
            design, which takes seconds for thousands of latents, is computed in any case.
        seed: Seed of the searches that run when a proof takes too long.
        min_targets: Smallest number of targets of an action, for candidates or with ``effects``; None for one.
        effects: ``"shifts"`` for interventions that are on or off and have one generic effect vector each. The design
            then adds interventions until joint influence holds: until the true latents are the one sparsest basis. See
            docs/screens.md. ``robust`` asks that this survive the loss of any one of them. If not all latents can be
            recovered, as many as possible are. Only actions count, so a graph with a past needs ``using="actions"``.

    Returns:
        The design, with proved bounds; with ``effects`` a `ScreenDesign`, which has the certificate of joint influence.

    Raises:
        RequestError: If an argument is out of range or a candidate is invalid.
        UnknownNameError: If a latent does not exist.

    Source:
        The remedy of the graphical criterion (Lachapelle et al., arXiv 2401.04890): V[i, j] = 1 until some action
        targets i and not j. Free choice uses Sperner's theorem. Joint influence is ours (docs/screens.md).

    Example:
        >>> design = design_interventions(CausalGraph(latents=["a", "b", "c", "d", "e", "f"]))
        >>> design
        Design(4 new actions, optimal: 6 of 6 latents disentangled, 0 without them)
        >>> graph = CausalGraph(Ga=[[1], [1], [0]], latents=["raf", "mek", "erk"])
        >>> design = design_interventions(graph, {"both": ["raf", "mek"], "one": ["mek"], "last": ["erk"]})
        >>> design.names, design.unseparable
        (('one', 'last'), (('raf', 'mek'),))
        >>> screen = design_interventions(
        ...     CausalGraph(latents=["a", "b", "c", "d", "e", "f"]), min_targets=2, max_targets=2, effects="shifts"
        ... )
        >>> screen, screen.joint.status
        (ScreenDesign(9 new actions, optimal: 6 of 6 latents disentangled, 0 without them), 'holds')
    """
    _check_numbers(max_targets, min_targets, max_actions, time_limit)
    if effects not in (None, "shifts"):
        raise RequestError(f"effects is {quoted(effects)}; it must be 'shifts' or None")
    if min_targets is not None and effects is None and candidates is None:
        raise RequestError("min_targets requires candidates or effects='shifts'")
    if budget is not None:
        budget = check_cost(budget, "budget")
    forbidden_rows = _positions(graph, forbidden)
    before = predict_entanglement(graph, _only_actions(graph, using) if effects else using)
    resolved: Candidates | None = None
    excluded: dict[str, str] = {}
    if candidates is not None:
        resolved, excluded = _split_allowed(
            graph, resolve_candidates(graph, candidates, costs), forbidden_rows, max_targets, min_targets
        )
    elif costs is not None:
        raise RequestError("costs requires candidates; with free choice every action costs 1")
    if effects:
        from identify.design.screens import TargetLimits
        from identify.design.shifts import ScreenRequest, design_screen

        n = graph.n_latents
        allowed = tuple(i for i in range(n) if i not in forbidden_rows)
        limits = TargetLimits(allowed, min_targets or 1, min(max_targets or n, n))
        return design_screen(
            before,
            ScreenRequest(limits, resolved, excluded, budget, max_actions, robust, time_limit, seed),
        )
    if resolved is None:
        ceilings = [int(limit) for limit in (budget, max_actions) if limit is not None]
        return _design_freely(
            before, forbidden_rows, max_targets, min(ceilings, default=None), robust, time_limit
        )
    return _design_from_candidates(before, resolved, excluded, budget, max_actions, robust, time_limit, seed)


# Free choice ----------------------------------------------------------------------------------------


def _design_freely(
    before: Entanglement,
    forbidden: frozenset[int],
    max_targets: int | None,
    max_actions: int | None,
    robust: bool,
    time_limit: float,
) -> Design:
    graph = before.graph
    problem = free_choice(before, forbidden, robust, max_targets)
    pairs = _forbidden_pairs(before, forbidden)
    answer = choose_freely(problem, max_actions, time_limit)
    names = unused_names("new", len(answer.targets), {*graph.latents, *graph.actions})
    # all other latents are disentangled already, or entangled and forbidden
    n_disentangled = (
        graph.n_latents - problem.n_entangled - sum(not before.disentangled[i] for i in forbidden)
    )
    return Design(
        before=before,
        actions=_interventions(before, names, answer.targets, [1.0] * len(names)),
        limited=not answer.complete,
        lower_bound=float(answer.lower_bound),
        most_disentangled=n_disentangled + answer.upper_bound,
        n_secured=n_disentangled + answer.n_separated,
        unseparable=tuple((graph.latents[i], graph.latents[j]) for i, j in pairs),
        reasons=tuple(f"no action may target {graph.latents[i]}" for i, _ in pairs),
        robust=robust,
    )


def _forbidden_pairs(before: Entanglement, forbidden: frozenset[int]) -> list[tuple[int, int]]:
    """Return the entangled pairs (i, j) for which no action may target i."""
    rows = {i: before.row(i) for i in sorted(forbidden)}
    _check_number_of_pairs(sum(len(row) - 1 for row in rows.values()))
    return [(i, j) for i, row in rows.items() for j in row.tolist() if j != i]


# Candidates -----------------------------------------------------------------------------------------


def _design_from_candidates(
    before: Entanglement,
    candidates: Candidates,
    excluded: dict[str, str],
    budget: float | None,
    max_actions: int | None,
    robust: bool,
    time_limit: float,
    seed: int,
) -> Design:
    start = time.monotonic()
    demand = demand_of(before, candidates, robust)
    pairs = np.argwhere(demand.entangled & (demand.available == 0))
    _check_number_of_pairs(len(pairs))
    names = before.graph.latents
    known_bound = _known_bound(before, candidates, demand, len(pairs))
    limits = [
        limit for limit in (budget, max_actions if _has_unit_costs(candidates) else None) if limit is not None
    ]
    cover = cheapest_cover(demand, time_limit, seed, known_bound, min(limits, default=np.inf))
    chosen, limited = cover.chosen, False
    n_separated = upper_bound = int(demand.recoverable.sum())
    if _exceeds(cover.cost, budget) or _exceeds(int(chosen.sum()), max_actions):
        time_left = max(time_limit - (time.monotonic() - start), 0.2 * time_limit)
        partial = best_within(demand, budget, max_actions, time_left)
        chosen, limited = partial.chosen, True
        n_separated, upper_bound = partial.n_separated, partial.upper_bound
    columns = np.flatnonzero(chosen).tolist()
    latents = demand.latents
    n_disentangled = before.n_latents - len(latents)
    return Design(
        before=before,
        actions=_interventions(
            before,
            [candidates.names[c] for c in columns],
            [candidates.targets[c] for c in columns],
            [float(candidates.costs[c]) for c in columns],
        ),
        limited=limited,
        lower_bound=cover.lower_bound,
        most_disentangled=n_disentangled + upper_bound,
        n_secured=n_disentangled + n_separated,
        unseparable=tuple((names[latents[i]], names[latents[j]]) for i, j in pairs.tolist()),
        reasons=tuple(_reason(before.graph, demand, excluded, i, j) for i, j in pairs.tolist()),
        fragile=_fragile(before, demand),
        robust=robust,
        free=False,
        excluded=excluded,
    )


def _known_bound(before: Entanglement, candidates: Candidates, demand: Demand, n_unseparable: int) -> float:
    """Return the cost of as many of the cheapest candidates as free choice needs actions.

    This is a lower bound, because free choice needs no more actions than any choice of candidates.
    """
    if n_unseparable or not len(candidates) or not demand.needs.any():
        return 0.0
    if (demand.needs[demand.entangled] < demand.margin).any():
        return 0.0
    largest = int(demand.targets.sum(axis=0).max())
    n_actions = lower_bound(free_choice(before, (), demand.margin > 1, largest))
    # rounded down, so that it remains a lower bound
    return math.nextafter(total(np.sort(candidates.costs)[:n_actions].tolist()), 0.0)


def _split_allowed(
    graph: CausalGraph,
    candidates: Candidates,
    forbidden: frozenset[int],
    max_targets: int | None,
    min_targets: int | None,
) -> tuple[Candidates, dict[str, str]]:
    """Return the allowed candidates, and the names of the excluded ones with the reason."""
    excluded: dict[str, str] = {}
    for name, targets in zip(candidates.names, candidates.targets, strict=True):
        not_allowed = [i for i in targets if i in forbidden]
        if not_allowed:
            excluded[name] = f"it targets {graph.latents[not_allowed[0]]}, which no action may target"
        elif max_targets is not None and len(targets) > max_targets:
            excluded[name] = f"it has {len(targets)} targets, more than {max_targets}"
        elif min_targets is not None and len(targets) < min_targets:
            excluded[name] = f"it has {plural(len(targets), 'target')}, fewer than {min_targets}"
    positions = [k for k, name in enumerate(candidates.names) if name not in excluded]
    allowed = Candidates(
        tuple(candidates.names[k] for k in positions),
        tuple(candidates.targets[k] for k in positions),
        candidates.costs[positions],
    )
    return allowed, excluded


def _reason(graph: CausalGraph, demand: Demand, excluded: Mapping[str, str], i: int, j: int) -> str:
    """Return why no allowed candidate separates latent i from latent j."""
    a, b = (graph.latents[demand.latents[k]] for k in (i, j))
    noun = "allowed candidate" if excluded else "candidate"
    if not demand.targets[i].any():
        return f"no {noun} targets {a}"
    return f"every {noun} that targets {a} also targets {b}"


def _fragile(before: Entanglement, demand: Demand) -> tuple[tuple[str, str], ...]:
    if demand.margin == 1:
        return ()
    pairs = np.argwhere(demand.entangled & (demand.available == 1))
    _check_number_of_pairs(len(pairs))
    names = before.graph.latents
    return tuple((names[demand.latents[i]], names[demand.latents[j]]) for i, j in pairs.tolist())


def _has_unit_costs(candidates: Candidates) -> bool:
    return bool((candidates.costs == 1).all())


def _exceeds(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


# Both -----------------------------------------------------------------------------------------------


def _interventions(
    before: Entanglement, names: Collection[str], targets: Collection[tuple[int, ...]], costs: list[float]
) -> tuple[Intervention, ...]:
    counts = _n_separated_pairs(before, targets)
    latents = before.graph.latents
    return tuple(
        Intervention(name, tuple(latents[i] for i in rows), cost, count)
        for name, rows, cost, count in zip(names, targets, costs, counts, strict=True)
    )


def _n_separated_pairs(before: Entanglement, targets: Collection[tuple[int, ...]]) -> list[int]:
    """Count, for each target set, the entangled pairs (i, j) with i inside and j outside, block by block."""
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


def _only_actions(graph: CausalGraph, using: str | Iterable[str] | None) -> str:
    """Return the parts of the graph that a design of on/off interventions uses."""
    if graph.Gz.nnz if using is None else resolve_using(graph, using) != {ACTIONS}:
        raise RequestError(
            "effects='shifts' uses the actions of a graph and not its past; using='actions' leaves the past out"
        )
    return ACTIONS


def _check_numbers(max_targets: object, min_targets: object, max_actions: object, time_limit: float) -> None:
    for name, value, minimum in (
        ("max_targets", max_targets, 1),
        ("min_targets", min_targets, 1),
        ("max_actions", max_actions, 0),
    ):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, SupportsIndex) or operator.index(value) < minimum:
            raise RequestError(f"{name} is {quoted(value)}; it must be a whole number, {minimum} or more")
    if isinstance(min_targets, int) and isinstance(max_targets, int) and min_targets > max_targets:
        raise RequestError(f"min_targets is {min_targets}, more than max_targets, which is {max_targets}")
    if check_cost(time_limit, "time_limit") == 0:
        raise RequestError("time_limit is 0; it must be positive")


def _check_number_of_pairs(count: int) -> None:
    if count > _MAX_PAIRS:
        raise RequestError(
            f"no allowed action separates {count:,} pairs of latents, more than the {_MAX_PAIRS:,} that can be "
            "reported; allow more candidates or targets"
        )
