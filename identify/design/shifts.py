"""`design_screen`: on/off interventions to add until joint influence holds, assembled into a `ScreenDesign`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from identify.design.blocks import free_choice
from identify.design.bounds import lower_bound
from identify.design.candidates import Candidates, unused_names
from identify.design.result import Intervention, Pair
from identify.design.screen_result import ScreenDesign
from identify.design.screens import Screen, TargetLimits, fewest_additions
from identify.design.shift_cover import cover_screen
from identify.design.shift_search import GreedyScreen, search_screen
from identify.entanglement import Entanglement
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.influence.joint import JointInfluence, check_joint_generic

__all__ = ["ScreenRequest", "design_screen"]

Matrix = NDArray[np.bool_]
# latents and actions, dense
_MAX_LATENTS = 1_000
# target sets, with repetitions, of which all choices are compared
_MAX_POOL = 300
# latents up to which the sparsest basis is searched where it isn't the true one
_MAX_BASIS = 10
# share of the time limit for the search; the rest is for proofs
_SEARCH_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class ScreenRequest:
    """What may be added.

    Attributes:
        limits: Target sets for free choice.
        candidates: Allowed candidates, or None for free choice.
        excluded: Candidates that are not allowed, with the reason.
        budget: Largest total cost.
        max_actions: Largest number of actions.
        robust: Whether joint influence must survive the loss of any one new action.
        time_limit: Time limit in seconds.
        seed: Seed of the search.
    """

    limits: TargetLimits
    candidates: Candidates | None
    excluded: Mapping[str, str]
    budget: float | None
    max_actions: int | None
    robust: bool
    time_limit: float
    seed: int


@dataclass(frozen=True, eq=False)
class _Choice:
    """New actions, and what is proved about them; the attributes are those of `ScreenDesign` and `ScreenCover`."""

    names: tuple[str, ...]
    actions: Matrix
    costs: tuple[float, ...]
    kept: tuple[int, ...]
    lower_bound: float
    most_kept: int
    possible: bool | None


def design_screen(before: Entanglement, request: ScreenRequest) -> ScreenDesign:
    """Find few on/off interventions to add until the graph has joint influence.

    Args:
        before: Predicted entanglement of the graph's actions.
        request: What may be added.

    Raises:
        RequestError: If the graph has more than 1,000 latents.
    """
    graph = before.graph
    if graph.n_latents > _MAX_LATENTS:
        raise RequestError(
            f"the graph has {graph.n_latents:,} latents; effects='shifts' is supported for at most {_MAX_LATENTS:,}"
        )
    deadline = time.monotonic() + request.time_limit
    screen = Screen(graph.Ga.toarray().astype(bool), request.robust)
    choice = _choose(before, screen, request, deadline)
    fragile: tuple[Pair, ...] = ()
    if request.robust and len(choice.kept) < screen.n_latents:
        # as without candidates for two separations of a pair: one is better than none
        plain = _choose(before, Screen(screen.existing, False), request, deadline + request.time_limit)
        if len(plain.kept) > len(choice.kept) and choice.possible is False:
            choice = plain
            fragile = _fragile(graph, screen, choice.actions)
    joint_before = _joint(graph, request.time_limit)
    interventions = _interventions(graph, choice, joint_before)
    joint = _joint(_with_new(graph, choice), request.time_limit)
    unseparable, reasons = _unseparable(graph, screen, request, choice, joint)
    n = screen.n_latents
    limited = len(choice.kept) < n and choice.possible is not False
    return ScreenDesign(
        before=before,
        actions=interventions,
        limited=limited and (request.budget is not None or request.max_actions is not None),
        lower_bound=0.0 if choice.possible is False else choice.lower_bound,
        most_disentangled=choice.most_kept,
        n_secured=len(choice.kept),
        unseparable=unseparable,
        reasons=reasons,
        fragile=fragile,
        robust=request.robust,
        free=request.candidates is None,
        excluded=request.excluded,
        joint_before=joint_before,
        joint=joint,
    )


def _joint(graph: CausalGraph, time_limit: float) -> JointInfluence:
    # the sparsest basis of a large graph would take most of the time, and a design doesn't need it
    return check_joint_generic(graph, time_limit=time_limit, basis=graph.n_latents <= _MAX_BASIS)


def _choose(before: Entanglement, screen: Screen, request: ScreenRequest, deadline: float) -> _Choice:
    if not screen.shortfalls(np.zeros((screen.n_latents, 0), dtype=bool)):
        nothing = np.zeros((screen.n_latents, 0), dtype=bool)
        every = tuple(range(screen.n_latents))
        return _Choice((), nothing, (), every, 0.0, screen.n_latents, True)
    if request.candidates is None:
        return _choose_freely(before, screen, request, deadline)
    candidates = request.candidates
    matrix = candidates.matrix(screen.n_latents)
    cover = cover_screen(screen, matrix, candidates.costs, request.budget, request.max_actions, deadline)
    columns = np.flatnonzero(cover.chosen).tolist()
    return _Choice(
        tuple(candidates.names[c] for c in columns),
        matrix[:, columns],
        tuple(float(candidates.costs[c]) for c in columns),
        cover.kept,
        cover.lower_bound,
        cover.most_kept,
        cover.possible,
    )


# Free choice ----------------------------------------------------------------------------------------


def _choose_freely(before: Entanglement, screen: Screen, request: ScreenRequest, deadline: float) -> _Choice:
    n, limits = screen.n_latents, request.limits
    n_forbidden_pairs = len({i for i, _ in _pairs_without_action(screen, limits)})
    counted = fewest_additions(screen, limits)
    forbidden = sorted(set(range(n)) - set(limits.allowed))
    per_action = lower_bound(free_choice(before, forbidden, screen.robust, limits.largest))
    bound = max(counted or 0, per_action)
    ceilings = [int(limit) for limit in (request.budget, request.max_actions) if limit is not None]
    # each latent needs a few actions at most, unless no number suffices
    ceiling = min([*ceilings, 4 * n + 2 * bound])
    searched_until = time.monotonic() + _SEARCH_SHARE * request.time_limit
    found = search_screen(screen, limits, bound, ceiling, min(searched_until, deadline), request.seed)
    is_complete = len(found.kept) == n
    if is_complete and found.n_actions > bound:
        found, bound = _compare_all(screen, limits, found, bound, deadline)
    possible = True if is_complete else False if counted is None or n_forbidden_pairs else None
    most = n if is_complete else max(n - max(n_forbidden_pairs, 1), len(found.kept))
    if not is_complete and possible is None and not ceilings:
        most = max(n, len(found.kept))
    names = unused_names("new", found.n_actions, {*before.graph.latents, *before.graph.actions})
    return _Choice(names, found.actions, (1.0,) * found.n_actions, found.kept, float(bound), most, possible)


def _compare_all(
    screen: Screen, limits: TargetLimits, found: GreedyScreen, bound: int, deadline: float
) -> tuple[GreedyScreen, int]:
    """Return the best choice of all target sets, if there are few, with the bound on the number of actions."""
    sizes = range(limits.smallest, min(limits.largest, len(limits.allowed)) + 1)
    n_copies = found.n_actions - 1
    if sum(comb(len(limits.allowed), size) for size in sizes) * n_copies > _MAX_POOL:
        return found, bound
    sets = [targets for size in sizes for targets in combinations(limits.allowed, size)]
    pool = np.zeros((screen.n_latents, len(sets) * n_copies), dtype=bool)
    for column, targets in enumerate(targets for targets in sets for _ in range(n_copies)):
        pool[list(targets), column] = True
    cover = cover_screen(screen, pool, np.ones(pool.shape[1]), None, None, deadline)
    if math.isfinite(cover.lower_bound):
        bound = max(bound, min(math.ceil(cover.lower_bound - 1e-6), found.n_actions))
    else:
        # not even one action fewer suffices
        bound = found.n_actions
    if len(cover.kept) == screen.n_latents and int(cover.chosen.sum()) < found.n_actions:
        found = GreedyScreen(pool[:, cover.chosen], cover.kept)
    return found, bound


# What can't be separated ----------------------------------------------------------------------------


def _needed(screen: Screen) -> NDArray[np.int64]:
    """Return how many actions must target i and not j: two if the graph has an action on both, otherwise one."""
    entries = screen.existing.astype(np.int64)
    needed = 1 + (entries @ entries.T > 0)
    np.fill_diagonal(needed, 0)
    return np.asarray(needed, dtype=np.int64)


def _n_only(matrix: Matrix) -> NDArray[np.int64]:
    """Return how many actions target i and not j, shape (n, n)."""
    entries = matrix.astype(np.int64)
    return np.asarray(entries @ (1 - entries).T)


def _pairs_without_action(screen: Screen, limits: TargetLimits) -> list[tuple[int, int]]:
    """Return the pairs (i, j) that freely chosen actions can't separate, since none may target i and not j."""
    short = _n_only(screen.existing) < _needed(screen)
    allowed = set(limits.allowed)
    return [
        (i, j)
        for i, j in np.argwhere(short).tolist()
        if i not in allowed or len(allowed - {j}) < limits.smallest
    ]


