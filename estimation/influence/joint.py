"""Joint influence from data: the answer that follows from how many directions each action is shown to move."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

from identify.graph import CausalGraph
from identify.influence.joint import JointInfluence, check_joint_generic
from identify.influence.report import Status
from identify.wording import listed

__all__ = ["JointTest", "shown_joint_influence", "undecided"]


@dataclass(frozen=True, eq=False)
class JointTest:
    """Joint influence, from the number of directions that each action is shown to move.

    Attributes:
        ranks: The number of directions that are shown to be moved, by the name of the action.
        most: The number of directions that can be moved, by the name of the action.
        answer: Joint influence of generic effects with these numbers. It holds only if it does whatever actions with
            number 0 do, and fails only if it does with the largest numbers, whatever they do.
        margin: The weakest effect that counts, in units of noise.
    """

    ranks: Mapping[str, int]
    most: Mapping[str, int]
    answer: JointInfluence
    margin: float

    @property
    def status(self) -> Status:
        """``"holds"``, ``"fails"`` or ``"undecided"``."""
        return self.answer.status

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-compatible data."""
        record = {name: self.answer.to_dict()[name] for name in ("status", "reason", "entanglement")}
        return {**record, "ranks": dict(self.ranks), "most": dict(self.most), "margin": self.margin}

    def __str__(self) -> str:
        return f"{self.answer}"


def shown_joint_influence(
    graph: CausalGraph, least: Mapping[str, int], most: Mapping[str, int], time_limit: float = 10
) -> JointInfluence:
    """Decide joint influence from bounds on the number of directions of its children that each action moves.

    With more directions of an action that moves one, joint influence can only become better. An action that is not
    shown to move anything is different. If it moves a direction of several latents, each of them needs one more edge,
    and a combination that cancels it doesn't. So joint influence must hold with and without each such action. That it
    fails is shown only if it fails for the largest numbers, with and without each such action.

    Args:
        graph: The graph whose edges were tested.
        least: Lower bounds by the name of the action; 0 for actions that aren't named.
        most: Upper bounds by the name of the action; the number of children for actions that aren't named.
        time_limit: Seconds, after which the answer is undecided.

    Returns:
        The answer. It is undecided if neither is shown.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 0, 1], [0, 1, 1]], actions=["first", "second", "both"])
        >>> shown = {"first": 1, "second": 1}
        >>> shown_joint_influence(graph, shown | {"both": 2}, {}).status
        'holds'
        >>> shown_joint_influence(graph, shown | {"both": 0}, {}).status
        'undecided'
        >>> shown_joint_influence(graph, shown | {"both": 1}, {"both": 1}).status
        'fails'
    """
    begin = time.monotonic()
    shown = {name: least.get(name, 0) for name in graph.actions}
    answer = check_joint_generic(graph, shown, time_limit, basis=False)
    if answer.status == "holds":
        return _whatever_moves(graph, shown, answer, time_limit, begin)
    best = _best_case(graph, shown, most, time_limit, begin)
    if best.status == "fails":
        return best
    if answer.status == "undecided":
        return undecided(graph, answer.reason)
    if best.status == "undecided":
        return undecided(graph, best.reason)
    return undecided(
        graph,
        "the directions that are shown to be moved don't suffice; more data may show more, or fewer edges",
    )


def _best_case(
    graph: CausalGraph, shown: Mapping[str, int], most: Mapping[str, int], time_limit: float, begin: float
) -> JointInfluence:
    """Return an answer that fails only if no numbers within the bounds let joint influence hold.

    Those are the largest numbers, except that an action that isn't shown to move anything may not need its edges. With
    one child, its edge does no harm.
    """
    n_children = dict(zip(graph.actions, graph.Ga.toarray().sum(0).tolist(), strict=True))
    largest = n_children | dict(most)
    best = check_joint_generic(graph, largest, max(time_limit - (time.monotonic() - begin), 1e-3))
    unknown = [name for name, rank in shown.items() if rank == 0 and n_children[name] > 1]
    for size in range(1, len(unknown) + 1):
        for idle in combinations(unknown, size):
            left = time_limit - (time.monotonic() - begin)
            if best.status != "fails" or left <= 0:
                reason = f"not all cases were decided within {time_limit:.3g} s"
                return undecided(graph, reason) if best.status == "fails" else best
            other = check_joint_generic(graph, largest | dict.fromkeys(idle, 0), left, basis=False)
            best = best if other.status == "fails" else other
    return best


def _whatever_moves(
    graph: CausalGraph, shown: Mapping[str, int], answer: JointInfluence, time_limit: float, begin: float
) -> JointInfluence:
    """Return the answer, which holds, if it still does when actions that aren't shown to move anything do."""
    for moving in _possibly_moving(graph, shown):
        left = time_limit - (time.monotonic() - begin)
        if left <= 0:
            return undecided(graph, f"not all cases were decided within {time_limit:.3g} s")
        other = check_joint_generic(graph, {**shown, **dict.fromkeys(moving, 1)}, left, basis=False)
        if other.status != "holds":
            verb = "moves" if len(moving) == 1 else "move"
            return undecided(
                graph,
                f"it holds for the effects that are shown, but may fail if {listed(moving)} {verb} latents",
            )
    return answer


def _possibly_moving(graph: CausalGraph, ranks: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    """Yield the sets of actions without shown effects that may make joint influence fail, small ones first.

    An action with one child can't: a combination doesn't cancel it. A direction of n latents cancels n - 1 actions at
    most, and the others that move it add to its edges, so larger sets are no worse.
    """
    n_children = dict(zip(graph.actions, graph.Ga.toarray().sum(0).tolist(), strict=True))
    unknown = [name for name, rank in ranks.items() if rank == 0 and n_children[name] > 1]
    sizes = range(1, min(len(unknown), graph.n_latents - 1) + 1)
    return chain.from_iterable(combinations(unknown, size) for size in sizes)


def undecided(graph: CausalGraph, reason: str) -> JointInfluence:
    """Return that joint influence is undecided.

    Args:
        graph: The graph whose edges were tested.
        reason: Why it is.
    """
    weights = tuple(int(count) for count in graph.Ga.toarray().sum(1))
    return JointInfluence("undecided", None, None, reason, graph.latents, weights)
