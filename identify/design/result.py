"""Result of a design: the interventions to add, what they achieve, and what is proved about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

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
        name: Name of the action in the new graph.
        targets: Latents that the action targets, in the order of the graph.
        cost: Cost of the action.
        n_pairs: Number of entangled ordered pairs that the action separates.
    """

    name: str
    targets: tuple[str, ...]
    cost: float
    n_pairs: int


@dataclass(frozen=True, eq=False)
class Design:
    """Interventions to add to a graph; ``bool(design)`` is true if they disentangle it completely.

    Attributes:
        before: Predicted entanglement without the interventions.
        actions: Interventions to add.
        limited: Whether the budget is too small to separate all pairs that allowed actions could separate. If so, the
            design maximises the number of disentangled latents; otherwise it minimises the cost.
        lower_bound: Proved lower bound on the cost of separating every pair that some allowed action separates (on the
            number of actions with free choice).
        most_disentangled: Proved upper bound on the number of latents that an allowed design within the budget
            disentangles; if robust, on the number of secured latents.
        n_secured: Number of latents that are separated from all others as often as required: by two new actions, where
            two exist, if robust. Otherwise the number of disentangled latents.
        unseparable: Ordered pairs (i, j) of names that no allowed action separates.
        reasons: Reason for each unseparable pair, in words.
        fragile: Pairs of a robust design that only one candidate separates; the loss of that candidate entangles them.
        robust: Whether each pair must be separated by two different new actions.
        free: Whether the targets were chosen freely rather than from candidates.
        excluded: Candidates that were not allowed, with the reason.
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
        """Target sets of the new actions, as names of latents."""
        return [set(action.targets) for action in self.actions]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the new actions."""
        return tuple(action.name for action in self.actions)

    @property
    def cost(self) -> float:
        """Total cost of the new actions; their number with free choice."""
        return total(action.cost for action in self.actions)

    @cached_property
    def graph(self) -> CausalGraph:
        """The graph with the new actions appended to its own."""
        return _with_actions(self.before.graph, self.actions)

    @cached_property
    def verdict(self) -> Verdict:
        """Verdict of the criterion from the parts of the graph that the design uses and the new actions."""
        used = _with_actions(restricted(self.before.graph, self.before.using), self.actions)
        return check(used, {*self.before.using, ACTIONS})

    @property
    def disentangled_before(self) -> NDArray[np.bool_]:
        """Which latents are disentangled without the new actions, shape (n,)."""
        return self.before.disentangled

    @property
    def disentangled(self) -> NDArray[np.bool_]:
        """Which latents are disentangled with the new actions, shape (n,)."""
        return self.verdict.entanglement.disentangled

    @property
    def influence_note(self) -> str:
        """What the design says about influence, in words."""
        return INFLUENCE

    @property
    def complete(self) -> bool:
        """Whether the parts of the graph that the design uses and the new actions give complete disentanglement."""
        return self.verdict.complete

    def __bool__(self) -> bool:
        return self.complete

    @property
    def n_disentangled(self) -> int:
        """Number of disentangled latents of the new graph."""
        return int(self.disentangled.sum())

    @property
    def n_pairs(self) -> int:
        """Number of entangled ordered pairs without the new actions."""
        return self.before.n_entries - self.before.n_latents

    @property
    def n_separated(self) -> int:
        """Number of entangled ordered pairs that the new actions separate."""
        after = self.verdict.entanglement
        return self.n_pairs - (after.n_entries - after.n_latents)

    @property
    def coverage(self) -> float:
        """Share of the entangled pairs that the new actions separate; 1 if there are none."""
        return self.n_separated / self.n_pairs if self.n_pairs else 1.0

    @property
    def gap(self) -> float:
        """Relative optimality gap: of the cost, or of the number of secured latents if limited."""
        if self.limited:
            bound = self.most_disentangled
            return (bound - self.n_secured) / bound if bound else 0.0
        return relative_gap(self.cost, self.lower_bound)

    @property
    def optimal(self) -> bool:
        """Whether the design is proved optimal: the cheapest, or with most secured latents if limited.

        Designs are compared exactly if there are few candidates or if all prices are multiples of a unit such as a
        cent. Otherwise a design counts as optimal if ``gap`` is at most a millionth.
        """
        return self.gap <= 1e-6

    def without(self, action: str) -> CausalGraph:
        """Return the new graph after the loss of one new action.

        Raises:
            UnknownNameError: If the design adds no such action.
        """
        if action not in self.names:
            raise UnknownNameError(f"the design adds no action {action!r}; it adds {', '.join(self.names)}")
        others = tuple(other for other in self.actions if other.name != action)
        return _with_actions(self.before.graph, others)

    def separated_by(self, i: int | str, j: int | str) -> tuple[str, ...]:
        """Return the names of the new actions that target latent i and not latent j.

        Raises:
            RequestError: If i and j are the same latent.
            UnknownNameError: If the graph has no latent i or j.
        """
        names = self.before.graph.latents
        a, b = (names[self.before.graph.index(latent)] for latent in (i, j))
        if a == b:
            raise RequestError(f"a latent can't be separated from itself ({a}); name two different latents")
        return tuple(
            action.name for action in self.actions if a in action.targets and b not in action.targets
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the design as JSON-ready values.

        Returns:
            A dictionary of ``complete``, ``optimal``, ``cost``, ``lower_bound``, ``gap``, counts, ``actions`` (name,
            targets, cost, n_pairs), ``unseparable`` (latent, other, reason), ``fragile``, ``excluded`` and the note on
            ``influence``.
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
            "n_disentangled_before": int(self.disentangled_before.sum()),
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
            "influence": self.influence_note,
        }

    def __repr__(self) -> str:
        quality = "optimal" if self.optimal else f"gap {self.gap:.1%}"
        return (
            f"{type(self).__name__}({len(self.actions)} new actions, {quality}: {self.n_disentangled} of "
            f"{self.before.n_latents} latents disentangled, {int(self.disentangled_before.sum())} without them)"
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