def _unseparable(
    graph: CausalGraph, screen: Screen, request: ScreenRequest, choice: _Choice, joint: JointInfluence
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Return the pairs that can't be separated, each with its reason."""
    if len(choice.kept) == screen.n_latents:
        return (), ()
    names = graph.latents
    reasons: dict[tuple[int, int], str] = {}
    if request.candidates is None:
        for i, j in _pairs_without_action(screen, request.limits):
            reasons[i, j] = f"no action may target {names[i]}"
            if i in request.limits.allowed:
                least = request.limits.smallest
                reasons[i, j] = (
                    f"with {least} targets or more, an action on {names[i]} also targets {names[j]}"
                )
    else:
        matrix = request.candidates.matrix(screen.n_latents)
        available = _n_only(np.hstack([screen.existing, matrix]))
        noun = "allowed candidate" if request.excluded else "candidate"
        for i, j in np.argwhere(available < _needed(screen)).tolist():
            reasons[i, j] = _pair_reason(names, screen, matrix, noun, i, j)
    if choice.possible is False:
        left_out = sorted(set(range(screen.n_latents)) - set(choice.kept) - {i for i, _ in reasons})
        for i in left_out:
            partners = (
                range(screen.n_latents)
                if joint.entanglement is None
                else np.flatnonzero(joint.entanglement[i])
            )
            for j in (
                int(k) for k in partners if k != i and not any(pair == (i, int(k)) for pair in reasons)
            ):
                reasons[i, j] = (
                    f"no allowed choice of actions recovers all latents, and this one leaves out {names[i]}"
                )
    return tuple((names[i], names[j]) for i, j in reasons), tuple(reasons.values())


def _pair_reason(names: Sequence[str], screen: Screen, candidates: Matrix, noun: str, i: int, j: int) -> str:
    if not candidates[i].any():
        return f"no {noun} targets {names[i]}"
    if not (candidates[i] & ~candidates[j]).any():
        return f"every {noun} that targets {names[i]} also targets {names[j]}"
    return (
        f"an action of the graph targets both, so two actions must target {names[i]} and not {names[j]}, "
        "and only one can"
    )


def _fragile(graph: CausalGraph, screen: Screen, actions: Matrix) -> tuple[Pair, ...]:
    """Return pairs (i, j) that the loss of one new action may entangle."""
    pairs = {
        (i, found.latent)
        for found in screen.shortfalls(actions)
        for i in found.support
        if found.latent is not None and i != found.latent
    }
    return tuple((graph.latents[i], graph.latents[j]) for i, j in sorted(pairs))


# Assembly -------------------------------------------------------------------------------------------


def _with_new(graph: CausalGraph, choice: _Choice) -> CausalGraph:
    return CausalGraph(
        Ga=np.hstack([graph.Ga.toarray().astype(bool), choice.actions]),
        latents=graph.latents,
        actions=[*graph.actions, *choice.names],
    )


def _interventions(
    graph: CausalGraph, choice: _Choice, joint_before: JointInfluence
) -> tuple[Intervention, ...]:
    n = graph.n_latents
    entangled = joint_before.entanglement
    pairs = np.ones((n, n), dtype=bool) if entangled is None else entangled
    result = []
    for name, cost, column in zip(choice.names, choice.costs, choice.actions.T, strict=True):
        n_pairs = int(pairs[np.ix_(column, ~column)].sum())
        targets = tuple(graph.latents[i] for i in np.flatnonzero(column))
        result.append(Intervention(name, targets, cost, n_pairs))
    return tuple(result)
