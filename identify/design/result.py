"""The answer: which interventions to add, what they achieve, and what is proved about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy

from identify.criterion import Verdict, check
from identify.design.cover import relative_gap
from identify.design.prices import total
from identify.entanglement import Entanglement
from identify.exceptions import RequestError, UnknownNameError
from identify.graph import CausalGraph
from identify.neighbourhoods import ACTIONS, restricted

__all__ = ["INFLUENCE", "Design", "Intervention"]

INFLUENCE = (
    "Separation is necessary, not sufficient: an action must also move its targets, and one with several targets "
    "must move them in enough different ways (sufficient influence), or they stay entangled with each other."
)

Pair = tuple[str, str]


@dataclass(frozen=True)
class Intervention:
    """An action to add.

    Attributes:
        name: what it is called in the new graph.
        targets: the latents that it acts on, in the graph's order.
        cost: what it costs.
        n_pairs: how many of the entangled ordered pairs it separates.
    """

    name: str
    targets: tuple[str, ...]
    cost: float
    n_pairs: int


@dataclass(frozen=True, eq=False)
class Design:
    """Interventions to add to a graph; ``bool(design)`` says that they disentangle it completely.

    Attributes:
        before: the predicted entanglement without them.
        actions: the interventions to add.
        limited: whether the budget was too small for all that could be separated. If so, the design is about the
            number of disentangled latents, else about the cost.
        lower_bound: proved: separating every pair that some allowed action separates costs at least this
            much (with free choice, the number of actions).
        most_disentangled: proved: no allowed design within the budget disentangles more latents; when robust,
            none secures more.
        n_secured: how many latents are separated from all others as often as was asked: when robust, by two new
            actions where there are two. Otherwise the number of disentangled latents.
        unseparable: ordered pairs (i, j) of names that no allowed action separates.
        reasons: for each of them why, in words.
        fragile: of a robust design, pairs that only one candidate separates: they don't survive its loss.
        robust: whether each pair was to be separated by two different new actions.
        free: whether the targets were chosen freely, rather than from candidates.
        excluded: candidates that were not allowed, with the reason.
    """

    before: Entanglement
    actions: tuple[Intervention, ...]
    limited: bool
    lower_bound: float
    most_disentangled: int
    n_secured: int
    unseparable: tuple[Pair, ...] = ()
    reasons: tuple[str, ...] = ()
    fragile: tuple[Pair, ...] = ()
    robust: bool = False
    free: bool = True
    excluded: Mapping[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> list[set[str]]:
        """The target sets of the new actions, as names of latents."""
        return [set(action.targets) for action in self.actions]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the new actions."""
        return tuple(action.name for action in self.actions)

    @property
    def cost(self) -> float:
        """What the new actions cost together; with free choice, how many they are."""
        return total(action.cost for action in self.actions)

    @cached_property
    def graph(self) -> CausalGraph:
        """The graph with the new actions behind those that it had."""
        return _with_actions(self.before.graph, self.actions)

    @cached_property
    def verdict(self) -> Verdict:
        """The criterion for what the design counts on: what was used of the graph, and the new actions."""
        used = _with_actions(restricted(self.before.graph, self.before.using), self.actions)
        return check(used, {*self.before.using, ACTIONS})

    @property
    def complete(self) -> bool:
        """Whether the new graph is completely disentangled, by what the design counts on."""
        return self.verdict.complete

    def __bool__(self) -> bool:
        return self.complete

    @property
    def n_disentangled(self) -> int:
        """How many latents of the new graph are disentangled."""
        return self.verdict.n_disentangled

    @property
    def n_pairs(self) -> int:
        """Entangled ordered pairs without the new actions."""
        return self.before.n_entries - self.before.n_latents

    @property
    def n_separated(self) -> int:
        """How many of them the new actions separate."""
        after = self.verdict.entanglement
        return self.n_pairs - (after.n_entries - after.n_latents)

    @property
    def coverage(self) -> float:
        """The share of the entangled pairs that the new actions separate; 1 when there was none."""
        return self.n_separated / self.n_pairs if self.n_pairs else 1.0

    @property
    def gap(self) -> float:
        """By what share the design might be better at most: cheaper, or with more latents when limited."""
        if self.limited:
            most = self.most_disentangled
            return (most - self.n_secured) / most if most else 0.0
        return relative_gap(self.cost, self.lower_bound)

    @property
    def optimal(self) -> bool:
        """Whether the design is proved to be the best: the cheapest, or with most latents when limited.

        Few candidates, and prices that are whole numbers of some unit (cents), are compared exactly. Else a design is
        called optimal when ``gap`` is at most a millionth.
        """
        return self.gap <= 1e-6

    def without(self, action: str) -> CausalGraph:
        """The new graph after the loss of one of the new actions.

        Raises:
            UnknownNameError: the design adds no such action.
        """
        if action not in self.names:
            raise UnknownNameError(f"the design adds no action {action!r}; it adds {', '.join(self.names)}")
        left = tuple(each for each in self.actions if each.name != action)
        return _with_actions(self.before.graph, left)

    def separated_by(self, i: int | str, j: int | str) -> tuple[str, ...]:
        """Names of the new actions that target latent i and not latent j.

        Raises:
            RequestError: i and j are the same latent.
            UnknownNameError: there is no such latent.
        """
        names = self.before.graph.latents
        a, b = (names[self.before.graph.index(latent)] for latent in (i, j))
        if a == b:
            raise RequestError(f"{a} and itself can't be separated; name two different latents")
        return tuple(
            action.name for action in self.actions if a in action.targets and b not in action.targets
        )

    def to_dict(self) -> dict[str, Any]:
        """The design as JSON-ready values.

        Returns:
            ``complete``, ``optimal``, ``cost``, ``lower_bound``, ``gap``, counts, ``actions`` (name, targets,
            cost, n_pairs), ``unseparable`` (latent, other, reason), ``fragile``, ``excluded`` and the reminder
            about ``influence``.
        """
        return {
            "complete": self.complete,
            "optimal": self.optimal,
            "limited": self.limited,
            "robust": self.robust,
            "free": self.free,
            "using": sorted(self.before.using),
            "cost": self.cost,
            "lower_bound": self.lower_bound,
            "gap": self.gap,
            "n_latents": self.before.n_latents,
            "n_disentangled_before": int(self.before.disentangled.sum()),
            "n_disentangled": self.n_disentangled,
            "n_secured": self.n_secured,
            "most_disentangled": self.most_disentangled,
            "n_pairs": self.n_pairs,
            "n_separated": self.n_separated,
            "actions": [
                {
                    "name": action.name,
                    "targets": list(action.targets),
                    "cost": action.cost,
                    "n_pairs": action.n_pairs,
                }
                for action in self.actions
            ],
            "unseparable": [
                {"latent": i, "other": j, "reason": reason}
                for (i, j), reason in zip(self.unseparable, self.reasons, strict=True)
            ],
            "fragile": [list(pair) for pair in self.fragile],
            "excluded": dict(self.excluded),
            "influence": INFLUENCE,
        }

    def __repr__(self) -> str:
        proved = "optimal" if self.optimal else f"gap {self.gap:.1%}"
        return (
            f"Design({len(self.actions)} new actions, {proved}: {self.n_disentangled} of "
            f"{self.before.n_latents} latents disentangled, {int(self.before.disentangled.sum())} without them)"
        )


def _with_actions(graph: CausalGraph, actions: tuple[Intervention, ...]) -> CausalGraph:
    rows = [graph.index(latent) for action in actions for latent in action.targets]
    columns = np.repeat(np.arange(len(actions)), [len(action.targets) for action in actions])
    new = scipy.sparse.csr_array(
        (np.ones(len(rows), dtype=bool), (np.array(rows, dtype=np.int64), columns)),
        shape=(graph.n_latents, len(actions)),
    )
    return CausalGraph(
        Gz=graph.Gz,
        Ga=scipy.sparse.hstack([graph.Ga, new], format="csr", dtype=bool),
        latents=graph.latents,
        actions=[*graph.actions, *(action.name for action in actions)],
    )
