"""Interventions that could be made: target sets with names and costs, checked against the graph."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from identify.exceptions import GraphError, RequestError
from identify.graph import CausalGraph
from identify.names import check_names, quoted, shown

__all__ = ["Candidate", "Candidates", "Targets", "check_cost", "resolve_candidates", "unused_names"]

Targets = Iterable[str | int]


@dataclass(frozen=True)
class Candidate:
    """An intervention that could be made.

    Attributes:
        targets: the latents that it acts on, by name or position.
        name: what to call it; made up when None.
        cost: what it costs; not negative.
    """

    targets: tuple[str | int, ...]
    name: str | None = None
    cost: float = 1.0


@dataclass(frozen=True)
class Candidates:
    """Candidates that fit the graph.

    Attributes:
        names: unique, and different from those of the graph.
        targets: for each candidate the positions of its latents, ascending.
        costs: shape (n_candidates,).
    """

    names: tuple[str, ...]
    targets: tuple[tuple[int, ...], ...]
    costs: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.names)

    def matrix(self, n_latents: int) -> NDArray[np.bool_]:
        """Shape (n_latents, n_candidates): which candidate targets which latent."""
        result = np.zeros((n_latents, len(self)), dtype=bool)
        for column, rows in enumerate(self.targets):
            result[list(rows), column] = True
        return result


def resolve_candidates(
    graph: CausalGraph,
    candidates: Mapping[str, Targets] | Iterable[Candidate | Targets],
    costs: Mapping[str, float] | Iterable[float] | None = None,
) -> Candidates:
    """Check candidates against the graph and give each a name and a cost.

    Args:
        graph: the graph whose latents they target.
        candidates: a mapping from names to targets, or an iterable of `Candidate` or of bare targets. One with the name
            of a latent, as a knock-out is called like its gene, becomes the action ``do(name)``.
        costs: one per candidate, in order, or a mapping from names; replaces those of the candidates.

    Raises:
        RequestError: a candidate has no target, targets a latent twice, or its name or cost can't be used.
        UnknownNameError: there is no such latent.

    Example:
        >>> found = resolve_candidates(CausalGraph(Ga=[[0], [0]]), {"push": ["z0"], "pull": ["z1", "z0"]})
        >>> found.targets, found.costs.tolist()
        (((0,), (0, 1)), [1.0, 1.0])
    """
    listed = _listed(candidates)
    given = _given_names(graph, listed)
    names = tuple(f"do({name})" if name in graph.latents else name for name in given)
    _require_new(graph, names)
    targets = tuple(_targets(graph, each.targets, name) for each, name in zip(listed, given, strict=True))
    if costs is None:
        prices = [each.cost for each in listed]
    elif isinstance(costs, Mapping):
        prices = _priced(costs, given)
    else:
        prices = list(costs)
        if len(prices) != len(names):
            raise RequestError(
                f"there are {len(prices)} costs for {len(names)} candidates; give one per candidate, in order"
            )
    checked = [
        check_cost(cost, f"the cost of {shown(name)}") for cost, name in zip(prices, given, strict=True)
    ]
    if not math.isfinite(sum(checked)):
        raise RequestError(
            "the costs add up to more than a floating-point number can hold; take a larger unit"
        )
    return Candidates(names, targets, np.array(checked, dtype=np.float64))


def unused_names(stem: str, count: int, taken: Collection[str]) -> tuple[str, ...]:
    """``stem`` and a number from 0, the stem made longer until no name is taken already.

    Example:
        >>> unused_names("new", 2, {"new1"})
        ('new_0', 'new_1')
    """
    while any(f"{stem}{number}" in taken for number in range(count)):
        stem += "_"
    return tuple(f"{stem}{number}" for number in range(count))


def check_cost(cost: object, what: str) -> float:
    """A cost or a budget as a number.

    Args:
        cost: an integer, a float, a fraction or a decimal number; the nearest floating-point number is used.
        what: what it is, for the error message.

    Raises:
        RequestError: it is negative, infinite, too large, or no number.
    """
    if isinstance(cost, int | float | np.integer | np.floating | Fraction | Decimal) and not isinstance(
        cost, bool
    ):
        try:
            number = float(cost)
        except OverflowError:
            number = math.inf
        if math.isfinite(number) and number >= 0:
            return number
    raise RequestError(f"{what} is {quoted(cost)}; it must be a finite number, zero or more")


def _listed(candidates: Mapping[str, Targets] | Iterable[Candidate | Targets]) -> Sequence[Candidate]:
    if isinstance(candidates, str) or not isinstance(candidates, Iterable):
        raise RequestError(
            f"candidates is {quoted(candidates)}; it must be a list of target sets, or a mapping from names to them"
        )
    if isinstance(candidates, Mapping):
        return [Candidate(_as_tuple(targets, shown(str(name))), name) for name, targets in candidates.items()]
    return [
        each if isinstance(each, Candidate) else Candidate(_as_tuple(each, f"candidate {number}"))
        for number, each in enumerate(candidates)
    ]


def _as_tuple(targets: Targets, what: str) -> tuple[str | int, ...]:
    if isinstance(targets, str) or not isinstance(targets, Iterable):
        raise RequestError(f"{what} is {quoted(targets)}; its targets must be a list of latents")
    return tuple(targets)


def _given_names(graph: CausalGraph, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """The names of the candidates, made up where none is given."""
    given = [each.name for each in candidates if each.name is not None]
    try:
        check_names(given, "candidates")
    except GraphError as error:
        raise RequestError(str(error)) from error
    taken = {*graph.latents, *graph.actions, *given}
    made_up = unused_names("candidate", len(candidates), taken)
    return tuple(
        made_up[number] if each.name is None else each.name for number, each in enumerate(candidates)
    )


def _require_new(graph: CausalGraph, names: Sequence[str]) -> None:
    for name in names:
        if name in graph.actions or name in graph.latents or names.count(name) > 1:
            kind = "an action" if name in graph.actions else "a latent" if name in graph.latents else None
            what = f"{kind} of the graph already" if kind else "the name of another one"
            raise RequestError(f"a candidate is called {quoted(name)}, which is {what}; give it another name")


def _targets(graph: CausalGraph, targets: Targets, name: str) -> tuple[int, ...]:
    rows = [graph.index(latent) for latent in targets]
    if not rows:
        raise RequestError(f"{shown(name)} targets no latent; an action acts on at least one")
    if len(set(rows)) < len(rows):
        twice = next(row for row in rows if rows.count(row) > 1)
        raise RequestError(f"{shown(name)} targets {graph.latents[twice]} twice; name each latent once")
    return tuple(sorted(rows))


def _priced(costs: Mapping[str, float], names: Sequence[str]) -> list[float]:
    for name in costs:
        if name not in names:
            raise RequestError(f"costs names {quoted(name)}, which is no candidate")
    missing = [name for name in names if name not in costs]
    if missing:
        raise RequestError(f"costs has no entry for {missing[0]!r}; price every candidate, or none")
    return [costs[name] for name in names]
