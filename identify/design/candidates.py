"""Candidate interventions: target sets with names and costs, checked against the graph."""

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
    """A possible intervention.

    Attributes:
        targets: Latents that it targets, by name or position.
        name: Name of the action; generated when None.
        cost: Non-negative cost.
    """

    targets: tuple[str | int, ...]
    name: str | None = None
    cost: float = 1.0


@dataclass(frozen=True)
class Candidates:
    """Candidates that have been checked against the graph.

    Attributes:
        names: Unique names that don't occur in the graph.
        targets: Positions of the targets of each candidate, in ascending order.
        costs: Costs, shape (n_candidates,).
    """

    names: tuple[str, ...]
    targets: tuple[tuple[int, ...], ...]
    costs: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.names)

    def matrix(self, n_latents: int) -> NDArray[np.bool_]:
        """Return which candidate targets which latent, shape (n_latents, n_candidates)."""
        matrix = np.zeros((n_latents, len(self)), dtype=bool)
        for column, rows in enumerate(self.targets):
            matrix[list(rows), column] = True
        return matrix


def resolve_candidates(
    graph: CausalGraph,
    candidates: Mapping[str, Targets] | Iterable[Candidate | Targets],
    costs: Mapping[str, float] | Iterable[float] | None = None,
) -> Candidates:
    """Check candidates against the graph and give each a name and a cost.

    Args:
        graph: Graph that contains the targets.
        candidates: Mapping from names to targets, or iterable of `Candidate` or of bare targets. A candidate with the
            name of a latent (a knock-out named after its gene) becomes the action ``do(name)``.
        costs: Costs that replace those of the candidates: one per candidate, in order, or a mapping from names.

    Raises:
        RequestError: If a candidate has no target, a repeated target, or an invalid name or cost.
        UnknownNameError: If a target is not a latent of the graph.

    Example:
        >>> candidates = resolve_candidates(CausalGraph(Ga=[[0], [0]]), {"push": ["z0"], "pull": ["z1", "z0"]})
        >>> candidates.targets, candidates.costs.tolist()
        (((0,), (0, 1)), [1.0, 1.0])
    """
    listed = _as_list(candidates)
    labels = _labels(graph, listed)
    names = tuple(f"do({label})" if label in graph.latents else label for label in labels)
    _require_new_names(graph, names)
    targets = tuple(
        _targets(graph, candidate.targets, label) for candidate, label in zip(listed, labels, strict=True)
    )
    if costs is None:
        prices = [candidate.cost for candidate in listed]
    elif isinstance(costs, Mapping):
        prices = _costs_by_name(costs, labels)
    else:
        prices = list(costs)
        if len(prices) != len(names):
            raise RequestError(
                f"there are {len(prices)} costs for {len(names)} candidates; give one per candidate, in order"
            )
    checked = [
        check_cost(price, f"the cost of {shown(label)}") for price, label in zip(prices, labels, strict=True)
    ]
    if not math.isfinite(sum(checked)):
        raise RequestError("the sum of the costs exceeds the floating-point range; use a larger unit")
    return Candidates(names, targets, np.array(checked, dtype=np.float64))


def unused_names(stem: str, count: int, taken: Collection[str]) -> tuple[str, ...]:
    """Return ``stem`` followed by 0, 1, ..., with underscores appended to the stem until no name is taken.

    Example:
        >>> unused_names("new", 2, {"new1"})
        ('new_0', 'new_1')
    """
    while any(f"{stem}{number}" in taken for number in range(count)):
        stem += "_"
    return tuple(f"{stem}{number}" for number in range(count))


def check_cost(cost: object, what: str) -> float:
    """Return a cost or a budget as a float.

    Args:
        cost: Integer, float, fraction or decimal number. The nearest floating-point number is used.
        what: Subject of the error message.

    Raises:
        RequestError: If the cost is negative, infinite, too large or not a number.
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


def _as_list(candidates: Mapping[str, Targets] | Iterable[Candidate | Targets]) -> Sequence[Candidate]:
    if isinstance(candidates, str) or not isinstance(candidates, Iterable):
        raise RequestError(
            f"candidates is {quoted(candidates)}; it must be a list of target sets, or a mapping from names to them"
        )
    if isinstance(candidates, Mapping):
        return [Candidate(_as_tuple(targets, shown(str(name))), name) for name, targets in candidates.items()]
    return [
        item if isinstance(item, Candidate) else Candidate(_as_tuple(item, f"candidate {number}"))
        for number, item in enumerate(candidates)
    ]


def _as_tuple(targets: Targets, what: str) -> tuple[str | int, ...]:
    if isinstance(targets, str) or not isinstance(targets, Iterable):
        raise RequestError(f"{what} is {quoted(targets)}; its targets must be a list of latents")
    return tuple(targets)


def _labels(graph: CausalGraph, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Return the names of the candidates as given, or generated where None."""
    labels = [candidate.name for candidate in candidates if candidate.name is not None]
    try:
        check_names(labels, "candidates")
    except GraphError as error:
        raise RequestError(str(error)) from error
    taken = {*graph.latents, *graph.actions, *labels}
    generated = unused_names("candidate", len(candidates), taken)
    return tuple(
        default if candidate.name is None else candidate.name
        for candidate, default in zip(candidates, generated, strict=True)
    )


def _require_new_names(graph: CausalGraph, names: Sequence[str]) -> None:
    for name in names:
        if name in graph.actions or name in graph.latents or names.count(name) > 1:
            kind = "an action" if name in graph.actions else "a latent" if name in graph.latents else None
            what = f"already {kind} of the graph" if kind else "also the name of another candidate"
            raise RequestError(f"a candidate is named {quoted(name)}, which is {what}; choose another name")


def _targets(graph: CausalGraph, targets: Targets, name: str) -> tuple[int, ...]:
    rows = [graph.index(latent) for latent in targets]
    if not rows:
        raise RequestError(f"{shown(name)} targets no latent; an action targets at least one")
    if len(set(rows)) < len(rows):
        repeated = next(row for row in rows if rows.count(row) > 1)
        raise RequestError(f"{shown(name)} targets {graph.latents[repeated]} twice; list each latent once")
    return tuple(sorted(rows))


def _costs_by_name(costs: Mapping[str, float], names: Sequence[str]) -> list[float]:
    for name in costs:
        if name not in names:
            raise RequestError(f"costs contains {quoted(name)}, which is not a candidate")
    missing = [name for name in names if name not in costs]
    if missing:
        raise RequestError(
            f"costs has no entry for {missing[0]!r}; give the cost of every candidate, or of none"
        )
    return [costs[name] for name in names]
